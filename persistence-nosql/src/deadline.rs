//! Every call to the driver ends by the caller's deadline, whatever the driver does.

use crate::core::{Context, Error, Outcome, Result};
use crate::row::*;
use async_trait::async_trait;
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;

/// A driver whose calls end by the deadline of their context. A read that came too late changed nothing; a write that was
/// sent may have been applied.
pub(crate) struct Deadlined(pub(crate) Arc<dyn RowStore>);

impl Deadlined {
    /// [`RowStore::partitions`], which is told no deadline, with one.
    pub(crate) async fn list_partitions(
        &self,
        cx: &Context,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Bytes>> {
        let list = self.0.partitions(table, after, limit);
        by_deadline(cx, "partitions", Outcome::NotApplied, list).await
    }
}

async fn by_deadline<T>(
    cx: &Context,
    operation: &'static str,
    outcome: Outcome,
    call: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let Some(deadline) = cx.deadline() else { return call.await };
    if cx.is_expired() {
        return Err(Error::timeout(operation).with_outcome(Outcome::NotApplied));
    }
    match tokio::time::timeout_at(deadline.into(), call).await {
        Ok(result) => result,
        Err(_) => Err(Error::timeout(operation).with_outcome(outcome)),
    }
}

#[async_trait]
impl RowStore for Deadlined {
    fn info(&self) -> RowStoreInfo {
        self.0.info()
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        self.0.schema(op).await
    }

    async fn get(
        &self,
        cx: &Context,
        table: Table,
        partition: &[u8],
        keys: &[Bytes],
        level: Level,
    ) -> Result<Vec<Option<Row>>> {
        by_deadline(cx, "get", Outcome::NotApplied, self.0.get(cx, table, partition, keys, level)).await
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
        let scan = self.0.scan(cx, table, partition, range, order, limit, level);
        by_deadline(cx, "scan", Outcome::NotApplied, scan).await
    }

    async fn write(&self, cx: &Context, write: Write) -> Result<WriteOutcome> {
        by_deadline(cx, "write", Outcome::MaybeApplied, self.0.write(cx, write)).await
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        self.0.partitions(table, after, limit).await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}
