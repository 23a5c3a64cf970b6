//! `persist bench documents`: queries by index, without one, and written by hand; single writes; loads; an index that is added
//! under writers.

mod ask;
mod corpus;
mod gate;
mod hand;
mod library;
mod load;
mod online;
mod report;
mod rounds;

use crate::output;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use corpus::Corpus;
use library::Library;
use persistence::Env;
use serde_json::Value;

#[derive(Args, Debug)]
pub(super) struct Documents {
    /// Where to write: fjall:./data, sqlite:./data.db, postgres://user@host/database, mysql://user@host/database,
    /// cassandra://host/keyspace, memory:
    #[arg(long)]
    url: String,
    /// Number of documents of 800 bytes
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    documents: u64,
    /// 200,000 documents
    #[arg(long, conflicts_with = "documents")]
    nightly: bool,
    /// Numbers of concurrent writers of single documents; 0 for none
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,16")]
    writers: Vec<u16>,
    /// Seconds of each measurement, after a warm-up of a fifth of it
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = super::seconds)]
    seconds: f64,
    /// Rounds; the table shows medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Measure only what has this in its name, as "by id" or "create"
    #[arg(long, value_name = "TEXT", conflicts_with = "index_under_writers")]
    only: Option<String>,
    /// Add indexes while this many writers write, instead of measuring queries; the first number of --writers that is not 1
    #[arg(long)]
    index_under_writers: bool,
    /// Fail where a query is less than 20 times faster by index or less than 0.8 of that by hand, where a page far from the first takes
    /// more than 3 times as long, or where a write fails or takes more than a second while indexes are added
    #[arg(long)]
    gate: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Documents {
    fn corpus(&self) -> Corpus {
        Corpus { documents: if self.nightly { 200_000 } else { self.documents } }
    }

    /// Whether what has this name is to be measured.
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(&**only))
    }
}

pub(super) async fn run(args: &Documents) -> Result<()> {
    let db = persistence::connect_with(&args.url, &Env::default()).await.context("cannot connect")?;
    let library = Library::new(db.clone())?;
    let done = async {
        if args.index_under_writers {
            let report = online::run(args, &library).await?;
            tell(args, || report.json(), || report.table())?;
            return judge(args, &report.misses());
        }
        let report = rounds::run(args, &library).await?;
        tell(args, || report.json(), || report.table())?;
        judge(args, &report.misses())
    };
    let done = done.await;
    let closed = db.close().await;
    done?;
    closed.context("closing the database")
}

fn tell(args: &Documents, json: impl FnOnce() -> Value, table: impl FnOnce() -> String) -> Result<()> {
    if args.json { output::json(&json()) } else { output::text(&table()) }
}

fn judge(args: &Documents, misses: &[String]) -> Result<()> {
    ensure!(!args.gate || misses.is_empty(), "not reached:\n{}", misses.join("\n"));
    Ok(())
}
