//! From operations as drawn to calls: small numbers become ids, and what is off by nothing becomes right.

use super::call::Call;
use super::op::{At, Fence, Mode, Off, Op, Run, State, Way};
use super::world::World;
use crate::Fixture;
use crate::build::history::node;
use crate::build::record::{blob, immediate, item, keys, mutation, scheduled, snapshot};
use persistence_core::store::*;
use persistence_core::{
    Archetype, AttemptId, BranchId, BranchToken, NamespaceId, PageRequest, RangeId, RunId, ShardId,
    Timestamp, TreeId,
};
use std::collections::HashMap;

/// The ids of one sequence.
pub(super) struct Script {
    pub(super) shards: Vec<ShardId>,
    pub(super) namespace_id: NamespaceId,
    pub(super) workflows: Vec<String>,
    runs: Vec<RunId>,
    /// The branches of each run's tree: the first, and the last two forks.
    trees: HashMap<(usize, usize, usize), (TreeId, Vec<BranchToken>)>,
    /// Whether nodes commit with the state.
    atomic: bool,
    transaction: i64,
}

fn state(s: State) -> ExecutionState {
    match s {
        State::Running => ExecutionState::Running,
        State::Completed => ExecutionState::Completed,
        State::Zombie => ExecutionState::Zombie,
        State::Created => ExecutionState::Created,
    }
}

fn category(immediate: bool) -> TaskCategory {
    if immediate { TaskCategory::TRANSFER } else { TaskCategory::TIMER }
}

fn place(immediate: bool, n: i64) -> TaskKey {
    if immediate { TaskKey::immediate(n) } else { TaskKey::scheduled(Timestamp(n / 2), n) }
}

fn bound(immediate: bool, n: i64) -> TaskKey {
    if immediate { TaskKey::immediate(n) } else { TaskKey::scheduled(Timestamp(n / 2), 0) }
}

impl Script {
    /// Fresh ids.
    pub(super) fn new(t: &Fixture, atomic: bool) -> Self {
        Script {
            shards: (0..2).map(|_| t.shard()).collect(),
            namespace_id: t.namespace(),
            workflows: (0..2).map(|_| t.name("workflow")).collect(),
            runs: (0..3).map(|_| t.run()).collect(),
            trees: HashMap::new(),
            atomic,
            transaction: 0,
        }
    }

    pub(super) fn key(&self, r: Run, run: usize) -> RunKey {
        let workflow_id = self.workflows[r.workflow].clone();
        RunKey { namespace_id: self.namespace_id, workflow_id, run_id: self.runs[run] }
    }

    fn current_key(&self, r: Run) -> CurrentKey {
        let workflow_id = self.workflows[r.workflow].clone();
        CurrentKey { namespace_id: self.namespace_id, workflow_id, archetype: Archetype(r.kind) }
    }

    pub(super) fn tree(&mut self, r: Run) -> &mut (TreeId, Vec<BranchToken>) {
        self.trees.entry((r.shard, r.workflow, r.run)).or_insert_with(|| {
            let tree_id = TreeId::new();
            (tree_id, vec![BranchToken::new_root(tree_id, BranchId::new())])
        })
    }

    pub(super) fn branch(&mut self, r: Run, slot: usize) -> BranchToken {
        let branches = &self.tree(r).1;
        branches[slot.min(branches.len() - 1)].clone()
    }

    /// Keeps a fork to go on with.
    pub(super) fn forked(&mut self, op: &Op, branch: BranchToken) {
        if let Op::Fork(r, _, _, to) = op {
            let branches = &mut self.tree(*r).1;
            branches.truncate(3);
            if *to < branches.len() { branches[*to] = branch } else { branches.push(branch) }
        }
    }

    fn range(&self, w: &World, shard: usize, off: Off) -> RangeId {
        w.shards.get(&self.shards[shard]).map_or(1, |s| s.range_id) + off
    }

    pub(super) fn fence(&self, w: &World, shard: usize, fence: Fence) -> Option<RangeId> {
        match fence {
            Fence::None => None,
            Fence::Own => Some(self.range(w, shard, 0)),
            Fence::Stale => Some(self.range(w, shard, -1)),
        }
    }

    fn scope(&self, w: &World, r: Run, off: Off) -> ExecutionScope {
        ExecutionScope {
            shard_id: self.shards[r.shard],
            range_id: self.range(w, r.shard, off),
            namespace_id: self.namespace_id,
            workflow_id: self.workflows[r.workflow].clone(),
            archetype: Archetype(r.kind),
            attempt: AttemptId::new(),
        }
    }

    fn version(&self, w: &World, r: Run, run: usize, off: Off) -> i64 {
        let stored = w.runs.get(&(self.shards[r.shard], self.key(r, run)));
        stored.map_or(1, |s| s.record_version) + off
    }

