//! Round trips, counted on the wire: what a driver of a server promises of its hot path.
//!
//! A proxy between the driver and the server sees the bytes. A round trip begins whenever the client speaks after the server
//! spoke, whatever the client's library believes to have sent.

use crate::Server;
use crate::build::history::node;
use crate::build::record::{immediate, items, mutation, snapshot};
use crate::proxy::{Act, Direction, Piece, Proxy, Tap};
use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use persistence_core::store::*;
use persistence_core::*;
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the round trips of all connections of a proxy.
#[derive(Clone, Debug, Default)]
pub struct RoundTrips(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    count: u64,
    last: HashMap<u64, Direction>,
}

impl Tap for RoundTrips {
    fn piece(&self, piece: Piece<'_>) -> Act {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.last.insert(piece.link, piece.direction);
        if piece.direction == Direction::ToServer && before != Some(Direction::ToServer) {
            seen.count += 1;
        }
        Act::Pass
    }
}

impl RoundTrips {
    /// How many something took.
    pub async fn of<T>(&self, done: impl Future<Output = T>) -> (u64, T) {
        let count = || self.0.lock().unwrap_or_else(PoisonError::into_inner).count;
        let before = count();
        let done = done.await;
        (count() - before, done)
    }
}

/// All stores of a new database on a server, with one connection.
pub type Open = fn(server: String) -> BoxFuture<'static, Result<Arc<dyn Persistence>>>;

/// The tests: a transition is one round trip and so is a load, once statements are prepared.
///
/// `url` makes the URL of a server without a database.
pub fn main(server: &'static Server, url: fn(&str, u16) -> String, open: Open) -> ExitCode {
    server.run(move || {
        let trial = Trial::test("one_round_trip_a_transition_and_a_load", move || {
            let runtime = tokio::runtime::Runtime::new()?;
            let counted = runtime.block_on(runtime.spawn(count(server, url, open)));
            // What a panic said is on standard error.
            counted.map_err(|_| Failed::from("it panicked"))
        });
        libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
    })
}

/// How often everything is done before it is counted, and then counted.
const TIMES: usize = 8;

async fn count(server: &'static Server, url: fn(&str, u16) -> String, open: Open) {
    let direct = server.url(url).await.unwrap();
    let (before, host) = direct.rsplit_once('@').expect("a server's URL names a user");
    let trips = RoundTrips::default();
    let proxy = Proxy::start(host, trips.clone()).await.unwrap();
    let stores = open(format!("{before}@127.0.0.1:{}", proxy.port())).await.unwrap();
    let (db, cx, flow) = (stores.executions(), Context::new(), Flow::new());
    let shard = GetOrCreateShard { shard_id: SHARD, initial_range_id: 1, initial_info: Blob::json("{}") };
    stores.shards().get_or_create_shard(&cx, &shard).await.unwrap();
    db.create_execution(&cx, &flow.create()).await.unwrap();
    let load = GetExecution { shard_id: SHARD, run: flow.run() };
    let (mut transitions, mut loads, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for version in (1..).take(2 * TIMES) {
        let update = flow.update(version);
        let (taken, done) = trips.of(db.update_execution(&cx, &update)).await;
        done.unwrap();
        transitions.push(taken);
        let (taken, loaded) = trips.of(db.get_execution(&cx, &load)).await;
        assert_eq!(loaded.unwrap().record_version, version + 1);
        loads.push(taken);
        // The same once more is refused, which may take one more to tell why, and no third.
        let (taken, refused) = trips.of(db.update_execution(&cx, &update)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::WorkflowConditionFailed);
        refusals.push(taken);
    }
    stores.close().await.unwrap();
    let steady = |counts: Vec<u64>| counts.into_iter().skip(TIMES).collect::<Vec<_>>();
    // The bytes do go through the proxy: to prepare a statement takes more.
    assert!(loads[0] > 1, "{loads:?}");
    assert_eq!(steady(transitions), vec![1; TIMES], "transitions");
    assert_eq!(steady(loads), vec![1; TIMES], "loads");
    let refusals = steady(refusals);
    assert!(refusals.iter().all(|n| (1..=2).contains(n)), "refusals: {refusals:?}");
}

const SHARD: ShardId = ShardId(1);

/// A workflow, as an engine has it: state, items, tasks and history.
struct Flow {
    namespace_id: NamespaceId,
    workflow_id: String,
    run_id: RunId,
    branch: BranchToken,
}

impl Flow {
    fn new() -> Self {
        let branch = BranchToken::new_root(TreeId::new(), BranchId::new());
        Flow {
            namespace_id: NamespaceId::new(),
            workflow_id: "workflow".to_owned(),
            run_id: RunId::new(),
            branch,
        }
    }

    fn run(&self) -> RunKey {
        RunKey { namespace_id: self.namespace_id, workflow_id: self.workflow_id.clone(), run_id: self.run_id }
    }

    fn scope(&self) -> ExecutionScope {
        ExecutionScope {
            shard_id: SHARD,
            range_id: 1,
            namespace_id: self.namespace_id,
            workflow_id: self.workflow_id.clone(),
            archetype: Archetype::WORKFLOW,
            attempt: AttemptId::new(),
        }
    }

    fn create(&self) -> CreateExecution {
        let snapshot = snapshot(self.run_id, ExecutionState::Running);
        let history = vec![node(&self.branch, &self.run(), (1, 1, 1, 0))];
        CreateExecution { scope: self.scope(), mode: CreateMode::BrandNew, snapshot, history }
    }

    fn update(&self, expected_version: i64) -> UpdateExecution {
        let mut mutation = mutation(self.run_id, expected_version, ExecutionState::Running);
        mutation.upsert_items = items(2).into_iter().take(2).collect();
        mutation.tasks = vec![immediate(TaskCategory::TRANSFER, 1000 + expected_version)];
        let next = expected_version + 1;
        let history = vec![node(&self.branch, &self.run(), (next, 1, next, expected_version))];
        let mode = UpdateMode::UpdateCurrent;
        UpdateExecution { scope: self.scope(), mode, mutation, new_run: None, history }
    }
}
