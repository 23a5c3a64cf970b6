//! A SQL driver on which things go wrong: at the commit, where outcomes become unknown, and on single reads.

use crate::faults::{Fault, Faults, Held, UnderWay};
use crate::statements::Seen;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use persistence_core::{Context, Error, Outcome, Result};
use persistence_sql::Naming;
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::pool::PoolStatus;
use persistence_sql::value::{Kind, SqlRow, Value};
use std::sync::Arc;
use std::time::Duration;

/// A connection that is never cut is cut after this long.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// How long a randomly late call waits for another to be around.
const LATE: Duration = Duration::from_millis(15);

/// Where late calls are kept.
const CALLS: &[u8] = b"calls";

/// How long after its deadline a caller has certainly given up.
const GRACE: Duration = Duration::from_millis(5);

/// A driver between the bucket and the real one that fails as [`Faults`] say.
///
/// A late commit is one that the caller gave up and that the server then rolled back: as long as it is on its way it holds its
/// locks, so nothing can overtake it.
pub struct FaultySql {
    inner: Arc<dyn SqlDriver>,
    faults: Arc<Faults>,
    naming: Arc<Naming>,
    seen: Arc<Seen>,
}

impl FaultySql {
    /// Puts faults before a driver.
    pub fn new(inner: Arc<dyn SqlDriver>, faults: Arc<Faults>) -> Self {
        let naming = Arc::new(inner.info().schema.naming);
        FaultySql { inner, faults, naming, seen: Arc::default() }
    }

    /// Notes here what is sent.
    pub(crate) fn noting(self, seen: Arc<Seen>) -> Self {
        FaultySql { seen, ..self }
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
        let (driver, faults) = (self.inner.clone(), self.faults.clone());
        let (in_transaction, written, served) = (None, Vec::new(), vec![cx.clone()]);
        let (naming, seen) = (self.naming.clone(), self.seen.clone());
        Ok(Box::new(FaultyConnection {
            driver,
            inner,
            faults,
            naming,
            seen,
            in_transaction,
            written,
            served,
        }))
    }

    fn pool(&self) -> PoolStatus {
        self.inner.pool()
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        self.inner.schema(op).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

struct FaultyConnection {
    driver: Arc<dyn SqlDriver>,
    inner: Box<dyn SqlConnection>,
    faults: Arc<Faults>,
    naming: Arc<Naming>,
    seen: Arc<Seen>,
    in_transaction: Option<UnderWay>,
    /// What the transaction has looked at or written to, by the names that scripts use.
    written: Vec<&'static str>,
    /// Whose calls it serves: one, except in the transactions of a single writer.
    served: Vec<Context>,
}

/// The part of the store that a table belongs to: the name that scripts use on every driver.
fn part(table: &str) -> &'static str {
    match table {
        "history_nodes" | "history_trees" => "history",
        "task_queues" | "tasks" => "task_queues",
        "queues" | "queue_messages" | "queue_acks" => "queues",
        _ if table.starts_with("d_") || table.starts_with("de_") || table.starts_with("document") => {
            "documents"
        }
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

/// Gives no answer for a while, and at most until the last of the callers has given up: then the connection is cut.
async fn cut(what: &'static str, served: &[Context], after: Option<Duration>) -> Error {
    let limit = after.unwrap_or(FOR_EVER);
    let wait = served.iter().map(|cx| cx.remaining(FOR_EVER) + GRACE).max();
    tokio::time::sleep(wait.unwrap_or(limit).min(limit)).await;
    if served.iter().all(Context::is_expired) {
        Error::timeout(what)
    } else {
        Error::unavailable(what, "injected: the connection was cut")
    }
}

/// A statement that is a transaction of its own.
struct Call {
    table: &'static str,
    sql: String,
    args: Vec<Value>,
    columns: Vec<Kind>,
}

impl Call {
    async fn send(self, conn: &mut dyn SqlConnection) -> Result<Vec<SqlRow>> {
        conn.call(self.table, &self.sql, self.args, &self.columns).await
    }
}

impl FaultyConnection {
    fn single_writer(&self) -> bool {
        self.driver.dialect().single_writer
    }

    /// Keeps a call for later, when it goes to the server on another connection.
    fn hold(&self, call: Call) {
        let driver = self.driver.clone();
        let deliver = Box::new(move || -> BoxFuture<'static, bool> {
            Box::pin(async move {
                // The network does not know the caller's deadline.
                let Ok(mut conn) = driver.acquire(&Context::new()).await else { return false };
                call.send(&mut *conn).await.is_ok_and(|refused| refused.is_empty())
            })
        });
        let auto = self.faults.is_random();
        self.faults.hold(Held { partitions: vec![CALLS.to_vec()], auto, deliver });
        if auto {
            let faults = self.faults.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LATE).await;
                faults.deliver(faults.take_held(&[CALLS.to_vec()])).await;
            });
        }
    }

    async fn fail_call(&mut self, call: Call, fault: Option<Fault>) -> Result<Vec<SqlRow>> {
        let unavailable = |what: &str| Error::unavailable("call", format!("injected: {what}"));
        match fault {
            None => call.send(&mut *self.inner).await,
            Some(Fault::Before(outcome)) => Err(unavailable("nothing was sent").with_outcome(outcome)),
            Some(Fault::After) => {
                call.send(&mut *self.inner).await?;
                Err(unavailable("the answer was lost"))
            }
            Some(Fault::Late) => {
                self.hold(call);
                Err(unavailable("the request is still on its way"))
            }
            Some(Fault::Stall) => {
                self.faults.stall().await;
                Err(unavailable("the connection was cut"))
            }
            Some(Fault::Cut(after)) => Err(cut("call", &self.served, after).await),
        }
    }

    async fn give_up(&mut self) -> Result<()> {
        let done = self.inner.rollback().await;
        self.in_transaction = None;
        done
    }
}

