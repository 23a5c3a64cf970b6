//! A wave as a transaction of several statements: look with locks, judge, write. For databases that cannot do it in one.

use super::found::Looked;
use super::rows::{Rows, WaveRows, action, current_key, run_key};
use crate::bucket::Tried;
use crate::core::store::{CurrentKey, RunKey};
use crate::core::transition::*;
use crate::core::{Result, ShardId, Timestamp};
use crate::shard::fences;
use crate::tables::*;
use crate::tx::Tx;
use crate::value::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Plans of one shard that touch nothing in common, nor anything of other waves in the same transaction.
#[derive(Default)]
pub(crate) struct WaveOf<'a> {
    pub(crate) plans: Vec<&'a TransitionPlan>,
    pub(crate) tried: Tried,
    pub(crate) now: Timestamp,
}

/// What became of the plans of a wave.
pub(crate) type Answers = Vec<Option<Result<()>>>;

/// Applies waves in the transaction that is open.
pub(crate) async fn transact(tx: &mut Tx, waves: &[WaveOf<'_>]) -> Result<Vec<Answers>> {
    let plans: Vec<&TransitionPlan> = waves.iter().flat_map(|w| w.plans.iter().copied()).collect();
    let looked = look(tx, &plans).await?;
    let (mut answers, mut rows, nothing) =
        (Vec::with_capacity(waves.len()), WaveRows::default(), Looked::default());
    for wave in waves {
        let Some(shard_id) = wave.plans.first().map(|p| p.shard_id) else {
            answers.push(Vec::new());
            continue;
        };
        let looked = looked.get(&shard_id).unwrap_or(&nothing);
        let refused: Answers = wave.plans.iter().map(|plan| looked.refuse(plan, wave.tried)).collect();
        let applied: Vec<&TransitionPlan> =
            wave.plans.iter().zip(&refused).filter(|(_, r)| r.is_none()).map(|(p, _)| *p).collect();
        rows.append(WaveRows::of(&applied, wave.now, looked), shard_id);
        answers.push(refused.into_iter().map(|r| Some(r.unwrap_or(Ok(())))).collect());
    }
    write(tx, rows).await?;
    Ok(answers)
}

/// What decides plans, each kind of row in a statement of its own, which sees what the one before waited for.
pub(super) async fn look(tx: &mut Tx, plans: &[&TransitionPlan]) -> Result<BTreeMap<ShardId, Looked>> {
    let mut looked: BTreeMap<ShardId, Looked> = BTreeMap::new();
    let fenced: BTreeSet<ShardId> = plans.iter().filter(|p| p.fence.is_some()).map(|p| p.shard_id).collect();
    for (shard_id, range_id) in fences(tx, fenced).await? {
        looked.entry(shard_id).or_default().range_id = Some(range_id);
    }
    let currents: BTreeSet<(ShardId, &CurrentKey)> =
        plans.iter().filter_map(|p| p.current.as_ref().map(|c| (p.shard_id, &c.key))).collect();
    let runs: BTreeSet<(ShardId, &RunKey)> =
        plans.iter().flat_map(|p| p.runs.iter().map(|r| (p.shard_id, &r.key))).collect();
    let lock = tx.dialect.for_update;

    let columns = [
        ("shard_id", Kind::Int),
        ("namespace_id", Kind::Uuid),
        ("workflow_id", Kind::Text),
        ("archetype", Kind::Int),
        ("record", Kind::Bytes),
    ];
    let keys = currents.iter().map(|(shard_id, k)| current_key(*shard_id, k)).collect();
    let order = format!(" ORDER BY shard_id, namespace_id, workflow_id, archetype{lock}");
    for mut row in tx.select(&CURRENT, &columns, keys, &order).await? {
        looked.entry(row.shard()?).or_default().add_current(&mut row)?;
    }

    let columns = [
        ("shard_id", Kind::Int),
        ("namespace_id", Kind::Uuid),
        ("workflow_id", Kind::Text),
        ("run_id", Kind::Uuid),
        ("record_version", Kind::Int),
        ("next_event_id", Kind::Int),
        ("created_by", Kind::Uuid),
        ("attempts", Kind::Bytes),
    ];
    let keys = runs.iter().map(|(shard_id, k)| run_key(*shard_id, k)).collect();
    let order = format!(" ORDER BY shard_id, namespace_id, workflow_id, run_id{lock}");
    for mut row in tx.select(&EXECUTIONS, &columns, keys, &order).await? {
        looked.entry(row.shard()?).or_default().add_run(&mut row)?;
    }
    Ok(looked)
}

/// Runs the statements; deletes come before puts.
async fn write(tx: &mut Tx, rows: WaveRows) -> Result<()> {
    write_currents(tx, rows.currents).await?;
    write_runs(tx, rows.runs).await?;
    for row in rows.clears {
        tx.execute(CLEAR, row).await?;
    }
    tx.delete(&ITEMS, rows.delete_items).await?;
    tx.put(&ITEMS, rows.put_items, true).await?;
    tx.put(&HISTORY_TASKS, rows.tasks, true).await?;
    tx.put(&NODES, rows.nodes, true).await?;
    tx.put(&TREES, rows.branches, true).await
}

const CLEAR: &str = "\
    DELETE FROM execution_items
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ? AND kind >= ? AND kind < ?";

async fn write_currents(tx: &mut Tx, rows: Rows) -> Result<()> {
    let [put, delete, create] = by_action(rows, 7, 1);
    tx.delete(&CURRENT, delete).await?;
    // Not an upsert: a row that appeared since the look has no lock, and must not be overwritten. It makes a duplicate, and
    // the transaction begins again.
    tx.put(&CURRENT, create, false).await?;
    tx.put(&CURRENT, put, true).await
}

async fn write_runs(tx: &mut Tx, rows: Rows) -> Result<()> {
    let [put, delete, create] = by_action(rows, 4, 2);
    tx.delete(&EXECUTIONS, delete).await?;
    tx.put(&EXECUTIONS, create, false).await?;
    tx.put(&EXECUTIONS, put, true).await
}

/// Rows whose action is at `at`, with `skip` columns from there on that are not stored, as stored rows to put, keys to delete,
/// and rows to create.
fn by_action(rows: Rows, at: usize, skip: usize) -> [Rows; 3] {
    let [mut put, mut delete, mut create] = [const { Vec::new() }; 3];
    for mut row in rows {
        let mut rest = row.split_off(at);
        let then = rest[0].clone();
        row.truncate(4);
        if then == action::DELETE.into() {
            delete.push(row);
        } else if then != action::KEEP.into() {
            row.extend(rest.drain(skip..));
            if then == action::CREATE.into() { create.push(row) } else { put.push(row) }
        }
    }
    [put, delete, create]
}
