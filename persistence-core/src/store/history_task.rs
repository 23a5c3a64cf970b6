//! History tasks: what a shard has to do, by category.

use crate::blob::Blob;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A category of history tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskCategory {
    /// The category's number.
    pub id: i32,
    /// How its tasks are ordered.
    pub kind: TaskCategoryKind,
}

/// How the tasks of a category are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskCategoryKind {
    /// By task id; every fire time is the epoch.
    Immediate,
    /// By fire time, then by task id.
    Scheduled,
}

impl TaskCategory {
    /// Work to hand to task queues and other executions.
    pub const TRANSFER: TaskCategory = TaskCategory::immediate(1);
    /// Timers.
    pub const TIMER: TaskCategory = TaskCategory::scheduled(2);
    /// Events to replicate.
    pub const REPLICATION: TaskCategory = TaskCategory::immediate(3);
    /// Changes of visibility records.
    pub const VISIBILITY: TaskCategory = TaskCategory::immediate(4);
    /// Histories to archive.
    pub const ARCHIVAL: TaskCategory = TaskCategory::scheduled(5);
    /// Calls to other services.
    pub const OUTBOUND: TaskCategory = TaskCategory::immediate(7);

    /// A category of one's own whose tasks are ordered by id.
    pub const fn immediate(id: i32) -> Self {
        TaskCategory { id, kind: TaskCategoryKind::Immediate }
    }

    /// A category of one's own whose tasks are ordered by fire time.
    pub const fn scheduled(id: i32) -> Self {
        TaskCategory { id, kind: TaskCategoryKind::Scheduled }
    }
}

/// A task's key in its category, ordered as tasks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskKey {
    /// When the task fires; [`Timestamp::EPOCH`] for every immediate task.
    pub fire_time: Timestamp,
    /// The task's id, from the shard's generator.
    pub task_id: i64,
}

impl TaskKey {
    /// The key of an immediate task.
    pub const fn immediate(task_id: i64) -> Self {
        TaskKey { fire_time: Timestamp::EPOCH, task_id }
    }

    /// The key of a scheduled task; as a bound of a range, use task id 0.
    pub const fn scheduled(fire_time: Timestamp, task_id: i64) -> Self {
        TaskKey { fire_time, task_id }
    }
}

/// A history task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTask {
    /// Its category.
    pub category: TaskCategory,
    /// Its key.
    pub key: TaskKey,
    /// Its payload.
    pub payload: Blob,
}
