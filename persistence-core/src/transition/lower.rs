//! From requests to plans.

use super::check;
use super::plan::*;
use crate::error::{Error, Result};
use crate::history::MAX_NODE_BYTES;
use crate::ids::{RangeId, RunId, ShardId};
use crate::store::*;
use crate::validate;
use std::collections::{BTreeMap, BTreeSet};

impl CreateExecution {
    /// The plan of this request; `InvalidArgument` for what no database need decide.
    pub fn lower(&self) -> Result<TransitionPlan> {
        let mut plan = Lowering::begin(&self.scope)?;
        check::create_mode(&self.mode, self.snapshot.record.state)?;
        check::created_status("snapshot", &self.snapshot.record)?;
        let run = self.snapshot.run_id;
        let put = || CurrentWrite::Put(Box::new(self.snapshot.record.current(run)));
        let (check, write) = match &self.mode {
            CreateMode::BrandNew => (CurrentCheck::Absent, put()),
            CreateMode::UpdateCurrent { previous_run_id, previous_last_write_version } => (
                CurrentCheck::Reusable {
                    run_id: *previous_run_id,
                    last_write_version: *previous_last_write_version,
                },
                put(),
            ),
            CreateMode::BypassCurrent => (CurrentCheck::NotRun(run), CurrentWrite::Keep),
        };
        plan.current(check, write);
        plan.create(&self.snapshot)?;
        plan.finish(&self.history)
    }
}

impl UpdateExecution {
    /// The plan of this request; `InvalidArgument` for what no database need decide.
    pub fn lower(&self) -> Result<TransitionPlan> {
        let mut plan = Lowering::begin(&self.scope)?;
        check::update_mode(self)?;
        check::updated_status("mutation", &self.mutation.record)?;
        let run = self.mutation.run_id;
        match self.mode {
            UpdateMode::UpdateCurrent => {
                let current = match &self.new_run {
                    Some(new) => new.record.current(new.run_id),
                    None => self.mutation.record.current(run),
                };
                plan.current(CurrentCheck::Run(run), CurrentWrite::Put(Box::new(current)));
            }
            UpdateMode::BypassCurrent => plan.current(CurrentCheck::NotRun(run), CurrentWrite::Keep),
            UpdateMode::IgnoreCurrent => {}
        }
        plan.mutate(&self.mutation)?;
        if let Some(new) = &self.new_run {
            check::created_status("new_run", &new.record)?;
            plan.create(new)?;
        }
        plan.finish(&self.history)
    }
}

impl ConflictResolveExecution {
    /// The plan of this request; `InvalidArgument` for what no database need decide.
    pub fn lower(&self) -> Result<TransitionPlan> {
        let mut plan = Lowering::begin(&self.scope)?;
        check::resolve_mode(self)?;
        check::updated_status("reset", &self.reset.record)?;
        match self.mode {
            ConflictResolveMode::UpdateCurrent => {
                let now = self.current.as_ref().map_or(self.reset.run_id, |c| c.run_id);
                let current = match &self.new_run {
                    Some(new) => new.record.current(new.run_id),
                    None => self.reset.record.current(self.reset.run_id),
                };
                plan.current(CurrentCheck::Run(now), CurrentWrite::Put(Box::new(current)));
            }
            ConflictResolveMode::BypassCurrent => {
                plan.current(CurrentCheck::NotRun(self.reset.run_id), CurrentWrite::Keep);
            }
        }
        plan.replace(&self.reset)?;
        if let Some(current) = &self.current {
            check::updated_status("current", &current.record)?;
            plan.mutate(current)?;
        }
        if let Some(new) = &self.new_run {
            check::created_status("new_run", &new.record)?;
            plan.create(new)?;
        }
        plan.finish(&self.history)
    }
}

impl SetExecution {
    /// The plan of this request; `InvalidArgument` for what no database need decide.
    pub fn lower(&self) -> Result<TransitionPlan> {
        let mut plan = Lowering::begin(&self.scope)?;
        plan.replace(&self.snapshot)?;
        plan.finish(&[])
    }
}

impl DeleteExecution {
    /// The plan of this request; `InvalidArgument` for what no database need decide.
    pub fn lower(&self) -> Result<TransitionPlan> {
        validate::run_key(&self.run)?;
        let mut plan = empty(self.shard_id, self.range_id)?;
        plan.runs.push(RunStep { key: self.run.clone(), action: RunAction::Delete });
        Ok(plan)
    }
}

