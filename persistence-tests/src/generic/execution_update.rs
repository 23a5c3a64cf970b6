//! Changing runs.

use super::execution_create::history;
use crate::build::execution::Flow;
use crate::build::expect::*;
use crate::build::history::{Tree, batches, node};
use crate::build::record::*;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;

crate::cases! {
    group: "execution";

    /// An update of the current run replaces record and current record, patches the items and appends history.
    #[covers("execution.update_execution", "P20", "P11")]
    async fn update_the_current_run(t) {
        let w = Flow::new(t).await?;
        let run = snapshot(t.run(), Created);
        let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
        let mut create = w.brand_new(&run);
        create.history = vec![node(&tree.root, &tree.owner, (1, 2, 10, 0))];
        w.send(&create).await?;
        let change = Mutation {
            upsert_items: [items(2), vec![item(ItemKey::Activity(1))]].concat(),
            delete_items: [keys(3), vec![ItemKey::Child(1)]].concat(),
            buffered_events: Some(blob("buffered")),
            ..mutation(run.run_id, 1, Running)
        };
        let mut update = w.update_current(&change);
        update.history = vec![node(&tree.root, &tree.owner, (3, 4, 11, 10))];
        w.send(&update).await?;
        assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &change));
        assert_eq!(w.current().await?, change.record.current(run.run_id));
        assert_eq!(history(&w, &tree).await?, batches(&[(1, 2, 10, 0), (3, 4, 11, 10)]));
    }

    /// The same for an execution of another archetype, without history.
    #[covers("execution.update_execution")]
    async fn update_of_another_archetype(t) {
        let w = Flow::new(t).await?.kind(12);
        let run = w.begin(t, Running).await?;
        let change = Mutation {
            upsert_items: vec![item(ItemKey::Node("path/1".into())), item(ItemKey::Node("path/1/below".into()))],
            ..mutation(run.run_id, 1, Running)
        };
        w.send(&w.update_current(&change)).await?;
        assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &change));
        assert_eq!(w.current().await?, change.record.current(run.run_id));
    }

    /// An update that does not look at the current record changes a closed run, current or not, and nothing else.
    #[covers("execution.update_execution")]
    async fn update_a_closed_run(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Completed).await?;
        let change = Mutation { upsert_items: items(5), ..mutation(run.run_id, 1, Completed) };
        w.send(&w.update(UpdateMode::IgnoreCurrent, &change)).await?;
        let after = mutated(&created(&run), &change);
        assert_eq!(w.load(run.run_id).await?, after);
        assert_eq!(w.current().await?, run.record.current(run.run_id), "the current record must stay");
        let next = w.reuse(&run, &snapshot(t.run(), Running));
        w.send(&next).await?;
        let again = mutation(run.run_id, 2, Completed);
        w.send(&w.update(UpdateMode::IgnoreCurrent, &again)).await?;
        assert_eq!(w.load(run.run_id).await?, mutated(&after, &again));
        assert_eq!(w.current().await?, next.snapshot.record.current(next.snapshot.run_id));
    }

    /// Updating the current run is refused when another is current, or none; nothing is changed.
    #[covers("execution.update_execution!current_workflow_condition_failed")]
    async fn update_a_run_that_is_not_current(t) {
        let w = Flow::new(t).await?;
        let zombie = w.zombie(t).await?;
        let req = w.touch(zombie.run_id, 1);
        current_failed(w.send(&req).await, None);
        missing(w.current().await);
        let run = w.begin(t, Running).await?;
        current_failed(w.send(&req).await, Some(&run.record.current(run.run_id)));
        assert_eq!(w.current().await?, run.record.current(run.run_id));
        assert_eq!(w.load(zombie.run_id).await?, created(&zombie));
    }

    /// A zombie is updated beside the current run; the current run is not, and a missing record forbids nothing.
    #[covers("P5", "execution.update_execution", "execution.update_execution!current_workflow_condition_failed")]
    async fn update_beside_the_current_run(t) {
        let w = Flow::new(t).await?;
        let zombie = w.zombie(t).await?;
        let alone = mutation(zombie.run_id, 1, Zombie);
        w.send(&w.update(UpdateMode::BypassCurrent, &alone)).await?;
        let run = w.begin(t, Completed).await?;
        let beside = Mutation { upsert_items: items(9), ..mutation(zombie.run_id, 2, Completed) };
        w.send(&w.update(UpdateMode::BypassCurrent, &beside)).await?;
        let after = mutated(&mutated(&created(&zombie), &alone), &beside);
        assert_eq!(w.load(zombie.run_id).await?, after);
        let current = run.record.current(run.run_id);
        assert_eq!(w.current().await?, current);
        let itself = w.update(UpdateMode::BypassCurrent, &mutation(run.run_id, 1, Completed));
        current_failed(w.send(&itself).await, Some(&current));
        assert_eq!(w.load(run.run_id).await?, created(&run));
    }

    /// The compare-and-set is by record version alone: any other version is refused with what is stored, in every mode.
    #[covers("P6", "P20", "execution.update_execution!workflow_condition_failed")]
    async fn update_with_another_version(t) {
        let w = Flow::new(t).await?;
        let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
        for version in [0, 2, 3, -1, i64::MIN, i64::MAX - 1] {
            // The right next event id does not help.
            let mut stale = mutation(run.run_id, version, Running);
            stale.record.next_event_id = run.record.next_event_id;
            let refused = w.send(&w.update_current(&stale)).await;
            run_failed(refused, run.run_id, Some(version), Some(&created(&run)));
            let stale = mutation(zombie.run_id, version, Zombie);
            for mode in [UpdateMode::BypassCurrent, UpdateMode::IgnoreCurrent] {
                let refused = w.send(&w.update(mode, &stale)).await;
                run_failed(refused, zombie.run_id, Some(version), Some(&created(&zombie)));
            }
        }
        assert_eq!(w.load(run.run_id).await?, created(&run));
        assert_eq!(w.load(zombie.run_id).await?, created(&zombie));
        assert_eq!(w.current().await?, run.record.current(run.run_id));
    }

    /// A refused update leaves no trace in the history: no node, and none of the branch that was there is lost.
    #[covers("P11", "execution.update_execution!workflow_condition_failed")]
    async fn refused_update_leaves_history_alone(t) {
        let w = Flow::new(t).await?;
        let run = snapshot(t.run(), Running);
        let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
        let mut create = w.brand_new(&run);
        create.history = vec![node(&tree.root, &tree.owner, (1, 2, 10, 0))];
        w.send(&create).await?;
        let mut stale = w.touch(run.run_id, 7);
        stale.history = vec![node(&tree.root, &tree.owner, (3, 1, 12, 10))];
        run_failed(w.send(&stale).await, run.run_id, Some(7), Some(&created(&run)));
        assert_eq!(history(&w, &tree).await?, batches(&[(1, 2, 10, 0)]));
        let mut good = w.touch(run.run_id, 1);
        good.history = vec![node(&tree.root, &tree.owner, (3, 5, 13, 10))];
        w.send(&good).await?;
        assert_eq!(history(&w, &tree).await?, batches(&[(1, 2, 10, 0), (3, 5, 13, 10)]));
    }

    /// A run that does not exist is refused without a version: on update, reset and set.
    #[covers("P6", "execution.update_execution!workflow_condition_failed", "execution.set_execution!workflow_condition_failed",
        "execution.conflict_resolve_execution!workflow_condition_failed")]
    async fn change_a_run_that_does_not_exist(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Completed).await?;
        let ghost = snapshot(t.run(), Zombie);
        for version in [0, 1, -1] {
            let ghost = Snapshot { record_version: version, ..ghost.clone() };
            for mode in [UpdateMode::BypassCurrent, UpdateMode::IgnoreCurrent] {
                let req = w.update(mode, &mutation(ghost.run_id, version, Completed));
                run_failed(w.send(&req).await, ghost.run_id, Some(version), None);
            }
            run_failed(w.send(&w.set(&ghost)).await, ghost.run_id, Some(version), None);
            let req = w.resolve(ConflictResolveMode::BypassCurrent, &ghost);
            run_failed(w.send(&req).await, ghost.run_id, Some(version), None);
        }
        missing(w.load(ghost.run_id).await);
        // The current run, when its row is gone.
        w.send(&w.delete(run.run_id)).await?;
        run_failed(w.send(&w.touch(run.run_id, 1)).await, run.run_id, Some(1), None);
    }

    /// Items are inserted, replaced and deleted by key; absent ones are ignored; the others stay.
    #[covers("execution.update_execution")]
    async fn items_are_patched(t) {
        let w = Flow::new(t).await?;
        let mut run = snapshot(t.run(), Running);
        run.items = [items(1), items(2), items(3)].concat();
        w.send(&w.brand_new(&run)).await?;
        let mut state = created(&run);
        let changes: [(Vec<Item>, Vec<ItemKey>); 5] = [
            (Vec::new(), keys(2)),
            (items(1), Vec::new()),
            (items(4), keys(77)),
            (items(2), [keys(1), keys(3)].concat()),
            (Vec::new(), [keys(2), keys(4), keys(4)].concat()),
        ];
        for (upsert_items, delete_items) in changes {
            let at = state.record_version;
            let change = Mutation { upsert_items, delete_items, ..mutation(run.run_id, at, Running) };
            w.send(&w.update_current(&change)).await?;
            state = mutated(&state, &change);
            assert_eq!(w.load(run.run_id).await?, state);
        }
        assert!(state.items.is_empty());
    }

    /// An item that is both upserted and deleted in one mutation ends deleted, whether it existed or not.
    #[covers("P23", "execution.update_execution")]
    async fn delete_wins_over_upsert(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let change = Mutation {
            upsert_items: [items(1), items(2), items(3)].concat(),
            delete_items: [keys(1), keys(2)].concat(),
            ..mutation(run.run_id, 1, Running)
        };
        w.send(&w.update_current(&change)).await?;
        let read = w.load(run.run_id).await?;
        assert_eq!(read, mutated(&created(&run), &change));
        assert_eq!(read.items.iter().map(|i| i.key.clone()).collect::<Vec<_>>(), keys(3));
    }

    /// Of upserts with one key the last counts.
    #[covers("execution.update_execution")]
    async fn last_upsert_counts(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let (first, last) = (items(8), items(8));
        let change = Mutation { upsert_items: [first, last.clone()].concat(), ..mutation(run.run_id, 1, Running) };
        w.send(&w.update_current(&change)).await?;
        let read = w.load(run.run_id).await?;
        assert!(last.iter().all(|i| read.items.contains(i)), "{read:?}");
    }

    /// Buffered events keep the order in which they were appended, over many updates with other updates between.
    #[covers("P3", "execution.update_execution")]
    async fn buffered_events_keep_their_order(t) {
        let w = Flow::new(t).await?;
        // Through zero: the order is that of appending, whatever the versions are.
        let run = Snapshot { record_version: -6, ..snapshot(t.run(), Running) };
        w.send(&w.brand_new(&run)).await?;
        let mut state = created(&run);
        for n in 0..30 {
            let buffered_events = (n % 3 != 2).then(|| blob("buffered"));
            let change = Mutation { buffered_events, ..mutation(run.run_id, state.record_version, Running) };
            w.send(&w.update_current(&change)).await?;
            state = mutated(&state, &change);
        }
        assert_eq!(state.buffered_events.len(), 20);
        assert_eq!(w.load(run.run_id).await?, state);
    }

    /// Clearing together with a new batch means clear, then append; clearing alone leaves none; clearing nothing is fine.
    #[covers("P3", "execution.update_execution")]
    async fn buffered_events_are_cleared_then_appended(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let mut state = created(&run);
        let steps = [(true, false), (false, true), (false, true), (true, true), (false, true), (true, false), (false, true)];
        for (clear, append) in steps {
            let change = Mutation {
                clear_buffered_events: clear,
                buffered_events: append.then(|| blob("buffered")),
                ..mutation(run.run_id, state.record_version, Running)
            };
            w.send(&w.update_current(&change)).await?;
            state = mutated(&state, &change);
            assert_eq!(w.load(run.run_id).await?, state, "clear {clear}, append {append}");
        }
    }

    /// An update whose conditions hold but that writes what is stored already still counts: the version moves on.
    #[covers("P21", "execution.update_execution", "execution.set_execution")]
    async fn update_that_changes_nothing_still_applies(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        for version in 1..4 {
            let same = Mutation { record: run.record.clone(), ..mutation(run.run_id, version, Running) };
            w.send(&w.update_current(&same)).await?;
            assert_eq!(w.load(run.run_id).await?, MutableState { record_version: version + 1, ..created(&run) });
        }
        let same = Snapshot { record_version: 4, ..run.clone() };
        w.send(&w.set(&same)).await?;
        assert_eq!(w.load(run.run_id).await?, MutableState { record_version: 5, ..created(&run) });
        run_failed(w.send(&w.touch(run.run_id, 4)).await, run.run_id, Some(4), Some(&w.load(run.run_id).await?));
    }

    /// States that do not go with the mode are invalid, before anything is looked at.
    #[covers("execution.update_execution!invalid_argument")]
    async fn update_states_that_do_not_go_with_the_mode(t) {
        use UpdateMode::*;
        let w = Flow::new(t).await?.fenced(99);
        let open = [Created, Running];
        let all = [Created, Running, Completed, Zombie, Corrupted];
        for mode in [UpdateCurrent, BypassCurrent, IgnoreCurrent] {
            for state in all {
                for new in [None].into_iter().chain(all.map(Some)) {
                    let mut req = w.update(mode, &mutation(t.run(), 1, state));
                    req.new_run = new.map(|new| snapshot(t.run(), new));
                    let allowed = match (mode, new) {
                        (UpdateCurrent, None) => state != Zombie,
                        (UpdateCurrent, Some(new)) => !open.contains(&state) && new != Zombie,
                        (BypassCurrent, None) => !open.contains(&state),
                        (BypassCurrent, Some(new)) => !open.contains(&state) && !open.contains(&new),
                        (_, new) => new.is_none(),
                    };
                    // A corrupted run is changed with a status that closes it.
                    if state == Corrupted {
                        req.mutation.record.status = ExecutionStatus::Failed;
                    }
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

    /// A run is changed to a status that goes with its state: running and zombie are running or paused, created is
    /// running, completed and corrupted are neither.
    #[covers("execution.update_execution!invalid_argument", "execution.conflict_resolve_execution!invalid_argument")]
    async fn update_statuses_that_do_not_go_with_the_state(t) {
        use ExecutionStatus as S;
        let w = Flow::new(t).await?.fenced(99);
        let statuses =
            [S::Running, S::Paused, S::Completed, S::Failed, S::Canceled, S::Terminated, S::ContinuedAsNew, S::TimedOut];
        for state in [Created, Running, Completed, Zombie, Corrupted] {
            for status in statuses {
                let open = status == S::Running || status == S::Paused;
                let allowed = match state {
                    Running | Zombie => open,
                    Created => status == S::Running,
                    _ => !open,
                };
                let record = record_as(state, status);
                let change = Mutation { record: record.clone(), ..mutation(t.run(), 1, state) };
                let mut results = vec![w.send(&w.update(UpdateMode::IgnoreCurrent, &change)).await];
                let reset = Snapshot { record, ..snapshot(t.run(), state) };
                let mode = match state {
                    Zombie => ConflictResolveMode::BypassCurrent,
                    _ => ConflictResolveMode::UpdateCurrent,
                };
                results.push(w.send(&w.resolve(mode, &reset)).await);
                for result in results {
                    if allowed {
                        shard_lost(result, 99, Some(2));
                    } else {
                        invalid(result);
                    }
                }
            }
        }
    }
}
