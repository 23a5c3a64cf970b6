//! What PostgreSQL's SQLSTATEs mean.

use persistence_sql::core::{Detail, Error, Outcome};
use persistence_sql::{Class, Rejected};

/// What a SQLSTATE says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The server refused, and nothing of the transaction was applied, or can be.
    Rejected(Class, &'static str),
    /// Something of the server's has run out.
    Exhausted(&'static str),
    TooLarge(&'static str),
    /// The statement took too long, or was cancelled.
    Interrupted,
    Unavailable(&'static str),
    /// The server ended the session. It may have committed what it was asked for before.
    Gone(&'static str),
    Damaged,
}

/// The classes are those of the manual's appendix A; the last arms are whole classes.
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
        "53400" => Exhausted("a configured limit of the server"),
        "54000" | "54001" | "54011" | "54023" => TooLarge("statement"),
        "57014" => Interrupted,
        "25006" => Unavailable("the server is read-only"),
        "28P01" | "28000" => Unavailable("the server refused user or password"),
        "42501" => Unavailable("the user lacks a privilege"),
        "3D000" => Unavailable("there is no such database"),
        "3F000" | "42P01" | "42703" => Unavailable("the schema lacks something: upgrade it"),
        "57P03" => Unavailable("the server is not ready yet"),
        "57P01" | "57P02" => Gone("the server shuts down"),
        "57P04" | "57P05" | "25P03" | "25P04" | "40003" => Gone("the server ended the session"),
        "XX001" | "XX002" => Damaged,
        _ if code.starts_with("08") => Gone("the connection failed"),
        _ => return None,
    })
}

/// An error of a statement. A definite answer of the server is `NotApplied`; a transport failure is so only where nothing was
/// sent.
pub(crate) fn classify(operation: &'static str, location: &str, e: sqlx::Error) -> Error {
    match &e {
        sqlx::Error::Database(d) => {
            let code = d.code().unwrap_or_default().into_owned();
            let error = of_code(operation, location, &code, e);
            let gone = matches!(meaning(&code), Some(Meaning::Gone(_)));
            if gone && operation != "acquire" { error } else { error.with_outcome(Outcome::NotApplied) }
        }
        sqlx::Error::PoolTimedOut => exhausted("connection pool", location).with_source(e),
        sqlx::Error::PoolClosed => Error::closed(location).with_source(e),
        _ if operation == "acquire" => {
            let error = Error::unavailable(operation, "the server cannot be reached");
            error.with_outcome(Outcome::NotApplied).with_source(e)
        }
        _ => Error::unavailable(operation, "the connection failed").with_source(e),
    }
}

fn of_code(operation: &'static str, location: &str, code: &str, e: sqlx::Error) -> Error {
    let Some(meaning) = meaning(code) else {
        return Error::unavailable(operation, format!("SQLSTATE {code}")).with_source(e);
    };
    match meaning {
        Meaning::Rejected(class, reason) => {
            Error::unavailable(operation, reason).with_source(Rejected { class, cause: Box::new(e) })
        }
        Meaning::Exhausted(what) => exhausted(what, location).with_source(e),
        Meaning::TooLarge(what) => Error::too_large(what, 0, 0).with_source(e),
        Meaning::Interrupted => Error::timeout(operation).with_source(e),
        Meaning::Unavailable(reason) | Meaning::Gone(reason) => {
            Error::unavailable(operation, reason).with_source(e)
        }
        Meaning::Damaged => Error::corrupted(location, "the server reports damaged data").with_source(e),
    }
}

fn exhausted(cause: &str, scope: &str) -> Error {
    Error::new(Detail::ResourceExhausted {
        cause: cause.to_owned(),
        scope: scope.to_owned(),
        retry_after: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence_sql::class;
    use persistence_sql::core::ErrorKind::{self, *};
    use std::io;

    #[derive(Debug)]
    struct Answer(&'static str);

    impl std::fmt::Display for Answer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Answer {}

    impl sqlx::error::DatabaseError for Answer {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    fn answer(code: &'static str) -> Error {
        classify("call", "db", sqlx::Error::Database(Box::new(Answer(code))))
    }

    #[test]
    fn every_state_has_its_kind_class_and_outcome() {
        use Outcome::{MaybeApplied, NotApplied};
        let table: &[(&[&'static str], ErrorKind, Option<Class>, Outcome)] = &[
            (&["23505"], Unavailable, Some(Class::Duplicate), NotApplied),
            (&["40P01"], Unavailable, Some(Class::Deadlock), NotApplied),
            (&["40001"], Unavailable, Some(Class::Serialization), NotApplied),
            (&["55P03"], Unavailable, Some(Class::LockTimeout), NotApplied),
            (&["53100", "53200", "53300", "53400"], ResourceExhausted, None, NotApplied),
            (&["54000", "54001", "54011", "54023"], TooLarge, None, NotApplied),
            (&["57014"], Timeout, None, NotApplied),
            (&["25006", "28P01", "28000", "42501", "3D000", "57P03"], Unavailable, None, NotApplied),
            (&["3F000", "42P01", "42703", "99999"], Unavailable, None, NotApplied),
            (&["57P01", "57P02", "57P04", "57P05", "25P03", "25P04"], Unavailable, None, MaybeApplied),
            (&["40003", "08000", "08006"], Unavailable, None, MaybeApplied),
            (&["XX001", "XX002"], Corrupted, None, NotApplied),
        ];
        for (codes, kind, expected, outcome) in table {
            for code in *codes {
                let e = answer(code);
                assert_eq!((e.kind(), class(&e)), (*kind, *expected), "{code}");
                if *kind != Corrupted {
                    assert_eq!(e.outcome(), *outcome, "{code}");
                }
            }
        }
    }

    #[test]
    fn what_was_not_sent_was_not_applied() {
        let broken = || sqlx::Error::Io(io::ErrorKind::BrokenPipe.into());
        assert_eq!(classify("acquire", "db", broken()).outcome(), Outcome::NotApplied);
        assert_eq!(classify("call", "db", broken()).outcome(), Outcome::MaybeApplied);
        assert_eq!(classify("acquire", "db", sqlx::Error::PoolTimedOut).kind(), ResourceExhausted);
        assert_eq!(classify("acquire", "db", sqlx::Error::PoolClosed).kind(), Closed);
        let refused = sqlx::Error::Database(Box::new(Answer("57P01")));
        assert_eq!(classify("acquire", "db", refused).outcome(), Outcome::NotApplied);
    }
}
