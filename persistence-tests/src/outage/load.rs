//! Writers under way, and the verdict on what they were told.

use super::ledger::{self, Ledger};
use super::log::{Claim, Listener, Log, Word};
use super::place::{FIRST_ATTEMPT, LAST_ATTEMPT, Place, places};
use super::queue::Queue;
use super::writer::{Manners, crew};
use super::{PATIENCE, STUCK, check, queue};
use crate::{CaseResult, Failure};
use futures_util::future::BoxFuture;
use persistence_core::{Capability, Context, Error, Persistence, Result};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Opens the database of servers at `host:port`, comma-separated.
pub(super) type Open = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Arc<dyn Persistence>>> + Send + Sync>;

/// Sixteen shards with their writers, and what these were told.
pub struct Load {
    /// What the writers were told.
    pub log: Arc<Log>,
    /// The case's randomness: the same seed makes the same faults.
    pub rng: fastrand::Rng,
    p: Arc<dyn Persistence>,
    open: Open,
    places: Vec<Place>,
    writers: JoinSet<()>,
    stop: CancellationToken,
    driver: String,
}

impl Load {
    /// Makes what the writers work on. They reach the database at `address`.
    pub(super) async fn new(driver: &str, open: &Open, address: String, seed: u64) -> Result<Self> {
        let p = opened(open, address).await?;
        let places = places();
        create(&*p, &places).await?;
        Ok(Load {
            log: Arc::new(Log::new(numbers(&places))),
            rng: fastrand::Rng::with_seed(seed),
            p,
            open: open.clone(),
            places,
            writers: JoinSet::new(),
            stop: CancellationToken::new(),
            driver: driver.to_owned(),
        })
    }

    /// Lets the writers begin, with deadlines of `patience`, and some much shorter ones if `hasty`.
    pub(super) fn begin(&mut self, patience: Duration, hasty: bool) {
        let hasty = if hasty { 8 } else { 0 };
        let manners = Manners { patience, hasty, seed: self.rng.u64(..), first_attempt: FIRST_ATTEMPT };
        let listener: Arc<dyn Listener> = self.log.clone();
        for writer in crew(&self.p, &self.places, &manners, &listener, &self.stop) {
            self.writers.spawn(writer.run());
        }
    }

    /// Waits for some more writes.
    pub(super) async fn progress(&mut self, some: Range<u64>) {
        let some = self.rng.u64(some);
        self.log.progress(some).await;
    }

    /// Waits until every run and queue has gone on.
    pub(super) async fn progress_of_each(&self) {
        self.log.progress_of_each(numbers(&self.places), 3).await;
    }

    /// A time.
    pub(super) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(range))
    }

    /// Sees every writer go on by itself, ends them, and closes what they worked with.
    pub(super) async fn end(&mut self) {
        self.progress_of_each().await;
        self.stop.cancel();
        let ended = tokio::time::timeout(STUCK, async { while self.writers.join_next().await.is_some() {} });
        assert!(ended.await.is_ok(), "a writer does not end");
    }

    /// Compares what is stored with what the writers were told. `address` leads there without a detour.
    pub(super) async fn verdict(&mut self, address: String, faults: String) -> CaseResult {
        assert!(
            tokio::time::timeout(STUCK, self.p.close()).await.is_ok_and(|c| c.is_ok()),
            "closing does not end"
        );
        let direct = opened(&self.open, address).await?;
        let settled = tokio::time::timeout(STUCK, settle(&*direct, &self.places, &self.log)).await;
        settled.map_err(|_| Error::timeout("the last transition of every run"))??;
        let told = format!("{}: {}, {faults}", self.driver, self.log.summary());
        // A line of its own, whatever the test program is in the middle of.
        println!("\noutage: {told}");
        let wrong = wrong(&*direct, &self.places, &self.log, 0).await?;
        direct.close().await?;
        assert!(wrong.is_empty(), "{told}\n{}", wrong.join("\n"));
        assert!(self.log.count(Claim::Applied) > 0);
        Ok(())
    }

    /// Ends the writers, whatever they are in the middle of: after a failure the next case wants the servers for itself.
    pub(super) async fn abort(&mut self) {
        self.stop.cancel();
        self.writers.shutdown().await;
    }

    pub(super) async fn close(&self) {
        let _ = tokio::time::timeout(PATIENCE, self.p.close()).await;
    }
}

/// The case before may have left a server in the middle of its start.
async fn opened(open: &Open, address: String) -> Result<Arc<dyn Persistence>> {
    let until = tokio::time::Instant::now() + STUCK;
    loop {
        match open(address.clone()).await {
            Err(e) if e.is_retryable() && tokio::time::Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            opened => return opened,
        }
    }
}

/// Makes the runs, and the queues and ledgers of their shards.
pub(super) async fn create(p: &dyn Persistence, places: &[Place]) -> Result<()> {
    for place in places {
        place.create(p).await?;
    }
    for (queue, _) in Queue::all(places) {
        queue.create(p).await?;
    }
    ledger::ensure(p).await?;
    for (ledger, _) in Ledger::all(places) {
        ledger.create(p).await?;
    }
    Ok(())
}

/// What writers go on with: runs, adding tasks to the queues of their shards, and the ledgers of these.
pub(super) fn numbers(places: &[Place]) -> impl Iterator<Item = i32> {
    let queues = Queue::all(places).map(|(q, _)| q.number());
    let ledgers = Ledger::all(places).map(|(l, _)| l.number());
    places.iter().map(|p| p.number).chain(queues).chain(ledgers)
}

/// One more transition of each run, where history does not commit together with the state: a refused transition may leave a node
/// behind whose transaction is the largest of its run, and which is read until a write outranks it.
pub(super) async fn settle(p: &dyn Persistence, places: &[Place], log: &Log) -> Result<()> {
    if p.info().capabilities.has(Capability::AtomicHistory) {
        return Ok(());
    }
    let cx = Context::new();
    for place in places {
        let stored = place.load(p, &cx).await?;
        let (run, attempt, expected) = (place.number, LAST_ATTEMPT + i64::from(place.number), stored.version);
        let last = place.transition(expected, attempt, stored.attempt);
        p.executions().update_execution(&cx, &last).await?;
        log.hear(Word::Said { run, attempt, expected, claim: Claim::Applied });
    }
    Ok(())
}

/// Everything that is wrong with these runs, and with the queues and ledgers of their shards.
pub(super) async fn wrong(
    p: &dyn Persistence,
    places: &[Place],
    log: &Log,
    crashes: usize,
) -> Result<Vec<String>, Failure> {
    let mut wrong = log.wrong();
    for place in places {
        wrong.extend(check::check(p, place, log, crashes).await?);
    }
    for queue in Queue::all(places) {
        wrong.extend(queue::check(p, queue, log, crashes).await?);
    }
    for ledger in Ledger::all(places) {
        wrong.extend(ledger::check(p, ledger, log, crashes).await?);
    }
    Ok(wrong)
}
