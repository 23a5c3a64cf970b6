//! Plans as transactions: look at what decides, judge, write.

use super::rows::{Writes, current_key, run_key};
use crate::attempts::{REMEMBERED, answer};
use crate::bucket::{Bucket, Tried, work};
use crate::core::Archetype;
use crate::core::codec::decode;
use crate::core::error::RunCondition;
use crate::core::store::*;
use crate::core::transition::*;
use crate::core::{
    Context, Error, ErrorKind, NamespaceId, Outcome, RangeId, Result, RunId, ShardId, Timestamp,
};
use crate::shard::fence;
use crate::tables::*;
use crate::tx::Tx;
use crate::value::Kind;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The most plans of one transaction.
const MAX_WAVE: usize = 256;

/// A run as it was found, locked.
pub(super) struct FoundRun {
    pub key: RunKey,
    condition: RunCondition,
    pub created_by: Uuid,
    pub attempts: String,
}

/// What decides the plans of a wave, locked in the order shard, current records, runs.
struct Looked {
    range_id: Option<RangeId>,
    current: Vec<(CurrentKey, CurrentRecord)>,
    runs: Vec<FoundRun>,
}

/// The part of it that decides one plan.
struct Seen<'a>(&'a Looked, &'a TransitionPlan);

impl Found for Seen<'_> {
    fn range_id(&self) -> Option<RangeId> {
        self.0.range_id
    }

    fn current(&self) -> FoundCurrent<'_> {
        let key = &self.1.current.as_ref()?.key;
        self.0.current.iter().find(|(k, _)| k == key).map(|(_, c)| c)
    }

    fn run(&self, key: &RunKey) -> Option<RunCondition> {
        self.0.runs.iter().find(|r| r.key == *key).map(|r| r.condition)
    }
}

impl Bucket {
    /// Applies plans of one shard, each with an outcome of its own.
    pub(crate) async fn apply_plans(&self, cx: &Context, plans: Vec<TransitionPlan>) -> Vec<Result<()>> {
        let mut outcomes: Vec<Result<()>> = plans.iter().map(|_| Ok(())).collect();
        let groups = waves(&plans, |wave, _| wave.len() < MAX_WAVE);
        let mut plans: Vec<Option<TransitionPlan>> = plans.into_iter().map(Some).collect();
        for wave in groups {
            let work: Vec<TransitionPlan> = wave.plans.iter().filter_map(|&i| plans[i].take()).collect();
            let answers = self.apply_wave(cx, work).await;
            for (n, &i) in wave.plans.iter().enumerate() {
                outcomes[i] = match &answers {
                    Ok(answers) => answers.get(n).cloned().unwrap_or(Ok(())),
                    Err(e) => Err(e.clone()),
                };
            }
        }
        outcomes
    }

    async fn apply_wave(&self, cx: &Context, plans: Vec<TransitionPlan>) -> Result<Vec<Result<()>>> {
        let (plans, now) = (Arc::new(plans), self.env.clock.now());
        self.write(
            cx,
            work(move |tx: &mut Tx, tried| {
                let plans = Arc::clone(&plans);
                Box::pin(async move { transact(tx, &plans, tried, now).await })
            }),
        )
        .await
    }
}

async fn transact(
    tx: &mut Tx,
    plans: &[TransitionPlan],
    tried: Tried,
    now: Timestamp,
) -> Result<Vec<Result<()>>> {
    let Some(shard_id) = plans.first().map(|p| p.shard_id) else { return Ok(Vec::new()) };
    let looked = look(tx, shard_id, plans).await?;
    let mut writes = Writes::default();
    let mut outcomes = Vec::with_capacity(plans.len());
    for plan in plans {
        let seen = Seen(&looked, plan);
        outcomes.push(match judge(plan, &seen) {
            None => {
                writes.add(plan, &looked.runs, now);
                Ok(())
            }
            // Each plan vouches for itself alone: another may be the repeat of an earlier call's.
            Some(_) if tried.unknown && remembered(plan, &looked) => Ok(()),
            Some(e) => refusal(plan, &seen, e, tried),
        });
    }
    writes.run(tx).await?;
    Ok(outcomes)
}

