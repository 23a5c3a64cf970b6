//! The pool of connections: bounded, fair, and without a round trip that nobody asked for.
//!
//! A connection is not tried before it is given out, nor when it comes back. One that broke while it was idle shows at its first
//! statement; where that is a read or the beginning of a transaction, nothing can have been applied, and another takes its place
//! ([`Held::replace`]).

use crate::server::Server;
use async_trait::async_trait;
use persistence_core::{Context, Detail, Error, ErrorKind, Outcome, Result};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Why there is no connection.
#[derive(Debug)]
pub struct Refused {
    /// What the caller is told.
    pub error: Error,
    /// Whether it may be otherwise in a moment: the server starts, or has no connection left.
    pub passing: bool,
}

/// Makes connections and ends them.
#[async_trait]
pub trait Maker: Send + Sync + 'static {
    /// A connection.
    type Conn: Send + 'static;

    /// A new one; called for each.
    async fn connect(&self) -> std::result::Result<Self::Conn, Refused>;

    /// Ends one that is in order.
    async fn close(&self, conn: Self::Conn);
}

/// How many connections, and for how long.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Where they lead, for messages.
    pub location: String,
    /// The most there are.
    pub size: u32,
    /// How long to wait for one when the caller set no deadline.
    pub acquire_timeout: Duration,
    /// How long a new one may take.
    pub connect_timeout: Duration,
    /// How long one may be idle; for ever if none.
    pub idle_timeout: Option<Duration>,
    /// How long one may be used; for ever if none.
    pub max_lifetime: Option<Duration>,
}

impl PoolSettings {
    /// Those of a server.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        PoolSettings {
            location: server.location(),
            size: server.pool_size,
            acquire_timeout: server.acquire_timeout,
            connect_timeout: server.connect_timeout,
            idle_timeout: Some(server.idle_timeout),
            max_lifetime: Some(server.max_lifetime),
        }
    }
}

/// A pool, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The most connections there may be.
    pub size: usize,
    /// Those that nobody uses.
    pub idle: usize,
    /// Those that somebody uses, or that are being made.
    pub in_use: usize,
    /// Callers that wait for one.
    pub waiting: usize,
    /// How often one was given out.
    pub acquired: u64,
    /// How long callers waited for all of these together, new connections included.
    pub waited: Duration,
    /// How often a new one was made.
    pub connected: u64,
    /// How often making one failed.
    pub refused: u64,
    /// How often one turned out to have broken while it was idle.
    pub stale: u64,
}

/// The pool. Clones are the same pool.
pub struct Pool<M: Maker>(Arc<Inner<M>>);

struct Inner<M: Maker> {
    maker: M,
    settings: PoolSettings,
    permits: Arc<Semaphore>,
    idle: Mutex<Idle<M::Conn>>,
    counts: Counts,
}

struct Idle<C> {
    /// The one that was used last is used next, so that those that are not needed get old.
    conns: Vec<Slot<C>>,
    closed: bool,
}

struct Slot<C> {
    conn: C,
    born: Instant,
    since: Instant,
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    acquired: AtomicU64,
    waited: AtomicU64,
    connected: AtomicU64,
    refused: AtomicU64,
    stale: AtomicU64,
}

/// One more that waits, as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl<M: Maker> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool(Arc::clone(&self.0))
    }
}

impl<M: Maker> std::fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("settings", &self.0.settings).field("status", &self.status()).finish()
    }
}

impl<M: Maker> Pool<M> {
    /// A pool without a connection yet.
    #[must_use]
    pub fn new(maker: M, settings: PoolSettings) -> Self {
        let size = usize::try_from(settings.size.max(1)).unwrap_or(1);
        let reap = settings.idle_timeout.is_some() || settings.max_lifetime.is_some();
        let inner = Arc::new(Inner {
            maker,
            permits: Arc::new(Semaphore::new(size)),
            idle: Mutex::new(Idle { conns: Vec::new(), closed: false }),
            counts: Counts::default(),
            settings: PoolSettings { size: settings.size.max(1), ..settings },
        });
        if reap {
            tokio::spawn(reap_regularly(Arc::downgrade(&inner)));
        }
        Pool(inner)
    }

