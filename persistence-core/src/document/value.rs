//! A document as a value: what is checked when it is written, and what its attributes are.

use super::definition::{Arity, Attribute, CollectionDef, IndexDef, Missing, Partitioning};
use super::scalar::Scalar;
use super::{DocumentId, DocumentKey, IdKind};
use crate::error::{Error, Result};
use crate::validate;
use serde_json::Value;
use std::collections::BTreeMap;

/// The deepest nesting of a document.
pub const MAX_DEPTH: usize = 64;
/// The most values of one attribute.
pub const MAX_VALUES: usize = 1000;
/// The most entries of a document in all indexes together.
pub const MAX_ENTRIES: usize = 2000;

/// The values of a document's attributes, by name. Of an attribute of one value none or one; of others each value once, in order.
pub type Values<'a> = BTreeMap<&'a str, Vec<Scalar>>;

impl CollectionDef {
    /// Checks a key alone.
    pub fn check_key(&self, key: &DocumentKey) -> Result<()> {
        match (&self.partition, &key.partition) {
            (Partitioning::By(_), Some(partition)) => validate::name("key.partition", partition)?,
            (Partitioning::By(path), None) => {
                return Err(Error::invalid("key.partition", format!("must be the document's {path}")));
            }
            (_, Some(_)) => {
                let rule = format!("collection {} is not partitioned by a value", self.name);
                return Err(Error::invalid("key.partition", rule));
            }
            (_, None) => {}
        }
        match (self.id, &key.id) {
            (IdKind::Text, DocumentId::Text(id)) => validate::name("key.id", id),
            (IdKind::Uuid, DocumentId::Uuid(_)) => Ok(()),
            (IdKind::Text, _) => Err(Error::invalid("key.id", "must be text")),
            (IdKind::Uuid, _) => Err(Error::invalid("key.id", "must be a UUID")),
        }
    }

    /// Checks a document that is to be written under a key, and gives its attributes.
    pub fn check_body(&self, key: &DocumentKey, body: &Value) -> Result<Values<'_>> {
        self.check_key(key)?;
        if !body.is_object() {
            return Err(Error::invalid("body", "must be an object"));
        }
        check_value(body, 1)?;
        let size = serde_json::to_vec(body).map_or(usize::MAX, |b| b.len());
        if size > self.max_bytes as usize {
            return Err(Error::too_large("document", size as u64, u64::from(self.max_bytes)));
        }
        if let Partitioning::By(path) = &self.partition {
            let stated = path.find(body).first().and_then(|v| v.as_str());
            if stated != key.partition.as_deref() {
                return Err(Error::invalid("body", format!("{path} must be the key's partition")));
            }
        }
        let mut values = Values::new();
        for a in &self.attributes {
            values.insert(&a.name, a.values(body)?);
        }
        let entries: usize = self.indexes.iter().map(|i| i.entries(&values)).sum();
        if entries > MAX_ENTRIES {
            return Err(Error::too_large("document, in index entries", entries as u64, MAX_ENTRIES as u64));
        }
        Ok(values)
    }

    /// The attributes of a stored document. What was stored before an attribute was declared may not fit it: it lacks it then.
    pub fn stored_values(&self, body: &Value) -> Values<'_> {
        self.attributes.iter().map(|a| (&*a.name, a.values(body).unwrap_or_default())).collect()
    }
}

impl IndexDef {
    /// How many entries a document has.
    fn entries(&self, values: &Values<'_>) -> usize {
        self.keys.iter().map(|key| values.get(&*key.attribute).map_or(0, Vec::len)).product()
    }

    /// The tuples of a document's entries: none when it lacks a key, several for an attribute of several values.
    pub fn tuples(&self, values: &Values<'_>) -> Vec<Vec<Scalar>> {
        let mut tuples = vec![Vec::with_capacity(self.keys.len())];
        for key in &self.keys {
            let found = values.get(&*key.attribute).map(Vec::as_slice).unwrap_or_default();
            tuples = tuples
                .iter()
                .flat_map(|t| found.iter().map(|v| [t.as_slice(), std::slice::from_ref(v)].concat()))
                .collect();
        }
        tuples
    }
}

impl Attribute {
    /// Its values in a document, checked.
    pub fn values(&self, body: &Value) -> Result<Vec<Scalar>> {
        let wrong = |rule: String| Error::invalid("body", format!("{} {rule}", self.path));
        let typed = |v: &Value| Scalar::of_type(v, self.ty).map_err(wrong);
        let found = self.path.find(body);
        match self.arity {
            Arity::One => match (found.first().filter(|v| !v.is_null()), &self.missing) {
                (Some(v), _) => Ok(vec![typed(v)?]),
                (None, Missing::Skip) => Ok(Vec::new()),
                (None, Missing::Default(v)) => Ok(vec![v.clone()]),
                (None, Missing::Reject) => Err(wrong("is missing".to_owned())),
            },
            Arity::Elements => {
                // A path without `*` names the array itself.
                let elements = found.into_iter().filter(|v| !v.is_null());
                let elements: Vec<&Value> = if self.path.has_each() {
                    elements.collect()
                } else {
                    let mut all = Vec::new();
                    for v in elements {
                        all.extend(v.as_array().ok_or_else(|| wrong("must be an array".to_owned()))?);
                    }
                    all
                };
                distinct(elements.into_iter().filter(|v| !v.is_null()).map(typed), wrong)
            }
            Arity::Entries => {
                let Some(v) = found.first().filter(|v| !v.is_null()) else { return Ok(Vec::new()) };
                let object = v.as_object().ok_or_else(|| wrong("must be an object".to_owned()))?;
                let entry = |(k, v): (&String, &Value)| match v {
                    Value::String(s) => typed(&Value::from(entry(k, s))),
                    _ => Err(wrong("must have text values only".to_owned())),
                };
                distinct(object.iter().map(entry), wrong)
            }
        }
    }
}

/// An entry of an object as one text. Two entries may become one text: a find looks at the document again.
pub(super) fn entry(key: &str, value: &str) -> String {
    format!("{key}={value}")
}

fn distinct(
    values: impl Iterator<Item = Result<Scalar>>,
    wrong: impl Fn(String) -> Error,
) -> Result<Vec<Scalar>> {
    let mut values = values.collect::<Result<Vec<Scalar>>>()?;
    values.sort_by(|a, b| a.compare(b).unwrap_or(std::cmp::Ordering::Equal));
    values.dedup();
    if values.len() > MAX_VALUES {
        return Err(wrong(format!("has more than {MAX_VALUES} values")));
    }
    Ok(values)
}

/// What no database can keep, or not all of them alike.
fn check_value(v: &Value, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid("body", format!("is nested more than {MAX_DEPTH} deep")));
    }
    let text = |s: &str| match s.contains('\0') {
        true => Err(Error::invalid("body", "must not contain U+0000")),
        false => Ok(()),
    };
    match v {
        Value::String(s) => text(s),
        Value::Array(a) => a.iter().try_for_each(|v| check_value(v, depth + 1)),
        Value::Object(o) => o.iter().try_for_each(|(k, v)| {
            text(k)?;
            check_value(v, depth + 1)
        }),
        _ => Ok(()),
    }
}