    /// The next node of a branch; none where a refusal would leave the row of a new branch.
    fn node(&mut self, w: &World, r: Run, wanted: bool) -> Vec<NodeWrite> {
        let branch = self.branch(r, 0);
        let first = !w.histories.exists(self.shards[r.shard], &branch);
        if !wanted || (first && !self.atomic) {
            return Vec::new();
        }
        let owner = self.key(r, r.run);
        let count = if r.run == 1 { 2 } else { 1 };
        let next = self.next(w, r, &branch, At::End, count);
        vec![node(&branch, &owner, next)]
    }

    pub(super) fn next(
        &mut self,
        w: &World,
        r: Run,
        branch: &BranchToken,
        at: At,
        count: i64,
    ) -> crate::build::history::Node {
        self.transaction += 1;
        let live = w.histories.live(self.shards[r.shard], branch);
        let before = match at {
            At::End => live.last(),
            At::Beside => live.len().checked_sub(2).map(|i| &live[i]),
            At::Below => None,
        };
        let (first, previous) = before.map_or((1, 0), |b| (b.header.end(), b.header.transaction_id));
        (first, count, self.transaction, previous)
    }

    fn snapshot(&self, run: usize, s: State, record_version: i64) -> Snapshot {
        Snapshot { record_version, ..snapshot(self.runs[run], state(s)) }
    }

    /// The call; none for what is no call.
    pub(super) fn call(&mut self, w: &World, now: Timestamp, op: &Op) -> Option<Call> {
        let attempt = AttemptId::new();
        Some(match op.clone() {
            Op::OpenShard(s) => Call::OpenShard(GetOrCreateShard {
                shard_id: self.shards[s],
                initial_range_id: 1,
                initial_info: blob("shard"),
            }),
            Op::ReadShard(s) => Call::ReadShard(GetShard { shard_id: self.shards[s] }),
            Op::TakeShard(s, off, by) => {
                let previous_range_id = self.range(w, s, off);
                Call::TakeShard(UpdateShard {
                    shard_id: self.shards[s],
                    previous_range_id,
                    range_id: previous_range_id + by,
                    info: blob("shard"),
                    attempt,
                })
            }
            Op::AssertShard(s, off) => {
                let (shard_id, range_id) = (self.shards[s], self.range(w, s, off));
                Call::AssertShard(AssertShardOwnership { shard_id, range_id })
            }
            Op::Create { at: r, fence, brand_new, previous, bypass, state, node } => {
                let found = w.currents.get(&(self.shards[r.shard], self.current_key(r)));
                let mode = match found {
                    _ if bypass => CreateMode::BypassCurrent,
                    _ if brand_new => CreateMode::BrandNew,
                    found => CreateMode::UpdateCurrent {
                        previous_run_id: found.map_or(self.runs[0], |c| c.run_id),
                        previous_last_write_version: found.map_or(1, |c| c.last_write_version) + previous,
                    },
                };
                let mut new = self.snapshot(r.run, state, 1);
                new.tasks = vec![immediate(TaskCategory::TRANSFER, i64::from(r.kind))];
                let (scope, history) = (self.scope(w, r, fence), self.node(w, r, node));
                Call::Create(Box::new(CreateExecution { scope, mode, snapshot: new, history }))
            }
            Op::Update { at: r, fence, mode, version, state: s, new, items, node } => {
                let mut m = mutation(self.runs[r.run], self.version(w, r, r.run, version), state(s));
                // Each bit of `items` is something else that the update does.
                m.clear_buffered_events = items & 1 != 0;
                m.buffered_events = (items & 2 != 0).then(|| blob("buffered"));
                if items & 4 != 0 {
                    m.upsert_items = keys(items % 3).into_iter().map(item).collect();
                }
                if items & 8 != 0 {
                    m.delete_items = keys(items % 2);
                    m.tasks = vec![scheduled(TaskCategory::TIMER, items % 4, items)];
                }
                let mode = match mode {
                    Mode::Current => UpdateMode::UpdateCurrent,
                    Mode::Bypass => UpdateMode::BypassCurrent,
                    Mode::Ignore => UpdateMode::IgnoreCurrent,
                };
                let new_run =
                    new.map(|run| self.snapshot(run, if items & 1 == 0 { s } else { State::Running }, 1));
                let (scope, history) = (self.scope(w, r, fence), self.node(w, r, node));
                Call::Update(Box::new(UpdateExecution { scope, mode, mutation: m, new_run, history }))
            }
            Op::Resolve { at: r, fence, bypass, version, state: s, current, new } => {
                let current = current
                    .map(|c| mutation(self.runs[c], self.version(w, r, c, 0), ExecutionState::Completed));
                Call::Resolve(Box::new(ConflictResolveExecution {
                    scope: self.scope(w, r, fence),
                    mode: if bypass {
                        ConflictResolveMode::BypassCurrent
                    } else {
                        ConflictResolveMode::UpdateCurrent
                    },
                    reset: self.snapshot(r.run, s, self.version(w, r, r.run, version)),
                    current,
                    new_run: new.map(|run| self.snapshot(run, State::Running, 1)),
                    history: Vec::new(),
                }))
            }
            Op::Set { at: r, fence, version, state: s } => {
                let new = self.snapshot(r.run, s, self.version(w, r, r.run, version));
                Call::Set(Box::new(SetExecution { scope: self.scope(w, r, fence), snapshot: new }))
            }
            Op::DeleteRun(r, fence) => Call::DeleteRun(DeleteExecution {
                shard_id: self.shards[r.shard],
                range_id: self.fence(w, r.shard, fence),
                run: self.key(r, r.run),
            }),
            Op::DeleteCurrent(r, fence) => Call::DeleteCurrent(DeleteCurrentExecution {
                shard_id: self.shards[r.shard],
                range_id: self.fence(w, r.shard, fence),
                key: self.current_key(r),
                run_id: self.runs[r.run],
            }),
            Op::Group(ops) => return self.group(w, now, ops),
            Op::Load(r) => {
                Call::Load(GetExecution { shard_id: self.shards[r.shard], run: self.key(r, r.run) })
            }
            Op::LoadCurrent(r) => Call::LoadCurrent(GetCurrentExecution {
                shard_id: self.shards[r.shard],
                key: self.current_key(r),
            }),
            Op::ListRuns(s, n) => {
                Call::ListRuns(ListExecutions { shard_id: self.shards[s], page: PageRequest::first(n) })
            }
            Op::AddTasks(s, off, tasks) => {
                let task = |(i, n): (bool, i64)| HistoryTask {
                    category: category(i),
                    key: place(i, n),
                    payload: blob("task"),
                };
                let tasks = tasks.into_iter().map(task).collect();
                Call::AddTasks(AddHistoryTasks {
                    shard_id: self.shards[s],
                    range_id: self.range(w, s, off),
                    tasks,
                })
            }
            Op::ReadTasks(s, i, min, max, n) => Call::ReadTasks(GetHistoryTasks {
                shard_id: self.shards[s],
                category: category(i),
                min: bound(i, min),
                max: bound(i, max),
                page: PageRequest::first(n),
            }),
            Op::CompleteTask(s, fence, i, n) => Call::CompleteTask(CompleteHistoryTask {
                shard_id: self.shards[s],
                range_id: self.fence(w, s, fence),
                category: category(i),
                key: place(i, n),
            }),
            Op::CompleteRange(s, fence, i, min, max) => Call::CompleteRange(RangeCompleteHistoryTasks {
                shard_id: self.shards[s],
                range_id: self.fence(w, s, fence),
                category: category(i),
                min: bound(i, min),
                max: bound(i, max),
            }),
            Op::Append(..)
            | Op::Read(..)
            | Op::Fork(..)
            | Op::DeleteBranch(..)
            | Op::Trim(..)
            | Op::ListTree(..) => self.history(w, op),
            Op::Wait(_) | Op::Reopen => return None,
            other => self.queues(w, now, other),
        })
    }

