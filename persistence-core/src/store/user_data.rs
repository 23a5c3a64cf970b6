//! What users decide of task queues, and which of them know a build.

use super::request::requests;
use crate::blob::Blob;
use crate::ids::{AttemptId, NamespaceId};
use crate::page::{Page, PageRequest};

/// The user data of a task queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskQueueUserData {
    /// The name of the task queue.
    pub task_queue: String,
    /// Its version: 1 when it is created, one more with every update.
    pub version: i64,
    /// What was decided.
    pub data: Blob,
}

/// One update of an [`UpdateTaskQueueUserData`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDataUpdate {
    /// The name of the task queue: 1 to 255 characters without U+0000, compared by exact bytes.
    pub task_queue: String,
    /// What is decided from now on.
    pub data: Blob,
    /// The version that is there; 0 if there is to be none.
    pub expected_version: i64,
    /// Builds that the task queue knows from now on; some may be known already. Names as that of the task queue.
    pub build_ids_added: Vec<String>,
    /// Builds that it no longer knows; some may not be known. One that is added as well is not known afterwards.
    pub build_ids_removed: Vec<String>,
}

/// See [`TaskQueueUserDataStore::update_user_data`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTaskQueueUserData {
    /// The namespace of the task queues.
    pub namespace_id: NamespaceId,
    /// The updates, of distinct task queues; at least one.
    pub updates: Vec<UserDataUpdate>,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`TaskQueueUserDataStore::get_user_data`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetTaskQueueUserData {
    /// The namespace of the task queue.
    pub namespace_id: NamespaceId,
    /// Its name.
    pub task_queue: String,
}

/// See [`TaskQueueUserDataStore::list_user_data`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTaskQueueUserData {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// How much, and from where.
    pub page: PageRequest,
}

/// See [`TaskQueueUserDataStore::get_task_queues_by_build_id`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetTaskQueuesByBuildId {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The build.
    pub build_id: String,
}

/// See [`TaskQueueUserDataStore::count_task_queues_by_build_id`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountTaskQueuesByBuildId {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The build.
    pub build_id: String,
}

requests! {
    sharded: ;
    unsharded: UpdateTaskQueueUserData, GetTaskQueueUserData, ListTaskQueueUserData, GetTaskQueuesByBuildId,
        CountTaskQueuesByBuildId
}

store! {
    /// User data of task queues, and the builds that each knows: at most 1000.
    pub trait TaskQueueUserDataStore via user_data named "user_data" {
        /// Updates the user data of task queues, all or none, and with it the builds that they know. Must return
        /// `ConditionFailed`, with the stored one, for the first whose version is not the expected one.
        write fn update_user_data(UpdateTaskQueueUserData) -> ();

        /// The user data of a task queue. Must return `NotFound` if there is none.
        read fn get_user_data(GetTaskQueueUserData) -> TaskQueueUserData;

        /// The user data of a namespace, ordered by task queue (bytes).
        read fn list_user_data(ListTaskQueueUserData) -> Page<TaskQueueUserData>;

        /// The task queues that know a build, ordered by name (bytes).
        read fn get_task_queues_by_build_id(GetTaskQueuesByBuildId) -> Vec<String>;

        /// How many task queues know a build.
        read fn count_task_queues_by_build_id(CountTaskQueuesByBuildId) -> u64;
    }
}
