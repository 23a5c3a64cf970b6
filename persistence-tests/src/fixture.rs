//! What a case gets: a handle of its own, a clock that it may move, fresh ids, and faults to script.

use crate::faults::Faults;
use crate::space::Space;
use crate::{CaseResult, Isolation};
use async_trait::async_trait;
use persistence_core::{
    BranchId, CapabilitySet, Clock, Context, Env, ManualClock, NamespaceId, Persistence, RunId, ShardId,
    TreeId,
};
use std::fmt::Display;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The time that a case has. Generous: it only keeps a run from hanging. Longer than what a case gives any call of its own, and
/// it begins before the case does, which may wait for others to end.
pub const CASE_LIMIT: Duration = Duration::from_secs(1800);

/// The deadline of a single call, unless a case makes its own context. Shorter than the limit of the case, so that a
/// call that hangs is named.
pub const CALL_LIMIT: Duration = Duration::from_secs(120);

/// A context for one call: what a case does in all has no limit.
pub fn call() -> Context {
    Context::new().with_timeout(CALL_LIMIT).with_caller("conformance")
}

/// The names that a case made up, for looking at its data after a failure. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<Vec<String>>>);

impl Names {
    pub(crate) fn add(&self, what: &str, name: impl Display) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what} {name}"));
    }

    /// The names, in order.
    pub fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a suite does with the fixture of its cases.
#[async_trait]
pub trait Setting: Send + Sized + 'static {
    /// Releases what the fixture holds; failing is a failure of the case.
    async fn tear_down(&mut self) -> CaseResult;
}

/// How a fixture opens its database.
#[async_trait]
pub trait Opener: Send + Sync {
    /// Opens the database, and again after the handle was closed.
    async fn open(&self, env: Env) -> persistence_core::Result<Arc<dyn Persistence>>;

    /// Another handle on the database that is open. Closing it leaves the first one alone.
    async fn another(&self, env: Env) -> persistence_core::Result<Arc<dyn Persistence>>;
}

/// What a generic case gets.
pub struct Fixture {
    /// The handle: the case's own, over a database that is shared or its own.
    pub p: Arc<dyn Persistence>,
    /// The handle's clock. It began at the real time and stands still until the case moves it.
    pub clock: Arc<ManualClock>,
    /// The faults below the handle; none until the case scripts some, except in the suite of random faults.
    pub faults: Arc<Faults>,
    /// The seed of this case in this run.
    pub seed: u64,
    space: Space,
    names: Names,
    opener: Arc<dyn Opener>,
    forks: AtomicU64,
}

impl Fixture {
    /// Opens a database for one case.
    pub async fn open(
        opener: Arc<dyn Opener>,
        space: Space,
        faults: Arc<Faults>,
        names: Names,
        seed: u64,
    ) -> persistence_core::Result<Self> {
        let clock = Arc::new(ManualClock::new(persistence_core::env::SystemClock.now()));
        let p = opener.open(env(&clock)).await?;
        Ok(Fixture { p, clock, faults, seed, space, names, opener, forks: AtomicU64::new(0) })
    }

    /// A context with a generous deadline.
    pub fn cx(&self) -> Context {
        call()
    }

    /// What the driver declares.
    pub fn capabilities(&self) -> &CapabilitySet {
        &self.p.info().capabilities
    }

    /// Where the case's database is.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Closes the handle and opens the same database again. On durable drivers everything is there; on others it is
    /// empty. Needs isolation `Own`.
    ///
    /// # Panics
    ///
    /// When the database is shared.
    pub async fn reopen(&mut self) -> CaseResult {
        assert_eq!(
            self.space.isolation(),
            Isolation::Own,
            "only a case with a database of its own can reopen it"
        );
        self.p.close().await?;
        self.p = self.opener.open(env(&self.clock)).await?;
        Ok(())
    }

    /// Another handle on the same database, with the same clock: another owner, another process almost.
    pub async fn another(&self) -> persistence_core::Result<Arc<dyn Persistence>> {
        self.opener.another(env(&self.clock)).await
    }

    /// Another handle on the same database, with a clock of its own that shows the same time.
    pub async fn another_with_clock(
        &self,
    ) -> persistence_core::Result<(Arc<dyn Persistence>, Arc<ManualClock>)> {
        let clock = Arc::new(ManualClock::new(self.clock.now()));
        Ok((self.opener.another(env(&clock)).await?, clock))
    }

    /// A shard that no other case of the run uses.
    pub fn shard(&self) -> ShardId {
        let id = fresh_shard();
        self.names.add("shard", id.0);
        id
    }

    /// A name that no other case uses and that is never the same twice: `prefix-…`.
    pub fn name(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{}", uuid::Uuid::now_v7().simple());
        self.names.add("name", &name);
        name
    }

    /// A fresh namespace.
    pub fn namespace(&self) -> NamespaceId {
        let id = NamespaceId::new();
        self.names.add("namespace", id);
        id
    }

    /// A fresh run.
    pub fn run(&self) -> RunId {
        let id = RunId::new();
        self.names.add("run", id);
        id
    }

    /// A fresh history tree.
    pub fn tree(&self) -> TreeId {
        let id = TreeId::new();
        self.names.add("tree", id);
        id
    }

    /// A fresh history branch.
    pub fn branch(&self) -> BranchId {
        let id = BranchId::new();
        self.names.add("branch", id);
        id
    }

    /// A source of randomness: the nth of a case gives the same numbers for the same seed.
    pub fn rng(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(
            self.seed ^ self.forks.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )
    }
}

#[async_trait]
impl Setting for Fixture {
    async fn tear_down(&mut self) -> CaseResult {
        // Held-back writes must not fall into the data of nobody.
        self.faults.clear();
        self.faults.release().await;
        Ok(self.p.close().await?)
    }
}

fn env(clock: &Arc<ManualClock>) -> Env {
    Env { clock: clock.clone(), ..Env::default() }
}

/// A shard that no other case of the run uses.
pub(crate) fn fresh_shard() -> ShardId {
    static NEXT: AtomicI32 = AtomicI32::new(1);
    ShardId(NEXT.fetch_add(1, Relaxed))
}
