//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use persistence::store::TaskCategory;
use persistence::{NamespaceId, RunId};
use std::path::PathBuf;

/// Persistence for workflow engines: try it, look into it.
#[derive(Debug, Parser)]
#[command(name = "persist", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write exported workflow histories as an engine would, read them back and compare
    Replay(ReplayArgs),
    /// Look at workflows, their histories, and the tasks of shards
    Show(ShowArgs),
    /// What the driver behind a URL can do
    Caps(CapsArgs),
    /// Set up, upgrade or inspect the schema of a SQL database
    Schema(crate::schema::SchemaArgs),
    /// Declare collections of documents, bring documents in and out, and find them
    Documents(crate::documents::DocumentsArgs),
    /// Delete what closed long ago, with its history; remove and report what belongs to nothing
    Scavenge(crate::scavenge::ScavengeArgs),
    /// How fast a database is on this machine, beside what its disk could do
    Bench(crate::bench::BenchArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// Histories as Temporal's tools export them: {"events": [...]}, plain or gzip
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where to write: fjall:./data, sqlite:./data.db, postgres://user@host/database, memory:
    #[arg(long)]
    pub(crate) url: String,
    /// Number of shards to spread workflows over
    #[arg(long, default_value_t = DEFAULT_SHARDS, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) shards: u16,
    /// Histories under way at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: u16,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) const DEFAULT_SHARDS: u16 = 16;

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// What to look at [default: workflow with --workflow, else executions]
    #[arg(value_enum)]
    pub(crate) what: Option<What>,
    /// Where to look: fjall:./data, sqlite:./data.db, postgres://user@host/database
    #[arg(long)]
    pub(crate) url: String,
    /// The workflow id
    #[arg(long, value_name = "ID")]
    pub(crate) workflow: Option<String>,
    /// The run [default: the current one]
    #[arg(long, value_name = "ID", requires = "workflow")]
    pub(crate) run: Option<RunId>,
    /// The namespace [default: the one that replay writes to]
    #[arg(long, value_name = "UUID")]
    pub(crate) namespace: Option<NamespaceId>,
    /// The shard [default: where replay puts the workflow; for lists, every shard]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) shard: Option<i32>,
    /// Number of shards
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SHARDS, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) shards: u16,
    /// Only tasks of this category
    #[arg(long, value_enum)]
    pub(crate) category: Option<Category>,
    /// History from its end
    #[arg(long)]
    pub(crate) newest_first: bool,
    /// At most this many batches of events, executions or tasks of a shard
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Go on where a page ended: the token that it gave
    #[arg(long, value_name = "TOKEN")]
    pub(crate) page: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// The runs of each shard
    Executions,
    /// A workflow's current record, mutable state and pending items
    Workflow,
    /// A workflow's current record
    Current,
    /// A run's mutable state
    State,
    /// A run's pending items
    Items,
    /// A run's events
    History,
    /// The history tasks of shards
    Tasks,
    /// Shard rows
    Shards,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Category {
    Transfer,
    Timer,
    Replication,
    Visibility,
    Archival,
    Outbound,
}

impl Category {
    pub(crate) fn category(self) -> TaskCategory {
        match self {
            Category::Transfer => TaskCategory::TRANSFER,
            Category::Timer => TaskCategory::TIMER,
            Category::Replication => TaskCategory::REPLICATION,
            Category::Visibility => TaskCategory::VISIBILITY,
            Category::Archival => TaskCategory::ARCHIVAL,
            Category::Outbound => TaskCategory::OUTBOUND,
        }
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Args, Debug)]
pub(crate) struct CapsArgs {
    /// The database
    #[arg(long)]
    pub(crate) url: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
