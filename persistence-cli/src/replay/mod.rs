//! `persist replay`: histories become the writes that an engine would make, and are read back.

mod batch;
mod convert;
#[cfg(test)]
mod convert_tests;
mod event;
mod items;
pub(crate) mod owner;
mod read;
mod report;
mod request;
pub(crate) mod retry;
mod source;
mod successor;
mod tally;
mod tasks;
mod verify;
pub(crate) mod work;
mod write;

pub(crate) use tally::everything;

use crate::args::ReplayArgs;
use crate::progress::bar;
use anyhow::{Context as _, Result};
use owner::Owners;
use persistence::{Env, Persistence};
use report::{Outcome, Report};
use source::{Source, scan};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;
use verify::verify;
use work::each;
use write::{Writer, Written, histogram};

/// Replays, prints, and says whether everything was good.
pub(crate) async fn run(args: &ReplayArgs) -> Result<bool> {
    let bar = bar("reading", args.files.len());
    let (sources, broken) = scan(&args.files, || bar.inc(1));
    bar.finish_and_clear();
    let db = persistence::connect_with(&args.url, &Env::default()).await.context("cannot connect")?;
    let replayed = replay(args, &db, sources).await;
    let closed = db.close().await;
    let mut report = replayed?;
    closed.context("closing the database")?;
    report.broken = broken;
    for problem in report.problems() {
        crate::output::complain(&problem);
    }
    if args.json {
        crate::output::json(&report.json())?
    } else {
        crate::output::text(&report.table())?
    }
    Ok(report.is_good())
}

async fn replay(args: &ReplayArgs, db: &Arc<dyn Persistence>, sources: Vec<Source>) -> Result<Report> {
    let cx = persistence::Context::new().with_caller("persist replay");
    let info = db.info();
    let mut report = Report {
        database: crate::output::database(info),
        outcomes: Vec::new(),
        broken: Vec::new(),
        failed: Vec::new(),
        writing: Duration::ZERO,
        verifying: Duration::ZERO,
        latencies: histogram()?,
    };
    let concurrency = usize::from(args.concurrency);
    let sources = Arc::new(sources);

    let bar = bar("writing transitions", sources.iter().map(|s| s.transitions).sum());
    let writer = Arc::new(Writer {
        db: db.clone(),
        owners: Owners::new(db.clone(), args.shards),
        shards: args.shards,
    });
    let started = Instant::now();
    let written = each(sources.len(), concurrency, |index| {
        let (sources, writer, bar, cx) = (sources.clone(), writer.clone(), bar.clone(), cx.clone());
        async move {
            let source = &sources[index];
            let (text, conversion) = source.open().map_err(|p| anyhow::anyhow!("{p}"))?;
            writer.write(&cx, source, &text, &conversion, |n| bar.inc(u64::try_from(n).unwrap_or(0))).await
        }
    })
    .await;
    report.writing = started.elapsed();
    bar.finish_and_clear();

    let started = Instant::now();
    let mut good = Vec::new();
    for (source, written) in sources.iter().zip(written) {
        match written {
            Ok(written) => {
                report.latencies.add(&written.latencies).ok().context("adding up latencies")?;
                good.push((source.clone(), written));
            }
            Err(e) => report.failed.push((source.path.clone(), format!("{e:#}"))),
        }
    }
    read_back(&mut report, db, &cx, good, concurrency).await?;
    report.verifying = started.elapsed();
    Ok(report)
}

async fn read_back(
    report: &mut Report,
    db: &Arc<dyn Persistence>,
    cx: &persistence::Context,
    good: Vec<(Source, Written)>,
    concurrency: usize,
) -> Result<()> {
    let bar = bar("reading back", good.len());
    let good = Arc::new(good);
    let answers = each(good.len(), concurrency, |index| {
        let (good, db, cx, bar) = (good.clone(), db.clone(), cx.clone(), bar.clone());
        async move {
            let (source, written) = &good[index];
            let (text, conversion) = source.open().map_err(|p| anyhow::anyhow!("{p}"))?;
            let differences = verify(db.as_ref(), &cx, &written.target, &text, &conversion).await?;
            let mut tally = Tally::default();
            tally.expect(&written.target, &text, &conversion)?;
            bar.inc(1);
            Ok((differences, tally))
        }
    })
    .await;
    let mut expected = Tally::default();
    let mut verified = Vec::new();
    for ((source, written), answer) in good.iter().zip(answers) {
        match answer {
            Ok((differences, tally)) => {
                let runs = expected.merge(tally);
                verified.push((source, written, differences, runs));
            }
            Err(e) => report.failed.push((source.path.clone(), format!("{e:#}"))),
        }
    }
    let mut stored = Tally::default();
    for shard_id in expected.shards() {
        stored.read(db.as_ref(), cx, shard_id, &expected).await?;
    }
    for (source, written, mut differences, runs) in verified {
        differences.extend(expected.compare(&stored, &runs));
        report.outcomes.push(Outcome {
            path: source.path.clone(),
            workflow_id: written.target.run.workflow_id.clone(),
            run_id: written.target.run.run_id.to_string(),
            shard_id: written.target.shard_id.0,
            events: source.events,
            transitions: source.transitions,
            written: written.transitions,
            differences,
        });
    }
    bar.finish_and_clear();
    Ok(())
}
