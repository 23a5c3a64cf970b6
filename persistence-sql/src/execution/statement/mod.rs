//! A wave as one statement: locks, conditions, writes and refusals, in one round trip. For PostgreSQL and its kin.
//!
//! What makes it right under READ COMMITTED:
//!
//! * Rows that decide are locked by primary key only, in the order shard, current records, runs, each step forced by referring to
//!   the one before; and conditions are evaluated on what the locks *returned*, which is the latest version, not the snapshot's.
//! * Every write is gated on the plan's verdict. No row is written twice.
//! * A row that was found absent is inserted plainly. If it appeared since the snapshot, the duplicate aborts the statement,
//!   nothing was applied, and it runs again. Rows that were found are replaced by an upsert, which finds them by their key
//!   whatever the planner believes.
//! * Items to delete are found in the snapshot. If the run has *moved* since, a plan is not applied, though its conditions hold,
//!   and is sent again: whoever changes items changes the run's version.
//!
//! A single plan of the usual kind has a statement of its own, see [`one`].

mod one;
mod parts;
mod text;

use super::Answers;
use super::found::Looked;
use super::rows::{WaveRows, fence_of};
use super::transact::look;
use crate::bucket::Tried;
use crate::core::transition::TransitionPlan;
use crate::core::{Error, Result, Timestamp};
use crate::reject::{Class, class};
use crate::tx::Tx;
use crate::value::{Kind, SqlRow, Value, columns};
use one::one;
use std::collections::BTreeSet;
use text::Shape;

/// A tag, a number, and what was found: a current record, or a run.
pub(super) const COLUMNS: &[Kind] = &[
    Kind::Int,
    Kind::Int,
    Kind::Uuid,
    Kind::Text,
    Kind::Int,
    Kind::Bytes,
    Kind::Uuid,
    Kind::Text,
    Kind::Uuid,
    Kind::Int,
    Kind::Int,
    Kind::Uuid,
    Kind::Bytes,
];

/// Applies plans of one shard; `None` for those whose rows moved.
pub(super) async fn apply(
    tx: &mut Tx,
    plans: &[&TransitionPlan],
    tried: Tried,
    now: Timestamp,
) -> Result<Answers> {
    let Some(shard_id) = plans.first().map(|p| p.shard_id) else { return Ok(Vec::new()) };
    let table = written(plans);
    let rows = WaveRows::of(plans, now, &Looked::default());
    // After an unknown outcome it is most likely that somebody has to be told why not.
    if plans.len() == 1
        && !tried.unknown
        && let Some((text, args)) = one(shard_id, fence_of(plans), &rows)
    {
        match tx.call(table, &text, args, &[Kind::Int]).await {
            Ok(refused) if refused.is_empty() => return Ok(vec![Some(Ok(()))]),
            Err(e) if class(&e) != Some(Class::Duplicate) => return Err(e),
            _ => {}
        }
    }
    let mut args: Vec<Value> = vec![shard_id.0.into(), Value::opt(fence_of(plans))];
    let shape = Shape::of(&rows, fence_of(plans).is_some());
    for ((kinds, rows), sent) in rows.lists().into_iter().zip(shape.sends()) {
        if sent {
            args.extend(columns(kinds, rows));
        }
    }
    let answers = answers(plans, tx.call(table, &shape.text(), args, COLUMNS).await?, tried)?;
    if tried.unknown { doubted(tx, plans, answers, tried).await } else { Ok(answers) }
}

/// Answers after an earlier try of unknown outcome. Such a try may have been what the statement waited for: its locks then gave
/// what that try wrote, but a run that it created is not in the snapshot, and would not be known for its own. Who was refused is
/// judged by a look of its own.
async fn doubted(
    tx: &mut Tx,
    plans: &[&TransitionPlan],
    mut answers: Answers,
    tried: Tried,
) -> Result<Answers> {
    let refused = |answer: &Option<Result<()>>| matches!(answer, Some(Err(_)));
    let again: Vec<usize> = (0..plans.len()).filter(|i| refused(&answers[*i])).collect();
    if again.is_empty() {
        return Ok(answers);
    }
    let asked: Vec<&TransitionPlan> = again.iter().map(|&i| plans[i]).collect();
    let looked = look(tx, &asked).await?;
    let nothing = Looked::default();
    for i in again {
        // Where the conditions hold by now it is sent again.
        answers[i] = looked.get(&plans[i].shard_id).unwrap_or(&nothing).refuse(plans[i], tried);
    }
    Ok(answers)
}

/// A table that plans write to, to name the call.
pub(super) fn written(plans: &[&TransitionPlan]) -> &'static str {
    if plans.iter().any(|p| !p.nodes.is_empty()) { "history_nodes" } else { "executions" }
}

/// The answers to plans of which these rows came back.
pub(super) fn answers(plans: &[&TransitionPlan], rows: Vec<SqlRow>, tried: Tried) -> Result<Answers> {
    let (refused, looked) = read(rows)?;
    let answer = |(i, plan)| if refused.contains(&i) { looked.refuse(plan, tried) } else { Some(Ok(())) };
    Ok((1..).zip(plans.iter().copied()).map(answer).collect())
}

/// The numbers of refused plans, and what was found of all that were sent with them.
fn read(rows: Vec<SqlRow>) -> Result<(BTreeSet<i64>, Looked)> {
    let (mut refused, mut looked) = (BTreeSet::new(), Looked::default());
    for mut row in rows {
        let (tag, number) = (row.int()?, row.int()?);
        match tag {
            0 => looked.range_id = Some(number),
            1 => {
                refused.insert(number);
            }
            2 => looked.add_current(&mut row)?,
            3 => {
                row.skip(4);
                looked.add_run(&mut row)?;
            }
            _ => return Err(Error::corrupted("executions", "the statement's answer has an unknown tag")),
        }
    }
    Ok((refused, looked))
}
