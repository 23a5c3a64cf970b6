//! Expiry, decided by the clock.

use super::{add, complete, created, created_until, get, read, refused, tasks};
use crate::build::expect::missing;
use crate::build::task::{all, classic, create, delete, queue, until, update};
use persistence_core::store::*;
use persistence_core::{Clock, PageRequest, Timestamp};
use std::time::Duration;

const TTL: Duration = Duration::from_secs(10);
const MS: Duration = Duration::from_millis(1);

fn soon(t: &crate::Fixture) -> Timestamp {
    t.clock.now().after(TTL)
}

crate::cases! {
    group: "task";

    /// A sticky queue is there until its last millisecond, and then is not.
    #[covers("P12", "P18", "task.get_task_queue", "task.get_task_queue!not_found")]
    async fn a_sticky_queue_ends_on_time(t) {
        let expires_at = Some(soon(t));
        let key = created_until(t, 5, expires_at).await?;
        t.clock.advance(TTL - MS);
        assert_eq!(get(t, &key).await?, queue(&key, 5, expires_at));
        t.clock.advance(MS);
        missing(get(t, &key).await);
    }

    /// A queue that has expired cannot be written, whoever owned it; the error tells of no stored range id.
    #[covers("P18", "task.update_task_queue!condition_failed", "task.delete_task_queue!condition_failed", "task.create_tasks!condition_failed")]
    #[kind(Calm)]
    async fn an_expired_queue_cannot_be_written(t) {
        let key = created_until(t, 5, Some(soon(t))).await?;
        add(t, &key, 5, &[classic(1)]).await?;
        t.clock.advance(TTL);
        let later = soon(t);
        for expires_at in [None, Some(later)] {
            refused(t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, 6, expires_at)).await, Some(5), None);
            refused(t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, 5, expires_at)).await, Some(5), None);
        }
        refused(t.p.tasks().delete_task_queue(&t.cx(), &delete(&key, 5)).await, Some(5), None);
        refused(add(t, &key, 5, &[classic(2)]).await, Some(5), None);
        refused(add(t, &key, 4, &[classic(2)]).await, Some(4), None);
        missing(get(t, &key).await);
        assert_eq!(tasks(t, &key).await?, [classic(1)], "its tasks do not expire with it");
    }

    /// A new queue takes the place of an expired one, and of no other.
    #[covers("P18", "task.create_task_queue", "task.create_task_queue!condition_failed")]
    async fn a_new_queue_replaces_an_expired_one(t) {
        let key = created_until(t, 5, Some(soon(t))).await?;
        refused(t.p.tasks().create_task_queue(&t.cx(), &create(&key, 1, None)).await, None, Some(5));
        t.clock.advance(TTL);
        let again = Some(soon(t));
        t.p.tasks().create_task_queue(&t.cx(), &create(&key, 1, again)).await?;
        assert_eq!(get(t, &key).await?, queue(&key, 1, again));
        refused(t.p.tasks().create_task_queue(&t.cx(), &create(&key, 2, None)).await, None, Some(1));
        add(t, &key, 1, &[classic(1)]).await?;
        refused(add(t, &key, 5, &[classic(2)]).await, Some(5), Some(1));
    }

    /// An update prolongs, shortens, ends or begins the life of a queue.
    #[covers("P18", "task.update_task_queue", "task.create_tasks")]
    async fn an_update_changes_the_life_of_a_queue(t) {
        let key = created_until(t, 5, Some(soon(t))).await?;
        t.clock.advance(TTL - MS);
        let longer = Some(soon(t));
        t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, 5, longer)).await?;
        t.clock.advance(TTL - MS);
        assert_eq!(get(t, &key).await?, queue(&key, 5, longer));
        t.p.tasks().update_task_queue(&t.cx(), &update(&key, 5, 6, None)).await?;
        t.clock.advance(TTL);
        add(t, &key, 6, &[classic(1)]).await?;
        assert_eq!(get(t, &key).await?, queue(&key, 6, None));
        t.p.tasks().update_task_queue(&t.cx(), &update(&key, 6, 7, Some(soon(t)))).await?;
        add(t, &key, 7, &[classic(2)]).await?;
        t.clock.advance(TTL);
        missing(get(t, &key).await);
    }

    /// An expiry in the past is one: the queue is not there, and may be created at once.
    #[covers("P18", "task.create_task_queue")]
    async fn a_queue_born_expired_is_not_there(t) {
        for past in [t.clock.now(), t.clock.now().before(MS), Timestamp::EPOCH, Timestamp(-1), Timestamp(i64::MIN)] {
            let key = created_until(t, 5, Some(past)).await?;
            missing(get(t, &key).await);
            t.p.tasks().create_task_queue(&t.cx(), &create(&key, 6, Some(Timestamp::MAX))).await?;
            assert_eq!(get(t, &key).await?, queue(&key, 6, Some(Timestamp::MAX)));
        }
    }

    /// A task is read until its last millisecond, and then never again.
    #[covers("P18", "task.get_tasks")]
    async fn a_task_ends_on_time(t) {
        let key = created(t, 1).await?;
        let mortal = until(classic(2), soon(t));
        let all = [classic(1), mortal, until(classic(3), Timestamp::MAX), until(classic(4), t.clock.now())];
        add(t, &key, 1, &all).await?;
        t.clock.advance(TTL - MS);
        assert_eq!(tasks(t, &key).await?, all[..3]);
        t.clock.advance(MS);
        assert_eq!(tasks(t, &key).await?, [all[0].clone(), all[2].clone()]);
        let again = until(classic(2), soon(t));
        add(t, &key, 1, std::slice::from_ref(&again)).await?;
        assert_eq!(tasks(t, &key).await?[1], again, "replaced, it lives again");
    }

    /// Expired tasks neither shorten a page nor earn it a token.
    #[covers("P9", "P18", "task.get_tasks")]
    async fn expired_tasks_never_shorten_a_page(t) {
        let key = created(t, 1).await?;
        let end = soon(t);
        let mortal = |id| if id % 5 == 0 { classic(id) } else { until(classic(id), end) };
        add(t, &key, 1, &(1..=59).map(mortal).collect::<Vec<_>>()).await?;
        let live: Vec<_> = (1..=11).map(|i| classic(i * 5)).collect();
        let every: Vec<_> = (1..=59).map(mortal).collect();
        assert_eq!(read(t, &all(&key, PageRequest::first(1)), 7).await?, every);
        t.clock.advance(TTL);
        for size in [1, 2, 3, 10, 11, 12, 100] {
            assert_eq!(read(t, &all(&key, PageRequest::first(1)), size).await?, live, "pages of {size}");
        }
    }

    /// A token goes on from where it was, also when tasks around it expired meanwhile.
    #[covers("P9", "P18", "task.get_tasks")]
    async fn a_crawl_of_tasks_stands_expiry(t) {
        let key = created(t, 1).await?;
        let end = soon(t);
        let all_tasks: Vec<_> = (1..=9).map(|id| if id % 3 == 0 { classic(id) } else { until(classic(id), end) }).collect();
        add(t, &key, 1, &all_tasks).await?;
        let first = t.p.tasks().get_tasks(&t.cx(), &all(&key, PageRequest::first(4))).await?;
        assert_eq!(first.items, all_tasks[..4]);
        t.clock.advance(TTL);
        let rest = all(&key, PageRequest::after(4, first.next.unwrap()));
        let page = t.p.tasks().get_tasks(&t.cx(), &rest).await?;
        assert_eq!((page.items, page.next), (vec![classic(6), classic(9)], None));
    }

    /// Completing deletes expired tasks too, and counts them.
    #[covers("P17", "P18", "task.complete_tasks_less_than")]
    async fn completing_counts_expired_tasks(t) {
        let key = created(t, 1).await?;
        let end = soon(t);
        let mortal = |id| if id % 2 == 0 { until(classic(id), end) } else { classic(id) };
        add(t, &key, 1, &(1..=10).map(mortal).collect::<Vec<_>>()).await?;
        t.clock.advance(TTL);
        assert_eq!(complete(t, &key, TaskPosition::classic(100), Some(4)).await?, Some(4));
        let left: Vec<_> = tasks(t, &key).await?.iter().map(|t| t.position.task_id).collect();
        assert_eq!(left, [5, 7, 9]);
        assert_eq!(complete(t, &key, TaskPosition::classic(10), Some(100)).await?, Some(5));
        assert_eq!(complete(t, &key, TaskPosition::classic(100), Some(100)).await?, Some(1));
    }

    /// Every handle decides expiry by its own clock.
    #[covers("P18", "task.get_task_queue", "task.get_tasks")]
    async fn a_handle_goes_by_its_own_clock(t) {
        let key = created_until(t, 1, Some(soon(t))).await?;
        add(t, &key, 1, &[until(classic(1), soon(t))]).await?;
        let (other, clock) = t.another_with_clock().await?;
        clock.advance(TTL);
        missing(other.tasks().get_task_queue(&t.cx(), &super::task::get(&key)).await);
        assert_eq!(other.tasks().get_tasks(&t.cx(), &all(&key, PageRequest::first(5))).await?.items, []);
        assert_eq!(get(t, &key).await?.range_id, 1);
        assert_eq!(tasks(t, &key).await?.len(), 1);
        other.close().await?;
    }
}
