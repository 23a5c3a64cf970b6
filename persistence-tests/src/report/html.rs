//! The page: one file, no network, light and dark.

use super::{CaseReport, Counts, DriverReport, Report, Status};
use crate::coverage;
use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;
use std::collections::HashMap;

/// How many of the slowest cases are shown.
const SLOWEST: usize = 10;

/// What the template sees.
#[derive(Serialize)]
struct Page<'a> {
    ok: bool,
    drivers: Vec<DriverCard<'a>>,
    counts: Counts,
    matrices: Vec<Matrix<'a>>,
    failures: Vec<Run<'a>>,
    waived: Vec<Run<'a>>,
    missing: usize,
    rules: Vec<RuleLine>,
    cells: Vec<RuleLine>,
    capabilities: Vec<(&'a str, &'a str, Vec<bool>)>,
    slowest: Vec<Run<'a>>,
    cases: Vec<CaseLine<'a>>,
    nowhere: Vec<(String, String)>,
}

/// A driver in a glance.
#[derive(Serialize)]
struct DriverCard<'a> {
    name: &'a str,
    location: &'a str,
    ok: bool,
    counts: Counts,
    total: usize,
    seconds: String,
    seed: u64,
    filtered: bool,
    faults: u64,
    problems: &'a [String],
    skipped: Option<&'a str>,
    waivers: &'a [super::Waiver],
}

/// A suite's table: a line a driver, a cell a group.
#[derive(Serialize)]
struct Matrix<'a> {
    suite: String,
    groups: Vec<String>,
    lines: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    driver: &'a str,
    cells: Vec<Square>,
    seconds: String,
}

#[derive(Serialize)]
struct Square {
    counts: Counts,
    total: usize,
    state: &'static str,
}

/// A line of the coverage table.
#[derive(Serialize)]
struct RuleLine {
    cell: String,
    title: String,
    cases: usize,
    out_of_scope: Option<&'static str>,
    missing: bool,
    drivers: Vec<Square>,
}

/// A case on all drivers.
#[derive(Serialize)]
struct CaseLine<'a> {
    suite: &'a str,
    id: &'a str,
    rule: &'a str,
    covers: &'a [String],
    runs: Vec<Option<Run<'a>>>,
    state: &'static str,
}

#[derive(Serialize)]
struct Run<'a> {
    driver: &'a str,
    suite: &'a str,
    id: &'a str,
    rule: &'a str,
    state: &'static str,
    message: String,
    time: String,
}

