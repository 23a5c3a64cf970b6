//! Stored values: a format version, then the value.

use crate::core::{Error, Result};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

const VALUE_VERSION: u8 = 1;

/// A value as it is stored.
pub(crate) fn encode(value: &impl Serialize) -> Bytes {
    // Serialising plain data to memory cannot fail.
    postcard::to_extend(value, vec![VALUE_VERSION]).unwrap_or_default().into()
}

/// A stored value; `entity` names it should it be damaged.
pub(crate) fn decode<T: DeserializeOwned>(entity: &str, bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&VALUE_VERSION, rest)) => {
            postcard::from_bytes(rest).map_err(|e| Error::corrupted(entity, format!("unreadable value: {e}")))
        }
        Some((v, _)) => Err(Error::corrupted(entity, format!("value of unknown format version {v}"))),
        None => Err(Error::corrupted(entity, "empty value")),
    }
}

/// A number as a guard: its bytes compare as a whole, order does not matter.
pub(crate) fn guard(n: i64) -> Bytes {
    Bytes::copy_from_slice(&n.to_be_bytes())
}

/// The number in a guard.
pub(crate) fn guard_number(entity: &str, guard: &[u8]) -> Result<i64> {
    let bytes = guard.first_chunk().ok_or_else(|| Error::corrupted(entity, "its guard is too short"))?;
    Ok(i64::from_be_bytes(*bytes))
}
