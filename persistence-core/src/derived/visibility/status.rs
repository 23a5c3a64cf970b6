//! The names of statuses in records and queries.

use crate::store::ExecutionStatus;

/// Every status with its name.
pub(super) const NAMES: [(ExecutionStatus, &str); 8] = [
    (ExecutionStatus::Running, "Running"),
    (ExecutionStatus::Paused, "Paused"),
    (ExecutionStatus::Completed, "Completed"),
    (ExecutionStatus::Failed, "Failed"),
    (ExecutionStatus::Canceled, "Canceled"),
    (ExecutionStatus::Terminated, "Terminated"),
    (ExecutionStatus::ContinuedAsNew, "ContinuedAsNew"),
    (ExecutionStatus::TimedOut, "TimedOut"),
];

/// The name of a status.
pub(super) fn name(of: ExecutionStatus) -> &'static str {
    NAMES.iter().find(|(status, _)| *status == of).map_or("", |(_, name)| name)
}

/// The status of this name.
pub(super) fn of_name(name: &str) -> Option<ExecutionStatus> {
    NAMES.iter().find(|(_, n)| *n == name).map(|(status, _)| *status)
}

/// All names, for people.
pub(super) fn names() -> String {
    NAMES.map(|(_, name)| name).join(", ")
}

/// Whether a run of this status has ended.
pub(super) fn is_closed(of: ExecutionStatus) -> bool {
    !matches!(of, ExecutionStatus::Running | ExecutionStatus::Paused)
}
