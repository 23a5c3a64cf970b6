//! How declarations and filters are written as JSON: one form, short enough to write by hand, for files and for what databases
//! store of their collections. Whatever has a default may be left out.
//!
//! ```json
//! {"name": "application", "id": "uuid", "partition": {"by": "project_id"},
//!  "attributes": [{"name": "updated", "path": "updated_at", "type": "time(seconds)", "missing": "reject"},
//!                 {"name": "disabled", "type": "bool", "missing": {"default": false}},
//!                 {"name": "label", "path": "labels", "type": "text(255)", "arity": "entries"}],
//!  "indexes": [{"name": "page", "scope": "partition", "keys": ["disabled", "updated:desc"]}]}
//! ```

use super::definition::{
    Arity, Attribute, CollectionDef, DEFAULT_MAX_BYTES, Direction, IdKind, IndexDef, IndexKey, Missing,
    Partitioning, Scope,
};
use super::path::Path;
use super::scalar::{KeyType, Scalar, TimeUnit};
use crate::error::{Error, Result};
use crate::time::Timestamp;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use uuid::Uuid;

/// The most bytes of a text that says nothing of them.
const DEFAULT_TEXT: u16 = 255;

/// A [`CollectionDef`] as it is read.
#[derive(Deserialize)]
#[serde(rename = "CollectionDef")]
pub(super) struct CollectionForm {
    name: String,
    id: IdKind,
    #[serde(default = "spread")]
    partition: Partitioning,
    group: Option<String>,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    indexes: Vec<IndexDef>,
    #[serde(default = "max_bytes")]
    max_bytes: u32,
}

fn spread() -> Partitioning {
    Partitioning::Spread
}

fn max_bytes() -> u32 {
    DEFAULT_MAX_BYTES
}

impl From<CollectionForm> for CollectionDef {
    fn from(form: CollectionForm) -> Self {
        let CollectionForm { name, id, partition, group, attributes, indexes, max_bytes } = form;
        let group = group.unwrap_or_else(|| name.clone());
        CollectionDef { name, id, partition, group, attributes, indexes, max_bytes }
    }
}

/// An [`Attribute`] as it is written. A default is written as a document would have it.
#[derive(Deserialize, Serialize)]
#[serde(rename = "Attribute")]
pub(super) struct AttributeForm {
    name: String,
    path: Option<Path>,
    #[serde(rename = "type")]
    ty: KeyType,
    #[serde(default = "one")]
    arity: Arity,
    #[serde(default)]
    missing: MissingForm,
}

fn one() -> Arity {
    Arity::One
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename = "Missing", rename_all = "snake_case")]
enum MissingForm {
    #[default]
    Skip,
    Default(Value),
    Reject,
}

impl TryFrom<AttributeForm> for Attribute {
    type Error = Error;

    fn try_from(form: AttributeForm) -> Result<Self> {
        let AttributeForm { name, path, ty, arity, missing } = form;
        let path = path.map_or_else(|| name.parse(), Ok)?;
        let missing = match missing {
            MissingForm::Skip => Missing::Skip,
            MissingForm::Reject => Missing::Reject,
            MissingForm::Default(v) => {
                let wrong =
                    |rule| Error::invalid("definition", format!("attribute {name}: the default {rule}"));
                Missing::Default(Scalar::of_type(&v, ty).map_err(wrong)?)
            }
        };
        Ok(Attribute { name, path, ty, arity, missing })
    }
}

impl From<Attribute> for AttributeForm {
    fn from(a: Attribute) -> Self {
        let missing = match a.missing {
            Missing::Skip => MissingForm::Skip,
            Missing::Reject => MissingForm::Reject,
            Missing::Default(v) => MissingForm::Default(v.to_json(a.ty)),
        };
        AttributeForm { name: a.name, path: Some(a.path), ty: a.ty, arity: a.arity, missing }
    }
}

/// An [`IndexDef`] as it is read. Ids go as the last key does, unless it is said how.
#[derive(Deserialize)]
#[serde(rename = "IndexDef")]
pub(super) struct IndexForm {
    name: String,
    #[serde(default = "whole")]
    scope: Scope,
    #[serde(default)]
    keys: Vec<IndexKey>,
    id_order: Option<Direction>,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    live_only: bool,
}

fn whole() -> Scope {
    Scope::Collection
}

impl From<IndexForm> for IndexDef {
    fn from(form: IndexForm) -> Self {
        let IndexForm { name, scope, keys, id_order, unique, live_only } = form;
        let last = keys.last().map_or(Direction::Ascending, |k| k.direction);
        IndexDef { name, scope, keys, id_order: id_order.unwrap_or(last), unique, live_only }
    }
}

