//! What MySQL's error numbers mean.

use persistence_sql::core::{Detail, Error, Outcome};
use persistence_sql::{Class, Rejected};
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

/// What an error number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The server refused, and nothing of the transaction was applied, or can be.
    Rejected(Class, &'static str),
    /// Something of the server's has run out.
    Exhausted(&'static str),
    TooLarge(&'static str),
    /// The statement took too long, or was killed.
    Interrupted,
    Unavailable(&'static str),
    /// The server ended the session. It may have committed what it was asked for before.
    Gone(&'static str),
    Damaged,
}

/// Said to a connection that was idle for too long, at its next statement, which is not looked at.
const IDLE_TOO_LONG: u16 = 4031;

/// SQLSTATEs are too coarse: a deadlock and a lock timeout differ in their numbers only.
fn meaning(number: u16) -> Option<Meaning> {
    use Meaning::*;
    Some(match number {
        1022 | 1062 | 1586 => Rejected(Class::Duplicate, "a unique key exists"),
        1213 | 1614 => Rejected(Class::Deadlock, "deadlock"),
        1205 | 3572 => Rejected(Class::LockTimeout, "a lock was not to be had in time"),
        // The certification of a group, and tables or statements that changed under the transaction.
        3101 | 1412 | 1615 => Rejected(Class::Serialization, "the transaction has to begin again"),
        1040 | 1135 | 1203 | 1226 => Exhausted("server connections"),
        1037 | 1038 | 1041 => Exhausted("memory"),
        1021 | 1114 => Exhausted("disk"),
        1206 => Exhausted("locks"),
        1461 => Exhausted("prepared statements"),
        1153 | 1301 => TooLarge("packet"),
        1118 | 1406 => TooLarge("row"),
        1390 => TooLarge("statement"),
        1317 | 3024 => Interrupted,
        1290 | 1792 | 1836 => Unavailable("the server is read-only"),
        1044 | 1045 | 1129 | 1130 | 1698 | 1820 | 1862 | 3118 => {
            Unavailable("the server refused user or password")
        }
        1142 | 1143 | 1227 | 1370 => Unavailable("the user lacks a privilege"),
        1049 => Unavailable("there is no such database"),
        1051 | 1054 | 1146 | 1305 => Unavailable("the schema lacks something: upgrade it"),
        1053 | 1077..=1079 => Gone("the server shuts down"),
        1152 | 1158..=1161 | 1184 | 1927 | 3169 => Gone("the server closed the connection"),
        // Nothing was looked at, so whatever it was can be sent again, on another connection.
        IDLE_TOO_LONG => Rejected(Class::Serialization, "the server closed the idle connection"),
        1194 | 1195 | 1712 | 1877 => Damaged,
        _ => return None,
    })
}

/// An error of a statement. A definite answer of the server is `NotApplied`; a transport failure is so only where nothing was
/// sent.
pub(crate) fn classify(operation: &'static str, location: &str, e: sqlx::Error) -> Error {
    let number = match &e {
        sqlx::Error::Database(d) => number(&**d),
        sqlx::Error::PoolClosed => return Error::closed(location).with_source(e),
        _ => {
            let reason = match operation {
                "acquire" => format!("the server cannot be reached: {location}"),
                _ => "the connection failed".to_owned(),
            };
            let error = Error::unavailable(operation, reason).with_source(e);
            return if writes(operation) { error } else { error.with_outcome(Outcome::NotApplied) };
        }
    };
    let error = of_number(operation, location, number, e);
    if is_unknown(operation, number) { error } else { error.with_outcome(Outcome::NotApplied) }
}

fn writes(operation: &str) -> bool {
    !matches!(operation, "acquire" | "begin" | "query")
}

fn number(e: &dyn DatabaseError) -> u16 {
    e.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number)
}

/// Whether the server ends the connection after this answer.
pub(crate) fn is_fatal(e: &dyn DatabaseError) -> bool {
    let number = number(e);
    number == IDLE_TOO_LONG || matches!(meaning(number), Some(Meaning::Gone(_)))
}

/// Whether the server may accept a connection in a moment.
pub(crate) fn is_passing(e: &dyn DatabaseError) -> bool {
    matches!(meaning(number(e)), Some(Meaning::Gone(_) | Meaning::Exhausted(_)))
}

/// Whether a statement that ended so may have been applied.
fn is_unknown(operation: &str, number: u16) -> bool {
    match meaning(number) {
        Some(Meaning::Gone(_)) => writes(operation),
        // A procedure may have been killed after its commit.
        Some(Meaning::Interrupted) | None => operation == "call",
        _ => false,
    }
}

fn of_number(operation: &'static str, location: &str, number: u16, e: sqlx::Error) -> Error {
    let Some(meaning) = meaning(number) else {
        let error = Error::unavailable(operation, format!("MySQL error {number}"));
        return if quotes(number) { error } else { error.with_source(e) };
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

/// Whether the server repeats what is wrong with data: truncated, incorrect or invalid values, and rows that break a rule.
fn quotes(number: u16) -> bool {
    matches!(number, 1048 | 1264 | 1292 | 1364..=1367 | 1411 | 1525 | 3140..=3158 | 3819 | 3903..=3907)
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

    /// Some error of the driver's: what counts is its number.
    fn error(number: u16) -> Error {
        of_number("execute", "db", number, sqlx::Error::Io(io::ErrorKind::Other.into()))
    }

    #[test]
    fn every_number_has_its_kind_and_class() {
        let table: &[(&[u16], ErrorKind, Option<Class>)] = &[
            (&[1022, 1062, 1586], Unavailable, Some(Class::Duplicate)),
            (&[1213, 1614], Unavailable, Some(Class::Deadlock)),
            (&[1205, 3572], Unavailable, Some(Class::LockTimeout)),
            (&[1412, 1615, 3101, 4031], Unavailable, Some(Class::Serialization)),
            (&[1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1206, 1226, 1461], ResourceExhausted, None),
            (&[1118, 1153, 1301, 1390, 1406], TooLarge, None),
            (&[1317, 3024], Timeout, None),
            (&[1290, 1792, 1836], Unavailable, None),
            (&[1044, 1045, 1049, 1129, 1130, 1142, 1143, 1227, 1370], Unavailable, None),
            (&[1051, 1054, 1146, 1305, 1698, 1820, 1862, 3118], Unavailable, None),
            (&[1053, 1077, 1078, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169], Unavailable, None),
            (&[1194, 1195, 1712, 1877], Corrupted, None),
        ];
        let mut known = 0;
        for (numbers, kind, expected) in table {
            for &number in *numbers {
                assert!(meaning(number).is_some(), "{number}");
                assert_eq!((error(number).kind(), class(&error(number))), (*kind, *expected), "{number}");
                known += 1;
            }
        }
        assert_eq!((0..=u16::MAX).filter(|&n| meaning(n).is_some()).count(), known, "all are in the table");
        assert_eq!((error(9999).kind(), class(&error(9999))), (Unavailable, None));
        for (number, told) in [(9999, true), (1292, false), (1366, false), (3140, false)] {
            assert_eq!(std::error::Error::source(&error(number)).is_some(), told, "{number}");
        }
    }

    #[test]
    fn a_call_may_be_cut_short_after_its_commit() {
        let unknown = |operation| move |n: &u16| is_unknown(operation, *n);
        let numbers = [1053, 1317, 3024, 9999, 1062, 1213, 1205, 1040, 1290, 4031];
        assert_eq!(numbers.into_iter().filter(unknown("acquire")).count(), 0);
        assert_eq!(numbers.into_iter().filter(unknown("execute")).collect::<Vec<_>>(), [1053]);
        assert_eq!(numbers.into_iter().filter(unknown("call")).collect::<Vec<_>>(), [1053, 1317, 3024, 9999]);
    }

    #[test]
    fn what_was_not_sent_was_not_applied() {
        let broken = || sqlx::Error::Io(io::ErrorKind::BrokenPipe.into());
        assert_eq!(classify("acquire", "db", broken()).outcome(), Outcome::NotApplied);
        assert_eq!(classify("execute", "db", broken()).outcome(), Outcome::MaybeApplied);
        assert_eq!(classify("query", "db", broken()).outcome(), Outcome::NotApplied);
        assert_eq!(classify("acquire", "db", sqlx::Error::PoolClosed).kind(), Closed);
    }
}
