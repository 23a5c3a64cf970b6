//! What a collection declares: its partition, its attributes and its indexes. Everything else in a document is free.

use super::form::{AttributeForm, CollectionForm, IndexForm};
use super::limits::{MAX_KEY_BYTES, MAX_KEY_BYTES_OF_SEVERAL};
use super::path::Path;
use super::scalar::{KeyType, MAX_TEXT, Scalar};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A collection of documents. [`Serialize`]d, it is the form of definition files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "CollectionForm")]
pub struct CollectionDef {
    /// Its name: a lower-case letter, then up to 47 lower-case letters, digits and `_`.
    pub name: String,
    /// The kind of its ids.
    pub id: IdKind,
    /// What its documents are kept together by.
    pub partition: Partitioning,
    /// Collections of one group whose partitions have the same value share them: one write may then change documents of
    /// several collections.
    pub group: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Its indexes.
    pub indexes: Vec<IndexDef>,
    /// The longest document, in bytes of JSON.
    pub max_bytes: u32,
}

/// The kind of a collection's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdKind {
    /// UUIDs.
    Uuid,
    /// Names as in SEMANTICS P2: 1 to 255 characters without U+0000, compared by bytes.
    Text,
}

/// What documents are kept together by. The partition and the id are a document's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Partitioning {
    /// By the text at this path, 1 to 255 characters. It never changes while the document exists.
    By(Path),
    /// All in one partition: small collections, which can then be changed together.
    Constant,
    /// Every document by itself.
    Spread,
}

/// A declared value of a document: what indexes are made of. Its type is checked on every write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AttributeForm", into = "AttributeForm")]
pub struct Attribute {
    /// Its name, as a collection's.
    pub name: String,
    /// Where it is.
    pub path: Path,
    /// Its type, or that of its elements.
    pub ty: KeyType,
    /// One value, or several.
    pub arity: Arity,
    /// What a document without it means. Null is the same as missing.
    pub missing: Missing,
}

/// How many values an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Arity {
    /// One.
    One,
    /// Those of an array, or of what a path with `*` leads to.
    Elements,
    /// Those of an object whose values are text, each as `key=value`.
    Entries,
}

/// What a document without an attribute means.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Missing {
    /// It has none. Indexes with this attribute do not contain the document.
    Skip,
    /// It has this value, for indexes and filters alike.
    Default(Scalar),
    /// It is refused.
    Reject,
}

/// An index. Its entries end with the document's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "IndexForm")]
pub struct IndexDef {
    /// Its name, as a collection's.
    pub name: String,
    /// What is indexed.
    pub scope: Scope,
    /// Its keys, in order. None at all: an index by id alone.
    pub keys: Vec<IndexKey>,
    /// The direction of the ids.
    pub id_order: Direction,
    /// Whether no two documents of the scope may have the same keys. Documents that lack one are not bound.
    pub unique: bool,
    /// Whether it is unique among documents that are not deleted.
    pub live_only: bool,
}

/// What an index can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// Documents of a partition, which queries must name.
    Partition,
    /// Documents of the whole collection.
    Collection,
}

/// A key of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IndexKey {
    /// The attribute's name.
    pub attribute: String,
    /// The direction of its values.
    pub direction: Direction,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Direction::Ascending => Direction::Descending,
            Direction::Descending => Direction::Ascending,
        }
    }
}

/// The default of [`CollectionDef::max_bytes`].
pub const DEFAULT_MAX_BYTES: u32 = 1 << 20;
/// The most keys of an index.
pub const MAX_INDEX_KEYS: usize = 8;

impl CollectionDef {
    /// A collection without indexes, each document by itself.
    pub fn new(name: impl Into<String>, id: IdKind) -> Self {
        let name = name.into();
        CollectionDef {
            group: name.clone(),
            name,
            id,
            partition: Partitioning::Spread,
            attributes: Vec::new(),
            indexes: Vec::new(),
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }

    /// Documents with the same text at this path share a partition.
    #[must_use]
    pub fn partition_by(mut self, path: Path) -> Self {
        self.partition = Partitioning::By(path);
        self
    }

    /// All documents share a partition.
    #[must_use]
    pub fn in_one_partition(mut self) -> Self {
        self.partition = Partitioning::Constant;
        self
    }

    /// In this group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// With this attribute.
    #[must_use]
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// With this index.
    #[must_use]
    pub fn index(mut self, index: IndexDef) -> Self {
        self.indexes.push(index);
        self
    }

    /// With documents of at most so many bytes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u32) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The attribute of this name.
    pub fn attribute_named(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == name)
    }

