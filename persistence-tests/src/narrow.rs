//! A row store that shows less of its driver: fewer capabilities, or no `close`.

use async_trait::async_trait;
use bytes::Bytes;
use persistence_core::{Capability, Context, Error, Result};
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, Order, Row, RowStore, RowStoreInfo, SchemaOp, SchemaStatus, Table, Write,
    WriteOutcome,
};
use std::sync::Arc;

/// A driver as if it could do less, or as one of several handles on it.
pub struct Narrow {
    inner: Arc<dyn RowStore>,
    without: Vec<Capability>,
    stays_open: bool,
}

impl Narrow {
    /// The driver as one of several handles on it: closing this one leaves it open.
    pub fn shared(inner: Arc<dyn RowStore>) -> Self {
        Narrow { inner, without: Vec::new(), stays_open: true }
    }

    /// The driver as if it did not have these capabilities.
    pub fn without(inner: Arc<dyn RowStore>, capabilities: &[Capability]) -> Self {
        Narrow { inner, without: capabilities.to_vec(), stays_open: false }
    }
}

#[async_trait]
impl RowStore for Narrow {
    fn info(&self) -> RowStoreInfo {
        let mut info = self.inner.info();
        for c in &self.without {
            info.capabilities = info.capabilities.without(*c);
        }
        info
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        self.inner.schema(op).await
    }

    async fn get(
        &self,
        cx: &Context,
        table: Table,
        partition: &[u8],
        keys: &[Bytes],
        level: Level,
    ) -> Result<Vec<Option<Row>>> {
        self.inner.get(cx, table, partition, keys, level).await
    }

    async fn scan(
        &self,
        cx: &Context,
        table: Table,
        partition: &[u8],
        range: &KeyRange,
        order: Order,
        limit: usize,
        level: Level,
    ) -> Result<Vec<KeyedRow>> {
        self.inner.scan(cx, table, partition, range, order, limit, level).await
    }

    async fn write(&self, cx: &Context, write: Write) -> Result<WriteOutcome> {
        if write.parts.len() > 1 && self.without.contains(&Capability::CrossPartition) {
            return Err(Error::unsupported(Capability::CrossPartition, self.inner.info().driver));
        }
        self.inner.write(cx, write).await
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        self.inner.partitions(table, after, limit).await
    }

    async fn close(&self) -> Result<()> {
        if self.stays_open { Ok(()) } else { self.inner.close().await }
    }
}
