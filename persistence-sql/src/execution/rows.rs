//! What plans write, gathered by table, so that a wave costs one statement a table however many plans it has.

use super::apply::FoundRun;
use crate::attempts::remember;
use crate::core::codec::encode;
use crate::core::store::*;
use crate::core::transition::*;
use crate::core::{Result, ShardId, Timestamp};
use crate::history::rows as history_rows;
use crate::tables::*;
use crate::tx::Tx;
use crate::value::Value;
use uuid::Uuid;

/// The kind of buffered events among the items.
pub(super) const BUFFERED: i64 = 100;

/// The statements of some plans.
#[derive(Default)]
pub(super) struct Writes {
    delete_current: Vec<Vec<Value>>,
    create_current: Vec<Vec<Value>>,
    put_current: Vec<Vec<Value>>,
    delete_runs: Vec<Vec<Value>>,
    create_runs: Vec<Vec<Value>>,
    put_runs: Vec<Vec<Value>>,
    delete_all_items: Vec<Vec<Value>>,
    delete_buffered: Vec<Vec<Value>>,
    delete_items: Vec<Vec<Value>>,
    put_items: Vec<Vec<Value>>,
    put_tasks: Vec<Vec<Value>>,
    put_nodes: Vec<Vec<Value>>,
    put_branches: Vec<Vec<Value>>,
    tails: Vec<Vec<Value>>,
}

pub(super) fn current_key(shard_id: ShardId, k: &CurrentKey) -> Vec<Value> {
    vec![
        shard_id.0.into(),
        k.namespace_id.0.into(),
        (&*k.workflow_id).into(),
        Value::Int(k.archetype.0.into()),
    ]
}

pub(super) fn run_key(shard_id: ShardId, k: &RunKey) -> Vec<Value> {
    vec![shard_id.0.into(), k.namespace_id.0.into(), (&*k.workflow_id).into(), k.run_id.0.into()]
}

fn item_key(shard_id: ShardId, run: &RunKey, key: &ItemKey) -> Vec<Value> {
    let (number, name) = match key.id() {
        ItemId::Number(n) => (n, ""),
        ItemId::Name(s) => (0, s),
    };
    let kind = i64::from(key.kind().code());
    let mut row = run_key(shard_id, run);
    row.extend([kind.into(), number.into(), name.into()]);
    row
}

impl Writes {
    /// Adds what a plan writes. `runs` are its runs as they were found.
    pub(super) fn add(&mut self, plan: &TransitionPlan, runs: &[FoundRun], now: Timestamp) {
        let shard = plan.shard_id;
        if let Some(step) = &plan.current {
            let mut row = current_key(shard, &step.key);
            match &step.write {
                CurrentWrite::Put(c) => {
                    let state = i64::from(c.state == ExecutionState::Completed);
                    row.extend([
                        c.run_id.0.into(),
                        state.into(),
                        c.last_write_version.into(),
                        encode(&**c).into(),
                    ]);
                    match step.check {
                        CurrentCheck::Absent => self.create_current.push(row),
                        _ => self.put_current.push(row),
                    }
                }
                CurrentWrite::Delete => self.delete_current.push(row),
                _ => {}
            }
        }
        for step in &plan.runs {
            match &step.action {
                RunAction::Create(w) => {
                    let created_by = plan.attempt.map_or(Uuid::nil(), |a| a.0);
                    self.create_runs.push(run_row(shard, &step.key, w, created_by, String::new()));
                    self.add_items(shard, &step.key, w);
                }
                RunAction::Update { write: w, .. } => {
                    let found = runs.iter().find(|r| r.key == step.key);
                    let (created_by, old) = found.map_or((Uuid::nil(), ""), |f| (f.created_by, &*f.attempts));
                    let attempts = match plan.attempt {
                        Some(a) => remember(old, w.record_version, a, 0),
                        None => old.to_owned(),
                    };
                    self.put_runs.push(run_row(shard, &step.key, w, created_by, attempts));
                    self.add_items(shard, &step.key, w);
                }
                _ => {
                    self.delete_runs.push(run_key(shard, &step.key));
                    self.delete_all_items.push(run_key(shard, &step.key));
                    self.delete_buffered.push(run_key(shard, &step.key));
                }
            }
        }
        for t in &plan.tasks {
            let (fire_time, task_id) = (t.key.fire_time.0, t.key.task_id);
            let key = [shard.0.into(), t.category.id.into(), fire_time.into(), task_id.into()];
            self.put_tasks.push(key.into_iter().chain([encode(&t.payload).into()]).collect());
        }
        for node in &plan.nodes {
            self.put_nodes.push(history_rows::node(shard, node, now));
            if node.new_branch {
                self.put_branches.push(history_rows::branch(shard, &node.branch, &node.owner, now));
            }
            self.tails.push(history_rows::tail(shard, node));
        }
    }

