//! What clocks leave.

use crate::build::expect::invalid;
use crate::build::task::*;
use crate::fixture::call;
use crate::{FaultRule, Fixture};
use persistence_core::store::*;
use persistence_core::{Clock, ErrorKind, PageRequest, PageToken, Persistence, Result, Timestamp};
use std::time::Duration;

const TTL: Duration = Duration::from_secs(10);

fn step(limit: u32, token: Option<PageToken>) -> SweepExpired {
    SweepExpired { limit, token }
}

/// Sweeps everything, some rows at a time; gives the sums and the number of steps.
async fn sweep(t: &Fixture, limit: u32) -> Result<(Swept, u64)> {
    let (mut all, mut token, mut steps) = (Swept::default(), None, 0);
    loop {
        let done = t.p.maintenance().sweep_expired(&t.cx(), &step(limit, token)).await?;
        let rows = done.task_queues_deleted + done.tasks_deleted;
        assert!(rows <= u64::from(limit), "{rows} rows, and the limit is {limit}");
        assert!(done.next.is_none() || rows > 0, "a step did nothing");
        all.task_queues_deleted += done.task_queues_deleted;
        all.tasks_deleted += done.tasks_deleted;
        token = done.next;
        steps += 1;
        if token.is_none() {
            return Ok((all, steps));
        }
    }
}

/// A queue that ends then, with tasks of which every other one does.
async fn mortal(t: &Fixture, end: Timestamp, queue_too: bool, count: i64) -> Result<TaskQueueKey> {
    let key = queue_key(t);
    t.p.tasks().create_task_queue(&t.cx(), &create(&key, 1, queue_too.then_some(end))).await?;
    let task = |id: i64| {
        let place = if id % 4 < 2 { classic(id) } else { sub(3, fair(id, id)) };
        if id % 2 == 0 { until(place, end) } else { place }
    };
    t.p.tasks().create_tasks(&t.cx(), &add(&key, 1, &(1..=count).map(task).collect::<Vec<_>>())).await?;
    Ok(key)
}

/// What is stored of a queue's tasks, through a handle for which nothing has expired yet.
async fn stored(t: &Fixture, past: &dyn Persistence, key: &TaskQueueKey) -> Result<Vec<i64>> {
    let mut ids = Vec::new();
    for subqueue in [0, 3] {
        let all = GetTasks { subqueue, ..all(key, PageRequest::first(1000)) };
        ids.extend(past.tasks().get_tasks(&t.cx(), &all).await?.items.iter().map(|t| t.position.task_id));
    }
    ids.sort_unstable();
    Ok(ids)
}