    /// The attribute of one value at this path.
    pub fn attribute_at(&self, path: &Path) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.arity == Arity::One && a.path == *path)
    }

    /// The attribute of several values at this path: of an array also where the declared path ends in `*`.
    pub fn elements_at(&self, path: &Path) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.arity == Arity::Elements && a.path == *path)
    }

    /// The attribute that holds the entries of the object at this path.
    pub fn entries_at(&self, path: &Path) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.arity == Arity::Entries && a.path == *path)
    }

    /// The index of this name.
    pub fn index_named(&self, name: &str) -> Option<&IndexDef> {
        self.indexes.iter().find(|i| i.name == name)
    }

    /// Checks everything that makes the declaration one. `InvalidArgument` says what is wrong and where.
    pub fn validate(&self) -> Result<()> {
        identifier(&self.name)?;
        identifier(&self.group)?;
        if self.max_bytes == 0 {
            return Err(bad(format!("collection {}: max_bytes must be at least 1", self.name)));
        }
        if let Partitioning::By(path) = &self.partition
            && path.has_each()
        {
            return Err(bad(format!("collection {}: its partition has several values", self.name)));
        }
        self.validate_numbers()?;
        let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
        for a in &self.attributes {
            a.validate()?;
            if !names.insert(&a.name) || !places.insert((&a.path, a.arity as u8)) {
                return Err(bad(format!("attribute {}: declared twice", a.name)));
            }
        }
        let mut names = BTreeSet::new();
        for i in &self.indexes {
            self.validate_index(i)?;
            if !names.insert(&i.name) {
                return Err(bad(format!("index {}: declared twice", i.name)));
            }
        }
        Ok(())
    }

    pub(super) fn validate_index(&self, index: &IndexDef) -> Result<()> {
        identifier(&index.name)?;
        let broken = |rule: &str| Err(bad(format!("index {}: {rule}", index.name)));
        if index.scope == Scope::Partition && self.partition == Partitioning::Spread {
            return broken("documents by themselves have no partition to search");
        }
        if index.keys.len() > MAX_INDEX_KEYS {
            return broken("too many keys");
        }
        let (mut used, mut many) = (BTreeSet::new(), 0);
        for key in &index.keys {
            let Some(a) = self.attribute_named(&key.attribute) else {
                return broken(&format!("attribute {} is not declared", key.attribute));
            };
            many += usize::from(a.arity != Arity::One);
            if !used.insert(&key.attribute) {
                return broken(&format!("attribute {} twice", key.attribute));
            }
        }
        match many {
            0 => self.validate_size(index, MAX_KEY_BYTES),
            1 if index.unique => broken("an attribute of several values cannot be unique"),
            1 => self.validate_size(index, MAX_KEY_BYTES_OF_SEVERAL),
            _ => broken("at most one attribute of several values"),
        }
    }
}

impl Attribute {
    /// An attribute of one value, named as its path, which documents may lack.
    pub fn new(name: impl Into<String>, path: Path, ty: KeyType) -> Self {
        Attribute { name: name.into(), path, ty, arity: Arity::One, missing: Missing::Skip }
    }

    /// The elements of an array, or of what a path with `*` leads to.
    #[must_use]
    pub fn elements(mut self) -> Self {
        self.arity = Arity::Elements;
        self
    }

    /// The entries of an object.
    #[must_use]
    pub fn entries(mut self) -> Self {
        self.arity = Arity::Entries;
        self
    }

    /// Documents that lack it have this value.
    #[must_use]
    pub fn default_value(mut self, value: impl Into<Scalar>) -> Self {
        self.missing = Missing::Default(value.into());
        self
    }

