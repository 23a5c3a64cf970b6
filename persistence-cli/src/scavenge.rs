//! `persist scavenge`: retention, and what crashes leave.

use crate::output;
use crate::progress::counter;
use crate::time::rfc3339;
use anyhow::{Context as _, Result};
use clap::Args;
use comfy_table::CellAlignment;
use indicatif::ProgressBar;
use persistence::retention::{DeleteClosed, FindOrphans, delete_closed, find_orphans};
use persistence::store::*;
use persistence::{Context, Env, NamespaceId, PageRequest, Persistence, Timestamp};
use serde_json::json;
use std::time::Duration;

#[derive(Args, Debug)]
pub(crate) struct ScavengeArgs {
    /// The database: fjall:./data, sqlite:./data.db, postgres://user@host/database
    #[arg(long)]
    url: String,
    /// Delete what closed before this time, with its history: 2026-01-01T00:00:00Z [default: nothing that has a run]
    #[arg(long, value_name = "TIME", value_parser = time)]
    closed_before: Option<Timestamp>,
    /// Only this namespace [default: all that visibility knows]
    #[arg(long, value_name = "UUID")]
    namespace: Option<NamespaceId>,
    /// Leave alone what has no run but is younger than this many hours: a transition may be under way
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    safety_age: u32,
    /// Runs, records or histories looked at in one call
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Delete nothing, tell what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time: jiff::Timestamp =
        text.parse().map_err(|e| format!("not a time as 2026-01-01T00:00:00Z: {e}"))?;
    Ok(Timestamp(time.as_millisecond()))
}

/// What was done, and found.
#[derive(Default)]
struct Report {
    namespaces: u64,
    examined: u64,
    deleted: u64,
    without_state: u64,
    branches: u64,
    still_open: Vec<RunKey>,
    failed: Vec<(RunKey, String)>,
    records: u64,
    without_run: Vec<RunKey>,
    trees: u64,
    orphan_branches: u64,
    orphan_nodes: u64,
    forgotten: u64,
    ended_early: Option<String>,
}

/// Scavenges, prints what was done by the end or until it failed, and says whether everything could be deleted that was to be.
pub(crate) async fn run(args: &ScavengeArgs) -> Result<bool> {
    let db = persistence::connect_with(&args.url, &Env::default()).await.context("cannot connect")?;
    let bar = counter("looked at");
    let mut report = Report::default();
    let scavenged = scavenge(args, &*db, &mut report, &bar).await;
    bar.finish_and_clear();
    let (info, closed) = (output::database(db.info()), db.close().await);
    // What was done by then is done, and is told.
    report.ended_early = scavenged.as_ref().err().map(|e| format!("{e:#}"));
    for (run, reason) in &report.failed {
        output::complain(&format!("{}: {reason}", name(run)));
    }
    if args.json {
        output::json(&as_json(args, &report))?
    } else {
        output::text(&table(args, &info, &report))?
    }
    scavenged?;
    closed.context("closing the database")?;
    Ok(report.failed.is_empty())
}

async fn scavenge(
    args: &ScavengeArgs,
    db: &dyn Persistence,
    report: &mut Report,
    bar: &ProgressBar,
) -> Result<()> {
    let cx = Context::new().with_caller("persist scavenge");
    for namespace_id in namespaces(args, db, &cx).await? {
        report.namespaces += 1;
        if let Some(closed_before) = args.closed_before {
            bar.set_message("closed runs");
            retain(args, db, &cx, namespace_id, closed_before, report, bar).await?;
        }
        bar.set_message("records without a run");
        let mut token = None;
        loop {
            let req = FindOrphans { namespace_id, limit: args.limit, token };
            let found = find_orphans(db, &cx, &req).await?;
            report.records += found.examined;
            report.without_run.extend(found.without_run);
            bar.inc(found.examined);
            token = found.next;
            if token.is_none() {
                break;
            }
        }
    }
    leftovers(args, db, &cx, report, bar).await
}

async fn namespaces(args: &ScavengeArgs, db: &dyn Persistence, cx: &Context) -> Result<Vec<NamespaceId>> {
    if let Some(one) = args.namespace {
        return Ok(vec![one]);
    }
    let (mut all, mut page) = (Vec::new(), PageRequest::first(args.limit));
    loop {
        let got = db.visibility().list_visibility_namespaces(cx, &ListVisibilityNamespaces { page }).await?;
        all.extend(got.items);
        match got.next {
            Some(token) => page = PageRequest::after(args.limit, token),
            None => return Ok(all),
        }
    }
}

