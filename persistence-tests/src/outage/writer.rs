//! A writer: one transition of its runs after the other, each of which names its attempt everywhere. Most writers have a run in
//! a shard of their own; some have four and change those that they like in one call; and some share theirs with a rival. Between
//! transitions they add tasks to the queue of their shard, and write to its ledger.

use super::ledger::{Clerk, Ledger};
use super::log::{Claim, Listener, Word};
use super::place::{Mark, Place};
use super::queue::{Owner, Queue};
use persistence_core::store::*;
use persistence_core::{Context, Error, ErrorKind, Outcome, Persistence, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two tries of something that fails at once.
const PAUSE: Duration = Duration::from_millis(20);

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
    pub(super) p: Arc<dyn Persistence>,
    /// Its runs, all of one shard.
    places: Vec<Place>,
    manners: Manners,
    /// The next attempt at something in the shard.
    attempts: Arc<AtomicI64>,
    pub(super) listener: Arc<dyn Listener>,
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

    /// Takes down that a call failed.
    pub(super) fn failed(&self, what: &str, e: &Error) {
        let outcome = match e.outcome() {
            Outcome::NotApplied => "",
            Outcome::MaybeApplied => "?",
        };
        self.listener.hear(Word::Failed(format!("{what}: {}{outcome}", e.kind().name())));
    }

    /// Takes down what became of an attempt at something beside the runs. `losable`: others may have come first.
    pub(super) async fn told(
        &self,
        what: &str,
        run: i32,
        (attempt, expected): (i64, i64),
        result: &Result<()>,
        losable: bool,
    ) -> Claim {
        let claim = Claim::of(result);
        self.listener.hear(Word::Said { run, attempt, expected, claim });
        let Err(e) = result else { return claim };
        self.failed(what, e);
        if !(may_happen(e) || losable && e.kind() == ErrorKind::ConditionFailed) {
            let what = format!("run {run}: attempt {attempt} at {expected} ended with: {e}");
            self.listener.hear(Word::Wrong(what));
        }
        self.pause().await;
        claim
    }

    pub(super) fn next_attempt(&self) -> i64 {
        self.attempts.fetch_add(1, Relaxed)
    }

    pub(super) fn context(&self, patience: Duration) -> Context {
        Context::new().with_timeout(patience).with_caller("outage")
    }

    /// Whether somebody else writes to its shard.
    pub(super) fn has_rivals(&self) -> bool {
        self.places[0].writers() > 1
    }

    /// A moment before the next try of something that failed.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    /// Makes transitions, adds tasks and writes documents until it is told to stop.
    pub(super) async fn run(self) {
        let mut rng = fastrand::Rng::with_seed(self.manners.seed);
        let mut queue = Owner::new(Queue::of(&self.places[0]));
        let mut ledger = Clerk::new(Ledger::of(&self.places[0]));
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
            match rng.u8(..8) {
                0 | 1 => {
                    queue.step(&self, patience, rng.u8(..16) == 0).await;
                    continue;
                }
                2 => {
                    ledger.step(&self, patience).await;
                    continue;
                }
                _ => {}
            }
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
        let cx = self.context(patience);
        let attempts: Vec<i64> = beliefs.iter().map(|_| self.next_attempt()).collect();
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
            self.pause().await;
        }
        certain
    }

    /// Takes down what became of an attempt. False if what is stored must be looked at.
    fn judge(&self, belief: &mut Belief, attempt: i64, result: Result<()>) -> bool {
        let (run, expected) = (belief.place.number, belief.stored.version);
        let claim = Claim::of(&result);
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
            _ if may_happen(&e) => claim == Claim::NotApplied,
            _ => {
                self.wrong(&belief.place, format!("attempt {attempt} at version {expected} ended with: {e}"));
                false
            }
        }
    }

    /// What is stored; none if that cannot be found out before the end.
    async fn look(&self, place: &Place) -> Option<Mark> {
        self.insist(|cx| async move { place.load(&*self.p, &cx).await }).await
    }

    /// Reads until there is an answer; none if there is none before the end.
    pub(super) async fn insist<T, F: Future<Output = Result<T>>>(
        &self,
        read: impl Fn(Context) -> F,
    ) -> Option<T> {
        loop {
            match read(self.context(self.manners.patience)).await {
                Ok(found) => return Some(found),
                Err(e) if e.is_retryable() => self.failed("read", &e),
                Err(e) => {
                    self.wrong(&self.places[0], format!("reading ended with: {e}"));
                    return None;
                }
            }
            if self.stop.is_cancelled() {
                return None;
            }
            self.pause().await;
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

/// Whether an error is one of those that faults make.
fn may_happen(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::ResourceExhausted)
}
