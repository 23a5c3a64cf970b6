//! The runs of a load, and what every transition leaves of itself.

use crate::build::history::node;
use persistence_core::store::*;
use persistence_core::{
    Archetype, AttemptId, Blob, BranchId, BranchToken, Context, Error, NamespaceId, Persistence, RangeId,
    Result, RunId, ShardId, Timestamp, TreeId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use uuid::Uuid;

/// How many shards there are, each with a writer; some have two.
const SHARDS: i32 = 16;

/// The range id of every shard of a load: nobody takes it over.
const RANGE: RangeId = 1;

/// The item that every transition replaces.
const LATEST: &str = "latest";

/// How many runs of a shard have numbers of their own; the last two are its task queue's, the one before its ledger's.
pub(super) const LANES: i32 = 8;

/// The first number of an attempt; those below made the runs.
pub(super) const FIRST_ATTEMPT: i64 = LANES as i64;

/// Above the number of every attempt of a writer.
pub(super) const LAST_ATTEMPT: i64 = 1 << 36;

/// The runs of sixteen shards, of which no other case of this process has one.
pub(super) fn places() -> Vec<Place> {
    static NEXT: AtomicI32 = AtomicI32::new(1);
    let (first, namespace) = (NEXT.fetch_add(SHARDS, Relaxed), uuid::Uuid::new_v4());
    (first..first + SHARDS).flat_map(|shard| Place::of_shard(shard, namespace)).collect()
}

/// One run of each shard of these.
pub(super) fn one_of_each_shard(places: &[Place]) -> impl Iterator<Item = &Place> {
    let mut seen = BTreeSet::new();
    places.iter().filter(move |p| seen.insert(p.shard()))
}

/// Which run: everything follows from its number and the namespace, so that whoever comes after a crash finds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Of the run, among all runs of a case.
    pub number: i32,
    pub namespace: Uuid,
}

/// What every transition leaves in the record, in an item, in a task and in a history node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub run: i32,
    pub attempt: i64,
    pub version: i64,
}

impl Mark {
    pub(super) fn blob(self) -> Blob {
        Blob::json(serde_json::to_vec(&self).unwrap()).with_checksum()
    }

    pub(super) fn of(blob: &Blob) -> Result<Self> {
        serde_json::from_slice(&blob.data).map_err(|e| Error::corrupted("mark", e.to_string()))
    }
}

impl Place {
    /// The runs of a shard.
    pub(super) fn of_shard(shard: i32, namespace: Uuid) -> impl Iterator<Item = Place> {
        let lanes = if shard % 4 == 3 { 4 } else { 1 };
        (0..lanes).map(move |lane| Place { number: shard * LANES + lane, namespace })
    }

    pub(super) fn shard(&self) -> i32 {
        self.number / LANES
    }

    /// How many writers it has.
    pub(super) fn writers(&self) -> usize {
        if self.shard() % 4 == 2 { 2 } else { 1 }
    }

    pub(super) fn shard_id(&self) -> ShardId {
        ShardId(self.shard())
    }

    fn id(&self, kind: u128) -> Uuid {
        let number = u128::from(self.number.unsigned_abs());
        Uuid::from_u128(self.namespace.as_u128() ^ (number << 8) ^ kind)
    }

    pub(super) fn run(&self) -> RunKey {
        RunKey {
            namespace_id: NamespaceId(self.namespace),
            workflow_id: format!("outage-{}", self.number),
            run_id: RunId(self.id(1)),
        }
    }

    pub(super) fn branch(&self) -> BranchToken {
        BranchToken::new_root(TreeId(self.id(2)), BranchId(self.id(3)))
    }

    fn scope(&self) -> ExecutionScope {
        ExecutionScope {
            shard_id: self.shard_id(),
            range_id: RANGE,
            namespace_id: NamespaceId(self.namespace),
            workflow_id: self.run().workflow_id,
            archetype: Archetype::WORKFLOW,
            attempt: AttemptId::new(),
        }
    }

    fn record(&self, mark: Mark) -> RunRecord {
        RunRecord {
            state: ExecutionState::Running,
            status: ExecutionStatus::Running,
            next_event_id: mark.version + 1,
            last_write_version: 1,
            start_time: Timestamp(0),
            create_request_id: "create".to_owned(),
            info: mark.blob(),
            execution_state: Blob::json("{}"),
        }
    }

    fn item(&self, mark: Mark) -> Item {
        Item { key: ItemKey::Timer(LATEST.to_owned()), value: mark.blob() }
    }

    fn task(&self, mark: Mark) -> HistoryTask {
        let key = TaskKey::immediate(mark.attempt);
        HistoryTask { category: TaskCategory::TRANSFER, key, payload: mark.blob() }
    }

    /// The node of the event that this transition writes; transaction ids are positive.
    fn node(&self, mark: Mark, previous: Option<i64>) -> NodeWrite {
        let previous = previous.map_or(0, |attempt| attempt + 1);
        let mut write = node(&self.branch(), &self.run(), (mark.version, 1, mark.attempt + 1, previous));
        write.events = mark.blob();
        write
    }

    /// Makes shard and run, at version 1.
    pub(super) async fn create(&self, p: &dyn Persistence) -> Result<()> {
        let cx = Context::new();
        let mark = Mark { run: self.number, attempt: i64::from(self.number % LANES), version: 1 };
        p.shards().get_or_create_shard(&cx, &crate::build::execution::shard(self.shard_id(), RANGE)).await?;
        let snapshot = Snapshot {
            run_id: self.run().run_id,
            record: self.record(mark),
            record_version: mark.version,
            items: vec![self.item(mark)],
            tasks: vec![self.task(mark)],
        };
        let history = vec![self.node(mark, None)];
        let create = CreateExecution { scope: self.scope(), mode: CreateMode::BrandNew, snapshot, history };
        p.executions().create_execution(&cx, &create).await
    }

    pub(super) fn transition(&self, expected_version: i64, attempt: i64, previous: i64) -> UpdateExecution {
        let mark = Mark { run: self.number, attempt, version: expected_version + 1 };
        UpdateExecution {
            scope: self.scope(),
            mode: UpdateMode::UpdateCurrent,
            mutation: Mutation {
                run_id: self.run().run_id,
                record: self.record(mark),
                expected_version,
                upsert_items: vec![self.item(mark)],
                delete_items: Vec::new(),
                clear_buffered_events: false,
                buffered_events: None,
                tasks: vec![self.task(mark)],
            },
            new_run: None,
            history: vec![self.node(mark, Some(previous))],
        }
    }

    /// The run as it is stored. Its parts must be of one transition.
    pub(super) async fn load(&self, p: &dyn Persistence, cx: &Context) -> Result<Mark> {
        let request = GetExecution { shard_id: self.shard_id(), run: self.run() };
        let state = p.executions().get_execution(cx, &request).await?;
        let mark = Mark::of(&state.record.info)?;
        match &state.items[..] {
            [item] if state.record_version == mark.version && Mark::of(&item.value)? == mark => Ok(mark),
            _ => Err(torn("run")),
        }
    }
}

/// Of something whose parts are not of one write.
pub(super) fn torn(what: &str) -> Error {
    Error::corrupted(what, "its parts are of two versions")
}