#[async_trait]
impl SqlConnection for FaultyConnection {
    async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64> {
        self.seen.note(&self.naming, sql);
        let done = self.inner.execute(sql, args).await?;
        if self.in_transaction.is_some() {
            // Where one connection writes, statements may come together.
            self.written.extend(sql.split("; ").map(|statement| part(self.naming.plain(target(statement)))));
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
        self.seen.note(&self.naming, sql);
        let caller = self.served.last().and_then(Context::caller);
        if let Some(fault) = self.faults.on_read(caller, part(table)) {
            let error = match fault {
                Fault::Cut(after) => cut("query", &self.served, after).await,
                _ => Error::unavailable("query", "injected: no answer"),
            };
            return Err(error.with_outcome(Outcome::NotApplied));
        }
        if self.in_transaction.is_some() {
            // A look that finds the work done is the write's last try.
            self.written.push(part(table));
        }
        self.inner.query(table, sql, args, columns).await
    }

    async fn call(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        self.seen.note(&self.naming, sql);
        let caller = self.served.last().and_then(Context::caller);
        if self.faults.bars(caller) {
            return Err(Error::unavailable("call", "injected: no connection"));
        }
        let _under_way = self.faults.begun();
        let call = Call { table, sql: sql.to_owned(), args, columns: columns.to_vec() };
        let late = self.faults.take_held(&[CALLS.to_vec()]);
        let (before, after) = if self.faults.coin() { (late, Vec::new()) } else { (Vec::new(), late) };
        self.faults.deliver(before).await;
        let fault = self.faults.on_write(caller.as_slice(), &["shard", part(table)]);
        let done = self.fail_call(call, fault).await;
        self.faults.deliver(after).await;
        done
    }

    async fn begin(&mut self, write: bool) -> Result<()> {
        self.written.clear();
        if self.single_writer() {
            self.served.clear();
        }
        // A refusal needs no commit, so it is here that a caller is kept from its answer.
        if write && self.faults.bars(self.served.last().and_then(Context::caller)) {
            return Err(Error::unavailable("begin", "injected: no connection"));
        }
        self.in_transaction = Some(self.faults.begun());
        let begun = self.inner.begin(write).await;
        if begun.is_err() {
            self.in_transaction = None;
        }
        begun
    }

    async fn commit(&mut self) -> Result<()> {
        let callers: Vec<&str> = self.served.iter().filter_map(Context::caller).collect();
        let fault =
            if self.written.is_empty() { None } else { self.faults.on_write(&callers, &self.written) };
        match fault {
            None => {
                self.inner.commit().await?;
                self.in_transaction = None;
                Ok(())
            }
            Some(Fault::Before(outcome)) => {
                self.give_up().await?;
                Err(Error::unavailable("commit", "injected: nothing was sent").with_outcome(outcome))
            }
            Some(Fault::After) => {
                self.inner.commit().await?;
                self.in_transaction = None;
                Err(Error::unavailable("commit", "injected: the answer was lost"))
            }
            Some(Fault::Late) => {
                self.give_up().await?;
                let deliver = Box::new(|| -> BoxFuture<'static, bool> { Box::pin(async { false }) });
                self.faults.hold(Held { partitions: Vec::new(), auto: false, deliver });
                Err(Error::unavailable("commit", "injected: the request is still on its way"))
            }
            Some(Fault::Stall) => {
                self.give_up().await?;
                if !self.single_writer() {
                    self.faults.stall().await;
                }
                Err(Error::unavailable("commit", "injected: the connection was cut"))
            }
            Some(Fault::Cut(after)) => {
                self.give_up().await?;
                Err(cut("commit", &self.served, after).await)
            }
        }
    }

    fn serve(&mut self, cx: &Context) {
        self.served.push(cx.clone());
        self.inner.serve(cx);
    }

    fn retire(&mut self) {
        self.inner.retire();
    }

    async fn rollback(&mut self) -> Result<()> {
        self.give_up().await
    }
}
