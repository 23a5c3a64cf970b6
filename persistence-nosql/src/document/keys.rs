//! Partitions and keys of documents and of their index entries.
//!
//! | table | partition | rows |
//! |---|---|---|
//! | documents | | what is declared, by collection |
//! | documents | group | documents of a constant group, their entries and unique rows |
//! | documents | group, partition | documents of a partition, their entries and unique rows |
//! | documents | collection, id | a document by itself |
//! | document_index | collection, index | entries and unique rows over many partitions |

use super::encode;
use crate::core::document::{
    CollectionDef, Direction, DocumentId, DocumentKey, IndexDef, Partitioning, Scalar,
};
use crate::core::{Error, Result};
use crate::keys::{KEY_VERSION, prefix, tuple};
use crate::row::{KeyRange, MAX_KEY, Table};
use bytes::Bytes;
use foundationdb_tuple::unpack;
use uuid::Uuid;

const CATALOGUE: u16 = 0;
const CONSTANT: u16 = 1;
const BY: u16 = 2;
const SPREAD: u16 = 3;

const DOCUMENT: u16 = 0;
const ENTRY: u16 = 1;
const UNIQUE: u16 = 2;

/// A row, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) table: Table,
    pub(super) partition: Bytes,
    pub(super) key: Bytes,
}

/// An index as its rows are kept: the stored number never belongs to another index.
#[derive(Clone, Copy)]
pub(super) struct IndexRef<'a> {
    pub(super) number: u32,
    pub(super) index: &'a IndexDef,
    /// Whether its entries are in the partitions of their documents.
    pub(super) local: bool,
}

/// The bytes of a stamp at the end of a key.
pub(super) const STAMP: usize = 16;

pub(super) fn catalogue() -> Bytes {
    tuple(&(KEY_VERSION, CATALOGUE))
}

pub(super) fn declared(collection: &str) -> Bytes {
    tuple(&(collection,))
}

/// The partition of documents with this key.
pub(super) fn partition(def: &CollectionDef, key: &DocumentKey) -> Bytes {
    match (&def.partition, &key.id) {
        (Partitioning::By(_), _) => {
            tuple(&(KEY_VERSION, BY, &*def.group, key.partition.as_deref().unwrap_or_default()))
        }
        (Partitioning::Constant, _) => tuple(&(KEY_VERSION, CONSTANT, &*def.group)),
        (_, DocumentId::Uuid(id)) => tuple(&(KEY_VERSION, SPREAD, &*def.name, *id)),
        (_, DocumentId::Text(id)) => tuple(&(KEY_VERSION, SPREAD, &*def.name, &**id)),
    }
}

/// What the names of all partitions of a collection begin with.
pub(super) fn partitions(def: &CollectionDef) -> Bytes {
    match &def.partition {
        Partitioning::By(_) => tuple(&(KEY_VERSION, BY, &*def.group)),
        Partitioning::Constant => tuple(&(KEY_VERSION, CONSTANT, &*def.group)),
        _ => tuple(&(KEY_VERSION, SPREAD, &*def.name)),
    }
}

/// The value that a partition of a collection is of.
pub(super) fn read_partition(def: &CollectionDef, partition: &[u8]) -> Result<Option<String>> {
    if !matches!(def.partition, Partitioning::By(_)) {
        return Ok(None);
    }
    let (_, _, _, value): (i64, u16, String, String) =
        unpack(partition).map_err(|e| Error::corrupted("documents partition", e.to_string()))?;
    Ok(Some(value))
}

/// The row of a document.
pub(super) fn document(def: &CollectionDef, key: &DocumentKey) -> Place {
    let mut row = section(def, DOCUMENT);
    encode::id(&mut row, &key.id, Direction::Ascending);
    Place { table: Table::Documents, partition: partition(def, key), key: row.into() }
}

/// The id at the end of a document's key.
pub(super) fn read_id(packed: &[u8]) -> Result<DocumentId> {
    let id = unpack::<(Uuid,)>(packed).map(|t| DocumentId::Uuid(t.0));
    let id = id.or_else(|_| unpack::<(String,)>(packed).map(|t| DocumentId::Text(t.0)));
    id.map_err(|e| Error::corrupted("document", format!("unreadable key: {e}")))
}

/// The documents of a collection in one of its partitions.
pub(super) fn documents(def: &CollectionDef) -> Bytes {
    section(def, DOCUMENT).into()
}

fn section(def: &CollectionDef, section: u16) -> Vec<u8> {
    tuple(&(&*def.name, section)).into()
}

impl IndexRef<'_> {
    /// Where the entries are, of documents of the partition that this key lies in.
    pub(super) fn partition(&self, def: &CollectionDef, key: &DocumentKey) -> (Table, Bytes) {
        if self.local {
            (Table::Documents, partition(def, key))
        } else {
            (Table::DocumentIndex, self.own_partition(def))
        }
    }

    /// The partition of an index over many.
    pub(super) fn own_partition(&self, def: &CollectionDef) -> Bytes {
        tuple(&(KEY_VERSION, &*def.name, self.number))
    }

    /// What the keys of all its entries begin with.
    pub(super) fn entries(&self, def: &CollectionDef) -> Bytes {
        self.section(def, ENTRY).into()
    }

    fn section(&self, def: &CollectionDef, section: u16) -> Vec<u8> {
        if self.local { tuple(&(&*def.name, section, self.number)).into() } else { tuple(&(section,)).into() }
    }

    /// Everything that a partition holds of a local index.
    pub(super) fn rows(&self, def: &CollectionDef) -> [KeyRange; 2] {
        [prefix(self.section(def, ENTRY).into()), prefix(self.section(def, UNIQUE).into())]
    }

    /// The values of its keys, as bytes.
    pub(super) fn components(&self, tuple: &[Scalar]) -> Bytes {
        let mut out = Vec::new();
        for (v, key) in tuple.iter().zip(&self.index.keys) {
            encode::value(&mut out, v, key.direction);
        }
        out.into()
    }

    /// An entry; with a stamp where the index is not local.
    pub(super) fn entry(
        &self,
        def: &CollectionDef,
        components: &[u8],
        key: &DocumentKey,
        stamp: Option<Uuid>,
    ) -> Result<Place> {
        let mut row = self.section(def, ENTRY);
        row.extend_from_slice(components);
        encode::id(&mut row, &key.id, self.index.id_order);
        if let Some(stamp) = stamp {
            encode::partition(&mut row, key.partition.as_deref(), self.index.id_order);
            row.extend_from_slice(stamp.as_bytes());
        }
        self.place(def, key, row)
    }

    /// The row that a unique index keeps for these values.
    pub(super) fn unique(&self, def: &CollectionDef, components: &[u8], key: &DocumentKey) -> Result<Place> {
        let mut row = self.section(def, UNIQUE);
        row.extend_from_slice(components);
        self.place(def, key, row)
    }

    fn place(&self, def: &CollectionDef, key: &DocumentKey, row: Vec<u8>) -> Result<Place> {
        if row.len() > MAX_KEY {
            return Err(Error::too_large("index entry", row.len() as u64, MAX_KEY as u64));
        }
        let (table, partition) = self.partition(def, key);
        Ok(Place { table, partition, key: row.into() })
    }
}

/// The stamp at the end of an entry's key.
pub(super) fn stamp(key: &[u8]) -> Option<Uuid> {
    key.last_chunk::<STAMP>().map(|b| Uuid::from_bytes(*b))
}
