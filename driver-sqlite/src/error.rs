//! What SQLite's result codes mean.

use persistence_sql::core::{Detail, Error, Outcome};
use persistence_sql::{Class, Rejected};
use sqlx::error::DatabaseError;

/// An error of a statement. SQLite is in this process: a statement that failed did nothing, except perhaps a commit.
pub(crate) fn classify(operation: &'static str, location: &str, e: sqlx::Error) -> Error {
    let code = match &e {
        sqlx::Error::Database(d) => d.code().and_then(|c| c.parse::<u32>().ok()),
        sqlx::Error::PoolClosed => return Error::closed(location).with_source(e),
        _ => None,
    };
    let Some(code) = code else {
        return Error::unavailable(operation, "the connection failed")
            .with_outcome(Outcome::NotApplied)
            .with_source(e);
    };
    of_code(operation, location, code, e)
}

/// SQLite ends no connections.
pub(crate) fn is_fatal(_: &dyn DatabaseError) -> bool {
    false
}

/// Primary result codes are the low byte of extended ones.
fn of_code(operation: &'static str, location: &str, code: u32, e: sqlx::Error) -> Error {
    let rejected = |class, reason: &str, e: sqlx::Error| {
        let error = Error::unavailable(operation, reason).with_outcome(Outcome::NotApplied);
        error.with_source(Rejected { class, cause: Box::new(e) })
    };
    match (code, code & 0xff) {
        (1555 | 2067 | 2579, _) => rejected(Class::Duplicate, "a unique key exists", e),
        (_, 5 | 6) => rejected(Class::LockTimeout, "the database is locked by another writer", e),
        (_, 8) => Error::unavailable(operation, "the database is read-only")
            .with_outcome(Outcome::NotApplied)
            .with_source(e),
        (_, 10) => {
            Error::unavailable(operation, "the disk failed").with_outcome(Outcome::NotApplied).with_source(e)
        }
        (_, 11 | 26) => Error::corrupted(location, "not a database, or a damaged one").with_source(e),
        (_, 13) => exhausted("disk", location).with_source(e),
        (_, 14) => Error::unavailable(operation, "the file cannot be opened")
            .with_outcome(Outcome::NotApplied)
            .with_source(e),
        (_, 18) => Error::too_large("value", 0, 1_000_000_000).with_source(e),
        _ => Error::unavailable(operation, format!("SQLite result code {code}"))
            .with_outcome(Outcome::NotApplied)
            .with_source(e),
    }
}

fn exhausted(cause: &str, scope: &str) -> Error {
    Error::new(Detail::ResourceExhausted {
        cause: cause.to_owned(),
        scope: scope.to_owned(),
        retry_after: None,
    })
}
