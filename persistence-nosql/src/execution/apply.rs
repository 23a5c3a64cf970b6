//! Plans to writes: waves, refusals, unknown outcomes.

use super::found::{Rows, Seen, deciding_keys};
use super::render;
use crate::attempts::{REMEMBERED, Slot};
use crate::bucket::{Bucket, Settled, Tries, in_doubt};
use crate::codec::decode;
use crate::core::transition::*;
use crate::core::{Context, Error, ErrorKind, Outcome, Result};
use crate::history::rows as history_rows;
use crate::keys;
use crate::row::*;
use crate::shard::owned;
use bytes::Bytes;
use futures_util::future::join_all;

/// A plan of a wave that has no outcome yet.
struct Pending<'a> {
    index: usize,
    plan: &'a TransitionPlan,
    /// What was read of the rows that decide it, where its mode needs that.
    seen: Option<Seen>,
}

impl Bucket {
    /// Applies plans of one shard, each with an outcome of its own.
    pub(crate) async fn apply_plans(&self, cx: &Context, plans: &[TransitionPlan]) -> Vec<Result<()>> {
        let mut outcomes: Vec<Result<()>> = plans.iter().map(|_| Ok(())).collect();
        let weights: Vec<usize> = plans.iter().map(render::weight).collect();
        let fits = |wave: &[usize], next: usize| {
            wave.iter().map(|&i| weights[i]).sum::<usize>() + weights[next] <= self.info.max_write_ops
        };
        for wave in waves(plans, fits) {
            let pending = wave.plans.iter().map(|&index| Pending { index, plan: &plans[index], seen: None });
            self.apply_wave(cx, pending.collect(), &mut outcomes).await;
        }
        outcomes
    }

    /// Applies the plans of a wave. A refusal answers the plans whose conditions fail; the rest is sent again, so `k` refusals
    /// cost at most `k + 1` writes.
    async fn apply_wave(&self, cx: &Context, mut pending: Vec<Pending<'_>>, outcomes: &mut [Result<()>]) {
        let (mut tries, mut unknown) = (Tries::new(cx), false);
        while !pending.is_empty() {
            let round = match self.look_first(cx, &mut pending, unknown, outcomes).await {
                Ok(()) if pending.is_empty() => return,
                Ok(()) => self.send(cx, &pending, &mut unknown).await,
                Err(e) => Err(e),
            };
            match round {
                Ok(Round::Applied) => return,
                Ok(Round::Answered(answers)) => {
                    let before = pending.len();
                    let mut answers = answers.into_iter();
                    pending.retain(|p| match answers.next().flatten() {
                        Some(answer) => {
                            outcomes[p.index] = answer;
                            false
                        }
                        None => true,
                    });
                    // Nothing to answer: what was seen before the write had changed. Look again.
                    if pending.len() == before && !tries.again().await {
                        let e = Error::timeout("execution.apply").with_outcome(Outcome::NotApplied);
                        return answer_all(&pending, &in_doubt(unknown, e), outcomes);
                    }
                }
                Err(e) => return answer_all(&pending, &in_doubt(unknown, e), outcomes),
            }
        }
    }

