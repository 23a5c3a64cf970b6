//! Races for one queue.

use super::{created, get, tasks};
use crate::build::expect::failed;
use crate::build::task::{add, classic, create, queue, queue_key, update};
use crate::race::race;
use crate::{Fault, FaultRule};
use persistence_core::store::TaskQueue;
use persistence_core::{Detail, ErrorKind};
use std::time::Duration;

const OWNERS: usize = 8;

/// Has the first write of every racer wait in every other round, so that all of them are under way at once.
fn collide(t: &crate::Fixture, round: i64) {
    if round % 2 == 0 {
        let slow = Fault::Cut(Some(Duration::from_millis(4)));
        t.faults.script(FaultRule::write(slow).table("task_queues").times(OWNERS as u64));
    }
}

fn number(i: usize) -> i64 {
    i64::try_from(i).unwrap()
}

crate::cases! {
    group: "task";

    /// Of many owners that take a queue over at once one wins, and the others are told by whom they lost.
    #[covers("P13", "task.update_task_queue", "task.update_task_queue!condition_failed")]
    async fn one_owner_wins_a_queue(t) {
        for round in 0..6 {
            let key = created(t, 1).await?;
            collide(t, round);
            let results = race(OWNERS, |i, line| {
                let (p, cx, key) = (t.p.clone(), t.cx(), key.clone());
                async move {
                    line.wait().await;
                    p.tasks().update_task_queue(&cx, &update(&key, 1, 10 + number(i), None)).await
                }
            })
            .await;
            let winners: Vec<_> = (10..).zip(&results).filter(|(_, r)| r.is_ok()).map(|(i, _)| i).collect();
            assert_eq!(winners.len(), 1, "{results:?}");
            assert_eq!(get(t, &key).await?, queue(&key, winners[0], None));
            for r in results.into_iter().filter(Result::is_err) {
                let e = failed(r, ErrorKind::ConditionFailed);
                assert!(matches!(e.detail(), Detail::ConditionFailed { actual, .. } if *actual == Some(winners[0])), "{e}");
            }
        }
    }

    /// Of many that create a queue at once one wins.
    #[covers("P13", "task.create_task_queue", "task.create_task_queue!condition_failed")]
    async fn one_creator_wins_a_queue(t) {
        for round in 0..6 {
            let key = queue_key(t);
            collide(t, round);
            let results = race(OWNERS, |i, line| {
                let (p, cx, key) = (t.p.clone(), t.cx(), key.clone());
                async move {
                    line.wait().await;
                    p.tasks().create_task_queue(&cx, &create(&key, 10 + number(i), None)).await
                }
            })
            .await;
            let winners: Vec<_> = (10..).zip(&results).filter(|(_, r)| r.is_ok()).map(|(i, _)| i).collect();
            assert_eq!(winners.len(), 1, "{results:?}");
            assert_eq!(get(t, &key).await?, queue(&key, winners[0], None));
            for r in results.into_iter().filter(Result::is_err) {
                let e = failed(r, ErrorKind::ConditionFailed);
                assert!(matches!(e.detail(), Detail::ConditionFailed { actual, .. } if *actual == Some(winners[0])), "{e}");
            }
        }
    }

    /// Tasks added while the queue is taken over are all there if the add succeeded, and none of them if it was refused.
    #[covers("P17", "task.create_tasks", "task.create_tasks!condition_failed", "task.update_task_queue")]
    #[kind(Calm)]
    async fn adds_and_takeovers_serialise(t) {
        let (mut added, mut shut_out) = (0, 0);
        for round in 0..20 {
            let key = created(t, 1).await?;
            let results = race(6, |i, line| {
                let (p, cx, key) = (t.p.clone(), t.cx(), key.clone());
                async move {
                    line.wait().await;
                    if i == round % 6 {
                        return (i, p.tasks().update_task_queue(&cx, &update(&key, 1, 2, None)).await);
                    }
                    let id = number(i) * 10;
                    (i, p.tasks().create_tasks(&cx, &add(&key, 1, &[classic(id), classic(id + 1)])).await)
                }
            })
            .await;
            let mut expected = Vec::new();
            for (i, result) in results {
                match result {
                    Ok(()) if i == round % 6 => {}
                    Ok(()) => {
                        added += 1;
                        expected.extend([classic(number(i) * 10), classic(number(i) * 10 + 1)]);
                    }
                    Err(e) => {
                        shut_out += 1;
                        failed::<()>(Err(e), ErrorKind::ConditionFailed);
                    }
                }
            }
            assert_eq!(tasks(t, &key).await?, expected);
            assert!(matches!(get(t, &key).await?, TaskQueue { range_id: 2, .. }));
        }
        assert_eq!(added + shut_out, 100);
    }

    /// Concurrent adds by the owner all arrive.
    #[covers("task.create_tasks")]
    async fn concurrent_adds_all_arrive(t) {
        let key = created(t, 1).await?;
        collide(t, 0);
        race(OWNERS, |i, line| {
            let (p, cx, key) = (t.p.clone(), t.cx(), key.clone());
            async move {
                line.wait().await;
                let some: Vec<_> = (0..5).map(|k| classic(number(i) * 5 + k)).collect();
                p.tasks().create_tasks(&cx, &add(&key, 1, &some)).await.unwrap();
            }
        })
        .await;
        assert_eq!(tasks(t, &key).await?, (0..number(OWNERS) * 5).map(classic).collect::<Vec<_>>());
    }
}
