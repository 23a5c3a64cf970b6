//! The model: what the contract says, on plain maps. Written from the contract, not from a bucket.

use super::call::{Answer, Call, Refusal, Reply, refuse};
use super::history::Histories;
use super::queues::Queues;
use persistence_core::store::*;
use persistence_core::{Detail, ErrorKind, RangeId, ShardId, Timestamp};
use std::collections::BTreeMap;

/// A task's place: shard, category, key.
type Place = (ShardId, i32, TaskKey);

/// Everything stored.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) shards: BTreeMap<ShardId, Shard>,
    pub(super) currents: BTreeMap<(ShardId, CurrentKey), CurrentRecord>,
    pub(super) runs: BTreeMap<(ShardId, RunKey), MutableState>,
    pub(super) tasks: BTreeMap<Place, HistoryTask>,
    pub(super) histories: Histories,
    pub(super) queues: Queues,
}

pub(super) fn missing<T>(found: Option<&T>) -> Result<&T, Refusal> {
    found.map_or_else(|| refuse(ErrorKind::NotFound), Ok)
}

impl World {
    /// What the call must answer; changes what it must change.
    pub(super) fn answer(&mut self, now: Timestamp, call: &Call) -> Reply {
        use Call::*;
        match call {
            OpenShard(r) => {
                let new = || Shard {
                    shard_id: r.shard_id,
                    range_id: r.initial_range_id,
                    info: r.initial_info.clone(),
                    updated_at: now,
                };
                Ok(Answer::Shard(self.shards.entry(r.shard_id).or_insert_with(new).clone()))
            }
            ReadShard(r) => Ok(Answer::Shard(missing(self.shards.get(&r.shard_id))?.clone())),
            AssertShard(r) => self.owned(r.shard_id, Some(r.range_id)).map(|()| Answer::Done),
            TakeShard(r) => {
                if r.range_id < r.previous_range_id {
                    return refuse(ErrorKind::InvalidArgument);
                }
                self.owned(r.shard_id, Some(r.previous_range_id))?;
                let (range_id, info) = (r.range_id, r.info.clone());
                self.shards
                    .insert(r.shard_id, Shard { shard_id: r.shard_id, range_id, info, updated_at: now });
                Ok(Answer::Done)
            }
            Create(_) | Update(_) | Resolve(_) | Set(_) | DeleteRun(_) | DeleteCurrent(_) | AddTasks(_) => {
                self.transition(now, call).map(|()| Answer::Done)
            }
            Group(calls) => Ok(Answer::Each(calls.iter().map(|c| self.transition(now, c)).collect())),
            Load(r) => {
                let state = missing(self.runs.get(&(r.shard_id, r.run.clone())))?;
                Ok(Answer::State(Box::new(state.clone())))
            }
            LoadCurrent(r) => {
                Ok(Answer::Current(missing(self.currents.get(&(r.shard_id, r.key.clone())))?.clone()))
            }
            ListRuns(r) => {
                let listed = |(k, s): (&(ShardId, RunKey), &MutableState)| ListedExecution {
                    run: k.1.clone(),
                    record: s.record.clone(),
                    record_version: s.record_version,
                };
                Ok(Answer::Runs(self.runs.iter().filter(|(k, _)| k.0 == r.shard_id).map(listed).collect()))
            }
            ReadTasks(r) => {
                bounds(r.category, r.max)?;
                let here = self.tasks.values().zip(self.tasks.keys());
                let found = here.filter(|(_, k)| within(k, r.shard_id, r.category, r.min, r.max));
                Ok(Answer::Tasks(found.map(|(t, _)| t.clone()).collect()))
            }
            CompleteTask(r) => {
                self.owned(r.shard_id, r.range_id)?;
                self.tasks.remove(&(r.shard_id, r.category.id, r.key));
                Ok(Answer::Done)
            }
            CompleteRange(r) => {
                bounds(r.category, r.max)?;
                self.owned(r.shard_id, r.range_id)?;
                self.tasks.retain(|k, _| !within(k, r.shard_id, r.category, r.min, r.max));
                Ok(Answer::Done)
            }
            Append(r) => self.histories.append(now, r.shard_id, &r.node).map(|()| Answer::Done),
            Read(r) => self.histories.read(r).map(Answer::Batches),
            ReadHeaders(r) => {
                Ok(Answer::Headers(self.histories.read(r)?.into_iter().map(|b| b.header).collect()))
            }
            ReadReverse(r) => self.histories.reverse(r).map(Answer::Batches),
            Fork(r) => self.histories.fork(now, r).map(Answer::Branch),
            DeleteBranch(r) => {
                self.owned(r.shard_id, r.range_id)?;
                self.histories.delete(r.shard_id, &r.branch);
                Ok(Answer::Done)
            }
            Trim(r) => {
                self.histories.trim(r);
                Ok(Answer::Done)
            }
            ListTree(r) => Ok(Answer::Branches(self.histories.list(r.shard_id, r.tree_id))),
            Scavenge(r) => {
                let exists = |shard_id, run: &RunKey| self.runs.contains_key(&(shard_id, run.clone()));
                self.histories.scavenge(now.before(r.safety_age), exists);
                Ok(Answer::Done)
            }
            other => self.queues.answer(now, other),
        }
    }

    /// The fence.
    pub(super) fn owned(&self, shard_id: ShardId, range_id: Option<RangeId>) -> Result<(), Refusal> {
        let stored = self.shards.get(&shard_id).map(|s| s.range_id);
        if range_id.is_none() || stored == range_id {
            return Ok(());
        }
        let detail = Detail::ShardOwnershipLost { shard_id, expected: range_id, stored };
        Err(Refusal { kind: detail.kind(), detail: Some(detail) })
    }
}

/// A range without an end is invalid.
fn bounds(category: TaskCategory, max: TaskKey) -> Result<(), Refusal> {
    let end = match category.kind {
        TaskCategoryKind::Immediate => max.task_id,
        TaskCategoryKind::Scheduled => max.fire_time.0,
    };
    if end == 0 { refuse(ErrorKind::InvalidArgument) } else { Ok(()) }
}

fn within(place: &Place, shard_id: ShardId, category: TaskCategory, min: TaskKey, max: TaskKey) -> bool {
    (place.0, place.1) == (shard_id, category.id) && min <= place.2 && place.2 < max
}
