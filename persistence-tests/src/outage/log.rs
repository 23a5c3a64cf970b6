//! What writers were told, and how far they are.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

/// Something that a writer tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// What became of an attempt, as the store said it.
    Said {
        /// The number of the run.
        run: i32,
        /// The attempt; no two of a shard have the same number.
        attempt: i64,
        /// The version of the run that it expected.
        expected: i64,
        /// What the store said.
        claim: Claim,
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
        self.wait(&format!("{more} more transitions"), |n| n.values().sum::<u64>() >= aim).await;
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
        self.wait(&format!("{more} more transitions of every run"), there).await;
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

    /// What must not have happened.
    pub fn wrong(&self) -> Vec<String> {
        self.lock().wrong.clone()
    }

    /// How many attempts have this claim.
    pub fn count(&self, claim: Claim) -> usize {
        self.lock().claims.values().flat_map(BTreeMap::values).filter(|(_, c)| *c == claim).count()
    }

    /// One line on what happened.
    pub fn summary(&self) -> String {
        let [applied, not, maybe] = [Claim::Applied, Claim::NotApplied, Claim::Maybe].map(|c| self.count(c));
        let failures = &self.lock().failures;
        let failures: Vec<_> = failures.iter().map(|(what, n)| format!("{what} {n}")).collect();
        let failures =
            if failures.is_empty() { String::new() } else { format!(" ({})", failures.join(", ")) };
        format!("{applied} transitions acknowledged, {not} not applied, {maybe} unknown{failures}")
    }
}
