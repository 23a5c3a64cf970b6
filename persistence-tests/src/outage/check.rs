//! Whether what is stored is what the writers were told.

use super::log::{Claim, Log};
use super::place::{FIRST_ATTEMPT, Mark, Place};
use crate::build::execution::bounds;
use persistence_core::store::*;
use persistence_core::{Context, PageRequest, Persistence, Result};
use std::collections::BTreeMap;

/// What is stored of one run.
struct Stored {
    latest: Mark,
    /// The attempt of every version, as the tasks have it. A task's key is its attempt, so none is there twice.
    tasks: Vec<(i64, Mark)>,
    /// The same as the history has it: event, transaction, and what the node says.
    nodes: Vec<(NodeHeader, Mark)>,
}

/// Everything that is wrong. `crashes`: writers died, so that some attempts have no answer.
pub(super) async fn check(
    p: &dyn Persistence,
    place: &Place,
    log: &Log,
    crashes: usize,
) -> Result<Vec<String>> {
    let stored = read(p, place).await?;
    let mut wrong = Vec::new();
    let mut say = |what: String| wrong.push(format!("run {}: {what}", place.number));

    let mut versions = BTreeMap::new();
    for (attempt, mark) in &stored.tasks {
        if *attempt != mark.attempt {
            say(format!("the task of attempt {attempt} is of attempt {}", mark.attempt));
        }
        if let Some(other) = versions.insert(mark.version, *attempt) {
            say(format!("attempts {other} and {attempt} both made version {}", mark.version));
        }
    }
    let gaps: Vec<_> = (1..=stored.latest.version).filter(|v| !versions.contains_key(v)).collect();
    if !gaps.is_empty() {
        say(format!("nobody made versions {gaps:?} of {}", stored.latest.version));
    }
    if versions.last_key_value() != Some((&stored.latest.version, &stored.latest.attempt)) {
        say(format!("the run is {:?}, the last task {:?}", stored.latest, versions.last_key_value()));
    }
    let chain: BTreeMap<_, _> = stored.nodes.iter().map(|(_, m)| (m.version, m.attempt)).collect();
    if chain != versions || chain.len() != stored.nodes.len() {
        say(differences(&chain, &versions));
    }
    for (header, mark) in &stored.nodes {
        if (header.first_event_id, header.transaction_id) != (mark.version, mark.attempt + 1) {
            say(format!("the node {header:?} is of {mark:?}"));
        }
    }

    let made: BTreeMap<_, _> = versions.iter().map(|(v, a)| (*a, *v)).collect();
    unlike(&log.claims(place.number), &made, crashes * place.writers()).into_iter().for_each(say);
    Ok(wrong)
}

/// Where what was said of attempts, and the version that they expected, is not what they made. `unknown`: so many may have no answer.
pub(super) fn unlike(
    claims: &BTreeMap<i64, (i64, Claim)>,
    made: &BTreeMap<i64, i64>,
    unknown: usize,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (attempt, (expected, claim)) in claims {
        match (claim, made.get(attempt)) {
            (Claim::Applied, Some(v)) | (Claim::Maybe, Some(v)) if *v == expected + 1 => {}
            (Claim::Maybe | Claim::NotApplied, None) => {}
            (claim, found) => wrong.push(format!(
                "attempt {attempt} at version {expected} was said to be {claim:?}; it made {found:?}"
            )),
        }
    }
    // What writers go on with was made before anything was counted.
    let unanswered = made.keys().filter(|a| **a >= FIRST_ATTEMPT && !claims.contains_key(a)).count();
    if unanswered > unknown {
        wrong.push(format!("{unanswered} attempts were applied without an answer, where {unknown} may be"));
    }
    wrong
}

fn differences(chain: &BTreeMap<i64, i64>, tasks: &BTreeMap<i64, i64>) -> String {
    let all: std::collections::BTreeSet<_> = chain.keys().chain(tasks.keys()).collect();
    let differ = all.into_iter().filter(|v| chain.get(v) != tasks.get(v));
    let differ: Vec<_> =
        differ.map(|v| format!("{v}: {:?}, {:?}", chain.get(v), tasks.get(v))).take(8).collect();
    format!("the attempts of history and tasks differ, by version: {}", differ.join("; "))
}

/// Reads everything, again if it changed meanwhile: a late request may still arrive.
async fn read(p: &dyn Persistence, place: &Place) -> Result<Stored> {
    let cx = Context::new();
    loop {
        let latest = place.load(p, &cx).await?;
        let tasks = tasks(p, place, &cx).await?;
        let nodes = nodes(p, place, &cx, latest.version + 1).await?;
        if place.load(p, &cx).await? == latest {
            return Ok(Stored { latest, tasks, nodes });
        }
    }
}

async fn tasks(p: &dyn Persistence, place: &Place, cx: &Context) -> Result<Vec<(i64, Mark)>> {
    let (category, shard_id) = (TaskCategory::TRANSFER, place.shard_id());
    let (min, max) = bounds(category);
    let mut page = PageRequest::first(1000);
    let mut all = Vec::new();
    loop {
        let request = GetHistoryTasks { shard_id, category, min, max, page };
        let found = p.executions().get_history_tasks(cx, &request).await?;
        for task in found.items {
            // Those of other runs of the shard are between them.
            let mark = Mark::of(&task.payload)?;
            if mark.run == place.number {
                all.push((task.key.task_id, mark));
            }
        }
        match found.next {
            Some(token) => page = PageRequest::after(1000, token),
            None => return Ok(all),
        }
    }
}

async fn nodes(
    p: &dyn Persistence,
    place: &Place,
    cx: &Context,
    max: i64,
) -> Result<Vec<(NodeHeader, Mark)>> {
    let (branch, shard_id) = (place.branch(), place.shard_id());
    let mut page = PageRequest::first(1000);
    let mut all = Vec::new();
    loop {
        let request = ReadHistoryBranch { shard_id, branch: branch.clone(), min: 1, max, page };
        let found = p.history().read_history_branch(cx, &request).await?;
        for batch in found.items {
            all.push((batch.header, Mark::of(&batch.events)?));
        }
        match found.next {
            Some(token) => page = PageRequest::after(1000, token),
            None => return Ok(all),
        }
    }
}
