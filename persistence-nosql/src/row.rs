//! The driver contract: a database seen as partitions of ordered rows with conditional batches.
//!
//! Seven methods are all that a database must offer. The bucket builds every store on them, once; a
//! driver has no store logic. The conditions that the bucket needs are expressed by [`Check`]s on a row's
//! `guard`, a short byte string apart from the opaque `value`, so that a database need not read values to
//! decide a write.
//!
//! # What every driver must keep
//!
//! * Rows of a partition are ordered by their keys' bytes, unsigned, shorter prefix first.
//! * [`RowStore::write`] is atomic and linearizable: all checks hold and all ops take effect, or nothing
//!   does and the answer tells the row of every check. Checks see the state before the ops.
//! * [`RowStore::scan`] is one consistent snapshot: never a part of a write.
//! * A write that was acknowledged is seen by every later read at [`Level::Serial`].
//! * An error whose outcome is `NotApplied` means that the write never will be applied.
//!
//! # What the bucket does for a driver
//!
//! * It sends nothing once the deadline of a call has passed, and stops waiting for the driver at it, in `get`, `scan`,
//!   `write` and `partitions`: a read is dropped, a write that was sent has an unknown outcome. A driver need not look at
//!   the deadline of its [`Context`]; it may hand it to a database that can give up by itself.

use async_trait::async_trait;
use bytes::Bytes;
use persistence_core::{CapabilitySet, Context, Result, Timestamp};
use std::ops::Bound;

/// The tables of the bucket. A driver maps each to a table, keyspace or prefix of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Table {
    /// Shard row, current records, runs, items and history tasks: what commits together. One partition a
    /// shard.
    Shard,
    /// History trees: branches and nodes. One partition a tree.
    History,
    /// Task queues and their tasks. One partition a queue.
    TaskQueues,
    /// FIFO queues, their messages and acks. One partition a queue, and one a type that lists the names.
    Queues,
    /// Documents with the index entries that commit with them, and what the collections declare. One partition a value of
    /// the partitioned path, a constant group, or a document by itself.
    Documents,
    /// Index entries of documents of many partitions. One partition an index.
    DocumentIndex,
}

impl Table {
    /// Every table.
    pub const ALL: &[Table] = &[
        Table::Shard,
        Table::History,
        Table::TaskQueues,
        Table::Queues,
        Table::Documents,
        Table::DocumentIndex,
    ];

    /// The table's name, `snake_case`.
    pub fn name(self) -> &'static str {
        match self {
            Table::Shard => "shard",
            Table::History => "history",
            Table::TaskQueues => "task_queues",
            Table::Queues => "queues",
            Table::Documents => "documents",
            Table::DocumentIndex => "document_index",
        }
    }
}

/// What a row holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What checks compare: at most [`MAX_GUARD`] bytes, possibly empty.
    pub guard: Bytes,
    /// The opaque payload, possibly empty.
    pub value: Bytes,
}

/// A row with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRow {
    /// The row's key in its partition.
    pub key: Bytes,
    /// The row.
    pub row: Row,
}

/// The longest guard, in bytes.
pub const MAX_GUARD: usize = 64;

/// The longest key, and the longest partition name, in bytes. Tuples of the bucket stay below: a key holds at
/// most two names of 255 characters (1,020 bytes each, doubled at worst by escaping). Index entries of documents may be longer;
/// the bucket refuses the document then.
pub const MAX_KEY: usize = 8 * 1024;

/// What must hold of one row for a write to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no such row.
    Absent,
    /// There is such a row.
    Present,
    /// There is such a row and its guard is exactly these bytes.
    Guard(Bytes),
}

impl Condition {
    /// Whether the condition holds of this row.
    pub fn holds(&self, row: Option<&Row>) -> bool {
        match self {
            Condition::Absent => row.is_none(),
            Condition::Present => row.is_some(),
            Condition::Guard(g) => row.is_some_and(|r| r.guard == *g),
        }
    }
}

/// A condition on the row of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The key; not empty.
    pub key: Bytes,
    /// What must hold of its row.
    pub condition: Condition,
}

/// One effect of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Puts a row, whatever was there.
    Put {
        /// The key; not empty.
        key: Bytes,
        /// The row.
        row: Row,
        /// From then on the database may drop the row by itself. A hint for garbage collection only: the
        /// bucket never shows an expired row, and deletes it itself in a sweep.
        collectable_after: Option<Timestamp>,
    },
    /// Deletes a row; nothing happens when there is none.
    Delete {
        /// The key; not empty.
        key: Bytes,
    },
    /// Deletes every row of a range.
    DeleteRange {
        /// The range.
        range: KeyRange,
    },
}

