//! Task queues. A queue's guard is its range id, followed by its expiry if it has one: so a write to a queue that never
//! expires needs no read, and one to a queue that does is decided against exactly the expiry that was looked at.

use crate::attempts::{Attempt, Slot, put as remember};
use crate::bucket::{Bucket, Settled, check, in_doubt, put};
use crate::codec::{decode, encode, guard_number};
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{AttemptId, Blob, Context, Error, Outcome, Page, RangeId, Result, Timestamp};
use crate::keys::{successor, task_queue as keys};
use crate::row::*;
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct TaskValue {
    payload: Blob,
    expires_at: Option<Timestamp>,
}

fn queue_guard(range_id: RangeId, expires_at: Option<Timestamp>) -> Bytes {
    let mut guard = range_id.to_be_bytes().to_vec();
    if let Some(t) = expires_at {
        guard.extend_from_slice(&t.0.to_be_bytes());
    }
    guard.into()
}

fn read_guard(row: &Row) -> Result<(RangeId, Option<Timestamp>)> {
    let range_id = guard_number("task queue", &row.guard)?;
    let expires_at = match row.guard.get(8..) {
        Some(rest) if !rest.is_empty() => Some(Timestamp(guard_number("task queue", rest)?)),
        _ => None,
    };
    Ok((range_id, expires_at))
}

/// Whether something that ends then has ended now.
pub(crate) fn is_over(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|t| t <= now)
}

fn name(key: &TaskQueueKey) -> String {
    format!("task queue {:?} type {}", key.name, key.task_type)
}

fn condition_failed(key: &TaskQueueKey, expected: Option<RangeId>, stored: Option<RangeId>) -> Error {
    Error::condition_failed(name(key), expected, stored)
}

/// A write to a queue that its range id fences.
struct Fenced<'a> {
    key: &'a TaskQueueKey,
    range_id: RangeId,
    /// The queue's row to put, if it is written: without an expiry it keeps the one it has.
    row: NewRow,
    ops: Vec<Op>,
    attempt: Option<(AttemptId, Slot)>,
}

enum NewRow {
    Keep,
    Put(RangeId, Blob, Option<Timestamp>),
    PutInfo(Blob),
    Delete,
}

#[async_trait]
impl TaskStore for Bucket {
    async fn create_task_queue(&self, cx: &Context, req: &CreateTaskQueue) -> Result<()> {
        let (partition, ring) = (keys::partition(&req.key), keys::row_attempts());
        let attempt = Attempt { version: req.range_id, id: req.attempt, answer: 0 };
        let mut condition = Condition::Absent;
        let mut unknown_before = false;
        loop {
            let write = Write::from(Part {
                table: Table::TaskQueues,
                partition: partition.clone(),
                checks: vec![check(keys::row(), condition)],
                ops: vec![
                    put(keys::row(), queue_guard(req.range_id, req.expires_at), encode(&req.info)),
                    remember(&ring, Slot::Created, attempt),
                ],
            });
            let settled = self.settle(cx, &write).await.map_err(|e| in_doubt(unknown_before, e))?;
            let Settled::Refused { rows, unknown } = settled else { return Ok(()) };
            unknown_before |= unknown;
            if unknown_before && self.is_ours(cx, &partition, Slot::Created, req.attempt).await? {
                return Ok(());
            }
            condition = match rows.into_iter().next().flatten() {
                // An expired queue does not exist; the new one takes its place.
                Some(row) if is_over(read_guard(&row)?.1, self.env.clock.now()) => {
                    Condition::Guard(row.guard)
                }
                Some(row) => return Err(condition_failed(&req.key, None, Some(read_guard(&row)?.0))),
                // The expired one was deleted meanwhile.
                None => Condition::Absent,
            };
        }
    }

    async fn get_task_queue(&self, cx: &Context, req: &GetTaskQueue) -> Result<TaskQueue> {
        let row = self.queue_row(cx, &req.key, Level::Quorum).await?;
        let queue = row.map(|r| self.read_queue(&req.key, &r)).transpose()?.flatten();
        queue.ok_or_else(|| Error::not_found("task queue", name(&req.key)))
    }

    async fn update_task_queue(&self, cx: &Context, req: &UpdateTaskQueue) -> Result<()> {
        let slot = Slot::Version(req.range_id);
        let moves = req.range_id != req.previous_range_id;
        let attempt = Attempt { version: req.range_id, id: req.attempt, answer: 0 };
        let write = Fenced {
            key: &req.key,
            range_id: req.previous_range_id,
            row: NewRow::Put(req.range_id, req.info.clone(), req.expires_at),
            ops: if moves { vec![remember(&keys::row_attempts(), slot, attempt)] } else { Vec::new() },
            attempt: moves.then_some((req.attempt, slot)),
        };
        self.write_fenced(cx, write).await
    }

