//! A small engine: it acquires a shard, commits transitions, is fenced out by a second owner, and goes on.
//!
//! `cargo run -p persistence --example engine_loop [URL]`, with `fjall:./data`, `memory:` or any other URL.

use persistence::store::{
    CreateExecution, CreateMode, ExecutionScope, ExecutionState, ExecutionStatus, GetExecution,
    GetOrCreateShard, HistoryTask, Mutation, NodeHeader, NodeWrite, RunKey, RunRecord, Snapshot,
    TaskCategory, TaskKey, UpdateExecution, UpdateMode, UpdateShard,
};
use persistence::{
    Archetype, AttemptId, Blob, BranchId, BranchToken, Context, ErrorKind, NamespaceId, Persistence, RangeId,
    Result, RunId, ShardId, Timestamp, TreeId,
};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

const SHARD: ShardId = ShardId(1);

/// One owner of the shard. Whatever it writes names its range id: once another owner took a larger one, nothing that
/// this one has still under way can do harm.
struct Engine<'a> {
    name: &'static str,
    db: &'a dyn Persistence,
    cx: Context,
    range_id: RangeId,
    /// Transactions and tasks of a shard get ids that grow from owner to owner.
    next_id: i64,
}

/// A run as an engine has it in memory.
struct Run {
    key: RunKey,
    record: RunRecord,
    version: i64,
    info: Info,
}

/// What the engine keeps in the run's record for itself; the stores never look into it.
#[derive(Clone, Serialize, Deserialize)]
struct Info {
    branch: BranchToken,
    last_transaction: i64,
}

impl Info {
    fn blob(&self) -> Blob {
        Blob::json(serde_json::to_vec(self).expect("plain data"))
    }
}

impl<'a> Engine<'a> {
    async fn acquire(name: &'static str, db: &'a dyn Persistence) -> Result<Self> {
        let cx = Context::new().with_caller(name);
        let info = Blob::json(format!("{{\"owner\":\"{name}\"}}"));
        let get = GetOrCreateShard { shard_id: SHARD, initial_range_id: 0, initial_info: info.clone() };
        let previous_range_id = db.shards().get_or_create_shard(&cx, &get).await?.range_id;
        let range_id = previous_range_id + 1;
        let attempt = AttemptId::new();
        let update = UpdateShard { shard_id: SHARD, previous_range_id, range_id, info, attempt };
        db.shards().update_shard(&cx, &update).await?;
        println!("{name}: owns {SHARD} with range id {range_id}");
        Ok(Engine { name, db, cx, range_id, next_id: range_id << 24 })
    }

    fn id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    fn scope(&self, run: &RunKey) -> ExecutionScope {
        ExecutionScope {
            shard_id: SHARD,
            range_id: self.range_id,
            namespace_id: run.namespace_id,
            workflow_id: run.workflow_id.clone(),
            archetype: Archetype::WORKFLOW,
            attempt: AttemptId::new(),
        }
    }

    /// A node of the run's history, after the last one.
    fn node(&mut self, run: &Run, event: &str) -> NodeWrite {
        let header = NodeHeader {
            first_event_id: run.record.next_event_id,
            event_count: 1,
            transaction_id: self.id(),
            previous_transaction_id: run.info.last_transaction,
        };
        let events = Blob::json(format!("[\"{event}\"]")).with_checksum();
        NodeWrite { branch: run.info.branch.clone(), owner: run.key.clone(), header, events }
    }

    /// Starts a workflow: current record, mutable state, history and first task, all at once.
    async fn start(&mut self, workflow_id: &str) -> Result<Run> {
        let run_id = RunId::new();
        let branch = BranchToken::new_root(TreeId(run_id.0), BranchId::new());
        let mut run = Run {
            key: RunKey { namespace_id: NamespaceId::new(), workflow_id: workflow_id.to_owned(), run_id },
            record: RunRecord {
                state: ExecutionState::Running,
                status: ExecutionStatus::Running,
                next_event_id: 1,
                last_write_version: 1,
                start_time: Timestamp::from(SystemTime::now()),
                create_request_id: AttemptId::new().to_string(),
                info: Blob::json("{}"),
                execution_state: Blob::json("{}"),
            },
            version: 1,
            info: Info { branch, last_transaction: 0 },
        };
        let node = self.node(&run, "started");
        run.info.last_transaction = node.header.transaction_id;
        run.record.info = run.info.blob();
        run.record.next_event_id += 1;
        let task = HistoryTask {
            category: TaskCategory::TRANSFER,
            key: TaskKey::immediate(self.id()),
            payload: Blob::json(format!("{{\"dispatch\":\"{workflow_id}\"}}")),
        };
        let create = CreateExecution {
            scope: self.scope(&run.key),
            mode: CreateMode::BrandNew,
            snapshot: Snapshot {
                run_id,
                record: run.record.clone(),
                record_version: run.version,
                items: Vec::new(),
                tasks: vec![task],
            },
            history: vec![node],
        };
        self.db.executions().create_execution(&self.cx, &create).await?;
        println!("{}: started {workflow_id}", self.name);
        Ok(run)
    }

    /// Commits one transition. The run in memory changes only if the database's did.
    async fn transition(&mut self, run: &mut Run, event: &str) -> Result<()> {
        let node = self.node(run, event);
        let info = Info { last_transaction: node.header.transaction_id, ..run.info.clone() };
        let next_event_id = run.record.next_event_id + 1;
        let record = RunRecord { next_event_id, info: info.blob(), ..run.record.clone() };
        let update = UpdateExecution {
            scope: self.scope(&run.key),
            mode: UpdateMode::UpdateCurrent,
            mutation: Mutation {
                run_id: run.key.run_id,
                record: record.clone(),
                expected_version: run.version,
                upsert_items: Vec::new(),
                delete_items: Vec::new(),
                clear_buffered_events: false,
                buffered_events: None,
                tasks: Vec::new(),
            },
            new_run: None,
            history: vec![node],
        };
        self.db.executions().update_execution(&self.cx, &update).await?;
        (run.record, run.info) = (record, info);
        run.version += 1;
        println!("{}: committed {event}, version {}", self.name, run.version);
        Ok(())
    }

    /// A run as the database has it, for an owner that has nothing in memory.
    async fn load(&self, key: RunKey) -> Result<Run> {
        let get = GetExecution { shard_id: SHARD, run: key.clone() };
        let stored = self.db.executions().get_execution(&self.cx, &get).await?;
        let info = serde_json::from_slice(&stored.record.info.data).expect("an engine wrote this");
        println!("{}: loaded version {}", self.name, stored.record_version);
        Ok(Run { key, record: stored.record, version: stored.record_version, info })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let db = persistence::connect(&url).await?;

    let mut first = Engine::acquire("first", db.as_ref()).await?;
    let mut run = first.start(&format!("order-{}", RunId::new())).await?;
    first.transition(&mut run, "payment received").await?;

    // Another process takes the shard over, because this one seemed dead.
    let mut second = Engine::acquire("second", db.as_ref()).await?;
    match first.transition(&mut run, "shipped twice").await {
        Err(e) if e.kind() == ErrorKind::ShardOwnershipLost => println!("first: fenced out: {e}"),
        other => panic!("the first owner must be fenced out, got {other:?}"),
    }

    let mut run = second.load(run.key).await?;
    second.transition(&mut run, "shipped once").await?;
    db.close().await
}
