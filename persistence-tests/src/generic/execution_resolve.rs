//! Transitions of more than one run, and replaced runs.

use super::execution_create::history;
use crate::build::execution::Flow;
use crate::build::expect::*;
use crate::build::history::{Tree, batches, node};
use crate::build::record::*;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;

/// A task of every write: so that a refusal that lets one through is seen.
fn task(id: i64) -> Vec<HistoryTask> {
    vec![immediate(TaskCategory::TRANSFER, id), scheduled(TaskCategory::TIMER, 1000 + id, id)]
}

async fn no_tasks(w: &Flow) -> persistence_core::Result<()> {
    assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, []);
    assert_eq!(w.tasks(TaskCategory::TIMER).await?, []);
    Ok(())
}

crate::cases! {
    group: "execution";

    /// Continue-as-new closes the run, creates the next one and makes it current, at once, with tasks and history of both.
    #[covers("execution.update_execution", "P11")]
    async fn continue_as_new(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let (old_tree, next) = (Tree::of(t, w.shard_id, w.run_key(run.run_id)), t.run());
        let new_tree = Tree::of(t, w.shard_id, w.run_key(next));
        let mut end = Mutation { delete_items: keys(1), tasks: task(1), ..mutation(run.run_id, 1, Completed) };
        end.record.status = ExecutionStatus::ContinuedAsNew;
        let new = Snapshot { tasks: task(2), ..snapshot(next, Created) };
        let mut req = w.update_current(&end);
        req.new_run = Some(new.clone());
        req.history = vec![
            node(&old_tree.root, &old_tree.owner, (1, 2, 20, 0)),
            node(&new_tree.root, &new_tree.owner, (1, 1, 21, 0)),
        ];
        w.send(&req).await?;
        assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &end));
        assert_eq!(w.load(next).await?, created(&new));
        assert_eq!(w.current().await?, new.record.current(next));
        let both = [end.tasks, new.tasks].concat();
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, [both[0].clone(), both[2].clone()]);
        assert_eq!(w.tasks(TaskCategory::TIMER).await?, [both[1].clone(), both[3].clone()]);
        assert_eq!(history(&w, &old_tree).await?, batches(&[(1, 2, 20, 0)]));
        assert_eq!(history(&w, &new_tree).await?, batches(&[(1, 1, 21, 0)]));
    }

    /// A closed zombie may start a new zombie beside the current run.
    #[covers("execution.update_execution", "P5")]
    async fn continue_beside_the_current_run(t) {
        let w = Flow::new(t).await?;
        let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
        let (end, next) = (mutation(zombie.run_id, 1, Completed), snapshot(t.run(), Zombie));
        let mut req = w.update(UpdateMode::BypassCurrent, &end);
        req.new_run = Some(next.clone());
        w.send(&req).await?;
        assert_eq!(w.load(zombie.run_id).await?, mutated(&created(&zombie), &end));
        assert_eq!(w.load(next.run_id).await?, created(&next));
        assert_eq!(w.current().await?, run.record.current(run.run_id));
    }

    /// When the new run exists already nothing happens: not the update, not the current record, no task, no history.
    #[covers("execution.update_execution!workflow_condition_failed", "P6", "P11")]
    async fn continue_as_a_run_that_exists(t) {
        let w = Flow::new(t).await?;
        let (run, there) = (w.begin(t, Running).await?, w.zombie(t).await?);
        let tree = Tree::of(t, w.shard_id, w.run_key(there.run_id));
        let end = Mutation { upsert_items: items(4), tasks: task(1), ..mutation(run.run_id, 1, Completed) };
        let mut req = w.update_current(&end);
        req.new_run = Some(Snapshot { run_id: there.run_id, tasks: task(2), ..snapshot(t.run(), Running) });
        req.history = vec![node(&tree.root, &tree.owner, (1, 1, 20, 0))];
        run_failed(w.send(&req).await, there.run_id, None, Some(&created(&there)));
        assert_eq!(w.load(run.run_id).await?, created(&run));
        assert_eq!(w.load(there.run_id).await?, created(&there));
        assert_eq!(w.current().await?, run.record.current(run.run_id));
        missing(history(&w, &tree).await);
        no_tasks(&w).await?;
    }

    /// When the updated run is stale the new one is not created.
    #[covers("execution.update_execution!workflow_condition_failed")]
    async fn continue_from_a_stale_run(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let mut req = w.update_current(&mutation(run.run_id, 5, Completed));
        let new = Snapshot { tasks: task(1), ..snapshot(t.run(), Running) };
        req.new_run = Some(new.clone());
        run_failed(w.send(&req).await, run.run_id, Some(5), Some(&created(&run)));
        missing(w.load(new.run_id).await);
        assert_eq!(w.current().await?, run.record.current(run.run_id));
        no_tasks(&w).await?;
    }

    /// Two equal runs in one transition are invalid.
    #[covers("P23", "execution.update_execution!invalid_argument", "execution.conflict_resolve_execution!invalid_argument")]
    async fn equal_runs_are_invalid(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let same = |state| Snapshot { run_id: run.run_id, ..snapshot(run.run_id, state) };
        let mut update = w.update_current(&mutation(run.run_id, 1, Completed));
        update.new_run = Some(same(Running));
        invalid(w.send(&update).await);
        let mode = ConflictResolveMode::UpdateCurrent;
        let mut with_current = w.resolve(mode, &same(Running));
        with_current.current = Some(Mutation { ..mutation(run.run_id, 1, Zombie) });
        invalid(w.send(&with_current).await);
        let mut with_new = w.resolve(mode, &same(Completed));
        with_new.new_run = Some(same(Running));
        invalid(w.send(&with_new).await);
        let mut both = w.resolve(mode, &snapshot(t.run(), Completed));
        both.current = Some(mutation(run.run_id, 1, Zombie));
        both.new_run = Some(same(Running));
        invalid(w.send(&both).await);
        assert_eq!(w.load(run.run_id).await?, created(&run));
    }

    /// A set replaces a run without a look at the current record: old collections and buffered events are gone.
    #[covers("execution.set_execution", "P23")]
    async fn set_replaces_a_run(t) {
        for archetype in [1, 5] {
            let w = Flow::new(t).await?.kind(archetype);
            let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
            for (run, state) in [(&run, Running), (&zombie, Zombie)] {
                let buffer = Mutation {
                    upsert_items: [items(2), items(3)].concat(),
                    buffered_events: Some(blob("buffered")),
                    ..mutation(run.run_id, 1, state)
                };
                w.send(&w.update(UpdateMode::IgnoreCurrent, &buffer)).await?;
                let new = Snapshot {
                    record_version: 2,
                    items: [items(2), items(0), items(9)].concat(),
                    ..snapshot(run.run_id, state)
                };
                w.send(&w.set(&new)).await?;
                assert_eq!(w.load(run.run_id).await?, replaced(&new));
                let none = Snapshot { record_version: 3, items: Vec::new(), ..snapshot(run.run_id, state) };
                w.send(&w.set(&none)).await?;
                assert_eq!(w.load(run.run_id).await?, replaced(&none));
            }
            assert_eq!(w.current().await?, run.record.current(run.run_id));
        }
    }

    /// A set does not care about state and status, but about the version.
    #[covers("execution.set_execution", "execution.set_execution!workflow_condition_failed")]
    async fn set_checks_the_version_alone(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let odd = Snapshot { record: record_as(Completed, ExecutionStatus::Paused), ..snapshot(run.run_id, Completed) };
        w.send(&w.set(&odd)).await?;
        let stored = w.load(run.run_id).await?;
        assert_eq!(stored, replaced(&odd));
        for version in [1, 3, 0, i64::MIN] {
            let stale = Snapshot { record_version: version, tasks: task(1), ..snapshot(run.run_id, Running) };
            run_failed(w.send(&w.set(&stale)).await, run.run_id, Some(version), Some(&stored));
        }
        assert_eq!(w.load(run.run_id).await?, stored);
        no_tasks(&w).await?;
    }

    /// A set brings its tasks.
    #[covers("execution.set_execution", "execution.get_history_tasks")]
    async fn set_brings_tasks(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let new = Snapshot { tasks: task(7), ..snapshot(run.run_id, Running) };
        w.send(&w.set(&new)).await?;
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, new.tasks[..1]);
        assert_eq!(w.tasks(TaskCategory::TIMER).await?, new.tasks[1..]);
    }

    /// A reset of the current run replaces its collections and keeps it current; its history goes on.
    #[covers("execution.conflict_resolve_execution", "P23", "P11")]
    async fn reset_the_current_run(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let buffer = Mutation {
            upsert_items: items(2),
            buffered_events: Some(blob("buffered")),
            ..mutation(run.run_id, 1, Running)
        };
        w.send(&w.update_current(&buffer)).await?;
        let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
        let reset = Snapshot { record_version: 2, items: items(3), tasks: task(3), ..snapshot(run.run_id, Running) };
        let mut req = w.resolve(ConflictResolveMode::UpdateCurrent, &reset);
        req.history = vec![node(&tree.root, &tree.owner, (1, 9, 30, 0))];
        w.send(&req).await?;
        assert_eq!(w.load(run.run_id).await?, replaced(&reset));
        assert_eq!(w.current().await?, reset.record.current(run.run_id));
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, reset.tasks[..1]);
        assert_eq!(history(&w, &tree).await?, batches(&[(1, 9, 30, 0)]));
    }

    /// A reset that completes the current run may create the next one, which becomes current.
    #[covers("execution.conflict_resolve_execution")]
    async fn reset_the_current_run_with_a_new_one(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let (reset, new) = (snapshot(run.run_id, Completed), snapshot(t.run(), Created));
        let trees = [run.run_id, new.run_id].map(|r| Tree::of(t, w.shard_id, w.run_key(r)));
        let mut req = w.resolve(ConflictResolveMode::UpdateCurrent, &reset);
        req.new_run = Some(new.clone());
        req.history = trees.iter().map(|tree| node(&tree.root, &tree.owner, (1, 1, 5, 0))).collect();
        w.send(&req).await?;
        assert_eq!(w.load(run.run_id).await?, replaced(&reset));
        assert_eq!(w.load(new.run_id).await?, created(&new));
        assert_eq!(w.current().await?, new.record.current(new.run_id));
        for tree in &trees {
            assert_eq!(history(&w, tree).await?, batches(&[(1, 1, 5, 0)]));
        }
    }

    /// A zombie takes the place of the current run, which becomes a zombie, at once.
    #[covers("execution.conflict_resolve_execution")]
    async fn suppress_the_current_run(t) {
        let w = Flow::new(t).await?;
        let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
        let reset = Snapshot { items: items(6), ..snapshot(zombie.run_id, Running) };
        let suppress = Mutation { delete_items: keys(1), ..mutation(run.run_id, 1, Zombie) };
        let mut req = w.resolve(ConflictResolveMode::UpdateCurrent, &reset);
        req.current = Some(suppress.clone());
        w.send(&req).await?;
        assert_eq!(w.load(zombie.run_id).await?, replaced(&reset));
        assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &suppress));
        assert_eq!(w.current().await?, reset.record.current(zombie.run_id));
    }

    /// All three at once: a zombie is reset to completed, the current run suppressed, and a new run becomes current.
    #[covers("execution.conflict_resolve_execution")]
    async fn suppress_the_current_run_with_a_new_one(t) {
        let w = Flow::new(t).await?;
        let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
        let reset = Snapshot { tasks: task(1), ..snapshot(zombie.run_id, Completed) };
        let suppress = Mutation { tasks: task(2), ..mutation(run.run_id, 1, Completed) };
        let new = Snapshot { tasks: task(3), ..snapshot(t.run(), Running) };
        let mut req = w.resolve(ConflictResolveMode::UpdateCurrent, &reset);
        (req.current, req.new_run) = (Some(suppress.clone()), Some(new.clone()));
        w.send(&req).await?;
        assert_eq!(w.load(zombie.run_id).await?, replaced(&reset));
        assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &suppress));
        assert_eq!(w.load(new.run_id).await?, created(&new));
        assert_eq!(w.current().await?, new.record.current(new.run_id));
        let all = [reset.tasks, suppress.tasks, new.tasks].concat();
        assert_eq!(w.tasks(TaskCategory::TIMER).await?, [all[1].clone(), all[3].clone(), all[5].clone()]);
    }

    /// A zombie is reset beside the current run, which stays; also where there is none, and with a new zombie.
    #[covers("execution.conflict_resolve_execution", "P5")]
    async fn reset_a_zombie(t) {
        let w = Flow::new(t).await?;
        let zombie = w.zombie(t).await?;
        let mut version = 1;
        for current in [false, true] {
            let run = if current { Some(w.begin(t, Running).await?) } else { None };
            for new in [None, Some(snapshot(t.run(), Zombie))] {
                // With a new run the reset one must be closed.
                let state = if new.is_some() { Completed } else { Zombie };
                let reset = Snapshot { record_version: version, ..snapshot(zombie.run_id, state) };
                let mut req = w.resolve(ConflictResolveMode::BypassCurrent, &reset);
                req.new_run = new.clone();
                w.send(&req).await?;
                version += 1;
                assert_eq!(w.load(zombie.run_id).await?, replaced(&reset));
                if let Some(new) = new {
                    assert_eq!(w.load(new.run_id).await?, created(&new));
                }
            }
            match run {
                Some(run) => assert_eq!(w.current().await?, run.record.current(run.run_id)),
                None => drop(missing(w.current().await)),
            }
        }
    }

    /// Resolving is refused when the current record does not name the run that the mode wants, or names the one it forbids.
    #[covers("execution.conflict_resolve_execution!current_workflow_condition_failed", "P5")]
    async fn resolve_with_another_current_run(t) {
        use ConflictResolveMode::*;
        let w = Flow::new(t).await?;
        let zombie = w.zombie(t).await?;
        let to_running = snapshot(zombie.run_id, Running);
        current_failed(w.send(&w.resolve(UpdateCurrent, &to_running)).await, None);
        let run = w.begin(t, Completed).await?;
        let current = run.record.current(run.run_id);
        current_failed(w.send(&w.resolve(UpdateCurrent, &to_running)).await, Some(&current));
        // The mutated run counts as the current one, not the reset one.
        let mut swapped = w.resolve(UpdateCurrent, &snapshot(run.run_id, Running));
        swapped.current = Some(mutation(zombie.run_id, 1, Zombie));
        current_failed(w.send(&swapped).await, Some(&current));
        let forbidden = w.resolve(BypassCurrent, &snapshot(run.run_id, Completed));
        current_failed(w.send(&forbidden).await, Some(&current));
        assert_eq!(w.load(run.run_id).await?, created(&run));
        assert_eq!(w.load(zombie.run_id).await?, created(&zombie));
        assert_eq!(w.current().await?, current);
    }

    /// When any run of a resolution fails its condition nothing of it is applied: no run, no current record, no task, no
    /// history.
    #[covers("execution.conflict_resolve_execution!workflow_condition_failed", "P6", "P11")]
    async fn resolve_is_all_or_nothing(t) {
        let w = Flow::new(t).await?;
        let (run, zombie, there) = (w.begin(t, Running).await?, w.zombie(t).await?, w.zombie(t).await?);
        let tree = Tree::of(t, w.shard_id, w.run_key(zombie.run_id));
        for broken in ["reset", "current", "new"] {
            let wrong = |what: &str| if broken == what { 44 } else { 1 };
            let mut reset = snapshot(zombie.run_id, Completed);
            (reset.record_version, reset.tasks) = (wrong("reset"), task(1));
            let suppress = Mutation { tasks: task(2), ..mutation(run.run_id, wrong("current"), Zombie) };
            let new_run = if broken == "new" { there.run_id } else { t.run() };
            let new = Snapshot { tasks: task(3), ..snapshot(new_run, Running) };
            let mut req = w.resolve(ConflictResolveMode::UpdateCurrent, &reset);
            (req.current, req.new_run) = (Some(suppress), Some(new));
            req.history = vec![node(&tree.root, &tree.owner, (1, 1, 7, 0))];
            let result = w.send(&req).await;
            match broken {
                "reset" => run_failed(result, zombie.run_id, Some(44), Some(&created(&zombie))),
                "current" => run_failed(result, run.run_id, Some(44), Some(&created(&run))),
                _ => run_failed(result, there.run_id, None, Some(&created(&there))),
            };
            for stored in [&run, &zombie, &there] {
                assert_eq!(w.load(stored.run_id).await?, created(stored), "{broken}");
            }
            if broken != "new" {
                missing(w.load(new_run).await);
            }
            assert_eq!(w.current().await?, run.record.current(run.run_id), "{broken}");
            missing(history(&w, &tree).await);
            no_tasks(&w).await?;
        }
    }

    /// States that do not go with the mode are invalid, before anything is looked at.
    #[covers("execution.conflict_resolve_execution!invalid_argument")]
    async fn resolve_states_that_do_not_go_with_the_mode(t) {
        use ConflictResolveMode::*;
        let w = Flow::new(t).await?.fenced(99);
        let all = [Created, Running, Completed, Zombie, Corrupted];
        let some = || [None].into_iter().chain(all.map(Some));
        let open = |s| s == Created || s == Running;
        let fits = |record: &mut RunRecord| {
            if record.state == Corrupted {
                record.status = ExecutionStatus::Failed;
            }
        };
        for mode in [UpdateCurrent, BypassCurrent] {
            for (reset, current, new) in all.into_iter().flat_map(|r| some().flat_map(move |c| some().map(move |n| (r, c, n)))) {
                let mut snap = snapshot(t.run(), reset);
                fits(&mut snap.record);
                let mut req = w.resolve(mode, &snap);
                req.current = current.map(|s| mutation(t.run(), 1, s));
                req.current.iter_mut().for_each(|m| fits(&mut m.record));
                req.new_run = new.map(|s| snapshot(t.run(), s));
                let closed = !open(reset) && reset != Zombie;
                let allowed = match (mode, new) {
                    (UpdateCurrent, None) => reset != Zombie && !current.is_some_and(open),
                    (UpdateCurrent, Some(new)) => closed && new != Zombie && !current.is_some_and(open),
                    (BypassCurrent, None) => !open(reset) && current.is_none(),
                    (_, Some(new)) => closed && current.is_none() && matches!(new, Zombie | Corrupted),
                    _ => unreachable!("modes are two"),
                };
                let result = w.send(&req).await;
                if allowed {
                    shard_lost(result, 99, Some(2));
                } else {
                    invalid(result);
                }
            }
        }
    }
}
