//! A plan as checks and ops on rows.

use super::found::Seen;
use crate::attempts::{Attempt, Slot, put as remember};
use crate::bucket::{check, delete_range, put};
use crate::codec::{encode, guard};
use crate::core::store::*;
use crate::core::transition::*;
use crate::core::{AttemptId, Env, RunId};
use crate::history::rows as history_rows;
use crate::keys::{self, successor};
use crate::row::*;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The guard of a current record: the run that it names.
fn run_guard(run_id: RunId) -> Bytes {
    Bytes::copy_from_slice(run_id.0.as_bytes())
}

/// The guard of a current record's version row: last write version and state.
fn version_guard(last_write_version: i64, state: ExecutionState) -> Bytes {
    encode(&(last_write_version, state))
}

/// The value of a run's header: the details of an error, small because every conditional write may read it.
#[derive(Serialize, Deserialize)]
pub(super) struct HeaderValue {
    pub next_event_id: i64,
}

/// The value of a run's record.
#[derive(Serialize, Deserialize)]
pub(super) struct RecordValue {
    pub record: RunRecord,
    pub record_version: i64,
}

/// Where the state says that a branch ends: what lies beyond is a leftover.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Tail {
    /// One past the last event.
    pub end: i64,
    /// The transaction of the last node.
    pub transaction_id: i64,
}

/// The checks of a plan, apart from its fence. `seen` is the current record as read before, for the modes that forbid one run.
pub(super) fn checks(plan: &TransitionPlan, seen: Option<&Seen>) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(step) = &plan.current {
        let key = keys::shard::current(&step.key);
        match &step.check {
            CurrentCheck::Absent => checks.push(check(key, Condition::Absent)),
            CurrentCheck::Run(run) => checks.push(check(key, Condition::Guard(run_guard(*run)))),
            CurrentCheck::Reusable { run_id, last_write_version } => {
                let version = version_guard(*last_write_version, ExecutionState::Completed);
                checks.push(check(key, Condition::Guard(run_guard(*run_id))));
                checks.push(check(keys::shard::current_version(&step.key), Condition::Guard(version)));
            }
            // Exactly what was seen, which is not the forbidden run.
            _ => checks.push(check(
                key,
                match seen.and_then(|s| s.current_row()) {
                    Some(row) => Condition::Guard(row.guard.clone()),
                    None => Condition::Absent,
                },
            )),
        }
    }
    for run in &plan.runs {
        let key = keys::shard::header(&run.key);
        match &run.action {
            RunAction::Create(_) => checks.push(check(key, Condition::Absent)),
            RunAction::Update { expected, .. } => checks.push(check(key, Condition::Guard(guard(*expected)))),
            _ => {}
        }
    }
    checks
}

/// What a plan does in the shard's partition.
pub(super) fn ops(plan: &TransitionPlan) -> Vec<Op> {
    let mut ops = Vec::new();
    if let Some(step) = &plan.current {
        let (key, version) = (keys::shard::current(&step.key), keys::shard::current_version(&step.key));
        match &step.write {
            CurrentWrite::Put(c) => {
                ops.push(put(key, run_guard(c.run_id), encode(&**c)));
                ops.push(put(version, version_guard(c.last_write_version, c.state), Bytes::new()));
            }
            CurrentWrite::Delete => ops.extend([Op::Delete { key }, Op::Delete { key: version }]),
            _ => {}
        }
    }
    for run in &plan.runs {
        match &run.action {
            RunAction::Create(w) => write_run(&run.key, w, Slot::Created, plan.attempt, &mut ops),
            RunAction::Update { write: w, .. } => {
                write_run(&run.key, w, Slot::Version(w.record_version), plan.attempt, &mut ops);
            }
            _ => {
                ops.push(Op::Delete { key: keys::shard::header(&run.key) });
                ops.extend(delete_range(keys::shard::run(&run.key)));
                ops.extend(delete_range(keys::prefix(keys::shard::run_attempts(&run.key))));
            }
        }
    }
    for task in &plan.tasks {
        let key = keys::shard::task(task.category.id, task.key);
        ops.push(put(key, Bytes::new(), encode(&task.payload)));
    }
    tails(plan, &mut ops);
    ops
}

