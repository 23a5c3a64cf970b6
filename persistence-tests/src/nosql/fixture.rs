//! What a case of the driver contract gets.

use super::rows::{Batch, bytes};
use crate::fixture::{Setting, call};
use crate::harness::Scene;
use crate::nosql_harness::Place;
use crate::{CaseResult, Isolation};
use async_trait::async_trait;
use bytes::Bytes;
use persistence_core::{Capability, Context, Env, Persistence, Result};
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, Order, Row, RowStore, SchemaOp, Table, Write, WriteOutcome,
};
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

/// A driver, and fresh partitions.
pub struct RowFixture {
    /// The driver, set up.
    pub store: Arc<dyn RowStore>,
    place: Arc<Place>,
    scene: Scene,
}

impl RowFixture {
    pub(crate) fn new(store: Arc<dyn RowStore>, place: Arc<Place>, scene: Scene) -> Self {
        RowFixture { store, place, scene }
    }

    /// A context with a generous deadline.
    pub fn cx(&self) -> Context {
        call()
    }

    /// Whether the driver declares it.
    pub fn has(&self, c: Capability) -> bool {
        self.store.info().capabilities.has(c)
    }

    /// A partition that no other case uses.
    pub fn partition(&self) -> Bytes {
        let name = format!("p-{}", uuid::Uuid::now_v7().simple());
        self.scene.names.add("partition", &name);
        Bytes::from(name)
    }

    /// Randomness from the seed of the case.
    pub fn rng(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.scene.seed)
    }

    /// Closes the driver and opens the same database again. Needs isolation `Own`.
    ///
    /// # Panics
    ///
    /// When the database is shared.
    pub async fn reopen(&mut self) -> Result<()> {
        assert_eq!(
            self.scene.isolation,
            Isolation::Own,
            "only a case with a database of its own can reopen it"
        );
        self.store.close().await?;
        self.store = self.place.store().await?;
        Ok(())
    }

    /// Opens the case's database once more while it is open: what another process would do.
    pub async fn rival(&self) -> Result<Arc<dyn RowStore>> {
        let rival = self.place.rival().await?;
        rival.schema(SchemaOp::Setup).await?;
        Ok(rival)
    }

    /// The stores on the driver, which stays open when they are closed.
    pub async fn stores(&self, env: Env) -> Result<Arc<dyn Persistence>> {
        self.place.stores(self.store.clone(), env).await
    }

    /// A database of its own on which nothing was set up.
    pub async fn bare(&self) -> Result<Arc<dyn RowStore>> {
        self.place.bare().await
    }

    /// Writes.
    pub async fn write(&self, write: impl Into<Write>) -> Result<WriteOutcome> {
        self.store.write(&self.cx(), write.into()).await
    }

    /// Writes what must be applied.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[track_caller]
    pub fn apply(&self, write: impl Into<Write>) -> impl Future<Output = ()> {
        let (at, write) = (Location::caller(), write.into());
        async move {
            let outcome = self.write(write).await;
            assert!(matches!(outcome, Ok(WriteOutcome::Applied)), "the write at {at}: {outcome:?}");
        }
    }

    /// Writes what must be refused; the rows of the checks.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[track_caller]
    pub fn refuse(&self, write: impl Into<Write>) -> impl Future<Output = Vec<Option<Row>>> {
        let (at, write) = (Location::caller(), write.into());
        async move {
            match self.write(write).await {
                Ok(WriteOutcome::Refused(rows)) => rows,
                Ok(WriteOutcome::Applied) => {
                    panic!("the write at {at} was applied, a condition had to refuse it")
                }
                Err(e) => panic!("the write at {at}: {e:?}"),
            }
        }
    }

    /// One row.
    #[track_caller]
    pub fn row(
        &self,
        table: Table,
        partition: &[u8],
        key: impl AsRef<[u8]>,
    ) -> impl Future<Output = Option<Row>> {
        let (at, keys) = (Location::caller(), [bytes(key)]);
        async move {
            match self.store.get(&self.cx(), table, partition, &keys, Level::Serial).await {
                Ok(mut rows) if rows.len() == 1 => rows.remove(0),
                other => panic!("the get at {at} of one key: {other:?}"),
            }
        }
    }

    /// The rows of a range, ascending.
    pub async fn range(&self, table: Table, partition: &[u8], range: &KeyRange) -> Vec<KeyedRow> {
        self.scan(table, partition, range, Order::Ascending, 1_000_000).await
    }

    /// Scans.
    pub async fn scan(
        &self,
        table: Table,
        partition: &[u8],
        range: &KeyRange,
        order: Order,
        limit: usize,
    ) -> Vec<KeyedRow> {
        self.store.scan(&self.cx(), table, partition, range, order, limit, Level::Serial).await.unwrap()
    }

    /// The keys of a partition, in order, as text.
    pub async fn keys(&self, table: Table, partition: &[u8]) -> Vec<String> {
        let rows = self.range(table, partition, &KeyRange::all()).await;
        rows.iter().map(|r| String::from_utf8_lossy(&r.key).into_owned()).collect()
    }

    /// Puts rows of these keys, with their key as value.
    pub async fn fill<K: AsRef<[u8]>>(&self, table: Table, partition: &[u8], keys: &[K]) {
        for chunk in keys.chunks(self.store.info().max_write_ops.clamp(1, 100)) {
            let batch = chunk.iter().fold(Batch::on(table, partition), |b, k| b.put(k, "", k));
            self.apply(batch).await;
        }
    }
}

#[async_trait]
impl Setting for RowFixture {
    async fn tear_down(&mut self) -> CaseResult {
        Ok(self.store.close().await?)
    }
}
