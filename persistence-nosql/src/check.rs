//! Refusing what no database could keep.
//!
//! The bucket promises to send nothing of the kind. These are the checks that stay when the promise is broken, for drivers to
//! call: a typed error before anything is touched, never a panic, never a half-applied write.

use crate::core::embedded::{check_key, check_size};
use crate::core::{Error, Result};
use crate::row::{KeyRange, MAX_GUARD, MAX_KEY, Op, Part, Write};

/// Refuses a write without parts, with bad keys or with values of more than `max_value` bytes.
pub fn write(write: &Write, max_value: usize) -> Result<()> {
    if write.parts.is_empty() {
        return Err(Error::invalid("parts", "must not be empty"));
    }
    write.parts.iter().try_for_each(|p| part(p, max_value))
}

fn part(part: &Part, max_value: usize) -> Result<()> {
    key("partition", &part.partition)?;
    part.checks.iter().try_for_each(|c| key("key", &c.key))?;
    part.ops.iter().try_for_each(|op| match op {
        Op::Put { key: k, row, .. } => {
            key("key", k)?;
            check_size("guard", &row.guard, MAX_GUARD)?;
            check_size("value", &row.value, max_value)
        }
        Op::Delete { key: k } => key("key", k),
        Op::DeleteRange { range: r } => range(r),
    })
}

/// Refuses a key, or a partition, that is empty or too long.
pub fn key(what: &'static str, key: &[u8]) -> Result<()> {
    check_key(what, key, MAX_KEY)
}

/// Refuses a range with ends that are too long; they may be empty.
pub fn range(range: &KeyRange) -> Result<()> {
    check_size("range", &range.start, MAX_KEY)?;
    range.end.as_ref().map_or(Ok(()), |end| check_size("range", end, MAX_KEY))
}
