//! What a write does to a document, as a pure function. A store reads, decides here, and writes on condition that what it read
//! is still so.

use super::definition::{CollectionDef, IndexDef};
use super::filter::Filter;
use super::value::Values;
use super::{Document, DocumentKey};
use crate::error::{Error, Result};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What must hold of a document for a write to be done. An expired document is not there; one that was deleted softly is there
/// for [`Pre::Absent`] and [`Pre::Version`] only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Pre {
    /// Nothing.
    None,
    /// There is none; else `AlreadyExists`.
    Absent,
    /// There is one; else `NotFound`.
    Present,
    /// It has this version; else `ConditionFailed` with the one that it has.
    Version(i64),
    /// There is one of which this holds; else `NotFound`, or `ConditionFailed`.
    Match(Filter),
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentWrite {
    /// The collection.
    pub collection: String,
    /// The document.
    pub key: DocumentKey,
    /// What must hold.
    pub pre: Pre,
    /// What is done.
    pub action: Action,
}

/// What a write does. `Debug` shows the size of a body only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Action {
    /// The document is this from now on. One that was deleted softly lives again.
    Put {
        /// The whole document.
        body: Value,
        /// From when on nobody sees it any more.
        expires: Option<Timestamp>,
    },
    /// It is hidden; its id and what it holds in unique indexes stay taken. Nothing happens to one that is not there.
    SoftDelete,
    /// It is removed. Nothing happens to one that is not there.
    Delete,
    /// Nothing; only what must hold is checked.
    Check,
}

/// What becomes of a document.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// It is this.
    Store(Document),
    /// It is gone.
    Remove,
}

/// What a write does to a document that is stored so; expired or not, as the database has it.
pub fn decide(
    def: &CollectionDef,
    write: &DocumentWrite,
    stored: Option<&Document>,
    now: Timestamp,
) -> Result<Change> {
    let there = stored.filter(|d| !d.is_expired(now));
    let seen = there.filter(|d| d.deleted.is_none());
    require(def, write, there, seen)?;
    Ok(match &write.action {
        Action::Check => Change::Keep,
        Action::Put { body, expires } => Change::Store(Document {
            key: write.key.clone(),
            version: there.map_or(1, |d| d.version.saturating_add(1)),
            created: there.map_or(now, |d| d.created),
            // Never backwards, whoever's clock it is: orders by update time rest on it.
            updated: there.map_or(now, |d| d.updated.max(now)),
            deleted: None,
            expires: *expires,
            body: body.clone(),
        }),
        Action::SoftDelete => match seen {
            Some(d) => Change::Store(Document {
                version: d.version.saturating_add(1),
                updated: d.updated.max(now),
                deleted: Some(now),
                ..d.clone()
            }),
            None => Change::Keep,
        },
        // An expired one is removed as well: it is there for the database.
        Action::Delete if stored.is_some() => Change::Remove,
        Action::Delete => Change::Keep,
    })
}

/// The most that one call may change, in documents and index entries together. A call of one document is never too large: it has
/// at most [`MAX_ENTRIES`](super::value::MAX_ENTRIES), before and after.
pub const MAX_CHANGES: usize = 5000;

/// Checks what a call changes in all: `TooLarge` says so on every driver alike, whatever each could still write.
pub fn check_changes<'a>(
    changes: impl ExactSizeIterator<Item = (&'a CollectionDef, Option<&'a Document>, &'a Change)>,
) -> Result<()> {
    if changes.len() == 1 {
        return Ok(());
    }
    let size: usize = changes.map(|(def, stored, change)| 1 + changed_entries(def, stored, change)).sum();
    if size > MAX_CHANGES {
        return Err(Error::too_large("write of documents, in changes", size as u64, MAX_CHANGES as u64));
    }
    Ok(())
}

/// How many index entries come or go; or change, with who sees their document.
fn changed_entries(def: &CollectionDef, stored: Option<&Document>, change: &Change) -> usize {
    let new = match change {
        Change::Keep => return 0,
        Change::Store(document) => Some(document),
        Change::Remove => None,
    };
    let values = |d: Option<&Document>| d.map(|d| def.stored_values(&d.body)).unwrap_or_default();
    let (before, after) = (values(stored), values(new));
    let seen = |d: &Document| (d.deleted.is_some(), d.expires);
    let same = stored.map(seen) == new.map(seen);
    let changed = |index: &IndexDef| {
        let (before, after) = (index.tuples(&before), index.tuples(&after));
        if same && before == after {
            return 0;
        }
        let gone = before.iter().filter(|t| !after.contains(t)).count();
        let kept = before.len() - gone;
        gone + after.len() - if same { kept } else { 0 }
    };
    def.indexes.iter().map(changed).sum()
}

/// Checks a write before any I/O, and gives the attributes of the document that it puts.
pub fn check<'d>(def: &'d CollectionDef, write: &DocumentWrite) -> Result<Option<Values<'d>>> {
    if let Pre::Match(filter) = &write.pre {
        filter.checked(def)?;
    }
    match &write.action {
        Action::Put { body, .. } => def.check_body(&write.key, body).map(Some),
        _ => def.check_key(&write.key).map(|()| None),
    }
}

fn require(
    def: &CollectionDef,
    write: &DocumentWrite,
    there: Option<&Document>,
    seen: Option<&Document>,
) -> Result<()> {
    let name = || format!("{} {}", def.name, write.key);
    let missing = || Error::not_found("document", name());
    match &write.pre {
        Pre::None => Ok(()),
        Pre::Absent if there.is_none() => Ok(()),
        Pre::Absent => Err(Error::already_exists("document", name())),
        Pre::Present => seen.map(drop).ok_or_else(missing),
        Pre::Version(v) if there.is_some_and(|d| d.version == *v) => Ok(()),
        Pre::Version(v) => Err(Error::condition_failed(name(), Some(*v), there.map(|d| d.version))),
        Pre::Match(filter) => {
            let doc = seen.ok_or_else(missing)?;
            match filter.checked(def)?.holds(def, doc) {
                true => Ok(()),
                false => Err(Error::condition_failed(name(), None, Some(doc.version))),
            }
        }
    }
}
