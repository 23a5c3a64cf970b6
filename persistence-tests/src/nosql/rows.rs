//! Short ways to say writes and rows.

use bytes::Bytes;
use persistence_core::Timestamp;
use persistence_nosql::row::{Check, Condition, KeyRange, Op, Part, Row, Table, Write};

/// One part of a write, said in the order in which one thinks it.
#[derive(Clone, Debug)]
pub struct Batch(Part);

impl Batch {
    /// Nothing yet, on this partition.
    pub fn on(table: Table, partition: impl AsRef<[u8]>) -> Self {
        let partition = Bytes::copy_from_slice(partition.as_ref());
        Batch(Part { table, partition, checks: Vec::new(), ops: Vec::new() })
    }

    fn check(mut self, key: impl AsRef<[u8]>, condition: Condition) -> Self {
        self.0.checks.push(Check { key: bytes(key), condition });
        self
    }

    fn op(mut self, op: Op) -> Self {
        self.0.ops.push(op);
        self
    }

    /// If there is no such row.
    #[must_use]
    pub fn if_absent(self, key: impl AsRef<[u8]>) -> Self {
        self.check(key, Condition::Absent)
    }

    /// If there is such a row.
    #[must_use]
    pub fn if_present(self, key: impl AsRef<[u8]>) -> Self {
        self.check(key, Condition::Present)
    }

    /// If the row has this guard.
    #[must_use]
    pub fn if_guard(self, key: impl AsRef<[u8]>, guard: impl AsRef<[u8]>) -> Self {
        self.check(key, Condition::Guard(bytes(guard)))
    }

    /// Puts a row.
    #[must_use]
    pub fn put(self, key: impl AsRef<[u8]>, guard: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.op(Op::Put { key: bytes(key), row: row(guard, value), collectable_after: None })
    }

    /// Puts a row that the database may collect after this time.
    #[must_use]
    pub fn put_until(self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, until: Timestamp) -> Self {
        self.op(Op::Put { key: bytes(key), row: row("", value), collectable_after: Some(until) })
    }

    /// Deletes a row.
    #[must_use]
    pub fn delete(self, key: impl AsRef<[u8]>) -> Self {
        self.op(Op::Delete { key: bytes(key) })
    }

    /// Deletes the rows of `[start, end)`.
    #[must_use]
    pub fn delete_range(self, start: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> Self {
        self.delete_rows(KeyRange::new(bytes(start), bytes(end)))
    }

    /// Deletes the rows of a range.
    #[must_use]
    pub fn delete_rows(self, range: KeyRange) -> Self {
        self.op(Op::DeleteRange { range })
    }

    /// This part and another as one write.
    pub fn and(self, other: Batch) -> Write {
        Write { parts: vec![self.0, other.0], unordered: false }
    }
}

impl From<Batch> for Write {
    fn from(batch: Batch) -> Self {
        Write::from(batch.0)
    }
}

/// A row.
pub fn row(guard: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Row {
    Row { guard: bytes(guard), value: bytes(value) }
}

/// A write that puts one row with an empty guard.
pub fn put(table: Table, partition: &str, key: &str, value: &str) -> Write {
    Batch::on(table, partition).put(key, "", value).into()
}

/// Bytes of one's own.
pub fn bytes(b: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(b.as_ref())
}
