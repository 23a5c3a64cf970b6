//! Creating runs: what the current record and the run itself must be.

use crate::build::execution::Flow;
use crate::build::expect::*;
use crate::build::history::Tree;
use crate::build::record::*;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{PageRequest, Result};

/// The batches of a branch from the first event on.
pub(super) async fn history(w: &Flow, tree: &Tree) -> Result<Vec<HistoryBatch>> {
    let req = tree.read(&tree.root, 1, i64::MAX, PageRequest::first(100));
    Ok(w.p.history().read_history_branch(&w.cx(), &req).await?.items)
}

crate::cases! {
    group: "execution";

    /// A brand-new run, created or running, becomes current; state and history read back as written.
    #[covers("execution.create_execution", "execution.get_execution", "execution.get_current_execution", "P20")]
    async fn create_brand_new(t) {
        let w = Flow::new(t).await?;
        for state in [Created, Running, Completed, Corrupted] {
            let w = w.sibling(t);
            let run = Snapshot { record_version: 1 + i64::try_from(fresh())?, ..snapshot(t.run(), state) };
            let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
            let mut req = w.brand_new(&run);
            req.history = vec![crate::build::history::node(&tree.root, &tree.owner, (1, 3, 10, 0))];
            w.send(&req).await?;
            // The version is stored as given.
            assert_eq!(w.load(run.run_id).await?, created(&run));
            assert_eq!(w.current().await?, run.record.current(run.run_id));
            assert_eq!(history(&w, &tree).await?, crate::build::history::batches(&[(1, 3, 10, 0)]));
        }
    }

    /// An execution of another archetype has no history, perhaps no items, and a current record of its own.
    #[covers("execution.create_execution", "execution.get_current_execution")]
    async fn create_brand_new_of_another_archetype(t) {
        for archetype in [2, 77, u32::MAX] {
            let w = Flow::new(t).await?.kind(archetype);
            let run = Snapshot { items: Vec::new(), ..snapshot(t.run(), Running) };
            w.send(&w.brand_new(&run)).await?;
            assert_eq!(w.load(run.run_id).await?, created(&run));
            assert_eq!(w.current().await?, run.record.current(run.run_id));
            missing(w.kind(archetype - 1).current().await);
        }
    }

    /// Each archetype has its own space of current records under one workflow id; none touches another's.
    #[covers("execution.create_execution", "execution.update_execution", "execution.delete_current_execution")]
    async fn archetypes_have_separate_current_records(t) {
        let workflow = Flow::new(t).await?;
        let kinds = [workflow.clone(), workflow.kind(2), workflow.kind(3)];
        let mut runs = Vec::new();
        for w in &kinds {
            runs.push(w.begin(t, Running).await?);
        }
        let change = mutation(runs[1].run_id, 1, Completed);
        kinds[1].send(&kinds[1].update_current(&change)).await?;
        assert_eq!(kinds[1].current().await?, change.record.current(change.run_id));
        assert_eq!(kinds[0].current().await?, runs[0].record.current(runs[0].run_id));
        kinds[2].send(&kinds[2].delete_current(runs[2].run_id)).await?;
        missing(kinds[2].current().await);
        assert_eq!(kinds[0].current().await?, runs[0].record.current(runs[0].run_id));
        // A run of one archetype is not current in another.
        let foreign = kinds[0].update_current(&mutation(runs[1].run_id, 2, Running));
        current_failed(kinds[0].send(&foreign).await, Some(&runs[0].record.current(runs[0].run_id)));
        // Run rows are shared: the same run cannot be made twice.
        let again = Snapshot { run_id: runs[0].run_id, ..snapshot(t.run(), Running) };
        let stored = kinds[0].load(again.run_id).await?;
        run_failed(kinds[2].send(&kinds[2].brand_new(&again)).await, again.run_id, None, Some(&stored));
    }

    /// A brand-new run is refused while there is a current record, whatever its state; the error tells the whole record.
    #[covers("execution.create_execution!current_workflow_condition_failed", "P4")]
    async fn create_brand_new_beside_a_current_run(t) {
        for state in [Created, Running, Completed, Corrupted] {
            let w = Flow::new(t).await?;
            let first = w.begin(t, state).await?;
            let second = snapshot(t.run(), Running);
            let current = first.record.current(first.run_id);
            current_failed(w.send(&w.brand_new(&second)).await, Some(&current));
            missing(w.load(second.run_id).await);
            assert_eq!(w.current().await?, current);
            assert_eq!(w.load(first.run_id).await?, created(&first));
            // Also the current run itself: the current record decides first.
            current_failed(w.send(&w.brand_new(&first)).await, Some(&current));
        }
    }

    /// Reuse of a workflow id puts a new run in the place of the completed one.
    #[covers("execution.create_execution", "P4")]
    async fn create_in_the_place_of_a_completed_run(t) {
        let w = Flow::new(t).await?;
        for (w, closed) in [(w.sibling(t), false), (w.sibling(t), true), (w.sibling(t).kind(9), false)] {
            let first = w.begin(t, Completed).await?;
            let second = snapshot(t.run(), if closed { Completed } else { Created });
            w.send(&w.reuse(&first, &second)).await?;
            assert_eq!(w.load(second.run_id).await?, created(&second));
            assert_eq!(w.load(first.run_id).await?, created(&first));
            assert_eq!(w.current().await?, second.record.current(second.run_id));
        }
    }

    /// Reuse after the run was completed by an update goes by the current record that the update wrote.
    #[covers("execution.create_execution", "execution.update_execution", "P4")]
    async fn create_in_the_place_of_a_run_completed_later(t) {
        let w = Flow::new(t).await?;
        let mut first = w.begin(t, Running).await?;
        let end = mutation(first.run_id, 1, Completed);
        w.send(&w.update_current(&end)).await?;
        let second = snapshot(t.run(), Running);
        let current = end.record.current(first.run_id);
        // With the version that it began with: stale.
        current_failed(w.send(&w.reuse(&first, &second)).await, Some(&current));
        first.record = end.record;
        w.send(&w.reuse(&first, &second)).await?;
        assert_eq!(w.current().await?, second.record.current(second.run_id));
    }

    /// Reuse is refused for another run, then for another last write version, then for another state than completed; for a
    /// missing record too. Each error tells the record in full, or none.
    #[covers("P4", "execution.create_execution!current_workflow_condition_failed")]
    async fn reuse_checks_run_version_and_state(t) {
        let w = Flow::new(t).await?;
        let done = w.begin(t, Completed).await?;
        let second = snapshot(t.run(), Running);
        let refused = |previous: &Snapshot| w.reuse(previous, &second);
        let current = done.record.current(done.run_id);

        let other_run = Snapshot { run_id: t.run(), ..done.clone() };
        current_failed(w.send(&refused(&other_run)).await, Some(&current));
        for delta in [-1, 1] {
            let mut stale = done.clone();
            stale.record.last_write_version += delta;
            current_failed(w.send(&refused(&stale)).await, Some(&current));
        }
        for state in [Created, Running, Corrupted] {
            let w = w.sibling(t);
            let open = w.begin(t, state).await?;
            let current = open.record.current(open.run_id);
            current_failed(w.send(&w.reuse(&open, &second)).await, Some(&current));
            assert_eq!(w.current().await?, current);
        }
        let nobody = w.sibling(t);
        current_failed(nobody.send(&nobody.reuse(&done, &second)).await, None);
        missing(nobody.current().await);
        missing(nobody.load(second.run_id).await);
        assert_eq!(w.current().await?, current);
        missing(w.load(second.run_id).await);
    }

    /// A zombie or a closed run may be made beside the current one, which stays as it is; also where there is none.
    #[covers("execution.create_execution", "P5")]
    async fn create_beside_the_current_run(t) {
        let w = Flow::new(t).await?;
        let current = w.begin(t, Completed).await?;
        for state in [Zombie, Completed, Corrupted] {
            let run = snapshot(t.run(), state);
            w.send(&w.create(CreateMode::BypassCurrent, &run)).await?;
            assert_eq!(w.load(run.run_id).await?, created(&run));
            assert_eq!(w.current().await?, current.record.current(current.run_id));
        }
        let alone = w.sibling(t);
        let run = alone.zombie(t).await?;
        assert_eq!(alone.load(run.run_id).await?, created(&run));
        missing(alone.current().await);
    }

    /// A run that is current cannot be made beside itself: refused by the current record, before the run.
    #[covers("P5", "execution.create_execution!current_workflow_condition_failed")]
    async fn create_beside_itself(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Completed).await?;
        let again = Snapshot { run_id: run.run_id, ..snapshot(t.run(), Zombie) };
        let req = w.create(CreateMode::BypassCurrent, &again);
        current_failed(w.send(&req).await, Some(&run.record.current(run.run_id)));
        // The record alone decides, also when the run is gone.
        w.send(&w.delete(run.run_id)).await?;
        current_failed(w.send(&req).await, Some(&run.record.current(run.run_id)));
        missing(w.load(run.run_id).await);
    }

    /// A run that exists is refused with its real version and next event id, in every mode.
    #[covers("P6", "execution.create_execution!workflow_condition_failed")]
    async fn create_a_run_that_exists(t) {
        let w = Flow::new(t).await?;
        let zombie = w.zombie(t).await?;
        let change = mutation(zombie.run_id, 1, Zombie);
        w.send(&w.update(UpdateMode::IgnoreCurrent, &change)).await?;
        let stored = mutated(&created(&zombie), &change);
        // Whatever version the request names: stored, one less, one more.
        for version in [1, 2, 3, -7, i64::MAX] {
            let again = Snapshot { run_id: zombie.run_id, record_version: version, ..snapshot(t.run(), Completed) };
            for mode in [CreateMode::BypassCurrent, CreateMode::BrandNew] {
                run_failed(w.send(&w.create(mode, &again)).await, again.run_id, None, Some(&stored));
            }
        }
        missing(w.current().await);
        assert_eq!(w.load(zombie.run_id).await?, stored);
        let done = w.begin(t, Completed).await?;
        let again = Snapshot { run_id: zombie.run_id, ..snapshot(t.run(), Running) };
        run_failed(w.send(&w.reuse(&done, &again)).await, again.run_id, None, Some(&stored));
        assert_eq!(w.current().await?, done.record.current(done.run_id));
    }

    /// States that do not go with the mode are invalid, before anything is looked at.
    #[covers("execution.create_execution!invalid_argument")]
    async fn create_states_that_do_not_go_with_the_mode(t) {
        let w = Flow::new(t).await?.fenced(99);
        let done = snapshot(t.run(), Completed);
        let run = |state| snapshot(t.run(), state);
        invalid(w.send(&w.brand_new(&run(Zombie))).await);
        invalid(w.send(&w.reuse(&done, &run(Zombie))).await);
        for state in [Created, Running] {
            invalid(w.send(&w.create(CreateMode::BypassCurrent, &run(state))).await);
        }
        // All others are left to the shard, which is not owned with this range id.
        for state in [Created, Running, Completed, Corrupted] {
            shard_lost(w.send(&w.brand_new(&run(state))).await, 99, Some(2));
            shard_lost(w.send(&w.reuse(&done, &run(state))).await, 99, Some(2));
        }
        for state in [Zombie, Completed, Corrupted] {
            shard_lost(w.send(&w.create(CreateMode::BypassCurrent, &run(state))).await, 99, Some(2));
        }
    }

    /// A completed run is created with a status that closes it, every other one with status running.
    #[covers("execution.create_execution!invalid_argument")]
    async fn create_statuses_that_do_not_go_with_the_state(t) {
        use ExecutionStatus as S;
        let w = Flow::new(t).await?;
        let closed = [S::Completed, S::Failed, S::Canceled, S::Terminated, S::ContinuedAsNew, S::TimedOut];
        let open = [S::Running, S::Paused];
        for state in [Created, Running, Completed, Zombie, Corrupted] {
            let mode = if state == Zombie { CreateMode::BypassCurrent } else { CreateMode::BrandNew };
            for status in closed.into_iter().chain(open) {
                let w = w.sibling(t);
                let run = Snapshot { record: record_as(state, status), ..snapshot(t.run(), state) };
                let result = w.send(&w.create(mode.clone(), &run)).await;
                if (state == Completed && closed.contains(&status)) || (state != Completed && status == S::Running) {
                    result?;
                    assert_eq!(w.load(run.run_id).await?, created(&run), "{state} {status}");
                } else {
                    invalid(result);
                    missing(w.load(run.run_id).await);
                }
            }
        }
    }

    /// Of items with one key in a snapshot the last counts.
    #[covers("execution.create_execution")]
    async fn create_with_an_item_twice(t) {
        let w = Flow::new(t).await?;
        let mut run = snapshot(t.run(), Running);
        run.items.extend(items(1));
        w.send(&w.brand_new(&run)).await?;
        let read = w.load(run.run_id).await?;
        assert_eq!(read, created(&run));
        assert_eq!(read.items, run.items[keys(1).len()..]);
    }

    /// A run reads back its items in the order of their keys: by kind, then by number or by bytes.
    #[covers("execution.create_execution", "execution.get_execution")]
    async fn items_are_read_in_order_of_their_keys(t) {
        let w = Flow::new(t).await?;
        let mut run = snapshot(t.run(), Running);
        for n in [5, -1, 0, 300, -300, 1 << 40, i64::MIN, i64::MAX, 255, 256, -256, -255] {
            run.items.extend(items(n));
        }
        for name in ["b", "a", "aa", "B", "ä", "a ", "10", "9"] {
            run.items.extend([ItemKey::Timer(name.into()), ItemKey::Node(name.into())].map(item));
        }
        t.rng().shuffle(&mut run.items);
        w.send(&w.brand_new(&run)).await?;
        assert_eq!(w.load(run.run_id).await?, created(&run));
    }

    /// A run that does not exist is not found; nor is one of another shard, namespace or workflow id.
    #[covers("execution.get_execution!not_found", "execution.get_current_execution!not_found")]
    async fn runs_are_found_by_their_whole_key(t) {
        let (w, elsewhere) = (Flow::new(t).await?, Flow::new(t).await?);
        missing(w.load(t.run()).await);
        missing(w.current().await);
        let run = w.begin(t, Running).await?;
        let others = [
            Flow { shard_id: elsewhere.shard_id, ..w.clone() },
            Flow { namespace_id: t.namespace(), ..w.clone() },
            w.sibling(t),
            w.named(format!("{} ", w.workflow_id)),
            w.named(w.workflow_id.to_uppercase()),
        ];
        for other in &others {
            missing(other.load(run.run_id).await);
            missing(other.current().await);
        }
        // A run's child rows are keyed by shard and run id, so the same run id may be used in another shard.
        let namesake = Snapshot { run_id: run.run_id, ..snapshot(t.run(), Running) };
        others[0].send(&others[0].brand_new(&namesake)).await?;
        assert_eq!(others[0].load(run.run_id).await?, created(&namesake));
        missing(w.load(t.run()).await);
        assert_eq!(w.load(run.run_id).await?, created(&run));
    }
}
