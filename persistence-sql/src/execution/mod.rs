//! Executions: transitions, reads and history tasks.

mod apply;
mod found;
mod procedure;
mod read;
mod rows;
mod statement;
mod tasks;
mod transact;

pub use procedure::{Procedure, procedures};
pub(crate) use transact::{Answers, WaveOf, transact};

use crate::bucket::Sql;
use crate::core::store::*;
use crate::core::transition::TransitionPlan;
use crate::core::validate;
use crate::core::{Context, Error, Page, Result};
use async_trait::async_trait;

impl Sql {
    /// Applies one plan in a task of its own.
    async fn apply_one(&self, cx: &Context, plan: TransitionPlan) -> Result<()> {
        let (bucket, cx) = (self.bucket.clone(), cx.clone());
        let apply = async move {
            let mut outcomes = bucket.apply_plans(&cx, vec![plan]).await;
            outcomes.pop().unwrap_or_else(|| Err(Error::corrupted("apply", "a plan got no outcome")))
        };
        self.bucket.gate.run(apply).await
    }
}

#[async_trait]
impl ExecutionStore for Sql {
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
        validate::shard(req.shard_id)?;
        if req.plans.iter().any(|p| p.shard_id != req.shard_id) {
            return Err(Error::invalid("plans", "every plan must be of the request's shard"));
        }
        let (bucket, cx, plans) = (self.bucket.clone(), cx.clone(), req.plans.clone());
        self.bucket.gate.run(async move { Ok(bucket.apply_plans(&cx, plans).await) }).await
    }

    async fn get_execution(&self, cx: &Context, req: &GetExecution) -> Result<MutableState> {
        validate::shard(req.shard_id)?;
        validate::run_key(&req.run)?;
        let _inside = self.bucket.gate.enter()?;
        self.bucket.load(cx, req).await
    }

    async fn get_current_execution(&self, cx: &Context, req: &GetCurrentExecution) -> Result<CurrentRecord> {
        validate::shard(req.shard_id)?;
        validate::current_key(&req.key)?;
        let _inside = self.bucket.gate.enter()?;
        self.bucket.load_current(cx, req).await
    }

    async fn list_executions(&self, cx: &Context, req: &ListExecutions) -> Result<Page<ListedExecution>> {
        validate::shard(req.shard_id)?;
        let _inside = self.bucket.gate.enter()?;
        self.bucket.list_runs(cx, req).await
    }

    async fn add_history_tasks(&self, cx: &Context, req: &AddHistoryTasks) -> Result<()> {
        self.apply_one(cx, req.lower()?).await
    }

    async fn get_history_tasks(&self, cx: &Context, req: &GetHistoryTasks) -> Result<Page<HistoryTask>> {
        validate::shard(req.shard_id)?;
        validate::task_range(req.category, req.min, req.max)?;
        let _inside = self.bucket.gate.enter()?;
        self.bucket.history_tasks(cx, req).await
    }

    async fn complete_history_task(&self, cx: &Context, req: &CompleteHistoryTask) -> Result<()> {
        validate::shard(req.shard_id)?;
        validate::task_key(req.category, req.key)?;
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.complete_task(&cx, &req).await }).await
    }

    async fn range_complete_history_tasks(
        &self,
        cx: &Context,
        req: &RangeCompleteHistoryTasks,
    ) -> Result<()> {
        validate::shard(req.shard_id)?;
        validate::task_range(req.category, req.min, req.max)?;
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.complete_tasks(&cx, &req).await }).await
    }
}
