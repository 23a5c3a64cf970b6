//! What the plans of a wave require and write, as rows: gathered by table, so that a wave costs one statement, or a part of one,
//! for each table however many plans it has.

use super::found::Looked;
use crate::attempts::{entry, push};
use crate::core::codec::encode;
use crate::core::store::*;
use crate::core::transition::*;
use crate::core::{RangeId, ShardId, Timestamp};
use crate::history::rows as history_rows;
use crate::value::{Kind, Value};
use uuid::Uuid;

/// The kind of buffered events among the items.
pub(super) const BUFFERED: i64 = 100;

/// What a plan requires of its current record.
pub(super) mod requires {
    pub(in super::super) const ABSENT: i64 = 0;
    pub(in super::super) const RUN: i64 = 1;
    pub(in super::super) const REUSABLE: i64 = 2;
    pub(in super::super) const NOT_RUN: i64 = 3;
    pub(in super::super) const NEVER: i64 = 4;
}

/// What a plan does to a current record or to a run.
pub(super) mod action {
    pub(in super::super) const KEEP: i64 = 0;
    /// Replace what was found.
    pub(in super::super) const PUT: i64 = 1;
    pub(in super::super) const DELETE: i64 = 2;
    /// Insert; of a current record also where nobody has looked yet.
    pub(in super::super) const CREATE: i64 = 3;
}

/// Rows of one kind. The first value of each is the number of its plan, from 1.
pub(super) type Rows = Vec<Vec<Value>>;

/// The rows of a wave. Current records and runs are in the order of their keys, which is the order of locks.
#[derive(Default)]
pub(super) struct WaveRows {
    /// Whether the plan is fenced.
    pub plans: Rows,
    pub currents: Rows,
    pub runs: Rows,
    /// Ranges of kinds, from (inclusive) and to (exclusive): items of them that are not put are deleted.
    pub clears: Rows,
    pub delete_items: Rows,
    pub put_items: Rows,
    pub tasks: Rows,
    pub nodes: Rows,
    pub branches: Rows,
}

const I: Kind = Kind::Int;
const T: Kind = Kind::Text;
const B: Kind = Kind::Bytes;
const U: Kind = Kind::Uuid;

