//! What the collections are made of: how many partitions a namespace has, and the search attributes that were registered.

use super::fields::{CLOSE, START, STATUS, custom, field, member};
use super::query::is_word;
use crate::document::scalar::MAX_TEXT;
use crate::document::{Attribute, CollectionDef, Direction, IdKind, IndexDef, KeyType, TimeUnit};
use crate::error::{Error, Result};
use crate::store::{SearchAttributeType, VisibilitySetup};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The records.
pub(super) const RECORDS: &str = "sys_visibility";
/// What the records are made of, and the namespaces that have some.
pub(super) const SETUP: &str = "sys_visibility_setup";

/// Partitions of a namespace, where nobody chose another number.
pub const DEFAULT_PARTITIONS: u16 = 4;
/// The most partitions of a namespace: a query reads all of them.
pub const MAX_PARTITIONS: u16 = 64;
/// The most search attributes, each of which is an index.
pub const MAX_SEARCH_ATTRIBUTES: usize = 40;
/// The longest record, with its memo.
const MAX_BYTES: u32 = 4 << 20;
/// The longest name of a search attribute.
const MAX_NAME: usize = 64;

/// What is stored of it. Attributes are in the order of their registration, and never go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    pub(super) partitions: u16,
    pub(super) attributes: Vec<(String, SearchAttributeType)>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { partitions: DEFAULT_PARTITIONS, attributes: Vec::new() }
    }
}

impl Setup {
    /// The type of a search attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<SearchAttributeType> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, of)| *of)
    }

    /// As callers see it.
    pub(super) fn told(&self) -> VisibilitySetup {
        let search_attributes = self.attributes.iter().cloned().collect();
        VisibilitySetup { partitions: self.partitions, search_attributes }
    }

    /// With more search attributes. One that is registered with another type is refused.
    pub(super) fn with(&self, more: &BTreeMap<String, SearchAttributeType>) -> Result<Setup> {
        let mut all = self.clone();
        for (name, of) in more {
            match self.attribute(name) {
                Some(registered) if registered == *of => {}
                Some(registered) => {
                    return Err(Error::already_exists(
                        "search attribute",
                        format!("{name}, which is {registered}"),
                    ));
                }
                None => all.attributes.push((name.clone(), *of)),
            }
        }
        if all.attributes.len() > MAX_SEARCH_ATTRIBUTES {
            let (size, limit) = (all.attributes.len() as u64, MAX_SEARCH_ATTRIBUTES as u64);
            return Err(Error::too_large("number of search attributes", size, limit));
        }
        Ok(all)
    }

    /// The collection of the records. What a tombstone lacks has a default, so that it may be found with nothing else.
    pub(super) fn records(&self) -> CollectionDef {
        let text = KeyType::Str { max: MAX_TEXT };
        let time = KeyType::Time(TimeUnit::Millis);
        let one = |name: &str, of| Attribute::new(name, member(name), of);
        let mut def = CollectionDef::new(RECORDS, IdKind::Uuid)
            .partition_by(member(PARTITION))
            .max_bytes(MAX_BYTES)
            .attribute(one(LIVE, KeyType::Bool).required())
            .attribute(one(CLOSE, time).default_value(Timestamp::EPOCH))
            .attribute(one(START, time).default_value(Timestamp::EPOCH))
            .attribute(one("workflow_id", text).default_value(""))
            .attribute(one("workflow_type", text).default_value(""))
            .attribute(one(STATUS, KeyType::Str { max: 32 }).default_value(""))
            .index(index("by_close").desc(CLOSE).desc(START).id(Direction::Ascending))
            .index(index("by_start").desc(START).desc(CLOSE).id(Direction::Ascending));
        for name in ["workflow_id", "workflow_type", STATUS] {
            def = def.index(timed(index(&format!("by_{name}")).asc(name)));
        }
        for (i, (name, of)) in self.attributes.iter().enumerate() {
            let ty = match of {
                SearchAttributeType::Keyword | SearchAttributeType::KeywordList => text,
                SearchAttributeType::Int => KeyType::I64,
                SearchAttributeType::Double => KeyType::F64,
                SearchAttributeType::Bool => KeyType::Bool,
                SearchAttributeType::Datetime => time,
            };
            let attribute = Attribute::new(format!("a{i}"), custom(name), ty);
            let list = *of == SearchAttributeType::KeywordList;
            def = def
                .attribute(if list { attribute.elements() } else { attribute })
                .index(timed(index(&format!("by_a{i}")).asc(format!("a{i}"))));
        }
        def
    }
}

/// The member with the partition.
pub(super) const PARTITION: &str = "partition";
/// The member that tells records from tombstones. Every index begins with it.
pub(super) const LIVE: &str = "live";

fn index(name: &str) -> IndexDef {
    IndexDef::new(name).in_partition().asc(LIVE)
}

fn timed(index: IndexDef) -> IndexDef {
    index.desc(CLOSE).desc(START).id(Direction::Ascending)
}

/// The collection of what the others are made of.
pub(super) fn setup() -> CollectionDef {
    CollectionDef::new(SETUP, IdKind::Text).in_one_partition()
}

/// Checks what is to be registered.
pub(super) fn check_names<'a>(names: impl Iterator<Item = &'a String>) -> Result<()> {
    for name in names {
        let bad = |rule: &str| Err(Error::invalid("search_attributes", format!("{name:?} {rule}")));
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || name.len() > MAX_NAME {
            return bad("is no name: a letter, then up to 63 letters, digits and _");
        }
        if is_word(name) {
            return bad("is a word of the query language");
        }
        if field(&Setup::default(), name).is_some() {
            return bad("is a field that every record has");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collections_are_valid_whatever_is_registered() {
        let of = [
            SearchAttributeType::Keyword,
            SearchAttributeType::KeywordList,
            SearchAttributeType::Int,
            SearchAttributeType::Double,
            SearchAttributeType::Bool,
            SearchAttributeType::Datetime,
        ];
        let more = (0..MAX_SEARCH_ATTRIBUTES).map(|i| (format!("Attribute{i}"), of[i % of.len()])).collect();
        let all = Setup::default().with(&more).unwrap();
        all.records().validate().unwrap();
        setup().validate().unwrap();
        assert_eq!(all.with(&more).unwrap(), all);
        let one = |name: &str, of| BTreeMap::from([(name.to_owned(), of)]);
        let e = all.with(&one("Attribute0", SearchAttributeType::Int)).unwrap_err();
        assert_eq!(e.to_string(), "search attribute already exists: Attribute0, which is a keyword");
        assert!(all.with(&one("Another", SearchAttributeType::Int)).is_err());
    }

    #[test]
    fn names_are_words_of_nothing_else() {
        for name in ["", "1a", "a b", "a.b", "é", "select\0", "Order", "NULL", "WorkflowId", &"a".repeat(65)]
        {
            assert!(check_names([name.to_owned()].iter()).is_err(), "{name}");
        }
        check_names(["CustomerId", "a_1", "workflowid"].map(str::to_owned).iter()).unwrap();
    }
}
