//! Whether what is stored of a queue is what its owners were told.

use super::{FIRST_RANGE, MOST, Queue, RANGE_BITS, id, tasks_of};
use crate::outage::log::{Claim, Log};
use crate::outage::place::{FIRST_ATTEMPT, Mark, Place};
use persistence_core::{Context, Persistence, RangeId, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is wrong. `crashes`: writers died, so that some attempts have no answer.
pub(in super::super) async fn check(
    p: &dyn Persistence,
    (queue, place): (Queue, &Place),
    log: &Log,
    crashes: usize,
) -> Result<Vec<String>> {
    let cx = Context::new();
    let tasks = queue.tasks(p, &cx, None).await?;
    let stored = queue.load(p, &cx).await?;
    let mut wrong = Vec::new();
    // Each writer that died has had at most one attempt under way.
    let unknown = crashes * place.writers();
    added(queue, &tasks, log, unknown, &mut wrong);
    taken_over(queue, stored, log, unknown, &mut wrong);
    fenced(queue, &tasks, log, &mut wrong);
    Ok(wrong.into_iter().map(|what| format!("queue {}: {what}", queue.number())).collect())
}

/// Tasks are those of the attempts that say so, each with all that it adds.
fn added(queue: Queue, tasks: &[(i64, Mark)], log: &Log, unknown: usize, wrong: &mut Vec<String>) {
    let mut found: BTreeMap<i64, (RangeId, BTreeSet<i64>)> = BTreeMap::new();
    for (task, mark) in tasks {
        let n = task % MOST;
        if *task != id(mark.version, mark.attempt, n) || mark.run != queue.number() {
            wrong.push(format!("the task {task} is {mark:?}"));
        }
        let (range, all) = found.entry(mark.attempt).or_insert((mark.version, BTreeSet::new()));
        if *range != mark.version || !all.insert(n) {
            wrong.push(format!(
                "attempt {} is there twice, with range ids {range} and {}",
                mark.attempt, mark.version
            ));
        }
    }
    for (attempt, (_, all)) in &found {
        if !all.iter().copied().eq(0..tasks_of(*attempt)) {
            wrong.push(format!(
                "of the {} tasks of attempt {attempt} only {all:?} are there",
                tasks_of(*attempt)
            ));
        }
    }
    let claims = log.claims(queue.number());
    for (attempt, (range, claim)) in &claims {
        match (claim, found.get(attempt)) {
            (Claim::Applied | Claim::Maybe, Some((at, _))) if at == range => {}
            (Claim::Maybe | Claim::NotApplied, None) => {}
            (claim, found) => wrong.push(format!(
                "attempt {attempt} with range id {range} was said to be {claim:?}; it added {found:?}"
            )),
        }
    }
    let unanswered = found.keys().filter(|a| !claims.contains_key(a)).count();
    if unanswered > unknown {
        wrong.push(format!("{unanswered} attempts added tasks without an answer"));
    }
}

/// Each range id was taken by one attempt, the last one by the one whose name is stored.
fn taken_over(queue: Queue, stored: Mark, log: &Log, unknown: usize, wrong: &mut Vec<String>) {
    let claims = log.claims(queue.takeovers());
    let mut made: BTreeMap<RangeId, Vec<(i64, Claim)>> = BTreeMap::new();
    for (attempt, (previous, claim)) in &claims {
        made.entry(previous + 1).or_default().push((*attempt, *claim));
    }
    for (range, attempts) in &made {
        let owners: Vec<_> = attempts.iter().filter(|(_, c)| *c == Claim::Applied).map(|(a, _)| a).collect();
        if owners.len() > 1 {
            wrong.push(format!("attempts {owners:?} were all told that they have range id {range}"));
        }
        if !owners.is_empty() && *range > stored.version {
            wrong.push(format!("range id {range} was taken, and {} is stored", stored.version));
        }
    }
    let may = |range: &RangeId| {
        made.get(range).is_some_and(|attempts| attempts.iter().any(|(_, c)| *c != Claim::NotApplied))
    };
    let nobodys = (FIRST_RANGE + 1..=stored.version).filter(|range| !may(range)).count();
    if nobodys > unknown {
        wrong.push(format!("{nobodys} range ids up to {} were taken by nobody", stored.version));
    }
    let last = claims.get(&stored.attempt);
    let by_nobody = last.is_none() && (stored.attempt < FIRST_ATTEMPT || unknown > 0);
    let good = last.is_some_and(|(previous, claim)| {
        previous + 1 == stored.version
            && match claim {
                Claim::Applied => true,
                // Then nobody else was told so.
                Claim::Maybe => !made[&stored.version].iter().any(|(_, c)| *c == Claim::Applied),
                Claim::NotApplied => false,
            }
    });
    if !good && !by_nobody {
        wrong.push(format!("{stored:?} is stored; that attempt was said to be {last:?}"));
    }
}

/// What the owner of a range id found of the one before was all that there is of it.
fn fenced(queue: Queue, tasks: &[(i64, Mark)], log: &Log, wrong: &mut Vec<String>) {
    for (range, seen) in log.seen(queue.number()) {
        let now: BTreeSet<i64> =
            tasks.iter().map(|(id, _)| *id).filter(|id| id >> RANGE_BITS == range).collect();
        let (lost, late): (Vec<_>, Vec<_>) =
            (seen.difference(&now).collect(), now.difference(&seen).collect());
        if !lost.is_empty() || !late.is_empty() {
            wrong.push(format!(
                "of range id {range} its next owner saw {lost:?} that are gone, and did not see {late:?}"
            ));
        }
    }
}