    async fn delete_task_queue(&self, cx: &Context, req: &DeleteTaskQueue) -> Result<()> {
        let (key, range_id, ops) = (&req.key, req.range_id, Vec::new());
        self.write_fenced(cx, Fenced { key, range_id, row: NewRow::Delete, ops, attempt: None }).await
    }

    async fn list_task_queues(&self, cx: &Context, req: &ListTaskQueues) -> Result<Page<TaskQueue>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("task.list_task_queues", &());
        let mut after: Option<Vec<u8>> = query.position(req.page.token.as_ref())?;
        let mut found = Vec::new();
        'all: loop {
            let partitions =
                self.driver.list_partitions(cx, Table::TaskQueues, after.as_deref(), size + 1).await?;
            for partition in &partitions {
                after = Some(partition.to_vec());
                let key = keys::read_partition(partition)?;
                let row = self.queue_row(cx, &key, Level::Quorum).await?;
                if let Some(queue) = row.map(|r| self.read_queue(&key, &r)).transpose()?.flatten() {
                    found.push(queue);
                }
                if found.len() > size {
                    break 'all;
                }
            }
            if partitions.len() <= size {
                break;
            }
        }
        Ok(Page::cut(found, size, |last| query.token(&keys::partition(&last.key).to_vec())))
    }

    async fn create_tasks(&self, cx: &Context, req: &CreateTasks) -> Result<()> {
        let mut puts = std::collections::BTreeMap::new();
        for t in &req.tasks {
            let value = TaskValue { payload: t.payload.clone(), expires_at: t.expires_at };
            let key = keys::task(t.subqueue, t.position);
            let guard = t.expires_at.map_or_else(Bytes::new, |e| Bytes::copy_from_slice(&e.0.to_be_bytes()));
            let row = Row { guard, value: encode(&value) };
            puts.insert(key.clone(), Op::Put { key, row, collectable_after: t.expires_at });
        }
        let write = Fenced {
            key: &req.key,
            range_id: req.range_id,
            row: req.update_info.clone().map_or(NewRow::Keep, NewRow::PutInfo),
            ops: puts.into_values().collect(),
            attempt: None,
        };
        self.write_fenced(cx, write).await
    }

    async fn get_tasks(&self, cx: &Context, req: &GetTasks) -> Result<Page<QueuedTask>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("task.get_tasks", &(&req.key, req.subqueue, req.min, req.max));
        let mut range = keys::tasks(req.subqueue, req.min, req.max);
        if let Some(after) = query.position::<TaskPosition>(req.page.token.as_ref())? {
            range.start = successor(&keys::task(req.subqueue, after));
        }
        let (partition, now) = (keys::partition(&req.key), self.env.clock.now());
        let mut found: Vec<QueuedTask> = Vec::new();
        loop {
            let wanted = size + 1 - found.len();
            let rows = self.rows(cx, Table::TaskQueues, &partition, &range, wanted, Level::Quorum).await?;
            for KeyedRow { key, row } in &rows {
                let (subqueue, position) = keys::read_task(key)?;
                let TaskValue { payload, expires_at } = decode("task", &row.value)?;
                if !is_over(expires_at, now) {
                    payload.verify("task")?;
                    found.push(QueuedTask { subqueue, position, payload, expires_at });
                }
            }
            match rows.last() {
                Some(last) if rows.len() == wanted && found.len() <= size => {
                    range.start = successor(&last.key)
                }
                _ => break,
            }
        }
        Ok(Page::cut(found, size, |last| query.token(&last.position)))
    }

    async fn complete_tasks_less_than(
        &self,
        cx: &Context,
        req: &CompleteTasksLessThan,
    ) -> Result<Option<u64>> {
        let partition = keys::partition(&req.key);
        let mut range =
            keys::tasks(req.subqueue, TaskPosition { pass: i64::MIN, ..TaskPosition::MIN }, Some(req.max));
        let mut count = None;
        if let Some(limit) = req.limit {
            let rows =
                self.rows(cx, Table::TaskQueues, &partition, &range, limit as usize, Level::Serial).await?;
            let Some(last) = rows.last() else { return Ok(Some(0)) };
            range.end = Some(successor(&last.key));
            count = Some(rows.len() as u64);
        }
        if !range.is_empty() {
            let ops = vec![Op::DeleteRange { range }];
            let part = Part { table: Table::TaskQueues, partition, checks: Vec::new(), ops };
            self.settle_unconditional(cx, &part.into()).await?;
        }
        Ok(count)
    }
}

