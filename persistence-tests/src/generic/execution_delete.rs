//! Deleting runs and current records, and the fence of every write.

use super::execution_create::history;
use crate::build::execution::{Flow, Write, bounds, move_shard};
use crate::build::expect::*;
use crate::build::history::{Tree, batches, node};
use crate::build::record::*;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{RangeId, ShardId};

/// Every write to a shard that a range id fences, all of which would be done if the shard were owned.
fn fenced_writes(w: &Flow, run: &Snapshot, zombie: &Snapshot, task: &HistoryTask) -> Vec<Box<dyn Write>> {
    let fence = Some(w.range_id);
    let (min, max) = bounds(task.category);
    let new = |state| Snapshot {
        tasks: vec![immediate(task.category, 99)],
        ..snapshot(persistence_core::RunId::new(), state)
    };
    vec![
        Box::new(w.named("another").brand_new(&new(Running))),
        Box::new(w.create(CreateMode::BypassCurrent, &new(Zombie))),
        Box::new(w.touch(run.run_id, 1)),
        Box::new(w.update(UpdateMode::BypassCurrent, &mutation(zombie.run_id, 1, Zombie))),
        Box::new(w.update(UpdateMode::IgnoreCurrent, &mutation(zombie.run_id, 1, Zombie))),
        Box::new(w.resolve(ConflictResolveMode::UpdateCurrent, &snapshot(run.run_id, Running))),
        Box::new(w.resolve(ConflictResolveMode::BypassCurrent, &snapshot(zombie.run_id, Zombie))),
        Box::new(w.set(&snapshot(run.run_id, Running))),
        Box::new(w.add_tasks(&[immediate(task.category, 98)])),
        Box::new(w.add_tasks(&[])),
        Box::new(DeleteExecution { range_id: fence, ..w.delete(zombie.run_id) }),
        Box::new(DeleteExecution { range_id: fence, ..w.delete(persistence_core::RunId::new()) }),
        Box::new(DeleteCurrentExecution { range_id: fence, ..w.delete_current(run.run_id) }),
        Box::new(DeleteCurrentExecution { range_id: fence, ..w.delete_current(zombie.run_id) }),
        Box::new(CompleteHistoryTask { range_id: fence, ..w.complete(task) }),
        Box::new(RangeCompleteHistoryTasks { range_id: fence, ..w.complete_range(task.category, min, max) }),
        // A range that holds nothing, and never can.
        Box::new(RangeCompleteHistoryTasks { range_id: fence, ..w.complete_range(task.category, max, min) }),
        Box::new(move_shard(w.shard_id, w.range_id, w.range_id.saturating_add(1))),
    ]
}

