//! Executions: state transitions, reads, and the tasks that come with them.

use super::request::requests;
use super::{
    CurrentKey, CurrentRecord, HistoryTask, Item, ItemKey, MutableState, NodeWrite, RunKey, RunRecord,
    TaskCategory, TaskKey,
};
use crate::blob::Blob;
use crate::error::Result;
use crate::ids::{Archetype, AttemptId, NamespaceId, RangeId, RunId, ShardId};
use crate::page::{Page, PageRequest};
use crate::transition::TransitionPlan;
use crate::validate;

/// A whole run: to create it, or to replace what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The run.
    pub run_id: RunId,
    /// Its record.
    pub record: RunRecord,
    /// For a new run the version to store; for a replaced run the version to expect (the store writes that plus one).
    pub record_version: i64,
    /// All its pending items; of two with one key the last counts.
    pub items: Vec<Item>,
    /// History tasks to add.
    pub tasks: Vec<HistoryTask>,
}

/// A change to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The run.
    pub run_id: RunId,
    /// Its record, which replaces the stored one.
    pub record: RunRecord,
    /// The version to expect; the store writes that plus one.
    pub expected_version: i64,
    /// Items to insert or replace.
    pub upsert_items: Vec<Item>,
    /// Items to delete, after the upserts; absent ones are ignored.
    pub delete_items: Vec<ItemKey>,
    /// Deletes all buffered events first.
    pub clear_buffered_events: bool,
    /// A batch to append to the buffered events, after clearing.
    pub buffered_events: Option<Blob>,
    /// History tasks to add.
    pub tasks: Vec<HistoryTask>,
}

/// What creating a run requires of the current record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateMode {
    /// There is none. The new run becomes current.
    BrandNew,
    /// It names this run, with this last write version, in state completed: reuse of a workflow id. Checked in this
    /// order. The new run becomes current.
    UpdateCurrent {
        /// The run that must be current.
        previous_run_id: RunId,
        /// Its last write version.
        previous_last_write_version: i64,
    },
    /// It does not name the new run; it may be absent. It is not written.
    BypassCurrent,
}

/// What updating a run requires of the current record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateMode {
    /// It names the updated run. It is written from the new run if there is one, else from the updated one.
    UpdateCurrent,
    /// It does not name the updated run; it may be absent. It is not written.
    BypassCurrent,
    /// Nothing; it is neither read nor written.
    IgnoreCurrent,
}

/// What resolving a conflict requires of the current record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConflictResolveMode {
    /// It names the mutated current run if there is one, else the reset run. It is written from the new run if there is
    /// one, else from the reset one.
    UpdateCurrent,
    /// It does not name the reset run; it may be absent. It is not written.
    BypassCurrent,
}

/// What every write to an execution names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionScope {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The fence: the range id that the caller holds.
    pub range_id: RangeId,
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The workflow id: 1 to 255 characters without U+0000, compared by exact bytes.
    pub workflow_id: String,
    /// The kind of execution; unspecified is `InvalidArgument`.
    pub archetype: Archetype,
    /// Tells a repeat from another writer's request.
    pub attempt: AttemptId,
}

/// See [`ExecutionStore::create_execution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateExecution {
    /// Whose.
    pub scope: ExecutionScope,
    /// What is required of the current record.
    pub mode: CreateMode,
    /// The run.
    pub snapshot: Snapshot,
    /// History nodes to append with it.
    pub history: Vec<NodeWrite>,
}

/// See [`ExecutionStore::update_execution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateExecution {
    /// Whose.
    pub scope: ExecutionScope,
    /// What is required of the current record.
    pub mode: UpdateMode,
    /// The change.
    pub mutation: Mutation,
    /// A run to create with it (continue-as-new).
    pub new_run: Option<Snapshot>,
    /// History nodes to append with it.
    pub history: Vec<NodeWrite>,
}

/// See [`ExecutionStore::conflict_resolve_execution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictResolveExecution {
    /// Whose.
    pub scope: ExecutionScope,
    /// What is required of the current record.
    pub mode: ConflictResolveMode,
    /// The run to replace; its collections become exactly these.
    pub reset: Snapshot,
    /// The change to the run that is current now.
    pub current: Option<Mutation>,
    /// A run to create with it.
    pub new_run: Option<Snapshot>,
    /// History nodes to append with it.
    pub history: Vec<NodeWrite>,
}

/// See [`ExecutionStore::set_execution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetExecution {
    /// Whose.
    pub scope: ExecutionScope,
    /// The run to replace.
    pub snapshot: Snapshot,
}

/// See [`ExecutionStore::delete_execution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteExecution {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The fence, if the delete is to be fenced.
    pub range_id: Option<RangeId>,
    /// The run.
    pub run: RunKey,
}

/// See [`ExecutionStore::delete_current_execution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteCurrentExecution {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The fence, if the delete is to be fenced.
    pub range_id: Option<RangeId>,
    /// Whose current record.
    pub key: CurrentKey,
    /// The run that it must name.
    pub run_id: RunId,
}

/// See [`ExecutionStore::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyPlans {
    /// The shard of every plan.
    pub shard_id: ShardId,
    /// The plans, from [`crate::transition`].
    pub plans: Vec<TransitionPlan>,
}

/// See [`ExecutionStore::get_execution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetExecution {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The run.
    pub run: RunKey,
}

/// See [`ExecutionStore::get_current_execution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetCurrentExecution {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// Whose current record.
    pub key: CurrentKey,
}

