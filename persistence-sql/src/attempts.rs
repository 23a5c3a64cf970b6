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
    }
}
