//! A row store on which things go wrong.

use crate::faults::{Fault, Faults, Held};
use async_trait::async_trait;
use bytes::Bytes;
use persistence_core::{Context, Error, Outcome, Result};
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, Order, Row, RowStore, RowStoreInfo, SchemaOp, SchemaStatus, Table, Write,
    WriteOutcome,
};
use std::sync::Arc;
use std::time::Duration;

/// How long a randomly late write waits for another write to be around.
const LATE: Duration = Duration::from_millis(15);

/// A connection that is never cut is cut after this long: nothing hangs for ever, also without a deadline.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// A row store between a bucket and its driver that fails as [`Faults`] say. Below the code that resolves unknown
/// outcomes is where unknown outcomes are made.
///
/// ```
/// use persistence_core::{Context, ErrorKind, Outcome};
/// use persistence_nosql::row::{Level, RowStore, Table, Write};
/// use persistence_tests::{Fault, FaultRule, Faults, Faulty, nosql::rows};
/// # use std::sync::Arc;
/// # async fn example(driver: Arc<dyn RowStore>) {
/// let faults = Arc::new(Faults::none());
/// let store = Faulty::new(driver, faults.clone());
/// faults.script(FaultRule::write(Fault::After).table("shard"));
/// let e = store.write(&Context::new(), rows::put(Table::Shard, "p", "k", "v")).await.unwrap_err();
/// assert_eq!(e.outcome(), Outcome::MaybeApplied);
/// assert_eq!(faults.injected().after, 1);
/// # }
/// ```
pub struct Faulty {
    inner: Arc<dyn RowStore>,
    faults: Arc<Faults>,
}

impl Faulty {
    /// Puts faults before a driver.
    pub fn new(inner: Arc<dyn RowStore>, faults: Arc<Faults>) -> Self {
        Faulty { inner, faults }
    }

    async fn fail_write(&self, cx: &Context, write: Write, fault: Option<Fault>) -> Result<WriteOutcome> {
        match fault {
            None => self.inner.write(cx, write).await,
            Some(Fault::Before(outcome)) => {
                Err(Error::unavailable("write", "injected: nothing was sent").with_outcome(outcome))
            }
            Some(Fault::After) => {
                self.inner.write(cx, write).await?;
                Err(Error::unavailable("write", "injected: the answer was lost"))
            }
            Some(Fault::Late) => {
                self.hold(cx, write);
                Err(Error::unavailable("write", "injected: the request is still on its way"))
            }
            Some(Fault::Cut(after)) => Err(cut("write", cx, after).await),
            Some(Fault::Stall) => {
                self.faults.stall().await;
                Err(Error::unavailable("write", "injected: the connection was cut"))
            }
        }
    }

    fn hold(&self, cx: &Context, write: Write) {
        let partitions = partitions(&write);
        // The network does not know the caller's deadline.
        let (inner, cx) =
            (self.inner.clone(), Context::new().with_caller(cx.caller().unwrap_or("late").to_owned()));
        let deliver = Box::new(move || -> futures_util::future::BoxFuture<'static, bool> {
            Box::pin(async move { matches!(inner.write(&cx, write).await, Ok(WriteOutcome::Applied)) })
        });
        let auto = self.faults.is_random();
        self.faults.hold(Held { partitions: partitions.clone(), auto, deliver });
        if auto {
            let faults = self.faults.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LATE).await;
                faults.deliver(faults.take_held(&partitions)).await;
            });
        }
    }

    async fn fail_read(&self, cx: &Context, what: &'static str, table: Table) -> Result<()> {
        match self.faults.on_read(cx.caller(), table.name()) {
            None => Ok(()),
            Some(Fault::Cut(after)) => Err(cut(what, cx, after).await.with_outcome(Outcome::NotApplied)),
            Some(_) => Err(Error::unavailable(what, "injected: no answer").with_outcome(Outcome::NotApplied)),
        }
    }
}

async fn cut(what: &'static str, cx: &Context, after: Option<Duration>) -> Error {
    let wait = cx.remaining(after.unwrap_or(FOR_EVER));
    tokio::time::sleep(wait).await;
    if cx.is_expired() {
        Error::timeout(what)
    } else {
        Error::unavailable(what, "injected: the connection was cut")
    }
}

fn partitions(write: &Write) -> Vec<Vec<u8>> {
    let name = |p: &persistence_nosql::row::Part| [p.table.name().as_bytes(), b"/", &p.partition].concat();
    write.parts.iter().map(name).collect()
}

#[async_trait]
impl RowStore for Faulty {
    fn info(&self) -> RowStoreInfo {
        self.inner.info()
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
        self.fail_read(cx, "get", table).await?;
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
        self.fail_read(cx, "scan", table).await?;
        self.inner.scan(cx, table, partition, range, order, limit, level).await
    }

    async fn write(&self, cx: &Context, write: Write) -> Result<WriteOutcome> {
        let tables: Vec<_> = write.parts.iter().map(|p| p.table.name()).collect();
        // A late request arrives before this one, or after it but before its answer: never so late that the caller has
        // gone on to something else, where even a correct store could not tell it from a request of today.
        let late = self.faults.take_held(&partitions(&write));
        let (before, after) = if self.faults.coin() { (late, Vec::new()) } else { (Vec::new(), late) };
        self.faults.deliver(before).await;
        let fault = self.faults.on_write(cx.caller().as_slice(), &tables);
        let outcome = self.fail_write(cx, write, fault).await;
        self.faults.deliver(after).await;
        outcome
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        self.fail_read(&Context::new(), "partitions", table).await?;
        self.inner.partitions(table, after, limit).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
