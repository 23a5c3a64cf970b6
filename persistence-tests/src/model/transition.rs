//! Transitions in the model.

use super::call::{Call, Refusal, refuse};
use super::world::World;
use crate::build::record::{created, mutated, replaced};
use persistence_core::error::RunCondition;
use persistence_core::store::{ExecutionState as S, *};
use persistence_core::{Detail, ErrorKind, RunId, ShardId, Timestamp};

/// What a request comes to.
struct Change<'a> {
    scope: &'a ExecutionScope,
    current: Need,
    /// Runs to be there at a version, with what they become.
    changed: Vec<(RunId, i64, What<'a>)>,
    new: Option<&'a Snapshot>,
    /// The current record to write.
    named: Option<CurrentRecord>,
    tasks: Vec<&'a HistoryTask>,
    history: &'a [NodeWrite],
}

enum What<'a> {
    Mutated(&'a Mutation),
    Replaced(&'a Snapshot),
}

/// What must hold of the current record.
enum Need {
    Nothing,
    Absent,
    Is(RunId),
    Reusable(RunId, i64),
    IsNot(RunId),
}

const OPEN: &[S] = &[S::Created, S::Running];
const NOT_CLOSED: &[S] = &[S::Created, S::Running, S::Zombie];

/// The modes against the states.
fn allowed(call: &Call) -> bool {
    let not = |s: S, forbidden: &[S]| !forbidden.contains(&s);
    match call {
        Call::Create(r) => match r.mode {
            CreateMode::BypassCurrent => not(r.snapshot.record.state, OPEN),
            _ => r.snapshot.record.state != S::Zombie,
        },
        Call::Update(r) => {
            let (state, new) = (r.mutation.record.state, r.new_run.as_ref().map(|n| n.record.state));
            let twice = r.new_run.as_ref().is_some_and(|n| n.run_id == r.mutation.run_id);
            !twice
                && match (r.mode, new) {
                    (UpdateMode::UpdateCurrent, None) => state != S::Zombie,
                    (UpdateMode::UpdateCurrent, Some(new)) => not(state, OPEN) && new != S::Zombie,
                    (UpdateMode::BypassCurrent, new) => not(state, OPEN) && new.is_none_or(|n| not(n, OPEN)),
                    (_, new) => new.is_none(),
                }
        }
        Call::Resolve(r) => {
            let (reset, new) = (r.reset.record.state, r.new_run.as_ref().map(|n| n.record.state));
            let mut runs = vec![r.reset.run_id];
            runs.extend(r.current.as_ref().map(|c| c.run_id));
            runs.extend(r.new_run.as_ref().map(|n| n.run_id));
            runs.sort_unstable();
            let twice = runs.windows(2).any(|w| w[0] == w[1]);
            let current = r.current.as_ref().map(|c| c.record.state);
            !twice
                && match r.mode {
                    ConflictResolveMode::UpdateCurrent => {
                        current.is_none_or(|c| not(c, OPEN))
                            && not(reset, if new.is_some() { NOT_CLOSED } else { &[S::Zombie] })
                            && new != Some(S::Zombie)
                    }
                    _ => {
                        current.is_none()
                            && not(reset, if new.is_some() { NOT_CLOSED } else { OPEN })
                            && new.is_none_or(|n| not(n, &[S::Created, S::Running, S::Completed]))
                    }
                }
        }
        _ => true,
    }
}

fn changed(m: &Mutation) -> (RunId, i64, What<'_>) {
    (m.run_id, m.expected_version, What::Mutated(m))
}

fn reset(s: &Snapshot) -> (RunId, i64, What<'_>) {
    (s.run_id, s.record_version, What::Replaced(s))
}

fn name(s: &Snapshot) -> CurrentRecord {
    s.record.current(s.run_id)
}

impl World {
    /// Does a write to executions, or says why not.
    pub(super) fn transition(&mut self, now: Timestamp, call: &Call) -> Result<(), Refusal> {
        if !allowed(call) {
            return refuse(ErrorKind::InvalidArgument);
        }
        let change = match call {
            Call::DeleteRun(r) => {
                self.owned(r.shard_id, r.range_id)?;
                self.runs.remove(&(r.shard_id, r.run.clone()));
                self.histories.forget(r.shard_id, &r.run);
                return Ok(());
            }
            Call::DeleteCurrent(r) => {
                self.owned(r.shard_id, r.range_id)?;
                self.currents.retain(|k, c| *k != (r.shard_id, r.key.clone()) || c.run_id != r.run_id);
                return Ok(());
            }
            Call::AddTasks(r) => {
                self.owned(r.shard_id, Some(r.range_id))?;
                self.add_tasks(r.shard_id, r.tasks.iter());
                return Ok(());
            }
            Call::Create(r) => {
                let bypass = matches!(r.mode, CreateMode::BypassCurrent);
                Change {
                    scope: &r.scope,
                    current: match &r.mode {
                        CreateMode::BrandNew => Need::Absent,
                        CreateMode::UpdateCurrent { previous_run_id, previous_last_write_version } => {
                            Need::Reusable(*previous_run_id, *previous_last_write_version)
                        }
                        _ => Need::IsNot(r.snapshot.run_id),
                    },
                    changed: Vec::new(),
                    new: Some(&r.snapshot),
                    named: (!bypass).then(|| name(&r.snapshot)),
                    tasks: r.snapshot.tasks.iter().collect(),
                    history: &r.history,
                }
            }
            Call::Update(r) => {
                let own = || r.mutation.record.current(r.mutation.run_id);
                let (current, named) = match r.mode {
                    UpdateMode::UpdateCurrent => {
                        (Need::Is(r.mutation.run_id), Some(r.new_run.as_ref().map_or_else(own, name)))
                    }
                    UpdateMode::BypassCurrent => (Need::IsNot(r.mutation.run_id), None),
                    _ => (Need::Nothing, None),
                };
                let tasks = r.mutation.tasks.iter().chain(r.new_run.iter().flat_map(|n| &n.tasks)).collect();
                let (changed, new) = (vec![changed(&r.mutation)], r.new_run.as_ref());
                Change { scope: &r.scope, current, changed, new, named, tasks, history: &r.history }
            }
            Call::Resolve(r) => {
                let (current, named) = match r.mode {
                    ConflictResolveMode::UpdateCurrent => {
                        let now = r.current.as_ref().map_or(r.reset.run_id, |c| c.run_id);
                        (Need::Is(now), Some(name(r.new_run.as_ref().unwrap_or(&r.reset))))
                    }
                    _ => (Need::IsNot(r.reset.run_id), None),
                };
                let mut all = vec![reset(&r.reset)];
                all.extend(r.current.iter().map(changed));
                let (new, history, tasks) = (r.new_run.as_ref(), &r.history[..], Vec::new());
                Change { scope: &r.scope, current, changed: all, new, named, tasks, history }
            }
            Call::Set(r) => Change {
                scope: &r.scope,
                current: Need::Nothing,
                changed: vec![reset(&r.snapshot)],
                new: None,
                named: None,
                tasks: r.snapshot.tasks.iter().collect(),
                history: &[],
            },
            other => panic!("{other:?} is no transition"),
        };
        self.change(now, change)
    }

    /// Shard first, then the current record, then the runs in order of their keys.
    fn change(&mut self, now: Timestamp, c: Change<'_>) -> Result<(), Refusal> {
        let shard_id = c.scope.shard_id;
        self.owned(shard_id, Some(c.scope.range_id))?;
        let key = CurrentKey {
            namespace_id: c.scope.namespace_id,
            workflow_id: c.scope.workflow_id.clone(),
            archetype: c.scope.archetype,
        };
        let run_key = |run_id| {
            let run = RunKey { namespace_id: key.namespace_id, workflow_id: key.workflow_id.clone(), run_id };
            (shard_id, run)
        };
        self.current(&(shard_id, key.clone()), &c.current)?;
        let mut wanted: Vec<(RunId, Option<i64>)> =
            c.changed.iter().map(|(r, v, _)| (*r, Some(*v))).collect();
        wanted.extend(c.new.map(|s| (s.run_id, None)));
        wanted.sort_unstable();
        for (run_id, expected) in wanted {
            let stored = self.runs.get(&run_key(run_id));
            if stored.map(|s| s.record_version) != expected {
                let actual = stored.map(|s| RunCondition {
                    record_version: s.record_version,
                    next_event_id: s.record.next_event_id,
                });
                let detail = Detail::WorkflowConditionFailed { run_id, expected, actual };
                return Err(Refusal { kind: detail.kind(), detail: Some(detail) });
            }
        }
        for (run_id, _, what) in &c.changed {
            let stored = self.runs.get_mut(&run_key(*run_id)).unwrap();
            *stored = match what {
                What::Mutated(m) => mutated(stored, m),
                What::Replaced(s) => replaced(s),
            };
        }
        if let Some(s) = c.new {
            self.runs.insert(run_key(s.run_id), created(s));
        }
        if let Some(record) = c.named {
            self.currents.insert((shard_id, key.clone()), record);
        }
        self.add_tasks(shard_id, c.tasks.into_iter());
        for node in c.history {
            self.histories.append(now, shard_id, node)?;
            self.histories.committed(shard_id, node);
        }
        Ok(())
    }

    fn current(&self, key: &(ShardId, CurrentKey), need: &Need) -> Result<(), Refusal> {
        let found = self.currents.get(key);
        let holds = match need {
            Need::Nothing => true,
            Need::Absent => found.is_none(),
            Need::Is(run) => found.is_some_and(|c| c.run_id == *run),
            Need::IsNot(run) => found.is_none_or(|c| c.run_id != *run),
            Need::Reusable(run, version) => found
                .is_some_and(|c| (c.run_id, c.last_write_version, c.state) == (*run, *version, S::Completed)),
        };
        if holds {
            return Ok(());
        }
        let detail = Detail::CurrentWorkflowConditionFailed { current: found.cloned().map(Box::new) };
        Err(Refusal { kind: detail.kind(), detail: Some(detail) })
    }

    fn add_tasks<'a>(&mut self, shard_id: ShardId, tasks: impl Iterator<Item = &'a HistoryTask>) {
        self.tasks.extend(tasks.map(|t| ((shard_id, t.category.id, t.key), t.clone())));
    }
}