#[allow(clippy::too_many_arguments)]
async fn retain(
    args: &ScavengeArgs,
    db: &dyn Persistence,
    cx: &Context,
    namespace_id: NamespaceId,
    closed_before: Timestamp,
    report: &mut Report,
    bar: &ProgressBar,
) -> Result<()> {
    let (limit, dry_run) = (args.limit, args.dry_run);
    let mut req = DeleteClosed { namespace_id, closed_before, limit, dry_run, token: None };
    loop {
        let done = delete_closed(db, cx, &req).await?;
        report.examined += done.examined;
        report.deleted += done.deleted;
        report.without_state += done.without_state;
        report.branches += done.branches_deleted;
        report.still_open.extend(done.still_open);
        report.failed.extend(done.failed.into_iter().map(|(run, e)| (run, e.to_string())));
        bar.inc(done.examined);
        req.token = done.next;
        if req.token.is_none() {
            return Ok(());
        }
    }
}

/// What nobody points to: branches without a run, nodes beyond a tail, deletions that need no longer be remembered.
async fn leftovers(
    args: &ScavengeArgs,
    db: &dyn Persistence,
    cx: &Context,
    report: &mut Report,
    bar: &ProgressBar,
) -> Result<()> {
    bar.set_message("histories");
    let safety_age = Duration::from_secs(u64::from(args.safety_age) * 3600);
    let mut token = None;
    loop {
        let req = Scavenge { limit: args.limit, safety_age, dry_run: args.dry_run, token };
        let done = db.maintenance().scavenge(cx, &req).await?;
        report.trees += done.trees;
        report.orphan_branches += done.branches_deleted;
        report.orphan_nodes += done.nodes_deleted;
        bar.inc(done.trees);
        token = done.next;
        if token.is_none() {
            break;
        }
    }
    if args.dry_run {
        return Ok(());
    }
    bar.set_message("deletions");
    loop {
        let forgotten = db.visibility().sweep_visibility(cx, &SweepVisibility { limit: args.limit }).await?;
        report.forgotten += forgotten;
        bar.inc(forgotten);
        if forgotten < u64::from(args.limit) {
            return Ok(());
        }
    }
}

fn name(run: &RunKey) -> String {
    format!("{} {} {}", run.namespace_id, run.workflow_id, run.run_id)
}

fn as_json(args: &ScavengeArgs, report: &Report) -> serde_json::Value {
    let run = |r: &RunKey| {
        json!({
            "namespace": r.namespace_id.to_string(),
            "workflow_id": r.workflow_id,
            "run_id": r.run_id.to_string(),
        })
    };
    let runs = |of: &[RunKey]| of.iter().map(run).collect::<Vec<_>>();
    let failed = report.failed.iter().map(|(r, reason)| json!({"run": run(r), "reason": reason}));
    let leftovers = json!({
        "histories": report.trees,
        "branches_deleted": report.orphan_branches,
        "nodes_deleted": report.orphan_nodes,
        "deletions_forgotten": (!args.dry_run).then_some(report.forgotten),
    });
    json!({
        "dry_run": args.dry_run,
        "closed_before": args.closed_before.map(rfc3339),
        "namespaces": report.namespaces,
        "examined": report.examined,
        "deleted": report.deleted,
        "without_state": report.without_state,
        "branches_deleted": report.branches,
        "still_open": runs(&report.still_open),
        "failed": failed.collect::<Vec<_>>(),
        "records": report.records,
        "records_without_run": runs(&report.without_run),
        "leftovers": leftovers,
        "ended_early": report.ended_early,
    })
}

fn table(args: &ScavengeArgs, database: &str, report: &Report) -> String {
    let deleted = if args.dry_run { "runs to delete" } else { "runs deleted" };
    let mut rows = vec![
        ("database", database.to_owned()),
        ("namespaces", report.namespaces.to_string()),
        ("closed runs found", report.examined.to_string()),
        (deleted, report.deleted.to_string()),
        ("  without state", report.without_state.to_string()),
        ("  branches of them", report.branches.to_string()),
        ("not closed after all", report.still_open.len().to_string()),
        ("failed", report.failed.len().to_string()),
        ("records without a run", format!("{} of {}", report.without_run.len(), report.records)),
    ];
    let gone = if args.dry_run { "to delete" } else { "deleted" };
    rows.extend([
        (
            "branches without a run",
            format!("{} {gone}, of {} histories", report.orphan_branches, report.trees),
        ),
        ("nodes beyond a tail", format!("{} {gone}", report.orphan_nodes)),
    ]);
    if !args.dry_run {
        rows.push(("deletions forgotten", report.forgotten.to_string()));
    }
    if report.ended_early.is_some() {
        rows.push(("ended early", "what follows was not looked at".to_owned()));
    }
    let mut table = output::table(&[]);
    for (what, value) in rows {
        table.add_row([what, &value]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
