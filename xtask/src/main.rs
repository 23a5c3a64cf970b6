//! `cargo xtask`: the project's own commands.

mod bench;
mod budgets;
mod cluster;
mod command;
mod conformance;
mod docs;
mod licences;
mod new_driver;
mod setup;
mod source;
mod test;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Everything that must hold: format, lints, budgets, licences, tests, conformance, documents
    Test(test::Args),
    /// Install what the tests need and a bare Debian machine lacks, as `test --setup` does
    Setup,
    /// The conformance suite on every driver, side by side
    Conformance(conformance::Args),
    /// Write the crate of a new driver, with the suite wired in
    NewDriver(new_driver::Args),
    /// Compare the sizes of the code with what was agreed
    Budgets,
    /// Compare every dependency's licence and source with deny.toml
    Licences,
    /// Bring the generated parts of the README up to date
    Docs(docs::Args),
    /// Measure
    #[command(subcommand)]
    Bench(bench::Verb),
    /// Servers in containers that stay until they are told to go
    #[command(subcommand)]
    Cluster(cluster::Verb),
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(true) => ExitCode::SUCCESS,
        // What is wrong has been told, and its last line counts it.
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything holds.
fn run(verb: Verb) -> Result<bool> {
    let ws = workspace::Workspace::load()?;
    match verb {
        Verb::Test(args) => test::run(&ws, &args),
        Verb::Setup => setup::run(&ws).map(|()| true),
        Verb::Conformance(args) => conformance::run(&ws, &args),
        Verb::NewDriver(args) => new_driver::run(&ws, &args).map(|()| true),
        Verb::Budgets => budgets::run(&ws).map(|()| true),
        Verb::Licences => licences::run(&ws).map(|()| true),
        Verb::Docs(args) => docs::run(&ws, &args).map(|()| true),
        Verb::Bench(verb) => bench::run(&ws, &verb).map(|()| true),
        Verb::Cluster(verb) => cluster::run(&ws, &verb).map(|()| true),
    }
}
