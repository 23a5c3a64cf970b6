//! What a transition requires and what it does.

use crate::blob::Blob;
use crate::history::Branch;
use crate::ids::{AttemptId, RangeId, RunId, ShardId};
use crate::store::{
    CurrentKey, CurrentRecord, HistoryTask, Item, ItemKey, NodeHeader, RunKey, RunRecord, TaskCategory,
    TaskKey,
};

/// One atomic transition of one shard, from the `lower` method of a request. Buckets read it; only core makes it, so a plan is
/// always valid: no row is written twice, every key is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransitionPlan {
    /// The shard.
    pub shard_id: ShardId,
    /// The range id that must be stored; none for an unfenced delete.
    pub fence: Option<RangeId>,
    /// Tells a repeat from another writer's plan; none when every repeat is harmless.
    pub attempt: Option<AttemptId>,
    /// The current record, if the plan looks at it.
    pub current: Option<CurrentStep>,
    /// Up to three runs, with distinct keys, in order of key.
    pub runs: Vec<RunStep>,
    /// History tasks to put, with distinct keys, in order of key.
    pub tasks: Vec<HistoryTask>,
    /// History nodes to put, with distinct keys.
    pub nodes: Vec<NodeStep>,
}

/// What a plan does with a current record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentStep {
    /// Whose.
    pub key: CurrentKey,
    /// What must hold.
    pub check: CurrentCheck,
    /// What is done.
    pub write: CurrentWrite,
}

/// What must hold of a current record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurrentCheck {
    /// There is none.
    Absent,
    /// It names this run.
    Run(RunId),
    /// It names this run, with this last write version, in state completed.
    Reusable {
        /// The run.
        run_id: RunId,
        /// The last write version.
        last_write_version: i64,
    },
    /// It does not name this run, or is absent.
    NotRun(RunId),
}

/// What is done with a current record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurrentWrite {
    /// Nothing.
    Keep,
    /// It is put.
    Put(Box<CurrentRecord>),
    /// It is deleted.
    Delete,
}

/// What a plan does with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStep {
    /// The run.
    pub key: RunKey,
    /// What must hold, and what is done.
    pub action: RunAction,
}

/// What must hold of a run, and what is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunAction {
    /// It does not exist; it is created.
    Create(Box<RunWrite>),
    /// Its record version is this; it is changed.
    Update {
        /// The version that must be stored.
        expected: i64,
        /// What is written.
        write: Box<RunWrite>,
    },
    /// Nothing is required; it is deleted with all its rows.
    Delete,
}

/// What is written of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunWrite {
    /// The record.
    pub record: RunRecord,
    /// The record version to store.
    pub record_version: i64,
    /// What becomes of its items.
    pub items: ItemsWrite,
    /// Whether buffered events are deleted first.
    pub clear_buffered: bool,
    /// A batch to append to the buffered events. Its place is the record version, so appending needs no read.
    pub append_buffered: Option<Blob>,
}

/// What becomes of a run's items.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemsWrite {
    /// These are upserted and those deleted; no key is in both. Both in order of key.
    Patch {
        /// To insert or replace.
        upsert: Vec<Item>,
        /// To delete.
        delete: Vec<ItemKey>,
    },
    /// They become exactly these, in order of key: what is not among them is deleted.
    Replace(Vec<Item>),
}

/// A history node that a plan puts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStep {
    /// The branch, parsed.
    pub branch: Branch,
    /// Whether the node begins a tree's first branch: then the branch's row is put as well.
    pub new_branch: bool,
    /// The run that the branch belongs to.
    pub owner: RunKey,
    /// The node.
    pub header: NodeHeader,
    /// Its events.
    pub events: Blob,
}

/// The place of a history task: what makes two tasks the same.
pub type TaskPlace = (i32, TaskKey);

/// The place of a task in its shard.
pub fn task_place(category: TaskCategory, key: TaskKey) -> TaskPlace {
    (category.id, key)
}
