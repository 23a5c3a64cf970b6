//! `cargo xtask bench`: a release build of `persist bench` on a database below the target directory.

use crate::command::{self, cargo};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Transitions a second, beside what the disk, or statements written by hand, can do in the same minute
    #[command(disable_help_flag = true)]
    Transitions {
        /// Options of `persist bench transitions`; see its --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        options: Vec<String>,
    },
    /// Documents found by index, beside the same without one and beside statements written by hand; --nightly for 200,000
    #[command(disable_help_flag = true)]
    Documents {
        /// Options of `persist bench documents`; see its --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        options: Vec<String>,
    },
}

pub(crate) fn run(ws: &Workspace, verb: &Verb) -> Result<()> {
    let (what, options) = match verb {
        Verb::Transitions { options } => ("transitions", options),
        Verb::Documents { options } => ("documents", options),
    };
    let mut bench = cargo();
    bench.args(["run", "--quiet", "--release", "--package", "persistence-cli", "--bin", "persist", "--"]);
    bench.args(["bench", what]).args(options).current_dir(&ws.root);
    let given = |name: &str| options.iter().any(|o| o == name || o.starts_with(&format!("{name}=")));
    if !given("--url") && !given("--help") && !given("-h") {
        // Beside the build, which is on a real disk where /tmp may not be.
        let dir = ws.target.join("bench");
        match std::fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).context(dir.display().to_string());
            }
            _ => std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?,
        }
        bench.args(["--url", &format!("fjall:{}", dir.join("data").display())]);
    }
    command::run(&mut bench)
}