/// `name`, or `name:desc`.
impl TryFrom<String> for IndexKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let (attribute, direction) = Direction::of_suffix(&text)?;
        Ok(IndexKey { attribute: attribute.to_owned(), direction })
    }
}

impl From<IndexKey> for String {
    fn from(key: IndexKey) -> Self {
        match key.direction {
            Direction::Ascending => key.attribute,
            Direction::Descending => key.attribute + ":desc",
        }
    }
}

impl Direction {
    /// What has a direction, and which: `what`, `what:asc` or `what:desc`.
    pub fn of_suffix(text: &str) -> Result<(&str, Direction)> {
        match text.rsplit_once(':') {
            None => Ok((text, Direction::Ascending)),
            Some((what, "asc")) => Ok((what, Direction::Ascending)),
            Some((what, "desc")) => Ok((what, Direction::Descending)),
            // A colon in a quoted member.
            Some((_, rest)) if rest.contains('"') => Ok((text, Direction::Ascending)),
            Some((_, other)) => {
                Err(Error::invalid("direction", format!("{other:?} is neither asc nor desc: {text:?}")))
            }
        }
    }
}

const TYPES: &str = "bool, i64, f64, text, text(BYTES), uuid, time(seconds) or time(millis)";

/// Its name: `i64`, `text(40)`, `time(seconds)`.
impl TryFrom<String> for KeyType {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let unknown = || Error::invalid("type", format!("{text:?} is none of {TYPES}"));
        Ok(match &*text {
            "bool" => KeyType::Bool,
            "i64" => KeyType::I64,
            "f64" => KeyType::F64,
            "uuid" => KeyType::Uuid,
            "text" => KeyType::Str { max: DEFAULT_TEXT },
            "time(seconds)" => KeyType::Time(TimeUnit::Seconds),
            "time(millis)" => KeyType::Time(TimeUnit::Millis),
            other => {
                let max = other.strip_prefix("text(").and_then(|t| t.strip_suffix(')'));
                let max = max.and_then(|t| t.parse().ok()).ok_or_else(unknown)?;
                KeyType::Str { max }
            }
        })
    }
}

impl From<KeyType> for String {
    fn from(ty: KeyType) -> Self {
        match ty {
            KeyType::Bool => "bool".to_owned(),
            KeyType::I64 => "i64".to_owned(),
            KeyType::F64 => "f64".to_owned(),
            KeyType::Uuid => "uuid".to_owned(),
            KeyType::Str { max } => format!("text({max})"),
            KeyType::Time(TimeUnit::Seconds) => "time(seconds)".to_owned(),
            KeyType::Time(TimeUnit::Millis) => "time(millis)".to_owned(),
        }
    }
}

/// A scalar where nobody reads it: in page tokens, and in what tells one query from another.
#[derive(Deserialize, Serialize)]
#[serde(remote = "Scalar")]
enum Tagged {
    Bool(bool),
    I64(i64),
    F64(f64),
    Str(String),
    Uuid(Uuid),
    Time(Timestamp),
}

/// A boolean, a number or a text as it is; `{"uuid": "…"}`; `{"time": milliseconds}`.
impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !to.is_human_readable() {
            return Tagged::serialize(self, to);
        }
        match self {
            Scalar::Bool(b) => to.serialize_bool(*b),
            Scalar::I64(i) => to.serialize_i64(*i),
            Scalar::F64(f) => to.serialize_f64(*f),
            Scalar::Str(s) => to.serialize_str(s),
            Scalar::Uuid(id) => to.collect_map([("uuid", id)]),
            Scalar::Time(t) => to.collect_map([("time", t)]),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() { from.deserialize_any(Plain) } else { Tagged::deserialize(from) }
    }
}

struct Plain;

impl<'de> Visitor<'de> for Plain {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean, a number, a text, {\"uuid\": …} or {\"time\": milliseconds}")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Scalar, E> {
        Ok(Scalar::I64(v))
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Scalar, E> {
        let signed = i64::try_from(v);
        signed.map(Scalar::I64).map_err(|_| E::custom("a whole number has 64 bits with its sign"))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Scalar, E> {
        Ok(Scalar::F64(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Scalar, E> {
        Ok(Scalar::Str(v.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        let v = match map.next_key::<String>()?.as_deref() {
            Some("uuid") => Scalar::Uuid(map.next_value()?),
            Some("time") => Scalar::Time(map.next_value()?),
            _ => return Err(A::Error::custom("a value of another type is {\"uuid\": …} or {\"time\": …}")),
        };
        match map.next_key::<String>()? {
            None => Ok(v),
            Some(more) => Err(A::Error::custom(format!("one value, not {more:?} as well"))),
        }
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
