//! Many writers on one condition.

use crate::build::execution::{Flow, move_shard};
use crate::build::expect::*;
use crate::build::record::*;
use crate::race::{Overlap, race};
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{Detail, ErrorKind, RunId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const WRITERS: usize = 8;

crate::cases! {
    group: "execution";

    /// Of many writers that change one version of a run exactly one wins each round; the losers see its version, and
    /// nothing of theirs is left: no item, no task.
    #[covers("execution.update_execution", "execution.update_execution!workflow_condition_failed")]
    async fn one_writer_wins(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let mut state = created(&run);
        let mut tasks = Vec::new();
        for version in 1..13 {
            let outcomes = race(WRITERS, |i, line| {
                let (w, run_id) = (w.clone(), run.run_id);
                async move {
                    let n = i64::try_from(i).unwrap();
                    let read = w.load(run_id).await.unwrap();
                    let change = Mutation {
                        upsert_items: items(n),
                        buffered_events: Some(blob("buffered")),
                        tasks: vec![immediate(TaskCategory::TRANSFER, 100 * version + n)],
                        ..mutation(run_id, read.record_version, Running)
                    };
                    line.wait().await;
                    (w.send(&w.update_current(&change)).await, change)
                }
            })
            .await;
            let won: Vec<_> = outcomes.iter().filter(|(r, _)| r.is_ok()).map(|(_, m)| m.clone()).collect();
            assert_eq!(won.len(), 1, "version {version}");
            state = mutated(&state, &won[0]);
            tasks.extend(won[0].tasks.clone());
            for (result, _) in outcomes.into_iter().filter(|(r, _)| r.is_err()) {
                run_failed(result, run.run_id, Some(version), Some(&state));
            }
            assert_eq!(w.load(run.run_id).await?, state);
            assert_eq!(w.current().await?, won[0].record.current(run.run_id));
        }
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, tasks);
    }

    /// Runs of the same name in many shards, written at the same moment, are others: each keeps its own state, and whoever lost
    /// its shard writes nothing, whatever those beside it do.
    #[covers("execution.create_execution", "execution.update_execution!shard_ownership_lost")]
    async fn the_same_run_in_other_shards_is_another(t) {
        let first = Flow::new(t).await?;
        let run = snapshot(t.run(), Running);
        let mut flows = vec![first.clone()];
        for _ in 1..2 * WRITERS {
            let shard_id = Flow::new(t).await?.shard_id;
            flows.push(Flow { shard_id, ..first.clone() });
        }
        let flows = Arc::new(flows);
        let change = |i: i64, version: i64| {
            Mutation { upsert_items: items(100 * version + i), ..mutation(run.run_id, version, Running) }
        };
        let rounds: Vec<Vec<Mutation>> =
            (1..6).map(|version| (0..).take(flows.len()).map(|i| change(i, version)).collect()).collect();
        let results = race(flows.len(), |i, line| {
            let (w, run) = (flows[i].clone(), run.clone());
            async move {
                line.wait().await;
                w.send(&w.brand_new(&run)).await
            }
        })
        .await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        for w in flows.iter().skip(1).step_by(2) {
            w.p.shards().update_shard(&w.cx(), &move_shard(w.shard_id, 2, 3)).await?;
        }
        for round in &rounds {
            let results = race(flows.len(), |i, line| {
                let (w, change) = (flows[i].clone(), round[i].clone());
                async move {
                    line.wait().await;
                    w.send(&w.update_current(&change)).await
                }
            })
            .await;
            for (i, result) in results.into_iter().enumerate() {
                let owned = i % 2 == 0;
                assert_eq!(result.is_ok(), owned, "shard {i}: {result:?}");
                if let Err(e) = result {
                    assert_eq!(e.kind(), ErrorKind::ShardOwnershipLost, "shard {i}");
                }
            }
        }
        for (i, w) in flows.iter().enumerate() {
            let changes = rounds.iter().map(|round| &round[i]).filter(|_| i % 2 == 0);
            let expected = changes.fold(created(&run), |state, change| mutated(&state, change));
            assert_eq!(w.load(run.run_id).await?, expected, "shard {i}");
        }
    }

    /// Of many who create a run under one workflow id one wins; the losers see the winner's record, and leave no run.
    #[covers("execution.create_execution", "execution.create_execution!current_workflow_condition_failed")]
    async fn one_creator_wins(t) {
        let w = Flow::new(t).await?;
        for _ in 0..8 {
            let w = w.sibling(t);
            let outcomes = race(WRITERS, |_, line| {
                let w = w.clone();
                async move {
                    let run = snapshot(RunId::new(), Running);
                    missing(w.current().await);
                    line.wait().await;
                    (w.send(&w.brand_new(&run)).await, run)
                }
            })
            .await;
            let won: Vec<_> = outcomes.iter().filter(|(r, _)| r.is_ok()).map(|(_, s)| s.clone()).collect();
            assert_eq!(won.len(), 1, "{outcomes:?}");
            let current = won[0].record.current(won[0].run_id);
            assert_eq!(w.current().await?, current);
            for (result, run) in outcomes.into_iter().filter(|(r, _)| r.is_err()) {
                current_failed(result, Some(&current));
                missing(w.load(run.run_id).await);
            }
        }
    }

    /// Of many who create one run beside the current record one wins; the losers see its version.
    #[covers("execution.create_execution", "execution.create_execution!workflow_condition_failed", "P5")]
    async fn one_creator_of_a_zombie_wins(t) {
        let w = Flow::new(t).await?;
        for _ in 0..8 {
            let run_id = t.run();
            let outcomes = race(WRITERS, |_, line| {
                let w = w.clone();
                async move {
                    let run = snapshot(run_id, Zombie);
                    line.wait().await;
                    (w.send(&w.create(CreateMode::BypassCurrent, &run)).await, run)
                }
            })
            .await;
            let won: Vec<_> = outcomes.iter().filter(|(r, _)| r.is_ok()).map(|(_, s)| s.clone()).collect();
            assert_eq!(won.len(), 1, "{outcomes:?}");
            assert_eq!(w.load(run_id).await?, created(&won[0]));
            for (result, _) in outcomes.into_iter().filter(|(r, _)| r.is_err()) {
                run_failed(result, run_id, None, Some(&created(&won[0])));
            }
        }
    }

    /// Of many who reuse a workflow id after one completed run one wins.
    #[covers("P4", "execution.create_execution!current_workflow_condition_failed")]
    async fn one_reuse_wins(t) {
        let w = Flow::new(t).await?;
        let mut last = w.begin(t, Completed).await?;
        for _ in 0..8 {
            let outcomes = race(WRITERS, |_, line| {
                let (w, last) = (w.clone(), last.clone());
                async move {
                    let run = snapshot(RunId::new(), Completed);
                    assert_eq!(w.current().await.unwrap().run_id, last.run_id);
                    line.wait().await;
                    (w.send(&w.reuse(&last, &run)).await, run)
                }
            })
            .await;
            let won: Vec<_> = outcomes.iter().filter(|(r, _)| r.is_ok()).map(|(_, s)| s.clone()).collect();
            assert_eq!(won.len(), 1, "{outcomes:?}");
            last = won[0].clone();
            let current = last.record.current(last.run_id);
            for (result, run) in outcomes.into_iter().filter(|(r, _)| r.is_err()) {
                current_failed(result, Some(&current));
                missing(w.load(run.run_id).await);
            }
        }
    }

    /// No increment is lost: 8 writers that load, change and try again, 100 times each, come to 800.
    #[covers("execution.update_execution", "execution.get_execution", "P20")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn no_increment_is_lost(t) {
        let w = Flow::new(t).await?;
        let mut run = Snapshot { items: Vec::new(), record_version: 0, ..snapshot(t.run(), Running) };
        run.record.next_event_id = 0;
        w.send(&w.brand_new(&run)).await?;
        let (lost, overlap) = (Arc::new(AtomicU64::new(0)), Overlap::new());
        race(WRITERS, |_, line| {
            let (w, run_id) = (w.clone(), run.run_id);
            let (lost, overlap) = (lost.clone(), overlap.clone());
            async move {
                line.wait().await;
                for _ in 0..100 {
                    loop {
                        let _inside = overlap.enter();
                        let read = w.load(run_id).await.unwrap();
                        // Others may come between reading and writing: that is what a compare-and-set is for.
                        tokio::task::yield_now().await;
                        let mut change = mutation(run_id, read.record_version, Running);
                        change.record.next_event_id = read.record.next_event_id + 1;
                        match w.send(&w.update_current(&change)).await {
                            Ok(()) => break,
                            Err(e) => assert_eq!(e.kind(), ErrorKind::WorkflowConditionFailed, "{e}"),
                        }
                        lost.fetch_add(1, SeqCst);
                    }
                }
            }
        })
        .await;
        let end = w.load(run.run_id).await?;
        assert_eq!((end.record_version, end.record.next_event_id), (800, 800));
        assert!(overlap.max() > 1 && lost.load(SeqCst) > 0, "the writers came one after the other");
    }

    /// The bypass check is part of the unit: of a zombie's update and a resolution that makes it current, whichever comes
    /// second is refused; a run is never changed beside the record while it is current.
    #[covers("P5", "execution.update_execution!current_workflow_condition_failed")]
    async fn bypass_check_is_part_of_the_unit(t) {
        let w = Flow::new(t).await?;
        let (mut bypassed, mut resolved) = (0, 0);
        for _ in 0..30 {
            let w = w.sibling(t);
            let run = w.begin(t, Completed).await?;
            let run2 = w.create(CreateMode::BypassCurrent, &snapshot(t.run(), Completed));
            w.send(&run2).await?;
            let zombie = run2.snapshot;
            let outcomes = race(2, |i, line| {
                let (w, run, zombie) = (w.clone(), run.clone(), zombie.clone());
                async move {
                    line.wait().await;
                    if i == 0 {
                        return w.send(&w.update(UpdateMode::BypassCurrent, &mutation(zombie.run_id, 1, Completed))).await;
                    }
                    let mut req = w.resolve(ConflictResolveMode::UpdateCurrent, &snapshot(zombie.run_id, Completed));
                    req.current = Some(mutation(run.run_id, 1, Zombie));
                    w.send(&req).await
                }
            })
            .await;
            let current = w.current().await?;
            match (&outcomes[0], &outcomes[1]) {
                (Ok(()), Err(e)) => {
                    assert_eq!(e.kind(), ErrorKind::WorkflowConditionFailed, "{e}");
                    assert_eq!(current.run_id, run.run_id);
                    bypassed += 1;
                }
                (Err(e), Ok(())) => {
                    let Detail::CurrentWorkflowConditionFailed { current: Some(found) } = e.detail() else { panic!("{e}") };
                    assert_eq!((&**found, found.run_id), (&current, zombie.run_id));
                    resolved += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(bypassed + resolved, 30);
    }

    /// While a shard changes hands, of each owner's writes exactly those are done that came before the change.
    #[covers("execution.update_execution!shard_ownership_lost", "shard.update_shard")]
    async fn writes_race_with_a_change_of_owner(t) {
        let w = Flow::new(t).await?;
        let mut held = w.range_id;
        for _ in 0..8 {
            let run = w.fenced(held).sibling(t);
            let first = run.begin(t, Running).await?;
            let writers = race(WRITERS, |i, line| {
                let (run, first) = (run.clone(), first.clone());
                async move {
                    line.wait().await;
                    if i == 0 {
                        let take = crate::build::execution::move_shard(run.shard_id, run.range_id, run.range_id + 1);
                        return run.send(&take).await;
                    }
                    let mine = run.named(format!("{} {i}", run.workflow_id));
                    mine.send(&mine.brand_new(&Snapshot { run_id: RunId::new(), ..first })).await
                }
            })
            .await;
            assert!(writers[0].is_ok(), "{:?}", writers[0]);
            held += 1;
            let mut done = BTreeSet::new();
            for (i, result) in writers.into_iter().enumerate().skip(1) {
                let mine = run.named(format!("{} {i}", run.workflow_id));
                if result.is_ok() {
                    mine.current().await?;
                    done.insert(i);
                } else {
                    shard_lost(result, held - 1, Some(held));
                    missing(mine.current().await);
                }
            }
            let late = run.sibling(t);
            shard_lost(late.send(&late.brand_new(&first)).await, held - 1, Some(held));
        }
    }

    /// Writers on different runs of one shard do not refuse each other.
    #[covers("execution.update_execution", "execution.create_execution")]
    async fn strangers_do_not_conflict(t) {
        let w = Flow::new(t).await?;
        let overlap = Overlap::new();
        race(WRITERS, |_, line| {
            let (w, overlap) = (w.sibling(t), overlap.clone());
            async move {
                let run = snapshot(RunId::new(), Running);
                line.wait().await;
                let _inside = overlap.enter();
                w.send(&w.brand_new(&run)).await.unwrap();
                for version in 1..15 {
                    w.send(&w.touch(run.run_id, version)).await.unwrap();
                }
                assert_eq!(w.load(run.run_id).await.unwrap().record_version, 15);
            }
        })
        .await;
        assert!(overlap.max() > 1, "the writers came one after the other");
    }
}
