//! The keyspaces, and the snapshot that reads run on.

use crate::config::Builder;
use crate::errors;
use crate::keys::{self, decode_row};
use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable, Snapshot};
use persistence_nosql::core::{Error, Result};
use persistence_nosql::row::{Row, Table};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// The keyspace of what the driver itself stores.
pub(crate) const META: &str = "meta";
/// The number of the last commit; the first item of every batch. No key of a table looks like it: those begin with a
/// length of at most 8,192, whose first byte is smaller than a letter.
pub(crate) const COMMIT_KEY: &[u8] = b"commit";
/// The version of everything stored.
pub(crate) const FORMAT_KEY: &[u8] = b"format";
/// Small, because it is written in every batch and would otherwise keep every journal from being removed.
const META_MEMTABLE: u64 = 4 << 20;

/// Handles of everything in the database. fjall keeps the directory locked while one of them lives.
#[derive(Clone)]
pub(crate) struct Tables {
    /// Where it is, for messages.
    pub(crate) location: Arc<Path>,
    pub(crate) db: Database,
    pub(crate) meta: Keyspace,
    tables: Arc<[(Table, Keyspace)]>,
    /// The state after the last commit.
    ///
    /// Not `db.snapshot()` at any time: fjall numbers flushes and compactions from the same sequence as batches and
    /// declares their number visible at once. While a batch is being synced, that makes it visible before it is
    /// there, and a snapshot of that moment then sees it arrive item by item. A snapshot between two commits, of which
    /// there is one at a time, cannot.
    current: Arc<RwLock<Snapshot>>,
}

impl Tables {
    /// Opens the keyspaces, and creates those that are missing.
    pub(crate) fn open(db: Database, options: &Builder) -> fjall::Result<Tables> {
        let create = |bytes| move || KeyspaceCreateOptions::default().max_memtable_size(bytes);
        let meta = db.keyspace(META, create(META_MEMTABLE.min(options.memtable_bytes)))?;
        let tables = Table::ALL
            .iter()
            .map(|t| Ok((*t, db.keyspace(t.name(), create(options.memtable_bytes))?)))
            .collect::<fjall::Result<_>>()?;
        let current = Arc::new(RwLock::new(db.snapshot()));
        Ok(Tables { location: options.path.as_path().into(), db, meta, tables, current })
    }

    pub(crate) fn keyspace(&self, table: Table) -> Result<&Keyspace> {
        let found = self.tables.iter().find(|(t, _)| *t == table);
        found.map(|(_, k)| k).ok_or_else(|| Error::invalid("table", "is not one of Table::ALL"))
    }

    /// What reads see: every commit that was acknowledged, and nothing of one under way.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets reads see what was committed. Only between two commits, so only the committer's thread may call it.
    pub(crate) fn advance(&self) {
        let next = self.db.snapshot();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Names what went wrong in fjall.
    pub(crate) fn failed<'a>(&'a self, doing: &'a str) -> impl Fn(fjall::Error) -> Error + Copy + 'a {
        errors::engine(doing, &self.location)
    }

    /// One row.
    pub(crate) fn get(&self, at: &Snapshot, table: Table, full_key: &[u8]) -> Result<Option<Row>> {
        let value = at.get(self.keyspace(table)?, full_key).map_err(self.failed("read"))?;
        value.map(|v| decode_row(table, &v.into())).transpose()
    }

    /// The stored full keys of a range.
    pub(crate) fn keys(&self, at: &Snapshot, table: Table, range: keys::Bounds) -> Result<Vec<Bytes>> {
        let found = at.range(self.keyspace(table)?, range);
        found.map(|guard| guard.key().map(Bytes::from).map_err(self.failed("read"))).collect()
    }

    pub(crate) fn is_empty(&self) -> fjall::Result<bool> {
        self.tables.iter().try_fold(true, |all, (_, keyspace)| Ok(all && keyspace.is_empty()?))
    }
}
