//! How derived stores write documents: an object with the version of its format, in which bytes are text.

use crate::blob::{Blob, Encoding};
use crate::document::Document;
use crate::error::{Error, Result};
use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The format that is written. Members that a reader does not know are no other format: it ignores them.
const FORMAT: u32 = 1;

/// A stored object.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    format: u32,
    #[serde(flatten)]
    body: T,
}

/// The body of a document.
pub(super) fn encode(body: &impl Serialize) -> Result<Value> {
    let stored = serde_json::to_value(Envelope { format: FORMAT, body });
    stored.map_err(|e| Error::invalid("value", format!("cannot be written as JSON: {e}")))
}

/// What a document holds; `entity` names it should it be damaged.
pub(super) fn decode<T: DeserializeOwned>(entity: &str, document: Document) -> Result<T> {
    let broken = |problem: String| Error::corrupted(format!("{entity} {}", document.key), problem);
    let format = document.body.get("format").and_then(Value::as_u64);
    if format != Some(FORMAT.into()) {
        return Err(broken(format!("format {format:?}, but this binary knows {FORMAT}")));
    }
    let stored: Result<Envelope<T>, _> = serde_json::from_value(document.body);
    stored.map(|e| e.body).map_err(|e| broken(format!("unreadable: {e}")))
}

/// A blob as JSON, for `#[serde(with)]`.
pub(super) mod blob {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Stored {
        encoding: u16,
        base64: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checksum: Option<u32>,
    }

    pub(in super::super) fn serialize<S: Serializer>(blob: &Blob, to: S) -> Result<S::Ok, S::Error> {
        let base64 = STANDARD_NO_PAD.encode(&blob.data);
        Stored { encoding: blob.encoding.0, base64, checksum: blob.checksum }.serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Blob, D::Error> {
        let Stored { encoding, base64, checksum } = Stored::deserialize(from)?;
        let data = STANDARD_NO_PAD.decode(base64).map_err(D::Error::custom)?;
        Ok(Blob { encoding: Encoding(encoding), data: data.into(), checksum })
    }
}

/// Bytes as JSON, for `#[serde(with)]`.
pub(super) mod base64 {
    use super::*;
    use bytes::Bytes;

    pub(in super::super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        STANDARD_NO_PAD.encode(bytes).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD_NO_PAD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentKey;
    use crate::error::ErrorKind;
    use crate::time::Timestamp;
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        text: String,
        #[serde(with = "blob")]
        data: Blob,
    }

    fn stored(body: Value) -> Document {
        let (key, time) = (DocumentKey::new("a"), Timestamp(0));
        Document { key, version: 1, created: time, updated: time, deleted: None, expires: None, body }
    }

    #[test]
    fn bytes_come_back_and_unknown_members_are_ignored() {
        for data in [vec![], vec![0], b"\xff\x00{}\"".to_vec(), vec![7; 1000]] {
            for blob in [Blob::json(data.clone()), Blob::new(Encoding(9), data).with_checksum()] {
                let note = Note { text: "t".to_owned(), data: blob };
                let mut body = encode(&note).unwrap();
                body["later"] = json!({"a": 1});
                assert_eq!(decode::<Note>("note", stored(body)).unwrap(), note);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_corrupted() {
        let good = encode(&Note { text: "t".to_owned(), data: Blob::json("{}") }).unwrap();
        let with = |member: &str, value: Value| {
            let mut body = good.clone();
            body[member] = value;
            body
        };
        for body in [
            with("format", json!(2)),
            with("format", Value::Null),
            with("text", json!(1)),
            with("data", json!({"encoding": 2, "base64": "*"})),
            json!({}),
        ] {
            let e = decode::<Note>("note", stored(body)).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Corrupted);
            assert!(e.to_string().contains("note a"), "{e}");
        }
    }
}
