//! The bucket: a driver, its surroundings, and transactions that are tried again when nothing was applied.

use crate::core::commit::{CommitOptions, GroupCommitter};
use crate::core::front;
use crate::core::persistence::DriverInfo;
use crate::core::{Context, Env, Error, ErrorKind, Outcome, Persistence, Result};
use crate::dialect::Dialect;
use crate::document::Collections;
use crate::driver::{SchemaOp, SqlDriver};
use crate::naming::Naming;
use crate::settings::Migrate;
use crate::tx::Tx;
use crate::value::{Kind, SqlRow, Value};
use crate::work::Work;
pub(crate) use crate::work::work;
use crate::writer::{Job, Writer};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Makes a [`Persistence`] of a driver: sets up its schema or upgrades it, unless its settings forbid that, then gives all
/// stores.
pub async fn open(driver: Arc<dyn SqlDriver>, env: Env) -> Result<Arc<dyn Persistence>> {
    let info = driver.info();
    match info.schema.migrate {
        Migrate::Auto => driver.schema(SchemaOp::Setup).await.map(drop)?,
        _ => driver.schema(SchemaOp::Status).await?.check()?,
    }
    let naming = Arc::new(info.schema.naming.clone());
    let dialect = driver.dialect();
    let writer = if dialect.single_writer {
        let conn = driver.acquire(&Context::new()).await?;
        let writer = Writer::new(Tx {
            conn,
            dialect,
            naming: Arc::clone(&naming),
            dirty: false,
            later: Some(Vec::new()),
        });
        Some(GroupCommitter::start(info.location.clone(), writer, CommitOptions::default())?)
    } else {
        None
    };
    let info = DriverInfo {
        driver: info.driver.to_owned(),
        location: info.location.clone(),
        capabilities: info.capabilities.clone(),
    };
    let collections = Collections::default();
    let bucket = Bucket { driver, dialect, naming, env: env.clone(), collections, writer };
    Ok(front::open(bucket, info, env))
}

#[async_trait]
impl front::Bucket for Bucket {
    async fn close(self: Arc<Self>) -> Result<()> {
        let bucket = Arc::clone(&self);
        let stop = move || bucket.writer.iter().for_each(GroupCommitter::close);
        tokio::task::spawn_blocking(stop)
            .await
            .map_err(|_| Error::unavailable("close", "the writer panicked"))?;
        self.driver.close().await
    }
}

/// What every store works with.
pub(crate) struct Bucket {
    pub(crate) driver: Arc<dyn SqlDriver>,
    pub(crate) dialect: &'static Dialect,
    pub(crate) naming: Arc<Naming>,
    pub(crate) env: Env,
    pub(crate) collections: Collections,
    writer: Option<GroupCommitter<Writer>>,
}

/// How long an unknown outcome, or a conflict, is pursued when the caller set no deadline.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
/// How long a single try may take when the caller set no deadline: a connection that swallows what it is sent never answers.
const TRY_LIMIT: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Failures of the way to the database, or of the database itself; the others are answers.
pub(crate) fn is_of_the_way(kind: ErrorKind) -> bool {
    use ErrorKind::*;
    matches!(kind, Unavailable | Timeout | ResourceExhausted | Closed | Corrupted | Locked | SchemaMismatch)
}

/// Whether a try was sent to be committed, or given up before: one of both, so that what was given up takes no effect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<AtomicU8>);

impl Sent {
    const YES: u8 = 1;
    const NEVER: u8 = 2;

    /// Before the commit; false if it was given up.
    pub(crate) fn send(&self) -> bool {
        self.0.compare_exchange(0, Self::YES, SeqCst, SeqCst) != Err(Self::NEVER)
    }

    /// False if it was sent.
    fn give_up(&self) -> bool {
        self.0.compare_exchange(0, Self::NEVER, SeqCst, SeqCst) != Err(Self::YES)
    }
}

/// The deadline, or where a try of a call without one ends.
fn end_of_try(cx: &Context) -> Instant {
    cx.deadline().unwrap_or_else(|| Instant::now() + TRY_LIMIT)
}

fn not_begun() -> Error {
    Error::timeout("write").with_outcome(Outcome::NotApplied)
}

/// What a transaction may know of its earlier tries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried {
    /// An earlier try of the same work had an unknown outcome: what it finds may be its own.
    pub unknown: bool,
}

impl Tried {
    /// What is known of the earlier tries.
    pub(crate) fn outcome(self) -> Outcome {
        if self.unknown { Outcome::MaybeApplied } else { Outcome::NotApplied }
    }
}

/// What surrounds work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    /// A transaction.
    Transaction,
    /// Nothing: it is a single statement, which is a transaction of its own.
    Nothing,
}

