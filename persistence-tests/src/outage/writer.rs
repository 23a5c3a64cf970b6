//! A writer: one run in a shard of its own, one transition after the other, each of which names its writer everywhere.

use super::log::{Claim, Listener, Word};
use crate::build::history::node;
use persistence_core::store::*;
use persistence_core::{
    Archetype, AttemptId, Blob, BranchId, BranchToken, Context, Error, ErrorKind, NamespaceId, Outcome,
    Persistence, RangeId, Result, RunId, ShardId, Timestamp, TreeId,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The range id of every shard of a load: nobody takes it over.
const RANGE: RangeId = 1;

/// The item that every transition replaces.
const LATEST: &str = "latest";

/// Between two tries of something that fails at once.
const PAUSE: Duration = Duration::from_millis(20);

/// Which run of which shard: everything follows from the shard and the namespace, so that whoever comes after a crash finds it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub shard: i32,
    pub namespace: Uuid,
}

/// What every transition leaves in the record, in an item, in a task and in a history node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
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
    pub(super) fn shard_id(&self) -> ShardId {
        ShardId(self.shard)
    }

    fn id(&self, kind: u128) -> Uuid {
        let shard = u128::from(self.shard.unsigned_abs());
        Uuid::from_u128(self.namespace.as_u128() ^ (shard << 8) ^ kind)
    }

    pub(super) fn run(&self) -> RunKey {
        RunKey {
            namespace_id: NamespaceId(self.namespace),
            workflow_id: format!("outage-{}", self.shard),
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
        let mark = Mark { attempt: 0, version: 1 };
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
        let mark = Mark { attempt, version: expected_version + 1 };
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
        let torn =
            |what: &str| Err(Error::corrupted("run", format!("{what} and record are of two versions")));
        if state.record_version != mark.version {
            return torn("version");
        }
        match &state.items[..] {
            [item] if Mark::of(&item.value)? == mark => Ok(mark),
            _ => torn("item"),
        }
    }
}

/// What a writer may do.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    /// The deadline of its calls.
    pub patience: Duration,
    /// One call in so many has a deadline that is much shorter; never if 0.
    pub hasty: u32,
    pub seed: u64,
    /// The number of its first attempt, above all that were before.
    pub first_attempt: i64,
}

pub(super) struct Writer {
    pub p: Arc<dyn Persistence>,
    pub place: Place,
    pub manners: Manners,
    pub listener: Arc<dyn Listener>,
    pub stop: CancellationToken,
}

/// What a writer believes.
struct Belief {
    stored: Mark,
    /// Attempts at the next version of which the store said that they may have been applied.
    suspects: Vec<i64>,
}

impl Writer {
    fn wrong(&self, what: impl std::fmt::Display) {
        self.listener.hear(Word::Wrong(format!("shard {}: {what}", self.place.shard)));
    }

    fn failed(&self, what: &str, e: &Error) {
        let outcome = match e.outcome() {
            Outcome::NotApplied => "",
            Outcome::MaybeApplied => "?",
        };
        self.listener.hear(Word::Failed(format!("{what}: {}{outcome}", e.kind().name())));
    }

    /// Makes transitions until it is told to stop.
    pub(super) async fn run(self) {
        let mut rng =
            fastrand::Rng::with_seed(self.manners.seed ^ u64::from(self.place.shard.unsigned_abs()));
        let Some(stored) = self.look().await else { return };
        let mut belief = Belief { stored, suspects: Vec::new() };
        let mut attempt = self.manners.first_attempt;
        while !self.stop.is_cancelled() {
            let patience = match self.manners.hasty {
                0 => self.manners.patience,
                n if rng.u32(..n) > 0 => self.manners.patience,
                _ => Duration::from_millis(rng.u64(1..40)),
            };
            let certain = self.once(&mut belief, attempt, patience).await;
            attempt += 1;
            // Now and then also when it is certain.
            if (!certain || attempt % 16 == 0) && !self.believe(&mut belief).await {
                return;
            }
        }
    }

    /// One transition. False if what is stored must be looked at.
    async fn once(&self, belief: &mut Belief, attempt: i64, patience: Duration) -> bool {
        let Mark { attempt: previous, version: expected } = belief.stored;
        let request = self.place.transition(expected, attempt, previous);
        let cx = Context::new().with_timeout(patience).with_caller("outage");
        let result = self.p.executions().update_execution(&cx, &request).await;
        let claim = match &result {
            Ok(()) => Claim::Applied,
            Err(e) if e.outcome() == Outcome::NotApplied => Claim::NotApplied,
            Err(_) => Claim::Maybe,
        };
        self.listener.hear(Word::Said { shard: self.place.shard, attempt, expected, claim });
        let Err(e) = result else {
            *belief = Belief { stored: Mark { attempt, version: expected + 1 }, suspects: Vec::new() };
            return true;
        };
        self.failed("write", &e);
        if claim == Claim::Maybe {
            belief.suspects.push(attempt);
        }
        match e.kind() {
            // Nobody else writes here: only an earlier attempt of ours can have come before.
            ErrorKind::WorkflowConditionFailed if !belief.suspects.is_empty() => return false,
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::ResourceExhausted => {}
            _ => {
                self.wrong(format!("attempt {attempt} at version {expected} ended with: {e}"));
                return false;
            }
        }
        tokio::time::sleep(PAUSE).await;
        claim == Claim::NotApplied
    }

    /// What is stored; none if that cannot be found out before the end.
    async fn look(&self) -> Option<Mark> {
        loop {
            let cx = Context::new().with_timeout(self.manners.patience).with_caller("outage");
            match self.place.load(&*self.p, &cx).await {
                Ok(mark) => return Some(mark),
                Err(e) if e.is_retryable() => self.failed("read", &e),
                Err(e) => {
                    self.wrong(format!("reading ended with: {e}"));
                    return None;
                }
            }
            if self.stop.is_cancelled() {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Looks whether what is stored is what it should be. False if there is no going on.
    async fn believe(&self, belief: &mut Belief) -> bool {
        let Some(found) = self.look().await else { return false };
        if found == belief.stored {
            return true;
        }
        let late = found.version == belief.stored.version + 1 && belief.suspects.contains(&found.attempt);
        if !late {
            let Belief { stored, suspects } = &belief;
            self.wrong(format!(
                "{found:?} is stored, where {stored:?} was, perhaps followed by {suspects:?}"
            ));
        }
        *belief = Belief { stored: found, suspects: Vec::new() };
        late
    }
}
