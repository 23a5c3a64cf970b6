//! What writers were told, and how far they are.

use super::ledger::Ledger;
use super::queue::Queue;
use persistence_core::{Outcome, RangeId, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What a store said of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// It is acknowledged.
    Applied,
    /// It failed, and nothing was or will be written.
    NotApplied,
    /// It failed, and may have been applied.
    Maybe,
}

impl Claim {
    /// What an answer says.
    pub(super) fn of(result: &Result<()>) -> Self {
        match result {
            Ok(()) => Claim::Applied,
            Err(e) if e.outcome() == Outcome::NotApplied => Claim::NotApplied,
            Err(_) => Claim::Maybe,
        }
    }
}

/// Something that a writer tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// What became of an attempt, as the store said it.
    Said {
        /// The number of the run, or of what is done to a queue.
        run: i32,
        /// The attempt; no two of a shard have the same number.
        attempt: i64,
        /// The version of the run that it expected, or the queue's range id.
        expected: i64,
        /// What the store said.
        claim: Claim,
    },
    /// The tasks that the new owner of a queue found of the range id before its own.
    Saw {
        /// The number of the queue.
        run: i32,
        /// The range id.
        range: RangeId,
        /// Their ids.
        tasks: BTreeSet<i64>,
    },
    /// A failure, in one word; for the report only.
    Failed(String),
    /// Something that must not happen.
    Wrong(String),
}

/// Where writers tell.
pub trait Listener: Send + Sync + 'static {
    /// Takes it down.
    fn hear(&self, word: Word);
}

/// What all writers of a case told.
pub struct Log {
    heard: Mutex<Heard>,
    /// How many attempts of each run were acknowledged.
    applied: watch::Sender<BTreeMap<i32, u64>>,
}

#[derive(Default)]
struct Heard {
    claims: BTreeMap<i32, BTreeMap<i64, (i64, Claim)>>,
    seen: BTreeMap<i32, BTreeMap<RangeId, BTreeSet<i64>>>,
    failures: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Listener for Log {
    fn hear(&self, word: Word) {
        let mut heard = self.lock();
        match word {
            Word::Said { run, attempt, expected, claim } => {
                let before = heard.claims.entry(run).or_default().insert(attempt, (expected, claim));
                if before.is_some() {
                    heard.wrong.push(format!("run {run}: attempt {attempt} was answered twice"));
                }
                // Whoever waits for this may ask for the rest at once.
                drop(heard);
                if claim == Claim::Applied {
                    self.applied.send_modify(|n| *n.entry(run).or_default() += 1);
                }
            }
            Word::Saw { run, range, tasks } => {
                if heard.seen.entry(run).or_default().insert(range, tasks).is_some() {
                    heard.wrong.push(format!("queue {run}: range id {range} was taken over twice"));
                }
            }
            Word::Failed(what) => *heard.failures.entry(what).or_default() += 1,
            Word::Wrong(what) => heard.wrong.push(what),
        }
    }
}

impl Log {
    /// Nothing was heard of the writers of these runs.
    pub fn new(runs: impl Iterator<Item = i32>) -> Self {
        Log { heard: Mutex::default(), applied: watch::channel(runs.map(|s| (s, 0)).collect()).0 }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many attempts were acknowledged.
    pub fn applied(&self) -> u64 {
        self.applied.borrow().values().sum()
    }

    /// Waits for so many more acknowledgements, of whichever writers.
    ///
    /// # Panics
    ///
    /// When they do not come in a time that is long for any server.
    pub async fn progress(&self, more: u64) {
        let aim = self.applied() + more;
        self.wait(&format!("{more} more writes"), |n| n.values().sum::<u64>() >= aim).await;
    }

    /// Waits until each of these runs got so many more acknowledgements.
    ///
    /// # Panics
    ///
    /// When one does not, in a time that is long for any server.
    pub async fn progress_of_each(&self, runs: impl Iterator<Item = i32>, more: u64) {
        let now = self.applied.borrow().clone();
        let aims: Vec<_> = runs.map(|s| (s, now.get(&s).copied().unwrap_or(0) + more)).collect();
        let there = |n: &BTreeMap<i32, u64>| aims.iter().all(|(s, aim)| n.get(s).is_some_and(|n| n >= aim));
        self.wait(&format!("{more} more writes of each"), there).await;
    }

    async fn wait(&self, what: &str, mut there: impl FnMut(&BTreeMap<i32, u64>) -> bool) {
        let mut applied = self.applied.subscribe();
        let waited = tokio::time::timeout(super::STUCK, applied.wait_for(|n| there(n))).await.map(|_| ());
        if waited.is_err() {
            let now = self.applied.borrow().clone();
            let told = self.summary();
            panic!(
                "no {what} in {} s; acknowledged so far: {now:?}; {told}\n{}",
                super::STUCK.as_secs(),
                self.wrong().join("\n")
            );
        }
    }

    /// Whether no acknowledgement comes within this time.
    pub async fn is_still_for(&self, time: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        applied.mark_unchanged();
        tokio::time::timeout(time, applied.changed()).await.is_err()
    }

    /// What was said of the attempts at a run: the version that they expected, and the claim.
    pub fn claims(&self, run: i32) -> BTreeMap<i64, (i64, Claim)> {
        self.lock().claims.get(&run).cloned().unwrap_or_default()
    }

    /// What the next owners of a queue found, by range id.
    pub fn seen(&self, run: i32) -> BTreeMap<RangeId, BTreeSet<i64>> {
        self.lock().seen.get(&run).cloned().unwrap_or_default()
    }

    /// All that was said and seen, to be told again.
    #[cfg(test)]
    pub(super) fn words(&self) -> Vec<Word> {
        let heard = self.lock();
        let said = heard.claims.iter().flat_map(|(&run, claims)| {
            claims.iter().map(move |(&attempt, &(expected, claim))| Word::Said {
                run,
                attempt,
                expected,
                claim,
            })
        });
        let saw = heard.seen.iter().flat_map(|(&run, seen)| {
            seen.iter().map(move |(&range, tasks)| Word::Saw { run, range, tasks: tasks.clone() })
        });
        said.chain(saw).collect()
    }

    /// What must not have happened.
    pub fn wrong(&self) -> Vec<String> {
        self.lock().wrong.clone()
    }

    /// How many attempts have this claim.
    pub fn count(&self, claim: Claim) -> usize {
        self.count_of(claim, |_| true)
    }

    fn count_of(&self, claim: Claim, of: impl Fn(i32) -> bool) -> usize {
        let heard = self.lock();
        let claims = heard.claims.iter().filter(|(run, _)| of(**run));
        claims.flat_map(|(_, c)| c.values()).filter(|(_, c)| *c == claim).count()
    }

    /// One line on what happened.
    pub fn summary(&self) -> String {
        let [applied, not, maybe] = [Claim::Applied, Claim::NotApplied, Claim::Maybe].map(|c| self.count(c));
        let adds = self.count_of(Claim::Applied, Queue::is);
        let documents = self.count_of(Claim::Applied, Ledger::is);
        let failures = &self.lock().failures;
        let failures: Vec<_> = failures.iter().map(|(what, n)| format!("{what} {n}")).collect();
        let failures =
            if failures.is_empty() { String::new() } else { format!(" ({})", failures.join(", ")) };
        format!(
            "{applied} writes acknowledged, {adds} of them task adds and {documents} of documents, {not} not applied, {maybe} unknown{failures}"
        )
    }
}
