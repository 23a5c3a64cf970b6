//! What Cassandra's errors mean.

use persistence_nosql::core::{Detail, Error, Outcome};
use scylla::errors::{DbError, ExecutionError, PrepareError, RequestAttemptError};

const LACKING: &str = "the schema lacks something: set it up, or upgrade it";

/// Whether the node did not find a table or the keyspace.
pub(crate) fn is_of_schema(e: &Error) -> bool {
    matches!(e.detail(), Detail::Unavailable { reason, .. } if reason == LACKING)
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Something that changes nothing.
    Read(&'static str),
    /// Something that may have been done when its answer is lost.
    Write(&'static str),
}

/// An error of a statement. A definite answer of the server is `NotApplied`, and so is what was not sent. What fails between
/// the first and the last message of a Paxos round, on whichever side, has an unknown outcome: a proposal that one replica
/// has accepted may be completed by whoever comes next.
pub(crate) fn classify(doing: Doing, e: ExecutionError) -> Error {
    let (Doing::Read(operation) | Doing::Write(operation)) = doing;
    let (error, known) = meaning(operation, &e);
    let maybe = matches!(doing, Doing::Write(_)) && !known;
    error.with_outcome(if maybe { Outcome::MaybeApplied } else { Outcome::NotApplied }).with_source(e)
}

/// The error, and whether it is known that nothing was applied.
fn meaning(operation: &'static str, e: &ExecutionError) -> (Error, bool) {
    use RequestAttemptError as Attempt;
    let unavailable = |reason: &str| Error::unavailable(operation, reason);
    match e {
        ExecutionError::RequestTimeout(_) => (Error::timeout(operation), false),
        ExecutionError::PrepareError(PrepareError::AllAttemptsFailed {
            first_attempt: Attempt::DbError(db, text),
        }) => (of_server(operation, db, text).0, true),
        ExecutionError::EmptyPlan => (unavailable("no node is known in the datacenter"), true),
        ExecutionError::ConnectionPoolError(_) | ExecutionError::PrepareError(_) => {
            (unavailable("no node can be reached"), true)
        }
        ExecutionError::BadQuery(_) => (unavailable("the statement cannot be sent"), true),
        ExecutionError::LastAttemptError(attempt) => match attempt {
            Attempt::DbError(db, text) => of_server(operation, db, text),
            Attempt::SerializationError(_) | Attempt::CqlRequestSerialization(_) => {
                (unavailable("the statement cannot be sent"), true)
            }
            Attempt::UnableToAllocStreamId => (exhausted("requests in flight on one connection"), true),
            Attempt::BrokenConnectionError(_) => (unavailable("the connection failed"), false),
            _ => (unavailable("the answer cannot be read"), false),
        },
        _ => (unavailable("the cluster does not agree on its schema"), false),
    }
}

fn of_server(operation: &'static str, db: &DbError, text: &str) -> (Error, bool) {
    let unavailable = |reason: &str| Error::unavailable(operation, reason);
    match db {
        DbError::WriteTimeout { .. } | DbError::ReadTimeout { .. } => (Error::timeout(operation), false),
        DbError::Unavailable { required, alive, .. } => {
            (unavailable(&format!("{required} replicas are needed, {alive} are alive")), false)
        }
        // With the commit of a proposal that was accepted; all others come before anything is done.
        DbError::Overloaded if text.contains("hints") => (unavailable("the node is overloaded"), false),
        DbError::Overloaded | DbError::RateLimitReached { .. } => (exhausted("capacity of the node"), true),
        DbError::IsBootstrapping => (unavailable("the node is starting"), true),
        DbError::AuthenticationError => (unavailable("the server refused user or password"), true),
        DbError::Unauthorized => (unavailable("the user lacks a permission"), true),
        DbError::Invalid | DbError::ConfigError if tells_of_schema(text) => (unavailable(LACKING), true),
        DbError::Invalid | DbError::ConfigError | DbError::SyntaxError | DbError::Unprepared { .. } => {
            (unavailable("the server refuses the statement"), true)
        }
        _ => (unavailable("the server failed"), false),
    }
}

fn tells_of_schema(text: &str) -> bool {
    let text = text.to_lowercase();
    ["unconfigured table", "does not exist", "doesn't exist", "undefined column"]
        .iter()
        .any(|t| text.contains(t))
}

fn exhausted(cause: &str) -> Error {
    let (cause, scope) = (cause.to_owned(), "Cassandra".to_owned());
    Error::new(Detail::ResourceExhausted { cause, scope, retry_after: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence_nosql::core::ErrorKind::{self, ResourceExhausted, Timeout, Unavailable};
    use scylla::errors::{OperationType, WriteType};
    use scylla::statement::Consistency::{LocalQuorum, Serial};

    fn write(e: ExecutionError) -> (ErrorKind, Outcome) {
        let e = classify(Doing::Write("write"), e);
        (e.kind(), e.outcome())
    }

    fn server(db: DbError, text: &str) -> ExecutionError {
        RequestAttemptError::DbError(db, text.to_owned()).into()
    }

    #[test]
    fn what_is_known_is_told_and_no_more() {
        use Outcome::{MaybeApplied, NotApplied};
        let timeout = |consistency, write_type| DbError::WriteTimeout {
            consistency,
            received: 1,
            required: 2,
            write_type,
        };
        let table = [
            (server(timeout(Serial, WriteType::Cas), ""), Timeout, MaybeApplied),
            (server(timeout(LocalQuorum, WriteType::UnloggedBatch), ""), Timeout, MaybeApplied),
            (
                server(DbError::Unavailable { consistency: Serial, required: 2, alive: 1 }, ""),
                Unavailable,
                MaybeApplied,
            ),
            (server(DbError::Overloaded, "Too many in flight hints: 9"), Unavailable, MaybeApplied),
            (server(DbError::Overloaded, "Request breached limit"), ResourceExhausted, NotApplied),
            (
                server(
                    DbError::RateLimitReached {
                        op_type: OperationType::Write,
                        rejected_by_coordinator: true,
                    },
                    "",
                ),
                ResourceExhausted,
                NotApplied,
            ),
            (server(DbError::ServerError, ""), Unavailable, MaybeApplied),
            (server(DbError::Other(0x1700), ""), Unavailable, MaybeApplied),
            (server(DbError::Invalid, ""), Unavailable, NotApplied),
            (server(DbError::Unauthorized, ""), Unavailable, NotApplied),
            (server(DbError::IsBootstrapping, ""), Unavailable, NotApplied),
            (ExecutionError::RequestTimeout(std::time::Duration::ZERO), Timeout, MaybeApplied),
            (ExecutionError::EmptyPlan, Unavailable, NotApplied),
            (RequestAttemptError::UnableToAllocStreamId.into(), ResourceExhausted, NotApplied),
            (RequestAttemptError::NonfinishedPagingState.into(), Unavailable, MaybeApplied),
        ];
        for (e, kind, outcome) in table {
            let text = format!("{e:?}");
            assert_eq!(write(e.clone()), (kind, outcome), "{text}");
            let read = classify(Doing::Read("get"), e);
            assert_eq!((read.kind(), read.outcome()), (kind, NotApplied), "{text}");
        }
    }

    #[test]
    fn a_missing_table_is_told_apart() {
        let invalid = |text: &str| classify(Doing::Write("write"), server(DbError::Invalid, text));
        assert!(is_of_schema(&invalid("unconfigured table shard")));
        assert!(is_of_schema(&invalid("Keyspace 'k' doesn't exist")));
        assert!(!is_of_schema(&invalid("something else")));
    }
}
