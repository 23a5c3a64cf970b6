//! What an engine does all day: transitions of running workflows.

use super::groups::Grouping;
use super::measure::{Measured, Payloads, Worker, measure};
use crate::ids::{self, NAMESPACE};
use crate::replay::owner::{Ids, Owners};
use anyhow::{Context as _, Result};
use persistence::store::{
    ApplyPlans, CreateExecution, CreateMode, ExecutionScope, ExecutionState, ExecutionStatus, HistoryTask,
    Item, ItemKey, Mutation, NodeHeader, NodeWrite, RunKey, RunRecord, Snapshot, TaskCategory, TaskKey,
    UpdateExecution, UpdateMode,
};
use persistence::{Archetype, AttemptId, Blob, BranchToken, Context, Persistence, RunId, ShardId, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The bytes of a transition: mutable state, a batch of events, an activity, a transfer and a timer task.
pub(super) const STATE: usize = 1024;
pub(super) const EVENTS: usize = 500;
pub(super) const ACTIVITY: usize = 350;
pub(super) const TRANSFER: usize = 200;
pub(super) const TIMER: usize = 100;
pub(crate) const TRANSITION_BYTES: usize = STATE + EVENTS + ACTIVITY + TRANSFER + TIMER;

/// Ids that a transition needs: its transaction and two tasks.
const IDS: usize = 3;

/// The engine: its shards, and a running workflow for each writer.
pub(crate) struct Engine {
    db: Arc<dyn Persistence>,
    owners: Arc<Owners>,
    shards: u16,
    payloads: Payloads,
    workflows: Vec<Workflow>,
    groups: HashMap<(Grouping, u16), Vec<Group>>,
}

/// Running workflows of one shard, all of whose transitions are applied with one call.
struct Group(Vec<Workflow>);

/// A running workflow, as an engine has it in memory.
pub(crate) struct Workflow {
    db: Arc<dyn Persistence>,
    owners: Arc<Owners>,
    cx: Context,
    shard_id: ShardId,
    key: RunKey,
    branch: BranchToken,
    start_time: Timestamp,
    payloads: Payloads,
    version: i64,
    next_event_id: i64,
    last_transaction: i64,
}

impl Engine {
    pub(crate) fn new(db: Arc<dyn Persistence>, shards: u16) -> Self {
        let owners = Arc::new(Owners::new(db.clone(), shards));
        Engine {
            db,
            owners,
            shards,
            payloads: Payloads::new(0),
            workflows: Vec::new(),
            groups: HashMap::new(),
        }
    }

    /// Lets this many workflows make transitions, one after the other in each, for a while.
    pub(crate) async fn measure(&mut self, writers: u16, time: Duration) -> Result<Measured> {
        let writers = usize::from(writers);
        while self.workflows.len() < writers {
            let index = self.workflows.len();
            let workflow = self.start(index, index).await.context("starting a workflow")?;
            self.workflows.push(workflow);
        }
        let (measured, workers) = measure(self.workflows.drain(..writers).collect(), time).await?;
        self.workflows.splice(0..0, workers);
        Ok(measured)
    }

    /// Lets as many workflows make transitions at once, grouped like this; none if they are too few for it.
    pub(crate) async fn measure_groups(
        &mut self,
        writers: u16,
        grouping: Grouping,
        time: Duration,
    ) -> Result<Option<Measured>> {
        let key = (grouping, writers);
        let groups = match self.groups.remove(&key) {
            Some(groups) => groups,
            None => self.start_groups(&grouping.calls(writers, self.shards)).await?,
        };
        if groups.is_empty() {
            return Ok(None);
        }
        let (measured, groups) = measure(groups, time).await?;
        self.groups.insert(key, groups);
        Ok(Some(measured))
    }

    async fn start_groups(&self, calls: &[(usize, usize)]) -> Result<Vec<Group>> {
        let (mut groups, mut seed) = (Vec::with_capacity(calls.len()), usize::from(u16::MAX));
        for &(shard, size) in calls {
            let mut group = Vec::with_capacity(size);
            for _ in 0..size {
                seed += 1;
                group.push(self.start(shard, seed).await.context("starting a workflow")?);
            }
            groups.push(Group(group));
        }
        Ok(groups)
    }

    async fn start(&self, shard: usize, seed: usize) -> Result<Workflow> {
        let seed = u64::try_from(seed)? + 1;
        let run_id = RunId::new();
        let workflow_id = format!("bench-{run_id}");
        let mut workflow = Workflow {
            db: self.db.clone(),
            owners: self.owners.clone(),
            cx: Context::new().with_caller("persist bench"),
            shard_id: ShardId(i32::try_from(shard % usize::from(self.shards))? + 1),
            branch: ids::branch(&workflow_id, run_id),
            key: RunKey { namespace_id: NAMESPACE, workflow_id, run_id },
            start_time: Timestamp::from(SystemTime::now()),
            payloads: self.payloads.with_seed(seed),
            version: 0,
            next_event_id: 1,
            last_transaction: 0,
        };
        workflow.create().await?;
        Ok(workflow)
    }
}

impl Workflow {
    async fn ids(&self) -> Result<Ids> {
        let owner = self.owners.get(&self.cx, self.shard_id).await.context("acquiring a shard")?;
        owner.take(&self.cx, IDS).await.context("ids of a shard")
    }

    fn scope(&self, ids: Ids) -> ExecutionScope {
        ExecutionScope {
            shard_id: self.shard_id,
            range_id: ids.range_id,
            namespace_id: self.key.namespace_id,
            workflow_id: self.key.workflow_id.clone(),
            archetype: Archetype::WORKFLOW,
            attempt: AttemptId::new(),
        }
    }

    /// The record after one more event.
    fn record(&mut self) -> RunRecord {
        RunRecord {
            state: ExecutionState::Running,
            status: ExecutionStatus::Running,
            next_event_id: self.next_event_id + 1,
            last_write_version: 1,
            start_time: self.start_time,
            create_request_id: ids::create_request_id(self.key.run_id),
            info: self.payloads.next(STATE),
            execution_state: Blob::default(),
        }
    }

    fn node(&mut self, ids: Ids) -> NodeWrite {
        NodeWrite {
            branch: self.branch.clone(),
            owner: self.key.clone(),
            header: NodeHeader {
                first_event_id: self.next_event_id,
                event_count: 1,
                transaction_id: ids.first,
                previous_transaction_id: self.last_transaction,
            },
            events: self.payloads.next(EVENTS),
        }
    }

    fn tasks(&mut self, ids: Ids) -> Vec<HistoryTask> {
        let fire_time = Timestamp::from(SystemTime::now() + Duration::from_secs(60));
        let task = |category, key, payload| HistoryTask { category, key, payload };
        vec![
            task(TaskCategory::TRANSFER, TaskKey::immediate(ids.first + 1), self.payloads.next(TRANSFER)),
            task(
                TaskCategory::TIMER,
                TaskKey::scheduled(fire_time, ids.first + 2),
                self.payloads.next(TIMER),
            ),
        ]
    }

    async fn create(&mut self) -> Result<()> {
        let ids = self.ids().await?;
        let create = CreateExecution {
            scope: self.scope(ids),
            mode: CreateMode::BrandNew,
            snapshot: Snapshot {
                run_id: self.key.run_id,
                record: self.record(),
                record_version: 1,
                items: Vec::new(),
                tasks: self.tasks(ids),
            },
            history: vec![self.node(ids)],
        };
        self.db.executions().create_execution(&self.cx, &create).await?;
        self.committed(ids);
        Ok(())
    }

    fn committed(&mut self, ids: Ids) {
        self.version += 1;
        self.next_event_id += 1;
        self.last_transaction = ids.first;
    }
}

impl Workflow {
    /// The next transition.
    async fn update(&mut self) -> Result<(Ids, UpdateExecution)> {
        let ids = self.ids().await?;
        let update = UpdateExecution {
            scope: self.scope(ids),
            mode: UpdateMode::UpdateCurrent,
            mutation: Mutation {
                run_id: self.key.run_id,
                record: self.record(),
                expected_version: self.version,
                // One of a few that are pending, as activities come and go.
                upsert_items: vec![Item {
                    key: ItemKey::Activity(self.next_event_id % 4),
                    value: self.payloads.next(ACTIVITY),
                }],
                delete_items: Vec::new(),
                clear_buffered_events: false,
                buffered_events: None,
                tasks: self.tasks(ids),
            },
            new_run: None,
            history: vec![self.node(ids)],
        };
        Ok((ids, update))
    }
}

impl Worker for Workflow {
    async fn step(&mut self) -> Result<u64> {
        let (ids, update) = self.update().await?;
        self.db.executions().update_execution(&self.cx, &update).await.context("a transition")?;
        self.committed(ids);
        Ok(1)
    }
}

impl Worker for Group {
    async fn step(&mut self) -> Result<u64> {
        let (mut given, mut plans) = (Vec::with_capacity(self.0.len()), Vec::with_capacity(self.0.len()));
        for workflow in &mut self.0 {
            let (ids, update) = workflow.update().await?;
            given.push(ids);
            plans.push(update.lower()?);
        }
        let Some(first) = self.0.first() else { return Ok(0) };
        let apply = ApplyPlans { shard_id: first.shard_id, plans };
        let outcomes = first.db.executions().apply(&first.cx, &apply).await.context("a group")?;
        for ((workflow, ids), outcome) in self.0.iter_mut().zip(given).zip(outcomes) {
            outcome.context("a transition of a group")?;
            workflow.committed(ids);
        }
        Ok(self.0.len() as u64)
    }
}
