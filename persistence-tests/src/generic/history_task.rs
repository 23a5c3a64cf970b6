//! History tasks: a shard's work, by category.

use super::crawl::{check_tokens, crawl, crawl_by};
use crate::Fixture;
use crate::build::execution::{Flow, bounds};
use crate::build::expect::*;
use crate::build::record::*;
use crate::race::{Beside, Overlap};
use futures_util::future::BoxFuture;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{Page, PageRequest, Result, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// The categories that are known, and some of one's own: ids at the edge, and both kinds.
const CATEGORIES: [TaskCategory; 12] = [
    TaskCategory::TRANSFER,
    TaskCategory::TIMER,
    TaskCategory::REPLICATION,
    TaskCategory::VISIBILITY,
    TaskCategory::ARCHIVAL,
    TaskCategory::OUTBOUND,
    TaskCategory::immediate(1234),
    TaskCategory::scheduled(2345),
    TaskCategory::immediate(0),
    TaskCategory::scheduled(-1),
    TaskCategory::immediate(i32::MAX),
    TaskCategory::scheduled(i32::MIN),
];

/// The nth task of a category: by id or by time.
fn nth(category: TaskCategory, n: i64) -> HistoryTask {
    match category.kind {
        TaskCategoryKind::Immediate => immediate(category, n),
        TaskCategoryKind::Scheduled => scheduled(category, n, 10_000 - n),
    }
}

/// The bound below the nth task.
fn bound(category: TaskCategory, n: i64) -> TaskKey {
    match category.kind {
        TaskCategoryKind::Immediate => TaskKey::immediate(n),
        TaskCategoryKind::Scheduled => TaskKey::scheduled(Timestamp(n), 0),
    }
}

fn reader<'a>(
    w: &'a Flow,
    category: TaskCategory,
    (min, max): (TaskKey, TaskKey),
) -> impl Fn(PageRequest) -> BoxFuture<'a, Result<Page<HistoryTask>>> {
    move |page| {
        let req = GetHistoryTasks { shard_id: w.shard_id, category, min, max, page };
        Box::pin(async move { w.p.executions().get_history_tasks(&w.cx(), &req).await })
    }
}

async fn filled(
    t: &Fixture,
    category: TaskCategory,
    ids: impl Iterator<Item = i64>,
) -> Result<(Flow, Vec<HistoryTask>)> {
    let w = Flow::new(t).await?;
    let tasks: Vec<_> = ids.map(|n| nth(category, n)).collect();
    let mut mixed = tasks.clone();
    t.rng().shuffle(&mut mixed);
    w.send(&w.add_tasks(&mixed)).await?;
    Ok((w, tasks))
}

