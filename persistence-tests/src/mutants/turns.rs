//! A driver that lets others come in between.

use async_trait::async_trait;
use bytes::Bytes;
use persistence_core::{Context, Result};
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, Op, Order, Row, RowStore, RowStoreInfo, SchemaOp, SchemaStatus, Table, Write,
    WriteOutcome,
};
use std::sync::Arc;
use tokio::task::yield_now;

/// How many rows a range is taken for.
const RANGE: usize = 10;

/// A driver after whose every answer all others have a turn, and before a write one for each row: what is larger is longer on
/// its way.
///
/// A driver in memory answers at once, so whether racers meet would be up to the threads that they run on. With this one they
/// take turns on a single thread, the same each time: whoever is between its reading and its writing meets all the others
/// there, and a mutant that races reveal is revealed always.
pub(super) struct Turns(pub(super) Arc<dyn RowStore>);

#[async_trait]
impl RowStore for Turns {
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
        let answer = self.0.get(cx, table, partition, keys, level).await;
        yield_now().await;
        answer
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
        let answer = self.0.scan(cx, table, partition, range, order, limit, level).await;
        yield_now().await;
        answer
    }

    async fn write(&self, cx: &Context, write: Write) -> Result<WriteOutcome> {
        for op in write.parts.iter().flat_map(|p| &p.ops) {
            let rows = if matches!(op, Op::DeleteRange { .. }) { RANGE } else { 1 };
            for _ in 0..rows {
                yield_now().await;
            }
        }
        let answer = self.0.write(cx, write).await;
        yield_now().await;
        answer
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        let answer = self.0.partitions(table, after, limit).await;
        yield_now().await;
        answer
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}
