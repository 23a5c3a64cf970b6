//! Many plans of one shard, each with an outcome of its own.

use super::execution_create::history;
use crate::build::execution::{Flow, move_shard};
use crate::build::expect::*;
use crate::build::history::{Tree, batches, node};
use crate::build::record::*;
use crate::race::{Overlap, race};
use persistence_core::RunId;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::transition::TransitionPlan;

/// The plan of a request that is valid.
fn plan(lowered: persistence_core::Result<TransitionPlan>) -> TransitionPlan {
    lowered.unwrap()
}

crate::cases! {
    group: "apply";

    /// No plans, no outcomes.
    #[covers("P22", "execution.apply")]
    async fn no_plans(t) {
        let w = Flow::new(t).await?;
        assert_eq!(w.apply(Vec::new()).await?.len(), 0);
    }

    /// Plans of strangers are all applied, whatever they are: create, update, set, delete, tasks.
    #[covers("P22", "execution.apply")]
    async fn strangers_are_all_applied(t) {
        let w = Flow::new(t).await?;
        let flows: Vec<_> = (0..5).map(|_| w.sibling(t)).collect();
        let mut runs = Vec::new();
        for w in &flows[1..] {
            runs.push(w.begin(t, Running).await?);
        }
        let new = snapshot(t.run(), Running);
        let tree = Tree::of(t, w.shard_id, flows[0].run_key(new.run_id));
        let mut create = flows[0].brand_new(&new);
        create.history = vec![node(&tree.root, &tree.owner, (1, 2, 5, 0))];
        let change = Mutation { tasks: vec![immediate(TaskCategory::TRANSFER, 1)], ..mutation(runs[0].run_id, 1, Running) };
        let set = snapshot(runs[1].run_id, Running);
        let tasks = w.add_tasks(&[immediate(TaskCategory::TRANSFER, 2)]);
        let outcomes = w.apply(vec![
            plan(create.lower()),
            plan(flows[1].update_current(&change).lower()),
            plan(flows[2].set(&set).lower()),
            plan(flows[3].delete(runs[2].run_id).lower()),
            plan(flows[4].delete_current(runs[3].run_id).lower()),
            plan(tasks.lower()),
        ]).await?;
        assert_eq!(outcomes.len(), 6);
        for (i, outcome) in outcomes.into_iter().enumerate() {
            outcome.unwrap_or_else(|e| panic!("plan {i}: {e}"));
        }
        assert_eq!(flows[0].load(new.run_id).await?, created(&new));
        assert_eq!(history(&flows[0], &tree).await?, batches(&[(1, 2, 5, 0)]));
        assert_eq!(flows[1].load(runs[0].run_id).await?, mutated(&created(&runs[0]), &change));
        assert_eq!(flows[2].load(set.run_id).await?, replaced(&set));
        missing(flows[3].load(runs[2].run_id).await);
        missing(flows[4].current().await);
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, [change.tasks, tasks.tasks].concat());
    }

    /// Each plan has its own outcome, with the details of its own refusal; the refused ones leave nothing, and do the others
    /// no harm.
    #[covers("P22", "P6", "execution.apply!shard_ownership_lost", "execution.apply!current_workflow_condition_failed",
        "execution.apply!workflow_condition_failed")]
    async fn refused_plans_do_no_harm(t) {
        let w = Flow::new(t).await?;
        let flows: Vec<_> = (0..9).map(|_| w.sibling(t)).collect();
        let mut runs = Vec::new();
        for w in &flows {
            runs.push(w.begin(t, Running).await?);
        }
        let task = |n| vec![immediate(TaskCategory::TRANSFER, n)];
        let change = |i: usize, version, n| Mutation { tasks: task(n), ..mutation(runs[i].run_id, version, Running) };
        let good = [change(0, 1, 1), change(4, 1, 5), change(8, 1, 9)];
        let brand_new = Snapshot { tasks: task(2), ..snapshot(t.run(), Running) };
        let outcomes = w.apply(vec![
            plan(flows[0].update_current(&good[0]).lower()),
            plan(flows[1].brand_new(&brand_new).lower()),
            plan(flows[2].update_current(&change(2, 7, 3)).lower()),
            plan(flows[3].fenced(1).update_current(&change(3, 1, 4)).lower()),
            plan(flows[4].update_current(&good[1]).lower()),
            plan(flows[5].set(&Snapshot { run_id: brand_new.run_id, ..brand_new.clone() }).lower()),
            plan(flows[6].fenced(3).add_tasks(&task(7)).lower()),
            plan(flows[7].update(UpdateMode::BypassCurrent, &Mutation { record: record(Completed), ..change(7, 1, 8) }).lower()),
            plan(flows[8].update_current(&good[2]).lower()),
        ]).await?;
        let mut outcomes = outcomes.into_iter();
        let mut next = || outcomes.next().unwrap();
        next()?;
        current_failed(next(), Some(&runs[1].record.current(runs[1].run_id)));
        run_failed(next(), runs[2].run_id, Some(7), Some(&created(&runs[2])));
        shard_lost(next(), 1, Some(2));
        next()?;
        run_failed(next(), brand_new.run_id, Some(1), None);
        shard_lost(next(), 3, Some(2));
        current_failed(next(), Some(&runs[7].record.current(runs[7].run_id)));
        next()?;
        assert!(outcomes.next().is_none());
        for (i, run) in runs.iter().enumerate() {
            let want = match i {
                0 | 4 | 8 => mutated(&created(run), &good[i / 4]),
                _ => created(run),
            };
            assert_eq!(flows[i].load(run.run_id).await?, want, "{i}");
        }
        missing(flows[1].load(brand_new.run_id).await);
        let done: Vec<_> = good.iter().flat_map(|m| m.tasks.clone()).collect();
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, done);
    }

    /// Plans that touch the same run take effect in the order given: a chain of updates all succeeds.
    #[covers("P22", "execution.apply")]
    async fn updates_of_one_run_in_order(t) {
        let w = Flow::new(t).await?;
        let run = snapshot(t.run(), Running);
        let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
        let mut create = w.brand_new(&run);
        create.history = vec![node(&tree.root, &tree.owner, (1, 1, 1, 0))];
        let mut plans = vec![plan(create.lower())];
        let mut state = created(&run);
        for version in 1..12 {
            let change = Mutation {
                upsert_items: items(version % 3),
                buffered_events: Some(blob("buffered")),
                ..mutation(run.run_id, version, Running)
            };
            let mut update = w.update_current(&change);
            update.history = vec![node(&tree.root, &tree.owner, (version + 1, 1, version + 1, version))];
            plans.push(plan(update.lower()));
            state = mutated(&state, &change);
        }
        for outcome in w.apply(plans).await? {
            outcome?;
        }
        assert_eq!(w.load(run.run_id).await?, state);
        assert_eq!(history(&w, &tree).await?.len(), 12);
    }

    /// Of plans with one version of one run the first wins, and the others are told what it left.
    #[covers("P22", "execution.apply!workflow_condition_failed")]
    async fn first_plan_of_a_version_wins(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let changes: Vec<_> = (0..5).map(|_| mutation(run.run_id, 1, Running)).collect();
        let plans = changes.iter().map(|m| plan(w.update_current(m).lower())).collect();
        let mut outcomes = w.apply(plans).await?.into_iter();
        outcomes.next().unwrap()?;
        let won = mutated(&created(&run), &changes[0]);
        for lost in outcomes {
            run_failed(lost, run.run_id, Some(1), Some(&won));
        }
        assert_eq!(w.load(run.run_id).await?, won);
    }

    /// Plans that touch one current record take effect in order: create, complete, reuse, delete, create again.
    #[covers("P22", "P4", "execution.apply")]
    async fn one_current_record_in_order(t) {
        let w = Flow::new(t).await?;
        let (mut first, second, third) = (snapshot(t.run(), Running), snapshot(t.run(), Running), snapshot(t.run(), Running));
        let end = mutation(first.run_id, 1, Completed);
        let early = plan(w.reuse(&first, &second).lower());
        let begin = plan(w.brand_new(&first).lower());
        first.record = end.record.clone();
        let outcomes = w.apply(vec![
            early.clone(),
            begin,
            early,
            plan(w.update_current(&end).lower()),
            plan(w.reuse(&first, &second).lower()),
            plan(w.brand_new(&third).lower()),
            plan(w.delete_current(second.run_id).lower()),
            plan(w.brand_new(&third).lower()),
        ]).await?;
        let failed: Vec<_> = outcomes.iter().map(Result::is_err).collect();
        assert_eq!(failed, [true, false, true, false, false, true, false, false], "{outcomes:?}");
        let current = second.record.current(second.run_id);
        current_failed(outcomes.into_iter().nth(5).unwrap(), Some(&current));
        assert_eq!(w.current().await?, third.record.current(third.run_id));
    }

    /// Plans with one task key take effect in order: the last one's task is there.
    #[covers("P22", "P7", "execution.apply")]
    async fn one_task_key_in_order(t) {
        let w = Flow::new(t).await?;
        let tasks: Vec<_> = (0..4).map(|_| immediate(TaskCategory::TRANSFER, 1)).collect();
        let plans = tasks.iter().map(|task| plan(w.add_tasks(std::slice::from_ref(task)).lower())).collect();
        for outcome in w.apply(plans).await? {
            outcome?;
        }
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, tasks[3..]);
    }

    /// A run that is deleted and made again in one call is the new one.
    #[covers("P22", "execution.apply", "execution.delete_execution")]
    async fn delete_and_create_in_order(t) {
        let w = Flow::new(t).await?;
        let old = w.zombie(t).await?;
        let new = Snapshot { record_version: 9, items: items(4), ..snapshot(old.run_id, Zombie) };
        let create = || plan(w.create(CreateMode::BypassCurrent, &new).lower());
        let outcomes = w.apply(vec![create(), plan(w.delete(old.run_id).lower()), create()]).await?;
        let failed: Vec<_> = outcomes.iter().map(Result::is_err).collect();
        assert_eq!(failed, [true, false, false], "{outcomes:?}");
        assert_eq!(w.load(new.run_id).await?, created(&new));
    }

    /// Plans may hold different range ids: those of the owner are applied, all others are refused, whatever stands first.
    #[covers("P22", "execution.apply!shard_ownership_lost")]
    async fn plans_with_different_range_ids(t) {
        let w = Flow::new(t).await?;
        w.send(&move_shard(w.shard_id, 2, 5)).await?;
        let ranges = [2, 5, 1, 5, 7, 5, 2];
        let runs: Vec<_> = ranges.map(|r| (w.fenced(r).sibling(t), snapshot(t.run(), Running))).into();
        let plans = runs.iter().map(|(w, s)| plan(w.brand_new(s).lower())).collect();
        for (outcome, (w, run)) in w.apply(plans).await?.into_iter().zip(runs) {
            if w.range_id == 5 {
                outcome?;
                assert_eq!(w.load(run.run_id).await?, created(&run));
            } else {
                shard_lost(outcome, w.range_id, Some(5));
                missing(w.load(run.run_id).await);
            }
        }
        // An unfenced delete goes with any of them.
        let w = w.fenced(5);
        let zombie = w.zombie(t).await?;
        let stale = w.fenced(2).sibling(t).brand_new(&snapshot(t.run(), Running));
        let outcomes = w.apply(vec![plan(stale.lower()), plan(w.delete(zombie.run_id).lower())]).await?;
        assert!(outcomes[0].is_err() && outcomes[1].is_ok(), "{outcomes:?}");
        missing(w.load(zombie.run_id).await);
    }

    /// Plans of another shard are invalid, and none of the call is applied.
    #[covers("P22", "execution.apply!invalid_argument")]
    async fn plans_of_another_shard(t) {
        let (w, other) = (Flow::new(t).await?, Flow::new(t).await?);
        let (mine, theirs) = (snapshot(t.run(), Running), snapshot(t.run(), Running));
        invalid(w.apply(vec![plan(w.brand_new(&mine).lower()), plan(other.brand_new(&theirs).lower())]).await);
        missing(w.load(mine.run_id).await);
        missing(other.load(theirs.run_id).await);
    }

    /// In a shard that does not exist every fenced plan is refused.
    #[covers("P1", "execution.apply!shard_ownership_lost")]
    async fn plans_of_a_missing_shard(t) {
        let w = Flow { shard_id: t.shard(), ..Flow::new(t).await? };
        let plans = (0..3).map(|_| plan(w.sibling(t).brand_new(&snapshot(t.run(), Running)).lower())).collect();
        for outcome in w.apply(plans).await? {
            shard_lost(outcome, 2, None);
        }
    }

    /// More plans than fit into one write: all are applied, in order where they overlap.
    #[covers("P22", "execution.apply")]
    async fn more_than_one_wave(t) {
        let w = Flow::new(t).await?;
        let mut plans = Vec::new();
        let mut want = Vec::new();
        for n in 0..150 {
            let w = w.named(format!("{} {n}", w.workflow_id));
            let mut run = snapshot(t.run(), Running);
            run.items = (0..12).flat_map(items).collect();
            plans.push(plan(w.brand_new(&run).lower()));
            let change = Mutation { delete_items: (0..6).flat_map(keys).collect(), ..mutation(run.run_id, 1, Running) };
            plans.push(plan(w.update_current(&change).lower()));
            // Every tenth is refused.
            if n % 10 == 0 {
                plans.push(plan(w.touch(run.run_id, 1).lower()));
            }
            want.push((w, mutated(&created(&run), &change), run.run_id));
        }
        let (count, outcomes) = (plans.len(), w.apply(plans).await?);
        assert_eq!(outcomes.len(), count);
        assert_eq!(outcomes.iter().filter(|o| o.is_err()).count(), 15);
        for (w, state, run) in want {
            assert_eq!(w.load(run).await?, state);
        }
    }

    /// Calls with many plans race with each other on the same runs: each version is written once, and every success counts.
    #[covers("P22", "execution.apply")]
    #[kind(Calm)]
    async fn calls_race(t) {
        let w = Flow::new(t).await?;
        let flows: Vec<_> = (0..6).map(|_| w.sibling(t)).collect();
        let mut runs = Vec::new();
        for w in &flows {
            runs.push(w.begin(t, Running).await?.run_id);
        }
        let overlap = Overlap::new();
        let done = race(6, |_, line| {
            let (flows, runs, overlap) = (flows.clone(), runs.clone(), overlap.clone());
            async move {
                let mut done = vec![0i64; runs.len()];
                line.wait().await;
                for _ in 0..15 {
                    let _inside = overlap.enter();
                    let mut plans = Vec::new();
                    for (w, run) in flows.iter().zip(&runs) {
                        let at = w.load(*run).await.unwrap().record_version;
                        plans.push(plan(w.touch(*run, at).lower()));
                    }
                    tokio::task::yield_now().await;
                    for (i, outcome) in flows[0].apply(plans).await.unwrap().into_iter().enumerate() {
                        done[i] += i64::from(outcome.is_ok());
                    }
                }
                done
            }
        })
        .await;
        for (i, run) in runs.iter().enumerate() {
            let sum: i64 = done.iter().map(|d| d[i]).sum();
            assert_eq!(flows[i].load(*run).await?.record_version, 1 + sum, "run {i}");
        }
        assert!(overlap.max() > 1, "the calls came one after the other");
    }

    /// A plan keeps its attempt: the same plan twice in one call is one write and one repeat, which is not a second write.
    #[covers("P22", "P13", "execution.apply")]
    async fn the_same_plan_twice(t) {
        let w = Flow::new(t).await?;
        let run = snapshot(RunId::new(), Running);
        let create = plan(w.brand_new(&run).lower());
        let outcomes = w.apply(vec![create.clone(), create]).await?;
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
        assert_eq!(w.load(run.run_id).await?, created(&run));
        let change = plan(w.touch(run.run_id, 1).lower());
        w.apply(vec![change.clone(), change]).await?[0].clone()?;
        assert_eq!(w.load(run.run_id).await?.record_version, 2);
    }
}