fn write_run(key: &RunKey, w: &RunWrite, slot: Slot, attempt: Option<AttemptId>, ops: &mut Vec<Op>) {
    let header = HeaderValue { next_event_id: w.record.next_event_id };
    ops.push(put(keys::shard::header(key), guard(w.record_version), encode(&header)));
    // Borrowed, so that the record is not copied to be encoded; `RecordValue` reads it back.
    ops.push(put(keys::shard::record(key), Bytes::new(), encode(&(&w.record, w.record_version))));
    if let Some(id) = attempt {
        let attempt = Attempt { version: w.record_version, id, answer: 0 };
        ops.push(remember(&keys::shard::run_attempts(key), slot, attempt));
    }
    match &w.items {
        ItemsWrite::Replace(items) => replace_items(key, items, ops),
        ItemsWrite::Patch { upsert, delete } => {
            ops.extend(upsert.iter().map(|i| item_put(key, i)));
            ops.extend(delete.iter().map(|i| Op::Delete { key: keys::shard::item(key, i) }));
        }
        _ => {}
    }
    if w.clear_buffered {
        ops.extend(delete_range(keys::shard::buffered_below(key, w.record_version)));
    }
    if let Some(batch) = &w.append_buffered {
        ops.push(put(keys::shard::buffered(key, w.record_version), Bytes::new(), encode(batch)));
    }
}

fn item_put(key: &RunKey, item: &Item) -> Op {
    put(keys::shard::item(key, &item.key), Bytes::new(), encode(&item.value))
}

/// Puts the new set and deletes everything between: no read, and no range covers a put.
fn replace_items(key: &RunKey, items: &[Item], ops: &mut Vec<Op>) {
    let mut puts: Vec<Op> = items.iter().map(|i| item_put(key, i)).collect();
    let mut kept: Vec<Bytes> = items.iter().map(|i| keys::shard::item(key, &i.key)).collect();
    kept.sort();
    let all = keys::shard::items(key);
    let mut start = all.start;
    for k in kept {
        let next = successor(&k);
        ops.extend(delete_range(KeyRange::new(start, k)));
        start = next;
    }
    ops.extend(delete_range(KeyRange { start, end: all.end }));
    ops.append(&mut puts);
}

/// One row a branch: where the state says that it ends.
fn tails(plan: &TransitionPlan, ops: &mut Vec<Op>) {
    for (i, node) in plan.nodes.iter().enumerate() {
        let same = |n: &NodeStep| n.branch.branch_id == node.branch.branch_id && n.owner == node.owner;
        let is_last = |n: &&NodeStep| same(n) && n.header.transaction_id > node.header.transaction_id;
        let shadowed = plan.nodes.iter().any(|n| is_last(&n))
            || plan.nodes[i + 1..]
                .iter()
                .any(|n| same(n) && n.header.transaction_id == node.header.transaction_id);
        if !shadowed {
            let tail = Tail { end: node.header.end(), transaction_id: node.header.transaction_id };
            let key = keys::shard::tail(&node.owner, node.branch.branch_id);
            ops.push(put(key, Bytes::new(), encode(&tail)));
        }
    }
}

/// The history writes of plans, one a tree; apart from the state those that begin no branch are unordered, and are never in one
/// write with others: a node that is retracted and written again must meet the same clock each time.
pub(super) fn node_writes(env: &Env, plans: &[&TransitionPlan], with_state: bool) -> Vec<Write> {
    let mut writes: Vec<Write> = Vec::new();
    for plan in plans {
        for node in &plan.nodes {
            let partition = keys::history::partition(plan.shard_id, node.branch.tree_id);
            let unordered = !with_state && history_rows::is_unordered(node);
            let ops = history_rows::append(env.clock.now(), node);
            let same = |w: &&mut Write| w.unordered == unordered && w.parts[0].partition == partition;
            match writes.iter_mut().find(same) {
                Some(write) => write.parts[0].ops.extend(ops),
                None => {
                    let part = Part { table: Table::History, partition, checks: Vec::new(), ops };
                    writes.push(Write { parts: vec![part], unordered });
                }
            }
        }
    }
    writes
}

/// How many checks and ops a plan comes to, for splitting waves.
pub(super) fn weight(plan: &TransitionPlan) -> usize {
    let items = |r: &RunStep| match &r.action {
        RunAction::Create(w) | RunAction::Update { write: w, .. } => match &w.items {
            ItemsWrite::Patch { upsert, delete } => upsert.len() + delete.len(),
            ItemsWrite::Replace(items) => 2 * items.len() + 1,
            _ => 0,
        },
        _ => 0,
    };
    let runs: usize = plan.runs.iter().map(|r| 6 + items(r)).sum();
    4 + runs + plan.tasks.len() + 4 * plan.nodes.len()
}
