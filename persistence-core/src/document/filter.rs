//! Conditions on documents. Every leaf but `IsNull` is false of a missing or null value, also `Ne` and `NotIn`.

use super::definition::{CollectionDef, IdKind, Partitioning};
use super::path::Path;
use super::scalar::{KeyType, MAX_TEXT, Scalar};
use super::value::entry;
use super::{Document, DocumentId};
use crate::error::{Error, Result};
use crate::validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;
use std::ops::Bound;

/// A condition. Values are compared by type: text with text, numbers with numbers; of different types nothing holds. Where an
/// attribute is declared, a constant of another type is `InvalidArgument`; so is text that no document can hold. `Debug` shows no constant
/// but ids.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filter {
    /// All of them; none at all holds of every document.
    All(Vec<Filter>),
    /// Any of them; none at all holds of no document.
    Any(Vec<Filter>),
    /// The value compares so with the constant.
    Compare(Path, Comparison, Scalar),
    /// The value is one of these.
    In(Path, Vec<Scalar>),
    /// There is a value, and it is none of these.
    NotIn(Path, Vec<Scalar>),
    /// The array has this element.
    Contains(Path, Scalar),
    /// The array has all these elements; always, if there are none and there is an array.
    ContainsAll(Path, Vec<Scalar>),
    /// The array has one of these elements.
    ContainsAny(Path, Vec<Scalar>),
    /// The object has a member of this name. No index decides that.
    HasKey(Path, String),
    /// The object has this member, and it is this text.
    HasEntry(Path, String, String),
    /// The text begins so.
    Prefix(Path, String),
    /// The value is missing or null.
    IsNull(Path),
    /// The value is there and not null. An index by it decides that.
    Exists(Path),
    /// The id is in this range.
    Id(Bound<DocumentId>, Bound<DocumentId>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

impl Comparison {
    fn holds(self, o: Ordering) -> bool {
        match self {
            Comparison::Eq => o.is_eq(),
            Comparison::Ne => o.is_ne(),
            Comparison::Lt => o.is_lt(),
            Comparison::Le => o.is_le(),
            Comparison::Gt => o.is_gt(),
            Comparison::Ge => o.is_ge(),
        }
    }
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident $op:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(path: Path, value: impl Into<Scalar>) -> Self {
            Filter::Compare(path, Comparison::$op, value.into())
        }
    )*};
}

/// The most constants of one list.
pub const MAX_LIST: usize = 1000;
/// The most conditions of a filter; a list is one.
pub const MAX_LEAVES: usize = 1000;
/// The deepest nesting of a filter.
const MAX_DEPTH: usize = 16;

impl Filter {
    /// Every document.
    pub fn everything() -> Self {
        Filter::All(Vec::new())
    }

    comparisons! {
        /// The value is this.
        eq Eq;
        /// The value is there and not this.
        ne Ne;
        /// The value is less.
        lt Lt;
        /// The value is less or equal.
        le Le;
        /// The value is greater.
        gt Gt;
        /// The value is greater or equal.
        ge Ge;
    }

    /// The id is this.
    pub fn id(id: impl Into<DocumentId>) -> Self {
        let id = id.into();
        Filter::Id(Bound::Included(id.clone()), Bound::Included(id))
    }

    /// Both conditions.
    #[must_use]
    pub fn and(self, other: Filter) -> Self {
        match self {
            Filter::All(mut all) => {
                all.push(other);
                Filter::All(all)
            }
            one => Filter::All(vec![one, other]),
        }
    }

    /// Checks it against a collection, and gives it with every constant as the attributes are stored.
    pub fn checked(&self, def: &CollectionDef) -> Result<Filter> {
        let checked = self.check(def, 1)?;
        if checked.leaves() > MAX_LEAVES {
            return Err(Error::invalid("filter", format!("has more than {MAX_LEAVES} conditions")));
        }
        Ok(checked)
    }

    /// How many conditions it has that are made of no others.
    pub(crate) fn leaves(&self) -> usize {
        match self {
            Filter::All(fs) | Filter::Any(fs) if !fs.is_empty() => fs.iter().map(Filter::leaves).sum(),
            _ => 1,
        }
    }

