//! Guards that are numbers. Values are encoded by core's codec.

use crate::core::{Error, Result};
use bytes::Bytes;

pub(crate) use crate::core::codec::{decode, encode};

/// A number as a guard: its bytes compare as a whole, order does not matter.
pub(crate) fn guard(n: i64) -> Bytes {
    Bytes::copy_from_slice(&n.to_be_bytes())
}

/// The number in a guard.
pub(crate) fn guard_number(entity: &str, guard: &[u8]) -> Result<i64> {
    let bytes = guard.first_chunk().ok_or_else(|| Error::corrupted(entity, "its guard is too short"))?;
    Ok(i64::from_be_bytes(*bytes))
}
