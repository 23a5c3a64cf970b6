//! Opaque payloads with the name of their encoding.

use crate::error::{Error, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a blob's bytes are encoded. The stores never decode a blob; an encoding that this version does not
/// know is kept as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Encoding(pub u16);

impl Encoding {
    /// Not stated.
    pub const UNSPECIFIED: Encoding = Encoding(0);
    /// Protocol buffers, version 3.
    pub const PROTO3: Encoding = Encoding(1);
    /// JSON, UTF-8.
    pub const JSON: Encoding = Encoding(2);
}

/// Bytes, their encoding, and optionally a checksum that every read verifies.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Blob {
    /// How the bytes are encoded.
    pub encoding: Encoding,
    /// The payload.
    pub data: Bytes,
    /// CRC-32 (IEEE) of `data`, when the writer asked for one.
    pub checksum: Option<u32>,
}

impl Blob {
    /// A blob without a checksum.
    pub fn new(encoding: Encoding, data: impl Into<Bytes>) -> Self {
        Blob { encoding, data: data.into(), checksum: None }
    }

    /// A JSON blob without a checksum.
    pub fn json(data: impl Into<Bytes>) -> Self {
        Blob::new(Encoding::JSON, data)
    }

    /// The same blob with the checksum of its bytes.
    #[must_use]
    pub fn with_checksum(mut self) -> Self {
        self.checksum = Some(crc32fast::hash(&self.data));
        self
    }

    /// The payload's length in bytes.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Fails with `Corrupted` when the bytes do not match the checksum they carry.
    pub fn verify(&self, entity: &str) -> Result<()> {
        match self.checksum {
            Some(sum) if sum != crc32fast::hash(&self.data) => {
                Err(Error::corrupted(entity, "the blob does not match its checksum"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Contents never reach a log.
        write!(f, "Blob({} bytes, encoding {})", self.data.len(), self.encoding.0)
    }
}
