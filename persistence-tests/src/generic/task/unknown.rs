//! Answers that get lost.

use super::{created_until, get, refused, tasks};
use crate::build::expect::{failed, missing};
use crate::build::task::*;
use crate::generic::history::UNKNOWN;
use crate::generic::interrupt::meanwhile;
use crate::generic::unknown::{honest, unanswered};
use crate::{Fault, FaultRule};
use persistence_core::store::*;
use persistence_core::{Clock, ErrorKind, Outcome, Result, Timestamp};
use std::time::Duration;

fn lose(t: &crate::Fixture, fault: Fault, times: u64) {
    t.faults.script(FaultRule::write(fault).table("task_queues").times(times));
}

/// Expiries to try everything with: a queue with an expiry is written in another way than one without.
fn lives(t: &crate::Fixture) -> [Option<Timestamp>; 2] {
    [None, Some(t.clock.now().after(Duration::from_secs(60)))]
}

crate::cases! {
    group: "task";

    /// A create whose answer is lost made the queue.
    #[covers("P13", "task.create_task_queue")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_create_is_found(t) {
        for fault in UNKNOWN {
            for times in [1, 2] {
                for expires_at in lives(t) {
                    let key = queue_key(t);
                    lose(t, fault, times);
                    t.p.tasks().create_task_queue(&t.cx(), &create(&key, 5, expires_at)).await?;
                    t.faults.release().await;
                    assert_eq!(get(t, &key).await?, queue(&key, 5, expires_at));
                }
            }
        }
    }

    /// A create whose answer is lost takes the place of an expired queue.
    #[covers("P13", "P18", "task.create_task_queue")]
    #[kind(Calm)]
    async fn a_lost_create_over_an_expired_queue_is_found(t) {
        for fault in UNKNOWN {
            for times in [1, 2, 3] {
                let key = created_until(t, 5, Some(t.clock.now().after(Duration::from_secs(1)))).await?;
                t.clock.advance(Duration::from_secs(1));
                lose(t, fault, times);
                t.p.tasks().create_task_queue(&t.cx(), &create(&key, 2, None)).await?;
                t.faults.release().await;
                assert_eq!(get(t, &key).await?, queue(&key, 2, None));
            }
        }
    }

    /// An update whose answer is lost was done: a takeover, and one that keeps the range id.
    #[covers("P13", "task.update_task_queue")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_queue_update_is_found(t) {
        for fault in UNKNOWN {
            for times in [1, 2, 3] {
                for expires_at in lives(t) {
                    let key = created_until(t, 5, expires_at).await?;
                    for (previous, range_id) in [(5, 6), (6, 6), (6, 9)] {
                        lose(t, fault, times);
                        let write = UpdateTaskQueue { info: info(range_id + 100), ..update(&key, previous, range_id, expires_at) };
                        t.p.tasks().update_task_queue(&t.cx(), &write).await?;
                        t.faults.release().await;
                        assert_eq!(get(t, &key).await?, TaskQueue { info: write.info, ..queue(&key, range_id, expires_at) });
                    }
                }
            }
        }
    }

    /// A delete whose answer is lost was done.
    #[covers("P13", "task.delete_task_queue")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_queue_delete_is_found(t) {
        for fault in UNKNOWN {
            for times in [1, 2, 3] {
                for expires_at in lives(t) {
                    let key = created_until(t, 5, expires_at).await?;
                    lose(t, fault, times);
                    t.p.tasks().delete_task_queue(&t.cx(), &delete(&key, 5)).await?;
                    t.faults.release().await;
                    missing(get(t, &key).await);
                }
            }
        }
    }

    /// Tasks whose adding got no answer are there, once.
    #[covers("P13", "task.create_tasks")]
    #[kind(Calm)]
    async fn a_lost_answer_to_an_add_is_found(t) {
        for fault in UNKNOWN {
            for times in [1, 2, 3] {
                for expires_at in lives(t) {
                    let key = created_until(t, 5, expires_at).await?;
                    lose(t, fault, times);
                    let write = CreateTasks { update_info: Some(info(50)), ..add(&key, 5, &[classic(1), classic(2)]) };
                    t.p.tasks().create_tasks(&t.cx(), &write).await?;
                    t.faults.release().await;
                    assert_eq!(tasks(t, &key).await?, [classic(1), classic(2)]);
                    assert_eq!(get(t, &key).await?, TaskQueue { info: info(50), ..queue(&key, 5, expires_at) });
                }
            }
        }
    }

    /// A complete whose answer is lost counts exactly.
    #[covers("P13", "P17", "task.complete_tasks_less_than")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_complete_is_found(t) {
        for fault in UNKNOWN {
            let key = created_until(t, 5, None).await?;
            t.p.tasks().create_tasks(&t.cx(), &add(&key, 5, &(1..=9).map(classic).collect::<Vec<_>>())).await?;
            lose(t, fault, 2);
            let done = complete(&key, TaskPosition::classic(8), Some(4));
            assert_eq!(t.p.tasks().complete_tasks_less_than(&t.cx(), &done).await?, Some(4));
            t.faults.release().await;
            assert_eq!(tasks(t, &key).await?, (5..=9).map(classic).collect::<Vec<_>>());
        }
    }

    /// A takeover that was done stays a success when the next owner comes before its answer: the attempt is remembered.
    #[covers("P13", "task.update_task_queue")]
    #[kind(Calm)]
    async fn a_takeover_is_remembered(t) {
        let key = created_until(t, 5, None).await?;
        let (p, write) = (t.p.clone(), update(&key, 5, 6, None));
        let heir = async { t.p.tasks().update_task_queue(&t.cx(), &update(&key, 6, 7, None)).await };
        meanwhile(t, "task_queues", |cx| async move { p.tasks().update_task_queue(&cx, &write).await }, heir).await??;
        assert_eq!(get(t, &key).await?, queue(&key, 7, None));
    }

    /// A create that was done stays a success when the next owner comes before its answer.
    #[covers("P13", "task.create_task_queue")]
    #[kind(Calm)]
    async fn a_creator_is_remembered(t) {
        let key = queue_key(t);
        let (p, write) = (t.p.clone(), create(&key, 5, None));
        let heirs = async {
            for range_id in 5..30 {
                t.p.tasks().update_task_queue(&t.cx(), &update(&key, range_id, range_id + 1, None)).await?;
            }
            Ok(())
        };
        meanwhile(t, "task_queues", |cx| async move { p.tasks().create_task_queue(&cx, &write).await }, heirs).await??;
        assert_eq!(get(t, &key).await?, queue(&key, 30, None));
    }

    /// A takeover that is too long ago to be remembered may have been applied: the error says so.
    #[covers("P13", "task.update_task_queue!condition_failed")]
    #[kind(Calm)]
    async fn a_forgotten_takeover_says_maybe(t) {
        let key = created_until(t, 5, None).await?;
        let (p, write) = (t.p.clone(), update(&key, 5, 6, None));
        let heirs = async {
            for range_id in 6..30 {
                t.p.tasks().update_task_queue(&t.cx(), &update(&key, range_id, range_id + 1, None)).await?;
            }
            Ok(())
        };
        let first = meanwhile(t, "task_queues", |cx| async move { p.tasks().update_task_queue(&cx, &write).await }, heirs).await?;
        let e = failed(first, ErrorKind::ConditionFailed);
        assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
        refused::<()>(Err(e), Some(5), Some(30));
    }

    /// A takeover that lost, after an answer that was lost too, was not applied: the error says so.
    #[covers("P13", "task.update_task_queue!condition_failed")]
    #[kind(Calm)]
    async fn a_lost_takeover_that_lost_says_no(t) {
        let key = created_until(t, 5, None).await?;
        t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, 6, None)).await?;
        for fault in UNKNOWN {
            lose(t, fault, 1);
            let e = t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, 6, None)).await.unwrap_err();
            t.faults.release().await;
            assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
            refused::<()>(Err(e), Some(5), Some(6));
        }
        assert_eq!(get(t, &key).await?, queue(&key, 6, None));
    }

    /// Tasks that were added before the owner was shut out, with no answer: the error says that they may be there.
    #[covers("P13", "task.create_tasks!condition_failed")]
    #[kind(Calm)]
    async fn an_add_before_a_takeover_says_maybe(t) {
        let key = created_until(t, 5, None).await?;
        let (p, write) = (t.p.clone(), add(&key, 5, &[classic(1)]));
        let heir = async { t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, 6, None)).await };
        let first = meanwhile(t, "task_queues", |cx| async move { p.tasks().create_tasks(&cx, &write).await }, heir).await?;
        let e = failed(first, ErrorKind::ConditionFailed);
        assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
        refused::<()>(Err(e), Some(5), Some(6));
        assert_eq!(tasks(t, &key).await?, [classic(1)]);
    }

    /// A write whose answer was lost may have been done, also where another expiry was found since and the next write fails.
    #[covers("P13", "P18", "task.update_task_queue!unavailable", "task.create_task_queue!unavailable")]
    #[kind(Calm)]
    async fn a_doubt_outlives_another_expiry(t) {
        for (lost, fails) in [(1, 3), (2, 4)] {
            let script = || {
                for (fault, nth) in [(Fault::After, lost), (Fault::Before(Outcome::NotApplied), fails)] {
                    t.faults.script(FaultRule::write(fault).table("task_queues").nth(nth));
                }
            };
            let check = |answer: Result<()>, stored: Option<TaskQueue>, wanted: TaskQueue| {
                honest(&answer, stored == Some(wanted), (lost, fails));
                let e = answer.err();
                assert!(e.as_ref().is_none_or(|e| e.outcome() == Outcome::MaybeApplied), "{lost}, {fails}: {e:?}");
            };
            let soon = t.clock.now().after(Duration::from_secs(60));
            let key = created_until(t, 5, Some(soon)).await?;
            let later = Some(soon.after(Duration::from_secs(60)));
            script();
            let answer = t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, 5, later)).await;
            t.faults.clear();
            check(answer, get(t, &key).await.ok(), queue(&key, 5, later));
            t.clock.advance(Duration::from_secs(120));
            script();
            let answer = t.p.tasks().create_task_queue(&t.cx(), &create(&key, 2, None)).await;
            t.faults.clear();
            check(answer, get(t, &key).await.ok(), queue(&key, 2, None));
        }
    }

    /// When no answer comes in time, the error says that the write may have been applied; when nothing was sent, that it
    /// was not.
    #[covers(
        "P13",
        "task.create_task_queue!timeout",
        "task.update_task_queue!timeout",
        "task.delete_task_queue!timeout",
        "task.create_tasks!timeout",
        "task.complete_tasks_less_than!timeout",
        "task.create_tasks!unavailable"
    )]
    #[kind(Calm)]
    async fn without_an_answer_task_queues_say_maybe(t) {
        let (key, s) = (created_until(t, 5, None).await?, t.p.tasks());
        let creation = &create(&queue_key(t), 1, None);
        let (update, delete) = (&update(&key, 5, 6, None), &delete(&key, 5));
        let (add_one, done) = (&add(&key, 5, &[classic(1)]), &complete(&key, TaskPosition::classic(9), None));
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            lose(t, fault, u64::MAX);
            unanswered(t, |cx| async move { s.create_task_queue(&cx, creation).await }).await;
            unanswered(t, |cx| async move { s.update_task_queue(&cx, update).await }).await;
            unanswered(t, |cx| async move { s.delete_task_queue(&cx, delete).await }).await;
            unanswered(t, |cx| async move { s.create_tasks(&cx, add_one).await }).await;
            unanswered(t, |cx| async move { s.complete_tasks_less_than(&cx, done).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
        }
        lose(t, Fault::Before(Outcome::NotApplied), 1);
        let e = s.create_tasks(&t.cx(), &add(&key, 5, &[classic(1)])).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!(tasks(t, &key).await?, []);
        assert_eq!(get(t, &key).await?, queue(&key, 5, None));
    }
}