/// See [`ExecutionStore::list_executions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListExecutions {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// How much, and from where.
    pub page: PageRequest,
}

/// A run as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedExecution {
    /// The run.
    pub run: RunKey,
    /// Its record.
    pub record: RunRecord,
    /// Its record version.
    pub record_version: i64,
}

/// See [`ExecutionStore::add_history_tasks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddHistoryTasks {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The fence.
    pub range_id: RangeId,
    /// The tasks, of any categories; of two with one key the last counts.
    pub tasks: Vec<HistoryTask>,
}

/// See [`ExecutionStore::get_history_tasks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetHistoryTasks {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The category.
    pub category: TaskCategory,
    /// The first key, inclusive.
    pub min: TaskKey,
    /// The key after the last, exclusive.
    pub max: TaskKey,
    /// How much, and from where.
    pub page: PageRequest,
}

/// See [`ExecutionStore::complete_history_task`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteHistoryTask {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The fence, if the delete is to be fenced.
    pub range_id: Option<RangeId>,
    /// The category.
    pub category: TaskCategory,
    /// The task.
    pub key: TaskKey,
}

/// See [`ExecutionStore::range_complete_history_tasks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeCompleteHistoryTasks {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The fence, if the delete is to be fenced.
    pub range_id: Option<RangeId>,
    /// The category.
    pub category: TaskCategory,
    /// The first key, inclusive.
    pub min: TaskKey,
    /// The key after the last, exclusive.
    pub max: TaskKey,
}

macro_rules! scoped {
    ($($t:ty),*) => {$(
        impl super::Request for $t {
            fn shard_id(&self) -> Option<ShardId> {
                Some(self.scope.shard_id)
            }
        }
    )*};
}

scoped!(CreateExecution, UpdateExecution, ConflictResolveExecution, SetExecution);

requests! {
    sharded: DeleteExecution, DeleteCurrentExecution, ListExecutions, AddHistoryTasks,
        ApplyPlans => |r| validate::plans(r.shard_id, &r.plans),
        GetExecution => |r| validate::run_key(&r.run),
        GetCurrentExecution => |r| validate::current_key(&r.key),
        GetHistoryTasks => |r| validate::task_range(r.category, r.min, r.max),
        CompleteHistoryTask => |r| validate::task_key(r.category, r.key),
        RangeCompleteHistoryTasks => |r| validate::task_range(r.category, r.min, r.max);
    unsharded:
}

store! {
    /// Mutable state, current records and history tasks.
    ///
    /// *Key columns*: shard id, namespace, workflow id, run id (runs); shard id, namespace, workflow id, archetype
    /// (current records); shard id, category, fire time, task id (history tasks).
    ///
    /// *Consistency*: one transition is one atomic unit: fence, current record, up to three runs, their items, the tasks,
    /// and (capability `atomic_history`) the history nodes. Where nodes cannot commit with the state they go first, stay
    /// invisible until the state points past them, and are deleted after a definite refusal.
    ///
    /// *Errors*: precedence is shard, then current record, then run. Each carries what was found.
    pub trait ExecutionStore via executions named "execution" {
        /// Creates a run. Must return `CurrentWorkflowConditionFailed` with the current record if the mode does not hold,
        /// `WorkflowConditionFailed` with the stored version if the run exists. The record version is stored as given.
        write fn create_execution(CreateExecution) -> ();

        /// Changes a run if its record version is the expected one, and may create another. Must return
        /// `WorkflowConditionFailed` if it is not (without a version if there is no such run).
        write fn update_execution(UpdateExecution) -> ();

        /// Replaces a run, and may change the current one and create another, all at once. Errors as for update.
        write fn conflict_resolve_execution(ConflictResolveExecution) -> ();

        /// Replaces a run without a look at the current record. Errors as for update.
        write fn set_execution(SetExecution) -> ();

        /// Deletes a run with all its items and buffered events; not its current record, history or tasks. Succeeds when
        /// there is none.
        idempotent fn delete_execution(DeleteExecution) -> ();

        /// Deletes the current record if it names this run; otherwise succeeds without a change.
        idempotent fn delete_current_execution(DeleteCurrentExecution) -> ();

        /// Applies plans of one shard, each with an outcome of its own, in the order given where they touch the same
        /// thing. As few round trips as the database allows. Fails as a whole only for reasons that concern all.
        write fn apply(ApplyPlans) -> Vec<Result<()>>;

        /// The run as one consistent snapshot. Must return `NotFound` if there is none.
        read fn get_execution(GetExecution) -> MutableState;

        /// The current record. Must return `NotFound` if there is none.
        read fn get_current_execution(GetCurrentExecution) -> CurrentRecord;

        /// The runs of a shard, ordered by namespace, workflow id (bytes) and run id.
        read fn list_executions(ListExecutions) -> Page<ListedExecution>;

        /// Adds tasks, all or none, fenced. A task whose key exists is replaced.
        idempotent fn add_history_tasks(AddHistoryTasks) -> ();

        /// Tasks with keys in `[min, max)`, ascending. Must return `InvalidArgument` if an immediate bound has a fire
        /// time or a scheduled bound has a task id; `min > max` gives an empty page.
        read fn get_history_tasks(GetHistoryTasks) -> Page<HistoryTask>;

        /// Deletes a task; succeeds when there is none.
        idempotent fn complete_history_task(CompleteHistoryTask) -> ();

        /// Deletes the tasks with keys in `[min, max)`. Bounds as for reading.
        idempotent fn range_complete_history_tasks(RangeCompleteHistoryTasks) -> ();
    }
}
