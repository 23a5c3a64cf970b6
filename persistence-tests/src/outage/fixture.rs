//! What a case of the suite gets: writers under way behind a proxy, and the server to hurt.

use super::arms::{Arms, Disturbance};
use super::check::check;
use super::host::Host;
use super::log::{Claim, Listener, Log};
use super::writer::{FIRST_ATTEMPT, Manners, Place, crew};
use super::{PATIENCE, SHARDS, STUCK};
use crate::fixture::Setting;
use crate::harness::{Scene, SetUp};
use crate::proxy::{Act, Piece, Proxy};
use crate::{CaseResult, Failure};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use persistence_core::{Error, Persistence, Result};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Opens the database of the server at `host:port`.
pub(super) type Open = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Arc<dyn Persistence>>> + Send + Sync>;

/// Starts the server, the first time.
pub(super) type StartHost = Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Host>>> + Send + Sync>;

#[derive(Clone)]
pub(super) struct OutageSetUp {
    pub driver: String,
    pub host: StartHost,
    pub open: Open,
    /// One case after the other: each hurts the one server.
    pub turn: Arc<Mutex<()>>,
}

/// What a case gets.
pub struct OutageFixture {
    /// The server.
    pub host: Arc<dyn Host>,
    /// What the writers were told.
    pub log: Arc<Log>,
    /// The case's randomness: the same seed makes the same faults.
    pub rng: fastrand::Rng,
    pub(super) arms: Arms,
    proxy: Proxy,
    p: Arc<dyn Persistence>,
    open: Open,
    places: Vec<Place>,
    writers: JoinSet<()>,
    stop: CancellationToken,
    driver: String,
    _turn: OwnedMutexGuard<()>,
}

#[async_trait]
impl SetUp<OutageFixture> for OutageSetUp {
    async fn set_up(&self, scene: Scene) -> Result<OutageFixture> {
        let turn = self.turn.clone().lock_owned().await;
        let host = (self.host)().await?;
        let arms = Arms::new();
        let proxy = Proxy::start(host.address().await?, arms.clone()).await;
        let proxy = proxy.map_err(|e| Error::unavailable("proxy", e.to_string()))?;
        let p = self.opened(format!("127.0.0.1:{}", proxy.port())).await?;
        let places = places();
        for place in &places {
            place.create(&*p).await?;
        }
        Ok(OutageFixture {
            host,
            log: Arc::new(Log::new(places.iter().map(|p| p.number))),
            rng: fastrand::Rng::with_seed(scene.seed),
            arms,
            proxy,
            p,
            open: self.open.clone(),
            places,
            writers: JoinSet::new(),
            stop: CancellationToken::new(),
            driver: self.driver.clone(),
            _turn: turn,
        })
    }
}

impl OutageSetUp {
    /// The case before may have left the server in the middle of its start.
    async fn opened(&self, address: String) -> Result<Arc<dyn Persistence>> {
        let until = tokio::time::Instant::now() + STUCK;
        loop {
            match (self.open)(address.clone()).await {
                Err(e) if e.is_retryable() && tokio::time::Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                opened => return opened,
            }
        }
    }
}

/// The runs of sixteen shards, of which no other case of this process has one.
pub(super) fn places() -> Vec<Place> {
    static NEXT: AtomicI32 = AtomicI32::new(1);
    let (first, namespace) = (NEXT.fetch_add(SHARDS, Relaxed), uuid::Uuid::new_v4());
    (first..first + SHARDS).flat_map(|shard| Place::of_shard(shard, namespace)).collect()
}

impl OutageFixture {
    /// Lets the writers begin, with deadlines of `patience`, and some much shorter ones if `hasty`.
    pub(super) fn begin(&mut self, patience: Duration, hasty: bool) {
        let hasty = if hasty { 8 } else { 0 };
        let manners = Manners { patience, hasty, seed: self.rng.u64(..), first_attempt: FIRST_ATTEMPT };
        let listener: Arc<dyn Listener> = self.log.clone();
        for writer in crew(&self.p, &self.places, &manners, &listener, &self.stop) {
            self.writers.spawn(writer.run());
        }
    }

    /// Waits for some more transitions.
    pub(super) async fn progress(&mut self, some: Range<u64>) {
        let some = self.rng.u64(some);
        self.log.progress(some).await;
    }

    /// A time.
    pub(super) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(range))
    }

    /// Disturbs a connection, soon.
    pub(super) fn disturb(&mut self, what: Disturbance) {
        self.arms.arm(&mut self.rng, what);
    }

    /// Cuts every connection.
    pub(super) fn cut_all(&self) {
        self.proxy.cut();
    }

    /// Lets go of what the proxy holds.
    pub(super) fn release(&self) {
        self.proxy.release();
    }

    /// The server stands still for a while.
    pub(super) async fn stand_still(&mut self, time: Duration) -> CaseResult {
        self.host.pause().await?;
        // What was on its way arrives.
        tokio::time::sleep(time / 2).await;
        let still = self.log.is_still_for(time / 2).await;
        self.host.resume().await?;
        assert!(still, "a server that stands still answers");
        Ok(())
    }

    /// Starts the server again, and waits until somebody has found it.
    pub(super) async fn start_again(&mut self) -> CaseResult {
        let before = self.proxy.accepted();
        self.host.start().await?;
        self.proxy.set_upstream(self.host.address().await?);
        self.progress(1..20).await;
        assert!(self.proxy.accepted() > before, "nobody has connected again: the server was not gone");
        Ok(())
    }

    /// Ends the faults, sees every writer go on by itself, ends them, and compares what is stored with what they were told.
    pub(super) async fn verdict(&mut self) -> CaseResult {
        self.arms.disarm();
        self.proxy.set_tap(|_: Piece<'_>| Act::Pass);
        self.proxy.release();
        self.log.progress_of_each(self.places.iter().map(|p| p.number), 3).await;
        self.stop.cancel();
        let ended = tokio::time::timeout(STUCK, async { while self.writers.join_next().await.is_some() {} });
        assert!(ended.await.is_ok(), "a writer does not end");
        self.proxy.delivered().await;
        assert!(
            tokio::time::timeout(STUCK, self.p.close()).await.is_ok_and(|c| c.is_ok()),
            "closing does not end"
        );
        let direct = (self.open)(self.host.address().await?).await?;
        let told = format!("{}: {}, {} disturbances", self.driver, self.log.summary(), self.arms.struck());
        // A line of its own, whatever the test program is in the middle of.
        println!("\noutage: {told}");
        let wrong = wrong(&*direct, &self.places, &self.log, 0).await?;
        direct.close().await?;
        assert!(wrong.is_empty(), "{told}\n{}", wrong.join("\n"));
        assert!(self.log.count(Claim::Applied) > 0);
        Ok(())
    }
}

/// Everything that is wrong with these runs.
pub(super) async fn wrong(
    p: &dyn Persistence,
    places: &[Place],
    log: &Log,
    crashes: usize,
) -> Result<Vec<String>, Failure> {
    let mut wrong = log.wrong();
    for place in places {
        wrong.extend(check(p, place, log, crashes).await?);
    }
    Ok(wrong)
}

#[async_trait]
impl Setting for OutageFixture {
    async fn tear_down(&mut self) -> CaseResult {
        // After a failure the writers may still be under way; the next case wants the server for itself.
        self.stop.cancel();
        self.writers.shutdown().await;
        // It may be paused or dead.
        let _ = (self.host.resume().await, self.host.start().await);
        let _ = tokio::time::timeout(PATIENCE, self.p.close()).await;
        Ok(())
    }
}