crate::cases! {
    group: "execution";

    /// Every write with a range id that is not the stored one is refused with both, and changes nothing.
    #[covers("execution.create_execution!shard_ownership_lost", "execution.update_execution!shard_ownership_lost",
        "execution.conflict_resolve_execution!shard_ownership_lost", "execution.set_execution!shard_ownership_lost",
        "execution.delete_execution!shard_ownership_lost", "execution.delete_current_execution!shard_ownership_lost",
        "execution.add_history_tasks!shard_ownership_lost", "execution.complete_history_task!shard_ownership_lost",
        "execution.range_complete_history_tasks!shard_ownership_lost", "P10")]
    async fn every_write_is_fenced(t) {
        let w = Flow::new(t).await?;
        let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
        let task = immediate(TaskCategory::TRANSFER, 5);
        w.send(&w.add_tasks(std::slice::from_ref(&task))).await?;
        for stale in [1, 3, 0, -2, i64::MAX - 1, i64::MIN] {
            for write in fenced_writes(&w.fenced(stale), &run, &zombie, &task) {
                let e = shard_lost(write.send(&*w.p, &w.cx()).await, stale, Some(2));
                assert!(e.to_string().contains(&w.shard_id.to_string()), "{}: {e}", write.operation());
            }
        }
        assert_eq!(w.load(run.run_id).await?, created(&run));
        assert_eq!(w.load(zombie.run_id).await?, created(&zombie));
        assert_eq!(w.current().await?, run.record.current(run.run_id));
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, [task]);
        missing(w.named("another").current().await);
    }

    /// The former owner of a shard can write nothing any more; the new one can.
    #[covers("P10", "shard.update_shard", "execution.update_execution!shard_ownership_lost")]
    async fn former_owner_is_fenced_out(t) {
        let old = Flow::new(t).await?;
        let (run, zombie) = (old.begin(t, Running).await?, old.zombie(t).await?);
        let task = immediate(TaskCategory::TRANSFER, 5);
        old.send(&old.add_tasks(std::slice::from_ref(&task))).await?;
        old.send(&move_shard(old.shard_id, 2, 3)).await?;
        for write in fenced_writes(&old, &run, &zombie, &task) {
            shard_lost(write.send(&*old.p, &old.cx()).await, 2, Some(3));
        }
        let new = old.fenced(3);
        new.send(&new.touch(run.run_id, 1)).await?;
        assert_eq!(new.load(zombie.run_id).await?, created(&zombie));
    }

    /// In a shard that does not exist every fenced write is refused without a stored range id.
    #[covers("P1", "execution.create_execution!shard_ownership_lost", "execution.add_history_tasks!shard_ownership_lost")]
    async fn writes_to_a_missing_shard(t) {
        let w = Flow { shard_id: t.shard(), ..Flow::new(t).await? };
        let (run, zombie) = (snapshot(t.run(), Running), snapshot(t.run(), Zombie));
        let task = immediate(TaskCategory::TRANSFER, 5);
        for write in fenced_writes(&w, &run, &zombie, &task) {
            shard_lost(write.send(&*w.p, &w.cx()).await, w.range_id, None);
        }
        missing(w.load(run.run_id).await);
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, []);
    }

    /// Conditions are told in one order: the shard, then the current record, then the run.
    #[covers("execution.create_execution", "execution.update_execution", "execution.conflict_resolve_execution", "P6")]
    async fn shard_before_current_record_before_run(t) {
        let w = Flow::new(t).await?;
        let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
        let current = run.record.current(run.run_id);
        let stale = w.fenced(1);
        let wrong = Snapshot { record_version: 9, ..snapshot(zombie.run_id, Running) };
        let writes = |w: &Flow| -> Vec<Box<dyn Write>> {
            let mut continued = w.update_current(&mutation(zombie.run_id, 9, Completed));
            continued.new_run = Some(wrong.clone());
            continued.new_run.as_mut().unwrap().run_id = run.run_id;
            vec![
                // A run that exists, beside a current record that forbids it.
                Box::new(w.brand_new(&wrong)),
                Box::new(w.reuse(&zombie, &wrong)),
                Box::new(w.touch(zombie.run_id, 9)),
                Box::new(continued),
                Box::new(w.update(UpdateMode::BypassCurrent, &mutation(run.run_id, 9, Completed))),
                Box::new(w.resolve(ConflictResolveMode::UpdateCurrent, &wrong)),
            ]
        };
        for write in writes(&stale) {
            shard_lost(write.send(&*w.p, &w.cx()).await, 1, Some(2));
        }
        for write in writes(&w) {
            current_failed(write.send(&*w.p, &w.cx()).await, Some(&current));
        }
        let ignoring = w.update(UpdateMode::IgnoreCurrent, &mutation(zombie.run_id, 9, Zombie));
        run_failed(w.send(&ignoring).await, zombie.run_id, Some(9), Some(&created(&zombie)));
    }

    /// Deleting a run removes it with all its rows: one of the same id that is made later has nothing of it.
    #[covers("execution.delete_execution", "P10")]
    async fn deleted_run_leaves_no_rows(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        for version in 1..12 {
            let more = Mutation {
                upsert_items: items(version),
                buffered_events: Some(blob("buffered")),
                ..mutation(run.run_id, version, Running)
            };
            w.send(&w.update_current(&more)).await?;
        }
        w.send(&w.delete(run.run_id)).await?;
        missing(w.load(run.run_id).await);
        run_failed(w.send(&w.touch(run.run_id, 12)).await, run.run_id, Some(12), None);
        // At a version above and below those of the old rows.
        for version in [100, 1, -50] {
            let again = Snapshot { record_version: version, items: Vec::new(), ..snapshot(run.run_id, Zombie) };
            let other = Flow { workflow_id: w.workflow_id.clone(), ..w.kind(8) };
            other.send(&other.create(CreateMode::BypassCurrent, &again)).await?;
            assert_eq!(w.load(run.run_id).await?, created(&again));
            let next = mutation(run.run_id, version, Zombie);
            other.send(&other.update(UpdateMode::IgnoreCurrent, &next)).await?;
            assert_eq!(w.load(run.run_id).await?, mutated(&created(&again), &next));
            w.send(&w.delete(run.run_id)).await?;
            missing(w.load(run.run_id).await);
        }
    }

    /// Deleting a run leaves its current record, its history, its tasks and every other run alone.
    #[covers("execution.delete_execution")]
    async fn deleted_run_leaves_everything_else(t) {
        let w = Flow::new(t).await?;
        let run = Snapshot { tasks: vec![immediate(TaskCategory::TRANSFER, 1)], ..snapshot(t.run(), Running) };
        let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
        let mut req = w.brand_new(&run);
        req.history = vec![node(&tree.root, &tree.owner, (1, 1, 3, 0))];
        w.send(&req).await?;
        let (zombie, sibling) = (w.zombie(t).await?, w.named(format!("{}x", w.workflow_id)));
        let other = sibling.begin(t, Running).await?;
        w.send(&w.delete(run.run_id)).await?;
        assert_eq!(w.current().await?, run.record.current(run.run_id));
        assert_eq!(history(&w, &tree).await?, batches(&[(1, 1, 3, 0)]));
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, run.tasks);
        assert_eq!(w.load(zombie.run_id).await?, created(&zombie));
        assert_eq!(sibling.load(other.run_id).await?, created(&other));
    }

    /// Deleting a run that does not exist succeeds, again and again, also in a shard that does not exist.
    #[covers("execution.delete_execution", "P10")]
    async fn delete_a_run_that_does_not_exist(t) {
        let w = Flow::new(t).await?;
        let ghost = t.run();
        w.send(&w.delete(ghost)).await?;
        w.send(&DeleteExecution { range_id: Some(2), ..w.delete(ghost) }).await?;
        missing(w.load(ghost).await);
        let run = w.begin(t, Completed).await?;
        for _ in 0..3 {
            w.send(&w.delete(run.run_id)).await?;
        }
        let nowhere = Flow { shard_id: t.shard(), ..w };
        nowhere.send(&nowhere.delete(ghost)).await?;
    }

    /// A delete without a range id needs no owner; one with the right range id is done, with a stale one refused.
    #[covers("P10", "execution.delete_execution", "execution.delete_current_execution",
        "execution.delete_execution!shard_ownership_lost", "execution.delete_current_execution!shard_ownership_lost")]
    async fn deletes_take_an_optional_fence(t) {
        let w = Flow::new(t).await?;
        for fence in [None, Some(2)] {
            let w = w.sibling(t);
            let run = w.begin(t, Running).await?;
            let stale = Some(1);
            let refused = DeleteExecution { range_id: stale, ..w.delete(run.run_id) };
            shard_lost(w.send(&refused).await, 1, Some(2));
            let refused = DeleteCurrentExecution { range_id: stale, ..w.delete_current(run.run_id) };
            shard_lost(w.send(&refused).await, 1, Some(2));
            assert_eq!(w.load(run.run_id).await?, created(&run));
            w.send(&DeleteCurrentExecution { range_id: fence, ..w.delete_current(run.run_id) }).await?;
            missing(w.current().await);
            w.send(&DeleteExecution { range_id: fence, ..w.delete(run.run_id) }).await?;
            missing(w.load(run.run_id).await);
        }
    }

    /// Deleting the current record leaves run and history; the workflow id is free again.
    #[covers("execution.delete_current_execution", "execution.get_current_execution!not_found")]
    async fn delete_the_current_record(t) {
        let w = Flow::new(t).await?;
        let run = snapshot(t.run(), Completed);
        let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
        let mut req = w.brand_new(&run);
        req.history = vec![node(&tree.root, &tree.owner, (1, 1, 3, 0))];
        w.send(&req).await?;
        w.send(&w.delete_current(run.run_id)).await?;
        let e = missing(w.current().await);
        assert!(e.to_string().contains(&w.workflow_id), "{e}");
        assert_eq!(w.load(run.run_id).await?, created(&run));
        assert_eq!(history(&w, &tree).await?, batches(&[(1, 1, 3, 0)]));
        current_failed(w.send(&w.touch(run.run_id, 1)).await, None);
        let next = snapshot(t.run(), Running);
        current_failed(w.send(&w.reuse(&run, &next)).await, None);
        w.send(&w.brand_new(&next)).await?;
        assert_eq!(w.current().await?, next.record.current(next.run_id));
    }

    /// Deleting the current record of a run that is not current, or of none, succeeds without a change.
    #[covers("execution.delete_current_execution", "P10")]
    async fn delete_the_current_record_of_another_run(t) {
        let w = Flow::new(t).await?;
        w.send(&w.delete_current(t.run())).await?;
        let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
        for other in [zombie.run_id, t.run()] {
            w.send(&w.delete_current(other)).await?;
            w.send(&DeleteCurrentExecution { range_id: Some(2), ..w.delete_current(other) }).await?;
        }
        w.send(&w.kind(6).delete_current(run.run_id)).await?;
        w.send(&w.sibling(t).delete_current(run.run_id)).await?;
        assert_eq!(w.current().await?, run.record.current(run.run_id));
        let nowhere = Flow { shard_id: t.shard(), ..w.clone() };
        nowhere.send(&nowhere.delete_current(run.run_id)).await?;
        w.send(&w.delete_current(run.run_id)).await?;
        w.send(&w.delete_current(run.run_id)).await?;
        missing(w.current().await);
    }

    /// Shards are numbered from 1: zero and below are invalid in every request.
    #[covers("execution.create_execution!invalid_argument", "execution.apply!invalid_argument",
        "execution.delete_execution!invalid_argument", "execution.list_executions!invalid_argument")]
    async fn shards_of_executions_are_numbered_from_one(t) {
        let good = Flow::new(t).await?;
        let (run, zombie) = (snapshot(t.run(), Running), snapshot(t.run(), Zombie));
        let task = immediate(TaskCategory::TRANSFER, 5);
        for shard_id in [0, -1, i32::MIN].map(ShardId) {
            let w = Flow { shard_id, range_id: RangeId::from(2), ..good.clone() };
            for write in fenced_writes(&w, &run, &zombie, &task) {
                invalid(write.send(&*w.p, &w.cx()).await);
            }
            invalid(w.send(&w.delete(run.run_id)).await);
            invalid(w.send(&w.complete(&task)).await);
            invalid(w.apply(Vec::new()).await);
            invalid(w.load(run.run_id).await);
            invalid(w.current().await);
            invalid(w.tasks(TaskCategory::TRANSFER).await);
            let page = persistence_core::PageRequest::first(1);
            invalid(w.p.executions().list_executions(&w.cx(), &ListExecutions { shard_id, page }).await);
        }
    }
}