    /// Reads what the modes that forbid a run as current need to see, and answers those that fail at once.
    async fn look_first(
        &self,
        cx: &Context,
        pending: &mut Vec<Pending<'_>>,
        unknown: bool,
        outcomes: &mut [Result<()>],
    ) -> Result<()> {
        let forbids = |p: &Pending<'_>| {
            matches!(&p.plan.current, Some(CurrentStep { check: CurrentCheck::NotRun(_), .. }))
        };
        for p in pending.iter_mut().filter(|p| forbids(p)) {
            // Nothing of this round was sent: a failed read leaves nothing behind.
            let seen = self.look(cx, p.plan).await.map_err(|e| e.with_outcome(Outcome::NotApplied))?;
            p.seen = Some(seen);
        }
        pending.retain(|p| {
            let Some((seen, e)) = p.seen.as_ref().and_then(|seen| Some((seen, judge(p.plan, seen)?))) else {
                return true;
            };
            outcomes[p.index] = refusal(p.plan, seen, e, unknown);
            false
        });
        Ok(())
    }

    /// The rows that decide a plan, read.
    async fn look(&self, cx: &Context, plan: &TransitionPlan) -> Result<Seen> {
        let keys = deciding_keys(plan);
        let partition = keys::shard::partition(plan.shard_id);
        let rows = self.driver.get(cx, Table::Shard, &partition, &keys, Level::Serial).await?;
        Seen::new(plan, &keys.into_iter().zip(rows).collect())
    }

    /// One write for all pending plans. `unknown` is whether some try of them ended without an answer, and stays so: of a
    /// plan that leaves no memory no later answer tells.
    async fn send(&self, cx: &Context, pending: &[Pending<'_>], unknown: &mut bool) -> Result<Round> {
        let plans: Vec<&TransitionPlan> = pending.iter().map(|p| p.plan).collect();
        let part = shard_part(pending);
        let checked: Vec<Bytes> = part.checks.iter().map(|c| c.key.clone()).collect();
        let with_state = self.crosses_partitions();
        let nodes = render::node_writes(&self.env, &plans, with_state);
        let write = if with_state {
            let mut parts = vec![part];
            parts.extend(nodes.into_iter().flat_map(|w| w.parts));
            Write { parts, unordered: false }
        } else {
            // Nodes first: they stay invisible until the state points past them.
            self.append_before(cx, &nodes).await?;
            part.into()
        };
        let rows = match self.settle(cx, &write).await? {
            Settled::Applied => return Ok(Round::Applied),
            Settled::Refused { rows, unknown: now } => {
                *unknown |= now;
                rows
            }
        };
        let rows: Rows = checked.into_iter().zip(rows).collect();
        let mut answers = Vec::with_capacity(pending.len());
        for Pending { plan, .. } in pending {
            // Each plan vouches for itself alone: another may be the repeat of an earlier call's.
            if *unknown && self.is_remembered(cx, plan).await? {
                answers.push(Some(Ok(())));
                continue;
            }
            if !self.crosses_partitions() {
                self.retract(cx, plan).await;
            }
            let seen = Seen::new(plan, &rows)?;
            answers.push(judge(plan, &seen).map(|e| refusal(plan, &seen, e, *unknown)));
        }
        Ok(Round::Answered(answers))
    }

    /// Whether an earlier try of the plan was applied: its attempt is remembered. A plan is all or nothing, so one run is
    /// enough.
    async fn is_remembered(&self, cx: &Context, plan: &TransitionPlan) -> Result<bool> {
        let partition = keys::shard::partition(plan.shard_id);
        for run in &plan.runs {
            let slot = match &run.action {
                RunAction::Create(_) => Slot::Created,
                RunAction::Update { write, .. } => Slot::Version(write.record_version),
                _ => continue,
            };
            let ring = keys::shard::run_attempts(&run.key);
            let found = self.remembered(cx, Table::Shard, &partition, &ring, slot).await?;
            if found.is_some_and(|a| Some(a.id) == plan.attempt) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn append_before(&self, cx: &Context, nodes: &[Write]) -> Result<()> {
        // All at once: they are in partitions of their own, and of a wave there are many.
        let appended = join_all(nodes.iter().map(|write| self.settle_unconditional(cx, write))).await;
        // The state write was not attempted, whatever became of the nodes: they are leftovers at most.
        let appended: Result<()> = appended.into_iter().collect();
        appended.map_err(|e| e.with_outcome(Outcome::NotApplied))
    }

    /// Deletes exactly the nodes that a refused write had put before.
    async fn retract(&self, cx: &Context, plan: &TransitionPlan) {
        for node in &plan.nodes {
            // The repeat of a write that was done is refused too; its nodes are what the state points to.
            if self.is_committed(cx, plan, node).await.unwrap_or(true) {
                continue;
            }
            let part = Part {
                table: Table::History,
                partition: keys::history::partition(plan.shard_id, node.branch.tree_id),
                checks: Vec::new(),
                ops: history_rows::delete_node(node.branch.branch_id, &node.header),
            };
            let retraction = Write { parts: vec![part], unordered: history_rows::is_unordered(node) };
            // The refusal stands; a node that could not be deleted is left to the scavenger.
            let _ = self.settle_unconditional(cx, &retraction).await;
        }
    }

    /// Whether the state may point to a node: the branch's tail is this node's transaction or a later one. Of earlier
    /// transactions at most a sibling is left that no read prefers.
    async fn is_committed(&self, cx: &Context, plan: &TransitionPlan, node: &NodeStep) -> Result<bool> {
        let partition = keys::shard::partition(plan.shard_id);
        let key = keys::shard::tail(&node.owner, node.branch.branch_id);
        let row = self.get_row(cx, Table::Shard, &partition, key, Level::Serial).await?;
        let tail: Option<render::Tail> = row.map(|r| decode("branch tail", &r.value)).transpose()?;
        Ok(tail.is_some_and(|t| t.transaction_id >= node.header.transaction_id))
    }
}

/// What became of one write of a wave.
enum Round {
    /// All its plans were applied.
    Applied,
    /// None was; those with an answer failed.
    Answered(Vec<Option<Result<()>>>),
}

fn shard_part(pending: &[Pending<'_>]) -> Part {
    let mut part = Part { table: Table::Shard, partition: Bytes::new(), checks: Vec::new(), ops: Vec::new() };
    // The fence is the one check that plans of a wave share.
    part.checks.extend(pending.iter().find_map(|p| p.plan.fence).map(owned));
    for p in pending {
        part.partition = keys::shard::partition(p.plan.shard_id);
        part.checks.extend(render::checks(p.plan, p.seen.as_ref()));
        part.ops.extend(render::ops(p.plan));
    }
    part
}

/// The answer to a refused plan.
fn refusal(plan: &TransitionPlan, seen: &Seen, error: Error, unknown: bool) -> Result<()> {
    let deletes = matches!(
        &plan.current,
        Some(CurrentStep { check: CurrentCheck::Run(_), write: CurrentWrite::Delete, .. })
    );
    if deletes && error.kind() == ErrorKind::CurrentWorkflowConditionFailed {
        // Another run is current, or none: nothing to delete.
        return Ok(());
    }
    Err(if unknown { doubt(plan, seen, error) } else { error })
}

/// A condition error of a plan whose first try had an unknown outcome and is not remembered. Where memory does not reach
/// that far, the truth is "maybe".
fn doubt(plan: &TransitionPlan, seen: &Seen, error: Error) -> Error {
    let forgotten = plan.runs.iter().any(|r| match &r.action {
        RunAction::Create(_) => false,
        RunAction::Update { write, .. } => match seen.run(&r.key) {
            Some(now) => now.record_version.saturating_sub(write.record_version) >= REMEMBERED,
            // It may have been deleted after the first try changed it.
            None => true,
        },
        _ => true,
    });
    let moot = plan.runs.is_empty() && error.kind() == ErrorKind::ShardOwnershipLost;
    if forgotten || moot { error.with_outcome(Outcome::MaybeApplied) } else { error }
}

fn answer_all(pending: &[Pending<'_>], e: &Error, outcomes: &mut [Result<()>]) {
    for p in pending {
        outcomes[p.index] = Err(e.clone());
    }
}
