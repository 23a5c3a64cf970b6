//! One workflow id in a shard that a case owns, and every request about it.

use super::record::*;
use crate::Fixture;
use crate::fixture::call;
use futures_util::future::BoxFuture;
use persistence_core::store::*;
use persistence_core::transition::TransitionPlan;
use persistence_core::{
    Archetype, AttemptId, Context, NamespaceId, PageRequest, Persistence, RangeId, Result, RunId, ShardId,
};
use std::sync::Arc;

/// A write that answers nothing but whether it was done.
pub trait Write: Send + Sync {
    /// The operation, `store.method`.
    fn operation(&self) -> &'static str;

    /// Sends it.
    fn send<'a>(&'a self, p: &'a dyn Persistence, cx: &'a Context) -> BoxFuture<'a, Result<()>>;
}

macro_rules! writes {
    ($($store:ident.$method:ident($request:ty) = $name:literal;)*) => {$(
        impl Write for $request {
            fn operation(&self) -> &'static str {
                $name
            }

            fn send<'a>(&'a self, p: &'a dyn Persistence, cx: &'a Context) -> BoxFuture<'a, Result<()>> {
                Box::pin(async move { p.$store().$method(cx, self).await })
            }
        }
    )*};
}

writes! {
    shards.update_shard(UpdateShard) = "shard.update_shard";
    executions.create_execution(CreateExecution) = "execution.create_execution";
    executions.update_execution(UpdateExecution) = "execution.update_execution";
    executions.conflict_resolve_execution(ConflictResolveExecution) = "execution.conflict_resolve_execution";
    executions.set_execution(SetExecution) = "execution.set_execution";
    executions.delete_execution(DeleteExecution) = "execution.delete_execution";
    executions.delete_current_execution(DeleteCurrentExecution) = "execution.delete_current_execution";
    executions.add_history_tasks(AddHistoryTasks) = "execution.add_history_tasks";
    executions.complete_history_task(CompleteHistoryTask) = "execution.complete_history_task";
    executions.range_complete_history_tasks(RangeCompleteHistoryTasks) = "execution.range_complete_history_tasks";
}

/// Creates a shard, or finds it.
pub fn shard(shard_id: ShardId, range_id: RangeId) -> GetOrCreateShard {
    GetOrCreateShard { shard_id, initial_range_id: range_id, initial_info: blob("shard") }
}

/// Moves a shard from one range id to another.
pub fn move_shard(shard_id: ShardId, previous_range_id: RangeId, range_id: RangeId) -> UpdateShard {
    let attempt = AttemptId::new();
    UpdateShard { shard_id, previous_range_id, range_id, info: blob("shard"), attempt }
}

/// A workflow id in a shard. Cheap to clone, and clones may go to tasks.
#[derive(Clone)]
pub struct Flow {
    /// Where its calls go.
    pub p: Arc<dyn Persistence>,
    /// The shard.
    pub shard_id: ShardId,
    /// The range id that its writes name.
    pub range_id: RangeId,
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The workflow id.
    pub workflow_id: String,
    /// The kind of execution.
    pub archetype: Archetype,
}

impl Flow {
    /// A fresh workflow id in a fresh shard, which was taken over once.
    pub async fn new(t: &Fixture) -> Result<Self> {
        let shard_id = t.shard();
        t.p.shards().get_or_create_shard(&t.cx(), &shard(shard_id, 1)).await?;
        t.p.shards().update_shard(&t.cx(), &move_shard(shard_id, 1, 2)).await?;
        Ok(Flow {
            p: t.p.clone(),
            shard_id,
            range_id: 2,
            namespace_id: t.namespace(),
            workflow_id: t.name("workflow"),
            archetype: Archetype::WORKFLOW,
        })
    }

    /// Another workflow id in the same shard and namespace.
    pub fn sibling(&self, t: &Fixture) -> Self {
        self.named(t.name("workflow"))
    }

