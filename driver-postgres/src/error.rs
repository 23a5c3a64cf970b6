//! What PostgreSQL's SQLSTATEs mean.

use persistence_sql::core::{Detail, Error, Outcome};
use persistence_sql::{Class, Rejected};

/// An error of a statement. A definite answer of the server is `NotApplied`; a transport failure is so only where nothing was
/// sent.
pub(crate) fn classify(operation: &'static str, location: &str, e: sqlx::Error) -> Error {
    let not_applied = |e: Error| e.with_outcome(Outcome::NotApplied);
    match &e {
        sqlx::Error::Database(d) => {
            let code = d.code().unwrap_or_default().into_owned();
            not_applied(of_code(operation, location, &code, e))
        }
        sqlx::Error::PoolTimedOut => exhausted("connection pool", location).with_source(e),
        sqlx::Error::PoolClosed => Error::closed(location).with_source(e),
        _ if operation == "acquire" => {
            not_applied(Error::unavailable(operation, "the server cannot be reached").with_source(e))
        }
        _ => Error::unavailable(operation, "the connection failed").with_source(e),
    }
}

fn of_code(operation: &'static str, location: &str, code: &str, e: sqlx::Error) -> Error {
    let rejected = |class, reason: &str, e: sqlx::Error| {
        Error::unavailable(operation, reason).with_source(Rejected { class, cause: Box::new(e) })
    };
    match code {
        "23505" => rejected(Class::Duplicate, "a unique key exists", e),
        "40P01" => rejected(Class::Deadlock, "deadlock", e),
        "40001" => rejected(Class::Serialization, "the transaction could not be ordered", e),
        "55P03" => rejected(Class::LockTimeout, "a lock was not to be had in time", e),
        "53100" => exhausted("disk", location).with_source(e),
        "53200" => exhausted("memory", location).with_source(e),
        "53300" => exhausted("server connections", location).with_source(e),
        "54000" | "54001" | "54011" | "54023" => Error::too_large("statement", 0, 0).with_source(e),
        "57014" => Error::timeout(operation).with_source(e),
        "25006" => Error::unavailable(operation, "the server is read-only").with_source(e),
        "28P01" | "28000" => {
            Error::unavailable(operation, "the server refused user or password").with_source(e)
        }
        "3D000" => Error::unavailable(operation, "there is no such database").with_source(e),
        "XX001" | "XX002" => Error::corrupted(location, "the server reports damaged data").with_source(e),
        _ => Error::unavailable(operation, format!("SQLSTATE {code}")).with_source(e),
    }
}

fn exhausted(cause: &str, scope: &str) -> Error {
    Error::new(Detail::ResourceExhausted {
        cause: cause.to_owned(),
        scope: scope.to_owned(),
        retry_after: None,
    })
}
