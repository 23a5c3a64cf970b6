//! Stored values: a format version, then the value. Both buckets store what they do not query this way.

use crate::error::{Error, Result};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

const VALUE_VERSION: u8 = 1;

/// A value as it is stored.
pub fn encode(value: &impl Serialize) -> Bytes {
    // Serialising plain data to memory cannot fail.
    postcard::to_extend(value, vec![VALUE_VERSION]).unwrap_or_default().into()
}

/// A stored value; `entity` names it should it be damaged (`Corrupted`).
pub fn decode<T: DeserializeOwned>(entity: &str, bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&VALUE_VERSION, rest)) => {
            postcard::from_bytes(rest).map_err(|e| Error::corrupted(entity, format!("unreadable value: {e}")))
        }
        Some((v, _)) => Err(Error::corrupted(entity, format!("value of unknown format version {v}"))),
        None => Err(Error::corrupted(entity, "empty value")),
    }
}
