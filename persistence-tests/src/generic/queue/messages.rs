//! Messages: enqueueing, reading, deleting.

use super::{after, created, delete, ids, messages, put};
use crate::build::expect::{failed, invalid};
use crate::build::queue::*;
use crate::generic::blobs::{broken, odd_blobs};
use crate::generic::crawl::{Reply, check_tokens};
use persistence_core::store::*;
use persistence_core::{AttemptId, ErrorKind, PageRequest};

crate::cases! {
    group: "queue";

    /// Ids begin at 0 and grow by one; each message is read back once, in order.
    #[covers("P14", "queue.enqueue", "queue.read_queue", "queue.create_queue")]
    async fn ids_begin_at_0_and_grow(t) {
        for queue_type in QueueType::ALL {
            let key = created(t, *queue_type).await?;
            assert_eq!(messages(t, &key).await?, []);
            for (id, text) in (0..).zip(["a", "b", "c"]) {
                assert_eq!(put(t, &key, &[text]).await?, id);
            }
            assert_eq!(messages(t, &key).await?, [message(0, "a"), message(1, "b"), message(2, "c")]);
        }
    }

    /// A batch gets consecutive ids in its order; the answer is the first.
    #[covers("P14", "queue.enqueue")]
    async fn a_batch_gets_consecutive_ids(t) {
        let key = created(t, QueueType::Normal).await?;
        assert_eq!(put(t, &key, &["a", "b", "c"]).await?, 0);
        assert_eq!(put(t, &key, &["d"]).await?, 3);
        assert_eq!(put(t, &key, &["e", "f"]).await?, 4);
        let read = messages(t, &key).await?;
        let wanted: Vec<_> = (0..).zip(["a", "b", "c", "d", "e", "f"]).map(|(id, text)| message(id, text)).collect();
        assert_eq!(read, wanted);
    }

    /// No messages are no batch.
    #[covers("queue.enqueue!invalid_argument")]
    async fn an_empty_batch_is_invalid(t) {
        let key = created(t, QueueType::Normal).await?;
        invalid(put(t, &key, &[]).await);
        assert_eq!(put(t, &key, &["a"]).await?, 0, "and uses up no id");
    }

    /// Ids are never used again, also after everything was deleted, more than once.
    #[covers("P14", "queue.enqueue", "queue.range_delete_messages")]
    async fn ids_are_never_used_again(t) {
        let key = created(t, QueueType::Normal).await?;
        let mut next = 0;
        for _ in 0..4 {
            assert_eq!(put(t, &key, &["a", "b"]).await?, next);
            assert_eq!(delete(t, &key, i64::MAX).await?, 2);
            assert_eq!(messages(t, &key).await?, []);
            next += 2;
        }
        assert_eq!(put(t, &key, &["c"]).await?, next);
        assert_eq!(messages(t, &key).await?, [message(next, "c")]);
    }

    /// Ids are not used again after closing and opening either, and everything is there.
    #[covers("P14", "capability.durable", "queue.enqueue", "queue.range_delete_messages", "queue.update_ack_level")]
    #[needs(Durable)]
    #[isolation(Own)]
    async fn queues_survive_a_reopen(t) {
        let (key, empty) = (created(t, QueueType::Normal).await?, created(t, QueueType::Dlq).await?);
        put(t, &key, &["a", "b", "c"]).await?;
        put(t, &empty, &["x", "y"]).await?;
        t.p.queues().update_ack_level(&t.cx(), &ack(&key, "me", 1)).await?;
        delete(t, &key, 0).await?;
        delete(t, &empty, 9).await?;
        t.reopen().await?;
        assert_eq!(messages(t, &key).await?, [message(1, "b"), message(2, "c")]);
        assert_eq!(t.p.queues().get_ack_levels(&t.cx(), &acks(&key)).await?, [level_of("me", 1)]);
        assert_eq!(put(t, &key, &["d"]).await?, 3);
        assert_eq!(messages(t, &empty).await?, []);
        assert_eq!(put(t, &empty, &["z"]).await?, 2);
        failed(t.p.queues().create_queue(&t.cx(), &create(&key)).await, ErrorKind::AlreadyExists);
    }

    /// A read gives what comes after an id, in pages of any size, with exact tokens.
    #[covers("P9", "queue.read_queue")]
    async fn a_read_begins_after_an_id(t) {
        let key = created(t, QueueType::Normal).await?;
        let texts: Vec<String> = (0..11).map(|i| i.to_string()).collect();
        put(t, &key, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let all = messages(t, &key).await?;
        assert_eq!(all.len(), 11);
        for size in [1, 2, 5, 10, 11, 12] {
            assert_eq!(after(t, &key, None, size).await?, all, "pages of {size}");
            for (from, left) in [(i64::MIN, 0), (-1, 0), (0, 1), (4, 5), (9, 10), (10, 11), (11, 11), (i64::MAX, 11)] {
                assert_eq!(after(t, &key, Some(from), size).await?, all[left..], "after {from}, pages of {size}");
            }
        }
    }

    /// A range delete counts what it deleted: the bound is inclusive, a repeat deletes nothing, beyond the last is all.
    #[covers("queue.range_delete_messages", "queue.read_queue")]
    async fn a_range_delete_counts(t) {
        let key = created(t, QueueType::Dlq).await?;
        assert_eq!(delete(t, &key, 0).await?, 0, "an empty queue");
        assert_eq!(delete(t, &key, i64::MAX).await?, 0);
        put(t, &key, &["a", "b", "c", "d", "e"]).await?;
        for (max, count, left) in [(1, 2, 2..5), (1, 0, 2..5), (0, 0, 2..5), (2, 1, 3..5), (100, 2, 5..5), (100, 0, 5..5), (4, 0, 5..5)] {
            assert_eq!(delete(t, &key, max).await?, count, "up to {max}");
            assert_eq!(ids(t, &key).await?, left.collect::<Vec<_>>());
        }
        put(t, &key, &["f"]).await?;
        assert_eq!(delete(t, &key, 4).await?, 0);
        assert_eq!(messages(t, &key).await?, [message(5, "f")]);
    }

    /// A negative bound is invalid.
    #[covers("queue.range_delete_messages!invalid_argument")]
    async fn a_negative_range_delete_is_invalid(t) {
        let key = created(t, QueueType::Normal).await?;
        put(t, &key, &["a"]).await?;
        for max in [-1, -2, i64::MIN] {
            invalid(delete(t, &key, max).await);
        }
        assert_eq!(ids(t, &key).await?, [0]);
    }

    /// Queues are apart, also those of one name and two types.
    #[covers("queue.enqueue", "queue.range_delete_messages", "queue.update_ack_level")]
    async fn queues_are_apart_by_type(t) {
        let normal = created(t, QueueType::Normal).await?;
        let dlq = QueueKey { queue_type: QueueType::Dlq, name: normal.name.clone() };
        failed(put(t, &dlq, &["a"]).await, ErrorKind::NotFound);
        t.p.queues().create_queue(&t.cx(), &create(&dlq)).await?;
        put(t, &normal, &["a", "b"]).await?;
        assert_eq!(put(t, &dlq, &["x"]).await?, 0);
        t.p.queues().update_ack_level(&t.cx(), &ack(&dlq, "me", 7)).await?;
        assert_eq!(delete(t, &normal, 5).await?, 2);
        assert_eq!(messages(t, &dlq).await?, [message(0, "x")]);
        assert_eq!(t.p.queues().get_ack_levels(&t.cx(), &acks(&normal)).await?, []);
    }

    /// Payloads are opaque: any encoding, any bytes, any size.
    #[covers("queue.enqueue", "queue.read_queue")]
    async fn message_payloads_are_opaque(t) {
        let key = created(t, QueueType::Normal).await?;
        let blobs = odd_blobs();
        let write = Enqueue { key: key.clone(), messages: blobs.clone(), attempt: AttemptId::new() };
        assert_eq!(t.p.queues().enqueue(&t.cx(), &write).await?, 0);
        let read: Vec<_> = messages(t, &key).await?.into_iter().map(|m| m.payload).collect();
        assert!(read == blobs);
    }

    /// A payload that does not match its checksum is corrupted when it is read.
    #[covers("P24", "queue.read_queue!corrupted")]
    async fn message_payloads_are_verified(t) {
        let key = created(t, QueueType::Normal).await?;
        let messages = vec![payload("a"), broken(payload("b"))];
        t.p.queues().enqueue(&t.cx(), &Enqueue { messages, ..enqueue(&key, &[]) }).await?;
        assert_eq!(after(t, &key, None, 2).await.unwrap_err().kind(), ErrorKind::Corrupted);
        assert_eq!(after(t, &key, Some(1), 2).await?, []);
    }

    /// A page size of 0 is invalid; a token that is damaged or of another queue, start or operation is an invalid token.
    #[covers("P9", "P24", "queue.read_queue!invalid_token", "queue.read_queue!invalid_argument")]
    async fn message_tokens_fit_their_query_only(t) {
        let key = created(t, QueueType::Normal).await?;
        let dlq = QueueKey { queue_type: QueueType::Dlq, ..key.clone() };
        t.p.queues().create_queue(&t.cx(), &create(&dlq)).await?;
        let other = created(t, QueueType::Normal).await?;
        let mut tokens = Vec::new();
        for (key, from) in [(&key, None), (&key, Some(0)), (&dlq, None), (&other, None)] {
            put(t, key, &["a", "b", "c"]).await?;
            let page = t.p.queues().read_queue(&t.cx(), &read(key, from, PageRequest::first(1))).await?;
            tokens.push(page.next.unwrap());
        }
        let (t, key) = (&*t, &key);
        check_tokens(&tokens[0], &tokens[1..], |page| -> Reply<'_, QueueMessage> {
            Box::pin(async move { t.p.queues().read_queue(&t.cx(), &read(key, None, page)).await })
        })
        .await?;
    }

    /// A crawl gives each message that was there throughout once, while others come and go.
    #[covers("P9", "queue.read_queue", "queue.enqueue", "queue.range_delete_messages")]
    async fn a_crawl_of_messages_stands_changes(t) {
        let key = created(t, QueueType::Normal).await?;
        put(t, &key, &["0", "1", "2", "3", "4", "5", "6"]).await?;
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(2));
        let mut rounds = 0;
        loop {
            let got = t.p.queues().read_queue(&t.cx(), &read(&key, None, page)).await?;
            seen.extend(got.items.iter().map(|m| m.id));
            rounds += 1;
            delete(t, &key, got.items[0].id).await?;
            if rounds < 4 {
                put(t, &key, &["more"]).await?;
            }
            let Some(next) = got.next else { break };
            page = PageRequest::after(2, next);
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }
}
