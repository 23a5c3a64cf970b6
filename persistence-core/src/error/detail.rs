//! What an error carries, kind by kind.

use crate::capability::Capability;
use crate::document::needed::Needed;
use crate::ids::{RangeId, RunId, ShardId};
use crate::store::CurrentRecord;
use std::time::Duration;

/// The class of a failure, for `match` and for metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request breaks a rule that needs no database to check.
    InvalidArgument,
    /// A page or branch token is damaged or belongs to another query.
    InvalidToken,
    /// The named thing does not exist.
    NotFound,
    /// The thing to create exists.
    AlreadyExists,
    /// The shard's stored range id is not the caller's.
    ShardOwnershipLost,
    /// The current record does not satisfy the mode of the request.
    CurrentWorkflowConditionFailed,
    /// A run's record version is not the expected one.
    WorkflowConditionFailed,
    /// Any other compare-and-set that found another version.
    ConditionFailed,
    /// Something exceeds a limit.
    TooLarge,
    /// A query would need an index that is not declared.
    Unindexed,
    /// A quota, pool or disk is used up.
    ResourceExhausted,
    /// The deadline passed.
    Timeout,
    /// The database, or the way to it, failed.
    Unavailable,
    /// Another process holds the database.
    Locked,
    /// The handle was closed.
    Closed,
    /// The caller's own code refused.
    Aborted,
    /// The stored schema is not one that this binary works on.
    SchemaMismatch,
    /// Stored data is damaged.
    Corrupted,
    /// The driver does not have the capability.
    Unsupported,
}

impl ErrorKind {
    /// The name used in reports and metric labels, `snake_case`. Never changes once released.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::InvalidArgument => "invalid_argument",
            ErrorKind::InvalidToken => "invalid_token",
            ErrorKind::NotFound => "not_found",
            ErrorKind::AlreadyExists => "already_exists",
            ErrorKind::ShardOwnershipLost => "shard_ownership_lost",
            ErrorKind::CurrentWorkflowConditionFailed => "current_workflow_condition_failed",
            ErrorKind::WorkflowConditionFailed => "workflow_condition_failed",
            ErrorKind::ConditionFailed => "condition_failed",
            ErrorKind::TooLarge => "too_large",
            ErrorKind::Unindexed => "unindexed",
            ErrorKind::ResourceExhausted => "resource_exhausted",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Locked => "locked",
            ErrorKind::Closed => "closed",
            ErrorKind::Aborted => "aborted",
            ErrorKind::SchemaMismatch => "schema_mismatch",
            ErrorKind::Corrupted => "corrupted",
            ErrorKind::Unsupported => "unsupported",
        }
    }
}

