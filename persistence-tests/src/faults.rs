//! What goes wrong, when, and how often it did: shared by the faulty wrappers of all buckets.

use futures_util::future::BoxFuture;
use persistence_core::Outcome;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// One way in which a call to a database fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is sent. The caller gets `Unavailable` with this outcome: a client often cannot tell that nothing was.
    Before(Outcome),
    /// The request takes effect, then its answer is lost: `Unavailable`, `MaybeApplied`.
    After,
    /// The answer is lost now (`Unavailable`, `MaybeApplied`), and the request is delivered later: scripted, when the
    /// test calls [`Faults::release`]; random, around the next write to the same partition or a moment later, whichever
    /// comes first. Of a read only the answer is lost.
    Late,
    /// No answer comes for this long (none: until the deadline); then the connection is cut: `Timeout` at the deadline,
    /// else `Unavailable`. Nothing takes effect.
    Cut(Option<Duration>),
    /// No answer comes until the test calls [`Faults::release`]; then the connection is cut: `Unavailable`, `MaybeApplied`.
    /// Nothing takes effect. For what must happen between two tries of a write.
    Stall,
}

/// Which calls a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Write,
    Read,
}

/// One line of a script: from the nth matching call on, this many calls fail like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRule {
    on: On,
    table: Option<&'static str>,
    caller: Option<&'static str>,
    skip: u64,
    times: u64,
    fault: Fault,
}

impl FaultRule {
    /// The next write fails like this.
    pub fn write(fault: Fault) -> Self {
        FaultRule { on: On::Write, table: None, caller: None, skip: 0, times: 1, fault }
    }

    /// The next read fails like this.
    pub fn read(fault: Fault) -> Self {
        FaultRule { on: On::Read, ..FaultRule::write(fault) }
    }

    /// Only calls that concern this table (a write of many parts concerns the tables of all).
    #[must_use]
    pub fn table(self, table: &'static str) -> Self {
        FaultRule { table: Some(table), ..self }
    }

    /// Only calls whose context names this caller: one writer's answers are lost while another's are not.
    #[must_use]
    pub fn caller(self, caller: &'static str) -> Self {
        FaultRule { caller: Some(caller), ..self }
    }

    /// Begins with the nth matching call, from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        FaultRule { skip: n.saturating_sub(1), ..self }
    }

    /// This many calls; `u64::MAX` for ever.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        FaultRule { times, ..self }
    }
}

/// How many faults of each kind were injected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injected {
    /// [`Fault::Before`].
    pub before: u64,
    /// [`Fault::After`].
    pub after: u64,
    /// [`Fault::Late`].
    pub late: u64,
    /// [`Fault::Late`] writes that were delivered since, and took effect.
    pub late_applied: u64,
    /// [`Fault::Late`] writes that were delivered since, and were refused by their conditions.
    pub late_refused: u64,
    /// [`Fault::Cut`] and [`Fault::Stall`].
    pub cut: u64,
}

impl Injected {
    /// All faults together.
    pub fn total(&self) -> u64 {
        self.before + self.after + self.late + self.cut
    }

    pub(crate) fn add(&mut self, other: Injected) {
        let Injected { before, after, late, late_applied, late_refused, cut } = other;
        self.before += before;
        self.after += after;
        self.late += late;
        self.late_applied += late_applied;
        self.late_refused += late_refused;
        self.cut += cut;
    }
}

#[derive(Debug, Default)]
struct Counts {
    before: AtomicU64,
    after: AtomicU64,
    late: AtomicU64,
    late_applied: AtomicU64,
    late_refused: AtomicU64,
    cut: AtomicU64,
}

#[derive(Debug)]
struct Random {
    rng: fastrand::Rng,
    write: f64,
    read: f64,
}

/// A write whose answer was lost before it was delivered.
pub(crate) struct Held {
    /// The partitions that it concerns.
    pub(crate) partitions: Vec<Vec<u8>>,
    /// Whether it may go without [`Faults::release`].
    pub(crate) auto: bool,
    /// Delivers it; tells whether it took effect.
    pub(crate) deliver: Box<dyn FnOnce() -> BoxFuture<'static, bool> + Send>,
}

/// The faults of one handle: scripted, random or none; and what was injected. Shared between a test and the wrapper
/// below its handle.
#[derive(Default)]
pub struct Faults {
    script: Mutex<Vec<FaultRule>>,
    random: Mutex<Option<Random>>,
    counts: Counts,
    held: Mutex<Vec<Held>>,
    /// Transactions that have begun and not ended.
    under_way: Arc<AtomicU64>,
    /// Calls that stall, or are about to.
    stalls: AtomicU64,
    go: Go,
}