crate::cases! {
    group: "history_task";

    /// A task of any category is added, read in its own range, completed, and gone.
    #[covers("execution.add_history_tasks", "execution.get_history_tasks", "execution.complete_history_task")]
    async fn add_get_complete_one(t) {
        let w = Flow::new(t).await?;
        for category in CATEGORIES {
            let task = nth(category, 77);
            w.send(&w.add_tasks(std::slice::from_ref(&task))).await?;
            let (at, after) = (bound(category, 77), bound(category, 78));
            assert_eq!(w.tasks_between(category, at, after).await?, std::slice::from_ref(&task), "{category:?}");
            assert_eq!(w.tasks_between(category, after, bound(category, 99)).await?, []);
            assert_eq!(w.tasks_between(category, bound(category, 7), at).await?, [], "the end is exclusive");
            w.send(&w.complete(&task)).await?;
            assert_eq!(w.tasks_between(category, at, after).await?, []);
        }
    }

    /// Twenty tasks read back in order of their keys, for any range and any page size, each exactly once.
    #[covers("execution.get_history_tasks", "P9")]
    async fn ranges_and_pages(t) {
        for category in CATEGORIES {
            let (w, tasks) = filled(t, category, 1..=20).await?;
            let mut rng = t.rng();
            for _ in 0..12 {
                let (from, to) = (rng.i64(0..=21), rng.i64(0..=22));
                let want: Vec<_> = (from.max(1)..to.min(21)).map(|n| tasks[usize::try_from(n - 1).unwrap()].clone()).collect();
                if to == 0 {
                    continue;
                }
                let read = reader(&w, category, (bound(category, from), bound(category, to)));
                let sizes = [rng.u32(1..40), 1, u32::try_from(want.len().max(1))?, 100];
                assert_eq!(crawl_by(sizes, read).await?, want, "{category:?} [{from}, {to})");
            }
        }
    }

    /// Categories are apart: the same keys in each, and a range delete of one leaves the others.
    #[covers("execution.add_history_tasks", "execution.range_complete_history_tasks")]
    async fn categories_are_apart(t) {
        let w = Flow::new(t).await?;
        let all: Vec<_> = CATEGORIES.iter().flat_map(|c| (1..4).map(|n| nth(*c, n))).collect();
        w.send(&w.add_tasks(&all)).await?;
        let other = Flow::new(t).await?;
        for (i, category) in CATEGORIES.into_iter().enumerate() {
            assert_eq!(w.tasks(category).await?, all[3 * i..3 * i + 3], "{category:?}");
            assert_eq!(other.tasks(category).await?, [], "a task of another shard");
        }
        let (min, max) = bounds(TaskCategory::TIMER);
        w.send(&w.complete_range(TaskCategory::TIMER, min, max)).await?;
        for (i, category) in CATEGORIES.into_iter().enumerate() {
            let want = if category == TaskCategory::TIMER { &[][..] } else { &all[3 * i..3 * i + 3] };
            assert_eq!(w.tasks(category).await?, want, "{category:?}");
        }
    }

    /// Scheduled tasks are ordered by fire time, then by id, and pages split ties exactly.
    #[covers("P12", "P9", "execution.get_history_tasks")]
    async fn ties_on_fire_time(t) {
        let w = Flow::new(t).await?;
        let c = TaskCategory::TIMER;
        let ids = [i64::MIN, -5, -1, 0, 1, 2, 10, 300, i64::MAX];
        let times = [-1_000, -1, 0, 1, 500, 1 << 45];
        let mut tasks: Vec<_> =
            times.iter().flat_map(|time| ids.iter().map(|id| scheduled(c, *time, *id))).collect();
        let want = tasks.clone();
        t.rng().shuffle(&mut tasks);
        w.send(&w.add_tasks(&tasks)).await?;
        assert_eq!(crawl_by([1, 2, 4, 9, 10, 54, 55], reader(&w, c, bounds(c))).await?, want);
        // A bound stands below every id of its time.
        let (min, max) = (TaskKey::scheduled(Timestamp(-1), 0), TaskKey::scheduled(Timestamp(1), 0));
        let between: Vec<_> = want.iter().filter(|t| t.key >= min && t.key < max).cloned().collect();
        assert_eq!(crawl(4, reader(&w, c, (min, max))).await?, between);
    }

    /// Times are truncated to milliseconds when they become timestamps, towards the past; what is stored is what is read.
    #[covers("P12", "execution.add_history_tasks")]
    async fn times_have_milliseconds(t) {
        let w = Flow::new(t).await?;
        let c = TaskCategory::TIMER;
        let at = |nanos| TaskKey::scheduled(Timestamp::from_nanos(nanos), 1);
        let task = |nanos| HistoryTask { key: at(nanos), ..scheduled(c, 0, 1) };
        // The later of the first two replaces the earlier: they are at one millisecond.
        let tasks = [task(1_500_000), task(1_999_999), task(2_000_000), task(-1)];
        w.send(&w.add_tasks(&tasks)).await?;
        let want = [tasks[3].clone(), tasks[1].clone(), tasks[2].clone()];
        assert_eq!(w.tasks(c).await?, want);
        assert_eq!(want.map(|t| t.key.fire_time), [Timestamp(-1), Timestamp(1), Timestamp(2)]);
        w.send(&w.complete(&task(1_000_001))).await?;
        assert_eq!(w.tasks(c).await?.len(), 2);
    }

    /// A task whose key is there replaces it: in one call the last counts, and a repeated call changes nothing.
    #[covers("P7", "execution.add_history_tasks")]
    async fn a_repeated_key_replaces(t) {
        let w = Flow::new(t).await?;
        for category in [TaskCategory::TRANSFER, TaskCategory::TIMER] {
            let [first, second, third] = [nth(category, 1), nth(category, 1), nth(category, 1)];
            w.send(&w.add_tasks(std::slice::from_ref(&first))).await?;
            let both = w.add_tasks(&[first.clone(), nth(category, 2), second.clone()]);
            w.send(&both).await?;
            w.send(&both).await?;
            assert_eq!(w.tasks(category).await?, [second, both.tasks[1].clone()]);
            w.send(&w.add_tasks(std::slice::from_ref(&third))).await?;
            assert_eq!(w.tasks(category).await?, [third, both.tasks[1].clone()]);
        }
    }

    /// Tasks come with the write that brings them, and not when it is refused.
    #[covers("execution.update_execution", "execution.get_history_tasks", "P7")]
    async fn tasks_come_with_their_write(t) {
        let w = Flow::new(t).await?;
        let task = |n| vec![immediate(TaskCategory::TRANSFER, n), scheduled(TaskCategory::TIMER, n, n)];
        let run = Snapshot { tasks: task(1), ..snapshot(t.run(), Running) };
        w.send(&w.brand_new(&run)).await?;
        let rival = Snapshot { tasks: task(2), ..snapshot(t.run(), Running) };
        current_failed(w.send(&w.brand_new(&rival)).await, Some(&run.record.current(run.run_id)));
        let change = |version, n| Mutation { tasks: task(n), ..mutation(run.run_id, version, Running) };
        run_failed(w.send(&w.update_current(&change(5, 3))).await, run.run_id, Some(5), Some(&created(&run)));
        shard_lost(w.send(&w.fenced(1).update_current(&change(1, 4))).await, 1, Some(2));
        let good = change(1, 5);
        w.send(&w.update_current(&good)).await?;
        // A task that is there already is replaced: the keys come from the fenced shard, so it is a repeat.
        let again = Mutation { tasks: vec![immediate(TaskCategory::TRANSFER, 1)], ..change(2, 0) };
        w.send(&w.update_current(&again)).await?;
        assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, [again.tasks[0].clone(), good.tasks[0].clone()]);
        assert_eq!(w.tasks(TaskCategory::TIMER).await?, [run.tasks[1].clone(), good.tasks[1].clone()]);
    }

    /// Completing what is not there succeeds; a range delete takes `[min, max)` and may be repeated.
    #[covers("P7", "P10", "execution.complete_history_task", "execution.range_complete_history_tasks")]
    async fn deletes_are_idempotent(t) {
        for category in CATEGORIES {
            let (w, tasks) = filled(t, category, 1..=10).await?;
            w.send(&w.complete(&nth(category, 99))).await?;
            for fence in [None, Some(2)] {
                w.send(&CompleteHistoryTask { range_id: fence, ..w.complete(&tasks[0]) }).await?;
                let range = w.complete_range(category, bound(category, 3), bound(category, 6));
                w.send(&RangeCompleteHistoryTasks { range_id: fence, ..range }).await?;
                let left: Vec<_> = [1, 5, 6, 7, 8, 9].map(|i| tasks[i].clone()).into();
                assert_eq!(w.tasks(category).await?, left, "{category:?}");
            }
            // Nothing between, and bounds that are turned round.
            for (from, to) in [(3, 6), (7, 7), (9, 2)] {
                w.send(&w.complete_range(category, bound(category, from), bound(category, to))).await?;
            }
            assert_eq!(w.tasks(category).await?.len(), 6);
            let (min, max) = bounds(category);
            w.send(&w.complete_range(category, min, max)).await?;
            assert_eq!(w.tasks(category).await?, []);
        }
    }

    /// Deletes without a range id need no owner, not even a shard; those with a stale one are refused, and delete nothing.
    #[covers("P10", "execution.complete_history_task!shard_ownership_lost",
        "execution.range_complete_history_tasks!shard_ownership_lost")]
    async fn deletes_take_an_optional_fence(t) {
        let c = TaskCategory::TRANSFER;
        let (w, tasks) = filled(t, c, 1..=3).await?;
        let (min, max) = bounds(c);
        for (stale, stored) in [(1, Some(2)), (3, Some(2))] {
            let one = CompleteHistoryTask { range_id: Some(stale), ..w.complete(&tasks[0]) };
            shard_lost(w.send(&one).await, stale, stored);
            let all = RangeCompleteHistoryTasks { range_id: Some(stale), ..w.complete_range(c, min, max) };
            shard_lost(w.send(&all).await, stale, stored);
        }
        assert_eq!(w.tasks(c).await?, tasks);
        let nowhere = Flow { shard_id: t.shard(), ..w };
        nowhere.send(&nowhere.complete(&tasks[0])).await?;
        nowhere.send(&nowhere.complete_range(c, min, max)).await?;
    }

    /// Bounds of immediate tasks carry no fire time, bounds of scheduled ones no id, and the end is set; an immediate task
    /// carries no fire time.
    #[covers("execution.get_history_tasks!invalid_argument", "execution.range_complete_history_tasks!invalid_argument",
        "execution.add_history_tasks!invalid_argument", "execution.complete_history_task!invalid_argument")]
    async fn bounds_are_checked(t) {
        let w = Flow::new(t).await?;
        let key = |time, task_id| TaskKey { fire_time: Timestamp(time), task_id };
        let (now, later) = (TaskCategory::TRANSFER, TaskCategory::TIMER);
        let bad = [
            (now, key(1, 0), key(0, 5)),
            (now, key(0, 0), key(1, 5)),
            (now, key(-1, 0), key(0, 5)),
            (now, key(0, 0), key(0, 0)),
            (now, key(0, -7), key(0, 0)),
            (later, key(1, 1), key(5, 0)),
            (later, key(1, 0), key(5, 1)),
            (later, key(1, -1), key(5, 0)),
            (later, key(1, 0), key(0, 0)),
            (later, key(-7, 0), key(0, 0)),
        ];
        for (category, min, max) in bad {
            invalid(w.tasks_between(category, min, max).await);
            invalid(w.send(&w.complete_range(category, min, max)).await);
        }
        let odd = HistoryTask { key: key(5, 1), ..immediate(now, 1) };
        let run = snapshot(t.run(), Running);
        invalid(w.send(&w.add_tasks(&[immediate(now, 2), odd.clone()])).await);
        invalid(w.send(&w.complete(&odd)).await);
        invalid(w.send(&w.brand_new(&Snapshot { tasks: vec![odd], ..run })).await);
        assert_eq!(w.tasks(now).await?, []);
    }

    /// An empty range, or one that is turned round, gives an empty page.
    #[covers("execution.get_history_tasks")]
    async fn empty_ranges(t) {
        for category in CATEGORIES {
            let (w, _) = filled(t, category, 1..=5).await?;
            for (from, to) in [(3, 3), (4, 2), (5, i64::MIN), (i64::MAX, 1), (6, 100), (-9, 1)] {
                let found = reader(&w, category, (bound(category, from), bound(category, to)))(PageRequest::first(3)).await?;
                assert_eq!((found.items, found.next), (Vec::new(), None), "{category:?} [{from}, {to})");
            }
        }
    }

    /// Tokens fit their own range, category and shard only; damaged ones and a page size of 0 are refused.
    #[covers("P9", "P24", "execution.get_history_tasks!invalid_token", "execution.get_history_tasks!invalid_argument")]
    async fn tokens(t) {
        let c = TaskCategory::TRANSFER;
        let (w, _) = filled(t, c, 1..=9).await?;
        let (other, _) = filled(t, c, 1..=9).await?;
        w.send(&w.add_tasks(&(1..9).map(|n| nth(TaskCategory::VISIBILITY, n)).collect::<Vec<_>>())).await?;
        let (at, to) = (TaskKey::immediate, TaskKey::immediate(9));
        let mut foreign = Vec::new();
        for (w, c, range) in [
            (&other, c, (at(1), to)),
            (&w, TaskCategory::VISIBILITY, (at(1), to)),
            (&w, c, (at(2), to)),
            (&w, c, (at(1), at(8))),
        ] {
            foreign.extend(reader(w, c, range)(PageRequest::first(2)).await?.next);
        }
        assert_eq!(foreign.len(), 4);
        let own = reader(&w, c, (at(1), to))(PageRequest::first(2)).await?.next.unwrap();
        check_tokens(&own, &foreign, reader(&w, c, (at(1), to))).await?;
        // A token may be used again, with another size.
        for _ in 0..2 {
            let page = reader(&w, c, (at(1), to))(PageRequest::after(3, own.clone())).await?;
            assert_eq!(page.items.iter().map(|t| t.key.task_id).collect::<Vec<_>>(), [3, 4, 5]);
        }
    }

    /// Adding no task at all is fine; many tasks of many categories are added at once.
    #[covers("P21", "execution.add_history_tasks")]
    async fn none_and_many(t) {
        let w = Flow::new(t).await?;
        w.send(&w.add_tasks(&[])).await?;
        let many: Vec<_> = (0..1500).map(|n| nth(CATEGORIES[n % 4], i64::try_from(n).unwrap() + 1)).collect();
        w.send(&w.add_tasks(&many)).await?;
        for (i, category) in CATEGORIES[..4].iter().enumerate() {
            let want: Vec<_> = many.iter().skip(i).step_by(4).cloned().collect();
            assert_eq!(crawl_by([97, 375], reader(&w, *category, bounds(*category))).await?, want);
        }
    }

    /// A crawl beside writers that add and complete tasks neither skips nor repeats one that was there throughout.
    #[covers("P9", "execution.get_history_tasks", "execution.add_history_tasks", "execution.complete_history_task")]
    async fn crawl_beside_writers(t) {
        let c = TaskCategory::TIMER;
        let (w, stay) = filled(t, c, (2..60).step_by(3)).await?;
        let there: BTreeSet<_> = stay.iter().map(|t| t.key).collect();
        let (done, overlap, changes) = (Arc::new(AtomicBool::new(false)), Overlap::new(), Arc::new(AtomicU64::new(0)));
        let writer = Beside::run({
            let (w, done, overlap, changes) = (w.clone(), done.clone(), overlap.clone(), changes.clone());
            async move {
                for n in (1..60).filter(|n| n % 3 != 2).cycle() {
                    if done.load(SeqCst) {
                        return;
                    }
                    let _inside = overlap.enter();
                    let task = nth(c, n);
                    w.send(&w.add_tasks(std::slice::from_ref(&task))).await.unwrap();
                    tokio::task::yield_now().await;
                    w.send(&w.complete(&task)).await.unwrap();
                    changes.fetch_add(1, SeqCst);
                }
            }
        });
        let mut rounds = 0;
        while rounds < 10 || changes.load(SeqCst) < 50 {
            let inside = overlap.enter();
            let mut seen: BTreeMap<_, u32> = BTreeMap::new();
            let mut page = PageRequest::first(1 + rounds % 5);
            loop {
                let got = reader(&w, c, bounds(c))(page.clone()).await?;
                got.items.iter().for_each(|t| *seen.entry(t.key).or_default() += 1);
                match got.next {
                    Some(token) => page = PageRequest::after(page.size, token),
                    None => break,
                }
                tokio::task::yield_now().await;
            }
            drop(inside);
            assert!(there.iter().all(|k| seen.get(k) == Some(&1)), "a task was skipped or repeated: {seen:?}");
            assert!(seen.values().all(|n| *n == 1), "a task was repeated: {seen:?}");
            rounds += 1;
        }
        done.store(true, SeqCst);
        writer.end().await;
        assert!(overlap.max() > 1, "nothing was written during a crawl");
    }
}
