//! The driver: sorted maps behind a lock.

use async_trait::async_trait;
use bytes::Bytes;
use persistence_nosql::check;
use persistence_nosql::core::{Capability, CapabilitySet, Context, Error, Result};
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, Op, Order, Part, Row, RowStore, RowStoreInfo, SchemaOp, SchemaStatus, Table,
    Write, WriteOutcome,
};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

/// The version of the layout that [`RowStore::schema`] reports. It changes when stored rows would have to be moved.
const SCHEMA: u32 = 1;

/// Rows in the order of their keys: a map of bytes sorts exactly as the contract asks, unsigned, shorter prefix
/// first. A database that sorts otherwise needs an encoding of its keys here.
type Partition = BTreeMap<Bytes, Row>;

/// A database in memory. Every `Memory` is another one; it ends with the value, or when it is closed.
#[derive(Debug)]
pub struct Memory {
    /// None when closed. One lock over everything: a reader sees all of a write or nothing of it, which is both
    /// "a scan is one snapshot" and "a write is atomic". It is never held across an `await`.
    data: RwLock<Option<Data>>,
}

#[derive(Debug, Default)]
struct Data {
    set_up: bool,
    /// A partition without rows is not in the map, so that `partitions` need not look into it.
    partitions: BTreeMap<(Table, Bytes), Partition>,
}

impl Memory {
    /// An empty database.
    pub fn new() -> Self {
        Memory { data: RwLock::new(Some(Data::default())) }
    }

    /// Looks at the data. Nothing below panics while the data is half changed, so a poisoned lock is no reason to
    /// give up.
    fn read<T>(&self, f: impl FnOnce(&Data) -> T) -> Result<T> {
        let data = self.data.read().unwrap_or_else(PoisonError::into_inner);
        data.as_ref().map(f).ok_or_else(closed)
    }

    fn change<T>(&self, f: impl FnOnce(&mut Data) -> T) -> Result<T> {
        let mut data = self.data.write().unwrap_or_else(PoisonError::into_inner);
        data.as_mut().map(f).ok_or_else(closed)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Memory::new()
    }
}

fn closed() -> Error {
    Error::closed("memory database")
}

impl Data {
    fn partition(&self, table: Table, partition: &[u8]) -> Option<&Partition> {
        self.partitions.get(&(table, Bytes::copy_from_slice(partition)))
    }

    fn row(&self, part: &Part, key: &[u8]) -> Option<&Row> {
        self.partitions.get(&(part.table, part.partition.clone()))?.get(key)
    }

    /// All checks first, of all parts, then all ops: checks see the state before the write, and a refusal changes
    /// nothing. Without the lock this function would be a transaction, or one conditional statement.
    fn write(&mut self, write: Write) -> WriteOutcome {
        let holds = |part: &Part| part.checks.iter().all(|c| c.condition.holds(self.row(part, &c.key)));
        if !write.parts.iter().all(holds) {
            // The row of every check, also of those that held: the bucket explains the refusal from them.
            let rows = write.parts.iter().flat_map(|p| p.checks.iter().map(|c| self.row(p, &c.key).cloned()));
            return WriteOutcome::Refused(rows.collect());
        }
        for part in write.parts {
            let at = (part.table, part.partition);
            let rows = self.partitions.entry(at.clone()).or_default();
            for op in part.ops {
                apply(rows, op);
            }
            if rows.is_empty() {
                self.partitions.remove(&at);
            }
        }
        WriteOutcome::Applied
    }
}

fn apply(rows: &mut Partition, op: Op) {
    match op {
        // `collectable_after` is a hint for databases that can drop rows by themselves. This one cannot; the bucket
        // never relies on it.
        Op::Put { key, row, collectable_after: _ } => {
            rows.insert(key, row);
        }
        Op::Delete { key } => {
            rows.remove(&key);
        }
        Op::DeleteRange { range } if range.is_empty() => {}
        Op::DeleteRange { range } => rows.extract_if(bounds(&range), |_, _| true).for_each(drop),
    }
}

fn bounds(range: &KeyRange) -> (Bound<Bytes>, Bound<Bytes>) {
    let end = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(range.start.clone()), end)
}

#[async_trait]
impl RowStore for Memory {
    fn info(&self) -> RowStoreInfo {
        RowStoreInfo {
            driver: crate::SCHEME,
            location: "memory:".to_owned(),
            // Declare what is true and no more: for each of these the suite has cases that must pass, and for
            // each of the others it checks that the driver says no.
            capabilities: CapabilitySet::of(&[Capability::CrossPartition, Capability::AtomicHistory]),
            max_write_ops: 10_000,
        }
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        // Running `Setup` twice, or by two at once, must be harmless; elsewhere this is `CREATE … IF NOT EXISTS`.
        let found = self.change(|data| {
            data.set_up |= op == SchemaOp::Setup;
            data.set_up.then_some(SCHEMA)
        })?;
        Ok(SchemaStatus { found, current: SCHEMA })
    }

    async fn get(
        &self,
        _cx: &Context,
        table: Table,
        partition: &[u8],
        keys: &[Bytes],
        // Both levels see every acknowledged write, so a database without replicas has no use for it.
        _level: Level,
    ) -> Result<Vec<Option<Row>>> {
        check::key("partition", partition)?;
        keys.iter().try_for_each(|k| check::key("key", k))?;
        self.read(|data| {
            let rows = data.partition(table, partition);
            keys.iter().map(|key| rows.and_then(|r| r.get(key)).cloned()).collect()
        })
    }

    async fn scan(
        &self,
        _cx: &Context,
        table: Table,
        partition: &[u8],
        range: &KeyRange,
        order: Order,
        limit: usize,
        _level: Level,
    ) -> Result<Vec<KeyedRow>> {
        check::key("partition", partition)?;
        if range.is_empty() {
            // Sorted maps panic on an empty range, and databases differ about it: it is decided here.
            return Ok(Vec::new());
        }
        self.read(|data| {
            let Some(rows) = data.partition(table, partition) else { return Vec::new() };
            let found = rows.range(bounds(range));
            let keyed = |(key, row): (&Bytes, &Row)| KeyedRow { key: key.clone(), row: row.clone() };
            match order {
                Order::Ascending => found.take(limit).map(keyed).collect(),
                Order::Descending => found.rev().take(limit).map(keyed).collect(),
            }
        })
    }

    async fn write(&self, _cx: &Context, write: Write) -> Result<WriteOutcome> {
        // A driver without `CrossPartition` would answer more than one part here:
        // `Err(Error::unsupported(Capability::CrossPartition, SCHEME))`.
        check::write(&write, usize::MAX)?;
        self.change(|data| data.write(write))
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        let after = (table, after.map(Bytes::copy_from_slice).unwrap_or_default());
        self.read(|data| {
            let rest = data.partitions.range((Bound::Excluded(after), Bound::Unbounded));
            let names = rest.map(|((t, name), _)| (t, name)).take_while(|(t, _)| **t == table);
            names.take(limit).map(|(_, name)| name.clone()).collect()
        })
    }

    async fn close(&self) -> Result<()> {
        *self.data.write().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}
