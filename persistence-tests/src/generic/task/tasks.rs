//! Tasks: adding, reading, completing.

use super::{add, complete, created, get, read, refused, tasks};
use crate::build::expect::invalid;
use crate::build::task::{all, between, classic, fair, info, queue, queue_key, sub};
use crate::generic::crawl::{Reply, check_tokens};
use persistence_core::store::*;
use persistence_core::{Blob, PageRequest};

fn at(id: i64) -> TaskPosition {
    TaskPosition::classic(id)
}

fn ids(tasks: &[QueuedTask]) -> Vec<i64> {
    tasks.iter().map(|t| t.position.task_id).collect()
}

crate::cases! {
    group: "task";

    /// A task is read by its own position, and with all; there is no token when there is no more.
    #[covers("task.create_tasks", "task.get_tasks")]
    async fn a_task_is_read_by_its_position(t) {
        let key = created(t, 3).await?;
        add(t, &key, 3, &[classic(77)]).await?;
        let page = t.p.tasks().get_tasks(&t.cx(), &between(&key, at(77), at(78), PageRequest::first(100))).await?;
        assert_eq!((page.items, page.next), (vec![classic(77)], None));
        assert_eq!(tasks(t, &key).await?, [classic(77)]);
    }

    /// Tasks come in order of id, in `[min, max)`, whatever the order in which they were added and the page size.
    #[covers("P9", "P17", "task.create_tasks", "task.get_tasks")]
    async fn tasks_come_in_order(t) {
        let key = created(t, 3).await?;
        let sorted = [i64::MIN, i64::MIN + 1, -70_000, -256, -1, 0, 1, 2, 255, 256, 65_536, 1 << 40, i64::MAX - 1, i64::MAX];
        let mut shuffled = sorted;
        t.rng().shuffle(&mut shuffled);
        for some in shuffled.chunks(5) {
            add(t, &key, 3, &some.iter().copied().map(classic).collect::<Vec<_>>()).await?;
        }
        for size in [1, 2, 3, 13, 14, 15] {
            assert_eq!(ids(&read(t, &all(&key, PageRequest::first(1)), size).await?), sorted, "pages of {size}");
            let some = between(&key, at(-256), at(256), PageRequest::first(1));
            assert_eq!(ids(&read(t, &some, size).await?), sorted[3..9], "pages of {size}");
        }
        let open = GetTasks { min: at(256), ..all(&key, PageRequest::first(1)) };
        assert_eq!(ids(&read(t, &open, 2).await?), sorted[9..]);
    }

    /// A range that is empty or upside down gives an empty page.
    #[covers("task.get_tasks")]
    async fn an_empty_range_of_tasks_gives_nothing(t) {
        let key = created(t, 3).await?;
        add(t, &key, 3, &[classic(1), classic(2), fair(1, 1)]).await?;
        let bounds = [(at(1), at(1)), (at(2), at(1)), (at(i64::MAX), at(i64::MIN)), (TaskPosition::fair(1, 0), at(9))];
        for (min, max) in bounds {
            let page = t.p.tasks().get_tasks(&t.cx(), &between(&key, min, max, PageRequest::first(9))).await?;
            assert_eq!((page.items, page.next), (vec![], None));
        }
        let other = all(&queue_key(t), PageRequest::first(9));
        assert_eq!(t.p.tasks().get_tasks(&t.cx(), &other).await?.items, []);
    }

    /// A task whose key exists is replaced; of two in one request with one key the last counts.
    #[covers("P7", "task.create_tasks")]
    async fn a_repeated_task_key_replaces(t) {
        let key = created(t, 3).await?;
        add(t, &key, 3, &[classic(1), classic(2)]).await?;
        let other = QueuedTask { payload: Blob::json("other"), ..classic(1) };
        add(t, &key, 3, std::slice::from_ref(&other)).await?;
        assert_eq!(tasks(t, &key).await?, [other.clone(), classic(2)]);
        let last = QueuedTask { payload: Blob::json("last"), ..classic(1) };
        add(t, &key, 3, &[other, classic(1), last.clone(), classic(2), classic(2)]).await?;
        assert_eq!(tasks(t, &key).await?, [last, classic(2)]);
    }

    /// Tasks of another owner, or of a queue that is not there, are refused, and none is visible.
    #[covers("P17", "task.create_tasks!condition_failed")]
    async fn stale_owners_add_no_tasks(t) {
        let key = created(t, 3).await?;
        add(t, &key, 3, &[classic(1)]).await?;
        for stale in [2, 4] {
            refused(add(t, &key, stale, &[classic(1), classic(2), sub(1, classic(3))]).await, Some(stale), Some(3));
            refused(add(t, &key, stale, &[]).await, Some(stale), Some(3));
        }
        assert_eq!(tasks(t, &key).await?, [classic(1)]);
        let nowhere = queue_key(t);
        refused(add(t, &nowhere, 3, &[classic(1)]).await, Some(3), None);
        assert_eq!(tasks(t, &nowhere).await?, []);
        let with_info = CreateTasks { update_info: Some(Blob::json("mine")), ..super::task::add(&key, 2, &[classic(9)]) };
        refused(t.p.tasks().create_tasks(&t.cx(), &with_info).await, Some(2), Some(3));
        assert_eq!(get(t, &key).await?, queue(&key, 3, None));
    }

    /// Adding no tasks is a write like any other: it needs the fence, and counts as applied.
    #[covers("P21", "task.create_tasks")]
    async fn adding_no_tasks_applies(t) {
        let key = created(t, 3).await?;
        add(t, &key, 3, &[]).await?;
        assert_eq!(tasks(t, &key).await?, []);
        assert_eq!(get(t, &key).await?, queue(&key, 3, None));
    }

    /// The queue's info changes with the tasks, in one unit; range id and expiry stay.
    #[covers("task.create_tasks")]
    async fn info_changes_with_the_tasks(t) {
        use persistence_core::Clock;
        let soon = t.clock.now().after(std::time::Duration::from_secs(60));
        for expires_at in [None, Some(soon)] {
            let key = super::created_until(t, 3, expires_at).await?;
            let write = CreateTasks { update_info: Some(info(99)), ..super::task::add(&key, 3, &[classic(1)]) };
            t.p.tasks().create_tasks(&t.cx(), &write).await?;
            assert_eq!(tasks(t, &key).await?, [classic(1)]);
            assert_eq!(get(t, &key).await?, TaskQueue { info: info(99), ..queue(&key, 3, expires_at) });
        }
    }

    /// Subqueues are apart: in reading and in completing.
    #[covers("P17", "task.create_tasks", "task.get_tasks", "task.complete_tasks_less_than")]
    async fn subqueues_are_apart(t) {
        let key = created(t, 3).await?;
        let of = |n: i32| (1..=3).map(|id| sub(n, classic(id))).collect::<Vec<_>>();
        let numbers = [0, 1, 2, 255, 256, i32::MAX];
        add(t, &key, 3, &numbers.into_iter().rev().flat_map(of).collect::<Vec<_>>()).await?;
        let from = |subqueue| GetTasks { subqueue, ..all(&key, PageRequest::first(1)) };
        for n in numbers {
            assert_eq!(read(t, &from(n), 2).await?, of(n));
        }
        let done = CompleteTasksLessThan { subqueue: 1, ..super::task::complete(&key, at(3), Some(10)) };
        assert_eq!(t.p.tasks().complete_tasks_less_than(&t.cx(), &done).await?, Some(2));
        let done = CompleteTasksLessThan { subqueue: i32::MAX, ..super::task::complete(&key, at(9), None) };
        assert_eq!(t.p.tasks().complete_tasks_less_than(&t.cx(), &done).await?, None);
        for n in numbers {
            let left = match n {
                1 => of(1).split_off(2),
                i32::MAX => Vec::new(),
                n => of(n),
            };
            assert_eq!(read(t, &from(n), 10).await?, left, "subqueue {n}");
        }
    }

    /// A negative subqueue or pass is invalid, and so is completing at most nothing.
    #[covers("P17", "task.create_tasks!invalid_argument", "task.get_tasks!invalid_argument", "task.complete_tasks_less_than!invalid_argument")]
    async fn bad_task_requests_are_invalid(t) {
        let key = created(t, 3).await?;
        for bad in [sub(-1, classic(1)), sub(i32::MIN, classic(1)), fair(-1, 1), fair(i64::MIN, 1)] {
            invalid(add(t, &key, 3, &[classic(5), bad]).await);
        }
        assert_eq!(tasks(t, &key).await?, []);
        let of = GetTasks { subqueue: -1, ..all(&key, PageRequest::first(1)) };
        invalid(t.p.tasks().get_tasks(&t.cx(), &of).await);
        let of = CompleteTasksLessThan { subqueue: -1, ..super::task::complete(&key, at(1), None) };
        invalid(t.p.tasks().complete_tasks_less_than(&t.cx(), &of).await);
        invalid(complete(t, &key, at(1), Some(0)).await);
    }

    /// Completing with a limit deletes that many from the lowest on, and counts exactly.
    #[covers("P17", "task.complete_tasks_less_than")]
    async fn completing_with_a_limit_counts_exactly(t) {
        let key = created(t, 3).await?;
        add(t, &key, 3, &(1..=10).map(classic).collect::<Vec<_>>()).await?;
        for (max, limit, count, left) in [
            (1, 5, 0, 1),
            (5, 3, 3, 4),
            (5, 3, 1, 5),
            (5, 3, 0, 5),
            (8, 3, 3, 8),
            (100, 2, 2, 10),
            (100, u32::MAX, 1, 11),
            (100, 1, 0, 11),
        ] {
            assert_eq!(complete(t, &key, at(max), Some(limit)).await?, Some(count), "below {max}, at most {limit}");
            assert_eq!(ids(&tasks(t, &key).await?), (left..=10).collect::<Vec<_>>());
        }
        assert_eq!(complete(t, &queue_key(t), at(9), Some(9)).await?, Some(0));
    }

    /// Completing without a limit deletes everything below, and does not count.
    #[covers("P17", "task.complete_tasks_less_than")]
    async fn completing_without_a_limit_deletes_all_below(t) {
        let key = created(t, 3).await?;
        add(t, &key, 3, &(1..=10).map(classic).collect::<Vec<_>>()).await?;
        for (max, left) in [(1, 1), (i64::MIN, 1), (7, 7), (7, 7), (i64::MAX, 11)] {
            assert_eq!(complete(t, &key, at(max), None).await?, None);
            assert_eq!(ids(&tasks(t, &key).await?), (left..=10).collect::<Vec<_>>());
        }
    }

    /// A page size of 0 is invalid; a token that is damaged or of another queue, subqueue, range or operation is an
    /// invalid token.
    #[covers("P9", "P24", "task.get_tasks!invalid_token")]
    async fn task_tokens_fit_their_query_only(t) {
        let (key, other) = (created(t, 3).await?, created(t, 3).await?);
        for key in [&key, &other] {
            add(t, key, 3, &(1..=9).flat_map(|id| [classic(id), sub(1, classic(id))]).collect::<Vec<_>>()).await?;
        }
        let (t, req) = (&*t, between(&key, at(1), at(8), PageRequest::first(1)));
        let reads = [
            req.clone(),
            GetTasks { key: other, ..req.clone() },
            GetTasks { subqueue: 1, ..req.clone() },
            GetTasks { min: at(2), ..req.clone() },
            GetTasks { max: Some(at(9)), ..req.clone() },
            GetTasks { max: None, ..req.clone() },
        ];
        let mut tokens = Vec::new();
        for read in reads {
            tokens.push(t.p.tasks().get_tasks(&t.cx(), &read).await?.next.unwrap());
        }
        check_tokens(&tokens[0], &tokens[1..], |page| -> Reply<'_, QueuedTask> {
            let req = GetTasks { page, ..req.clone() };
            Box::pin(async move { t.p.tasks().get_tasks(&t.cx(), &req).await })
        })
        .await?;
    }

    /// A crawl gives every task that was there throughout once, while others are added and completed.
    #[covers("P9", "task.get_tasks", "task.create_tasks", "task.complete_tasks_less_than")]
    async fn a_crawl_of_tasks_stands_changes(t) {
        let key = created(t, 3).await?;
        add(t, &key, 3, &(1..=12).map(|i| classic(i * 10)).collect::<Vec<_>>()).await?;
        let (mut seen, mut req) = (Vec::new(), all(&key, PageRequest::first(3)));
        let mut round = 0;
        loop {
            let page = t.p.tasks().get_tasks(&t.cx(), &req).await?;
            seen.extend(ids(&page.items));
            round += 1;
            // Behind the crawl and before it; and what was read goes.
            add(t, &key, 3, &[classic(round), classic(55 + round), classic(200 + round)]).await?;
            complete(t, &key, at(round * 30), None).await?;
            let Some(next) = page.next else { break };
            req.page = PageRequest::after(3, next);
        }
        seen.retain(|id| id % 10 == 0 && *id <= 120);
        assert_eq!(seen, (1..=12).map(|i| i * 10).collect::<Vec<_>>());
    }
}
