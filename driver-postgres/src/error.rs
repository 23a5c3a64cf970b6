//! What PostgreSQL's SQLSTATEs mean.

use persistence_sql::core::{Detail, Error, Outcome};
use persistence_sql::{Class, Rejected};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// What a SQLSTATE says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Nothing of the transaction was applied, and it may be tried again.
    Rejected(Class, &'static str),
    Exhausted(&'static str),
    TooLarge(&'static str),
    /// The statement took too long, or was cancelled.
    Interrupted,
    Unavailable(&'static str),
    /// The connection ends; what was under way on it may have been committed just before.
    Ends(&'static str),
    Damaged,
}

fn meaning(code: &str) -> Option<Meaning> {
    use Meaning::*;
    Some(match code {
        "23505" => Rejected(Class::Duplicate, "a unique key exists"),
        "40P01" => Rejected(Class::Deadlock, "deadlock"),
        "40001" => Rejected(Class::Serialization, "the transaction could not be ordered"),
        "55P03" => Rejected(Class::LockTimeout, "a lock was not to be had in time"),
        "53100" => Exhausted("disk"),
        "53200" => Exhausted("memory"),
        "53300" => Exhausted("server connections"),
        "53400" => Exhausted("a configured limit"),
        "22001" => TooLarge("value"),
        "54000" | "54001" | "54011" | "54023" => TooLarge("statement"),
        "57014" => Interrupted,
        "25006" => Unavailable("the server, or its session, is read-only"),
        "28P01" | "28000" => Unavailable("the server refused user or password"),
        "3D000" => Unavailable("there is no such database"),
        "42501" => Unavailable("the user lacks a privilege; persist schema status --url URL tells which"),
        "3F000" | "42P01" | "42703" | "42883" => {
            Unavailable("the schema lacks something: set it up, or upgrade it")
        }
        "26000" | "42P05" => {
            Unavailable("a prepared statement is not there: behind a proxy use statement_cache=0")
        }
        "57P03" => Unavailable("the server is not ready yet"),
        "57P01" | "57P02" => Ends("the server shuts down"),
        "57P04" | "57P05" | "25P03" | "25P04" | "40003" => Ends("the server ended the session"),
        "XX001" | "XX002" => Damaged,
        _ if code.starts_with("08") => Ends("the connection failed"),
        _ => return None,
    })
}

/// An error of a statement. A definite answer of the server is `NotApplied`; a transport failure, or an answer with which the
/// connection ends, is so only where nothing was written.
pub(crate) fn classify(operation: &'static str, location: &str, e: sqlx::Error) -> Error {
    let writes = !matches!(operation, "acquire" | "begin" | "query");
    let code = match &e {
        sqlx::Error::Database(d) => d.code().map(|c| c.into_owned()),
        sqlx::Error::PoolClosed => return Error::closed(location).with_source(e),
        _ => {
            let reason = match operation {
                "acquire" => format!("the server cannot be reached: {location}"),
                _ => "the connection failed".to_owned(),
            };
            let error = Error::unavailable(operation, reason).with_source(e);
            return if writes { error } else { error.with_outcome(Outcome::NotApplied) };
        }
    };
    let code = code.unwrap_or_default();
    let maybe = writes && matches!(meaning(&code), Some(Meaning::Ends(_)));
    let error = of_code(operation, location, &code, e);
    if maybe { error } else { error.with_outcome(Outcome::NotApplied) }
}

/// Whether the server ends the connection after this answer.
pub(crate) fn is_fatal(e: &dyn DatabaseError) -> bool {
    let severity = e.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
}

fn of_code(operation: &'static str, location: &str, code: &str, e: sqlx::Error) -> Error {
    let Some(meaning) = meaning(code) else {
        let error = Error::unavailable(operation, format!("SQLSTATE {code}"));
        // What is wrong with data is told with the data: "Failing row contains …".
        let quotes = code.starts_with("22") || code.starts_with("23");
        return if quotes { error } else { error.with_source(e) };
    };
    match meaning {
        Meaning::Rejected(class, reason) => {
            Error::unavailable(operation, reason).with_source(Rejected { class, cause: Box::new(e) })
        }
        Meaning::Exhausted(cause) => Error::new(Detail::ResourceExhausted {
            cause: cause.to_owned(),
            scope: location.to_owned(),
            retry_after: None,
        })
        .with_source(e),
        Meaning::TooLarge(what) => Error::too_large(what, 0, 0).with_source(e),
        Meaning::Interrupted => Error::timeout(operation).with_source(e),
        Meaning::Unavailable(reason) | Meaning::Ends(reason) => {
            Error::unavailable(operation, reason).with_source(e)
        }
        Meaning::Damaged => Error::corrupted(location, "the server reports damaged data").with_source(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence_sql::class;
    use persistence_sql::core::ErrorKind::{self, *};
    use std::{borrow::Cow, error, fmt, io};

    /// An answer of the server with nothing but a code.
    #[derive(Debug)]
    struct Answer(&'static str);

    impl fmt::Display for Answer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl error::Error for Answer {}

    impl DatabaseError for Answer {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    fn error(operation: &'static str, code: &'static str) -> Error {
        classify(operation, "db", sqlx::Error::Database(Box::new(Answer(code))))
    }

    #[test]
    fn every_code_has_its_kind_class_and_outcome() {
        let table: &[(&[&str], ErrorKind, Option<Class>, Outcome)] = &[
            (&["23505"], Unavailable, Some(Class::Duplicate), Outcome::NotApplied),
            (&["40P01"], Unavailable, Some(Class::Deadlock), Outcome::NotApplied),
            (&["40001"], Unavailable, Some(Class::Serialization), Outcome::NotApplied),
            (&["55P03"], Unavailable, Some(Class::LockTimeout), Outcome::NotApplied),
            (&["53100", "53200", "53300", "53400"], ResourceExhausted, None, Outcome::NotApplied),
            (&["22001", "54000", "54001", "54011", "54023"], TooLarge, None, Outcome::NotApplied),
            (&["57014"], Timeout, None, Outcome::NotApplied),
            (&["25006", "28P01", "28000", "3D000", "42501", "57P03"], Unavailable, None, Outcome::NotApplied),
            (&["3F000", "42P01", "42703", "42883", "26000", "42P05"], Unavailable, None, Outcome::NotApplied),
            (
                &["57P01", "57P02", "57P04", "57P05", "25P03", "25P04", "40003"],
                Unavailable,
                None,
                Outcome::MaybeApplied,
            ),
            (
                &["08000", "08001", "08003", "08004", "08006", "08007", "08P01"],
                Unavailable,
                None,
                Outcome::MaybeApplied,
            ),
            (&["XX001", "XX002"], Corrupted, None, Outcome::NotApplied),
        ];
        for (codes, kind, expected, outcome) in table {
            for code in *codes {
                let e = error("execute", code);
                assert!(meaning(code).is_some(), "{code}");
                assert_eq!((e.kind(), class(&e), e.outcome()), (*kind, *expected, *outcome), "{code}");
                assert_eq!(error("query", code).outcome(), Outcome::NotApplied, "{code}");
            }
        }
        assert_eq!((error("execute", "99999").kind(), meaning("99999")), (Unavailable, None));
        for (code, told) in [("99999", true), ("22P02", false), ("23502", false)] {
            assert_eq!(std::error::Error::source(&error("execute", code)).is_some(), told, "{code}");
        }
    }

    #[test]
    fn what_was_not_sent_was_not_applied() {
        let broken = |op| classify(op, "db", sqlx::Error::Io(io::ErrorKind::BrokenPipe.into()));
        for (operation, outcome) in [
            ("acquire", Outcome::NotApplied),
            ("begin", Outcome::NotApplied),
            ("query", Outcome::NotApplied),
            ("execute", Outcome::MaybeApplied),
            ("call", Outcome::MaybeApplied),
            ("commit", Outcome::MaybeApplied),
        ] {
            assert_eq!(broken(operation).outcome(), outcome, "{operation}");
        }
        assert_eq!(classify("query", "db", sqlx::Error::PoolClosed).kind(), Closed);
    }
}
