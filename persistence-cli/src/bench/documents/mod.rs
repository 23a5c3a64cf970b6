//! `persist bench documents`: queries by index, without one, and written by hand; single writes; loads; an index that is added
//! under writers.

mod ask;
mod corpus;
mod hand;
mod library;
mod load;
mod online;
mod report;
mod rounds;

use crate::output;
use anyhow::{Context as _, Result};
use clap::Args;
use corpus::Corpus;
use library::Library;
use persistence::Env;

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
            return if args.json { output::json(&report.json()) } else { output::text(&report.table()) };
        }
        let report = rounds::run(args, &library).await?;
        if args.json { output::json(&report.json()) } else { output::text(&report.table()) }
    };
    let done = done.await;
    let closed = db.close().await;
    done?;
    closed.context("closing the database")
}