    fn check(&self, def: &CollectionDef, depth: usize) -> Result<Filter> {
        let bad = |rule: String| Error::invalid("filter", rule);
        if depth > MAX_DEPTH {
            return Err(bad(format!("is nested more than {MAX_DEPTH} deep")));
        }
        let coerce = |path: &Path, ty: Option<KeyType>, v: &Scalar| {
            if let Scalar::Str(s) = v {
                let partition = matches!(&def.partition, Partitioning::By(p) if p == path);
                text(path, s, (ty.is_some() || partition).then_some(MAX_TEXT))?;
            }
            match ty {
                Some(ty) => v.coerce(ty).ok_or_else(|| bad(format!("{path} is compared with another type"))),
                None if matches!(v, Scalar::Time(_)) => {
                    Err(bad(format!("{path} is not declared to be a time")))
                }
                None => Ok(v.clone()),
            }
        };
        let one = |path: &Path, v: &Scalar| coerce(path, def.attribute_at(path).map(|a| a.ty), v);
        let element = |path: &Path, v: &Scalar| coerce(path, def.elements_at(path).map(|a| a.ty), v);
        let list = |vs: &[Scalar], f: &dyn Fn(&Scalar) -> Result<Scalar>| {
            if vs.len() > MAX_LIST {
                return Err(bad(format!("a list has more than {MAX_LIST} values")));
            }
            vs.iter().map(f).collect::<Result<Vec<_>>>()
        };
        let filters = |fs: &[Filter]| fs.iter().map(|f| f.check(def, depth + 1)).collect::<Result<Vec<_>>>();
        Ok(match self {
            Filter::All(fs) => Filter::All(filters(fs)?),
            Filter::Any(fs) => Filter::Any(filters(fs)?),
            Filter::Compare(p, c, v) => Filter::Compare(p.clone(), *c, one(p, v)?),
            Filter::In(p, vs) => Filter::In(p.clone(), list(vs, &|v| one(p, v))?),
            Filter::NotIn(p, vs) => Filter::NotIn(p.clone(), list(vs, &|v| one(p, v))?),
            Filter::Contains(p, v) => Filter::Contains(p.clone(), element(p, v)?),
            Filter::ContainsAll(p, vs) => Filter::ContainsAll(p.clone(), list(vs, &|v| element(p, v))?),
            Filter::ContainsAny(p, vs) => Filter::ContainsAny(p.clone(), list(vs, &|v| element(p, v))?),
            Filter::Prefix(p, s) => {
                one(p, &Scalar::Str(s.clone()))?;
                self.clone()
            }
            Filter::HasKey(p, name) => {
                text(p, name, None)?;
                self.clone()
            }
            Filter::HasEntry(p, name, value) => {
                let max = match def.entries_at(p).map(|a| a.ty) {
                    Some(KeyType::Str { max }) => Some(max),
                    _ => None,
                };
                text(p, &entry(name, value), max)?;
                self.clone()
            }
            Filter::Id(from, to) => {
                id(def, from)?;
                id(def, to)?;
                self.clone()
            }
            Filter::IsNull(_) | Filter::Exists(_) => self.clone(),
        })
    }

