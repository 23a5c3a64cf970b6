//! Faults of a cluster's nodes: what a case gets, and the cases.

use super::PATIENCE;
use super::host::Host;
use super::load::{Load, Open};
use crate::CaseResult;
use crate::fixture::Setting;
use crate::harness::{Scene, SetUp};
use async_trait::async_trait;
use futures_util::future::{BoxFuture, try_join_all};
use persistence_core::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Starts the cluster, the first time.
pub(super) type StartNodes = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Arc<dyn Host>>>> + Send + Sync>;

#[derive(Clone)]
pub(super) struct NodesSetUp {
    pub driver: String,
    pub nodes: StartNodes,
    pub open: Open,
    /// One case after the other.
    pub turn: Arc<Mutex<()>>,
}

/// What a case gets: writers under way on a cluster, each of whose nodes keeps its address.
pub struct NodesFixture {
    nodes: Vec<Arc<dyn Host>>,
    load: Load,
    faults: usize,
    _turn: OwnedMutexGuard<()>,
}

#[async_trait]
impl SetUp<NodesFixture> for NodesSetUp {
    async fn set_up(&self, scene: Scene) -> Result<NodesFixture> {
        let turn = self.turn.clone().lock_owned().await;
        let nodes = (self.nodes)().await?;
        let load = Load::new(&self.driver, &self.open, addresses(&nodes).await?, scene.seed).await?;
        Ok(NodesFixture { nodes, load, faults: 0, _turn: turn })
    }
}

async fn addresses(nodes: &[Arc<dyn Host>]) -> Result<String> {
    let all = try_join_all(nodes.iter().map(|n| n.address())).await?;
    Ok(all.join(","))
}

/// How long a node may take to listen again, several on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(180);

/// Waits until a node listens.
async fn listens(node: &dyn Host) -> Result<()> {
    let address = node.address().await?;
    let listening = async {
        while TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(START_LIMIT, listening).await.map_err(|_| Error::timeout("the start of a node"))
}

impl NodesFixture {
    /// These nodes end without a last word.
    async fn kill(&mut self, which: &[usize]) -> Result<()> {
        self.faults += which.len();
        try_join_all(which.iter().map(|&n| self.nodes[n].kill())).await.map(drop)
    }

    /// These nodes begin again.
    async fn start(&mut self, which: &[usize]) -> Result<()> {
        let start = |&n: &usize| {
            let node = self.nodes[n].clone();
            async move {
                node.start().await?;
                listens(&*node).await
            }
        };
        try_join_all(which.iter().map(start)).await.map(drop)
    }

    /// The rest is too few to decide anything.
    async fn stands_still(&mut self) {
        // What was on its way arrives.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let time = self.load.millis(500..2_000);
        assert!(self.load.log.is_still_for(time).await, "a minority of the nodes acknowledges writes");
    }

    /// Sees every writer go on by itself, ends them, and compares what is stored with what they were told.
    async fn verdict(&mut self) -> CaseResult {
        self.load.end().await;
        let faults = format!("{} faults of nodes", self.faults);
        self.load.verdict(addresses(&self.nodes).await?, faults).await
    }
}

#[async_trait]
impl Setting for NodesFixture {
    async fn tear_down(&mut self) -> CaseResult {
        self.load.abort().await;
        for node in &self.nodes {
            // It may be paused or dead.
            let _ = (node.resume().await, node.start().await);
        }
        for node in &self.nodes {
            listens(&**node).await?;
        }
        self.load.close().await;
        Ok(())
    }
}

crate::cases! {
    fixture: NodesFixture;
    group: "cluster";

    /// A node is killed and comes back, and another one stands still at once and goes on, until each was both: no
    /// acknowledged write is lost, none is applied twice, every outcome is as it was reported, and all writers go on while
    /// a node is missing.
    #[covers("P13")]
    async fn a_node_is_killed_and_another_stands_still(t) {
        t.load.begin(PATIENCE, false);
        for n in 0..t.nodes.len() {
            t.load.progress(20..200).await;
            t.kill(&[n]).await?;
            t.load.progress_of_each().await;
            t.start(&[n]).await?;
            let other = (n + 1) % t.nodes.len();
            t.nodes[other].pause().await?;
            t.faults += 1;
            t.load.progress_of_each().await;
            t.nodes[other].resume().await?;
        }
        t.verdict().await?;
    }

    /// The same where nodes end in order, one after the other, as in an upgrade.
    #[covers("P13")]
    async fn nodes_are_restarted_in_turn(t) {
        t.load.begin(PATIENCE, true);
        for n in 0..t.nodes.len() {
            t.load.progress(20..200).await;
            t.nodes[n].stop().await?;
            t.faults += 1;
            t.load.progress_of_each().await;
            t.start(&[n]).await?;
        }
        t.verdict().await?;
    }

    /// The same where most nodes are killed: nothing is acknowledged until they come back.
    #[covers("P13")]
    async fn most_nodes_are_killed(t) {
        t.load.begin(PATIENCE, false);
        t.load.progress(20..200).await;
        let most: Vec<usize> = (0..=t.nodes.len() / 2).collect();
        t.kill(&most).await?;
        t.stands_still().await;
        t.start(&most).await?;
        t.verdict().await?;
    }

    /// The same where all nodes are killed at once.
    #[covers("P13")]
    async fn all_nodes_are_killed(t) {
        t.load.begin(PATIENCE, true);
        t.load.progress(20..200).await;
        let all: Vec<usize> = (0..t.nodes.len()).collect();
        t.kill(&all).await?;
        t.stands_still().await;
        t.start(&all).await?;
        t.verdict().await?;
    }
}
