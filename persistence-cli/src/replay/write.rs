//! Writing a history: create, then one update after the other, from where an earlier try ended.

use super::convert::Conversion;
use super::owner::{Owner, Owners};
use super::read::Text;
use super::request::{Replay, Target, last_transaction};
use super::retry::again;
use super::source::Source;
use crate::ids::{NAMESPACE, shard_of};
use anyhow::{Context as _, Result, anyhow, bail};
use hdrhistogram::Histogram;
use persistence::store::{CurrentKey, GetCurrentExecution, GetExecution, MutableState, RunKey};
use persistence::{Archetype, Context, ErrorKind, Persistence};
use std::sync::Arc;
use std::time::Instant;

/// Writes histories to one database.
pub(crate) struct Writer {
    pub(crate) db: Arc<dyn Persistence>,
    pub(crate) owners: Owners,
    pub(crate) shards: u16,
}

/// What writing one history came to.
pub(crate) struct Written {
    pub(crate) target: Target,
    /// Transitions written now; the others were there.
    pub(crate) transitions: usize,
    pub(crate) latencies: Histogram<u64>,
}

impl Writer {
    /// Writes what of a history is not there yet. `progress` is told of every transition, there or written.
    pub(crate) async fn write(
        &self,
        cx: &Context,
        source: &Source,
        text: &Text,
        conversion: &Conversion,
        mut progress: impl FnMut(usize),
    ) -> Result<Written> {
        let (target, stored) = self.resolve(cx, source).await?;
        let export = text.export().map_err(|p| anyhow!("{p}"))?;
        let replay = Replay { target: target.clone(), export: &export, conversion };
        let owner = self.owners.get(cx, target.shard_id).await.context("acquiring the shard")?;
        let (begin, mut transaction) = match &stored {
            None => (0, 0),
            Some(state) => resume(conversion, state)?,
        };
        progress(begin);
        let mut latencies = histogram()?;
        for index in begin..conversion.transitions.len() {
            let started = Instant::now();
            transaction = self.step(cx, owner, &replay, index, transaction).await.with_context(|| {
                let transition = &conversion.transitions[index];
                let last = transition.facts.next_event_id - 1;
                format!("writing events {} to {last}", transition.first_event_id)
            })?;
            latencies.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
            progress(1);
        }
        Ok(Written { target, transitions: conversion.transitions.len() - begin, latencies })
    }

    /// One transition; returns the transaction that wrote it.
    async fn step(
        &self,
        cx: &Context,
        owner: &Owner,
        replay: &Replay<'_>,
        index: usize,
        previous: i64,
    ) -> persistence::Result<i64> {
        loop {
            let ids = owner.take(cx, replay.ids_needed(index)).await?;
            let executions = self.db.executions();
            let answer = if index == 0 {
                let create = replay.create(ids);
                again(|| executions.create_execution(cx, &create)).await
            } else {
                let update = replay.update(index, ids, previous);
                again(|| executions.update_execution(cx, &update)).await
            };
            match answer {
                Ok(()) => return Ok(ids.first),
                // The shard ran out of ids while this was on its way.
                Err(e)
                    if e.kind() == ErrorKind::ShardOwnershipLost
                        && owner.renewed_since(ids.range_id).await => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Where the history is stored, or will be: the first of its names under which its run exists, else the first that no
    /// other history has taken.
    async fn resolve(&self, cx: &Context, source: &Source) -> Result<(Target, Option<MutableState>)> {
        let targets: Vec<Target> = source.names.iter().map(|name| self.target(name, source)).collect();
        for target in &targets {
            if let Some(state) = self.load(cx, target).await? {
                return Ok((target.clone(), Some(state)));
            }
        }
        for target in &targets {
            if !self.is_taken(cx, target).await? {
                return Ok((target.clone(), None));
            }
        }
        bail!("workflow {:?} has another current run, of another history", source.names.last())
    }

    fn target(&self, name: &str, source: &Source) -> Target {
        let run = RunKey { namespace_id: NAMESPACE, workflow_id: name.to_owned(), run_id: source.run_id };
        Target { shard_id: shard_of(NAMESPACE, name, self.shards), run }
    }

    async fn load(&self, cx: &Context, target: &Target) -> Result<Option<MutableState>> {
        let get = GetExecution { shard_id: target.shard_id, run: target.run.clone() };
        found(again(|| self.db.executions().get_execution(cx, &get)).await).context("looking for the run")
    }

    async fn is_taken(&self, cx: &Context, target: &Target) -> Result<bool> {
        let key = current_key(target);
        let get = GetCurrentExecution { shard_id: target.shard_id, key };
        let current = found(again(|| self.db.executions().get_current_execution(cx, &get)).await);
        Ok(current.context("looking for the current run")?.is_some())
    }
}

/// The key of the current record of a run's workflow.
pub(crate) fn current_key(target: &Target) -> CurrentKey {
    CurrentKey {
        namespace_id: target.run.namespace_id,
        workflow_id: target.run.workflow_id.clone(),
        archetype: Archetype::WORKFLOW,
    }
}

/// Nothing found is an answer, not an error.
pub(crate) fn found<T>(answer: persistence::Result<T>) -> persistence::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The longest latency told apart, in microseconds.
const LONGEST: u64 = 600_000_000;

/// Latencies in microseconds.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST, 3).map_err(|e| anyhow!("{e:?}"))
}

/// The transition to go on with, and the transaction of the one before it.
fn resume(conversion: &Conversion, state: &MutableState) -> Result<(usize, i64)> {
    let next = state.record.next_event_id;
    let done = conversion.transitions.iter().take_while(|t| t.facts.next_event_id <= next).count();
    let at = done.checked_sub(1).map(|last| conversion.transitions[last].facts.next_event_id);
    if at != Some(next) {
        bail!(
            "the stored run ends before event {next}, which is not the end of a transition of this history"
        );
    }
    let transaction =
        last_transaction(&state.record).context("the stored run was not written by a replay")?;
    Ok((done, transaction))
}
