//! Failures on the way, and answers that get lost: what was deleted before stays so, and counts.

use super::scavenge::{LIVE, MS, SAFE, begun, scavenge, step};
use crate::build::history::*;
use crate::build::task;
use crate::generic::history::{UNKNOWN, everything, fill};
use crate::generic::unknown::{accidents, honest};
use crate::{FaultRule, Fixture};
use persistence_core::store::*;
use persistence_core::{Clock, PageRequest, Persistence, Result};
use std::time::Duration;

const TTL: Duration = Duration::from_secs(10);

/// What is stored of a queue and its tasks, through a handle for which nothing has expired yet.
async fn left(t: &Fixture, past: &dyn Persistence, key: &TaskQueueKey) -> Result<usize> {
    let tasks = past.tasks().get_tasks(&t.cx(), &task::all(key, PageRequest::first(10))).await?;
    let queue = past.tasks().get_task_queue(&t.cx(), &task::get(key)).await;
    Ok(tasks.items.len() + usize::from(queue.is_ok()))
}

crate::cases! {
    group: "maintenance";

    /// A scavenge says that nothing was done only where nothing was, whatever of it fails.
    #[covers("P13", "maintenance.scavenge!unavailable")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_scavenge_that_fails_half_way_says_maybe(t) {
        let mut half = 0;
        for script in accidents(4, 8) {
            let orphans = [Tree::new(t), Tree::new(t)];
            for orphan in &orphans {
                fill(t, orphan, &orphan.root, &LIVE[..1]).await?;
            }
            t.clock.advance(SAFE + MS);
            script.iter().for_each(|rule| t.faults.script(*rule));
            let answer = t.p.maintenance().scavenge(&t.cx(), &step(10, None)).await;
            t.faults.clear();
            let mut gone = 0;
            for orphan in &orphans {
                gone += u64::from(everything(t, orphan, &orphan.root).await.is_err());
            }
            honest(&answer, gone > 0, &script);
            match answer {
                Ok(done) => assert_eq!((gone, done.branches_deleted), (2, 2), "{script:?}"),
                Err(_) => half += u64::from(gone > 0),
            }
            scavenge(t, 10).await?;
        }
        assert!(half > 0, "nothing failed half way");
    }

    /// So does a sweep.
    #[covers("P13", "P18", "maintenance.sweep_expired!unavailable")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_sweep_that_fails_half_way_says_maybe(t) {
        let ((past, _), mut half) = (t.another_with_clock().await?, 0);
        let sweep = SweepExpired { limit: 100, token: None };
        for script in accidents(6, 5) {
            let end = t.clock.now().after(TTL);
            let keys = [task::queue_key(t), task::queue_key(t)];
            for key in &keys {
                t.p.tasks().create_task_queue(&t.cx(), &task::create(key, 1, Some(end))).await?;
                let tasks = [1, 2].map(|id| task::until(task::classic(id), end));
                t.p.tasks().create_tasks(&t.cx(), &task::add(key, 1, &tasks)).await?;
            }
            t.clock.advance(TTL);
            script.iter().for_each(|rule| t.faults.script(*rule));
            let answer = t.p.maintenance().sweep_expired(&t.cx(), &sweep).await;
            t.faults.clear();
            let left = left(t, &*past, &keys[0]).await? + left(t, &*past, &keys[1]).await?;
            honest(&answer, left < 6, &script);
            match answer {
                Ok(done) => assert_eq!((left, done.task_queues_deleted, done.tasks_deleted), (0, 2, 4), "{script:?}"),
                Err(_) => half += u64::from(left < 6),
            }
            t.p.maintenance().sweep_expired(&t.cx(), &sweep).await?;
        }
        assert!(half > 0, "nothing failed half way");
    }

    /// What a scavenge deleted without an answer counts.
    #[covers("P13", "maintenance.scavenge")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_scavenge_counts_what_lost_its_answer(t) {
        for fault in UNKNOWN {
            for nth in [1, 2] {
                let (_, _, tree) = begun(t).await?;
                fill(t, &tree, &tree.root, &[(6, 1, 20, 11), (7, 1, 21, 20)]).await?;
                let orphan = Tree::new(t);
                fill(t, &orphan, &orphan.root, LIVE).await?;
                t.clock.advance(SAFE + MS);
                t.faults.script(FaultRule::write(fault).table("history").nth(nth));
                let done = scavenge(t, 10).await?;
                t.faults.clear();
                t.faults.release().await;
                assert_eq!((done.branches_deleted, done.nodes_deleted), (1, 2), "{fault:?} {nth}");
                assert_eq!(everything(t, &tree, &tree.root).await?, batches(LIVE));
            }
        }
    }
}