    /// A connection, by the caller's deadline: `ResourceExhausted` if all are in use until then.
    pub async fn acquire(&self, cx: &Context) -> Result<Held<M>> {
        if cx.is_expired() {
            return Err(Error::timeout("acquire").with_outcome(Outcome::NotApplied));
        }
        let inner = &self.0;
        if inner.idle().closed {
            return Err(inner.closed());
        }
        let began = Instant::now();
        let until = began + cx.remaining(inner.settings.acquire_timeout);
        let permit = match Arc::clone(&inner.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => inner.wait(until).await?,
        };
        let mut held = Held { conn: None, _permit: permit, pool: Arc::clone(inner), until };
        held.fill().await.map_err(|e| match e.kind() {
            // It was on its way when the caller's time was up.
            ErrorKind::Unavailable if cx.is_expired() => {
                Error::timeout("acquire").with_outcome(Outcome::NotApplied).with_source(e)
            }
            _ => e,
        })?;
        inner.counts.acquired.fetch_add(1, Relaxed);
        let waited = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        inner.counts.waited.fetch_add(waited, Relaxed);
        Ok(held)
    }

    /// How many there are of what.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let (inner, counts) = (&self.0, &self.0.counts);
        let size = usize::try_from(inner.settings.size).unwrap_or(0);
        PoolStatus {
            size,
            idle: inner.idle().conns.len(),
            in_use: size.saturating_sub(inner.permits.available_permits()),
            waiting: counts.waiting.load(Relaxed),
            acquired: counts.acquired.load(Relaxed),
            waited: Duration::from_nanos(counts.waited.load(Relaxed)),
            connected: counts.connected.load(Relaxed),
            refused: counts.refused.load(Relaxed),
            stale: counts.stale.load(Relaxed),
        }
    }

    /// Gives out no more, waits for those that are in use, and ends all.
    pub async fn close(&self) {
        let inner = &self.0;
        inner.idle().closed = true;
        // Whoever waits is before this and is told; whoever uses one gives it back.
        let all = inner.permits.acquire_many(inner.settings.size).await;
        if let Ok(all) = all {
            all.forget();
        }
        inner.permits.close();
        let idle = std::mem::take(&mut inner.idle().conns);
        for slot in idle {
            inner.maker.close(slot.conn).await;
        }
    }
}