crate::cases! {
    group: "maintenance";

    /// A sweep deletes what has expired, queues and tasks of every subqueue, and nothing else; it counts exactly.
    #[covers("P18", "maintenance.sweep_expired")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_sweep_deletes_what_expired(t) {
        let (past, _) = t.another_with_clock().await?;
        assert_eq!(sweep(t, 10).await?, (Swept::default(), 1));
        let end = t.clock.now().after(TTL);
        let sticky = mortal(t, end, true, 10).await?;
        let normal = mortal(t, end, false, 7).await?;
        let later = mortal(t, end.after(TTL), true, 4).await?;
        t.clock.advance(TTL - Duration::from_millis(1));
        assert_eq!(sweep(t, 10).await?, (Swept::default(), 1), "a millisecond early");
        t.clock.advance(Duration::from_millis(1));
        let (done, _) = sweep(t, 100).await?;
        assert_eq!((done.task_queues_deleted, done.tasks_deleted), (1, 8));
        assert_eq!(stored(t, &*past, &sticky).await?, [1, 3, 5, 7, 9]);
        assert_eq!(stored(t, &*past, &normal).await?, [1, 3, 5, 7]);
        assert_eq!(stored(t, &*past, &later).await?, [1, 2, 3, 4]);
        assert_eq!(t.p.tasks().get_task_queue(&t.cx(), &get(&normal)).await?, queue(&normal, 1, None));
        assert_eq!(t.p.tasks().get_task_queue(&t.cx(), &get(&later)).await?, queue(&later, 1, Some(end.after(TTL))));
        assert_eq!(sweep(t, 100).await?.0, Swept::default());
    }

    /// A sweep in small steps does what one in a single step does; no step goes over its limit, none stops early.
    #[covers("P18", "maintenance.sweep_expired")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_sweep_can_be_resumed(t) {
        let (past, _) = t.another_with_clock().await?;
        for limit in [1, 2, 3, 5, 23, 24, 25, 1000] {
            let end = t.clock.now().after(TTL);
            let mut keys = Vec::new();
            for i in 0..4 {
                keys.push(mortal(t, end, i % 2 == 0, 11).await?);
            }
            t.clock.advance(TTL);
            let (done, steps) = sweep(t, limit).await?;
            assert_eq!((done.task_queues_deleted, done.tasks_deleted), (2, 20), "by {limit}");
            assert!(steps <= 1 + 22_u64.div_ceil(u64::from(limit)), "{steps} steps by {limit}");
            for key in keys {
                assert_eq!(stored(t, &*past, &key).await?, [1, 3, 5, 7, 9, 11]);
            }
        }
    }

    /// A sweep whose answers are lost still counts exactly, and deletes nothing that lives.
    #[covers("P13", "P18", "maintenance.sweep_expired")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_sweep_is_found(t) {
        let (past, _) = t.another_with_clock().await?;
        for fault in crate::generic::history::UNKNOWN {
            let end = t.clock.now().after(TTL);
            let key = mortal(t, end, true, 8).await?;
            t.clock.advance(TTL);
            t.faults.script(FaultRule::write(fault).table("task_queues").times(3));
            let (done, _) = sweep(t, 3).await?;
            t.faults.release().await;
            assert_eq!((done.task_queues_deleted, done.tasks_deleted), (1, 4), "{fault:?}");
            assert_eq!(stored(t, &*past, &key).await?, [1, 3, 5, 7]);
        }
    }

    /// A sweep beside writers deletes nothing that they bring back to life.
    #[covers("P18", "maintenance.sweep_expired", "task.create_tasks")]
    #[isolation(Own)]
    async fn a_sweep_runs_beside_writers(t) {
        let key = queue_key(t);
        t.p.tasks().create_task_queue(&t.cx(), &create(&key, 1, None)).await?;
        let over = t.clock.now();
        let dead: Vec<_> = (0..40).map(|id| until(classic(id), over)).collect();
        t.p.tasks().create_tasks(&t.cx(), &add(&key, 1, &dead)).await?;
        let p = t.p.clone();
        let sweeper = tokio::spawn(async move {
            for _ in 0..10 {
                p.maintenance().sweep_expired(&call(), &step(1000, None)).await?;
            }
            Ok::<_, persistence_core::Error>(())
        });
        for id in 0..40 {
            t.p.tasks().create_tasks(&t.cx(), &add(&key, 1, &[classic(id)])).await?;
        }
        sweeper.await??;
        let read = t.p.tasks().get_tasks(&t.cx(), &all(&key, PageRequest::first(100))).await?;
        assert_eq!(read.items, (0..40).map(classic).collect::<Vec<_>>());
    }

    /// A limit of 0 is invalid, and so are tokens that are not a sweep's own.
    #[covers("P9", "P24", "maintenance.sweep_expired!invalid_argument", "maintenance.sweep_expired!invalid_token")]
    #[isolation(Own)]
    async fn bad_sweeps_are_invalid(t) {
        let m = t.p.maintenance();
        invalid(m.sweep_expired(&t.cx(), &step(0, None)).await);
        for _ in 0..3 {
            mortal(t, t.clock.now(), false, 5).await?;
        }
        let list = ListTaskQueues { page: PageRequest::first(1) };
        let live = queue_key(t);
        for task_type in [1, 2] {
            let key = TaskQueueKey { task_type, ..live.clone() };
            t.p.tasks().create_task_queue(&t.cx(), &create(&key, 1, None)).await?;
        }
        let foreign = t.p.tasks().list_task_queues(&t.cx(), &list).await?.next.unwrap();
        let own = m.sweep_expired(&t.cx(), &step(4, None)).await?.next.unwrap();
        let mut damaged = own.as_bytes().to_vec();
        damaged[3] ^= 1;
        for bad in [foreign, PageToken::from_bytes(damaged), PageToken::from_bytes(Vec::new())] {
            let e = m.sweep_expired(&t.cx(), &step(1, Some(bad))).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidToken);
        }
        m.sweep_expired(&t.cx(), &step(5, Some(own))).await?;
    }
}
