//! Faults of whole servers and networks, under load: sixteen writers make transitions on as many shards, some of them many in
//! one call and some beside a rival, add tasks to queues that they take from each other, and write documents, while the server is paused, killed
//! and restarted, and while the network cuts connections and delivers requests late. Each writer takes down what it was told.
//! Afterwards no acknowledged write may be lost, none applied twice, every reported outcome must be true, and every writer must
//! have gone on by itself.
//!
//! A driver of a server runs it in a test program of its own (`tests/outage.rs`, with `harness = false`):
//!
//! ```no_run
//! # #[cfg(feature = "containers")] {
//! # use persistence_tests::{Server, outage::{self, Outage}, core::{Persistence, Result}};
//! # use std::sync::Arc;
//! static SERVER: Server = Server::new("mine", "mine:1", 4711, "ready").expendable();
//!
//! async fn open(address: String) -> Result<Arc<dyn Persistence>> {
//! #   unimplemented!()
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     SERVER.run(|| outage::main(Outage::new("mine", || SERVER.host(), open)))
//! }
//! # }
//! ```
//!
//! [`Host`] is all that the suite asks of a server. With [`Outage::nodes`] the nodes of a cluster are hurt as well, one or several
//! at a time. A database that is a file has no server to hurt; there the writers are
//! processes that are killed: [`process`].

mod arms;
mod cases;
mod check;
#[cfg(feature = "containers")]
mod container;
mod fixture;
mod host;
mod ledger;
mod load;
mod log;
mod nodes;
mod place;
pub mod process;
mod queue;
#[cfg(test)]
mod tests;
mod writer;

#[cfg(feature = "containers")]
pub use container::Container;
pub use fixture::OutageFixture;
pub use host::Host;
pub use load::Load;
pub use log::{Claim, Listener, Log, Word};
pub use nodes::NodesFixture;

use crate::faults::Injected;
use crate::harness::{Harness, Suite};
use crate::report::Waiver;
use async_trait::async_trait;
use fixture::{OutageSetUp, StartHost};
use load::Open;
use nodes::{NodesSetUp, StartNodes};
use persistence_core::{DriverInfo, Persistence, Result};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The deadline of calls where nothing else is said: longer than a restart takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a case may take: servers start several times in it, perhaps on a busy machine.
const CASE_LIMIT: Duration = Duration::from_secs(900);

/// How long to wait for what should happen soon. Nothing depends on how soon; it only keeps a run from hanging.
const STUCK: Duration = Duration::from_secs(60);

/// The suite on a driver of servers.
pub struct Outage {
    driver: String,
    setup: OutageSetUp,
    nodes: Option<StartNodes>,
}

impl Outage {
    /// On a driver of this name. `host` gives the server, which it starts at the first call; `open` connects to it at an
    /// address, `host:port`, which may be a proxy's.
    pub fn new<H, S, O>(
        driver: impl Into<String>,
        host: impl Fn() -> S + Send + Sync + 'static,
        open: impl Fn(String) -> O + Send + Sync + 'static,
    ) -> Self
    where
        H: Host,
        S: Future<Output = Result<H>> + Send + 'static,
        O: Future<Output = Result<Arc<dyn Persistence>>> + Send + 'static,
    {
        let host: StartHost = Arc::new(move || {
            let host = host();
            Box::pin(async move { Ok(Arc::new(host.await?) as Arc<dyn Host>) })
        });
        let open: Open = Arc::new(move |address| Box::pin(open(address)));
        let driver = driver.into();
        let setup = OutageSetUp { driver: driver.clone(), host, open, turn: Arc::default() };
        Outage { driver, setup, nodes: None }
    }

    /// And on a cluster: `nodes` gives its nodes, which it starts at the first call. What opens the database gets the addresses
    /// of all of them, comma-separated.
    #[must_use]
    pub fn nodes<H, S>(mut self, nodes: impl Fn() -> S + Send + Sync + 'static) -> Self
    where
        H: Host,
        S: Future<Output = Result<Vec<H>>> + Send + 'static,
    {
        self.nodes = Some(Arc::new(move || {
            let nodes = nodes();
            Box::pin(async move {
                Ok(nodes.await?.into_iter().map(|node| Arc::new(node) as Arc<dyn Host>).collect())
            })
        }));
        self
    }
}

/// Runs the suite as a test program; see [`crate::main`].
pub fn main(harness: impl Harness) -> ExitCode {
    crate::trials::one_by_one(harness)
}

#[async_trait]
impl Harness for Outage {
    fn driver(&self) -> &str {
        &self.driver
    }

    async fn info(&self) -> Result<DriverInfo> {
        let host = (self.setup.host)().await?;
        let p = (self.setup.open)(host.address().await?).await?;
        let info = p.info().clone();
        p.close().await?;
        Ok(info)
    }

    fn suites(self: Arc<Self>) -> Vec<Suite> {
        let cases = [cases::cases(), cases::network::cases()].concat();
        let mut suites = vec![Suite::new("outage", cases, self.setup.clone())];
        if let Some(nodes) = self.nodes.clone() {
            let OutageSetUp { driver, open, turn, .. } = self.setup.clone();
            suites.push(Suite::new("nodes", nodes::cases(), NodesSetUp { driver, nodes, open, turn }));
        }
        suites
    }

    fn case_limit(&self) -> Duration {
        CASE_LIMIT
    }

    fn waivers(&self) -> &[Waiver] {
        &[]
    }

    fn injected(&self) -> Injected {
        Injected::default()
    }

    async fn finish(&self) -> Result<()> {
        Ok(())
    }
}