    /// Whether it holds of a document. The filter must have been [`checked`](Self::checked).
    pub fn holds(&self, def: &CollectionDef, doc: &Document) -> bool {
        let body = &doc.body;
        let value = |p: &Path| value(def, p, body);
        let is = |a: &Scalar, b: &Scalar| a.compare(b).is_some_and(Ordering::is_eq);
        match self {
            Filter::All(fs) => fs.iter().all(|f| f.holds(def, doc)),
            Filter::Any(fs) => fs.iter().any(|f| f.holds(def, doc)),
            Filter::Compare(p, c, v) => value(p).and_then(|x| x.compare(v)).is_some_and(|o| c.holds(o)),
            Filter::In(p, vs) => value(p).is_some_and(|x| vs.iter().any(|v| is(&x, v))),
            // A value of another type than the constants is none of them, yet compares with none.
            Filter::NotIn(p, vs) => {
                value(p).is_some_and(|x| vs.iter().all(|v| x.compare(v).is_some_and(Ordering::is_ne)))
            }
            Filter::Contains(p, v) => elements(def, p, body).is_some_and(|es| es.iter().any(|e| is(e, v))),
            Filter::ContainsAll(p, vs) => {
                elements(def, p, body).is_some_and(|es| vs.iter().all(|v| es.iter().any(|e| is(e, v))))
            }
            Filter::ContainsAny(p, vs) => {
                elements(def, p, body).is_some_and(|es| vs.iter().any(|v| es.iter().any(|e| is(e, v))))
            }
            Filter::HasKey(p, name) => {
                object(p, body).is_some_and(|o| o.get(name).is_some_and(|v| !v.is_null()))
            }
            Filter::HasEntry(p, name, text) => {
                object(p, body).is_some_and(|o| o.get(name).and_then(Value::as_str) == Some(text))
            }
            Filter::Prefix(p, s) => matches!(value(p), Some(Scalar::Str(x)) if x.starts_with(&**s)),
            Filter::IsNull(p) => !exists(def, p, body),
            Filter::Exists(p) => exists(def, p, body),
            Filter::Id(from, to) => (from.as_ref(), to.as_ref()).contains_id(&doc.key.id),
        }
    }
}

/// A text that documents are compared with: what no document may hold no database has to understand.
fn text(path: &Path, text: &str, max: Option<u16>) -> Result<()> {
    let bad = |rule: String| Err(Error::invalid("filter", format!("{path} is compared with text {rule}")));
    match max {
        _ if text.contains('\0') => bad("that contains U+0000".to_owned()),
        Some(max) if text.len() > usize::from(max) => bad(format!("of more than {max} bytes")),
        _ => Ok(()),
    }
}

/// A bound of ids. A text may be empty, which no id is: all are behind it.
fn id(def: &CollectionDef, bound: &Bound<DocumentId>) -> Result<()> {
    match (def.id, bound) {
        (_, Bound::Unbounded)
        | (IdKind::Uuid, Bound::Included(DocumentId::Uuid(_)) | Bound::Excluded(DocumentId::Uuid(_))) => {
            Ok(())
        }
        (IdKind::Text, Bound::Included(DocumentId::Text(id)) | Bound::Excluded(DocumentId::Text(id))) => {
            if id.is_empty() { Ok(()) } else { validate::name("filter", id) }
        }
        _ => Err(Error::invalid("filter", "ids are compared with another kind of id")),
    }
}

trait IdRange {
    fn contains_id(&self, id: &DocumentId) -> bool;
}

impl IdRange for (Bound<&DocumentId>, Bound<&DocumentId>) {
    fn contains_id(&self, id: &DocumentId) -> bool {
        std::ops::RangeBounds::<DocumentId>::contains(self, id)
    }
}

/// The value at a path: as declared, or as it is.
fn value(def: &CollectionDef, path: &Path, body: &Value) -> Option<Scalar> {
    match def.attribute_at(path) {
        Some(a) => a.values(body).ok()?.pop(),
        None if path.has_each() => None,
        None => path.find(body).first().and_then(|v| Scalar::of_leaf(v)),
    }
}

/// The elements of the array at a path; none where there is no array.
fn elements(def: &CollectionDef, path: &Path, body: &Value) -> Option<Vec<Scalar>> {
    let found = path.find(body);
    if !path.has_each() && !found.first().is_some_and(|v| v.is_array()) {
        return None;
    }
    match def.elements_at(path) {
        Some(a) => a.values(body).ok(),
        None if path.has_each() => Some(found.into_iter().filter_map(Scalar::of_leaf).collect()),
        None => Some(found.first()?.as_array()?.iter().filter_map(Scalar::of_leaf).collect()),
    }
}

fn object<'v>(path: &Path, body: &'v Value) -> Option<&'v serde_json::Map<String, Value>> {
    path.find(body).first().and_then(|v| v.as_object())
}

/// Whether there is something at a path that is not null. Of an attribute it is what an index has: a default is a value, and what
/// does not fit, as it was stored before, is none.
fn exists(def: &CollectionDef, path: &Path, body: &Value) -> bool {
    match def.attribute_at(path) {
        Some(a) => a.values(body).is_ok_and(|values| !values.is_empty()),
        None => path.find(body).iter().any(|v| !v.is_null()),
    }
}
