//! A document as a line: `{"key": {"partition": …, "id": …}, "version": …, "created": …, "updated": …, "expires": …, "body": …}`.
//! The partition is there where the collection has them, `expires` where the document does.

use super::condition::document_id;
use crate::time::rfc3339;
use anyhow::{Context as _, Result, anyhow, bail};
use persistence::Timestamp;
use persistence::document::{CollectionDef, Document, DocumentKey, Partitioning, Path};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What an export says of a document. An import takes its key, its body and its expiry; the database gives it a version and times.
pub(super) fn write(d: &Document) -> Value {
    let mut key = Map::new();
    key.extend(d.key.partition.as_ref().map(|p| ("partition".to_owned(), json!(p))));
    key.insert("id".to_owned(), json!(d.key.id.to_string()));
    let mut line = Map::new();
    line.insert("key".to_owned(), Value::Object(key));
    line.insert("version".to_owned(), json!(d.version));
    line.insert("created".to_owned(), time(d.created));
    line.insert("updated".to_owned(), time(d.updated));
    line.extend(d.expires.map(|t| ("expires".to_owned(), time(t))));
    line.insert("body".to_owned(), d.body.clone());
    Value::Object(line)
}

/// In RFC 3339; a time beyond that as a number of milliseconds.
fn time(t: Timestamp) -> Value {
    match jiff::Timestamp::from_millisecond(t.0) {
        Ok(_) => json!(rfc3339(t)),
        Err(_) => json!(t.0),
    }
}

fn read_time(v: &Value) -> Result<Timestamp> {
    let read = match v {
        Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond()),
        v => v.as_i64(),
    };
    read.map(Timestamp).ok_or_else(|| anyhow!("expires: {v} is no time"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Key,
    #[serde(rename = "version")]
    _version: Option<i64>,
    #[serde(rename = "created")]
    _created: Option<Value>,
    #[serde(rename = "updated")]
    _updated: Option<Value>,
    expires: Option<Value>,
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    partition: Option<String>,
    id: String,
}

/// What a line is to become.
#[derive(Debug, PartialEq)]
pub(super) struct Incoming {
    pub(super) key: DocumentKey,
    pub(super) body: Value,
    pub(super) expires: Option<Timestamp>,
}

/// A line as it was exported; or a plain document, if it is said where its id is.
pub(super) fn read(def: &CollectionDef, text: &str, id: Option<&Path>) -> Result<Incoming> {
    match id {
        Some(path) => plain(def, serde_json::from_str(text)?, path),
        None => {
            let line: Line = serde_json::from_str(text)
                .context("no exported document, {\"key\": …, \"body\": …}; plain documents need --id PATH")?;
            let key = DocumentKey { partition: line.key.partition, id: document_id(def, &line.key.id)? };
            let expires = line.expires.as_ref().filter(|v| !v.is_null()).map(read_time).transpose()?;
            Ok(Incoming { key, body: line.body, expires })
        }
    }
}

fn plain(def: &CollectionDef, body: Value, path: &Path) -> Result<Incoming> {
    let text = |path: &Path| match path.find(&body).first() {
        Some(Value::String(s)) => Ok(s.clone()),
        Some(_) => bail!("{path} is no text"),
        None => bail!("{path} is missing"),
    };
    let partition = match &def.partition {
        Partitioning::By(path) => Some(text(path)?),
        _ => None,
    };
    let key = DocumentKey { partition, id: document_id(def, &text(path)?)? };
    Ok(Incoming { key, body, expires: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence::document::IdKind;

    #[test]
    fn what_is_exported_is_imported() {
        let def = CollectionDef::new("c", IdKind::Text).partition_by("p".parse().unwrap());
        for expires in [None, Some(Timestamp(1_700_000_000_123)), Some(Timestamp::MAX)] {
            let document = Document {
                key: DocumentKey::within("x", "i"),
                version: 3,
                created: Timestamp(1),
                updated: Timestamp(2),
                deleted: None,
                expires,
                body: json!({"p": "x", "n": 1.0}),
            };
            let line = write(&document).to_string();
            let wanted = Incoming { key: document.key, body: document.body, expires };
            assert_eq!(read(&def, &line, None).unwrap(), wanted, "{line}");
        }
        let plain = read(&def, r#"{"p": "x", "a": {"b": "i"}}"#, Some(&"a.b".parse().unwrap())).unwrap();
        assert_eq!(plain.key, DocumentKey::within("x", "i"));
        for (line, part) in [
            (r#"{"p": "x"}"#, "a.b is missing"),
            (r#"{"a": {"b": "i"}}"#, "p is missing"),
            (r#"{"p": "x", "a": {"b": 1}}"#, "a.b is no text"),
            ("{", "EOF"),
        ] {
            let e = read(&def, line, Some(&"a.b".parse().unwrap())).unwrap_err();
            assert!(format!("{e:#}").contains(part), "{e:#}");
        }
        assert!(read(&def, r#"{"p": "x"}"#, None).unwrap_err().to_string().contains("--id PATH"));
    }
}
