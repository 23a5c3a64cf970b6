//! Which states, statuses and modes go together.

use crate::error::{Error, Result};
use crate::store::{
    ConflictResolveExecution, ConflictResolveMode, CreateMode, ExecutionState as S,
    ExecutionStatus as Status, RunRecord, UpdateExecution, UpdateMode,
};

fn none_of(field: &'static str, state: S, forbidden: &[S]) -> Result<()> {
    if forbidden.contains(&state) {
        return Err(Error::invalid(field, format!("state {state} is not allowed in this mode")));
    }
    Ok(())
}

const OPEN: &[S] = &[S::Created, S::Running];
const NOT_CLOSED: &[S] = &[S::Created, S::Running, S::Zombie];

/// The mode of a create against the new run's state.
pub(super) fn create_mode(mode: &CreateMode, new: S) -> Result<()> {
    match mode {
        CreateMode::BrandNew | CreateMode::UpdateCurrent { .. } => none_of("snapshot", new, &[S::Zombie]),
        CreateMode::BypassCurrent => none_of("snapshot", new, OPEN),
    }
}

/// The mode of an update against the states of its runs.
pub(super) fn update_mode(req: &UpdateExecution) -> Result<()> {
    let mutation = req.mutation.record.state;
    let new = req.new_run.as_ref().map(|n| n.record.state);
    match (req.mode, new) {
        (UpdateMode::UpdateCurrent, None) => none_of("mutation", mutation, &[S::Zombie]),
        (UpdateMode::UpdateCurrent, Some(new)) => {
            none_of("mutation", mutation, OPEN)?;
            none_of("new_run", new, &[S::Zombie])
        }
        (UpdateMode::BypassCurrent, new) => {
            none_of("mutation", mutation, OPEN)?;
            new.map_or(Ok(()), |new| none_of("new_run", new, OPEN))
        }
        (UpdateMode::IgnoreCurrent, None) => Ok(()),
        (UpdateMode::IgnoreCurrent, Some(_)) => {
            Err(Error::invalid("new_run", "is not allowed in mode ignore current"))
        }
    }
}

/// The mode of a conflict resolution against the states of its runs.
pub(super) fn resolve_mode(req: &ConflictResolveExecution) -> Result<()> {
    let reset = req.reset.record.state;
    let new = req.new_run.as_ref().map(|n| n.record.state);
    match req.mode {
        ConflictResolveMode::UpdateCurrent => {
            if let Some(current) = &req.current {
                none_of("current", current.record.state, OPEN)?;
            }
            match new {
                None => none_of("reset", reset, &[S::Zombie]),
                Some(new) => {
                    none_of("reset", reset, NOT_CLOSED)?;
                    none_of("new_run", new, &[S::Zombie])
                }
            }
        }
        ConflictResolveMode::BypassCurrent => {
            if req.current.is_some() {
                return Err(Error::invalid("current", "is not allowed in mode bypass current"));
            }
            match new {
                None => none_of("reset", reset, OPEN),
                Some(new) => {
                    none_of("reset", reset, NOT_CLOSED)?;
                    none_of("new_run", new, &[S::Created, S::Running, S::Completed])
                }
            }
        }
    }
}

fn refuse(field: &'static str, record: &RunRecord) -> Error {
    Error::invalid(field, format!("status {} does not go with state {}", record.status, record.state))
}

/// State and status of a run that is created.
pub(super) fn created_status(field: &'static str, record: &RunRecord) -> Result<()> {
    let open = matches!(record.status, Status::Running | Status::Paused);
    let ok = match record.state {
        S::Completed => !open,
        _ => record.status == Status::Running,
    };
    if ok { Ok(()) } else { Err(refuse(field, record)) }
}

/// State and status of a run that is changed.
pub(super) fn updated_status(field: &'static str, record: &RunRecord) -> Result<()> {
    let open = matches!(record.status, Status::Running | Status::Paused);
    let ok = match record.state {
        S::Running | S::Zombie => open,
        S::Created => record.status == Status::Running,
        S::Completed | S::Corrupted => !open,
    };
    if ok { Ok(()) } else { Err(refuse(field, record)) }
}
