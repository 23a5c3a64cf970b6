//! The last eight attempts that wrote a row, kept in a column of it. Each entry has 32 bytes (version, attempt, answer, the numbers
//! big-endian) and the newest comes first, so that a statement can remember one more by putting it in front and cutting at the
//! end, without a look at what is there.

use crate::core::AttemptId;

/// How many attempts are remembered besides the creating one.
pub(crate) const REMEMBERED: usize = 8;

const ENTRY: usize = 32;

/// One entry.
pub(crate) fn entry(version: i64, attempt: AttemptId, answer: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(REMEMBERED * ENTRY);
    out.extend(version.to_be_bytes());
    out.extend(attempt.0.as_bytes());
    out.extend(answer.to_be_bytes());
    out
}

/// The column with one more entry, or as it is where that is empty.
pub(crate) fn push(column: &[u8], mut entry: Vec<u8>) -> Vec<u8> {
    entry.extend(column);
    entry.truncate(REMEMBERED * ENTRY);
    entry
}

/// The column with one more attempt.
pub(crate) fn remember(column: &[u8], version: i64, attempt: AttemptId, answer: i64) -> Vec<u8> {
    push(column, entry(version, attempt, answer))
}

/// The answer that was given to an attempt, if it is remembered.
pub(crate) fn answer(column: &[u8], attempt: AttemptId) -> Option<i64> {
    entry_of(column, attempt).map(|(_, answer)| answer)
}

/// The version that an attempt wrote, and its answer, if it is remembered.
pub(crate) fn entry_of(column: &[u8], attempt: AttemptId) -> Option<(i64, i64)> {
    let ours = |entry: &&[u8]| entry.get(8..24) == Some(attempt.0.as_bytes());
    let entry = column.chunks_exact(ENTRY).find(ours)?;
    Some((number(entry)?, number(entry.get(24..)?)?))
}

/// The version of the next attempt, where the column itself counts what changed the row.
pub(crate) fn next_version(column: &[u8]) -> i64 {
    number(column).map_or(1, |v| v.saturating_add(1))
}

/// Whether an attempt that wrote this version may have been there and is remembered no longer: all that are came later.
pub(crate) fn is_forgotten(column: &[u8], of: i64) -> bool {
    column.chunks_exact(ENTRY).nth(REMEMBERED - 1).and_then(number).is_some_and(|oldest| oldest > of)
}

fn number(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(*bytes.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_are_remembered() {
        let ids: Vec<_> = (0..10).map(|_| AttemptId::new()).collect();
        let column = ids.iter().zip(0..).fold(Vec::new(), |c, (id, v)| remember(&c, v, *id, -v));
        assert_eq!(column.len(), 256);
        assert_eq!(answer(&column, ids[9]), Some(-9));
        assert_eq!(answer(&column, ids[2]), Some(-2));
        assert_eq!(answer(&column, ids[1]), None);
        assert_eq!(next_version(&column), 10);
        assert_eq!((is_forgotten(&column, 1), is_forgotten(&column, 2)), (true, false));
    }

    #[test]
    fn nothing_is_forgotten_before_eight() {
        let ids: Vec<_> = (0..7).map(|_| AttemptId::new()).collect();
        let column = ids.iter().zip(5..).fold(Vec::new(), |c, (id, v)| remember(&c, v, *id, 0));
        assert!(!is_forgotten(&column, 1));
        assert_eq!(next_version(&[]), 1);
    }
}