/// A range of keys in one partition: `[start, end)`, or to the partition's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key, inclusive; empty for the partition's beginning.
    pub start: Bytes,
    /// The key after the last, exclusive; none for the partition's end.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// Every row of the partition.
    pub fn all() -> Self {
        KeyRange { start: Bytes::new(), end: None }
    }

    /// The keys in `[start, end)`.
    pub fn new(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        KeyRange { start: start.into(), end: Some(end.into()) }
    }

    /// Whether the key lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        *self.start <= *key && self.end.as_ref().is_none_or(|e| *key < **e)
    }

    /// Whether no key can lie in the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|e| *e <= self.start)
    }

    /// The range as bounds of a sorted map. The range must not be empty.
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let end = self.end.as_ref().map_or(Bound::Unbounded, |e| Bound::Excluded(&**e));
        (Bound::Included(&*self.start), end)
    }
}

/// Which end of a range a scan begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// How current a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Sees every write that was acknowledged, and settles conditional writes that are under way.
    Serial,
    /// Sees every write that was acknowledged.
    Quorum,
}

/// The part of a write that concerns one partition of one table.
///
/// The bucket promises: at least one op or check; check keys are distinct; put and delete keys are distinct; no range
/// covers a put or delete key of the part, ranges do not overlap and are not empty; keys are neither empty nor longer
/// than [`MAX_KEY`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The table.
    pub table: Table,
    /// The partition; not empty, at most [`MAX_KEY`] bytes.
    pub partition: Bytes,
    /// What must hold, of the rows before the write.
    pub checks: Vec<Check>,
    /// What is done when it does.
    pub ops: Vec<Op>,
}

/// One atomic write. Exactly one part, unless the driver declares `CrossPartition`: then one or more, of distinct
/// partitions. A driver without it answers more than one with `Unsupported`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The parts.
    pub parts: Vec<Part>,
    /// That no order is needed between this write and conditional ones, of one part without checks and range deletes: no row
    /// that it puts is ever put with other content, and none that it deletes is put again, but by writes that are unordered
    /// as well and come from the same process. A database where order costs more may do without it here; others need not
    /// look at it.
    pub unordered: bool,
}

impl From<Part> for Write {
    fn from(part: Part) -> Self {
        Write { parts: vec![part], unordered: false }
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Every check held and every op took effect.
    Applied,
    /// Some check did not hold and nothing was changed. The row of every check, part by part, in order; none where
    /// there is no row.
    Refused(Vec<Option<Row>>),
}

/// What to do about the stored schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaOp {
    /// Creates what is missing. Safe to run twice, and by two processes at once.
    Setup,
    /// Tells the stored version, changing nothing.
    Status,
}

/// The schema as found. A driver whose opening sets up may answer `Some` to [`SchemaOp::Status`] before any `Setup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The stored version; none when nothing is set up.
    pub found: Option<u32>,
    /// The version that this driver sets up.
    pub current: u32,
}

/// What a driver says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowStoreInfo {
    /// The driver's name, as in its URL scheme.
    pub driver: &'static str,
    /// Where the data is, without secrets: for messages.
    pub location: String,
    /// What it can do beyond the contract.
    pub capabilities: CapabilitySet,
    /// The most ops and checks that one write should carry; the bucket splits waves by it. One transition, or one change of
    /// documents, is one write however many they are; of documents some 10,000 at most.
    pub max_write_ops: usize,
}

/// A database as partitions of ordered rows. See the module for what every driver must keep.
///
/// There are no default methods: what a driver lacks it answers with `Unsupported`.
#[async_trait]
pub trait RowStore: Send + Sync + 'static {
    /// Name, location, capabilities and limits. Constant for the life of the handle.
    fn info(&self) -> RowStoreInfo;

    /// Sets up or inspects the stored schema.
    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus>;

    /// The rows of these keys of one partition, in the order asked; none where there is no row. Not
    /// necessarily one snapshot.
    async fn get(
        &self,
        cx: &Context,
        table: Table,
        partition: &[u8],
        keys: &[Bytes],
        level: Level,
    ) -> Result<Vec<Option<Row>>>;

    /// At most `limit` rows of a range, in order, as one consistent snapshot. `limit` is at least 1; fewer rows than
    /// `limit` mean that there are no more. An empty range gives no rows.
    #[allow(clippy::too_many_arguments)]
    async fn scan(
        &self,
        cx: &Context,
        table: Table,
        partition: &[u8],
        range: &KeyRange,
        order: Order,
        limit: usize,
        level: Level,
    ) -> Result<Vec<KeyedRow>>;

    /// Applies a write atomically, or refuses it with the rows of its checks. Returns when the write is as durable as
    /// the driver is configured to make it.
    async fn write(&self, cx: &Context, write: Write) -> Result<WriteOutcome>;

    /// At most `limit` partitions of a table that hold rows, after `after` (exclusive) in an order of the driver's
    /// choice that is stable between calls. For copying and scavenging: may miss partitions that appear meanwhile.
    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>>;

    /// Releases everything. Called once, after the last call has ended.
    async fn close(&self) -> Result<()>;
}