impl DeleteCurrentExecution {
    /// The plan of this request; `InvalidArgument` for what no database need decide. A refusal by its current check is a
    /// success.
    pub fn lower(&self) -> Result<TransitionPlan> {
        validate::current_key(&self.key)?;
        let mut plan = empty(self.shard_id, self.range_id)?;
        plan.current = Some(CurrentStep {
            key: self.key.clone(),
            check: CurrentCheck::Run(self.run_id),
            write: CurrentWrite::Delete,
        });
        Ok(plan)
    }
}

/// Deletes a run that was seen closed, and its current record if that was seen to name it: on condition that the current record
/// is still so. Whatever opens a run that is current, or makes one current, writes that record.
pub(crate) fn retire(
    shard_id: ShardId,
    key: CurrentKey,
    run: &RunKey,
    current: Option<&CurrentRecord>,
) -> Result<TransitionPlan> {
    validate::run_key(run)?;
    validate::current_key(&key)?;
    let mut plan = empty(shard_id, None)?;
    let (run_id, named) = (run.run_id, current.filter(|c| c.run_id == run.run_id));
    let (check, write) = match named {
        Some(c) => {
            let last_write_version = c.last_write_version;
            (CurrentCheck::Reusable { run_id, last_write_version }, CurrentWrite::Delete)
        }
        None => (CurrentCheck::NotRun(run_id), CurrentWrite::Keep),
    };
    plan.current = Some(CurrentStep { key, check, write });
    plan.runs.push(RunStep { key: run.clone(), action: RunAction::Delete });
    Ok(plan)
}

impl AddHistoryTasks {
    /// The plan of this request; `InvalidArgument` for what no database need decide.
    pub fn lower(&self) -> Result<TransitionPlan> {
        let mut plan = empty(self.shard_id, Some(self.range_id))?;
        let mut tasks = Tasks::default();
        tasks.add(&self.tasks)?;
        plan.tasks = tasks.finish();
        Ok(plan)
    }
}

fn empty(shard_id: ShardId, fence: Option<RangeId>) -> Result<TransitionPlan> {
    validate::shard(shard_id)?;
    Ok(TransitionPlan {
        shard_id,
        fence,
        attempt: None,
        current: None,
        runs: Vec::new(),
        tasks: Vec::new(),
        nodes: Vec::new(),
    })
}

/// A plan in the making.
struct Lowering<'a> {
    scope: &'a ExecutionScope,
    plan: TransitionPlan,
    tasks: Tasks,
}

impl<'a> Lowering<'a> {
    fn begin(scope: &'a ExecutionScope) -> Result<Self> {
        validate::name("workflow_id", &scope.workflow_id)?;
        validate::archetype(scope.archetype)?;
        let mut plan = empty(scope.shard_id, Some(scope.range_id))?;
        plan.attempt = Some(scope.attempt);
        Ok(Lowering { scope, plan, tasks: Tasks::default() })
    }

    fn current(&mut self, check: CurrentCheck, write: CurrentWrite) {
        let key = CurrentKey {
            namespace_id: self.scope.namespace_id,
            workflow_id: self.scope.workflow_id.clone(),
            archetype: self.scope.archetype,
        };
        self.plan.current = Some(CurrentStep { key, check, write });
    }

    fn create(&mut self, s: &Snapshot) -> Result<()> {
        let write = RunWrite {
            record: s.record.clone(),
            record_version: s.record_version,
            // A new run has nothing to delete.
            items: ItemsWrite::Patch { upsert: upserts(&s.items)?, delete: Vec::new() },
            clear_buffered: false,
            append_buffered: None,
        };
        self.run(s.run_id, &s.tasks, RunAction::Create(Box::new(write)))
    }

    fn replace(&mut self, s: &Snapshot) -> Result<()> {
        let write = RunWrite {
            record: s.record.clone(),
            record_version: next_version(s.record_version)?,
            items: ItemsWrite::Replace(upserts(&s.items)?),
            clear_buffered: true,
            append_buffered: None,
        };
        self.run(s.run_id, &s.tasks, RunAction::Update { expected: s.record_version, write: Box::new(write) })
    }

