//! What a case gets: writers under way behind a proxy, and the server to hurt.

use super::arms::{Arms, Disturbance};
use super::host::Host;
use super::load::{Load, Open};
use crate::CaseResult;
use crate::fixture::Setting;
use crate::harness::{Scene, SetUp};
use crate::proxy::{Act, Piece, Proxy};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use persistence_core::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

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
    /// The writers.
    pub load: Load,
    pub(super) arms: Arms,
    proxy: Proxy,
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
        let address = format!("127.0.0.1:{}", proxy.port());
        let load = Load::new(&self.driver, &self.open, address, scene.seed).await?;
        Ok(OutageFixture { host, load, arms, proxy, _turn: turn })
    }
}

impl OutageFixture {
    /// Disturbs a connection, soon.
    pub(super) fn disturb(&mut self, what: Disturbance) {
        self.arms.arm(&mut self.load.rng, what);
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
        let still = self.load.log.is_still_for(time / 2).await;
        self.host.resume().await?;
        assert!(still, "a server that stands still answers");
        Ok(())
    }

    /// Starts the server again, and waits until somebody has found it.
    pub(super) async fn start_again(&mut self) -> CaseResult {
        let before = self.proxy.accepted();
        self.host.start().await?;
        self.proxy.set_upstream(self.host.address().await?);
        self.load.progress(1..20).await;
        assert!(self.proxy.accepted() > before, "nobody has connected again: the server was not gone");
        Ok(())
    }

    /// Ends the faults, sees every writer go on by itself, ends them, and compares what is stored with what they were told.
    pub(super) async fn verdict(&mut self) -> CaseResult {
        self.arms.disarm();
        self.proxy.set_tap(|_: Piece<'_>| Act::Pass);
        self.proxy.release();
        self.load.end().await;
        self.proxy.delivered().await;
        let faults = format!("{} disturbances", self.arms.struck());
        self.load.verdict(self.host.address().await?, faults).await
    }
}

#[async_trait]
impl Setting for OutageFixture {
    async fn tear_down(&mut self) -> CaseResult {
        self.load.abort().await;
        // It may be paused or dead.
        let _ = (self.host.resume().await, self.host.start().await);
        self.load.close().await;
        Ok(())
    }
}
