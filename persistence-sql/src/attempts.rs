//! The last eight attempts that wrote a row, kept in a text column of it: `version:attempt:answer;`, newest first.

use crate::core::AttemptId;
use std::fmt::Write;

/// How many attempts are remembered besides the creating one.
pub(crate) const REMEMBERED: usize = 8;

/// The column with one more attempt.
pub(crate) fn remember(column: &str, version: i64, attempt: AttemptId, answer: i64) -> String {
    let mut out = String::with_capacity(column.len() + 64);
    let _ = write!(out, "{version}:{attempt}:{answer};");
    for entry in column.split_inclusive(';').take(REMEMBERED - 1) {
        out.push_str(entry);
    }
    out
}

/// The answer that was given to an attempt, if it is remembered.
pub(crate) fn answer(column: &str, attempt: AttemptId) -> Option<i64> {
    let wanted = attempt.to_string();
    column.split_terminator(';').find_map(|entry| {
        let mut parts = entry.split(':').skip(1);
        (parts.next() == Some(&*wanted)).then(|| parts.next().and_then(|a| a.parse().ok()))?
    })
}

/// The version of the next attempt, where the column itself counts what changed the row.
pub(crate) fn next_version(column: &str) -> i64 {
    version(column.split_terminator(';').next()).map_or(1, |v| v.saturating_add(1))
}

/// Whether an attempt that wrote this version may have been there and is remembered no longer: all that are came later.
pub(crate) fn is_forgotten(column: &str, of: i64) -> bool {
    version(column.split_terminator(';').nth(REMEMBERED - 1)).is_some_and(|oldest| oldest > of)
}

fn version(entry: Option<&str>) -> Option<i64> {
    entry?.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_are_remembered() {
        let ids: Vec<_> = (0..10).map(|_| AttemptId::new()).collect();
        let column = ids.iter().zip(0..).fold(String::new(), |c, (id, v)| remember(&c, v, *id, -v));
        assert_eq!(answer(&column, ids[9]), Some(-9));
        assert_eq!(answer(&column, ids[2]), Some(-2));
        assert_eq!(answer(&column, ids[1]), None);
        assert_eq!(next_version(&column), 10);
        assert_eq!((is_forgotten(&column, 1), is_forgotten(&column, 2)), (true, false));
    }

    #[test]
    fn nothing_is_forgotten_before_eight() {
        let ids: Vec<_> = (0..7).map(|_| AttemptId::new()).collect();
        let column = ids.iter().zip(5..).fold(String::new(), |c, (id, v)| remember(&c, v, *id, 0));
        assert!(!is_forgotten(&column, 1));
        assert_eq!(next_version(""), 1);
    }
}