    /// This workflow id in the same shard and namespace.
    pub fn named(&self, workflow_id: impl Into<String>) -> Self {
        Flow { workflow_id: workflow_id.into(), ..self.clone() }
    }

    /// The same name as another kind of execution.
    pub fn kind(&self, archetype: u32) -> Self {
        Flow { archetype: Archetype(archetype), ..self.clone() }
    }

    /// The same, with writes that name this range id.
    pub fn fenced(&self, range_id: RangeId) -> Self {
        Flow { range_id, ..self.clone() }
    }

    /// The same, over another handle.
    pub fn over(&self, p: Arc<dyn Persistence>) -> Self {
        Flow { p, ..self.clone() }
    }

    /// A context with a generous deadline.
    pub fn cx(&self) -> Context {
        call()
    }

    /// What every write names, with a new attempt.
    pub fn scope(&self) -> ExecutionScope {
        ExecutionScope {
            shard_id: self.shard_id,
            range_id: self.range_id,
            namespace_id: self.namespace_id,
            workflow_id: self.workflow_id.clone(),
            archetype: self.archetype,
            attempt: AttemptId::new(),
        }
    }

    /// The key of a run.
    pub fn run_key(&self, run_id: RunId) -> RunKey {
        RunKey { namespace_id: self.namespace_id, workflow_id: self.workflow_id.clone(), run_id }
    }

    /// The key of the current record.
    pub fn current_key(&self) -> CurrentKey {
        CurrentKey {
            namespace_id: self.namespace_id,
            workflow_id: self.workflow_id.clone(),
            archetype: self.archetype,
        }
    }

    /// Creates a run.
    pub fn create(&self, mode: CreateMode, snapshot: &Snapshot) -> CreateExecution {
        CreateExecution { scope: self.scope(), mode, snapshot: snapshot.clone(), history: Vec::new() }
    }

    /// Creates a run that no other may be current beside.
    pub fn brand_new(&self, snapshot: &Snapshot) -> CreateExecution {
        self.create(CreateMode::BrandNew, snapshot)
    }

    /// Creates a run in the place of a closed one.
    pub fn reuse(&self, previous: &Snapshot, snapshot: &Snapshot) -> CreateExecution {
        let mode = CreateMode::UpdateCurrent {
            previous_run_id: previous.run_id,
            previous_last_write_version: previous.record.last_write_version,
        };
        self.create(mode, snapshot)
    }

    /// Changes a run.
    pub fn update(&self, mode: UpdateMode, mutation: &Mutation) -> UpdateExecution {
        let mutation = mutation.clone();
        UpdateExecution { scope: self.scope(), mode, mutation, new_run: None, history: Vec::new() }
    }

    /// Changes the current run.
    pub fn update_current(&self, mutation: &Mutation) -> UpdateExecution {
        self.update(UpdateMode::UpdateCurrent, mutation)
    }

    /// Changes the current run, which must be at this version, and leaves it running; contents are fresh.
    pub fn touch(&self, run_id: RunId, expected_version: i64) -> UpdateExecution {
        self.update_current(&mutation(run_id, expected_version, ExecutionState::Running))
    }

    /// Resolves a conflict by replacing a run.
    pub fn resolve(&self, mode: ConflictResolveMode, reset: &Snapshot) -> ConflictResolveExecution {
        ConflictResolveExecution {
            scope: self.scope(),
            mode,
            reset: reset.clone(),
            current: None,
            new_run: None,
            history: Vec::new(),
        }
    }

    /// Replaces a run.
    pub fn set(&self, snapshot: &Snapshot) -> SetExecution {
        SetExecution { scope: self.scope(), snapshot: snapshot.clone() }
    }

    /// Deletes a run, unfenced.
    pub fn delete(&self, run_id: RunId) -> DeleteExecution {
        DeleteExecution { shard_id: self.shard_id, range_id: None, run: self.run_key(run_id) }
    }