impl Bucket {
    /// Runs work in a transaction until its outcome is known. It is run again after a conflict, because nothing was applied,
    /// and after a lost answer, because only running it again tells.
    pub(crate) async fn write<T: Send + 'static>(&self, cx: &Context, work: Work<T>) -> Result<T> {
        self.write_after(cx, Tried::default(), work).await
    }

    /// The same after tries of it that were made elsewhere.
    pub(crate) async fn write_after<T: Send + 'static>(
        &self,
        cx: &Context,
        tried: Tried,
        work: Work<T>,
    ) -> Result<T> {
        self.pursue(cx, tried, Around::Transaction, work).await
    }

    /// The same for work that is a single statement.
    pub(crate) async fn write_at_once<T: Send + 'static>(
        &self,
        cx: &Context,
        tried: Tried,
        work: Work<T>,
    ) -> Result<T> {
        self.pursue(cx, tried, Around::Nothing, work).await
    }

    async fn pursue<T: Send + 'static>(
        &self,
        cx: &Context,
        mut tried: Tried,
        around: Around,
        work: Work<T>,
    ) -> Result<T> {
        let until = cx.deadline().unwrap_or_else(|| Instant::now() + RESOLVE_LIMIT);
        let (mut pause, mut doubt) = (FIRST_PAUSE, None);
        loop {
            let sent = Sent::default();
            let once = self.write_once(cx, &work, tried, around, &sent);
            let result = match cx.is_expired() {
                true => Ok(Err(not_begun())),
                false => tokio::time::timeout_at(end_of_try(cx).into(), once).await,
            };
            let result = result.unwrap_or_else(|_| {
                // The try has been dropped: what was not sent by now never is.
                Err(if sent.give_up() { not_begun() } else { Error::timeout("write") })
            });
            let error = match result {
                Ok(done) => return Ok(done),
                Err(e) => e,
            };
            // A condition was judged with everything known; whatever else failed says nothing of an earlier try.
            if !is_of_the_way(error.kind()) {
                return Err(error);
            }
            if error.outcome() == Outcome::MaybeApplied {
                tried.unknown = true;
                doubt = Some(error.clone());
            }
            let again = error.is_retryable() && (tried.unknown || crate::reject::class(&error).is_some());
            let left = until.saturating_duration_since(Instant::now());
            if !again || left.is_zero() {
                let error = doubt.unwrap_or(error);
                return Err(if tried.unknown { error.with_outcome(Outcome::MaybeApplied) } else { error });
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn write_once<T: Send + 'static>(
        &self,
        cx: &Context,
        work: &Work<T>,
        tried: Tried,
        around: Around,
        sent: &Sent,
    ) -> Result<T> {
        if let Some(writer) = &self.writer {
            return Job::submit(writer, cx, work.clone(), tried, sent.clone()).await;
        }
        let mut tx = self.connection(cx).await?;
        if around == Around::Nothing {
            sent.send();
            return work.run(&mut tx, tried).await;
        }
        tx.conn.begin(true).await?;
        match work.run(&mut tx, tried).await {
            Ok(done) => {
                sent.send();
                tx.conn.commit().await.map(|()| done)
            }
            Err(e) => {
                // What failed decides; a rollback that fails as well closes the connection.
                let _ = tx.conn.rollback().await;
                Err(e)
            }
        }
    }

    /// A connection for single statements.
    pub(crate) async fn connection(&self, cx: &Context) -> Result<Tx> {
        let conn = self.driver.acquire(cx).await.map_err(|e| match e.kind() {
            // The pool had none until the deadline.
            ErrorKind::ResourceExhausted if cx.is_expired() => not_begun(),
            _ => e,
        })?;
        Ok(Tx { conn, dialect: self.dialect, naming: Arc::clone(&self.naming), dirty: false, later: None })
    }

    /// One query outside a transaction: one statement is one snapshot.
    pub(crate) async fn query(
        &self,
        cx: &Context,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        let (sql, args) = self.dialect.render(&self.naming, sql, args);
        self.query_as_is(cx, table, &sql, args, columns).await
    }

    /// The same for one that is written as the database wants it.
    pub(crate) async fn query_as_is(
        &self,
        cx: &Context,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        let query = async { self.connection(cx).await?.conn.query(table, sql, args, columns).await };
        read(cx, table, query).await
    }
}

/// A read, which ends with the caller's deadline at the latest and changes nothing, whatever becomes of it.
pub(crate) async fn read<T>(
    cx: &Context,
    table: &'static str,
    read: impl Future<Output = Result<T>>,
) -> Result<T> {
    let result = tokio::time::timeout_at(end_of_try(cx).into(), read)
        .await
        .unwrap_or_else(|_| Err(Error::timeout(table)));
    result.map_err(|e| e.with_outcome(Outcome::NotApplied))
}
