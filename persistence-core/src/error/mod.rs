//! One error type for every store, bucket and driver.
//!
//! An [`Error`] answers four questions: what kind it is ([`Error::kind`]), whether the same call may
//! succeed later ([`Error::is_retryable`]), whether a write may have taken effect
//! ([`Error::outcome`]), and what was actually found ([`Error::detail`]).

mod build;
mod detail;

pub use detail::{Detail, ErrorKind, Missing, RunCondition};

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The result of every store and driver call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether a failed write can have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing of the call was, or ever will be, applied.
    NotApplied,
    /// The call may have been applied, or may be applied later by a request still on its way.
    MaybeApplied,
}

/// A classified failure. Cheap to move: one pointer wide. Cloned when one failure answers several callers.
///
/// Never holds a password or the contents of a row.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    detail: Detail,
    outcome: Outcome,
    operation: Option<&'static str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this detail, with the outcome that its kind implies: everything is
    /// [`Outcome::NotApplied`] except `Timeout` and `Unavailable`, which are
    /// [`Outcome::MaybeApplied`] until someone knows better.
    pub fn new(detail: Detail) -> Self {
        let outcome = match detail.kind() {
            ErrorKind::Timeout | ErrorKind::Unavailable => Outcome::MaybeApplied,
            _ => Outcome::NotApplied,
        };
        Error(Box::new(Inner { detail, outcome, operation: None, source: None }))
    }

    /// What class of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.detail.kind()
    }

    /// What was found: the current record, the stored versions, the limit that was exceeded.
    pub fn detail(&self) -> &Detail {
        &self.0.detail
    }

    /// Whether the same call, unchanged, may succeed later. Whether it is *safe* to send it again
    /// depends on [`Error::outcome`] and on the operation's idempotence.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind(), ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::ResourceExhausted)
    }

    /// Whether one of the conditions that the caller named did not hold.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::ShardOwnershipLost
                | ErrorKind::CurrentWorkflowConditionFailed
                | ErrorKind::WorkflowConditionFailed
                | ErrorKind::ConditionFailed
                | ErrorKind::AlreadyExists
        )
    }

    /// Whether the write may have been applied.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The store operation that failed, `store.method`, once a bucket or layer has named it.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The same error with what is now known about its outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// The same error with its cause kept for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// The same error with the operation that failed; the innermost name wins.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}", self.0.detail)?;
        if self.0.outcome == Outcome::MaybeApplied {
            f.write_str(" (the write may have been applied)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("detail", &self.0.detail)
            .field("outcome", &self.0.outcome)
            .field("operation", &self.0.operation)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_transport_failures_default_to_maybe_applied() {
        assert_eq!(Error::unavailable("get", "gone").outcome(), Outcome::MaybeApplied);
        assert_eq!(Error::timeout("get").outcome(), Outcome::MaybeApplied);
        assert_eq!(Error::invalid("shard_id", "must be positive").outcome(), Outcome::NotApplied);
        assert_eq!(Error::closed("store").outcome(), Outcome::NotApplied);
    }

    #[test]
    fn the_innermost_operation_wins_and_is_shown() {
        let e = Error::closed("memory store").with_operation("shard.update").with_operation("outer");
        assert_eq!(e.to_string(), "shard.update: memory store is closed");
    }

    #[test]
    fn an_error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
