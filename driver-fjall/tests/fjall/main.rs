//! What the driver promises, and every pitfall of the engine that it must not show.

mod behaviour;
mod child;
mod crash;
mod damage;
mod documents;
mod support;
mod syscalls;
mod torn;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

type Case = fn() -> Result<(), Failed>;

fn main() -> ExitCode {
    // The writer processes that are killed and traced are this binary, started again.
    if let Some(role) = child::role() {
        return child::run(&role);
    }
    let args = Arguments::from_args();
    let groups = [behaviour::CASES, crash::CASES, damage::CASES, documents::CASES, torn::CASES];
    let mut trials: Vec<Trial> =
        groups.into_iter().flatten().map(|(name, case)| Trial::test(*name, *case)).collect();
    trials.extend(syscalls::trials());
    libtest_mimic::run(&args, trials).exit_code()
}
