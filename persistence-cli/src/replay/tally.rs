//! History tasks, counted: every one that the histories ask for must be stored once, whatever its id.

use super::convert::Conversion;
use super::read::Text;
use super::request::{Replay, Target};
use super::retry::again;
use anyhow::{Context as _, Result, anyhow};
use persistence::store::{GetHistoryTasks, RunKey, TaskCategory, TaskCategoryKind, TaskKey};
use persistence::{Context, PageRequest, Persistence, ShardId, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

const PAGE: u32 = 1000;

/// The categories that a replay writes.
const CATEGORIES: [TaskCategory; 3] = [TaskCategory::TRANSFER, TaskCategory::TIMER, TaskCategory::VISIBILITY];

/// Shard, workflow and run.
pub(crate) type Run = (ShardId, String, String);

/// Tasks of runs: how many, and a sum of what they are that does not depend on their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(BTreeMap<Run, (u64, u64)>);

#[derive(Deserialize)]
struct Owner {
    workflow_id: String,
    run_id: String,
}

impl Tally {
    fn key(target: &Target) -> Run {
        let RunKey { workflow_id, run_id, .. } = &target.run;
        (target.shard_id, workflow_id.clone(), run_id.to_string())
    }

    fn count(entry: &mut (u64, u64), category: TaskCategory, fire: Timestamp, payload: &[u8]) {
        let mut bytes = category.id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&fire.0.to_be_bytes());
        bytes.extend_from_slice(payload);
        *entry = (entry.0 + 1, entry.1.wrapping_add(xxh3_64(&bytes)));
    }

    /// Expects the tasks of a history, and of the run that it went on in.
    pub(crate) fn expect(&mut self, target: &Target, text: &Text, conversion: &Conversion) -> Result<()> {
        let export = text.export().map_err(|p| anyhow!("{p}"))?;
        let replay = Replay { target: target.clone(), export: &export, conversion };
        let entry = self.0.entry(Self::key(target)).or_default();
        for task in conversion.transitions.iter().flat_map(|t| &t.tasks) {
            Self::count(entry, task.category, task.fire_time, &replay.payload(task).data);
        }
        match &conversion.successor {
            Some(s) => self.expect(&target.sibling(s.conversion.run_id), &s.text, &s.conversion),
            None => Ok(()),
        }
    }

    /// Adds up what a shard stores for the runs that `expected` names; other runs' tasks are none of our business.
    pub(crate) async fn read(
        &mut self,
        db: &dyn Persistence,
        cx: &Context,
        shard_id: ShardId,
        expected: &Tally,
    ) -> Result<()> {
        for category in CATEGORIES {
            let mut page = PageRequest::first(PAGE);
            loop {
                let (min, max) = everything(category);
                let get = GetHistoryTasks { shard_id, category, min, max, page };
                let answer = again(|| db.executions().get_history_tasks(cx, &get)).await;
                let answer = answer.context("reading history tasks")?;
                for task in answer.items {
                    let Ok(owner) = serde_json::from_slice::<Owner>(&task.payload.data) else { continue };
                    let key = (shard_id, owner.workflow_id, owner.run_id);
                    if expected.0.contains_key(&key) {
                        let entry = self.0.entry(key).or_default();
                        Self::count(entry, category, task.key.fire_time, &task.payload.data);
                    }
                }
                match answer.next {
                    Some(token) => page = PageRequest::after(PAGE, token),
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Takes up what another tally has; returns which runs those are.
    pub(crate) fn merge(&mut self, other: Tally) -> Vec<Run> {
        let runs = other.0.keys().cloned().collect();
        self.0.extend(other.0);
        runs
    }

    /// What differs for these runs, in words.
    pub(crate) fn compare(&self, stored: &Tally, runs: &[Run]) -> Vec<String> {
        let mut out = Vec::new();
        for run in runs {
            let of = |tally: &Tally| tally.0.get(run).copied().unwrap_or_default();
            let (expected, stored) = (of(self), of(stored));
            if expected.0 != stored.0 {
                out.push(format!("{} history tasks of run {}, expected {}", stored.0, run.2, expected.0));
            } else if expected != stored {
                out.push(format!("the history tasks of run {} differ", run.2));
            }
        }
        out
    }

    /// The shards of the runs.
    pub(crate) fn shards(&self) -> Vec<ShardId> {
        let mut shards: Vec<ShardId> = self.0.keys().map(|k| k.0).collect();
        shards.dedup();
        shards
    }
}

/// The range of every task of a category.
pub(crate) fn everything(category: TaskCategory) -> (TaskKey, TaskKey) {
    match category.kind {
        TaskCategoryKind::Immediate => (TaskKey::immediate(0), TaskKey::immediate(i64::MAX)),
        TaskCategoryKind::Scheduled => {
            (TaskKey::scheduled(Timestamp(i64::MIN), 0), TaskKey::scheduled(Timestamp::MAX, 0))
        }
    }
}
