//! Task queues, tasks, and the requests for them.

use crate::Fixture;
use persistence_core::store::*;
use persistence_core::{AttemptId, Blob, PageRequest, RangeId, Timestamp};

/// The key of a fresh queue.
pub fn queue_key(t: &Fixture) -> TaskQueueKey {
    TaskQueueKey { namespace_id: t.namespace(), name: t.name("tasks"), task_type: 1 }
}

/// The info that goes with a range id: no two the same.
pub fn info(range_id: RangeId) -> Blob {
    Blob::json(format!("{{\"owner\":{range_id}}}")).with_checksum()
}

/// A queue as it is read.
pub fn queue(key: &TaskQueueKey, range_id: RangeId, expires_at: Option<Timestamp>) -> TaskQueue {
    TaskQueue { key: key.clone(), range_id, info: info(range_id), expires_at }
}

/// Creates a queue.
pub fn create(key: &TaskQueueKey, range_id: RangeId, expires_at: Option<Timestamp>) -> CreateTaskQueue {
    CreateTaskQueue {
        key: key.clone(),
        range_id,
        info: info(range_id),
        expires_at,
        attempt: AttemptId::new(),
    }
}

/// Reads a queue.
pub fn get(key: &TaskQueueKey) -> GetTaskQueue {
    GetTaskQueue { key: key.clone() }
}

/// Moves a queue to another range id.
pub fn update(
    key: &TaskQueueKey,
    previous_range_id: RangeId,
    range_id: RangeId,
    expires_at: Option<Timestamp>,
) -> UpdateTaskQueue {
    UpdateTaskQueue {
        key: key.clone(),
        previous_range_id,
        range_id,
        info: info(range_id),
        expires_at,
        attempt: AttemptId::new(),
    }
}

/// Deletes a queue.
pub fn delete(key: &TaskQueueKey, range_id: RangeId) -> DeleteTaskQueue {
    DeleteTaskQueue { key: key.clone(), range_id }
}

/// A task of subqueue 0 that never expires.
pub fn task(position: TaskPosition) -> QueuedTask {
    let payload = Blob::json(format!("{{\"pass\":{},\"id\":{}}}", position.pass, position.task_id));
    QueuedTask { subqueue: 0, position, payload: payload.with_checksum(), expires_at: None }
}

/// A task of a classic queue.
pub fn classic(id: i64) -> QueuedTask {
    task(TaskPosition::classic(id))
}

/// A task of a fair queue.
pub fn fair(pass: i64, id: i64) -> QueuedTask {
    task(TaskPosition::fair(pass, id))
}

/// A task that ends then.
pub fn until(task: QueuedTask, expires_at: Timestamp) -> QueuedTask {
    QueuedTask { expires_at: Some(expires_at), ..task }
}

/// A task of another subqueue.
pub fn sub(subqueue: i32, task: QueuedTask) -> QueuedTask {
    QueuedTask { subqueue, ..task }
}

/// Adds tasks.
pub fn add(key: &TaskQueueKey, range_id: RangeId, tasks: &[QueuedTask]) -> CreateTasks {
    CreateTasks { key: key.clone(), range_id, tasks: tasks.to_vec(), update_info: None }
}

/// Reads every task of subqueue 0 from the first on.
pub fn all(key: &TaskQueueKey, page: PageRequest) -> GetTasks {
    GetTasks { key: key.clone(), subqueue: 0, min: TaskPosition::MIN, max: None, page }
}

/// Reads the tasks of subqueue 0 in `[min, max)`.
pub fn between(key: &TaskQueueKey, min: TaskPosition, max: TaskPosition, page: PageRequest) -> GetTasks {
    GetTasks { min, max: Some(max), ..all(key, page) }
}

/// Completes the tasks of subqueue 0 below a position.
pub fn complete(key: &TaskQueueKey, max: TaskPosition, limit: Option<u32>) -> CompleteTasksLessThan {
    CompleteTasksLessThan { key: key.clone(), subqueue: 0, max, limit }
}