impl<M: Maker> Inner<M> {
    fn idle(&self) -> MutexGuard<'_, Idle<M::Conn>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> Error {
        Error::closed(self.settings.location.clone())
    }

    async fn wait(&self, until: Instant) -> Result<OwnedSemaphorePermit> {
        let _waiting = Waiting::new(&self.counts.waiting);
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout_at(until.into(), permit).await {
            Ok(permit) => permit.map_err(|_| self.closed()),
            Err(_) if self.idle().closed => Err(self.closed()),
            Err(_) => Err(Error::new(Detail::ResourceExhausted {
                cause: format!(
                    "connection pool: all {} connections were in use; send less at once, or raise pool_size",
                    self.settings.size
                ),
                scope: self.settings.location.clone(),
                retry_after: None,
            })),
        }
    }

    async fn connect(&self, until: Instant) -> Result<M::Conn> {
        let (mut pause, mut before) = (FIRST_PAUSE, None);
        loop {
            let limit = until.min(Instant::now() + self.settings.connect_timeout);
            let refused = match tokio::time::timeout_at(limit.into(), self.maker.connect()).await {
                Ok(Ok(conn)) => {
                    self.counts.connected.fetch_add(1, Relaxed);
                    return Ok(conn);
                }
                Ok(Err(refused)) => refused,
                // A last try may have had no time at all: what the one before was told says more.
                Err(_)
                    if limit == until
                        && let Some(refused) = before =>
                {
                    refused
                }
                Err(_) => {
                    let reason = format!("the server did not answer in time: {}", self.settings.location);
                    let error = Error::unavailable("acquire", reason);
                    Refused { error: error.with_outcome(Outcome::NotApplied), passing: true }
                }
            };
            self.counts.refused.fetch_add(1, Relaxed);
            if !refused.passing || Instant::now() + pause >= until {
                return Err(refused.error);
            }
            before = Some(refused);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn is_old(&self, slot: &Slot<M::Conn>, now: Instant) -> bool {
        let over = |limit: Option<Duration>, since: Instant| {
            limit.is_some_and(|limit| now.saturating_duration_since(since) > limit)
        };
        over(self.settings.max_lifetime, slot.born) || over(self.settings.idle_timeout, slot.since)
    }

    /// Takes out what is too old.
    fn reap(&self) -> Vec<Slot<M::Conn>> {
        let (now, mut idle) = (Instant::now(), self.idle());
        let (old, young) = std::mem::take(&mut idle.conns).into_iter().partition(|s| self.is_old(s, now));
        idle.conns = young;
        old
    }
}

/// Ends old connections, also of a pool that nobody uses.
async fn reap_regularly<M: Maker>(pool: Weak<Inner<M>>) {
    loop {
        let Some(inner) = pool.upgrade() else { return };
        let limits = [inner.settings.idle_timeout, inner.settings.max_lifetime];
        let shortest = limits.into_iter().flatten().min().unwrap_or(Duration::MAX);
        for slot in inner.reap() {
            inner.maker.close(slot.conn).await;
        }
        let done = inner.idle().closed;
        drop(inner);
        if done {
            return;
        }
        tokio::time::sleep((shortest / 2).clamp(Duration::from_millis(50), Duration::from_secs(30))).await;
    }
}

/// A connection in use. Ended when it is dropped, unless it is given back: who drops it in the middle of something leaves it in
/// the middle of something.
pub struct Held<M: Maker> {
    /// None only while there is none to be had.
    conn: Option<Taken<M::Conn>>,
    _permit: OwnedSemaphorePermit,
    pool: Arc<Inner<M>>,
    until: Instant,
}

struct Taken<C> {
    conn: C,
    born: Instant,
    /// It was idle, and has answered nothing since.
    untried: bool,
}

impl<M: Maker> Held<M> {
    /// Whether it was idle and has not answered since: it may have broken meanwhile.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        self.conn.as_ref().is_some_and(|c| c.untried)
    }

    /// It answered.
    pub fn answered(&mut self) {
        if let Some(taken) = &mut self.conn {
            taken.untried = false;
        }
    }

    /// Another one in place of this, which is broken.
    pub async fn replace(&mut self) -> Result<()> {
        self.pool.counts.stale.fetch_add(1, Relaxed);
        self.conn = None;
        self.fill().await
    }

    /// Back to the pool, in order and with nothing under way.
    pub fn give_back(mut self) {
        if let Some(taken) = self.conn.take() {
            // Also into a pool that is being closed, which waits for it.
            let slot = Slot { conn: taken.conn, born: taken.born, since: Instant::now() };
            self.pool.idle().conns.push(slot);
        }
        // The permit goes after that, so that whoever waits finds it.
    }

    /// The connection itself.
    pub fn get(&mut self) -> Result<&mut M::Conn> {
        match &mut self.conn {
            Some(taken) => Ok(&mut taken.conn),
            None => Err(self.pool.closed()),
        }
    }

    async fn fill(&mut self) -> Result<()> {
        let pool = Arc::clone(&self.pool);
        loop {
            let slot = {
                let mut idle = pool.idle();
                if idle.closed {
                    return Err(pool.closed());
                }
                idle.conns.pop()
            };
            let Some(slot) = slot else { break };
            if pool.is_old(&slot, Instant::now()) {
                pool.maker.close(slot.conn).await;
                continue;
            }
            self.conn = Some(Taken { conn: slot.conn, born: slot.born, untried: true });
            return Ok(());
        }
        let conn = pool.connect(self.until).await?;
        self.conn = Some(Taken { conn, born: Instant::now(), untried: false });
        Ok(())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused { error, passing: false }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
