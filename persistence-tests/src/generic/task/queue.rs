//! Task queues themselves: create, get, update, delete, list.

use super::{created, created_until, get, refused, tasks};
use crate::build::expect::{invalid, missing};
use crate::build::task::*;
use crate::generic::blobs::{bad_names, broken, odd_blobs, odd_names};
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use persistence_core::store::*;
use persistence_core::{Clock, ErrorKind, PageRequest};
use std::time::Duration;

crate::cases! {
    group: "task";

    /// A queue reads back as it was created, whatever its range id, type and expiry.
    #[covers("task.create_task_queue", "task.get_task_queue")]
    async fn a_queue_reads_back_as_it_was_created(t) {
        let soon = t.clock.now().after(Duration::from_secs(10));
        for range_id in [0, 1, 42, -3, i64::MAX, i64::MIN] {
            for expires_at in [None, Some(soon)] {
                let key = created_until(t, range_id, expires_at).await?;
                assert_eq!(get(t, &key).await?, queue(&key, range_id, expires_at));
            }
        }
    }

    /// Any type is a queue of its own, and so is any namespace.
    #[covers("task.create_task_queue", "task.get_task_queue")]
    async fn queues_are_apart_by_type_and_namespace(t) {
        let name = queue_key(t);
        let types = [0, 1, 2, 99, -1, i32::MIN, i32::MAX];
        let mut keys: Vec<_> = types.map(|task_type| TaskQueueKey { task_type, ..name.clone() }).into();
        keys.push(TaskQueueKey { namespace_id: t.namespace(), ..name });
        for (range_id, key) in (1..).zip(&keys) {
            t.p.tasks().create_task_queue(&t.cx(), &create(key, range_id, None)).await?;
            t.p.tasks().create_tasks(&t.cx(), &add(key, range_id, &[classic(range_id)])).await?;
        }
        for (range_id, key) in (1..).zip(&keys) {
            assert_eq!(get(t, key).await?, queue(key, range_id, None));
            assert_eq!(tasks(t, key).await?, [classic(range_id)]);
        }
    }

    /// A queue that exists is not created again: the stored range id is told, and nothing changes.
    #[covers("task.create_task_queue!condition_failed")]
    async fn a_queue_that_exists_is_not_created_again(t) {
        let key = created(t, 5).await?;
        for range_id in [5, 6, 4] {
            refused(t.p.tasks().create_task_queue(&t.cx(), &create(&key, range_id, None)).await, None, Some(5));
        }
        assert_eq!(get(t, &key).await?, queue(&key, 5, None));
    }

    /// A missing queue is not found.
    #[covers("task.get_task_queue!not_found")]
    async fn a_missing_task_queue_is_not_found(t) {
        missing(get(t, &queue_key(t)).await);
        let key = created(t, 1).await?;
        missing(get(t, &TaskQueueKey { task_type: 2, ..key.clone() }).await);
        missing(get(t, &TaskQueueKey { namespace_id: t.namespace(), ..key }).await);
    }

    /// An update by the owner replaces range id, info and expiry.
    #[covers("task.update_task_queue")]
    async fn an_owner_updates_its_queue(t) {
        let key = created(t, 5).await?;
        let soon = Some(t.clock.now().after(Duration::from_secs(10)));
        for (previous, range_id, expires_at) in [(5, 6, None), (6, 6, soon), (6, 90, soon), (90, 90, None), (90, i64::MAX, None)] {
            t.p.tasks().update_task_queue(&t.cx(), &update(&key, previous, range_id, expires_at)).await?;
            assert_eq!(get(t, &key).await?, queue(&key, range_id, expires_at));
        }
    }

    /// An update with another previous range id is refused with the stored one; of a missing queue, without one.
    #[covers("task.update_task_queue!condition_failed")]
    async fn a_stale_update_of_a_queue_is_refused(t) {
        let key = created(t, 5).await?;
        for stale in [4, 6, 0, -5, i64::MIN] {
            let write = update(&key, stale, 10, None);
            refused(t.p.tasks().update_task_queue(&t.cx(), &write).await, Some(stale), Some(5));
        }
        assert_eq!(get(t, &key).await?, queue(&key, 5, None));
        let absent = queue_key(t);
        refused(t.p.tasks().update_task_queue(&t.cx(), &update(&absent, 1, 2, None)).await, Some(1), None);
        missing(get(t, &absent).await);
    }

    /// A range id never goes back.
    #[covers("task.update_task_queue!invalid_argument")]
    async fn a_queues_range_id_never_goes_back(t) {
        let key = created(t, 5).await?;
        for back in [4, 0, i64::MIN] {
            invalid(t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, back, None)).await);
        }
        assert_eq!(get(t, &key).await?, queue(&key, 5, None));
    }

    /// A delete by the owner removes the queue and leaves its tasks; with another range id, or twice, it is refused.
    #[covers("task.delete_task_queue", "task.delete_task_queue!condition_failed")]
    #[kind(Calm)]
    async fn an_owner_deletes_its_queue(t) {
        let key = created(t, 5).await?;
        t.p.tasks().create_tasks(&t.cx(), &add(&key, 5, &[classic(1)])).await?;
        for stale in [4, 6] {
            refused(t.p.tasks().delete_task_queue(&t.cx(), &delete(&key, stale)).await, Some(stale), Some(5));
        }
        assert_eq!(get(t, &key).await?, queue(&key, 5, None));
        t.p.tasks().delete_task_queue(&t.cx(), &delete(&key, 5)).await?;
        missing(get(t, &key).await);
        assert_eq!(tasks(t, &key).await?, [classic(1)]);
        refused(t.p.tasks().delete_task_queue(&t.cx(), &delete(&key, 5)).await, Some(5), None);
        t.p.tasks().create_task_queue(&t.cx(), &create(&key, 1, None)).await?;
        assert_eq!(get(t, &key).await?, queue(&key, 1, None));
    }

    /// Names are compared by exact bytes, and may hold anything but U+0000.
    #[covers("P2", "task.create_task_queue", "task.get_task_queue")]
    async fn task_queue_names_are_exact(t) {
        let namespace_id = t.namespace();
        let keys: Vec<_> =
            odd_names().into_iter().map(|name| TaskQueueKey { namespace_id, name, task_type: 1 }).collect();
        for (range_id, key) in (1..).zip(&keys) {
            t.p.tasks().create_task_queue(&t.cx(), &create(key, range_id, None)).await?;
        }
        for (range_id, key) in (1..).zip(&keys) {
            assert_eq!(get(t, key).await?.range_id, range_id, "{:?}", key.name);
        }
    }

    /// A name that nobody may use is invalid, for every operation.
    #[covers(
        "P2",
        "task.create_task_queue!invalid_argument",
        "task.get_task_queue!invalid_argument",
        "task.update_task_queue!invalid_argument",
        "task.delete_task_queue!invalid_argument",
        "task.create_tasks!invalid_argument",
        "task.get_tasks!invalid_argument",
        "task.complete_tasks_less_than!invalid_argument"
    )]
    async fn bad_task_queue_names_are_invalid(t) {
        let (s, cx) = (t.p.tasks(), t.cx());
        for name in bad_names() {
            let key = TaskQueueKey { name, ..queue_key(t) };
            invalid(s.create_task_queue(&cx, &create(&key, 1, None)).await);
            invalid(s.get_task_queue(&cx, &super::task::get(&key)).await);
            invalid(s.update_task_queue(&cx, &update(&key, 1, 2, None)).await);
            invalid(s.delete_task_queue(&cx, &delete(&key, 1)).await);
            invalid(s.create_tasks(&cx, &add(&key, 1, &[])).await);
            invalid(s.get_tasks(&cx, &all(&key, PageRequest::first(1))).await);
            invalid(s.complete_tasks_less_than(&cx, &complete(&key, TaskPosition::classic(9), None)).await);
        }
    }

    /// Infos and payloads are opaque: any encoding, any bytes, any size.
    #[covers("task.create_task_queue", "task.update_task_queue", "task.create_tasks", "task.get_tasks")]
    async fn infos_and_payloads_are_opaque(t) {
        let key = created(t, 1).await?;
        for (id, blob) in (1..).zip(odd_blobs()) {
            let write = UpdateTaskQueue { info: blob.clone(), ..update(&key, 1, 1, None) };
            t.p.tasks().update_task_queue(&t.cx(), &write).await?;
            assert!(get(t, &key).await?.info == blob);
            let task = QueuedTask { payload: blob, ..classic(id) };
            t.p.tasks().create_tasks(&t.cx(), &add(&key, 1, std::slice::from_ref(&task))).await?;
            let one = between(&key, TaskPosition::classic(id), TaskPosition::classic(id + 1), PageRequest::first(5));
            assert!(t.p.tasks().get_tasks(&t.cx(), &one).await?.items == [task]);
        }
    }

    /// An info or payload that does not match its checksum is corrupted when it is read.
    #[covers("P24", "task.get_task_queue!corrupted", "task.get_tasks!corrupted")]
    async fn infos_and_payloads_are_verified(t) {
        let key = created(t, 1).await?;
        let task = QueuedTask { payload: broken(classic(1).payload), ..classic(1) };
        t.p.tasks().create_tasks(&t.cx(), &add(&key, 1, &[task])).await?;
        assert_eq!(tasks(t, &key).await.unwrap_err().kind(), ErrorKind::Corrupted);
        let write = UpdateTaskQueue { info: broken(info(1)), ..update(&key, 1, 1, None) };
        t.p.tasks().update_task_queue(&t.cx(), &write).await?;
        assert_eq!(get(t, &key).await.unwrap_err().kind(), ErrorKind::Corrupted);
    }

    /// Every queue is listed once, in a stable order; those that were deleted or have expired are not. Tokens are exact.
    #[covers("P9", "P18", "task.list_task_queues", "task.list_task_queues!invalid_token")]
    #[isolation(Own)]
    async fn every_task_queue_is_listed_once(t) {
        let (p, cx) = (t.p.clone(), t.cx());
        let (s, cx) = (p.tasks(), &cx);
        let list = |page| -> Reply<'_, TaskQueue> {
            Box::pin(async move { s.list_task_queues(cx, &ListTaskQueues { page }).await })
        };
        assert_eq!(crawl_by([1, 9], list).await?, []);
        let soon = t.clock.now().after(Duration::from_secs(10));
        let mut expected = Vec::new();
        for i in 0..14 {
            let expires_at = (i % 3 == 1).then_some(soon);
            let key = created_until(t, i, expires_at).await?;
            s.create_tasks(cx, &add(&key, i, &[classic(1), classic(2)])).await?;
            match i % 4 {
                2 => s.delete_task_queue(cx, &delete(&key, i)).await?,
                _ => expected.push(queue(&key, i, expires_at)),
            }
        }
        let sorted = |mut queues: Vec<TaskQueue>| {
            queues.sort_by(|a, b| a.key.cmp(&b.key));
            queues
        };
        let listed = crawl_by([1, 2, 3, 10, 11, 12, 50], list).await?;
        assert_eq!(sorted(listed), sorted(expected.clone()));
        t.clock.advance(Duration::from_secs(10));
        expected.retain(|q| q.expires_at.is_none());
        let listed = crawl_by([1, 2, 3, 7, 8, 50], list).await?;
        assert_eq!(sorted(listed), sorted(expected.clone()));
        let own = list(PageRequest::first(1)).await?.next.unwrap();
        let key = created(t, 1).await?;
        s.create_tasks(cx, &add(&key, 1, &[classic(1), classic(2)])).await?;
        let foreign = s.get_tasks(cx, &all(&key, PageRequest::first(1))).await?.next.unwrap();
        check_tokens(&own, &[foreign], list).await?;
    }

    /// A crawl over all queues gives each that was there throughout once, while others come and go.
    #[covers("P9", "task.list_task_queues", "task.delete_task_queue")]
    #[isolation(Own)]
    async fn a_crawl_of_task_queues_stands_changes(t) {
        let mut keys = Vec::new();
        for i in 0..12 {
            keys.push(created(t, i).await?);
        }
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(2));
        let mut doomed = (0..12).step_by(2);
        loop {
            let got = t.p.tasks().list_task_queues(&t.cx(), &ListTaskQueues { page }).await?;
            seen.extend(got.items.into_iter().map(|q| q.key));
            if let Some(i) = doomed.next() {
                let range_id = i64::try_from(i).unwrap();
                t.p.tasks().delete_task_queue(&t.cx(), &delete(&keys[i], range_id)).await?;
                created(t, 100).await?;
            }
            let Some(next) = got.next else { break };
            page = PageRequest::after(2, next);
        }
        for key in keys.iter().skip(1).step_by(2) {
            assert_eq!(seen.iter().filter(|k| *k == key).count(), 1);
        }
    }
}
