//! A run's state as it is stored and read back.

use super::Item;
use crate::blob::Blob;
use crate::ids::{Archetype, NamespaceId, RunId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExecutionState {
    /// Made, not started.
    Created,
    /// Started, not closed.
    Running,
    /// Closed.
    Completed,
    /// Replicated, but not the current run of its workflow.
    Zombie,
    /// Known to be damaged.
    Corrupted,
}

impl fmt::Display for ExecutionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExecutionState::Created => "created",
            ExecutionState::Running => "running",
            ExecutionState::Completed => "completed",
            ExecutionState::Zombie => "zombie",
            ExecutionState::Corrupted => "corrupted",
        })
    }
}

/// How a run stands, or how it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExecutionStatus {
    /// Not closed.
    Running,
    /// Not closed, and held.
    Paused,
    /// Closed with a result.
    Completed,
    /// Closed with a failure.
    Failed,
    /// Closed on request.
    Canceled,
    /// Closed by force.
    Terminated,
    /// Closed, and went on in a new run.
    ContinuedAsNew,
    /// Closed by its time limit.
    TimedOut,
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExecutionStatus::Running => "running",
            ExecutionStatus::Paused => "paused",
            ExecutionStatus::Completed => "completed",
            ExecutionStatus::Failed => "failed",
            ExecutionStatus::Canceled => "canceled",
            ExecutionStatus::Terminated => "terminated",
            ExecutionStatus::ContinuedAsNew => "continued_as_new",
            ExecutionStatus::TimedOut => "timed_out",
        })
    }
}

/// The name of a workflow in its namespace: one current run for each archetype.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CurrentKey {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The workflow id: 1 to 255 characters without U+0000, compared by exact bytes.
    pub workflow_id: String,
    /// The kind of execution.
    pub archetype: Archetype,
}

/// The key of a run in its shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunKey {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The workflow id: 1 to 255 characters without U+0000, compared by exact bytes.
    pub workflow_id: String,
    /// The run. Unique in its shard: a run's child rows may be keyed by shard and run id alone.
    pub run_id: RunId,
}

/// The current record: which run a workflow id stands for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentRecord {
    /// The current run.
    pub run_id: RunId,
    /// The request that created it, for de-duplication by the caller.
    pub create_request_id: String,
    /// Where the run is in its life.
    pub state: ExecutionState,
    /// How it stands.
    pub status: ExecutionStatus,
    /// The failover version of its last write.
    pub last_write_version: i64,
    /// When it started.
    pub start_time: Timestamp,
    /// The execution state in the engine's own encoding (request ids and the like).
    pub execution_state: Blob,
}

/// Everything of a run that is written as a whole with each transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Where the run is in its life.
    pub state: ExecutionState,
    /// How it stands.
    pub status: ExecutionStatus,
    /// The id of the next history event.
    pub next_event_id: i64,
    /// The failover version of the last write.
    pub last_write_version: i64,
    /// When it started.
    pub start_time: Timestamp,
    /// The request that created it.
    pub create_request_id: String,
    /// The execution's info in the engine's own encoding.
    pub info: Blob,
    /// The execution's state in the engine's own encoding.
    pub execution_state: Blob,
}

impl RunRecord {
    /// The current record that names this run.
    pub fn current(&self, run_id: RunId) -> CurrentRecord {
        CurrentRecord {
            run_id,
            create_request_id: self.create_request_id.clone(),
            state: self.state,
            status: self.status,
            last_write_version: self.last_write_version,
            start_time: self.start_time,
            execution_state: self.execution_state.clone(),
        }
    }
}

/// A run as read back: one consistent snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutableState {
    /// The run's record.
    pub record: RunRecord,
    /// The version to expect in the next write.
    pub record_version: i64,
    /// Every pending item, in the order of [`super::ItemKey`].
    pub items: Vec<Item>,
    /// Buffered event batches, in the order they were appended.
    pub buffered_events: Vec<Blob>,
}
