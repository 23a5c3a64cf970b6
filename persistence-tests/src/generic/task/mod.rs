//! Task queues.

mod expiry;
mod fair;
mod owner;
mod queue;
mod race;
mod tasks;
mod unknown;

use super::crawl::{Reply, crawl};
use crate::build::task;
use crate::{Case, Fixture};
use persistence_core::store::*;
use persistence_core::{Detail, ErrorKind, PageRequest, RangeId, Result, Timestamp};

/// The cases of all files.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    let files = [
        expiry::cases(),
        fair::cases(),
        owner::cases(),
        queue::cases(),
        race::cases(),
        tasks::cases(),
        unknown::cases(),
    ];
    files.into_iter().flatten().collect()
}

/// A fresh queue with this range id that never expires.
async fn created(t: &Fixture, range_id: RangeId) -> Result<TaskQueueKey> {
    created_until(t, range_id, None).await
}

/// A fresh queue with this range id and expiry.
async fn created_until(t: &Fixture, range_id: RangeId, until: Option<Timestamp>) -> Result<TaskQueueKey> {
    let key = task::queue_key(t);
    t.p.tasks().create_task_queue(&t.cx(), &task::create(&key, range_id, until)).await?;
    Ok(key)
}

async fn get(t: &Fixture, key: &TaskQueueKey) -> Result<TaskQueue> {
    t.p.tasks().get_task_queue(&t.cx(), &task::get(key)).await
}

async fn add(t: &Fixture, key: &TaskQueueKey, range_id: RangeId, tasks: &[QueuedTask]) -> Result<()> {
    t.p.tasks().create_tasks(&t.cx(), &task::add(key, range_id, tasks)).await
}

async fn complete(
    t: &Fixture,
    key: &TaskQueueKey,
    max: TaskPosition,
    limit: Option<u32>,
) -> Result<Option<u64>> {
    t.p.tasks().complete_tasks_less_than(&t.cx(), &task::complete(key, max, limit)).await
}

/// Every task that a request selects, in pages.
async fn read(t: &Fixture, req: &GetTasks, size: u32) -> Result<Vec<QueuedTask>> {
    let read = |page| -> Reply<'_, QueuedTask> {
        Box::pin(async move { t.p.tasks().get_tasks(&t.cx(), &GetTasks { page, ..req.clone() }).await })
    };
    crawl(size, read).await
}

/// Every task of subqueue 0.
async fn tasks(t: &Fixture, key: &TaskQueueKey) -> Result<Vec<QueuedTask>> {
    read(t, &task::all(key, PageRequest::first(1)), 1000).await
}

/// `ConditionFailed`, with the range id that is stored now.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, expected: Option<RangeId>, stored: Option<RangeId>) {
    let e = crate::build::expect::failed(result, ErrorKind::ConditionFailed);
    match e.detail() {
        Detail::ConditionFailed { expected: x, actual, .. } => {
            assert_eq!((*x, *actual), (expected, stored), "{e}")
        }
        other => panic!("{other:?}"),
    }
}
