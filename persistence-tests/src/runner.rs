//! Runs cases, within their time, and gathers what became of them.

use crate::fixture::Names;
use crate::harness::{Harness, Planned, Scene, Suite};
use crate::report::{CapabilityLine, CaseReport, DriverReport, Status};
use persistence_core::{Capability, DriverInfo};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// How many of its made-up names a failed case tells.
const NAMES: usize = 8;

/// Where a failed case can be run again with the same numbers.
pub(crate) const SEED: &str = "PERSISTENCE_TESTS_SEED";

/// The cases of a driver, and what became of those that ran.
pub struct Runner {
    harness: Arc<dyn Harness>,
    suites: Vec<Suite>,
    seed: u64,
    started: Instant,
    reports: Mutex<Vec<CaseReport>>,
    info: tokio::sync::OnceCell<Result<DriverInfo, String>>,
}

impl Runner {
    /// Every case of every suite of this driver.
    pub fn new(harness: impl Harness) -> Self {
        let harness = Arc::new(harness);
        let suites = harness.clone().suites();
        let seed = std::env::var(SEED).ok().and_then(|s| s.parse().ok());
        Runner {
            suites,
            // Small enough to be read out and typed.
            seed: seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() % 1_000_000),
            started: Instant::now(),
            reports: Mutex::default(),
            info: tokio::sync::OnceCell::new(),
            harness,
        }
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The driver's name.
    pub fn driver(&self) -> &str {
        self.harness.driver()
    }

    /// Suite and id of every case, in order.
    pub fn list(&self) -> Vec<(&'static str, &'static str)> {
        self.suites.iter().flat_map(|s| s.cases.iter().map(|c| (s.name, c.id))).collect()
    }

