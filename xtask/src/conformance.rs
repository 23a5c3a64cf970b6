//! `cargo xtask conformance`: the suite on every driver, and what came of it side by side.

use crate::command::{self, Counts, Tested, cargo, echo};
use crate::workspace::{CONFORMANCE, OUTAGE, Package, Workspace};
use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use serde::Deserialize;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The test target that shows that the suite notices wrong drivers, where there is one.
const MUTANTS: &str = "mutants";

/// Where a conformance test writes its report.
pub(crate) const REPORT_DIR: &str = "PERSISTENCE_REPORT_DIR";

/// How lines of a test program begin that are not only for its log.
const TOLD: &str = "outage: ";

/// Which drivers a conformance test may not skip, comma-separated.
const REQUIRE: &str = "PERSISTENCE_REQUIRE";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this driver; may be given several times [default: every driver]
    #[arg(long = "driver", value_name = "NAME")]
    drivers: Vec<String>,
    /// Fail unless cases passed on this driver, or on every one with `all`; may be given several times
    #[arg(long = "require", value_name = "NAME")]
    required: Vec<String>,
    /// Only cases whose name (driver/suite/group::case) contains this
    #[arg(long, value_name = "FILTER")]
    case: Option<String>,
    /// Write only this report; may be given several times [default: all]
    #[arg(long = "report", value_name = "FORMAT")]
    reports: Vec<Format>,
    /// Every case three times, each time with other random choices
    #[arg(long)]
    nightly: bool,
    /// The second tier instead: servers are paused and killed, connections cut and requests delivered late, under load
    #[arg(long)]
    faults: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Html,
    Json,
    Junit,
}

impl Format {
    /// The file of the report of this suite.
    fn file(self, suite: &str) -> String {
        let extension = match self {
            Format::Html => "html",
            Format::Json => "json",
            Format::Junit => "xml",
        };
        format!("{suite}.{extension}")
    }
}

/// Runs, tells, and says whether everything was good.
pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<bool> {
    let suite = if args.faults { OUTAGE } else { CONFORMANCE };
    let drivers = chosen(ws, suite, &args.drivers)?;
    let mut problems = Vec::new();
    let required = required(ws, suite, &args.required)?;
    for name in &required {
        if !drivers.iter().any(|(d, _)| d == name) {
            problems.push(format!("the required driver {name} did not run"));
        }
    }
    let dir = fresh_dir(ws)?;
    let programs = built(ws, &["test", "--workspace", "--no-run", "--test", suite])?;
    let mut all = Counts::default();
    for round in 1..=if args.nightly { 3 } else { 1 } {
        for (name, package) in &drivers {
            let program = programs.iter().find(|p| p.manifest_path.parent() == Some(package.dir()));
            let program = program.with_context(|| format!("{name} has no program for the suite {suite}"))?;
            let mut run = Command::new(&program.executable);
            run.args(args.case.as_deref()).current_dir(package.dir()).env(REPORT_DIR, &dir);
            require(&mut run, &required);
            let began = Instant::now();
            let log = log(&dir, &if args.nightly { format!("{name}-{round}") } else { (*name).to_owned() });
            let Tested { counts, bad_end, .. } = logged(&mut run, &log)?;
            let (seconds, Counts { passed, failed, ignored }) = (began.elapsed().as_secs_f64(), counts);
            let what = if args.nightly { format!("{name}, round {round}") } else { (*name).to_owned() };
            echo(&match skipped(&dir, name) {
                Some(reason) => format!("{what}: SKIPPED ({reason})"),
                None => {
                    format!("{what}: {passed} passed, {failed} failed, {ignored} ignored in {seconds:.1} s")
                }
            });
            all += counts;
            if bad_end {
                problems.push(format!("{what}: see {}", log.display()));
            }
            if passed == 0 && required.iter().any(|r| r == name) {
                problems.push(format!("no case passed on the required driver {name}"));
            }
        }
    }
    if !args.faults
        && args.drivers.is_empty()
        && args.case.is_none()
        && ws.integration_tests().contains(MUTANTS)
    {
        let counts = mutants(ws, &dir)?;
        if counts.failed > 0 || counts.passed == 0 {
            problems.push(format!(
                "the suite does not notice what it should: see {}",
                log(&dir, MUTANTS).display()
            ));
        }
        all += counts;
    }
    let formats = if args.reports.is_empty() { Format::value_variants() } else { &args.reports };
    summary(ws, suite, formats)?;
    if all == Counts::default() {
        problems.push("no case ran".to_owned());
    }
    for p in &problems {
        echo(&format!("problem: {p}"));
    }
    echo(&format!("{} passed, {} failed, {} ignored", all.passed, all.failed, all.ignored));
    Ok(problems.is_empty() && all.failed == 0)
}