    /// Deletes the current record if it names this run, unfenced.
    pub fn delete_current(&self, run_id: RunId) -> DeleteCurrentExecution {
        let (shard_id, key) = (self.shard_id, self.current_key());
        DeleteCurrentExecution { shard_id, range_id: None, key, run_id }
    }

    /// Adds tasks.
    pub fn add_tasks(&self, tasks: &[HistoryTask]) -> AddHistoryTasks {
        AddHistoryTasks { shard_id: self.shard_id, range_id: self.range_id, tasks: tasks.to_vec() }
    }

    /// Deletes a task, unfenced.
    pub fn complete(&self, task: &HistoryTask) -> CompleteHistoryTask {
        let HistoryTask { category, key, .. } = *task;
        CompleteHistoryTask { shard_id: self.shard_id, range_id: None, category, key }
    }

    /// Deletes tasks, unfenced.
    pub fn complete_range(
        &self,
        category: TaskCategory,
        min: TaskKey,
        max: TaskKey,
    ) -> RangeCompleteHistoryTasks {
        RangeCompleteHistoryTasks { shard_id: self.shard_id, range_id: None, category, min, max }
    }

    /// Sends a write.
    pub async fn send(&self, write: &impl Write) -> Result<()> {
        write.send(&*self.p, &self.cx()).await
    }

    /// Creates a run as the first of its workflow id and gives it back.
    pub async fn begin(&self, t: &Fixture, state: ExecutionState) -> Result<Snapshot> {
        let first = snapshot(t.run(), state);
        self.send(&self.brand_new(&first)).await?;
        Ok(first)
    }

    /// Creates a zombie beside the current run and gives it back.
    pub async fn zombie(&self, t: &Fixture) -> Result<Snapshot> {
        let zombie = snapshot(t.run(), ExecutionState::Zombie);
        self.send(&self.create(CreateMode::BypassCurrent, &zombie)).await?;
        Ok(zombie)
    }

    /// Applies plans, each with its outcome.
    pub async fn apply(&self, plans: Vec<TransitionPlan>) -> Result<Vec<Result<()>>> {
        self.p.executions().apply(&self.cx(), &ApplyPlans { shard_id: self.shard_id, plans }).await
    }

    /// Reads a run.
    pub async fn load(&self, run_id: RunId) -> Result<MutableState> {
        let req = GetExecution { shard_id: self.shard_id, run: self.run_key(run_id) };
        self.p.executions().get_execution(&self.cx(), &req).await
    }

    /// Reads the current record.
    pub async fn current(&self) -> Result<CurrentRecord> {
        let req = GetCurrentExecution { shard_id: self.shard_id, key: self.current_key() };
        self.p.executions().get_current_execution(&self.cx(), &req).await
    }

    /// Reads a range of tasks, one page.
    pub async fn tasks_between(
        &self,
        category: TaskCategory,
        min: TaskKey,
        max: TaskKey,
    ) -> Result<Vec<HistoryTask>> {
        let page = PageRequest::first(1000);
        let req = GetHistoryTasks { shard_id: self.shard_id, category, min, max, page };
        Ok(self.p.executions().get_history_tasks(&self.cx(), &req).await?.items)
    }

    /// Reads every task of a category.
    pub async fn tasks(&self, category: TaskCategory) -> Result<Vec<HistoryTask>> {
        let (min, max) = bounds(category);
        self.tasks_between(category, min, max).await
    }
}

/// Bounds that hold every task of a category but one with the largest id or time.
pub fn bounds(category: TaskCategory) -> (TaskKey, TaskKey) {
    use persistence_core::Timestamp;
    match category.kind {
        TaskCategoryKind::Immediate => (TaskKey::immediate(i64::MIN), TaskKey::immediate(i64::MAX)),
        TaskCategoryKind::Scheduled => {
            (TaskKey::scheduled(Timestamp(i64::MIN), 0), TaskKey::scheduled(Timestamp::MAX, 0))
        }
    }
}
