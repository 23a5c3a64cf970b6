//! `cargo xtask cluster`: servers in containers that stay, to measure or to try things on.

use crate::command::{self, cargo};
use crate::workspace::Workspace;
use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start Cassandra in place of what was up before, and print the URL
    Up {
        /// How many nodes; each keeps a copy of everything
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
        nodes: u8,
        /// A variable for the containers, as MAX_HEAP_SIZE=2G; may be given several times
        #[arg(long, value_name = "NAME=VALUE")]
        env: Vec<String>,
    },
    /// Remove the containers with their data
    Down,
}

pub(crate) fn run(ws: &Workspace, verb: &Verb) -> Result<()> {
    let mut cluster = cargo();
    cluster.args(["run", "--quiet", "--package", "driver-cassandra", "--example", "cluster", "--"]);
    match verb {
        Verb::Up { nodes, env } => cluster.arg("up").arg(nodes.to_string()).args(env),
        Verb::Down => cluster.arg("down"),
    };
    command::run(cluster.current_dir(&ws.root))
}