    fn mutate(&mut self, m: &Mutation) -> Result<()> {
        let mut delete = BTreeSet::new();
        for key in &m.delete_items {
            item_key(key)?;
            delete.insert(key.clone());
        }
        // An item both upserted and deleted ends deleted.
        let mut upsert = upserts(&m.upsert_items)?;
        upsert.retain(|i| !delete.contains(&i.key));
        let write = RunWrite {
            record: m.record.clone(),
            record_version: next_version(m.expected_version)?,
            items: ItemsWrite::Patch { upsert, delete: delete.into_iter().collect() },
            clear_buffered: m.clear_buffered_events,
            append_buffered: m.buffered_events.clone(),
        };
        self.run(
            m.run_id,
            &m.tasks,
            RunAction::Update { expected: m.expected_version, write: Box::new(write) },
        )
    }

    fn run(&mut self, run_id: RunId, tasks: &[HistoryTask], action: RunAction) -> Result<()> {
        let key = RunKey {
            namespace_id: self.scope.namespace_id,
            workflow_id: self.scope.workflow_id.clone(),
            run_id,
        };
        if self.plan.runs.iter().any(|r| r.key == key) {
            return Err(Error::invalid("run_id", format!("run {run_id} takes part twice")));
        }
        self.tasks.add(tasks)?;
        self.plan.runs.push(RunStep { key, action });
        Ok(())
    }

    fn finish(mut self, history: &[NodeWrite]) -> Result<TransitionPlan> {
        // In order of key, so that every bucket locks in one order.
        self.plan.runs.sort_by(|a, b| a.key.cmp(&b.key));
        self.plan.tasks = self.tasks.finish();
        for node in history {
            let step = node.lower()?;
            let same = |n: &NodeStep| {
                n.branch.branch_id == step.branch.branch_id
                    && n.header.first_event_id == step.header.first_event_id
                    && n.header.transaction_id == step.header.transaction_id
            };
            if self.plan.nodes.iter().any(same) {
                return Err(Error::invalid(
                    "history",
                    "two nodes with the same first event and transaction id",
                ));
            }
            self.plan.nodes.push(step);
        }
        Ok(self.plan)
    }
}

impl NodeWrite {
    /// The node as a step; `InvalidArgument` and `TooLarge` for what no database need decide.
    pub fn lower(&self) -> Result<NodeStep> {
        let branch = self.branch.parse()?;
        validate::node_header(&self.header)?;
        validate::run_key(&self.owner)?;
        if self.events.len() > MAX_NODE_BYTES {
            return Err(Error::too_large("history node", self.events.len() as u64, MAX_NODE_BYTES as u64));
        }
        if self.header.first_event_id < branch.begin() {
            let rule = format!("must be at least {}, where the branch leaves its ancestor", branch.begin());
            return Err(Error::invalid("node.first_event_id", rule));
        }
        Ok(NodeStep {
            new_branch: self.header.first_event_id == 1,
            branch,
            owner: self.owner.clone(),
            header: self.header,
            events: self.events.clone(),
        })
    }
}

/// History tasks by place; of two with one place the last counts.
#[derive(Default)]
struct Tasks(BTreeMap<TaskPlace, HistoryTask>);

impl Tasks {
    fn add(&mut self, tasks: &[HistoryTask]) -> Result<()> {
        for task in tasks {
            validate::task_key(task.category, task.key)?;
            self.0.insert(task_place(task.category, task.key), task.clone());
        }
        Ok(())
    }

    fn finish(self) -> Vec<HistoryTask> {
        self.0.into_values().collect()
    }
}

fn item_key(key: &ItemKey) -> Result<()> {
    match key.id() {
        ItemId::Number(_) => Ok(()),
        ItemId::Name(n) => validate::name("item key", n),
    }
}

fn upserts(items: &[Item]) -> Result<Vec<Item>> {
    let mut by_key = BTreeMap::new();
    for item in items {
        item_key(&item.key)?;
        by_key.insert(item.key.clone(), item.clone());
    }
    Ok(by_key.into_values().collect())
}

fn next_version(expected: i64) -> Result<i64> {
    expected.checked_add(1).ok_or_else(|| Error::invalid("record_version", "there is no larger one"))
}