    /// Plans of one shard, that of the first.
    fn group(&mut self, w: &World, now: Timestamp, ops: Vec<Op>) -> Option<Call> {
        let shard = |op: &Op| match op {
            Op::Create { at, .. } | Op::Update { at, .. } | Op::Set { at, .. } | Op::DeleteRun(at, _) => {
                at.shard
            }
            Op::AddTasks(s, ..) => *s,
            _ => 0,
        };
        let first = shard(ops.first()?);
        let calls = ops.iter().filter(|op| shard(op) == first).filter_map(|op| {
            let mut op = op.clone();
            // Nodes depend on what the plans before them do.
            if let Op::Create { node, .. } | Op::Update { node, .. } = &mut op {
                *node = false;
            }
            self.call(w, now, &op)
        });
        Some(Call::Group(calls.collect()))
    }

    /// Everything that can be read, at the end.
    pub(super) fn everything(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        for shard in 0..2 {
            ops.extend([Op::ReadShard(shard), Op::ListRuns(shard, 2)]);
            ops.extend([true, false].map(|i| Op::ReadTasks(shard, i, 0, 1000, 3)));
            for workflow in 0..2 {
                for run in 0..3 {
                    let at = Run { shard, workflow, kind: 1, run };
                    ops.extend([Op::Load(at), Op::ListTree(at)]);
                    let ways = [Way::Forward, Way::Headers, Way::Backward];
                    ops.extend((0..3).flat_map(|b| ways.map(|way| Op::Read(at, b, way, 1, i64::MAX, 2))));
                }
                ops.extend([1, 2].map(|kind| Op::LoadCurrent(Run { shard, workflow, kind, run: 0 })));
            }
        }
        for q in 0..2 {
            ops.push(Op::GetTaskQueue(q));
            ops.extend([0, 1].map(|sub| Op::ReadQueued(q, sub, (0, i64::MIN), None, 3)));
        }
        for q in 0..3 {
            ops.extend([Op::ReadQueue(q, None, 2), Op::Acks(q)]);
        }
        ops
    }
}
