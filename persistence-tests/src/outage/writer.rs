//! A writer: one transition of its runs after the other, each of which names its attempt everywhere. Most writers have a run in
//! a shard of their own; some have four and change those that they like in one call; and some share theirs with a rival.

use super::log::{Claim, Listener, Word};
use crate::build::history::node;
use persistence_core::store::*;
use persistence_core::{
    Archetype, AttemptId, Blob, BranchId, BranchToken, Context, Error, ErrorKind, NamespaceId, Outcome,
    Persistence, RangeId, Result, RunId, ShardId, Timestamp, TreeId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The range id of every shard of a load: nobody takes it over.
const RANGE: RangeId = 1;

/// The item that every transition replaces.
const LATEST: &str = "latest";

/// Between two tries of something that fails at once.
const PAUSE: Duration = Duration::from_millis(20);

/// How many runs of a writer have numbers of their own.
const LANES: i32 = 8;

/// The first number of an attempt; those below made the runs.
pub(super) const FIRST_ATTEMPT: i64 = LANES as i64;

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
    p: Arc<dyn Persistence>,
    /// Its runs, all of one shard.
    places: Vec<Place>,
    manners: Manners,
    /// The next attempt at something in the shard.
    attempts: Arc<AtomicI64>,
    listener: Arc<dyn Listener>,
    stop: CancellationToken,
}

/// What a writer believes of a run.
struct Belief {
    place: Place,
    stored: Mark,
    /// Attempts at the next version of which the store said that they may have been applied.
    suspects: Vec<i64>,
}

/// The writers of these runs.
pub(super) fn crew(
    p: &Arc<dyn Persistence>,
    places: &[Place],
    manners: &Manners,
    listener: &Arc<dyn Listener>,
    stop: &CancellationToken,
) -> Vec<Writer> {
    let mut shards: BTreeMap<i32, Vec<Place>> = BTreeMap::new();
    for place in places {
        shards.entry(place.shard()).or_default().push(*place);
    }
    let mut crew = Vec::new();
    for (shard, places) in shards {
        let attempts = Arc::new(AtomicI64::new(manners.first_attempt));
        for n in 0..places[0].writers() {
            let seed = manners.seed ^ u64::from(shard.unsigned_abs()) ^ ((n as u64) << 32);
            crew.push(Writer {
                p: p.clone(),
                places: places.clone(),
                manners: Manners { seed, ..manners.clone() },
                attempts: attempts.clone(),
                listener: listener.clone(),
                stop: stop.clone(),
            });
        }
    }
    crew
}

impl Writer {
    fn wrong(&self, place: &Place, what: impl std::fmt::Display) {
        self.listener.hear(Word::Wrong(format!("run {}: {what}", place.number)));
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
        let mut rng = fastrand::Rng::with_seed(self.manners.seed);
        let mut beliefs = Vec::new();
        for place in &self.places {
            let Some(stored) = self.look(place).await else { return };
            beliefs.push(Belief { place: *place, stored, suspects: Vec::new() });
        }
        while !self.stop.is_cancelled() {
            let patience = match self.manners.hasty {
                0 => self.manners.patience,
                n if rng.u32(..n) > 0 => self.manners.patience,
                _ => Duration::from_millis(rng.u64(1..40)),
            };
            // Some of its runs, at least one.
            let few = rng.usize(1..=beliefs.len());
            rng.shuffle(&mut beliefs);
            let certain = self.once(&mut beliefs[..few], patience).await;
            // Now and then also when it is certain.
            let curious = rng.u8(..16) == 0;
            for (belief, certain) in beliefs.iter_mut().zip(certain) {
                if (!certain || curious) && !self.believe(belief).await {
                    return;
                }
            }
        }
    }

    /// One transition of each of these runs, in one call. False where what is stored must be looked at.
    async fn once(&self, beliefs: &mut [Belief], patience: Duration) -> Vec<bool> {
        let cx = Context::new().with_timeout(patience).with_caller("outage");
        let attempt = |_: &Belief| self.attempts.fetch_add(1, Relaxed);
        let attempts: Vec<i64> = beliefs.iter().map(attempt).collect();
        let requests = beliefs.iter().zip(&attempts);
        let mut requests =
            requests.map(|(b, attempt)| b.place.transition(b.stored.version, *attempt, b.stored.attempt));
        let executions = self.p.executions();
        let results = match beliefs {
            [_] => vec![executions.update_execution(&cx, &requests.next().unwrap()).await],
            _ => {
                let plans = requests.map(|r| r.lower().unwrap()).collect();
                let apply = ApplyPlans { shard_id: self.places[0].shard_id(), plans };
                match executions.apply(&cx, &apply).await {
                    Ok(results) => results,
                    Err(e) => vec![Err(e); attempts.len()],
                }
            }
        };
        assert_eq!(results.len(), attempts.len(), "outcomes of plans");
        let failed = results.iter().any(Result::is_err);
        let judged = beliefs.iter_mut().zip(attempts).zip(results);
        let certain = judged.map(|((belief, attempt), result)| self.judge(belief, attempt, result)).collect();
        if failed {
            tokio::time::sleep(PAUSE).await;
        }
        certain
    }

    /// Takes down what became of an attempt. False if what is stored must be looked at.
    fn judge(&self, belief: &mut Belief, attempt: i64, result: Result<()>) -> bool {
        let (run, expected) = (belief.place.number, belief.stored.version);
        let claim = match &result {
            Ok(()) => Claim::Applied,
            Err(e) if e.outcome() == Outcome::NotApplied => Claim::NotApplied,
            Err(_) => Claim::Maybe,
        };
        self.listener.hear(Word::Said { run, attempt, expected, claim });
        let Err(e) = result else {
            belief.stored = Mark { run, attempt, version: expected + 1 };
            belief.suspects.clear();
            return true;
        };
        self.failed("write", &e);
        if claim == Claim::Maybe {
            belief.suspects.push(attempt);
        }
        match e.kind() {
            // Who else writes here: a rival, or an earlier attempt of ours that has come in.
            ErrorKind::WorkflowConditionFailed
                if belief.place.writers() > 1 || !belief.suspects.is_empty() =>
            {
                false
            }
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::ResourceExhausted => {
                claim == Claim::NotApplied
            }
            _ => {
                self.wrong(&belief.place, format!("attempt {attempt} at version {expected} ended with: {e}"));
                false
            }
        }
    }

    /// What is stored; none if that cannot be found out before the end.
    async fn look(&self, place: &Place) -> Option<Mark> {
        loop {
            let cx = Context::new().with_timeout(self.manners.patience).with_caller("outage");
            match place.load(&*self.p, &cx).await {
                Ok(mark) => return Some(mark),
                Err(e) if e.is_retryable() => self.failed("read", &e),
                Err(e) => {
                    self.wrong(place, format!("reading ended with: {e}"));
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
        let Some(found) = self.look(&belief.place).await else { return false };
        let Belief { stored, suspects, place } = &*belief;
        let ours = found.version == stored.version + 1 && suspects.contains(&found.attempt);
        let rivals = place.writers() > 1 && found.version > stored.version;
        let good = found == *stored || ours || rivals;
        if !good {
            let what = format!("{found:?} is stored, where {stored:?} was, perhaps followed by {suspects:?}");
            self.wrong(place, what);
        }
        if found != *stored {
            belief.stored = found;
            belief.suspects.clear();
        }
        good
    }
}