/// What was found, with everything the caller needs to act without another read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Detail {
    /// See [`ErrorKind::InvalidArgument`].
    #[error("invalid {field}: {rule}")]
    InvalidArgument {
        /// The field of the request.
        field: &'static str,
        /// The rule that it breaks.
        rule: String,
    },
    /// See [`ErrorKind::InvalidToken`].
    #[error("invalid {field}: {rule}")]
    InvalidToken {
        /// Which token.
        field: &'static str,
        /// What is wrong with it.
        rule: String,
    },
    /// See [`ErrorKind::NotFound`].
    #[error("{entity} not found: {key}")]
    NotFound {
        /// What kind of thing.
        entity: &'static str,
        /// Its key, readable.
        key: String,
    },
    /// See [`ErrorKind::AlreadyExists`].
    #[error("{entity} already exists: {key}{}", index.as_ref().map(|i| format!(" (unique index {i})")).unwrap_or_default())]
    AlreadyExists {
        /// What kind of thing.
        entity: &'static str,
        /// Its key, readable.
        key: String,
        /// The unique index that was violated, when it is not the key itself.
        index: Option<String>,
    },
    /// See [`ErrorKind::ShardOwnershipLost`].
    #[error("{shard_id} is not owned: expected range id {}, stored {}", opt(expected), opt(stored))]
    ShardOwnershipLost {
        /// The shard.
        shard_id: ShardId,
        /// The range id that the caller holds.
        expected: Option<RangeId>,
        /// The range id that is stored; none when there is no such shard.
        stored: Option<RangeId>,
    },
    /// See [`ErrorKind::CurrentWorkflowConditionFailed`].
    #[error("current execution: {}", match current {
        Some(c) => format!("run {} is {} / {}", c.run_id, c.state, c.status),
        None => "there is none".to_owned(),
    })]
    CurrentWorkflowConditionFailed {
        /// The current record as it is; none when absent.
        current: Option<Box<CurrentRecord>>,
    },
    /// See [`ErrorKind::WorkflowConditionFailed`].
    #[error("run {run_id}: expected record version {}, {}", opt(expected), match actual {
        Some(a) => format!("found {} (next event id {})", a.record_version, a.next_event_id),
        None => "the run does not exist".to_owned(),
    })]
    WorkflowConditionFailed {
        /// The run.
        run_id: RunId,
        /// The record version that the caller expected; none when it expected no such run.
        expected: Option<i64>,
        /// What is stored; none when the run does not exist.
        actual: Option<RunCondition>,
    },
    /// See [`ErrorKind::ConditionFailed`].
    #[error("{entity}: expected version {}, found {}", opt(expected), opt(actual))]
    ConditionFailed {
        /// What kind of thing, with its key.
        entity: String,
        /// The version that the caller expected; none when it expected absence.
        expected: Option<i64>,
        /// The stored version; none when absent.
        actual: Option<i64>,
    },
    /// See [`ErrorKind::TooLarge`].
    #[error("{what} is too large: {size} bytes, at most {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes, inclusive.
        limit: u64,
    },
    /// See [`ErrorKind::Unindexed`].
    #[error("no usable index; {advice}")]
    Unindexed {
        /// What to do about it, in words.
        advice: String,
        /// What to declare so that the query is answered; none where nothing helps that could be declared.
        declare: Option<Box<Needed>>,
    },
    /// See [`ErrorKind::ResourceExhausted`].
    #[error("{cause} exhausted ({scope})")]
    ResourceExhausted {
        /// What is used up.
        cause: String,
        /// Whose quota it is.
        scope: String,
        /// When to come back, if known.
        retry_after: Option<Duration>,
    },
    /// See [`ErrorKind::Timeout`].
    #[error("{operation} timed out")]
    Timeout {
        /// What was being done.
        operation: String,
    },
    /// See [`ErrorKind::Unavailable`].
    #[error("{operation} failed: {reason}")]
    Unavailable {
        /// What was being done.
        operation: String,
        /// The reason in words.
        reason: String,
    },
    /// See [`ErrorKind::Locked`].
    #[error("{resource} is locked by another process")]
    Locked {
        /// What is locked.
        resource: String,
    },
    /// See [`ErrorKind::Closed`].
    #[error("{resource} is closed")]
    Closed {
        /// What is closed.
        resource: String,
    },
    /// See [`ErrorKind::Aborted`].
    #[error("aborted: {reason}")]
    Aborted {
        /// The caller's own reason.
        reason: String,
    },
    /// See [`ErrorKind::SchemaMismatch`].
    #[error("schema version {found}, but this binary works on {supported}; run: {fix}")]
    SchemaMismatch {
        /// The stored version.
        found: String,
        /// The versions that this binary works on.
        supported: String,
        /// The command that fixes it.
        fix: String,
    },
    /// See [`ErrorKind::Corrupted`].
    #[error("{entity} is corrupted: {problem}")]
    Corrupted {
        /// What is damaged.
        entity: String,
        /// What is wrong with it.
        problem: String,
    },
    /// See [`ErrorKind::Unsupported`].
    #[error("driver {driver} does not support {capability}")]
    Unsupported {
        /// What is missing.
        capability: Missing,
        /// The driver.
        driver: String,
    },
}

/// What a driver lacks: a declared capability, or a primitive that is not written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A capability that the driver does not declare.
    Capability(Capability),
    /// A driver primitive that has no implementation.
    Primitive(&'static str),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Missing::Capability(c) => write!(f, "capability {}", c.name()),
            Missing::Primitive(p) => write!(f, "primitive {p}"),
        }
    }
}

/// What a refused write found in a run's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunCondition {
    /// The stored record version.
    pub record_version: i64,
    /// The stored next event id.
    pub next_event_id: i64,
}

fn opt<T: ToString>(v: &Option<T>) -> String {
    v.as_ref().map_or_else(|| "none".to_owned(), T::to_string)
}

impl Detail {
    /// The class of this detail.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Detail::InvalidArgument { .. } => ErrorKind::InvalidArgument,
            Detail::InvalidToken { .. } => ErrorKind::InvalidToken,
            Detail::NotFound { .. } => ErrorKind::NotFound,
            Detail::AlreadyExists { .. } => ErrorKind::AlreadyExists,
            Detail::ShardOwnershipLost { .. } => ErrorKind::ShardOwnershipLost,
            Detail::CurrentWorkflowConditionFailed { .. } => ErrorKind::CurrentWorkflowConditionFailed,
            Detail::WorkflowConditionFailed { .. } => ErrorKind::WorkflowConditionFailed,
            Detail::ConditionFailed { .. } => ErrorKind::ConditionFailed,
            Detail::TooLarge { .. } => ErrorKind::TooLarge,
            Detail::Unindexed { .. } => ErrorKind::Unindexed,
            Detail::ResourceExhausted { .. } => ErrorKind::ResourceExhausted,
            Detail::Timeout { .. } => ErrorKind::Timeout,
            Detail::Unavailable { .. } => ErrorKind::Unavailable,
            Detail::Locked { .. } => ErrorKind::Locked,
            Detail::Closed { .. } => ErrorKind::Closed,
            Detail::Aborted { .. } => ErrorKind::Aborted,
            Detail::SchemaMismatch { .. } => ErrorKind::SchemaMismatch,
            Detail::Corrupted { .. } => ErrorKind::Corrupted,
            Detail::Unsupported { .. } => ErrorKind::Unsupported,
        }
    }
}
