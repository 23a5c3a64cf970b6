//! The statements about task queues and their tasks.

use crate::value::Kind;

pub(super) const SELECT: &str = "\
    SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE namespace_id = ? AND name = ? AND task_type = ?";

pub(super) const LIST: &str = "\
    SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE expires_at IS NULL OR expires_at > ?
     ORDER BY namespace_id, name, task_type
     LIMIT ?";

pub(super) const LIST_AFTER: &str = "\
    SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE (namespace_id, name, task_type) > (?, ?, ?) AND (expires_at IS NULL OR expires_at > ?)
     ORDER BY namespace_id, name, task_type
     LIMIT ?";

pub(super) const COLUMNS: &[Kind] =
    &[Kind::Uuid, Kind::Text, Kind::Int, Kind::Int, Kind::Bytes, Kind::Int, Kind::Uuid, Kind::Bytes];

pub(super) const SELECT_TASKS: &str = "\
    SELECT pass, task_id, payload, expires_at
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) >= (?, ?) AND (pass, task_id) < (?, ?)
       AND (expires_at IS NULL OR expires_at > ?)
     ORDER BY pass, task_id
     LIMIT ?";

pub(super) const SELECT_TASKS_TO_THE_END: &str = "\
    SELECT pass, task_id, payload, expires_at
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) >= (?, ?)
       AND (expires_at IS NULL OR expires_at > ?)
     ORDER BY pass, task_id
     LIMIT ?";

pub(super) const TASK_COLUMNS: &[Kind] = &[Kind::Int, Kind::Int, Kind::Bytes, Kind::Int];

pub(super) const NTH_TASK: &str = "\
    SELECT pass, task_id
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) < (?, ?)
     ORDER BY pass, task_id
     LIMIT ?";

pub(super) const DELETE_TASKS_BELOW: &str = "\
    DELETE FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) < (?, ?)";
