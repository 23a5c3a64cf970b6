//! Another writer between the first try and its repeat.

use super::{Interrupted, MAYBE, interrupted};
use crate::build::execution::{Flow, Write, bounds, move_shard};
use crate::build::expect::*;
use crate::build::record::*;
use crate::{Fault, Fixture};
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, Outcome, Result};
use std::sync::Arc;

/// How many writes of a run are remembered.
const REMEMBERED: i64 = 8;

/// Writes a run this often, beginning at a version.
async fn write_on(w: &Flow, run: persistence_core::RunId, from: i64, times: i64) -> Result<()> {
    for version in from..from + times {
        w.send(&w.touch(run, version)).await?;
    }
    Ok(())
}

/// An update of ours whose first try fails like this; then a rival writes the run `times`, first at `version`. What becomes
/// of ours.
async fn update_beside(
    t: &Fixture,
    first: Fault,
    version: i64,
    times: i64,
) -> Result<(Flow, Snapshot, Result<()>)> {
    let w = Flow::new(t).await?;
    let run = w.begin(t, Running).await?;
    let rival = w.over(t.another().await?);
    let ours = interrupted(t, &w, Arc::new(w.touch(run.run_id, 1)), first).await;
    write_on(&rival, run.run_id, version, times).await?;
    let ours = ours.end().await;
    t.faults.release().await;
    assert_eq!(w.load(run.run_id).await?.record_version, version + times, "a late try took effect");
    rival.p.close().await?;
    Ok((w, run, ours))
}