    fn add_items(&mut self, shard: ShardId, run: &RunKey, w: &RunWrite) {
        let put = |i: &Item| {
            let mut row = item_key(shard, run, &i.key);
            row.push(encode(&i.value).into());
            row
        };
        match &w.items {
            ItemsWrite::Replace(items) => {
                self.delete_all_items.push(run_key(shard, run));
                self.put_items.extend(items.iter().map(put));
            }
            ItemsWrite::Patch { upsert, delete } => {
                self.delete_items.extend(delete.iter().map(|k| item_key(shard, run, k)));
                self.put_items.extend(upsert.iter().map(put));
            }
            _ => {}
        }
        if w.clear_buffered {
            self.delete_buffered.push(run_key(shard, run));
        }
        if let Some(batch) = &w.append_buffered {
            let number = w.record_version;
            let mut row = run_key(shard, run);
            row.extend([BUFFERED.into(), number.into(), "".into(), encode(batch).into()]);
            self.put_items.push(row);
        }
    }

    /// Runs the statements; deletes come before puts.
    pub(super) async fn run(self, tx: &mut Tx) -> Result<()> {
        tx.delete(&CURRENT, self.delete_current).await?;
        // Not upserts: a row that appeared since the look has no lock, and must not be overwritten. It makes a duplicate,
        // and the transaction begins again.
        tx.put(&CURRENT, self.create_current, false).await?;
        tx.put(&CURRENT, self.put_current, true).await?;
        tx.delete(&EXECUTIONS, self.delete_runs).await?;
        tx.put(&EXECUTIONS, self.create_runs, false).await?;
        tx.put(&EXECUTIONS, self.put_runs, true).await?;
        delete_kinds(tx, self.delete_all_items, "kind < 100").await?;
        delete_kinds(tx, self.delete_buffered, "kind = 100").await?;
        tx.delete(&ITEMS, self.delete_items).await?;
        tx.put(&ITEMS, self.put_items, true).await?;
        tx.put(&HISTORY_TASKS, self.put_tasks, true).await?;
        tx.put(&NODES, self.put_nodes, true).await?;
        tx.put(&TREES, self.put_branches, true).await?;
        for tail in self.tails {
            tx.execute(history_rows::UPDATE_TAIL, tail).await?;
        }
        Ok(())
    }
}

fn run_row(shard: ShardId, key: &RunKey, w: &RunWrite, created_by: Uuid, attempts: String) -> Vec<Value> {
    let mut row = run_key(shard, key);
    row.extend([
        w.record_version.into(),
        w.record.next_event_id.into(),
        encode(&w.record).into(),
        created_by.into(),
        Value::Text(attempts),
    ]);
    row
}

async fn delete_kinds(tx: &mut Tx, runs: Vec<Vec<Value>>, kinds: &str) -> Result<()> {
    let run = EXECUTIONS.key.join(" = ? AND ");
    let sql = format!("DELETE FROM execution_items WHERE {run} = ? AND {kinds}");
    for key in runs {
        tx.execute(&sql, key).await?;
    }
    Ok(())
}
