//! Task queues: work handed to workers, first in first out or fair.

use super::request::requests;
use crate::blob::Blob;
use crate::ids::{AttemptId, NamespaceId, RangeId};
use crate::page::{Page, PageRequest};
use crate::time::Timestamp;
use crate::validate;
use serde::{Deserialize, Serialize};

/// A task queue's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskQueueKey {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The name: 1 to 255 characters without U+0000, compared by exact bytes.
    pub name: String,
    /// The type (workflow, activity, …); any number.
    pub task_type: i32,
}

/// A task queue as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskQueue {
    /// Its key.
    pub key: TaskQueueKey,
    /// The fence: who writes must name it.
    pub range_id: RangeId,
    /// Kind, ack level and whatever else the engine keeps.
    pub info: Blob,
    /// When the queue ceases to exist (sticky queues); none for never.
    pub expires_at: Option<Timestamp>,
}

/// A task's position in a subqueue: the order of reads. Classic queues use pass 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskPosition {
    /// The fair-queue pass; 0 in classic queues.
    pub pass: i64,
    /// The task's id.
    pub task_id: i64,
}

impl TaskPosition {
    /// Before every task.
    pub const MIN: TaskPosition = TaskPosition { pass: 0, task_id: i64::MIN };

    /// A position in a classic queue.
    pub const fn classic(task_id: i64) -> Self {
        TaskPosition { pass: 0, task_id }
    }

    /// A position in a fair queue.
    pub const fn fair(pass: i64, task_id: i64) -> Self {
        TaskPosition { pass, task_id }
    }
}

/// A task of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedTask {
    /// The subqueue; 0 by default. Not negative.
    pub subqueue: i32,
    /// Its position there. A negative pass is `InvalidArgument`.
    pub position: TaskPosition,
    /// Its payload.
    pub payload: Blob,
    /// When the task ceases to exist; none for never.
    pub expires_at: Option<Timestamp>,
}

/// See [`TaskStore::create_task_queue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTaskQueue {
    /// The queue.
    pub key: TaskQueueKey,
    /// The fence to store.
    pub range_id: RangeId,
    /// The info to store.
    pub info: Blob,
    /// When the queue ceases to exist; none for never.
    pub expires_at: Option<Timestamp>,
    /// Tells a repeat from another owner's request.
    pub attempt: AttemptId,
}

/// See [`TaskStore::get_task_queue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetTaskQueue {
    /// The queue.
    pub key: TaskQueueKey,
}

/// See [`TaskStore::update_task_queue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTaskQueue {
    /// The queue.
    pub key: TaskQueueKey,
    /// The range id that must be stored.
    pub previous_range_id: RangeId,
    /// The range id to store; smaller than the previous one is `InvalidArgument`.
    pub range_id: RangeId,
    /// The info to store.
    pub info: Blob,
    /// When the queue ceases to exist; none for never.
    pub expires_at: Option<Timestamp>,
    /// Tells a repeat from another owner's request.
    pub attempt: AttemptId,
}

/// See [`TaskStore::delete_task_queue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTaskQueue {
    /// The queue.
    pub key: TaskQueueKey,
    /// The range id that must be stored.
    pub range_id: RangeId,
}

/// See [`TaskStore::list_task_queues`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTaskQueues {
    /// How much, and from where.
    pub page: PageRequest,
}

/// See [`TaskStore::create_tasks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTasks {
    /// The queue.
    pub key: TaskQueueKey,
    /// The range id that must be stored.
    pub range_id: RangeId,
    /// The tasks, of any subqueues; of two with one key the last counts. May be empty.
    pub tasks: Vec<QueuedTask>,
    /// The queue's info, to be replaced in the same unit.
    pub update_info: Option<Blob>,
}

/// See [`TaskStore::get_tasks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetTasks {
    /// The queue.
    pub key: TaskQueueKey,
    /// The subqueue.
    pub subqueue: i32,
    /// The first position, inclusive.
    pub min: TaskPosition,
    /// The position after the last, exclusive; none for the end.
    pub max: Option<TaskPosition>,
    /// How much, and from where.
    pub page: PageRequest,
}

/// See [`TaskStore::complete_tasks_less_than`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteTasksLessThan {
    /// The queue.
    pub key: TaskQueueKey,
    /// The subqueue.
    pub subqueue: i32,
    /// The position after the last, exclusive.
    pub max: TaskPosition,
    /// At most this many, lowest first; 0 is `InvalidArgument`; none for all.
    pub limit: Option<u32>,
}

requests! {
    sharded: ;
    unsharded: ListTaskQueues,
        CreateTaskQueue => |r| validate::task_queue(&r.key),
        GetTaskQueue => |r| validate::task_queue(&r.key),
        UpdateTaskQueue => |r| {
            validate::task_queue(&r.key)?;
            validate::range_id_grows(r.previous_range_id, r.range_id)
        },
        DeleteTaskQueue => |r| validate::task_queue(&r.key),
        CreateTasks => |r| {
            validate::task_queue(&r.key)?;
            r.tasks.iter().try_for_each(|t| {
                validate::subqueue(t.subqueue)?;
                validate::pass(t.position)
            })
        },
        GetTasks => |r| {
            validate::task_queue(&r.key)?;
            validate::subqueue(r.subqueue)
        },
        CompleteTasksLessThan => |r| {
            validate::task_queue(&r.key)?;
            validate::subqueue(r.subqueue)?;
            r.limit.map_or(Ok(()), validate::limit)
        },
}

store! {
    /// Task queues and their tasks.
    ///
    /// *Key columns*: namespace, name, type (queues); those, subqueue, pass, task id (tasks).
    ///
    /// *Consistency*: a queue's range id fences its updates and its tasks. *Expiry*: by the store's clock; an expired queue
    /// or task is never returned, and a new one may take its place.
    pub trait TaskStore via tasks named "task" behind a front {
        /// Creates a queue. Must return `ConditionFailed` with the stored range id if it exists.
        write fn create_task_queue(CreateTaskQueue) -> ();

        /// The queue. Must return `NotFound` if there is none.
        read fn get_task_queue(GetTaskQueue) -> TaskQueue;

        /// Replaces range id, info and expiry if the stored range id is the previous one. Must return `ConditionFailed`
        /// with the stored range id if it is another, without one if there is no such queue.
        write fn update_task_queue(UpdateTaskQueue) -> ();

        /// Deletes the queue's row if the stored range id is this one; its tasks stay. Must return `ConditionFailed` as
        /// update does.
        write fn delete_task_queue(DeleteTaskQueue) -> ();

        /// Every queue, in an order of the driver's choice that is stable.
        read fn list_task_queues(ListTaskQueues) -> Page<TaskQueue>;

        /// Adds tasks, all or none, if the stored range id is this one. A task whose key exists is replaced. Must return
        /// `ConditionFailed` as update does.
        idempotent fn create_tasks(CreateTasks) -> ();

        /// Tasks with positions in `[min, max)`, ascending. `min >= max` gives an empty page.
        read fn get_tasks(GetTasks) -> Page<QueuedTask>;

        /// Deletes the tasks below `max`, expired or not: with a limit at most that many, lowest first, and returns the
        /// exact count; without one all of them, and returns none.
        idempotent fn complete_tasks_less_than(CompleteTasksLessThan) -> Option<u64>;
    }
}
