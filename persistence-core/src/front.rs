//! What stands in front of every bucket: the rules that need no database, the gate, and tasks in which writes outlive their
//! callers.
//!
//! A bucket is given what may be done, and does it. It checks no names and knows of no closing; a write that it began comes to its
//! end, although nobody may wait for it any more.

use crate::context::Context;
use crate::derived::{Derived, DerivedStores};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::lifecycle::Gate;
use crate::page::Page;
use crate::persistence::{DriverInfo, Persistence};
use crate::store::*;
use crate::transition::TransitionPlan;
use async_trait::async_trait;
use std::sync::Arc;

/// All stores on one database, behind a front. Those that are made of documents need nothing of it.
#[async_trait]
pub trait Bucket:
    ShardStore + Executions + HistoryStore + TaskStore + QueueStore + DocumentStore + MaintenanceStore + 'static
{
    /// Releases everything. Nobody is inside any more.
    async fn close(self: Arc<Self>) -> Result<()>;
}

/// Executions behind a front: every write that changes them, or adds tasks to them, is a plan. The rest is as in [`ExecutionStore`].
#[async_trait]
pub trait Executions: Send + Sync {
    /// Applies plans of one shard in their order, each with an outcome of its own.
    async fn apply(&self, cx: &Context, plans: Vec<TransitionPlan>) -> Vec<Result<()>>;

    /// See [`ExecutionStore::get_execution`].
    async fn get_execution(&self, cx: &Context, req: &GetExecution) -> Result<MutableState>;

    /// See [`ExecutionStore::get_current_execution`].
    async fn get_current_execution(&self, cx: &Context, req: &GetCurrentExecution) -> Result<CurrentRecord>;

    /// See [`ExecutionStore::list_executions`].
    async fn list_executions(&self, cx: &Context, req: &ListExecutions) -> Result<Page<ListedExecution>>;

    /// See [`ExecutionStore::get_history_tasks`].
    async fn get_history_tasks(&self, cx: &Context, req: &GetHistoryTasks) -> Result<Page<HistoryTask>>;

    /// See [`ExecutionStore::complete_history_task`].
    async fn complete_history_task(&self, cx: &Context, req: &CompleteHistoryTask) -> Result<()>;

    /// See [`ExecutionStore::range_complete_history_tasks`].
    async fn range_complete_history_tasks(&self, cx: &Context, req: &RangeCompleteHistoryTasks)
    -> Result<()>;
}

/// Makes a [`Persistence`] of a bucket.
pub fn open<B: Bucket>(bucket: B, info: DriverInfo, env: Env) -> Arc<dyn Persistence> {
    let stores = Arc::new(Guarded { bucket: Arc::new(bucket), gate: Gate::new("store") });
    let documents: Arc<dyn DocumentStore> = stores.clone();
    let derived = Derived::new(&documents, env);
    Arc::new(Front { info, stores, derived })
}

struct Front<B> {
    info: DriverInfo,
    stores: Arc<Guarded<B>>,
    derived: Derived,
}

/// The stores of a bucket, with what stands in front of them.
pub(crate) struct Guarded<B> {
    pub(crate) bucket: Arc<B>,
    pub(crate) gate: Gate,
}

#[async_trait]
impl<B: Bucket> Persistence for Front<B> {
    fn info(&self) -> &DriverInfo {
        &self.info
    }

    fn shards(&self) -> &dyn ShardStore {
        &*self.stores
    }

    fn executions(&self) -> &dyn ExecutionStore {
        &*self.stores
    }

    fn history(&self) -> &dyn HistoryStore {
        &*self.stores
    }

    fn tasks(&self) -> &dyn TaskStore {
        &*self.stores
    }

    fn queues(&self) -> &dyn QueueStore {
        &*self.stores
    }

    fn documents(&self) -> &dyn DocumentStore {
        &*self.stores
    }

    fn derived(&self) -> &dyn DerivedStores {
        &self.derived
    }

