//! What a refused plan failed on.

use super::plan::{CurrentCheck, RunAction, TransitionPlan};
use crate::error::{Detail, Error, RunCondition};
use crate::ids::RangeId;
use crate::store::{CurrentRecord, ExecutionState, RunKey};

/// What is stored, as far as a plan's checks concern it.
pub trait Found {
    /// The shard's range id; none when there is no such shard.
    fn range_id(&self) -> Option<RangeId>;

    /// The current record that the plan names.
    fn current(&self) -> FoundCurrent<'_>;

    /// A run that the plan names; none when it does not exist.
    fn run(&self, key: &RunKey) -> Option<RunCondition>;
}

/// A current record as found.
pub type FoundCurrent<'a> = Option<&'a CurrentRecord>;

/// The condition of `plan` that does not hold of what was found, in the contract's order: shard, current record, runs in
/// order of key. None when all hold.
pub fn judge(plan: &TransitionPlan, found: &impl Found) -> Option<Error> {
    fence(plan, found).or_else(|| current(plan, found)).or_else(|| runs(plan, found))
}

fn fence(plan: &TransitionPlan, found: &impl Found) -> Option<Error> {
    let expected = plan.fence?;
    let stored = found.range_id();
    (stored != Some(expected)).then(|| {
        Error::new(Detail::ShardOwnershipLost { shard_id: plan.shard_id, expected: Some(expected), stored })
    })
}

fn current(plan: &TransitionPlan, found: &impl Found) -> Option<Error> {
    let step = plan.current.as_ref()?;
    let current = found.current();
    let holds = match (&step.check, current) {
        (CurrentCheck::Absent, c) => c.is_none(),
        (CurrentCheck::Run(run), c) => c.is_some_and(|c| c.run_id == *run),
        (CurrentCheck::NotRun(run), c) => c.is_none_or(|c| c.run_id != *run),
        (CurrentCheck::Reusable { run_id, last_write_version }, c) => c.is_some_and(|c| {
            c.run_id == *run_id
                && c.last_write_version == *last_write_version
                && c.state == ExecutionState::Completed
        }),
    };
    let detail = || Detail::CurrentWorkflowConditionFailed { current: current.cloned().map(Box::new) };
    (!holds).then(|| Error::new(detail()))
}

fn runs(plan: &TransitionPlan, found: &impl Found) -> Option<Error> {
    plan.runs.iter().find_map(|step| {
        let actual = found.run(&step.key);
        let expected = match &step.action {
            RunAction::Create(_) if actual.is_none() => return None,
            RunAction::Create(_) => None,
            RunAction::Update { expected, .. } if actual.is_some_and(|a| a.record_version == *expected) => {
                return None;
            }
            RunAction::Update { expected, .. } => Some(*expected),
            RunAction::Delete => return None,
        };
        Some(Error::new(Detail::WorkflowConditionFailed { run_id: step.key.run_id, expected, actual }))
    })
}