impl Bucket {
    async fn queue_row(&self, cx: &Context, key: &TaskQueueKey, level: Level) -> Result<Option<Row>> {
        self.get_row(cx, Table::TaskQueues, &keys::partition(key), keys::row(), level).await
    }

    fn read_queue(&self, key: &TaskQueueKey, row: &Row) -> Result<Option<TaskQueue>> {
        let (range_id, expires_at) = read_guard(row)?;
        if is_over(expires_at, self.env.clock.now()) {
            return Ok(None);
        }
        let info: Blob = decode("task queue", &row.value)?;
        info.verify("task queue")?;
        Ok(Some(TaskQueue { key: key.clone(), range_id, info, expires_at }))
    }

    async fn is_ours(&self, cx: &Context, partition: &Bytes, slot: Slot, attempt: AttemptId) -> Result<bool> {
        let ring = keys::row_attempts();
        let found = self.remembered(cx, Table::TaskQueues, partition, &ring, slot).await?;
        Ok(found.is_some_and(|a| a.id == attempt))
    }

    /// Writes to a queue that is owned with this range id and is not expired.
    async fn write_fenced(&self, cx: &Context, w: Fenced<'_>) -> Result<()> {
        let partition = keys::partition(w.key);
        let (mut seen, mut unknown_before): (Option<Timestamp>, bool) = (None, false);
        loop {
            let mut ops = w.ops.clone();
            ops.extend(match &w.row {
                NewRow::Keep => None,
                NewRow::Put(range_id, info, expires_at) => {
                    Some(put(keys::row(), queue_guard(*range_id, *expires_at), encode(info)))
                }
                NewRow::PutInfo(info) => Some(put(keys::row(), queue_guard(w.range_id, seen), encode(info))),
                NewRow::Delete => Some(Op::Delete { key: keys::row() }),
            });
            let write = Write::from(Part {
                table: Table::TaskQueues,
                partition: partition.clone(),
                checks: vec![check(keys::row(), Condition::Guard(queue_guard(w.range_id, seen)))],
                ops,
            });
            let settled = self.settle(cx, &write).await.map_err(|e| in_doubt(unknown_before, e))?;
            let Settled::Refused { rows, unknown } = settled else { return Ok(()) };
            let row = rows.into_iter().next().flatten();
            let stored = row.as_ref().map(read_guard).transpose()?;
            let live = stored.filter(|(_, expires_at)| !is_over(*expires_at, self.env.clock.now()));
            unknown_before |= unknown;
            match live {
                // Still ours, with another expiry than was looked at: no try was applied, or one that gave it this expiry. A
                // repeat does no harm, but if it fails nobody knows.
                Some((range_id, expires_at)) if range_id == w.range_id && expires_at != seen => {
                    seen = expires_at
                }
                other => {
                    let stored = other.map(|(range_id, _)| range_id);
                    if unknown_before {
                        return self.after_unknown(cx, &partition, &w, stored).await;
                    }
                    return Err(condition_failed(w.key, Some(w.range_id), stored));
                }
            }
        }
    }

    /// The truth about a write whose first try had an unknown outcome and whose repeat was refused.
    async fn after_unknown(
        &self,
        cx: &Context,
        partition: &Bytes,
        w: &Fenced<'_>,
        stored: Option<RangeId>,
    ) -> Result<()> {
        let error = condition_failed(w.key, Some(w.range_id), stored);
        let Some((attempt, slot)) = w.attempt else {
            return match &w.row {
                // The queue is gone: this delete may have done it, and nothing remains to tell.
                NewRow::Delete if stored.is_none() => Ok(()),
                _ => Err(error.with_outcome(Outcome::MaybeApplied)),
            };
        };
        let ring = keys::row_attempts();
        match self.remembered(cx, Table::TaskQueues, partition, &ring, slot).await? {
            Some(a) if a.id == attempt => Ok(()),
            // Overwritten by a later owner: whether this one came before it cannot be told.
            Some(a) if matches!(slot, Slot::Version(v) if a.version > v) => {
                Err(error.with_outcome(Outcome::MaybeApplied))
            }
            _ => Err(error),
        }
    }
}
