//! `persist bench`: how fast a database is on this machine, beside the most that it can do: an embedded one beside a plain log on
//! its disk, a server beside statements written by hand.

mod documents;
mod engine;
mod groups;
mod log;
mod measure;
mod probe;
mod report;

use crate::output;
use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use engine::Engine;
use groups::Grouping;
use log::Log;
use measure::{Measured, measure};
use persistence::{Env, Persistence};
use probe::Probe;
use report::{Cell, Report};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// State transitions a second and, in the same rounds, what there is to be reached: statements written by hand for this one
    /// purpose on SQL and Cassandra, a plain log behind the same queue otherwise
    ///
    /// By hand on Cassandra are the same rows as the library's: the rows of history as a plain write at LOCAL_QUORUM, and then one
    /// conditional batch in the shard's partition. `one batch` is another application, that keeps history in the shard's
    /// partition: a single conditional batch of the same rows.
    Transitions(Transitions),
    /// Documents: queries by index, each beside the same one without an index and beside statements written by hand; single
    /// writes; or indexes that are added under writers
    ///
    /// Loads the documents first. What is written by hand has a table of the same shape with the same indexes in the same database. Tells
    /// the median of the rounds' ratios; that a query by index needs no scan is asserted.
    Documents(documents::Documents),
}

#[derive(Args, Debug)]
struct Transitions {
    /// Where to write: fjall:./data, sqlite:./data.db, postgres://user@host/database, mysql://user@host/database,
    /// cassandra://host/keyspace, memory:
    #[arg(long)]
    url: String,
    /// Numbers of concurrent writers, each with a workflow of its own
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,16,64", value_parser = clap::value_parser!(u16).range(1..))]
    writers: Vec<u16>,
    /// Number of shards to spread workflows over
    #[arg(long, value_name = "N", default_value_t = crate::args::DEFAULT_SHARDS, value_parser = clap::value_parser!(u16).range(1..))]
    shards: u16,
    /// Transitions in a call, in groups of this size; 0 for no groups
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "16")]
    groups: Vec<u16>,
    /// Transitions in a call, as many as a shard has writers and at most this many, so that writers stay where they are
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(2..))]
    waves: Vec<u16>,
    /// Seconds of each measurement, after a warm-up of a fifth of it
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Rounds; the table shows medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The directory of the plain log [default: beside the database, if that is a directory]
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(s) if (0.01..=3600.0).contains(&s) => Ok(s),
        _ => Err("must be a number of seconds from 0.01 to 3600".to_owned()),
    }
}

pub(crate) async fn run(args: &BenchArgs) -> Result<()> {
    let args = match &args.what {
        What::Transitions(args) => args,
        What::Documents(args) => return documents::run(args).await,
    };
    let db = persistence::connect_with(&args.url, &Env::default()).await.context("cannot connect")?;
    let measured = transitions(args, &db).await;
    let closed = db.close().await;
    let report = measured?;
    closed.context("closing the database")?;
    if args.json { output::json(&report.json()) } else { output::text(&report.table()) }
}

async fn transitions(args: &Transitions, db: &Arc<dyn Persistence>) -> Result<Report> {
    let mut rival = Rival::of(args, db.as_ref()).await?;
    let mut report =
        Report::new(output::database(db.info()), rival.name(), [args.shards, args.rounds], args.seconds);
    let measured = rounds(args, db, &mut rival, &mut report).await;
    let closed = match rival {
        Rival::Probe(probe) => probe.close().await.context("dropping the raw probe's tables"),
        _ => Ok(()),
    };
    measured.and(closed)?;
    report.end();
    Ok(report)
}

/// What is measured for a number of writers.
#[derive(Clone, Copy)]
enum Part {
    Raw,
    Whole,
    Store,
    Groups(Grouping),
    RawGroups(Grouping),
}

async fn rounds(
    args: &Transitions,
    db: &Arc<dyn Persistence>,
    rival: &mut Rival,
    report: &mut Report,
) -> Result<()> {
    let time = Duration::from_secs_f64(args.seconds);
    let mut engine = Engine::new(db.clone(), args.shards);
    let groups = args.groups.iter().filter(|n| **n > 0).map(|n| Grouping::Of(*n));
    let groups = groups.chain(args.waves.iter().map(|n| Grouping::UpTo(*n)));
    let mut parts = vec![Part::Whole, Part::Raw, Part::Store];
    parts.extend(groups.flat_map(|g| [Part::Groups(g), Part::RawGroups(g)]));
    for round in 0..args.rounds {
        for &writers in &args.writers {
            output::complain(&format!("round {} of {}: {writers} writers", round + 1, args.rounds));
            let mut cell = Cell::new(writers);
            for &part in &parts {
                match part {
                    Part::Raw => cell.raw = rival.measure(writers, time).await?,
                    Part::Whole => cell.whole = rival.measure_whole(writers, time).await?,
                    Part::Store => cell.store = Some(engine.measure(writers, time).await?),
                    Part::Groups(g) => cell.add(g, engine.measure_groups(writers, g, time).await?),
                    Part::RawGroups(g) => cell.add_raw(g, rival.measure_groups(writers, g, time).await?),
                }
            }
            report.add(cell);
        }
        // Turn and turn about, so that what the machine does meanwhile hits all.
        parts.reverse();
    }
    Ok(())
}

/// What the store is compared with.
enum Rival {
    Probe(Box<Probe>),
    Log(PathBuf),
    Nothing,
}

impl Rival {
    async fn of(args: &Transitions, db: &dyn Persistence) -> Result<Self> {
        if let Some(probe) = Probe::open(&args.url, args.shards).await? {
            return Ok(Rival::Probe(Box::new(probe)));
        }
        Ok(log_dir(args, db)?.map_or(Rival::Nothing, Rival::Log))
    }

    fn name(&self) -> &'static str {
        match self {
            Rival::Probe(_) => "by hand",
            _ => "plain log",
        }
    }

    async fn measure(&mut self, writers: u16, time: Duration) -> Result<Option<Measured>> {
        match self {
            Rival::Probe(probe) => Ok(Some(probe.measure(writers, time).await?)),
            Rival::Log(dir) => {
                let log = Log::create(dir)?;
                let appenders = (0..writers).map(|_| log.appender()).collect();
                Ok(Some(measure(appenders, time).await?.0))
            }
            Rival::Nothing => Ok(None),
        }
    }

    async fn measure_whole(&mut self, writers: u16, time: Duration) -> Result<Option<Measured>> {
        match self {
            Rival::Probe(probe) => probe.measure_whole(writers, time).await,
            _ => Ok(None),
        }
    }

    async fn measure_groups(
        &mut self,
        writers: u16,
        grouping: Grouping,
        time: Duration,
    ) -> Result<Option<Measured>> {
        match self {
            Rival::Probe(probe) => probe.measure_groups(writers, grouping, time).await,
            _ => Ok(None),
        }
    }
}

/// On the disk of the database, or the comparison would say nothing.
fn log_dir(args: &Transitions, db: &dyn Persistence) -> Result<Option<PathBuf>> {
    if let Some(dir) = &args.log {
        if !dir.is_dir() {
            bail!("{} is not a directory", dir.display());
        }
        return Ok(Some(dir.clone()));
    }
    let data = Path::new(&db.info().location);
    let beside = data.is_dir().then(|| data.parent().map(Path::to_owned)).flatten();
    Ok(beside.map(|dir| if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir }))
}
