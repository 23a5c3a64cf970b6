//! What became of the cases of one or more drivers: as data, and for people.

mod html;
mod junit;
mod matrix;

use crate::faults::Injected;
use persistence_core::Capability;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// A known deviation of a driver: the case may fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// `group::name`, or `suite/group::name`.
    pub case: String,
    /// Why.
    pub reason: String,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not.
    Failed {
        /// What was found, with what is needed to look into it.
        message: String,
    },
    /// It could not run on this driver.
    Ignored {
        /// Why.
        reason: String,
    },
    /// It does not hold, and a waiver says so.
    Waived {
        /// The waiver's reason.
        reason: String,
        /// What was found.
        message: String,
    },
}

impl Status {
    /// One word.
    pub fn name(&self) -> &'static str {
        match self {
            Status::Passed => "passed",
            Status::Failed { .. } => "failed",
            Status::Ignored { .. } => "ignored",
            Status::Waived { .. } => "waived",
        }
    }
}

/// One run of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// The suite: the same case runs in more than one.
    pub suite: String,
    /// `group::name`.
    pub id: String,
    /// The rule that it checks.
    pub rule: String,
    /// The cells of the coverage table that it fills.
    pub covers: Vec<String>,
    /// The capabilities that it needs.
    pub needs: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// What became of it.
    #[serde(flatten)]
    pub status: Status,
}

impl CaseReport {
    /// The part of the id before `::`; for generic cases the store.
    pub fn group(&self) -> &str {
        self.id.split("::").next().unwrap_or(&self.id)
    }
}

/// A capability, and whether the driver declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityLine {
    /// Its name.
    pub name: String,
    /// What the user gets.
    pub summary: String,
    /// Whether the driver declares it.
    pub declared: bool,
}

impl CapabilityLine {
    pub(crate) fn new(c: Capability, declared: bool) -> Self {
        CapabilityLine { name: c.name().to_owned(), summary: c.summary().to_owned(), declared }
    }
}

/// One run of a driver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriverReport {
    /// The driver's name.
    pub driver: String,
    /// Where its data was.
    pub location: String,
    /// Every capability.
    pub capabilities: Vec<CapabilityLine>,
    /// The seed of the run.
    pub seed: u64,
    /// How long the run took.
    pub seconds: f64,
    /// Whether only some cases were asked for.
    pub filtered: bool,
    /// The random faults that were injected.
    pub injected: Injected,
    /// The known deviations.
    pub waivers: Vec<Waiver>,
    /// The cases that were asked for, by suite and id.
    pub cases: Vec<CaseReport>,
    /// What is wrong with the run as a whole.
    pub problems: Vec<String>,
    /// Why nothing ran, if so. Never a pass.
    #[serde(default)]
    pub skipped: Option<String>,
}

impl DriverReport {
    /// A run that did not take place, because the machine lacks what it needs.
    pub fn skipped(driver: &str, reason: &str) -> Self {
        DriverReport {
            driver: driver.to_owned(),
            location: String::new(),
            capabilities: Vec::new(),
            seed: 0,
            seconds: 0.0,
            filtered: false,
            injected: Injected::default(),
            waivers: Vec::new(),
            cases: Vec::new(),
            problems: Vec::new(),
            skipped: Some(reason.to_owned()),
        }
    }

    /// Whether the driver keeps the contract, as far as this run asked: something ran, nothing failed.
    pub fn is_ok(&self) -> bool {
        let counts = Counts::of(self.cases.iter());
        self.problems.is_empty() && counts.failed == 0 && counts.passed > 0
    }
}

/// Cases by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// They hold.
    pub passed: usize,
    /// They do not.
    pub failed: usize,
    /// They could not run.
    pub ignored: usize,
    /// They do not hold, and a waiver says so.
    pub waived: usize,
}

impl Counts {
    /// Counts these.
    pub fn of<'a>(cases: impl Iterator<Item = &'a CaseReport>) -> Self {
        cases.fold(Counts::default(), |mut n, c| {
            *match c.status {
                Status::Passed => &mut n.passed,
                Status::Failed { .. } => &mut n.failed,
                Status::Ignored { .. } => &mut n.ignored,
                Status::Waived { .. } => &mut n.waived,
            } += 1;
            n
        })
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.passed + self.failed + self.ignored + self.waived
    }
}

/// The runs of some drivers, side by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The drivers, in order of name.
    pub drivers: Vec<DriverReport>,
}

impl Report {
    /// Every `*.json` of a directory: what the conformance binaries wrote.
    pub fn merge(dir: &Path) -> io::Result<Self> {
        let mut drivers = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "json") {
                let one: Report = serde_json::from_slice(&std::fs::read(&path)?).map_err(|e| {
                    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))
                })?;
                drivers.extend(one.drivers);
            }
        }
        drivers.sort_by(|a: &DriverReport, b| a.driver.cmp(&b.driver));
        Ok(Report { drivers })
    }

    /// Writes `<driver>.json` for each driver, for [`Report::merge`].
    pub fn write_to(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        for driver in &self.drivers {
            let one = Report { drivers: vec![driver.clone()] };
            std::fs::write(dir.join(format!("{}.json", driver.driver)), one.json())?;
        }
        Ok(())
    }

    /// Everything, as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap()
    }

    /// Whether there is a driver, and every one that was not skipped keeps the contract.
    pub fn is_ok(&self) -> bool {
        let mut ran =
            self.drivers.iter().filter(|d| d.skipped.is_none() || !d.problems.is_empty()).peekable();
        ran.peek().is_some() && ran.all(DriverReport::is_ok)
    }

    /// The cases that ran on no driver at all: what nobody has shown.
    pub fn ignored_everywhere(&self) -> Vec<(String, String)> {
        let cases = |ignored: bool| -> BTreeSet<_> {
            let all = self.drivers.iter().flat_map(|d| &d.cases);
            all.filter(|c| matches!(c.status, Status::Ignored { .. }) == ignored)
                .map(|c| (c.suite.clone(), c.id.clone()))
                .collect()
        };
        cases(true).difference(&cases(false)).cloned().collect()
    }

    /// The groups of a suite over all drivers, in order of appearance.
    pub(crate) fn groups(&self, suite: &str) -> Vec<String> {
        let mut groups = Vec::new();
        for c in self.drivers.iter().flat_map(|d| &d.cases).filter(|c| c.suite == suite) {
            if !groups.iter().any(|g| g == c.group()) {
                groups.push(c.group().to_owned());
            }
        }
        groups
    }

    /// The suites over all drivers, in order of appearance.
    pub(crate) fn suites(&self) -> Vec<String> {
        let mut suites: Vec<String> = Vec::new();
        for c in self.drivers.iter().flat_map(|d| &d.cases) {
            if !suites.contains(&c.suite) {
                suites.push(c.suite.clone());
            }
        }
        suites
    }
}