    fn maintenance(&self) -> &dyn MaintenanceStore {
        &*self.stores
    }

    async fn close(&self) -> Result<()> {
        if !self.stores.gate.close() {
            return Ok(());
        }
        self.stores.gate.drained().await;
        self.stores.bucket.clone().close().await
    }
}

impl<B: Bucket> Guarded<B> {
    /// Applies one plan in a task of its own.
    async fn apply_one(&self, cx: &Context, plan: TransitionPlan) -> Result<()> {
        let (bucket, cx) = (self.bucket.clone(), cx.clone());
        let apply = async move {
            let mut outcomes = bucket.apply(&cx, vec![plan]).await;
            outcomes.pop().unwrap_or_else(|| Err(Error::corrupted("apply", "a plan got no outcome")))
        };
        self.gate.run(apply).await
    }
}

#[async_trait]
impl<B: Bucket> ExecutionStore for Guarded<B> {
    async fn create_execution(&self, cx: &Context, req: &CreateExecution) -> Result<()> {
        self.apply_one(cx, req.lower()?).await
    }

    async fn update_execution(&self, cx: &Context, req: &UpdateExecution) -> Result<()> {
        self.apply_one(cx, req.lower()?).await
    }

    async fn conflict_resolve_execution(&self, cx: &Context, req: &ConflictResolveExecution) -> Result<()> {
        self.apply_one(cx, req.lower()?).await
    }

    async fn set_execution(&self, cx: &Context, req: &SetExecution) -> Result<()> {
        self.apply_one(cx, req.lower()?).await
    }

    async fn delete_execution(&self, cx: &Context, req: &DeleteExecution) -> Result<()> {
        self.apply_one(cx, req.lower()?).await
    }

    async fn delete_current_execution(&self, cx: &Context, req: &DeleteCurrentExecution) -> Result<()> {
        self.apply_one(cx, req.lower()?).await
    }

    async fn apply(&self, cx: &Context, req: &ApplyPlans) -> Result<Vec<Result<()>>> {
        req.validate()?;
        let (bucket, cx, plans) = (self.bucket.clone(), cx.clone(), req.plans.clone());
        self.gate.run(async move { Ok(bucket.apply(&cx, plans).await) }).await
    }

    async fn get_execution(&self, cx: &Context, req: &GetExecution) -> Result<MutableState> {
        req.validate()?;
        let _inside = self.gate.enter()?;
        self.bucket.get_execution(cx, req).await
    }

    async fn get_current_execution(&self, cx: &Context, req: &GetCurrentExecution) -> Result<CurrentRecord> {
        req.validate()?;
        let _inside = self.gate.enter()?;
        self.bucket.get_current_execution(cx, req).await
    }

    async fn list_executions(&self, cx: &Context, req: &ListExecutions) -> Result<Page<ListedExecution>> {
        req.validate()?;
        let _inside = self.gate.enter()?;
        self.bucket.list_executions(cx, req).await
    }

    async fn add_history_tasks(&self, cx: &Context, req: &AddHistoryTasks) -> Result<()> {
        self.apply_one(cx, req.lower()?).await
    }

    async fn get_history_tasks(&self, cx: &Context, req: &GetHistoryTasks) -> Result<Page<HistoryTask>> {
        req.validate()?;
        let _inside = self.gate.enter()?;
        self.bucket.get_history_tasks(cx, req).await
    }

    async fn complete_history_task(&self, cx: &Context, req: &CompleteHistoryTask) -> Result<()> {
        req.validate()?;
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.gate.run(async move { bucket.complete_history_task(&cx, &req).await }).await
    }

    async fn range_complete_history_tasks(
        &self,
        cx: &Context,
        req: &RangeCompleteHistoryTasks,
    ) -> Result<()> {
        req.validate()?;
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.gate.run(async move { bucket.range_complete_history_tasks(&cx, &req).await }).await
    }
}
