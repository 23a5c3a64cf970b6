//! The row store: reads, closing.

use crate::config::Builder;
use crate::home::Record;
use crate::keys::{self, FORMAT};
use crate::open::{self, Opened};
use crate::{MAX_VALUE, SyncMode};
use async_trait::async_trait;
use bytes::Bytes;
use fjall::{Guard, PersistMode, Readable};
use persistence_nosql::check;
use persistence_nosql::core::embedded::{blocking, check_size, guarded};
use persistence_nosql::core::{Capability, CapabilitySet, Context, Error, Outcome, Result};
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, MAX_KEY, Order, Row, RowStore, RowStoreInfo, SchemaOp, SchemaStatus, Table,
    Write, WriteOutcome,
};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Point reads of at most this many keys run where they are called: most take a few microseconds, less than moving
/// them to another thread. Scans never do, because one row may lie behind a hundred thousand deleted ones.
const INLINE_KEYS: usize = 16;

/// How many ops and checks a write should carry.
const MAX_WRITE_OPS: usize = 4096;

/// How long closing waits for reads whose callers have gone.
const CLOSE_STEP: Duration = Duration::from_millis(1);

/// A store in one directory. See the [crate] for what it promises.
pub struct Fjall {
    path: PathBuf,
    sync: SyncMode,
    open: RwLock<Option<Arc<Opened>>>,
}

impl Fjall {
    /// The settings of a store in this directory, to be changed and opened.
    pub fn builder(path: impl Into<PathBuf>) -> Builder {
        Builder::new(path)
    }

    /// Opens a store by URL: see [`Builder::from_url`].
    pub async fn open(url: &str) -> Result<Fjall> {
        Builder::from_url(url)?.open().await
    }

    pub(crate) async fn open_with(options: Builder) -> Result<Fjall> {
        let (path, sync) = (options.path.clone(), options.sync);
        let opened = blocking("open", &path, move || open::open(&options)).await?;
        Ok(Fjall { path, sync, open: RwLock::new(Some(Arc::new(opened))) })
    }

    fn store(&self) -> Result<Arc<Opened>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| Error::closed(self.path.display().to_string()))
    }
}

impl fmt::Debug for Fjall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fjall").field("path", &self.path).field("sync", &self.sync).finish_non_exhaustive()
    }
}

#[async_trait]
impl RowStore for Fjall {
    fn info(&self) -> RowStoreInfo {
        let synced =
            CapabilitySet::of(&[Capability::Durable, Capability::CrossPartition, Capability::AtomicHistory]);
        let capabilities = if self.sync.is_durable() { synced } else { synced.without(Capability::Durable) };
        RowStoreInfo {
            driver: "fjall",
            location: self.path.display().to_string(),
            capabilities,
            max_write_ops: MAX_WRITE_OPS,
        }
    }

    /// Opening sets up, so that there is nothing left to do.
    async fn schema(&self, _: SchemaOp) -> Result<SchemaStatus> {
        self.store()?;
        Ok(SchemaStatus { found: Some(u32::from(FORMAT)), current: u32::from(FORMAT) })
    }

    async fn get(
        &self,
        _: &Context,
        table: Table,
        partition: &[u8],
        keys: &[Bytes],
        _: Level,
    ) -> Result<Vec<Option<Row>>> {
        check::key("partition", partition)?;
        keys.iter().try_for_each(|k| check::key("key", k))?;
        let store = self.store()?;
        let few = keys.len() <= INLINE_KEYS;
        let keys: Vec<Bytes> = keys.iter().map(|k| keys::encode(partition, k)).collect();
        let read = move || {
            let at = store.tables.snapshot();
            keys.iter().map(|k| store.tables.get(&at, table, k)).collect()
        };
        if few { guarded("read", &self.path, read) } else { blocking("read", &self.path, read).await }
    }

    async fn scan(
        &self,
        _: &Context,
        table: Table,
        partition: &[u8],
        range: &KeyRange,
        order: Order,
        limit: usize,
        _: Level,
    ) -> Result<Vec<KeyedRow>> {
        check::key("partition", partition)?;
        check::range(range)?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (store, bounds) = (self.store()?, keys::bounds(partition, range));
        blocking("scan", &self.path, move || {
            let rows = store.tables.snapshot().range(store.tables.keyspace(table)?, bounds);
            let row = |guard: Guard| {
                let (key, value) = guard.into_inner().map_err(store.tables.failed("scan"))?;
                let (_, key) = keys::decode(table, &key.into())?;
                Ok(KeyedRow { key, row: keys::decode_row(table, &value.into())? })
            };
            match order {
                Order::Ascending => rows.take(limit).map(row).collect(),
                Order::Descending => rows.rev().take(limit).map(row).collect(),
            }
        })
        .await
    }

    async fn write(&self, cx: &Context, write: Write) -> Result<WriteOutcome> {
        // fjall panics on a key of 65,536 bytes or more, be it only the end of a range, and on an empty one at every opening
        // from then on.
        check::write(&write, MAX_VALUE)?;
        if cx.is_expired() {
            return Err(Error::timeout("write").with_outcome(Outcome::NotApplied));
        }
        // From here on the write happens whether or not anybody waits for it; the bucket ends the wait at the deadline.
        let answer = self.store()?.committer.submit(write);
        answer.await?
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        after.map_or(Ok(()), |after| check_size("after", after, MAX_KEY))?;
        let mut from = after.map_or_else(Vec::new, keys::after_partition);
        let store = self.store()?;
        blocking("list the partitions", &self.path, move || {
            let (at, keyspace) = (store.tables.snapshot(), store.tables.keyspace(table)?);
            let mut found = Vec::new();
            // One seek a partition, however many rows it has.
            while found.len() < limit {
                let Some(first) = at.range(keyspace, from..).next() else { break };
                let key = first.key().map_err(store.tables.failed("list the partitions"))?;
                let (partition, _) = keys::decode(table, &key.into())?;
                from = keys::after_partition(&partition);
                found.push(partition);
            }
            Ok(found)
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(store) = open else { return Ok(()) };
        let each = self.sync.is_durable();
        blocking("close", &self.path, move || {
            store.committer.close();
            // A read whose caller has gone may still run, and would keep the directory locked.
            while Arc::strong_count(&store) > 1 {
                std::thread::sleep(CLOSE_STEP);
            }
            store.tables.db.persist(PersistMode::SyncAll).map_err(store.tables.failed("close"))?;
            let floor = open::last_commit(&store.tables)?;
            open::promise(&store.home, Record { each, floor })
        })
        .await
    }
}
