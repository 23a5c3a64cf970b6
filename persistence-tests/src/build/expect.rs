//! What a refused call must say.

use persistence_core::error::RunCondition;
use persistence_core::store::{CurrentRecord, MutableState};
use persistence_core::{Detail, Error, ErrorKind, Outcome, RangeId, Result, RunId};
use std::error::Error as _;
use std::fmt::{Debug, Write};

/// The error of a call that must have failed like this.
///
/// # Panics
///
/// When it did not.
#[track_caller]
pub fn failed<T: Debug>(result: Result<T>, kind: ErrorKind) -> Error {
    let e = result.expect_err("the call must fail");
    assert_eq!(e.kind(), kind, "{e}");
    e
}

/// `InvalidArgument`, decided before anything was sent.
///
/// # Panics
///
/// When it was not.
#[track_caller]
pub fn invalid<T: Debug>(result: Result<T>) -> Error {
    let e = failed(result, ErrorKind::InvalidArgument);
    assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
    e
}

/// `NotFound`.
///
/// # Panics
///
/// When it was not.
#[track_caller]
pub fn missing<T: Debug>(result: Result<T>) -> Error {
    failed(result, ErrorKind::NotFound)
}

/// `ShardOwnershipLost`, with the range id that is stored now.
///
/// # Panics
///
/// When it was not.
#[track_caller]
pub fn shard_lost<T: Debug>(result: Result<T>, expected: RangeId, stored: Option<RangeId>) -> Error {
    let e = failed(result, ErrorKind::ShardOwnershipLost);
    match e.detail() {
        Detail::ShardOwnershipLost { expected: x, stored: s, .. } => {
            assert_eq!((*x, *s), (Some(expected), stored), "{e}");
        }
        other => panic!("{other:?}"),
    }
    e
}

/// `CurrentWorkflowConditionFailed`, with the whole current record.
///
/// # Panics
///
/// When it was not.
#[track_caller]
pub fn current_failed<T: Debug>(result: Result<T>, current: Option<&CurrentRecord>) -> Error {
    let e = failed(result, ErrorKind::CurrentWorkflowConditionFailed);
    match e.detail() {
        Detail::CurrentWorkflowConditionFailed { current: found } => {
            assert_eq!(found.as_deref(), current, "{e}")
        }
        other => panic!("{other:?}"),
    }
    e
}

/// `WorkflowConditionFailed` of this run, with its stored version and next event id, none if it is missing.
///
/// # Panics
///
/// When it was not.
#[track_caller]
pub fn run_failed<T: Debug>(
    result: Result<T>,
    run: RunId,
    expected: Option<i64>,
    stored: Option<&MutableState>,
) -> Error {
    let e = failed(result, ErrorKind::WorkflowConditionFailed);
    let condition = |s: &MutableState| RunCondition {
        record_version: s.record_version,
        next_event_id: s.record.next_event_id,
    };
    match e.detail() {
        Detail::WorkflowConditionFailed { run_id, expected: x, actual } => {
            assert_eq!((*run_id, *x, *actual), (run, expected, stored.map(condition)), "{e}");
        }
        other => panic!("{other:?}"),
    }
    e
}

/// Everything that an error says: in words, for debugging, and what caused it.
pub fn everything(e: &Error) -> String {
    let mut text = format!("{e} {e:?} {e:#?}");
    let mut next = e.source();
    while let Some(cause) = next {
        let _ = write!(text, " {cause} {cause:?}");
        next = cause.source();
    }
    text
}
