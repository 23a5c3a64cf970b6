//! Queues as such: create, list, and what is missing.

use super::{created, delete, messages, put};
use crate::build::expect::{failed, invalid, missing};
use crate::build::queue::*;
use crate::generic::blobs::{bad_names, odd_names};
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use persistence_core::store::*;
use persistence_core::{Detail, ErrorKind, PageRequest};

crate::cases! {
    group: "queue";

    /// A queue that exists is not created again, and keeps what is in it; the error names it.
    #[covers("queue.create_queue!already_exists")]
    async fn a_queue_is_created_once(t) {
        for queue_type in QueueType::ALL {
            let key = created(t, *queue_type).await?;
            put(t, &key, &["a"]).await?;
            for _ in 0..2 {
                let e = failed(t.p.queues().create_queue(&t.cx(), &create(&key)).await, ErrorKind::AlreadyExists);
                assert!(matches!(e.detail(), Detail::AlreadyExists { key: k, .. } if k.contains(&key.name)), "{e}");
            }
            assert_eq!(messages(t, &key).await?, [message(0, "a")]);
        }
    }

    /// Whatever is done with a missing queue, it is not found, and not made.
    #[covers(
        "queue.enqueue!not_found",
        "queue.read_queue!not_found",
        "queue.update_ack_level!not_found",
        "queue.get_ack_levels!not_found",
        "queue.range_delete_messages!not_found"
    )]
    async fn a_missing_queue_is_not_found(t) {
        let other = created(t, QueueType::Normal).await?;
        for key in [key(t, QueueType::Normal), key(t, QueueType::Dlq), QueueKey { queue_type: QueueType::Dlq, ..other }] {
            let (q, cx) = (t.p.queues(), t.cx());
            for _ in 0..2 {
                missing(q.enqueue(&cx, &enqueue(&key, &["a"])).await);
                missing(q.read_queue(&cx, &read(&key, None, PageRequest::first(1))).await);
                missing(q.read_queue(&cx, &read(&key, Some(5), PageRequest::first(1))).await);
                missing(q.update_ack_level(&cx, &ack(&key, "me", 1)).await);
                missing(q.get_ack_levels(&cx, &acks(&key)).await);
                missing(q.range_delete_messages(&cx, &super::queue::delete(&key, 1)).await);
                let e = missing(q.range_delete_messages(&cx, &super::queue::delete(&key, i64::MAX)).await);
                assert!(matches!(e.detail(), Detail::NotFound { key: k, .. } if k.contains(&key.name)), "{e}");
            }
            q.create_queue(&cx, &create(&key)).await?;
        }
    }

    /// Names are compared by exact bytes; one that nobody may use is invalid, for every operation.
    #[covers(
        "P2",
        "queue.create_queue",
        "queue.create_queue!invalid_argument",
        "queue.enqueue!invalid_argument",
        "queue.read_queue!invalid_argument",
        "queue.update_ack_level!invalid_argument",
        "queue.get_ack_levels!invalid_argument",
        "queue.range_delete_messages!invalid_argument"
    )]
    #[isolation(Own)]
    async fn queue_names_are_exact(t) {
        let (q, cx) = (t.p.queues(), t.cx());
        let keys: Vec<_> =
            odd_names().into_iter().map(|name| QueueKey { queue_type: QueueType::Normal, name }).collect();
        for key in &keys {
            q.create_queue(&cx, &create(key)).await?;
            put(t, key, &[&key.name]).await?;
        }
        for key in &keys {
            assert_eq!(messages(t, key).await?, [message(0, &key.name)]);
        }
        for name in bad_names() {
            let key = QueueKey { queue_type: QueueType::Dlq, name };
            invalid(q.create_queue(&cx, &create(&key)).await);
            invalid(q.enqueue(&cx, &enqueue(&key, &["a"])).await);
            invalid(q.read_queue(&cx, &read(&key, None, PageRequest::first(1))).await);
            invalid(q.update_ack_level(&cx, &ack(&key, "me", 1)).await);
            invalid(q.get_ack_levels(&cx, &acks(&key)).await);
            invalid(q.range_delete_messages(&cx, &super::queue::delete(&key, 1)).await);
        }
        let cx = &cx;
        let listed = crawl_by([1, 7, 100], |page| -> Reply<'_, ListedQueue> {
            Box::pin(async move { q.list_queues(cx, &list(QueueType::Normal, page)).await })
        });
        let listed: Vec<_> = listed.await?.into_iter().map(|l| l.key.name).collect();
        let mut sorted = odd_names();
        sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        assert_eq!(listed, sorted);
    }

    /// Queues of a type are listed by name, each with its size and the last id that it ever gave; tokens are exact.
    #[covers("P9", "P14", "queue.list_queues", "queue.list_queues!invalid_token", "queue.list_queues!invalid_argument")]
    #[isolation(Own)]
    async fn queues_are_listed_with_their_sizes(t) {
        let p = t.p.clone();
        let (q, cx) = (p.queues(), t.cx());
        let cx = &cx;
        let of = |queue_type| move |page| -> Reply<'_, ListedQueue> {
            Box::pin(async move { q.list_queues(cx, &list(queue_type, page)).await })
        };
        assert_eq!(crawl_by([1, 5], of(QueueType::Dlq)).await?, []);
        let mut wanted = Vec::new();
        for (name, enqueued, deleted) in [("c", 0, 0), ("a", 3, 0), ("b", 3, 2), ("B", 3, 3), ("aa", 1, 0), ("é", 4, 1)] {
            let key = QueueKey { queue_type: QueueType::Dlq, name: name.to_owned() };
            q.create_queue(cx, &create(&key)).await?;
            for _ in 0..enqueued {
                put(t, &key, &["m"]).await?;
            }
            if deleted > 0 {
                assert_eq!(delete(t, &key, deleted - 1).await?, deleted.unsigned_abs());
            }
            let message_count = (enqueued - deleted).unsigned_abs();
            wanted.push(ListedQueue { key, message_count, last_id: (enqueued > 0).then(|| enqueued - 1) });
        }
        wanted.sort_by(|a, b| a.key.name.as_bytes().cmp(b.key.name.as_bytes()));
        assert_eq!(crawl_by([1, 2, 3, 4, 5, 6, 7], of(QueueType::Dlq)).await?, wanted);
        assert_eq!(crawl_by([1, 5], of(QueueType::Normal)).await?, []);
        let twin = QueueKey { queue_type: QueueType::Normal, name: "a".to_owned() };
        for name in ["a", "z"] {
            q.create_queue(cx, &create(&QueueKey { name: name.to_owned(), ..twin.clone() })).await?;
        }
        let normal = crawl_by([1, 5], of(QueueType::Normal)).await?;
        assert_eq!(normal[0], ListedQueue { key: twin, message_count: 0, last_id: None });
        assert_eq!(crawl_by([3], of(QueueType::Dlq)).await?, wanted);
        let own = of(QueueType::Dlq)(PageRequest::first(1)).await?.next.unwrap();
        let other = of(QueueType::Normal)(PageRequest::first(1)).await?.next.unwrap();
        let messages = q.read_queue(cx, &read(&wanted[1].key, None, PageRequest::first(1))).await?.next.unwrap();
        check_tokens(&own, &[other, messages], of(QueueType::Dlq)).await?;
    }

    /// A crawl over the queues gives each that was there throughout once, while others come.
    #[covers("P9", "queue.list_queues", "queue.create_queue")]
    #[isolation(Own)]
    async fn a_crawl_of_queues_stands_changes(t) {
        let key = |name: String| QueueKey { queue_type: QueueType::Normal, name };
        let names: Vec<_> = (0..9).map(|i| format!("q{i}5")).collect();
        for name in &names {
            t.p.queues().create_queue(&t.cx(), &create(&key(name.clone()))).await?;
        }
        let (mut seen, mut page, mut round) = (Vec::new(), PageRequest::first(2), 0);
        loop {
            let got = t.p.queues().list_queues(&t.cx(), &list(QueueType::Normal, page)).await?;
            seen.extend(got.items.into_iter().map(|l| l.key.name));
            for new in [format!("a{round}"), format!("q{}7", 2 * round + 1)] {
                if round < 4 {
                    t.p.queues().create_queue(&t.cx(), &create(&key(new))).await?;
                }
            }
            round += 1;
            let Some(next) = got.next else { break };
            page = PageRequest::after(2, next);
        }
        assert!(seen.is_sorted());
        seen.retain(|n| names.contains(n));
        assert_eq!(seen, names);
    }
}
