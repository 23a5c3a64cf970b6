//! Refusing what could not be kept.
//!
//! The bucket promises to send nothing of the kind, so these are the checks that stay when the promise is broken: a
//! typed error before anything is touched, never a panic, never a half-applied write.

use persistence_nosql::core::{Error, Result};
use persistence_nosql::row::{Check, MAX_GUARD, MAX_KEY, Op, Part, Write};

pub(crate) fn write(write: &Write) -> Result<()> {
    if write.parts.is_empty() {
        return Err(Error::invalid("parts", "must not be empty"));
    }
    write.parts.iter().try_for_each(part)
}

fn part(part: &Part) -> Result<()> {
    key("partition", &part.partition)?;
    for Check { key: k, .. } in &part.checks {
        key("check.key", k)?;
    }
    for op in &part.ops {
        match op {
            Op::Put { key: k, row, .. } => {
                key("put.key", k)?;
                at_most("put.guard", row.guard.len(), MAX_GUARD)?;
            }
            Op::Delete { key: k } => key("delete.key", k)?,
            Op::DeleteRange { range } => at_most("range.start", range.start.len(), MAX_KEY)?,
        }
    }
    Ok(())
}

pub(crate) fn key(what: &'static str, key: &[u8]) -> Result<()> {
    if key.is_empty() {
        return Err(Error::invalid(what, "must not be empty"));
    }
    at_most(what, key.len(), MAX_KEY)
}

fn at_most(what: &'static str, len: usize, limit: usize) -> Result<()> {
    if len > limit { Err(Error::too_large(what, len as u64, limit as u64)) } else { Ok(()) }
}