    /// Runs one case. None if there is no such case.
    pub async fn run(&self, suite: &str, id: &str) -> Option<CaseReport> {
        let (suite, case) = self.find(suite, id)?;
        let began = Instant::now();
        let status = self.status(suite, case).await;
        let report = CaseReport {
            suite: suite.to_owned(),
            id: case.id.to_owned(),
            rule: case.rule.to_owned(),
            covers: case.covers.iter().map(|&c| c.to_owned()).collect(),
            needs: case.needs.iter().map(|c| c.name().to_owned()).collect(),
            seconds: began.elapsed().as_secs_f64(),
            status,
        };
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report.clone());
        Some(report)
    }

    fn find(&self, suite: &str, id: &str) -> Option<(&'static str, &Planned)> {
        let suite = self.suites.iter().find(|s| s.name == suite)?;
        Some((suite.name, suite.cases.iter().find(|c| c.id == id)?))
    }

    async fn status(&self, suite: &'static str, case: &Planned) -> Status {
        let info = match self.info().await {
            Ok(info) => info,
            Err(e) => return Status::Failed { message: format!("the driver cannot be opened: {e}") },
        };
        let lacking = |c: &&Capability| !info.capabilities.has(**c) || (suite == "narrow" && is_broad(**c));
        if let Some(c) = case.needs.iter().find(lacking) {
            return Status::Ignored { reason: format!("needs {}", c.name()) };
        }
        let waiver = self
            .harness
            .waivers()
            .iter()
            .find(|w| w.case == case.id || w.case == format!("{suite}/{}", case.id));
        match (self.outcome(suite, case).await, waiver) {
            (Ok(()), _) => Status::Passed,
            (Err(message), Some(w)) => Status::Waived { reason: w.reason.clone(), message },
            (Err(message), None) => Status::Failed { message },
        }
    }

    async fn outcome(&self, suite: &str, case: &Planned) -> Result<(), String> {
        let seed = mix(self.seed, suite, case.id);
        let scene = Scene {
            isolation: case.isolation,
            seed,
            names: Names::default(),
            space: Arc::new(OnceLock::new()),
        };
        let (names, space) = (scene.names.clone(), scene.space.clone());
        // In a task of its own, so that a case that blocks its thread still runs out of time.
        let mut task = tokio::spawn((case.run)(scene));
        let limit = self.harness.case_limit();
        let result = match tokio::time::timeout(limit, &mut task).await {
            Ok(Ok(result)) => result,
            Ok(Err(e)) => Err(format!("the suite itself panicked: {e}")),
            Err(_) => {
                task.abort();
                Err(format!("no end after {} s", limit.as_secs()))
            }
        };
        result.map_err(|message| {
            let mut text = format!("{message}\n  rule: {}\n  again: {SEED}={}", case.rule, self.seed);
            if let Some(space) = space.get() {
                text += &format!("\n  data: {}", space.keep());
            }
            let names = names.list();
            let older = names.len().saturating_sub(NAMES);
            if !names.is_empty() {
                // The latest are those that the failure is about.
                text += &format!("\n  names: {}", names[older..].join(", "));
            }
            if older > 0 {
                text += &format!(" (and {older} before)");
            }
            text
        })
    }

    async fn info(&self) -> &Result<DriverInfo, String> {
        self.info.get_or_init(|| async { self.harness.info().await.map_err(|e| e.to_string()) }).await
    }

    /// Ends the run. `filtered` runs are not held to have run everything.
    pub async fn finish(self, filtered: bool) -> DriverReport {
        let info = self.info().await.clone();
        let mut problems = Vec::new();
        if let Err(e) = self.harness.finish().await {
            problems.push(format!("closing the shared database failed: {e}"));
        }
        let mut cases = self.reports.into_inner().unwrap_or_else(PoisonError::into_inner);
        // In the order of declaration, not of ending.
        let order: Vec<_> = self.suites.iter().flat_map(|s| s.cases.iter().map(|c| (s.name, c.id))).collect();
        cases.sort_by_key(|c| order.iter().position(|(suite, id)| *suite == c.suite && *id == c.id));
        let (location, capabilities) = match &info {
            Ok(info) => (info.location.clone(), Some(&info.capabilities)),
            Err(_) => (String::new(), None),
        };
        let has = |c: Capability| capabilities.is_some_and(|set| set.has(c));
        if !filtered {
            problems.extend(gaps(&cases, &has));
            problems.extend(self.harness.problems());
            if self.suites.iter().any(|s| s.name == "faults") && self.harness.injected().total() == 0 {
                problems.push("the suite of random faults injected none".to_owned());
            }
        }
        for w in self.harness.waivers() {
            let names = |s: &Suite, id: &str| w.case == id || w.case == format!("{}/{id}", s.name);
            if !self.suites.iter().any(|s| s.cases.iter().any(|c| names(s, c.id))) {
                problems.push(format!("the waiver {} names no case", w.case));
            }
        }
        DriverReport {
            driver: self.harness.driver().to_owned(),
            location,
            capabilities: Capability::ALL.iter().map(|&c| CapabilityLine::new(c, has(c))).collect(),
            seed: self.seed,
            seconds: self.started.elapsed().as_secs_f64(),
            filtered,
            injected: self.harness.injected(),
            waivers: self.harness.waivers().to_vec(),
            cases,
            problems,
            skipped: None,
        }
    }

    /// Runs every case whose `suite/id` contains the filter, all at once, and reports. For programs; tests have
    /// [`main`](crate::main).
    pub async fn run_all(self, filter: Option<&str>) -> DriverReport {
        let wanted = |(s, id): &(&str, &str)| filter.is_none_or(|f| format!("{s}/{id}").contains(f));
        let cases: Vec<_> = self.list().into_iter().filter(wanted).collect();
        let this = &self;
        let runs =
            futures_util::stream::iter(cases).map(|(s, id)| this.run(s, id)).buffer_unordered(PARALLEL);
        runs.for_each(|_| async {}).await;
        self.finish(filter.is_some()).await
    }
}

use futures_util::StreamExt;

/// How many cases run at once: most wait for a disk or a server most of the time.
pub(crate) const PARALLEL: usize = 32;

/// What the `narrow` suite takes away.
fn is_broad(c: Capability) -> bool {
    matches!(c, Capability::CrossPartition | Capability::AtomicHistory)
}

/// What an unfiltered run must have shown and did not.
fn gaps(cases: &[CaseReport], has: &dyn Fn(Capability) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    let ran: Vec<_> = cases.iter().filter(|c| !matches!(c.status, Status::Ignored { .. })).collect();
    if ran.is_empty() {
        problems.push("no case ran".to_owned());
    }
    let shown: BTreeSet<&str> = ran
        .iter()
        .flat_map(|c| c.covers.iter().chain(&c.needs))
        .map(|c| c.trim_start_matches("capability."))
        .collect();
    for c in Capability::ALL {
        if !shown.contains(c.name()) {
            let what = if has(*c) { "is declared" } else { "is not declared" };
            problems.push(format!("capability {} {what}, and no case ran that shows it", c.name()));
        }
    }
    problems
}

/// A seed for each case, from that of the run.
fn mix(seed: u64, suite: &str, id: &str) -> u64 {
    let fnv = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3);
    suite.as_bytes().iter().chain(id.as_bytes()).fold(seed ^ 0xcbf2_9ce4_8422_2325, fnv)
}
