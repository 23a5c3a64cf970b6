//! `persist`: writes histories into a database and looks at what is there.
//!
//! Exit code 0 when everything was good, 1 when something was not, 2 for a command line that cannot be understood.

mod args;
mod bench;
mod caps;
mod documents;
mod ids;
mod output;
mod progress;
mod replay;
mod scavenge;
mod schema;
mod show;
mod time;

use args::{Cli, Verb};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            output::complain(&format!("persist: cannot start: {e}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match &cli.verb {
            Verb::Replay(args) => replay::run(args).await,
            Verb::Show(args) => show::run(args).await.map(|()| true),
            Verb::Caps(args) => caps::run(args).await.map(|()| true),
            Verb::Schema(args) => schema::run(args).await,
            Verb::Documents(args) => documents::run(args).await,
            Verb::Scavenge(args) => scavenge::run(args).await,
            Verb::Bench(args) => bench::run(args).await.map(|()| true),
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            // One line: the error and its causes. Messages may quote what was found, line breaks and all.
            output::complain(&format!("persist: {e:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}
