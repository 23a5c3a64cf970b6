//! User data of task queues, and the requests for them.

use super::record::blob;
use persistence_core::store::*;
use persistence_core::{AttemptId, NamespaceId};

/// An update of a task queue.
pub fn change(task_queue: &str, expected_version: i64) -> UserDataUpdate {
    UserDataUpdate {
        task_queue: task_queue.to_owned(),
        data: blob(task_queue),
        expected_version,
        build_ids_added: Vec::new(),
        build_ids_removed: Vec::new(),
    }
}

/// An update that adds builds.
pub fn adds(task_queue: &str, expected_version: i64, build_ids: &[&str]) -> UserDataUpdate {
    let build_ids_added = build_ids.iter().map(|b| (*b).to_owned()).collect();
    UserDataUpdate { build_ids_added, ..change(task_queue, expected_version) }
}

/// An update that removes builds.
pub fn removes(task_queue: &str, expected_version: i64, build_ids: &[&str]) -> UserDataUpdate {
    let build_ids_removed = build_ids.iter().map(|b| (*b).to_owned()).collect();
    UserDataUpdate { build_ids_removed, ..change(task_queue, expected_version) }
}

/// These updates.
pub fn update(namespace_id: NamespaceId, updates: &[UserDataUpdate]) -> UpdateTaskQueueUserData {
    UpdateTaskQueueUserData { namespace_id, updates: updates.to_vec(), attempt: AttemptId::new() }
}

/// Gets the user data of a task queue.
pub fn get(namespace_id: NamespaceId, task_queue: &str) -> GetTaskQueueUserData {
    GetTaskQueueUserData { namespace_id, task_queue: task_queue.to_owned() }
}

/// The task queues that know a build.
pub fn by_build(namespace_id: NamespaceId, build_id: &str) -> GetTaskQueuesByBuildId {
    GetTaskQueuesByBuildId { namespace_id, build_id: build_id.to_owned() }
}

/// How many task queues know a build.
pub fn count_by_build(namespace_id: NamespaceId, build_id: &str) -> CountTaskQueuesByBuildId {
    CountTaskQueuesByBuildId { namespace_id, build_id: build_id.to_owned() }
}
