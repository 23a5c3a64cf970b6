//! One writer whose answers are lost.

use super::{MAYBE, interrupted, is_transport, script, trials, unanswered};
use crate::build::execution::{Flow, Write, bounds, move_shard, shard};
use crate::build::expect::*;
use crate::build::history::{Tree, batches, node};
use crate::build::record::*;
use crate::generic::execution_create::history;
use crate::{Fault, FaultRule};
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{Error, ErrorKind, Outcome};
use std::sync::Arc;
use std::time::Duration;

/// What may happen to the tries of one write before one of them is answered.
const TROUBLES: [&[Fault]; 9] = [
    &[Fault::After],
    &[MAYBE],
    &[Fault::Late],
    &[Fault::Cut(Some(Duration::from_millis(2)))],
    &[Fault::After, Fault::After, Fault::After],
    &[Fault::Late, Fault::Late],
    &[MAYBE, Fault::After],
    &[Fault::Late, Fault::After, MAYBE],
    &[Fault::Cut(Some(Duration::from_millis(1))), Fault::Late, Fault::After],
];

crate::cases! {
    group: "unknown";

    /// A write whose answers are lost is done exactly once, and answered as done; a try that is delivered late changes
    /// nothing any more.
    #[covers("P13", "execution.create_execution", "execution.update_execution", "execution.conflict_resolve_execution",
        "execution.set_execution")]
    #[kind(Calm)]
    async fn lost_answers_are_resolved(t) {
        for (i, trouble) in TROUBLES.into_iter().enumerate() {
            let trials = trials(t).await?;
            for trial in &trials {
                let before = t.faults.injected();
                script(t, trouble);
                let what = format!("trouble {i}");
                let outcome = trial.write.send(&*t.p, &t.cx()).await;
                outcome.unwrap_or_else(|e| panic!("{} {what}: {e}", trial.write.operation()));
                trial.assert_done(&what).await?;
                t.faults.release().await;
                trial.assert_done(&format!("{what}, late")).await?;
                let now = t.faults.injected();
                assert_eq!(now.total() - before.total(), u64::try_from(trouble.len())?, "the faults were not injected");
                let late = trouble.iter().filter(|f| **f == Fault::Late).count();
                assert_eq!(now.late_refused - before.late_refused, u64::try_from(late)?);
                assert_eq!(now.late_applied, before.late_applied);
            }
            // Their tasks came once.
            assert_eq!(trials[0].w.tasks(TaskCategory::TRANSFER).await?.len(), 2);
        }
    }

    /// What the database refuses for certain is not applied, and is not tried again.
    #[covers("P13", "execution.create_execution!unavailable", "execution.update_execution!unavailable",
        "execution.conflict_resolve_execution!unavailable", "execution.set_execution!unavailable")]
    #[kind(Calm)]
    async fn certain_failures_are_not_applied(t) {
        for trial in trials(t).await? {
            let before = t.faults.injected().before;
            script(t, &[Fault::Before(Outcome::NotApplied)]);
            let e = failed(trial.write.send(&*t.p, &t.cx()).await, ErrorKind::Unavailable);
            assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
            assert_eq!(t.faults.injected().before, before + 1);
            trial.assert_not_done("refused for certain").await;
            trial.write.send(&*t.p, &t.cx()).await?;
            trial.assert_done("after all").await?;
        }
    }

    /// Refusals are certain: nothing of a refused write is applied, and its error says so.
    #[covers("P13", "execution.create_execution!current_workflow_condition_failed",
        "execution.update_execution!workflow_condition_failed", "execution.update_execution!shard_ownership_lost",
        "shard.update_shard!shard_ownership_lost")]
    #[kind(Calm)]
    async fn refusals_are_not_applied(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let refused: [Box<dyn Write>; 6] = [
            Box::new(w.brand_new(&snapshot(t.run(), Running))),
            Box::new(w.touch(run.run_id, 7)),
            Box::new(w.fenced(1).touch(run.run_id, 1)),
            Box::new(w.set(&snapshot(t.run(), Running))),
            Box::new(w.fenced(1).add_tasks(&[immediate(TaskCategory::TRANSFER, 1)])),
            Box::new(move_shard(w.shard_id, 1, 3)),
        ];
        for write in refused {
            let e = write.send(&*t.p, &t.cx()).await.unwrap_err();
            assert!(e.is_conflict() && !e.is_retryable(), "{e}");
            assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
        }
        assert_eq!(t.faults.injected().total(), 0);
    }

    /// The deadline bounds the search for the truth: without an answer the error says that the write may have been applied,
    /// whether it was or not.
    #[covers("P13", "execution.create_execution!timeout", "execution.update_execution!timeout",
        "execution.conflict_resolve_execution!timeout", "execution.set_execution!timeout")]
    #[kind(Calm)]
    async fn deadline_bounds_the_resolution(t) {
        let t = &*t;
        for first in [Fault::After, MAYBE, Fault::Cut(None)] {
            for trial in &trials(t).await? {
                script(t, &[first]);
                t.faults.script(FaultRule::write(MAYBE).times(u64::MAX));
                unanswered(t, |cx| async move { trial.write.send(&*t.p, &cx).await }).await;
                t.faults.quiet().await;
                t.faults.clear();
                // What was sent may be done, or on its way.
                if first != Fault::After {
                    trial.assert_not_done("without an answer").await;
                }
            }
        }
        let injected = t.faults.injected();
        assert!(injected.after > 0 && injected.before > 0 && injected.cut > 0, "{injected:?}");
    }

    /// Reads that get no answer fail, and change nothing.
    #[covers("execution.get_execution!unavailable", "execution.get_current_execution!unavailable", "shard.get_shard!unavailable",
        "execution.list_executions!unavailable", "execution.get_history_tasks!unavailable", "shard.assert_shard_ownership!unavailable")]
    #[kind(Calm)]
    async fn reads_without_an_answer_fail(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        t.faults.script(FaultRule::read(Fault::After).times(6));
        let page = persistence_core::PageRequest::first(5);
        let assert = AssertShardOwnership { shard_id: w.shard_id, range_id: 2 };
        let errors = [
            w.load(run.run_id).await.err(),
            w.current().await.err(),
            w.tasks(TaskCategory::TRANSFER).await.err(),
            t.p.executions().list_executions(&t.cx(), &ListExecutions { shard_id: w.shard_id, page }).await.err(),
            t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: w.shard_id }).await.err(),
            t.p.shards().assert_shard_ownership(&t.cx(), &assert).await.err(),
        ];
        for e in errors.into_iter().map(Option::unwrap) {
            assert!(is_transport(&e), "{e}");
            assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
        }
        assert_eq!(t.faults.injected().after, 6);
        assert_eq!(w.load(run.run_id).await?, created(&run));
    }

    /// A caller that goes away does not stop its write: it is done, and its outcome resolved, without it.
    #[covers("P13", "execution.update_execution")]
    #[kind(Calm)]
    async fn write_goes_on_without_its_caller(t) {
        for first in [MAYBE, Fault::After, Fault::Late] {
            for trial in trials(t).await? {
                interrupted(t, &trial.w, trial.write.clone(), first).await.abandon();
                // No deadline of ours: the case has one.
                let (last, _, after) = trial.runs.last().unwrap();
                while trial.w.load(*last).await.ok().as_ref() != Some(after) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                trial.assert_done("without its caller").await?;
                t.faults.release().await;
                trial.assert_done("without its caller, late").await?;
            }
        }
    }

    /// Deletes and task writes need no memory: repeated until answered, with the same result.
    #[covers("P13", "P7", "execution.delete_execution", "execution.delete_current_execution", "execution.add_history_tasks",
        "execution.complete_history_task", "execution.range_complete_history_tasks")]
    #[kind(Calm)]
    async fn idempotent_writes_are_repeated(t) {
        for trouble in TROUBLES {
            let w = Flow::new(t).await?;
            let run = w.begin(t, Running).await?;
            let c = TaskCategory::TRANSFER;
            let tasks = [immediate(c, 1), immediate(c, 2), immediate(c, 3)];
            let before = t.faults.injected().total();
            let (min, max) = bounds(c);
            script(t, trouble);
            w.send(&w.add_tasks(&tasks)).await?;
            assert_eq!(w.tasks(c).await?, tasks);
            script(t, trouble);
            w.send(&w.complete(&tasks[0])).await?;
            assert_eq!(w.tasks(c).await?, tasks[1..]);
            script(t, trouble);
            w.send(&RangeCompleteHistoryTasks { range_id: Some(2), ..w.complete_range(c, min, max) }).await?;
            assert_eq!(w.tasks(c).await?, []);
            script(t, trouble);
            w.send(&w.delete_current(run.run_id)).await?;
            missing(w.current().await);
            script(t, trouble);
            w.send(&w.delete(run.run_id)).await?;
            missing(w.load(run.run_id).await);
            assert_eq!(t.faults.injected().total() - before, 5 * u64::try_from(trouble.len())?);
        }
    }

    /// Without an answer until the deadline a delete, too, may have been applied.
    #[covers("P13", "execution.delete_execution!unavailable", "execution.delete_current_execution!unavailable",
        "execution.add_history_tasks!unavailable", "execution.complete_history_task!unavailable",
        "execution.range_complete_history_tasks!unavailable", "shard.update_shard!unavailable",
        "shard.get_or_create_shard!unavailable", "execution.apply!unavailable")]
    #[kind(Calm)]
    async fn every_write_without_an_answer_may_be_applied(t) {
        let t = &*t;
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let task = immediate(TaskCategory::TRANSFER, 1);
        let (min, max) = bounds(task.category);
        let writes: [Box<dyn Write>; 6] = [
            Box::new(w.delete(run.run_id)),
            Box::new(w.delete_current(run.run_id)),
            Box::new(w.add_tasks(std::slice::from_ref(&task))),
            Box::new(w.complete(&task)),
            Box::new(w.complete_range(task.category, min, max)),
            Box::new(move_shard(w.shard_id, 2, 3)),
        ];
        t.faults.script(FaultRule::write(MAYBE).times(u64::MAX));
        for write in &writes {
            unanswered(t, |cx| async move { write.send(&*t.p, &cx).await }).await;
        }
        let create = &shard(t.shard(), 1);
        unanswered(t, |cx| async move { t.p.shards().get_or_create_shard(&cx, create).await }).await;
        let plans = vec![w.touch(run.run_id, 1).lower()?, w.sibling(t).brand_new(&snapshot(t.run(), Running)).lower()?];
        let wave = &ApplyPlans { shard_id: w.shard_id, plans };
        for i in 0..2 {
            unanswered(t, |cx| async move { t.p.executions().apply(&cx, wave).await?.swap_remove(i) }).await;
        }
        t.faults.quiet().await;
        t.faults.clear();
        assert_eq!(w.load(run.run_id).await?, created(&run));
    }

    /// A shard that was created or moved while the answer was lost is ours.
    #[covers("P13", "shard.get_or_create_shard", "shard.update_shard")]
    #[kind(Calm)]
    async fn lost_answers_about_shards(t) {
        for (i, trouble) in TROUBLES.into_iter().enumerate() {
            let (id, before) = (t.shard(), t.faults.injected());
            let create = shard(id, 1);
            script(t, trouble);
            let made = t.p.shards().get_or_create_shard(&t.cx(), &create).await?;
            assert_eq!((made.range_id, &made.info), (1, &create.initial_info), "trouble {i}");
            let (take, checkpoint) = (move_shard(id, 1, 4), move_shard(id, 4, 4));
            for update in [&take, &checkpoint] {
                script(t, trouble);
                t.p.shards().update_shard(&t.cx(), update).await?;
                let stored = t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: id }).await?;
                assert_eq!((stored.range_id, &stored.info), (4, &update.info), "trouble {i}");
            }
            assert_eq!(t.faults.injected().total() - before.total(), 3 * u64::try_from(trouble.len())?);
        }
    }

    /// A late first try of a takeover finds another range id, and changes nothing.
    #[covers("P13", "shard.update_shard")]
    #[kind(Calm)]
    async fn late_takeover_is_harmless(t) {
        let w = Flow::new(t).await?;
        script(t, &[Fault::Late]);
        w.send(&move_shard(w.shard_id, 2, 3)).await?;
        let next = move_shard(w.shard_id, 3, 4);
        w.send(&next).await?;
        t.faults.release().await;
        assert_eq!(t.faults.injected().late_refused, 1);
        let stored = t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: w.shard_id }).await?;
        assert_eq!((stored.range_id, stored.info), (4, next.info));
    }

    /// History that comes with a write whose answers are lost is there once; so it is when its own answers are lost.
    #[covers("P11", "P13", "execution.update_execution")]
    #[kind(Calm)]
    async fn history_of_lost_answers(t) {
        for table in ["shard", "history"] {
            for trouble in TROUBLES {
                let w = Flow::new(t).await?;
                let run = snapshot(t.run(), Running);
                let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
                let mut create = w.brand_new(&run);
                create.history = vec![node(&tree.root, &tree.owner, (1, 2, 5, 0))];
                let mut update = w.touch(run.run_id, 1);
                update.history = vec![node(&tree.root, &tree.owner, (3, 1, 6, 5))];
                for write in [&create as &dyn Write, &update] {
                    let before = t.faults.injected().total();
                    trouble.iter().for_each(|f| t.faults.script(FaultRule::write(*f).table(table)));
                    write.send(&*t.p, &t.cx()).await?;
                    // Where state and history are one transaction, a try that finds the state done writes no history.
                    let met = t.faults.injected().total() - before;
                    let all = u64::try_from(trouble.len())?;
                    assert!(met == all || table == "history" && met >= 1, "{met} of {all}");
                    t.faults.clear();
                }
                let want = batches(&[(1, 2, 5, 0), (3, 1, 6, 5)]);
                assert_eq!(history(&w, &tree).await?, want);
                t.faults.release().await;
                assert_eq!(history(&w, &tree).await?, want);
            }
        }
    }

    /// The same request sent again after it was done changes nothing: no state, no task, and no history is lost.
    #[covers("P13", "P11", "execution.create_execution", "execution.update_execution")]
    #[kind(Calm)]
    async fn repeats_of_done_writes_change_nothing(t) {
        for trial in trials(t).await? {
            for _ in 0..2 {
                let again = trial.write.send(&*t.p, &t.cx()).await;
                assert!(again.as_ref().is_ok() || again.as_ref().is_err_and(Error::is_conflict), "{again:?}");
                trial.assert_done("again").await?;
            }
        }
        let w = Flow::new(t).await?;
        let run = snapshot(t.run(), Running);
        let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
        let mut create = w.brand_new(&run);
        create.history = vec![node(&tree.root, &tree.owner, (1, 2, 5, 0))];
        let mut update = w.touch(run.run_id, 1);
        update.history = vec![node(&tree.root, &tree.owner, (3, 1, 6, 5))];
        for write in [&create as &dyn Write, &create, &update, &update, &create] {
            let again = write.send(&*t.p, &t.cx()).await;
            assert!(again.as_ref().is_ok() || again.as_ref().is_err_and(Error::is_conflict), "{again:?}");
        }
        assert_eq!(history(&w, &tree).await?, batches(&[(1, 2, 5, 0), (3, 1, 6, 5)]));
        assert_eq!(w.load(run.run_id).await?.record_version, 2);
    }

    /// A write that looks at the current record first is not applied when that look gets no answer.
    #[covers("P13", "P5", "execution.update_execution!unavailable")]
    #[kind(Calm)]
    async fn failed_look_is_not_applied(t) {
        let w = Flow::new(t).await?;
        let zombie = w.zombie(t).await?;
        let write: Arc<dyn Write> = Arc::new(w.update(UpdateMode::BypassCurrent, &mutation(zombie.run_id, 1, Zombie)));
        t.faults.script(FaultRule::read(Fault::After).table("shard"));
        let sent = write.send(&*t.p, &t.cx()).await;
        t.faults.clear();
        match sent {
            // A driver may need no look, or look again.
            Ok(()) => assert_eq!(w.load(zombie.run_id).await?.record_version, 2),
            Err(e) => {
                assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
                assert_eq!(w.load(zombie.run_id).await?, created(&zombie));
            }
        }
    }
}
