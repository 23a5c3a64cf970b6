//! A document as it is stored.

use super::batch::Seen;
use super::keys::IndexRef;
use crate::codec::{decode, encode};
use crate::core::document::{CollectionDef, Document, DocumentKey};
use crate::core::{AttemptId, Error, Result, Timestamp};
use crate::row::Row;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many attempts are remembered besides the creating one.
pub(super) const REMEMBERED: usize = 8;

/// The value of a document's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) version: i64,
    created: Timestamp,
    updated: Timestamp,
    deleted: Option<Timestamp>,
    expires: Option<Timestamp>,
    pub(super) creator: AttemptId,
    /// The last ones, oldest first: the version that each wrote, and when.
    attempts: Vec<(i64, AttemptId, Timestamp)>,
    /// The indexes that have its entries, and of those over many partitions the stamps of its entries, in the order of its tuples.
    pub(super) entries: Vec<(u32, Vec<Uuid>)>,
    /// JSON.
    body: Bytes,
}

/// A document with what the store keeps about it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) document: Document,
    pub(super) record: Record,
    /// Of its row: another one with every write.
    pub(super) guard: Bytes,
}

impl Stored {
    pub(super) fn read(key: &DocumentKey, row: &Row) -> Result<Self> {
        let record = Record::read(row)?;
        let body = serde_json::from_slice(&record.body)
            .map_err(|e| Error::corrupted("document", format!("{key}: unreadable body: {e}")))?;
        let document = Document {
            key: key.clone(),
            version: record.version,
            created: record.created,
            updated: record.updated,
            deleted: record.deleted,
            expires: record.expires,
            body,
        };
        Ok(Stored { document, record, guard: row.guard.clone() })
    }

    /// The values of its entries in an index, as bytes, each with its stamp; none where the index has no entries of it.
    pub(super) fn entries(&self, def: &CollectionDef, index: IndexRef<'_>) -> Option<Vec<(Bytes, Uuid)>> {
        let stamps = self.record.stamps(index.number)?;
        let components = components(def, index, &self.document);
        if index.local {
            return Some(components.into_iter().map(|c| (c, Uuid::nil())).collect());
        }
        Some(components.into_iter().zip(stamps.iter().copied()).collect())
    }
}

impl Record {
    pub(super) fn read(row: &Row) -> Result<Self> {
        decode("document", &row.value)
    }

    pub(super) fn seen(&self) -> Seen {
        Seen::new(self.deleted, self.expires)
    }

    /// The record of a document that an attempt writes.
    pub(super) fn new(
        document: &Document,
        before: Option<&Record>,
        attempt: AttemptId,
        entries: Vec<(u32, Vec<Uuid>)>,
    ) -> Result<Self> {
        // A document that takes an expired one's place begins anew.
        let before = before.filter(|_| document.version > 1);
        let mut attempts = before.map(|r| r.attempts.clone()).unwrap_or_default();
        attempts.push((document.version, attempt, document.updated));
        let old = attempts.len().saturating_sub(REMEMBERED);
        attempts.drain(..old);
        Ok(Record {
            version: document.version,
            created: document.created,
            updated: document.updated,
            deleted: document.deleted,
            expires: document.expires,
            creator: before.map_or(attempt, |r| r.creator),
            attempts,
            entries,
            body: serde_json::to_vec(&document.body)
                .map_err(|e| Error::invalid("body", format!("is not JSON: {e}")))?
                .into(),
        })
    }

    /// The same document with other entries.
    pub(super) fn reindexed(&self, entries: Vec<(u32, Vec<Uuid>)>) -> Self {
        Record { entries, ..self.clone() }
    }

    pub(super) fn row(&self, guard: Uuid) -> Row {
        Row { guard: Bytes::copy_from_slice(guard.as_bytes()), value: encode(self) }
    }

    /// Whether this attempt wrote one of the versions that are remembered.
    pub(super) fn remembers(&self, attempt: AttemptId) -> bool {
        self.wrote(attempt).is_some()
    }

    /// The version that an attempt wrote, and when, if that is remembered.
    pub(super) fn wrote(&self, attempt: AttemptId) -> Option<(i64, Timestamp)> {
        let last = self.attempts.iter().rev().find(|(_, a, _)| *a == attempt);
        let created = (self.creator == attempt).then_some((1, self.created));
        last.map(|(version, _, updated)| (*version, *updated)).or(created)
    }

    /// The stamps of its entries; none where the index has none of it.
    pub(super) fn stamps(&self, number: u32) -> Option<&[Uuid]> {
        self.entries.iter().find(|(n, _)| *n == number).map(|(_, stamps)| &**stamps)
    }
}

/// The values of a document's entries in an index, as bytes, each once.
pub(super) fn components(def: &CollectionDef, index: IndexRef<'_>, document: &Document) -> Vec<Bytes> {
    if index.number == super::catalogue::EXPIRY {
        let expires = document.expires.map(crate::core::document::Scalar::Time);
        return expires.map(|t| index.components(&[t])).into_iter().collect();
    }
    let tuples = index.index.tuples(&def.stored_values(&document.body));
    tuples.iter().map(|t| index.components(t)).collect()
}