impl Report {
    /// One self-contained page for people: the matrix, what failed, which rules are covered, every case.
    pub fn html(&self) -> String {
        let mut env = Environment::new();
        env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap());
        env.add_template("page.html", include_str!("page.html")).unwrap();
        let coverage = self.coverage();
        let (rules, cells): (Vec<_>, Vec<_>) = coverage.into_iter().partition(|l| !l.title.is_empty());
        let page = Page {
            ok: self.is_ok(),
            drivers: self.drivers.iter().map(card).collect(),
            counts: Counts::of(self.drivers.iter().flat_map(|d| &d.cases)),
            matrices: self.matrices(),
            failures: self.runs(|c| matches!(c.status, Status::Failed { .. })),
            waived: self.runs(|c| matches!(c.status, Status::Waived { .. })),
            missing: cells.iter().chain(&rules).filter(|l| l.missing).count(),
            rules,
            cells,
            capabilities: self.capabilities(),
            slowest: self.slowest(),
            cases: self.case_lines(),
            nowhere: self.ignored_everywhere(),
        };
        env.get_template("page.html").unwrap().render(Serde(page)).unwrap()
    }

    fn matrices(&self) -> Vec<Matrix<'_>> {
        let matrix = |suite: String| {
            let groups = self.groups(&suite);
            let line = |d: &'_ DriverReport| {
                let cases: Vec<_> = d.cases.iter().filter(|c| c.suite == suite).collect();
                let cell = |g: &String| square(cases.iter().copied().filter(|c| c.group() == g));
                (!cases.is_empty())
                    .then(|| (groups.iter().map(cell).collect(), time(cases.iter().map(|c| c.seconds).sum())))
            };
            let lines = self
                .drivers
                .iter()
                .filter_map(|d| line(d).map(|(cells, seconds)| Line { driver: &d.driver, cells, seconds }));
            Matrix { lines: lines.collect(), groups: groups.clone(), suite }
        };
        self.suites().into_iter().map(matrix).collect()
    }

    fn runs(&self, wanted: impl Fn(&CaseReport) -> bool) -> Vec<Run<'_>> {
        let all = self.drivers.iter().flat_map(|d| d.cases.iter().map(move |c| (d, c)));
        all.filter(|(_, c)| wanted(c)).map(|(d, c)| run(d, c)).collect()
    }

    fn coverage(&self) -> Vec<RuleLine> {
        let line = |cell: coverage::Cell| {
            let covers = |c: &&CaseReport| cell.cases.contains(&c.id.as_str());
            RuleLine {
                cases: cell.cases.len(),
                out_of_scope: cell.out_of_scope,
                missing: cell.is_missing(),
                drivers: self.drivers.iter().map(|d| square(d.cases.iter().filter(covers))).collect(),
                title: cell.title,
                cell: cell.cell,
            }
        };
        coverage::table().into_iter().map(line).collect()
    }

    /// Name, summary, and whether each driver declares it.
    fn capabilities(&self) -> Vec<(&str, &str, Vec<bool>)> {
        let Some(first) = self.drivers.iter().find(|d| d.skipped.is_none()) else { return Vec::new() };
        let has = |name: &str| {
            let declared = |d: &DriverReport| d.capabilities.iter().any(|c| c.name == name && c.declared);
            self.drivers.iter().map(declared).collect()
        };
        first.capabilities.iter().map(|c| (c.name.as_str(), c.summary.as_str(), has(&c.name))).collect()
    }

    fn slowest(&self) -> Vec<Run<'_>> {
        let mut all: Vec<_> = self.drivers.iter().flat_map(|d| d.cases.iter().map(move |c| (d, c))).collect();
        all.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds));
        all.truncate(SLOWEST);
        all.into_iter().map(|(d, c)| run(d, c)).collect()
    }

    fn case_lines(&self) -> Vec<CaseLine<'_>> {
        let mut lines: Vec<Vec<(usize, &CaseReport)>> = Vec::new();
        let mut at: HashMap<(&str, &str), usize> = HashMap::new();
        for (i, d) in self.drivers.iter().enumerate() {
            for c in &d.cases {
                let line = *at.entry((&c.suite, &c.id)).or_insert_with(|| {
                    lines.push(Vec::new());
                    lines.len() - 1
                });
                lines[line].push((i, c));
            }
        }
        lines.iter().map(|runs| self.case_line(runs)).collect()
    }

    fn case_line<'a>(&'a self, runs: &[(usize, &'a CaseReport)]) -> CaseLine<'a> {
        let case = runs[0].1;
        let of = |i| runs.iter().find(|(at, _)| *at == i).map(|(_, c)| run(&self.drivers[i], c));
        CaseLine {
            suite: &case.suite,
            id: &case.id,
            rule: &case.rule,
            covers: &case.covers,
            runs: (0..self.drivers.len()).map(of).collect(),
            state: state(Counts::of(runs.iter().map(|(_, c)| *c))),
        }
    }
}

fn card(d: &DriverReport) -> DriverCard<'_> {
    let counts = Counts::of(d.cases.iter());
    DriverCard {
        name: &d.driver,
        location: &d.location,
        ok: d.is_ok(),
        counts,
        total: counts.total(),
        seconds: time(d.seconds),
        seed: d.seed,
        filtered: d.filtered,
        faults: d.injected.total(),
        problems: &d.problems,
        skipped: d.skipped.as_deref(),
        waivers: &d.waivers,
    }
}

fn run<'a>(d: &'a DriverReport, c: &'a CaseReport) -> Run<'a> {
    let message = match &c.status {
        Status::Passed => String::new(),
        // The page shows the rule itself.
        Status::Failed { message } => {
            message.lines().filter(|l| !l.starts_with("  rule: ")).collect::<Vec<_>>().join("\n")
        }
        Status::Ignored { reason } | Status::Waived { reason, .. } => reason.clone(),
    };
    Run {
        driver: &d.driver,
        suite: &c.suite,
        id: &c.id,
        rule: &c.rule,
        state: c.status.name(),
        message,
        time: time(c.seconds),
    }
}

fn square<'a>(cases: impl Iterator<Item = &'a CaseReport>) -> Square {
    let counts = Counts::of(cases);
    Square { counts, total: counts.total(), state: state(counts) }
}

/// The worst that is among them.
fn state(n: Counts) -> &'static str {
    match n {
        _ if n.failed > 0 => "failed",
        _ if n.waived > 0 => "waived",
        _ if n.passed > 0 => "passed",
        _ if n.ignored > 0 => "ignored",
        _ => "none",
    }
}

fn time(seconds: f64) -> String {
    if seconds < 0.9995 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}