crate::cases! {
    group: "unknown";

    /// Ours was done and a rival wrote on top of it: success.
    #[covers("P13", "execution.update_execution")]
    #[kind(Calm)]
    async fn update_then_rival_on_top(t) {
        update_beside(t, Fault::After, 2, 1).await?.2?;
    }

    /// The last eight writes are remembered: seven on top of ours, and it is still known to be done.
    #[covers("P13", "execution.update_execution")]
    #[kind(Calm)]
    async fn update_is_remembered_for_eight_writes(t) {
        update_beside(t, Fault::After, 2, REMEMBERED - 1).await?.2?;
    }

    /// What is older than eight writes may have been applied.
    #[covers("P13", "execution.update_execution!workflow_condition_failed")]
    #[kind(Calm)]
    async fn older_update_may_be_applied(t) {
        for first in [Fault::After, MAYBE] {
            // One write takes our version's place if ours was not done.
            let from = if first == Fault::After { 2 } else { 1 };
            let (_, _, ours) = update_beside(t, first, from, REMEMBERED + 3).await?;
            let e = failed(ours, ErrorKind::WorkflowConditionFailed);
            assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
        }
    }

    /// A rival was first: the condition error, with what the rival left, and certain.
    #[covers("P13", "P6", "execution.update_execution!workflow_condition_failed")]
    #[kind(Calm)]
    async fn rival_before_our_update(t) {
        for (first, times) in [(MAYBE, 1), (Fault::Late, 1), (Fault::Late, REMEMBERED - 1)] {
            let (w, run, ours) = update_beside(t, first, 1, times).await?;
            let stored = w.load(run.run_id).await?;
            let e = run_failed(ours, run.run_id, Some(1), Some(&stored));
            assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
        }
        assert_eq!(t.faults.injected().late_refused, 2);
    }

    /// The creating attempt is remembered as long as the run lives.
    #[covers("P13", "execution.create_execution")]
    #[kind(Calm)]
    async fn create_is_remembered_for_ever(t) {
        let w = Flow::new(t).await?;
        let run = snapshot(t.run(), Running);
        let ours = interrupted(t, &w, Arc::new(w.brand_new(&run)), Fault::After).await;
        write_on(&w, run.run_id, 1, 2 * REMEMBERED + 3).await?;
        ours.end().await?;
        assert_eq!(w.load(run.run_id).await?.record_version, 2 * REMEMBERED + 4);
    }

    /// A rival created under the workflow id first: its record, and ours is certainly not there, nor comes late.
    #[covers("P13", "execution.create_execution!current_workflow_condition_failed")]
    #[kind(Calm)]
    async fn rival_before_our_create(t) {
        for first in [MAYBE, Fault::Late] {
            let w = Flow::new(t).await?;
            let run = snapshot(t.run(), Running);
            let ours = interrupted(t, &w, Arc::new(w.brand_new(&run)), first).await;
            let rival = w.begin(t, Running).await?;
            let e = current_failed(ours.end().await, Some(&rival.record.current(rival.run_id)));
            assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
            t.faults.release().await;
            missing(w.load(run.run_id).await);
            assert_eq!(w.current().await?, rival.record.current(rival.run_id));
        }
        assert_eq!(t.faults.injected().late_refused, 1);
    }

    /// A rival created the very run first: the condition error, not a success by mistake.
    #[covers("P13", "execution.create_execution!workflow_condition_failed")]
    #[kind(Calm)]
    async fn rival_created_the_same_run(t) {
        let w = Flow::new(t).await?;
        let (ours, theirs) = (snapshot(t.run(), Zombie), snapshot(t.run(), Zombie));
        let theirs = Snapshot { run_id: ours.run_id, ..theirs };
        let create = w.create(CreateMode::BypassCurrent, &ours);
        let pending = interrupted(t, &w, Arc::new(create), Fault::Late).await;
        w.send(&w.create(CreateMode::BypassCurrent, &theirs)).await?;
        run_failed(pending.end().await, ours.run_id, None, Some(&created(&theirs)));
        t.faults.release().await;
        assert_eq!(w.load(ours.run_id).await?, created(&theirs));
    }

    /// Set and resolve: ours was done and a rival wrote on top, or the rival was first.
    #[covers("P13", "execution.set_execution", "execution.conflict_resolve_execution",
        "execution.set_execution!workflow_condition_failed")]
    #[kind(Calm)]
    async fn rivals_of_set_and_resolve(t) {
        for resolve in [false, true] {
            for first in [Fault::After, Fault::Late] {
                let w = Flow::new(t).await?;
                let run = w.begin(t, Running).await?;
                let new = Snapshot { items: items(5), ..snapshot(run.run_id, Running) };
                let write: Arc<dyn Write> = match resolve {
                    true => Arc::new(w.resolve(ConflictResolveMode::UpdateCurrent, &new)),
                    false => Arc::new(w.set(&new)),
                };
                let ours = interrupted(t, &w, write, first).await;
                let version = if first == Fault::After { 2 } else { 1 };
                write_on(&w, run.run_id, version, 1).await?;
                let (ours, stored) = (ours.end().await, w.load(run.run_id).await?);
                if first == Fault::After {
                    ours?;
                    assert_eq!(stored.items, created(&new).items);
                } else {
                    run_failed(ours, run.run_id, Some(1), Some(&stored));
                    assert_eq!(stored.items, created(&run).items);
                }
                t.faults.release().await;
                assert_eq!(w.load(run.run_id).await?, stored);
            }
        }
    }

    /// The shard was lost between first try and repeat: success if the first try was done, else the lost shard; never a
    /// late write of the former owner.
    #[covers("P13", "execution.update_execution!shard_ownership_lost")]
    #[kind(Calm)]
    async fn shard_is_lost_in_between(t) {
        for first in [Fault::After, Fault::Late, MAYBE] {
            let w = Flow::new(t).await?;
            let run = w.begin(t, Running).await?;
            let ours = interrupted(t, &w, Arc::new(w.touch(run.run_id, 1)), first).await;
            w.send(&move_shard(w.shard_id, 2, 3)).await?;
            let ours = ours.end().await;
            t.faults.release().await;
            let version = w.load(run.run_id).await?.record_version;
            if first == Fault::After {
                ours?;
                assert_eq!(version, 2);
            } else {
                let e = shard_lost(ours, 2, Some(3));
                assert_eq!((e.outcome(), version), (Outcome::NotApplied, 1), "{e}");
            }
        }
    }

    /// Two owners take a shard over and the first's answer is lost: each learns who has it.
    #[covers("P13", "shard.update_shard", "shard.update_shard!shard_ownership_lost")]
    #[kind(Calm)]
    async fn rivals_of_a_takeover(t) {
        for (first, rival, done) in [(Fault::After, (3, 4), true), (MAYBE, (2, 3), false), (Fault::Late, (2, 9), false)] {
            let w = Flow::new(t).await?;
            let ours = interrupted(t, &w, Arc::new(move_shard(w.shard_id, 2, 3)), first).await;
            w.send(&move_shard(w.shard_id, rival.0, rival.1)).await?;
            let ours = ours.end().await;
            if done {
                ours?;
            } else {
                let e = shard_lost(ours, 2, Some(rival.1));
                assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
            }
            t.faults.release().await;
            let stored = t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: w.shard_id }).await?;
            assert_eq!(stored.range_id, rival.1);
        }
    }

    /// A takeover that eight others came after may have been applied.
    #[covers("P13", "shard.update_shard!shard_ownership_lost")]
    #[kind(Calm)]
    async fn older_takeover_may_be_applied(t) {
        let w = Flow::new(t).await?;
        let ours = interrupted(t, &w, Arc::new(move_shard(w.shard_id, 2, 3)), Fault::After).await;
        for range_id in 3..3 + REMEMBERED {
            w.send(&move_shard(w.shard_id, range_id, range_id + 1)).await?;
        }
        let e = shard_lost(ours.end().await, 2, Some(3 + REMEMBERED));
        assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
    }

    /// A checkpoint whose answer is lost, and then the shard: nobody can tell whether it was done.
    #[covers("P13", "shard.update_shard!shard_ownership_lost")]
    #[kind(Calm)]
    async fn checkpoint_then_takeover(t) {
        for first in [Fault::After, MAYBE] {
            let w = Flow::new(t).await?;
            let ours = interrupted(t, &w, Arc::new(move_shard(w.shard_id, 2, 2)), first).await;
            w.send(&move_shard(w.shard_id, 2, 3)).await?;
            let e = shard_lost(ours.end().await, 2, Some(3));
            assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
        }
    }

    /// Tasks whose deletion got no answer, and then the shard was lost: nobody can tell whether it was done.
    #[covers("P10", "P13", "execution.complete_history_task!shard_ownership_lost",
        "execution.range_complete_history_tasks!shard_ownership_lost")]
    #[kind(Calm)]
    async fn completion_then_takeover(t) {
        for first in [Fault::After, MAYBE] {
            for ranged in [false, true] {
                let w = Flow::new(t).await?;
                let (category, range_id) = (TaskCategory::TRANSFER, Some(w.range_id));
                let task = immediate(category, 1);
                w.send(&w.add_tasks(std::slice::from_ref(&task))).await?;
                let (min, max) = bounds(category);
                let write: Arc<dyn Write> = match ranged {
                    true => Arc::new(RangeCompleteHistoryTasks { range_id, ..w.complete_range(category, min, max) }),
                    false => Arc::new(CompleteHistoryTask { range_id, ..w.complete(&task) }),
                };
                let ours = interrupted(t, &w, write, first).await;
                w.send(&move_shard(w.shard_id, 2, 3)).await?;
                let e = shard_lost(ours.end().await, 2, Some(3));
                assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
                assert_eq!(w.tasks(category).await?.is_empty(), first == Fault::After);
            }
        }
    }

    /// Concurrent creators of a shard, the first of whom loses its answer, get one value.
    #[covers("P13", "shard.get_or_create_shard")]
    #[kind(Calm)]
    async fn rivals_of_a_new_shard(t) {
        for first in [Fault::After, Fault::Late] {
            let (id, p) = (t.shard(), t.p.clone());
            let mine = crate::build::execution::shard(id, 10);
            let call = |cx| async move { p.shards().get_or_create_shard(&cx, &mine).await };
            let ours = Interrupted::begin(t, first, call).await;
            let theirs = t.p.shards().get_or_create_shard(&t.cx(), &crate::build::execution::shard(id, 20)).await?;
            assert_eq!(ours.end().await?, theirs);
            assert_eq!(theirs.range_id, if first == Fault::After { 10 } else { 20 });
            t.faults.release().await;
            assert_eq!(t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: id }).await?, theirs);
        }
    }

    /// The run was deleted in between: a repeat of its update cannot know, and does not bring it back.
    #[covers("P13", "execution.delete_execution", "execution.update_execution!workflow_condition_failed")]
    #[kind(Calm)]
    async fn run_is_deleted_in_between(t) {
        for first in [Fault::After, Fault::Late] {
            let w = Flow::new(t).await?;
            let run = w.begin(t, Running).await?;
            let ours = interrupted(t, &w, Arc::new(w.touch(run.run_id, 1)), first).await;
            w.send(&w.delete(run.run_id)).await?;
            let e = run_failed(ours.end().await, run.run_id, Some(1), None);
            assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
            t.faults.release().await;
            missing(w.load(run.run_id).await);
        }
    }

    /// A deleted run takes its memory along: one of the same id that is made later remembers nothing of it.
    #[covers("P13", "P10", "execution.delete_execution")]
    #[kind(Calm)]
    async fn deleted_run_takes_its_memory_along(t) {
        let w = Flow::new(t).await?;
        let run = w.zombie(t).await?;
        let ours = w.update(UpdateMode::IgnoreCurrent, &mutation(run.run_id, 1, Zombie));
        w.send(&ours).await?;
        w.send(&w.delete(run.run_id)).await?;
        let again = Snapshot { record_version: 6, ..snapshot(run.run_id, Zombie) };
        w.send(&w.create(CreateMode::BypassCurrent, &again)).await?;
        // The very request of the first life: nothing is sent, but that is not known.
        super::script(t, &[MAYBE]);
        run_failed(w.send(&ours).await, run.run_id, Some(1), Some(&created(&again)));
        assert_eq!(t.faults.injected().before, 1);
        assert_eq!(w.load(run.run_id).await?, created(&again));
    }
}