async fn look(tx: &mut Tx, shard_id: ShardId, plans: &[TransitionPlan]) -> Result<Looked> {
    let fenced = plans.iter().any(|p| p.fence.is_some());
    let range_id = if fenced { fence(tx, shard_id).await? } else { None };
    let currents: BTreeSet<&CurrentKey> =
        plans.iter().filter_map(|p| p.current.as_ref().map(|c| &c.key)).collect();
    let runs: BTreeSet<&RunKey> = plans.iter().flat_map(|p| p.runs.iter().map(|r| &r.key)).collect();
    let mut looked = Looked { range_id, current: Vec::new(), runs: Vec::new() };
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
        let key = CurrentKey {
            namespace_id: NamespaceId(row.uuid()?),
            workflow_id: row.text()?,
            archetype: Archetype(u32::try_from(row.int()?).unwrap_or(0)),
        };
        looked.current.push((key, decode("current record", &row.bytes()?)?));
    }

    let columns = [
        ("namespace_id", Kind::Uuid),
        ("workflow_id", Kind::Text),
        ("run_id", Kind::Uuid),
        ("record_version", Kind::Int),
        ("next_event_id", Kind::Int),
        ("created_by", Kind::Uuid),
        ("attempts", Kind::Text),
    ];
    let keys = runs.iter().map(|k| run_key(shard_id, k)).collect();
    let order = format!(" ORDER BY shard_id, namespace_id, workflow_id, run_id{lock}");
    for mut row in tx.select(&EXECUTIONS, &columns, keys, &order).await? {
        let key = RunKey {
            namespace_id: NamespaceId(row.uuid()?),
            workflow_id: row.text()?,
            run_id: RunId(row.uuid()?),
        };
        let condition = RunCondition { record_version: row.int()?, next_event_id: row.int()? };
        looked.runs.push(FoundRun { key, condition, created_by: row.uuid()?, attempts: row.text()? });
    }
    Ok(looked)
}

/// Whether one of the plan's runs remembers its attempt.
fn remembered(plan: &TransitionPlan, looked: &Looked) -> bool {
    let Some(attempt) = plan.attempt else { return false };
    plan.runs.iter().any(|step| {
        let found = looked.runs.iter().find(|r| r.key == step.key);
        found.is_some_and(|r| match step.action {
            RunAction::Create(_) => r.created_by == attempt.0,
            _ => answer(&r.attempts, attempt).is_some(),
        })
    })
}

/// The answer to a refused plan.
fn refusal(plan: &TransitionPlan, seen: &Seen<'_>, error: Error, tried: Tried) -> Result<()> {
    let deletes = matches!(&plan.current, Some(CurrentStep { write: CurrentWrite::Delete, .. }));
    if deletes && error.kind() == ErrorKind::CurrentWorkflowConditionFailed {
        // Another run is current, or none: nothing to delete.
        return Ok(());
    }
    Err(if tried.unknown { doubt(plan, seen, error) } else { error })
}

/// A condition error of a plan whose first try had an unknown outcome and is not remembered. Where memory does not reach
/// that far, the truth is "maybe".
fn doubt(plan: &TransitionPlan, seen: &Seen<'_>, error: Error) -> Error {
    let forgotten = plan.runs.iter().any(|r| match &r.action {
        RunAction::Create(_) => false,
        RunAction::Update { write, .. } => match seen.run(&r.key) {
            Some(now) => {
                let since = now.record_version.saturating_sub(write.record_version);
                usize::try_from(since).is_ok_and(|n| n >= REMEMBERED)
            }
            // It may have been deleted after the first try changed it.
            None => true,
        },
        _ => true,
    });
    let moot = plan.runs.is_empty() && error.kind() == ErrorKind::ShardOwnershipLost;
    if forgotten || moot { error.with_outcome(Outcome::MaybeApplied) } else { error }
}