/// A transaction that has begun.
pub(crate) struct UnderWay(Arc<AtomicU64>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Where stalled calls wait; one permit each.
struct Go(Semaphore);

impl Default for Go {
    fn default() -> Self {
        Go(Semaphore::new(0))
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    /// No faults until a script says so.
    pub fn none() -> Self {
        Faults::default()
    }

    /// Random faults with these probabilities, the same for the same seed and sequence of calls. Only faults whose
    /// outcome is unknown: what a store must resolve by itself.
    pub fn random(seed: u64, write: f64, read: f64) -> Self {
        let random = Random { rng: fastrand::Rng::with_seed(seed), write, read };
        Faults { random: Mutex::new(Some(random)), ..Faults::default() }
    }

    /// Adds a line to the script. The first line that matches a call decides.
    pub fn script(&self, rule: FaultRule) {
        lock(&self.script).push(rule);
    }

    /// Ends the script and the random faults; what was held back stays held back.
    pub fn clear(&self) {
        lock(&self.script).clear();
        *lock(&self.random) = None;
    }

    /// What was injected so far.
    pub fn injected(&self) -> Injected {
        let c = &self.counts;
        Injected {
            before: c.before.load(Relaxed),
            after: c.after.load(Relaxed),
            late: c.late.load(Relaxed),
            late_applied: c.late_applied.load(Relaxed),
            late_refused: c.late_refused.load(Relaxed),
            cut: c.cut.load(Relaxed),
        }
    }

    /// Whether random faults are on.
    pub fn is_random(&self) -> bool {
        lock(&self.random).is_some()
    }

    /// Decides about a write of these callers (who may share one) to these tables.
    pub(crate) fn on_write(&self, callers: &[&str], tables: &[&'static str]) -> Option<Fault> {
        self.decide(On::Write, callers, tables)
    }

    /// Decides about a read of a caller of this table.
    pub(crate) fn on_read(&self, caller: Option<&str>, table: &'static str) -> Option<Fault> {
        self.decide(On::Read, caller.as_slice(), &[table])
    }

    /// Whether no write of this caller gets through any more: then a transaction of it need not begin, and looks at nothing.
    pub(crate) fn bars(&self, caller: Option<&str>) -> bool {
        let script = lock(&self.script);
        let first = script.iter().find(|r| r.on == On::Write && r.caller.is_some() && r.caller == caller);
        let bars = first.is_some_and(|r| matches!(r.fault, Fault::Before(_)) && r.times == u64::MAX);
        self.counts.before.fetch_add(u64::from(bars), Relaxed);
        bars
    }

    fn decide(&self, on: On, callers: &[&str], tables: &[&'static str]) -> Option<Fault> {
        let fault = self.scripted(on, callers, tables).or_else(|| self.rolled(on))?;
        let count = match fault {
            Fault::Before(_) => &self.counts.before,
            Fault::After => &self.counts.after,
            Fault::Late => &self.counts.late,
            Fault::Cut(_) => &self.counts.cut,
            Fault::Stall => {
                self.stalls.fetch_add(1, Relaxed);
                &self.counts.cut
            }
        };
        count.fetch_add(1, Relaxed);
        Some(fault)
    }

    fn scripted(&self, on: On, callers: &[&str], tables: &[&'static str]) -> Option<Fault> {
        let mut script = lock(&self.script);
        let mut decided = None;
        for rule in script.iter_mut() {
            let of_another = rule.caller.is_some_and(|c| !callers.contains(&c));
            if rule.on != on || of_another || rule.table.is_some_and(|t| !tables.contains(&t)) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if decided.is_none() && rule.times > 0 {
                rule.times -= u64::from(rule.times != u64::MAX);
                decided = Some(rule.fault);
            }
        }
        script.retain(|r| r.times > 0);
        decided
    }

    fn rolled(&self, on: On) -> Option<Fault> {
        let mut random = lock(&self.random);
        let Random { rng, write, read } = random.as_mut()?;
        if rng.f64() >= if on == On::Write { *write } else { *read } {
            return None;
        }
        Some(match rng.u8(0..10) {
            0..2 => Fault::Before(Outcome::MaybeApplied),
            2..5 => Fault::After,
            5..9 => Fault::Late,
            _ => Fault::Cut(Some(Duration::from_millis(2))),
        })
    }

    /// Tosses a coin, from the seed when faults are random.
    pub(crate) fn coin(&self) -> bool {
        lock(&self.random).as_mut().is_none_or(|r| r.rng.bool())
    }

    /// Keeps a write back.
    pub(crate) fn hold(&self, held: Held) {
        lock(&self.held).push(held);
    }

    /// Takes the held-back writes that need no release and concern one of these partitions.
    pub(crate) fn take_held(&self, partitions: &[Vec<u8>]) -> Vec<Held> {
        let concerns = |h: &Held| partitions.iter().any(|p| h.partitions.contains(p));
        lock(&self.held).extract_if(.., |h| h.auto && concerns(h)).collect()
    }

    /// Delivers writes that were held back, in the order in which they were sent.
    pub(crate) async fn deliver(&self, held: Vec<Held>) {
        for h in held {
            let count =
                if (h.deliver)().await { &self.counts.late_applied } else { &self.counts.late_refused };
            count.fetch_add(1, Relaxed);
        }
    }

    /// Waits until the stalled calls are released.
    pub(crate) async fn stall(&self) {
        if let Ok(permit) = self.go.0.acquire().await {
            permit.forget();
        }
    }

    /// Counts a transaction as long as the answer is kept.
    pub(crate) fn begun(&self) -> UnderWay {
        self.under_way.fetch_add(1, Relaxed);
        UnderWay(self.under_way.clone())
    }

    /// Waits until no transaction is under way: one that its caller gave up by its deadline may still come to its end, and
    /// must not meet what is scripted next.
    pub async fn quiet(&self) {
        while self.under_way.load(Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Delivers every write that is held back, in the order in which they were sent; [`Faults::injected`] then tells what
    /// became of them. Calls that stall end.
    pub async fn release(&self) {
        let stalls = self.stalls.swap(0, Relaxed);
        self.go.0.add_permits(usize::try_from(stalls).unwrap_or(0));
        let held = std::mem::take(&mut *lock(&self.held));
        self.deliver(held).await;
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("script", &self.script).field("injected", &self.injected()).finish()
    }
}