impl WaveRows {
    /// Every list with the kinds of its columns, in the order in which statements take them.
    pub(super) fn lists(self) -> [(&'static [Kind], Rows); 9] {
        [
            // Plan, fenced.
            (&[I, I], self.plans),
            // Plan, namespace, workflow id, archetype; requirement, its run and version; action, run, completed, last write
            // version, record.
            (&[I, U, T, I, I, U, I, I, U, I, I, B], self.currents),
            // Plan, namespace, workflow id, run; action, expected version; version, next event id, record, creating attempt,
            // attempts.
            (&[I, U, T, U, I, I, I, I, B, U, B], self.runs),
            // Plan, namespace, workflow id, run, from, to.
            (&[I, U, T, U, I, I], self.clears),
            // Plan, namespace, workflow id, run, kind, number, name.
            (&[I, U, T, U, I, I, T], self.delete_items),
            // The same, and the value.
            (&[I, U, T, U, I, I, T, B], self.put_items),
            // Plan, category, fire time, task id, payload.
            (&[I, I, I, I, B], self.tasks),
            // Plan, tree, branch, first event id, negated transaction id; count, previous transaction id, in state, written at,
            // events.
            (&[I, U, U, I, I, I, I, I, I, B], self.nodes),
            // Plan, tree, branch; branch, created at.
            (&[I, U, U, B, I], self.branches),
        ]
    }

    /// What plans of one shard require and write. `looked` is what was found, where that was read before: then rows continue
    /// what is there.
    pub(super) fn of(plans: &[&TransitionPlan], now: Timestamp, looked: &Looked) -> Self {
        let mut rows = WaveRows::default();
        let mut currents: Vec<(i64, &CurrentStep)> = Vec::new();
        let mut runs: Vec<(i64, &TransitionPlan, &RunStep)> = Vec::new();
        for (i, plan) in (1..).zip(plans) {
            rows.plans.push(vec![i.into(), i64::from(plan.fence.is_some()).into()]);
            currents.extend(plan.current.as_ref().map(|c| (i, c)));
            runs.extend(plan.runs.iter().map(|r| (i, *plan, r)));
            rows.add_tasks(i, plan);
            rows.add_history(i, plan, now);
        }
        currents.sort_by_key(|(_, c)| &c.key);
        runs.sort_by_key(|(.., r)| &r.key);
        rows.currents.extend(currents.into_iter().map(|(i, step)| current(i, step, looked)));
        for (i, plan, step) in runs {
            rows.add_run(i, plan, step, looked);
        }
        rows
    }

    /// Adds the rows of a wave with its shard in the place of the plan's number, as they are stored.
    pub(super) fn append(&mut self, wave: WaveRows, shard_id: ShardId) {
        let add = |to: &mut Rows, rows: Rows| {
            to.extend(rows.into_iter().map(|mut row| {
                row[0] = shard_id.0.into();
                row
            }));
        };
        add(&mut self.currents, wave.currents);
        add(&mut self.runs, wave.runs);
        add(&mut self.clears, wave.clears);
        add(&mut self.delete_items, wave.delete_items);
        add(&mut self.put_items, wave.put_items);
        add(&mut self.tasks, wave.tasks);
        add(&mut self.nodes, wave.nodes);
        add(&mut self.branches, wave.branches);
    }

    fn add_run(&mut self, i: i64, plan: &TransitionPlan, step: &RunStep, looked: &Looked) {
        let attempt = plan.attempt.map_or(Uuid::nil(), |a| a.0);
        match &step.action {
            RunAction::Create(w) => {
                let row = run(i, &step.key, [action::CREATE, 0], Some(w), attempt, Vec::new());
                self.runs.push(row);
                self.add_items(i, &step.key, w);
            }
            RunAction::Update { expected, write: w } => {
                let mut attempts = plan.attempt.map_or_else(Vec::new, |a| entry(w.record_version, a, 0));
                let mut created_by = attempt;
                if let Some(found) = looked.runs.get(&step.key) {
                    created_by = found.created_by;
                    attempts = push(&found.attempts, attempts);
                }
                self.runs.push(run(i, &step.key, [action::PUT, *expected], Some(w), created_by, attempts));
                self.add_items(i, &step.key, w);
            }
            _ => {
                self.runs.push(run(i, &step.key, [action::DELETE, 0], None, attempt, Vec::new()));
                self.clear(i, &step.key, 0, BUFFERED + 1);
            }
        }
    }

    fn clear(&mut self, i: i64, run: &RunKey, from: i64, to: i64) {
        let mut row = of_run(i, run);
        row.extend([from.into(), to.into()]);
        self.clears.push(row);
    }

    fn add_items(&mut self, i: i64, run: &RunKey, w: &RunWrite) {
        let put = |item: &Item| {
            let mut row = of_item(i, run, &item.key);
            row.push(encode(&item.value).into());
            row
        };
        match &w.items {
            ItemsWrite::Replace(items) => {
                self.clear(i, run, 0, BUFFERED);
                self.put_items.extend(items.iter().map(put));
            }
            ItemsWrite::Patch { upsert, delete } => {
                self.delete_items.extend(delete.iter().map(|k| of_item(i, run, k)));
                self.put_items.extend(upsert.iter().map(put));
            }
            _ => {}
        }
        if w.clear_buffered {
            self.clear(i, run, BUFFERED, BUFFERED + 1);
        }
        if let Some(batch) = &w.append_buffered {
            let mut row = of_run(i, run);
            row.extend([BUFFERED.into(), w.record_version.into(), "".into(), encode(batch).into()]);
            self.put_items.push(row);
        }
    }

    fn add_tasks(&mut self, i: i64, plan: &TransitionPlan) {
        self.tasks.extend(plan.tasks.iter().map(|t| {
            let key = [i.into(), t.category.id.into(), t.key.fire_time.0.into(), t.key.task_id.into()];
            key.into_iter().chain([encode(&t.payload).into()]).collect()
        }));
    }

    fn add_history(&mut self, i: i64, plan: &TransitionPlan, now: Timestamp) {
        for step in &plan.nodes {
            self.nodes.push(numbered(i, history_rows::state_node(step, now)));
            if step.new_branch {
                self.branches.push(numbered(i, history_rows::branch(&step.branch, &step.owner, now)));
            }
        }
    }
}

fn numbered(i: i64, row: Vec<Value>) -> Vec<Value> {
    let mut out = Vec::with_capacity(row.len() + 1);
    out.push(i.into());
    out.extend(row);
    out
}

fn current(i: i64, step: &CurrentStep, looked: &Looked) -> Vec<Value> {
    let k = &step.key;
    let (requirement, run, version) = match &step.check {
        CurrentCheck::Absent => (requires::ABSENT, Uuid::nil(), 0),
        CurrentCheck::Run(run) => (requires::RUN, run.0, 0),
        CurrentCheck::Reusable { run_id, last_write_version } => {
            (requires::REUSABLE, run_id.0, *last_write_version)
        }
        CurrentCheck::NotRun(run) => (requires::NOT_RUN, run.0, 0),
        // A check that this crate does not know cannot be said to hold.
        _ => (requires::NEVER, Uuid::nil(), 0),
    };
    let mut row: Vec<Value> = vec![
        i.into(),
        k.namespace_id.0.into(),
        (&*k.workflow_id).into(),
        Value::Int(k.archetype.0.into()),
        requirement.into(),
        run.into(),
        version.into(),
    ];
    match &step.write {
        CurrentWrite::Put(c) => row.extend([
            if looked.current.contains_key(k) { action::PUT } else { action::CREATE }.into(),
            c.run_id.0.into(),
            i64::from(c.state == ExecutionState::Completed).into(),
            c.last_write_version.into(),
            encode(&**c).into(),
        ]),
        other => {
            let action = if matches!(other, CurrentWrite::Delete) { action::DELETE } else { action::KEEP };
            row.extend([action.into(), Uuid::nil().into(), 0.into(), 0.into(), Vec::new().into()]);
        }
    }
    row
}

fn run(
    i: i64,
    key: &RunKey,
    [action, expected]: [i64; 2],
    write: Option<&RunWrite>,
    created_by: Uuid,
    attempts: Vec<u8>,
) -> Vec<Value> {
    let mut row = of_run(i, key);
    row.extend([
        action.into(),
        expected.into(),
        write.map_or(0, |w| w.record_version).into(),
        write.map_or(0, |w| w.record.next_event_id).into(),
        write.map_or_else(|| Vec::new().into(), |w| encode(&w.record).into()),
        created_by.into(),
        attempts.into(),
    ]);
    row
}

fn of_run(i: i64, k: &RunKey) -> Vec<Value> {
    vec![i.into(), k.namespace_id.0.into(), (&*k.workflow_id).into(), k.run_id.0.into()]
}

fn of_item(i: i64, run: &RunKey, key: &ItemKey) -> Vec<Value> {
    let (number, name) = match key.id() {
        ItemId::Number(n) => (n, ""),
        ItemId::Name(s) => (0, s),
    };
    let mut row = of_run(i, run);
    row.extend([i64::from(key.kind().code()).into(), number.into(), name.into()]);
    row
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

/// The range id that the fenced plans of a wave carry.
pub(super) fn fence_of(plans: &[&TransitionPlan]) -> Option<RangeId> {
    plans.iter().find_map(|p| p.fence)
}
