//! `cargo xtask test`: everything that must hold, phase by phase, and how long each took.

use crate::command::{self, Counts, Tested, cargo, echo};
use crate::workspace::{CONFORMANCE, Workspace};
use crate::{budgets, conformance, docs, licences, new_driver, setup};
use anyhow::{Context as _, Result, ensure};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// First install what the tests need and a bare Debian machine lacks
    #[arg(long)]
    setup: bool,
    /// Fail when this driver cannot be tested, or any with `all`; may be given several times
    #[arg(long = "require", value_name = "NAME")]
    required: Vec<String>,
    /// Take longer: a hundred crashes, and the conformance suite three times
    #[arg(long)]
    nightly: bool,
}

/// How often the crash tests kill their writer.
const KILLS: &str = "PERSISTENCE_KILLS";

/// What a phase does.
enum Work {
    /// Something holds or it does not.
    Check(fn(&Workspace) -> Result<()>),
    /// Tests are run; at least one must be.
    Tests(fn(&Workspace, &Args) -> Result<Tested>),
}

use Work::{Check, Tests};

/// The phase without which there is nothing to run.
const BUILD: &str = "build";

/// What is quick to run and quick to mend comes first.
///
/// Whatever builds does so for the whole workspace, in one profile and one target directory, so that cargo resolves the same
/// features each time and compiles nothing twice (apart from checking for clippy and rustdoc, which makes no code).
const PHASES: &[(&str, Work)] = &[
    ("format", Check(|ws| check(ws, &["fmt", "--all", "--check"]))),
    ("budgets", Check(budgets::run)),
    ("licences", Check(licences::run)),
    ("clippy", Check(clippy)),
    ("rustdoc", Check(rustdoc)),
    (BUILD, Check(|ws| check(ws, &["test", "--workspace", "--no-run"]))),
    ("unit tests", Tests(|ws, _| tests(&mut cargo_test(ws, &["--lib", "--bins"])))),
    ("crash and integration tests", Tests(integration)),
    ("conformance", Tests(conformance_suite)),
    ("doc tests", Tests(|ws, _| tests(&mut cargo_test(ws, &["--doc"])))),
    ("new driver", Check(new_crate)),
    ("generated documents", Check(docs::check)),
];

/// What a phase came to.
struct Row {
    name: &'static str,
    took: Duration,
    tested: Option<Tested>,
    problem: Option<String>,
}

impl Row {
    fn counts(&self) -> Option<Counts> {
        self.tested.as_ref().map(|t| t.counts)
    }
}

/// The longest account of failures that is repeated at the end, in lines for each phase. The whole stands above.
const TOLD_AGAIN: usize = 120;

/// Runs every phase, tells, and says whether everything holds.
pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<bool> {
    let began = Instant::now();
    let mut rows = Vec::new();
    if args.setup {
        rows.push(phase(ws, args, "setup", &Check(setup::run)));
    }
    for (name, work) in PHASES {
        let unbuilt = rows.iter().any(|r: &Row| r.name == BUILD && r.problem.is_some());
        rows.push(if unbuilt { not_run(name) } else { phase(ws, args, name, work) });
    }
    echo(&format!("\n{}", table(&rows)));
    let mut all = Counts::default();
    for r in &rows {
        all += r.counts().unwrap_or_default();
        if let Some(problem) = &r.problem {
            echo(&format!("failed: {}: {problem}", r.name));
            tell_failures(r);
        }
    }
    // A check that does not hold is a failure like any other.
    all.failed +=
        rows.iter().filter(|r| r.problem.is_some() && r.counts().is_none_or(|c| c.failed == 0)).count();
    let Counts { passed, failed, ignored } = all;
    echo(&format!("{passed} passed, {failed} failed, {ignored} ignored in {}", clock(began.elapsed())));
    Ok(failed == 0 && passed > 0)
}

/// Who reads the end of a long output must not have to look for the test that failed. Its name stands last.
fn tell_failures(row: &Row) {
    let told = row.tested.as_ref().map_or(&[][..], |t| &t.failures);
    for line in &told[told.len().saturating_sub(TOLD_AGAIN)..] {
        echo(&format!("    {line}"));
    }
}

fn phase(ws: &Workspace, args: &Args, name: &'static str, work: &Work) -> Row {
    echo(&format!("\n=== {name}"));
    let began = Instant::now();
    let (tested, result) = match work {
        Check(run) => (None, run(ws)),
        Tests(run) => match run(ws, args) {
            Ok(tested) => {
                let judged = judge(&tested);
                (Some(tested), judged)
            }
            Err(e) => (None, Err(e)),
        },
    };
    let problem = result.err().map(|e| format!("{e:#}"));
    if let Some(problem) = &problem {
        echo(&format!("failed: {name}: {problem}"));
    }
    Row { name, took: began.elapsed(), tested, problem }
}

fn not_run(name: &'static str) -> Row {
    Row {
        name,
        took: Duration::ZERO,
        tested: None,
        problem: Some("not run, because nothing was built".to_owned()),
    }
}

fn judge(tested: &Tested) -> Result<()> {
    let Counts { passed, failed, .. } = tested.counts;
    ensure!(failed == 0, "{failed} failed");
    ensure!(!tested.bad_end, "not everything ran to a good end");
    ensure!(passed > 0, "no test ran");
    Ok(())
}