    /// Documents that lack it are refused.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.missing = Missing::Reject;
        self
    }

    fn validate(&self) -> Result<()> {
        identifier(&self.name)?;
        let broken = |rule: &str| Err(bad(format!("attribute {}: {rule}", self.name)));
        match &self.missing {
            // It must be the same in the form that is stored.
            Missing::Default(v) if Scalar::of_type(&v.to_json(self.ty), self.ty).as_ref() != Ok(v) => {
                return broken("the default is of another type");
            }
            Missing::Skip => {}
            _ if self.arity != Arity::One => return broken("several values cannot be missing"),
            _ => {}
        }
        if self.arity == Arity::One && self.path.has_each() {
            return broken("a path with * leads to several values; declare elements");
        }
        match self.ty {
            KeyType::Str { max } if max == 0 || max > MAX_TEXT => {
                broken(&format!("text has 1 to {MAX_TEXT} bytes"))
            }
            KeyType::Str { .. } => Ok(()),
            _ if self.arity == Arity::Entries => broken("entries are text"),
            _ => Ok(()),
        }
    }
}

impl IndexDef {
    /// An index over the whole collection, by id as yet.
    pub fn new(name: impl Into<String>) -> Self {
        IndexDef {
            name: name.into(),
            scope: Scope::Collection,
            keys: Vec::new(),
            id_order: Direction::Ascending,
            unique: false,
            live_only: false,
        }
    }

    /// Over each partition.
    #[must_use]
    pub fn in_partition(mut self) -> Self {
        self.scope = Scope::Partition;
        self
    }

    /// Then by this attribute, ascending; ids go the same way.
    #[must_use]
    pub fn asc(self, attribute: impl Into<String>) -> Self {
        self.key(attribute, Direction::Ascending)
    }

    /// Then by this attribute, descending; ids go the same way.
    #[must_use]
    pub fn desc(self, attribute: impl Into<String>) -> Self {
        self.key(attribute, Direction::Descending)
    }

    fn key(mut self, attribute: impl Into<String>, direction: Direction) -> Self {
        self.keys.push(IndexKey { attribute: attribute.into(), direction });
        self.id_order = direction;
        self
    }

    /// Ids go this way.
    #[must_use]
    pub fn id(mut self, direction: Direction) -> Self {
        self.id_order = direction;
        self
    }

    /// No two documents of the scope may have the same keys.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Unique, but a deleted document holds nothing.
    #[must_use]
    pub fn unique_live(mut self) -> Self {
        (self.unique, self.live_only) = (true, true);
        self
    }
}

/// Names become part of statements: nothing but letters, digits and `_`.
pub fn identifier(name: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if first && rest && name.len() <= 48 {
        return Ok(());
    }
    Err(bad(format!(
        "{name:?} is no name: a lower-case letter, then up to 47 lower-case letters, digits and _"
    )))
}

pub(super) fn bad(rule: String) -> Error {
    Error::invalid("definition", rule)
}

#[cfg(test)]
mod tests {
    use super::super::scalar::TimeUnit;
    use super::*;

    fn path(p: &str) -> Path {
        p.parse().unwrap()
    }

    fn applications() -> CollectionDef {
        CollectionDef::new("application", IdKind::Uuid)
            .partition_by(path("project_id"))
            .attribute(
                Attribute::new("updated", path("updated_at"), KeyType::Time(TimeUnit::Seconds)).required(),
            )
            .attribute(Attribute::new("disabled", path("disabled"), KeyType::Bool).default_value(false))
            .attribute(Attribute::new("labels", path("labels"), KeyType::Str { max: 255 }).entries())
            .index(
                IndexDef::new("page").in_partition().asc("disabled").desc("updated").id(Direction::Ascending),
            )
            .index(IndexDef::new("label").asc("labels"))
    }

    #[test]
    fn what_is_wrong_is_named() {
        let says = |def: CollectionDef, what: &str| {
            let e = def.validate().unwrap_err().to_string();
            assert!(e.contains(what), "{e}");
        };
        let text = || Attribute::new("a", path("a"), KeyType::Str { max: 9 });
        for name in ["", "A", "1a", "a b", "a;--", "é", &"a".repeat(49)] {
            says(CollectionDef::new(name, IdKind::Text), "is no name");
        }
        says(applications().index(IndexDef::new("page")), "declared twice");
        says(applications().index(IndexDef::new("x").asc("nope")), "nope is not declared");
        says(applications().attribute(text().default_value(1)), "another type");
        says(applications().attribute(Attribute::new("e", path("a.*"), KeyType::Bool)), "several values");
        says(applications().index(IndexDef::new("u").asc("labels").unique()), "cannot be unique");
        says(CollectionDef::new("c", IdKind::Text).index(IndexDef::new("i").in_partition()), "no partition");
    }
}
