//! A SQL driver on which things go wrong: at the commit, where outcomes become unknown, and on single reads.

use crate::faults::{Fault, Faults, Held};
use async_trait::async_trait;
use persistence_core::{Context, Error, Outcome, Result};
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::value::{Kind, SqlRow, Value};
use std::sync::Arc;
use std::time::Duration;

/// A connection that is never cut is cut after this long.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// A driver between the bucket and the real one that fails as [`Faults`] say.
///
/// A late commit is one that the caller gave up and that the server then rolled back: as long as it is on its way it holds its
/// locks, so nothing can overtake it.
pub struct FaultySql {
    inner: Arc<dyn SqlDriver>,
    faults: Arc<Faults>,
}

impl FaultySql {
    /// Puts faults before a driver.
    pub fn new(inner: Arc<dyn SqlDriver>, faults: Arc<Faults>) -> Self {
        FaultySql { inner, faults }
    }
}

#[async_trait]
impl SqlDriver for FaultySql {
    fn info(&self) -> SqlInfo {
        self.inner.info()
    }

    fn dialect(&self) -> &'static Dialect {
        self.inner.dialect()
    }

    async fn acquire(&self, cx: &Context) -> Result<Box<dyn SqlConnection>> {
        let inner = self.inner.acquire(cx).await?;
        let (faults, single_writer) = (self.faults.clone(), self.dialect().single_writer);
        let (in_transaction, written) = (false, Vec::new());
        Ok(Box::new(FaultyConnection { inner, faults, in_transaction, single_writer, written }))
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        self.inner.schema(op).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

struct FaultyConnection {
    inner: Box<dyn SqlConnection>,
    faults: Arc<Faults>,
    in_transaction: bool,
    single_writer: bool,
    /// What the transaction has looked at or written to, by the names that scripts use.
    written: Vec<&'static str>,
}

/// The part of the store that a table belongs to: the name that scripts use on every driver.
fn part(table: &str) -> &'static str {
    match table {
        "history_nodes" | "history_trees" => "history",
        "task_queues" | "tasks" => "task_queues",
        "queues" | "queue_messages" | "queue_acks" => "queues",
        _ => "shard",
    }
}

/// The table that a statement writes to.
fn target(sql: &str) -> &str {
    let mut words = sql.split_whitespace();
    match words.next() {
        Some("UPDATE") => words.next(),
        _ => words.nth(1),
    }
    .unwrap_or_default()
}

impl FaultyConnection {
    async fn give_up(&mut self) -> Result<()> {
        self.in_transaction = false;
        self.inner.rollback().await
    }
}

#[async_trait]
impl SqlConnection for FaultyConnection {
    async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64> {
        let done = self.inner.execute(sql, args).await?;
        if self.in_transaction {
            self.written.push(part(target(sql)));
        }
        Ok(done)
    }

    async fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        if !self.in_transaction && self.faults.on_read(part(table)).is_some() {
            return Err(Error::unavailable("query", "injected: no answer").with_outcome(Outcome::NotApplied));
        }
        if self.in_transaction {
            // A look that finds the work done is the write's last try.
            self.written.push(part(table));
        }
        self.inner.query(table, sql, args, columns).await
    }

    async fn begin(&mut self, write: bool) -> Result<()> {
        self.written.clear();
        self.inner.begin(write).await?;
        self.in_transaction = true;
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        let fault = if self.written.is_empty() { None } else { self.faults.on_write(&self.written) };
        match fault {
            None => {
                self.inner.commit().await?;
                self.in_transaction = false;
                Ok(())
            }
            Some(Fault::Before(outcome)) => {
                self.give_up().await?;
                Err(Error::unavailable("commit", "injected: nothing was sent").with_outcome(outcome))
            }
            Some(Fault::After) => {
                self.inner.commit().await?;
                self.in_transaction = false;
                Err(Error::unavailable("commit", "injected: the answer was lost"))
            }
            Some(Fault::Late) => {
                self.give_up().await?;
                let deliver =
                    Box::new(|| Box::pin(async { false }) as futures_util::future::BoxFuture<'_, bool>);
                self.faults.hold(Held { partitions: Vec::new(), auto: false, deliver });
                Err(Error::unavailable("commit", "injected: the request is still on its way"))
            }
            Some(Fault::Stall) => {
                self.give_up().await?;
                if !self.single_writer {
                    self.faults.stall().await;
                }
                Err(Error::unavailable("commit", "injected: the connection was cut"))
            }
            Some(Fault::Cut(after)) => {
                self.give_up().await?;
                // A database in this process cannot keep its caller waiting for ever.
                let forever = if self.single_writer { Duration::ZERO } else { FOR_EVER };
                tokio::time::sleep(after.unwrap_or(forever)).await;
                Err(Error::unavailable("commit", "injected: the connection was cut"))
            }
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        self.give_up().await
    }
}
