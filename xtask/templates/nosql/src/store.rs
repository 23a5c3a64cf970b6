//! The driver. Every primitive says that it is not there yet; write them in the order in which they stand here, and run
//! `cargo test` after each.

use crate::SCHEME;
use async_trait::async_trait;
use bytes::Bytes;
use persistence_nosql::core::{CapabilitySet, Context, Error, Result};
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, Order, Row, RowStore, RowStoreInfo, SchemaOp, SchemaStatus, Table, Write,
    WriteOutcome,
};

/// An acme database.
#[derive(Debug)]
pub struct Acme {
    location: String,
}

impl Acme {
    /// Connects. `location` is what errors and reports show, so it must not hold a password.
    pub async fn open(location: impl Into<String>) -> Result<Self> {
        Ok(Acme { location: location.into() })
    }
}

fn missing<T>(primitive: &'static str) -> Result<T> {
    Err(Error::unsupported_primitive(primitive, SCHEME))
}

#[async_trait]
impl RowStore for Acme {
    fn info(&self) -> RowStoreInfo {
        RowStoreInfo {
            driver: SCHEME,
            location: self.location.clone(),
            // Declare what is true and no more: each declared capability brings cases that must pass, and for each of
            // the others the suite checks that the driver says no.
            capabilities: CapabilitySet::of(&[]),
            // The most checks and ops that one write of the database can carry.
            max_write_ops: 1000,
        }
    }

    /// Create what is missing, so that running it twice, or by two processes at once, is harmless.
    async fn schema(&self, _op: SchemaOp) -> Result<SchemaStatus> {
        missing("schema")
    }

    /// Decide all checks on the rows as they were before the write; then all ops, or none. A refusal tells the row of
    /// every check, in order. Begin with one part: more need the capability `CrossPartition`.
    async fn write(&self, _cx: &Context, _write: Write) -> Result<WriteOutcome> {
        missing("write")
    }

    /// One row or none for each key, in the order asked.
    async fn get(
        &self,
        _cx: &Context,
        _table: Table,
        _partition: &[u8],
        _keys: &[Bytes],
        _level: Level,
    ) -> Result<Vec<Option<Row>>> {
        missing("get")
    }

    /// Rows in the order of their keys' bytes, unsigned, from one snapshot.
    async fn scan(
        &self,
        _cx: &Context,
        _table: Table,
        _partition: &[u8],
        _range: &KeyRange,
        _order: Order,
        _limit: usize,
        _level: Level,
    ) -> Result<Vec<KeyedRow>> {
        missing("scan")
    }

    /// The partitions that hold rows, in an order that is stable between calls.
    async fn partitions(&self, _table: Table, _after: Option<&[u8]>, _limit: usize) -> Result<Vec<Bytes>> {
        missing("partitions")
    }

    /// Called once, after the last call has ended.
    async fn close(&self) -> Result<()> {
        missing("close")
    }
}