fn check(ws: &Workspace, args: &[&str]) -> Result<()> {
    command::run(cargo().args(args).current_dir(&ws.root))
}

fn clippy(ws: &Workspace) -> Result<()> {
    check(ws, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The fault tier does not run here, so it is no target of all; it must compile all the same.
    check(ws, &["clippy", "--workspace", "--test", "outage", "--", "-D", "warnings"])
}

fn rustdoc(ws: &Workspace) -> Result<()> {
    let mut doc = cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
    command::run(doc.current_dir(&ws.root))
}

fn cargo_test(ws: &Workspace, args: &[&str]) -> Command {
    let mut test = cargo();
    test.args(["test", "--workspace", "--no-fail-fast"]).args(args).current_dir(&ws.root);
    test
}

fn tests(test: &mut Command) -> Result<Tested> {
    println!("$ {}", command::shown(test));
    command::tests(test, echo)
}

/// Every test program but the conformance suites: what drivers promise beyond the contract, and whole programs.
fn integration(ws: &Workspace, args: &Args) -> Result<Tested> {
    let mut test = cargo_test(ws, &[]);
    for name in ws.integration_tests() {
        test.args(["--test", name]);
    }
    if args.nightly {
        test.env(KILLS, "100");
    }
    // What runs on servers skips those that are not there, unless they are required.
    conformance::require(&mut test, &conformance::required(ws, CONFORMANCE, &args.required)?);
    tests(&mut test)
}

fn conformance_suite(ws: &Workspace, args: &Args) -> Result<Tested> {
    let mut all = Tested::default();
    let required = conformance::required(ws, CONFORMANCE, &args.required)?;
    for _ in 0..if args.nightly { 3 } else { 1 } {
        let dir = conformance::fresh_dir(ws)?;
        let mut test = cargo_test(ws, &["--test", CONFORMANCE]);
        test.env(conformance::REPORT_DIR, &dir);
        conformance::require(&mut test, &required);
        all.add(tests(&mut test)?);
    }
    conformance::summarize(ws)?;
    // A driver without the suite must not go unnoticed among those that have it.
    let dir = conformance::driver_reports(ws);
    for (name, _) in ws.drivers().filter(|(name, _)| !dir.join(format!("{name}.json")).is_file()) {
        echo(&format!("failed: the suite did not run on the driver {name}"));
        all.bad_end = true;
    }
    Ok(all)
}

/// What `new-driver` writes must compile in another repository; then the suite must fail case by case, without a panic.
fn new_crate(ws: &Workspace) -> Result<()> {
    let home = ws.target.join("new-driver");
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| home.display().to_string())?;
    }
    let name = new_driver::Name::new("probe")?;
    new_driver::write(ws, &name, &home.join(name.package()), false)?;
    fs::write(home.join("Cargo.toml"), new_driver::other_workspace(ws, &name)?)?;
    // The versions that are here already, so that the network is not needed.
    fs::copy(ws.root.join("Cargo.lock"), home.join("Cargo.lock"))?;
    let mut test = cargo();
    test.args(["test", "--quiet", "--offline", "--test", CONFORMANCE]);
    test.current_dir(&home).env("CARGO_TARGET_DIR", &ws.target);
    println!("$ {}", command::shown(&test));
    let mut panicked = false;
    // Its failures are wanted: on the screen they would look like ours.
    let tested = command::tests(&mut test, |line| panicked |= line.contains("panicked at"))?;
    let Counts { passed, failed, ignored } = tested.counts;
    println!("the new driver: {passed} passed, {failed} failed, {ignored} ignored");
    ensure!(failed > 0 && tested.bad_end, "a driver that does nothing does not fail");
    ensure!(passed == 0, "a driver that does nothing passes {passed} cases");
    ensure!(!panicked, "a driver that does nothing makes the suite panic");
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["phase", "time", "passed", "failed", "ignored", ""]);
    for r in rows {
        let count = |f: fn(Counts) -> usize| r.counts().map(|c| f(c).to_string()).unwrap_or_default();
        table.add_row([
            r.name.to_owned(),
            clock(r.took),
            count(|c| c.passed),
            count(|c| c.failed),
            count(|c| c.ignored),
            if r.problem.is_some() { "FAILED" } else { "ok" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn clock(d: Duration) -> String {
    match d.as_secs() {
        s if s < 60 => format!("{:.1} s", d.as_secs_f64()),
        s => format!("{} min {:02} s", s / 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_tests_and_a_bad_end_are_failures() {
        let tested = |passed, failed, bad_end| {
            let counts = Counts { passed, failed, ignored: 1 };
            Tested { counts, bad_end, ..Tested::default() }
        };
        assert!(judge(&tested(1, 0, false)).is_ok());
        for bad in [tested(0, 0, false), tested(1, 1, true), tested(1, 0, true)] {
            assert!(judge(&bad).is_err());
        }
    }

    #[test]
    fn times_are_read_at_a_glance() {
        assert_eq!(clock(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(clock(Duration::from_secs(367)), "6 min 07 s");
    }
}
