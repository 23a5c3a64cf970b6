//! What decides plans, as it was found under lock, and the answers to the plans that it refuses.

use crate::attempts::{REMEMBERED, answer};
use crate::bucket::Tried;
use crate::core::codec::decode;
use crate::core::error::RunCondition;
use crate::core::store::*;
use crate::core::transition::*;
use crate::core::{Archetype, Error, ErrorKind, NamespaceId, Outcome, RangeId, Result, RunId};
use crate::value::SqlRow;
use bytes::Bytes;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A run as it was found, locked.
pub(super) struct FoundRun {
    pub condition: RunCondition,
    pub created_by: Uuid,
    pub attempts: Bytes,
}

/// What decides the plans of a wave, locked in the order shard, current records, runs.
#[derive(Default)]
pub(super) struct Looked {
    pub range_id: Option<RangeId>,
    pub current: BTreeMap<CurrentKey, CurrentRecord>,
    pub runs: BTreeMap<RunKey, FoundRun>,
}

impl Looked {
    /// Adds a current record: namespace, workflow id, archetype, record.
    pub(super) fn add_current(&mut self, row: &mut SqlRow) -> Result<()> {
        let key = CurrentKey {
            namespace_id: NamespaceId(row.uuid()?),
            workflow_id: row.text()?,
            archetype: Archetype(u32::try_from(row.int()?).unwrap_or(0)),
        };
        self.current.insert(key, decode("current record", &row.bytes()?)?);
        Ok(())
    }

    /// Adds a run: namespace, workflow id, run id, record version, next event id, creating attempt, attempts.
    pub(super) fn add_run(&mut self, row: &mut SqlRow) -> Result<()> {
        let key = RunKey {
            namespace_id: NamespaceId(row.uuid()?),
            workflow_id: row.text()?,
            run_id: RunId(row.uuid()?),
        };
        let condition = RunCondition { record_version: row.int()?, next_event_id: row.int()? };
        let found = FoundRun { condition, created_by: row.uuid()?, attempts: row.bytes()? };
        self.runs.insert(key, found);
        Ok(())
    }

    /// What is to be answered to a plan, if its conditions do not hold.
    pub(super) fn refuse(&self, plan: &TransitionPlan, tried: Tried) -> Option<Result<()>> {
        let seen = Seen(self, plan);
        let error = judge(plan, &seen)?;
        // Each plan vouches for itself alone: another may be the repeat of an earlier call's.
        if tried.unknown && self.remembers(plan) {
            return Some(Ok(()));
        }
        let deletes = matches!(
            &plan.current,
            Some(CurrentStep { check: CurrentCheck::Run(_), write: CurrentWrite::Delete, .. })
        );
        if deletes && error.kind() == ErrorKind::CurrentWorkflowConditionFailed {
            // Another run is current, or none: nothing to delete.
            return Some(Ok(()));
        }
        Some(Err(if tried.unknown { doubt(plan, &seen, error) } else { error }))
    }

    /// Whether one of the plan's runs remembers its attempt.
    fn remembers(&self, plan: &TransitionPlan) -> bool {
        let Some(attempt) = plan.attempt else { return false };
        plan.runs.iter().any(|step| {
            self.runs.get(&step.key).is_some_and(|r| match step.action {
                RunAction::Create(_) => r.created_by == attempt.0,
                _ => answer(&r.attempts, attempt).is_some(),
            })
        })
    }
}

/// The part that decides one plan.
struct Seen<'a>(&'a Looked, &'a TransitionPlan);

impl Found for Seen<'_> {
    fn range_id(&self) -> Option<RangeId> {
        self.0.range_id
    }

    fn current(&self) -> FoundCurrent<'_> {
        self.0.current.get(&self.1.current.as_ref()?.key)
    }

    fn run(&self, key: &RunKey) -> Option<RunCondition> {
        self.0.runs.get(key).map(|r| r.condition)
    }
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
