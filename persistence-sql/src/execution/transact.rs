//! A wave as a transaction of several statements: look with locks, judge, write. For databases that cannot do it in one.

use super::found::Looked;
use super::rows::{Rows, WaveRows, action, current_key, fence_of, run_key};
use crate::bucket::Tried;
use crate::core::store::{CurrentKey, RunKey};
use crate::core::transition::*;
use crate::core::{Result, ShardId, Timestamp};
use crate::shard::fence;
use crate::tables::*;
use crate::tx::Tx;
use crate::value::{Kind, Value};
use std::collections::BTreeSet;

/// Applies plans of one shard in the transaction that is open.
pub(super) async fn transact(
    tx: &mut Tx,
    plans: &[&TransitionPlan],
    tried: Tried,
    now: Timestamp,
) -> Result<Vec<Option<Result<()>>>> {
    let Some(shard_id) = plans.first().map(|p| p.shard_id) else { return Ok(Vec::new()) };
    let looked = look(tx, shard_id, plans).await?;
    let refused: Vec<_> = plans.iter().map(|plan| looked.refuse(plan, tried)).collect();
    let applied: Vec<&TransitionPlan> =
        plans.iter().zip(&refused).filter(|(_, r)| r.is_none()).map(|(p, _)| *p).collect();
    write(tx, shard_id, WaveRows::of(&applied, now, &looked)).await?;
    Ok(refused.into_iter().map(|r| Some(r.unwrap_or(Ok(())))).collect())
}

async fn look(tx: &mut Tx, shard_id: ShardId, plans: &[&TransitionPlan]) -> Result<Looked> {
    let range_id = match fence_of(plans) {
        Some(_) => fence(tx, shard_id).await?,
        None => None,
    };
    let currents: BTreeSet<&CurrentKey> =
        plans.iter().filter_map(|p| p.current.as_ref().map(|c| &c.key)).collect();
    let runs: BTreeSet<&RunKey> = plans.iter().flat_map(|p| p.runs.iter().map(|r| &r.key)).collect();
    let mut looked = Looked { range_id, ..Looked::default() };
    let lock = tx.dialect.for_update;

    let columns = [
        ("namespace_id", Kind::Uuid),
        ("workflow_id", Kind::Text),
        ("archetype", Kind::Int),
        ("record", Kind::Bytes),
    ];
    let keys = currents.iter().map(|k| current_key(shard_id, k)).collect();
    let order = format!(" ORDER BY shard_id, namespace_id, workflow_id, archetype{lock}");
    for mut row in tx.select(&CURRENT, &columns, keys, &order).await? {
        looked.add_current(&mut row)?;
    }

    let columns = [
        ("namespace_id", Kind::Uuid),
        ("workflow_id", Kind::Text),
        ("run_id", Kind::Uuid),
        ("record_version", Kind::Int),
        ("next_event_id", Kind::Int),
        ("created_by", Kind::Uuid),
        ("attempts", Kind::Bytes),
    ];
    let keys = runs.iter().map(|k| run_key(shard_id, k)).collect();
    let order = format!(" ORDER BY shard_id, namespace_id, workflow_id, run_id{lock}");
    for mut row in tx.select(&EXECUTIONS, &columns, keys, &order).await? {
        looked.add_run(&mut row)?;
    }
    Ok(looked)
}

/// Runs the statements; deletes come before puts.
async fn write(tx: &mut Tx, shard_id: ShardId, rows: WaveRows) -> Result<()> {
    let shard: Value = shard_id.0.into();
    let own = |rows: Rows| -> Rows {
        let with_shard = |mut row: Vec<Value>| {
            row[0] = shard.clone();
            row
        };
        rows.into_iter().map(with_shard).collect()
    };
    write_currents(tx, own(rows.currents)).await?;
    write_runs(tx, own(rows.runs)).await?;
    for row in own(rows.clears) {
        tx.execute(CLEAR, row).await?;
    }
    tx.delete(&ITEMS, own(rows.delete_items)).await?;
    tx.put(&ITEMS, own(rows.put_items), true).await?;
    tx.put(&HISTORY_TASKS, own(rows.tasks), true).await?;
    tx.put(&NODES, own(rows.nodes), true).await?;
    tx.put(&TREES, own(rows.branches), true).await
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
