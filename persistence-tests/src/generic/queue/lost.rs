//! Answers that get lost.

use super::{created, delete, messages, put};
use crate::build::expect::failed;
use crate::build::queue::*;
use crate::generic::history::UNKNOWN;
use crate::generic::interrupt::meanwhile;
use crate::generic::unknown::unanswered;
use crate::{Fault, FaultRule};
use persistence_core::store::*;
use persistence_core::{ErrorKind, Outcome};

fn lose(t: &crate::Fixture, fault: Fault, times: u64) {
    t.faults.script(FaultRule::write(fault).table("queues").times(times));
}

crate::cases! {
    group: "queue";

    /// An enqueue whose answer is lost enqueued once, and answers with its id.
    #[covers("P13", "P14", "queue.enqueue")]
    #[kind(Calm)]
    async fn a_lost_answer_to_an_enqueue_is_found(t) {
        for fault in UNKNOWN {
            for times in [1, 2, 3] {
                let key = created(t, QueueType::Normal).await?;
                put(t, &key, &["a"]).await?;
                lose(t, fault, times);
                assert_eq!(put(t, &key, &["b", "c"]).await?, 1, "{fault:?}");
                t.faults.release().await;
                assert_eq!(put(t, &key, &["d"]).await?, 3, "{fault:?}");
                let wanted = [message(0, "a"), message(1, "b"), message(2, "c"), message(3, "d")];
                assert_eq!(messages(t, &key).await?, wanted, "{fault:?}");
            }
        }
    }

    /// A create whose answer is lost made the queue; one that was refused is told so.
    #[covers("P13", "queue.create_queue", "queue.create_queue!already_exists")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_creation_is_found(t) {
        for fault in UNKNOWN {
            for nth in [1, 2] {
                let key = key(t, QueueType::Normal);
                t.faults.script(FaultRule::write(fault).table("queues").nth(nth));
                t.p.queues().create_queue(&t.cx(), &create(&key)).await?;
                t.faults.release().await;
                assert_eq!(put(t, &key, &["a"]).await?, 0);
                t.faults.script(FaultRule::write(fault).table("queues").nth(nth));
                let e = failed(t.p.queues().create_queue(&t.cx(), &create(&key)).await, ErrorKind::AlreadyExists);
                t.faults.release().await;
                assert_eq!(e.outcome(), Outcome::NotApplied);
                assert_eq!(messages(t, &key).await?, [message(0, "a")]);
                t.faults.clear();
            }
        }
    }

    /// A range delete whose answer is lost still counts.
    #[covers("P13", "queue.range_delete_messages")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_range_delete_is_found(t) {
        for fault in UNKNOWN {
            for times in [1, 2] {
                let key = created(t, QueueType::Normal).await?;
                put(t, &key, &["a", "b", "c"]).await?;
                lose(t, fault, times);
                assert_eq!(delete(t, &key, 1).await?, 2, "{fault:?}");
                t.faults.release().await;
                assert_eq!(messages(t, &key).await?, [message(2, "c")]);
            }
        }
    }

    /// An ack whose answer is lost was done, and a late one never lowers the level.
    #[covers("P13", "P14", "queue.update_ack_level")]
    #[kind(Calm)]
    async fn a_late_ack_never_lowers_the_level(t) {
        for fault in UNKNOWN {
            let key = created(t, QueueType::Normal).await?;
            for level in [5, 9] {
                lose(t, fault, 1);
                t.p.queues().update_ack_level(&t.cx(), &ack(&key, "me", level)).await?;
            }
            t.p.queues().update_ack_level(&t.cx(), &ack(&key, "me", 12)).await?;
            t.faults.release().await;
            assert_eq!(t.p.queues().get_ack_levels(&t.cx(), &acks(&key)).await?, [level_of("me", 12)]);
        }
    }

    /// An enqueue that was done stays done, with its id, when others enqueue before its answer comes; when there were too
    /// many of them to remember it, the error says that it may have been done.
    #[covers("P13", "P14", "queue.enqueue", "queue.enqueue!timeout")]
    #[kind(Calm)]
    async fn an_enqueue_is_remembered(t) {
        for (others, found) in [(1, true), (7, true), (20, false)] {
            let key = created(t, QueueType::Normal).await?;
            let (p, write) = (t.p.clone(), enqueue(&key, &["mine"]));
            let rest = async {
                for _ in 0..others {
                    put(t, &key, &["other"]).await?;
                }
                Ok(())
            };
            let first = meanwhile(t, "queues", |cx| async move { p.queues().enqueue(&cx, &write).await }, rest);
            match first.await? {
                Ok(id) => assert_eq!((id, found), (0, true)),
                Err(e) => {
                    assert_eq!((e.outcome(), found), (Outcome::MaybeApplied, false), "{e}");
                    assert!(matches!(e.kind(), ErrorKind::Timeout | ErrorKind::Unavailable));
                }
            }
            let read = messages(t, &key).await?;
            assert_eq!(read.iter().filter(|m| m.payload == payload("mine")).count(), 1, "never twice");
            assert_eq!(read.len(), others + 1);
        }
    }

    /// When no answer comes in time, the error says that the write may have been done; when nothing was sent, that it was
    /// not.
    #[covers(
        "P13",
        "queue.create_queue!timeout",
        "queue.enqueue!timeout",
        "queue.update_ack_level!timeout",
        "queue.range_delete_messages!timeout",
        "queue.enqueue!unavailable"
    )]
    #[kind(Calm)]
    async fn without_an_answer_queues_say_maybe(t) {
        let (k, q) = (created(t, QueueType::Normal).await?, t.p.queues());
        put(t, &k, &["a"]).await?;
        let (creation, write) = (&create(&key(t, QueueType::Dlq)), &enqueue(&k, &["b"]));
        let (ack, delete) = (&ack(&k, "me", 3), &super::queue::delete(&k, 9));
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            lose(t, fault, u64::MAX);
            unanswered(t, |cx| async move { q.create_queue(&cx, creation).await }).await;
            unanswered(t, |cx| async move { q.enqueue(&cx, write).await }).await;
            unanswered(t, |cx| async move { q.update_ack_level(&cx, ack).await }).await;
            unanswered(t, |cx| async move { q.range_delete_messages(&cx, delete).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
        }
        lose(t, Fault::Before(Outcome::NotApplied), 1);
        let e = put(t, &k, &["b"]).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!(messages(t, &k).await?, [message(0, "a")]);
    }
}
