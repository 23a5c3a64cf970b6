//! What a driver gives to be proved: its name, how to open it, and its waivers.

use crate::case::{Case, CaseResult, Isolation};
use crate::faults::{Faults, Injected};
use crate::fixture::{CASE_LIMIT, Names, Setting};
use crate::report::Waiver;
use crate::space::Space;
use crate::{Fixture, guard};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use persistence_core::layer::{Call, Effect, Layer, Layered, Op};
use persistence_core::{Capability, Context, DriverInfo, Outcome, Persistence, Result};
use std::sync::Arc;
use std::time::Duration;

/// A driver under the suite. [`NoSqlHarness`](crate::NoSqlHarness) is the ready-made one; another bucket brings its own.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// The driver's name: what trials and reports begin with.
    fn driver(&self) -> &str;

    /// What it says of itself. Opens the shared database.
    async fn info(&self) -> Result<DriverInfo>;

    /// The suites, in the order of reports.
    fn suites(self: Arc<Self>) -> Vec<Suite>;

    /// Known deviations.
    fn waivers(&self) -> &[Waiver];

    /// The random faults that were injected so far.
    fn injected(&self) -> Injected;

    /// How long a case may take. Nothing depends on it; it only keeps a run from hanging.
    fn case_limit(&self) -> Duration {
        CASE_LIMIT
    }

    /// What a whole run showed to be wrong, besides its cases.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Releases the shared database.
    async fn finish(&self) -> Result<()>;
}

/// Some cases with a name.
pub struct Suite {
    pub(crate) name: &'static str,
    pub(crate) cases: Vec<Planned>,
}

impl Suite {
    /// The cases, each on a fixture that `setup` makes.
    pub fn new<F: Setting>(name: &'static str, cases: Vec<Case<F>>, setup: impl SetUp<F>) -> Self {
        let setup = Arc::new(setup);
        let cases = cases.into_iter().map(|case| Planned::new(case, setup.clone())).collect();
        Suite { name, cases }
    }
}

/// What one run of a case has of its own.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Which database the case wants.
    pub isolation: Isolation,
    /// The seed of the case in this run.
    pub seed: u64,
    /// Where it notes the names that it makes up.
    pub names: Names,
    /// Set by the setup: where the data is.
    pub space: Arc<std::sync::OnceLock<Space>>,
}

/// How the fixture of a case is made.
#[async_trait]
pub trait SetUp<F>: Send + Sync + 'static {
    /// Makes it.
    async fn set_up(&self, scene: Scene) -> Result<F>;
}

/// A case together with how to run it.
pub(crate) struct Planned {
    pub(crate) id: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) covers: &'static [&'static str],
    pub(crate) needs: &'static [Capability],
    pub(crate) isolation: Isolation,
    pub(crate) run: Box<dyn Fn(Scene) -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

impl Planned {
    fn new<F: Setting>(case: Case<F>, setup: Arc<impl SetUp<F>>) -> Self {
        let Case { id, rule, covers, needs, isolation, run, .. } = case;
        let run = Box::new(move |scene: Scene| -> BoxFuture<'static, Result<(), String>> {
            let setup = setup.clone();
            Box::pin(async move {
                let told = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}");
                let mut fixture =
                    setup.set_up(scene).await.map_err(|e| told("the database cannot be opened", &e))?;
                let ran = guard::catch(run(&mut fixture)).await;
                let ended = guard::catch(fixture.tear_down()).await;
                flatten(ran)?;
                flatten(ended).map_err(|e| told("after the case, closing failed", &e))
            })
        });
        Planned { id, rule, covers, needs, isolation, run }
    }
}

fn flatten(result: Result<CaseResult, String>) -> Result<(), String> {
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(e.to_string()),
        Err(panic) => Err(panic),
    }
}

/// Sends calls again that certainly did nothing, and reads: what every application has above its store, and all that it
/// may have. What a write became when its outcome is unknown, the store must find out by itself.
pub struct Again;

impl Layer for Again {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        op: &'a Op,
        call: C,
    ) -> Result<T> {
        loop {
            match call(cx.clone()).await {
                Err(e)
                    if e.is_retryable()
                        && !cx.is_expired()
                        && (op.effect == Effect::Read || e.outcome() == Outcome::NotApplied) => {}
                result => return result,
            }
        }
    }
}

/// The handle of a case under random faults.
pub(crate) fn with_again(p: Arc<dyn Persistence>, faults: &Faults) -> Arc<dyn Persistence> {
    if faults.is_random() { Layered::wrap(p, Again) } else { p }
}

/// The generic cases that also run under random faults.
pub(crate) fn fault_cases() -> Vec<Case<Fixture>> {
    let mut cases = crate::generic::cases();
    cases.retain(|case| match case.kind {
        crate::Kind::Write => true,
        crate::Kind::Calm => false,
        crate::Kind::Auto => case.covers.iter().any(|c| crate::coverage::writes(c)),
    });
    cases
}
