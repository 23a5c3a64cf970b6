//! Races on one queue.

use super::{created, delete, ids, messages};
use crate::build::queue::*;
use crate::race::race;
use crate::{Fault, FaultRule};
use persistence_core::ErrorKind;
use persistence_core::store::*;
use std::collections::BTreeSet;
use std::time::Duration;

const RACERS: usize = 8;

/// Has the first write of every racer wait, so that all of them are under way at once.
fn collide(t: &crate::Fixture) {
    let slow = Fault::Cut(Some(Duration::from_millis(4)));
    t.faults.script(FaultRule::write(slow).table("queues").times(RACERS as u64));
}

crate::cases! {
    group: "queue";

    /// Concurrent enqueuers get ids that are unique and contiguous; batches stay together, and each message is where its
    /// enqueuer was told.
    #[covers("P14", "queue.enqueue")]
    #[kind(Calm)]
    async fn concurrent_enqueuers_get_their_own_ids(t) {
        // More changes than attempts that are remembered would make a slow one honestly unsure.
        for (slow, each, total) in [(false, 4, 48), (true, 1, 8)] {
            let key = created(t, QueueType::Normal).await?;
            if slow {
                collide(t);
            }
            let told = race(RACERS, |i, line| {
                let (p, cx, key) = (t.p.clone(), t.cx(), key.clone());
                async move {
                    line.wait().await;
                    let mut told = Vec::new();
                    for k in 0..each {
                        let texts = [format!("{i}/{k}/0"), format!("{i}/{k}/1")];
                        let texts = if k % 2 == 0 { &texts[..1] } else { &texts[..] };
                        let write = enqueue(&key, &texts.iter().map(String::as_str).collect::<Vec<_>>());
                        let first = p.queues().enqueue(&cx, &write).await.unwrap();
                        told.extend((first..).zip(texts.to_vec()));
                    }
                    told
                }
            })
            .await;
            for own in &told {
                assert!(own.is_sorted(), "a later enqueue of one caller gets a larger id");
            }
            let told: BTreeSet<_> = told.into_iter().flatten().collect();
            let wanted: Vec<_> = told.iter().map(|(id, text)| message(*id, text)).collect();
            assert_eq!(messages(t, &key).await?, wanted);
            assert_eq!(ids(t, &key).await?, (0..total).collect::<Vec<_>>());
        }
    }

    /// Of many that create a queue at once one succeeds.
    #[covers("queue.create_queue", "queue.create_queue!already_exists")]
    async fn one_creator_wins(t) {
        for slow in [false, true] {
            let key = key(t, QueueType::Normal);
            if slow {
                collide(t);
            }
            let results = race(RACERS, |_, line| {
                let (p, cx, key) = (t.p.clone(), t.cx(), key.clone());
                async move {
                    line.wait().await;
                    p.queues().create_queue(&cx, &create(&key)).await
                }
            })
            .await;
            assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
            assert!(results.iter().flat_map(|r| r.as_ref().err()).all(|e| e.kind() == ErrorKind::AlreadyExists));
            assert_eq!(messages(t, &key).await?, []);
        }
    }

    /// Of concurrent raises of one ack level the highest stays.
    #[covers("P14", "queue.update_ack_level")]
    async fn the_highest_ack_level_stays(t) {
        for slow in [false, true] {
            let key = created(t, QueueType::Normal).await?;
            if slow {
                collide(t);
            }
            race(RACERS, |i, line| {
                let (p, cx, key) = (t.p.clone(), t.cx(), key.clone());
                async move {
                    let level = (i64::try_from(i).unwrap() * 5) % 8;
                    line.wait().await;
                    p.queues().update_ack_level(&cx, &ack(&key, "me", level)).await.unwrap();
                }
            })
            .await;
            assert_eq!(t.p.queues().get_ack_levels(&t.cx(), &acks(&key)).await?, [level_of("me", 7)]);
        }
    }

    /// Concurrent range deletes count each message once, while others are enqueued.
    #[covers("queue.range_delete_messages", "queue.enqueue")]
    async fn concurrent_deletes_count_each_message_once(t) {
        for slow in [false, true] {
            let key = created(t, QueueType::Normal).await?;
            t.p.queues().enqueue(&t.cx(), &enqueue(&key, &["x"; 20])).await?;
            if slow {
                collide(t);
            }
            let counts = race(RACERS, |i, line| {
                let (p, cx, key) = (t.p.clone(), t.cx(), key.clone());
                async move {
                    line.wait().await;
                    if i == 0 {
                        p.queues().enqueue(&cx, &enqueue(&key, &["y"; 5])).await.unwrap();
                        return 0;
                    }
                    let max = i64::try_from(i).unwrap() * 2;
                    p.queues().range_delete_messages(&cx, &super::queue::delete(&key, max)).await.unwrap()
                }
            })
            .await;
            assert_eq!(counts.iter().sum::<u64>(), 15);
            assert_eq!(ids(t, &key).await?, (15..25).collect::<Vec<_>>());
            assert_eq!(delete(t, &key, 99).await?, 10);
        }
    }
}