/// The names of drivers that must be tested; `all` stands for each that has the suite.
pub(crate) fn required(ws: &Workspace, suite: &str, names: &[String]) -> Result<Vec<String>> {
    let all = || ws.drivers().filter(|(_, p)| p.has_test(suite)).map(|(d, _)| d.to_owned());
    if names.iter().any(|n| n == "all") {
        return Ok(all().collect());
    }
    if let Some(name) = names.iter().find(|n| !all().any(|d| d == **n)) {
        bail!("there is no driver {name}; there are {}", all().collect::<Vec<_>>().join(", "));
    }
    Ok(names.to_vec())
}

/// Tells a test program which drivers it may not skip.
pub(crate) fn require(test: &mut Command, names: &[String]) {
    if !names.is_empty() {
        test.env(REQUIRE, names.join(","));
    }
}

/// A driver's report, as far as this program looks at it.
#[derive(Deserialize)]
pub(crate) struct Report<D> {
    pub(crate) drivers: Vec<D>,
}

#[derive(Deserialize)]
struct Ran {
    skipped: Option<String>,
}

/// Why nothing ran on a driver, if so.
fn skipped(dir: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(dir.join(format!("{name}.json"))).ok()?;
    let report: Report<Ran> = serde_json::from_str(&text).ok()?;
    report.drivers.into_iter().find_map(|d| d.skipped)
}

/// The drivers that were asked for, each with its crate.
fn chosen<'a>(ws: &'a Workspace, suite: &str, names: &[String]) -> Result<Vec<(&'a str, &'a Package)>> {
    let all: Vec<_> = ws.drivers().filter(|(_, p)| p.has_test(suite)).collect();
    for name in names {
        if !all.iter().any(|(d, _)| d == name) {
            let known: Vec<_> = all.iter().map(|(d, _)| *d).collect();
            bail!("there is no driver {name} with a test target {suite}; there are {}", known.join(", "));
        }
    }
    ensure!(!all.is_empty(), "no driver has a test target {suite}");
    Ok(all.into_iter().filter(|(d, _)| names.is_empty() || names.iter().any(|n| n == d)).collect())
}

/// Where the drivers' own reports are.
pub(crate) fn driver_reports(ws: &Workspace) -> PathBuf {
    ws.reports().join("drivers")
}

/// The same, emptied.
pub(crate) fn fresh_dir(ws: &Workspace) -> Result<PathBuf> {
    let dir = driver_reports(ws);
    match fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).context(dir.display().to_string());
        }
        _ => fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?,
    }
    Ok(dir)
}

/// Runs the mutants, and tells how many of them the suite noticed.
fn mutants(ws: &Workspace, dir: &Path) -> Result<Counts> {
    let mut all = Counts::default();
    for program in built(ws, &["test", "--workspace", "--no-run", "--test", MUTANTS])? {
        all += logged(&mut Command::new(&program.executable), &log(dir, MUTANTS))?.counts;
    }
    echo(&format!("mutants: {} of {} noticed", all.passed, all.passed + all.failed));
    Ok(all)
}

fn log(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.log"))
}

/// Runs tests. What they say goes to a file; what failed is told by the summary.
fn logged(run: &mut Command, path: &Path) -> Result<Tested> {
    let mut log = fs::File::create(path).with_context(|| path.display().to_string())?;
    let mut written = Ok(());
    let tested = command::tests(run, |line| {
        if line.starts_with(TOLD) {
            echo(line);
        }
        if written.is_ok() {
            written = writeln!(log, "{line}");
        }
    })?;
    written.with_context(|| path.display().to_string())?;
    Ok(tested)
}

/// Prints the matrix of the drivers' reports, and writes them as one.
fn summary(ws: &Workspace, suite: &str, formats: &[Format]) -> Result<()> {
    // It needs the suite's own crate, so it is not part of this program, which must start quickly.
    let matrix = built(ws, &["build", "--workspace", "--example", "matrix"])?;
    let program = matrix.first().context("the example matrix was not built")?;
    let mut run = Command::new(&program.executable);
    run.arg(driver_reports(ws));
    run.args(formats.iter().map(|f| ws.reports().join(f.file(suite))));
    let status = run.status().with_context(|| format!("cannot run {}", program.executable.display()))?;
    ensure!(status.success(), "the reports cannot be put together: {status}");
    for f in formats {
        echo(&format!("wrote {}", ws.reports().join(f.file(suite)).display()));
    }
    Ok(())
}

/// Prints the matrix, and writes every report.
pub(crate) fn summarize(ws: &Workspace) -> Result<()> {
    summary(ws, CONFORMANCE, Format::value_variants())
}

/// A program that cargo built.
#[derive(Deserialize)]
struct Program {
    executable: PathBuf,
    manifest_path: PathBuf,
}

/// Builds, and tells the programs that came of it.
fn built(ws: &Workspace, args: &[&str]) -> Result<Vec<Program>> {
    let mut build = cargo();
    build.args(args).args(["--quiet", "--message-format", "json-render-diagnostics"]).current_dir(&ws.root);
    let messages = command::output(&mut build)?;
    // Other messages have no executable.
    Ok(messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
