//! The suite as a test binary: one named trial a case and driver.

use crate::harness::Harness;
use crate::report::{CaseReport, DriverReport, Report, Status};
use crate::runner::{PARALLEL, Runner, SEED};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Where each conformance binary writes `<driver>.json`, if set.
pub const REPORT_DIR: &str = "PERSISTENCE_REPORT_DIR";

/// Runs the suite on a driver as a test binary (`harness = false`): trials are named `driver/suite/group::case`, the
/// usual arguments of `cargo test` select them, and a case that the driver cannot run is listed as ignored with the
/// reason. Fails also if nothing ran, or if a capability was not shown.
pub fn main(harness: impl Harness) -> ExitCode {
    run(harness, PARALLEL, true)
}

/// The same for cases that each want everything for themselves, and are not the whole proof of a driver.
pub(crate) fn one_by_one(harness: impl Harness) -> ExitCode {
    run(harness, 1, false)
}

fn run(harness: impl Harness, parallel: usize, whole: bool) -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(parallel);
    let filtered = !whole || args.filter.is_some() || !args.skip.is_empty() || args.ignored;
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(e) => {
            eprintln!("no runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    let runner = Arc::new(Runner::new(harness));
    if !whole && !args.list {
        println!("outage: {SEED}={}", runner.seed());
    }
    let trials =
        runner.list().into_iter().map(|(suite, id)| trial(runtime.clone(), runner.clone(), suite, id));
    let conclusion = libtest_mimic::run(&args, trials.collect());
    if args.list {
        return conclusion.exit_code();
    }
    let Some(runner) = Arc::into_inner(runner) else {
        eprintln!("a case outlived the run");
        return ExitCode::FAILURE;
    };
    let report = runtime.block_on(runner.finish(filtered));
    for w in &report.waivers {
        println!("waiver: {}: {}", w.case, w.reason);
    }
    for p in &report.problems {
        println!("problem: {}: {p}", report.driver);
    }
    let failed = !report.problems.is_empty();
    if !write_report(report) || failed { ExitCode::FAILURE } else { conclusion.exit_code() }
}

/// Writes the report where it is wanted; false if that fails.
pub(crate) fn write_report(report: DriverReport) -> bool {
    let Some(dir) = std::env::var_os(REPORT_DIR) else { return true };
    let written = Report { drivers: vec![report] }.write_to(dir.as_ref());
    if let Err(e) = &written {
        eprintln!("the report cannot be written: {e}");
    }
    written.is_ok()
}

fn trial(runtime: Arc<Runtime>, runner: Arc<Runner>, suite: &'static str, id: &'static str) -> Trial {
    let name = format!("{}/{suite}/{id}", runner.driver());
    Trial::ignorable_test(name, move || {
        let report = runtime.block_on(runner.run(suite, id));
        match report.map(|r: CaseReport| r.status) {
            Some(Status::Passed) => Ok(Completion::Completed),
            Some(Status::Ignored { reason }) => Ok(Completion::ignored_with(reason)),
            Some(Status::Waived { reason, .. }) => Ok(Completion::ignored_with(format!("waived: {reason}"))),
            Some(Status::Failed { message }) => Err(Failed::from(message)),
            None => Err(Failed::from("no such case")),
        }
    })
}
