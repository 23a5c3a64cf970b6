//! Task queues.

mod sql;

use crate::attempts::{answer, is_forgotten, remember};
use crate::bucket::{self, Bucket, Tried, work};
use crate::core::codec::{decode, encode};
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{AttemptId, Blob, Context, Error, NamespaceId, Outcome, Page, RangeId, Result, Timestamp};
use crate::tables::{TASK_QUEUES, TASKS};
use crate::tx::Tx;
use crate::value::{Kind, SqlRow, Value};
use async_trait::async_trait;
use sql::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// A queue as stored.
struct Stored {
    queue: TaskQueue,
    created_by: Uuid,
    attempts: Vec<u8>,
}

fn key(k: &TaskQueueKey) -> Vec<Value> {
    vec![k.namespace_id.0.into(), (&*k.name).into(), k.task_type.into()]
}

fn name(key: &TaskQueueKey) -> String {
    format!("task queue {:?} type {}", key.name, key.task_type)
}

fn condition_failed(key: &TaskQueueKey, expected: Option<RangeId>, stored: Option<RangeId>) -> Error {
    Error::condition_failed(name(key), expected, stored)
}

fn is_over(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|t| t <= now)
}

/// The position after this one; none after the last.
fn next(p: TaskPosition) -> Option<TaskPosition> {
    match p {
        TaskPosition { pass: i64::MAX, task_id: i64::MAX } => None,
        TaskPosition { pass, task_id: i64::MAX } => Some(TaskPosition { pass: pass + 1, task_id: i64::MIN }),
        p => Some(TaskPosition { task_id: p.task_id + 1, ..p }),
    }
}

fn expiry(t: Option<Timestamp>) -> Value {
    Value::opt(t.map(|t| t.0))
}

fn read(row: &mut SqlRow) -> Result<Stored> {
    let key = TaskQueueKey {
        namespace_id: NamespaceId(row.uuid()?),
        name: row.text()?,
        task_type: i32::try_from(row.int()?).unwrap_or(0),
    };
    let queue = TaskQueue {
        key,
        range_id: row.int()?,
        info: decode("task queue", &row.bytes()?)?,
        expires_at: row.opt_int()?.map(Timestamp),
    };
    queue.info.verify("task queue")?;
    Ok(Stored { queue, created_by: row.uuid()?, attempts: row.bytes()?.into() })
}

/// The stored queue, expired or not, locked as `lock` says.
async fn load(tx: &mut Tx, k: &TaskQueueKey, lock: &str) -> Result<Option<Stored>> {
    let rows = tx.query("task_queues", &format!("{SELECT}{lock}"), key(k), COLUMNS).await?;
    rows.into_iter().next().map(|mut r| read(&mut r)).transpose()
}

async fn store(tx: &mut Tx, q: &TaskQueue, created_by: Uuid, attempts: Vec<u8>, replace: bool) -> Result<()> {
    let mut row = key(&q.key);
    row.extend([
        q.range_id.into(),
        encode(&q.info).into(),
        expiry(q.expires_at),
        created_by.into(),
        attempts.into(),
    ]);
    tx.put(&TASK_QUEUES, vec![row], replace).await
}

/// A write to a queue that its range id fences.
struct Fenced {
    key: TaskQueueKey,
    range_id: RangeId,
    action: Action,
}

enum Action {
    Update { range_id: RangeId, info: Blob, expires_at: Option<Timestamp>, attempt: AttemptId },
    Delete,
    Add { tasks: Vec<Vec<Value>>, info: Option<Blob> },
}

async fn write_fenced(tx: &mut Tx, w: &Fenced, tried: Tried, now: Timestamp) -> Result<()> {
    let lock = match w.action {
        Action::Add { info: None, .. } => tx.dialect.for_share,
        _ => tx.dialect.for_update,
    };
    let stored = load(tx, &w.key, lock).await?;
    let live = stored.as_ref().filter(|s| !is_over(s.queue.expires_at, now));
    let Some(held) = live.filter(|s| s.queue.range_id == w.range_id) else {
        return refuse(w, live, tried);
    };
    match &w.action {
        Action::Update { range_id, info, expires_at, attempt } => {
            let attempts = match *range_id == w.range_id {
                true => held.attempts.clone(),
                false => remember(&held.attempts, *range_id, *attempt, 0),
            };
            let queue = TaskQueue {
                key: w.key.clone(),
                range_id: *range_id,
                info: info.clone(),
                expires_at: *expires_at,
            };
            store(tx, &queue, held.created_by, attempts, true).await
        }
        Action::Delete => tx.delete(&TASK_QUEUES, vec![key(&w.key)]).await,
        Action::Add { tasks, info } => {
            if let Some(info) = info {
                let queue = TaskQueue { info: info.clone(), ..held.queue.clone() };
                store(tx, &queue, held.created_by, held.attempts.clone(), true).await?;
            }
            tx.put(&TASKS, tasks.clone(), true).await
        }
    }
}

/// The answer to a write whose condition does not hold: the truth also if an earlier try of it may have been applied.
fn refuse(w: &Fenced, live: Option<&Stored>, tried: Tried) -> Result<()> {
    let error = condition_failed(&w.key, Some(w.range_id), live.map(|s| s.queue.range_id));
    if !tried.unknown {
        return Err(error);
    }
    match &w.action {
        Action::Update { range_id, attempt, .. } if *range_id != w.range_id => {
            match live {
                Some(s) if answer(&s.attempts, *attempt).is_some() => Ok(()),
                Some(s) if !is_forgotten(&s.attempts, *range_id) => Err(error),
                // Too long ago, or the queue is gone and its memory with it.
                _ => Err(error.with_outcome(Outcome::MaybeApplied)),
            }
        }
        // The queue is gone: this delete may have done it, and nothing remains to tell.
        Action::Delete if live.is_none() => Ok(()),
        _ => Err(error.with_outcome(Outcome::MaybeApplied)),
    }
}

#[async_trait]
impl TaskStore for Bucket {
    async fn create_task_queue(&self, cx: &Context, req: &CreateTaskQueue) -> Result<()> {
        let (req, now) = (Arc::new(req.clone()), self.env.clock.now());
        let work = work(move |tx: &mut Tx, tried| {
            let req = Arc::clone(&req);
            Box::pin(async move {
                let lock = tx.dialect.for_update;
                let stored = load(tx, &req.key, lock).await?;
                if let Some(s) = stored.as_ref().filter(|s| !is_over(s.queue.expires_at, now)) {
                    if tried.unknown && s.created_by == req.attempt.0 {
                        return Ok(());
                    }
                    return Err(condition_failed(&req.key, None, Some(s.queue.range_id)));
                }
                let queue = TaskQueue {
                    key: req.key.clone(),
                    range_id: req.range_id,
                    info: req.info.clone(),
                    expires_at: req.expires_at,
                };
                // An expired queue does not exist; the new one takes its place.
                store(tx, &queue, req.attempt.0, Vec::new(), stored.is_some()).await
            })
        });
        self.write(cx, work).await
    }

    async fn get_task_queue(&self, cx: &Context, req: &GetTaskQueue) -> Result<TaskQueue> {
        let find = async { load(&mut self.connection(cx).await?, &req.key, "").await };
        let stored = bucket::read(cx, "task_queues", find).await?.map(|s| s.queue);
        let live = stored.filter(|q| !is_over(q.expires_at, self.env.clock.now()));
        live.ok_or_else(|| Error::not_found("task queue", name(&req.key)))
    }

    async fn update_task_queue(&self, cx: &Context, req: &UpdateTaskQueue) -> Result<()> {
        let action = Action::Update {
            range_id: req.range_id,
            info: req.info.clone(),
            expires_at: req.expires_at,
            attempt: req.attempt,
        };
        self.write_queue(cx, Fenced { key: req.key.clone(), range_id: req.previous_range_id, action }).await
    }

    async fn delete_task_queue(&self, cx: &Context, req: &DeleteTaskQueue) -> Result<()> {
        let action = Action::Delete;
        self.write_queue(cx, Fenced { key: req.key.clone(), range_id: req.range_id, action }).await
    }

    async fn list_task_queues(&self, cx: &Context, req: &ListTaskQueues) -> Result<Page<TaskQueue>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("task.list_task_queues", &());
        let after: Option<TaskQueueKey> = query.position(req.page.token.as_ref())?;
        let tail = [Value::Int(self.env.clock.now().0), Value::Int(i64::from(req.page.size) + 1)];
        let (sql, mut args) = match &after {
            None => (LIST, Vec::new()),
            Some(after) => (LIST_AFTER, key(after)),
        };
        args.extend(tail);
        let rows = self.query(cx, "task_queues", sql, args, COLUMNS).await?;
        let found =
            rows.into_iter().map(|mut r| read(&mut r).map(|s| s.queue)).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(found, size, |last| query.token(&last.key)))
    }

    async fn create_tasks(&self, cx: &Context, req: &CreateTasks) -> Result<()> {
        let mut tasks = BTreeMap::new();
        for t in &req.tasks {
            let mut row = key(&req.key);
            row.extend([
                t.subqueue.into(),
                t.position.pass.into(),
                t.position.task_id.into(),
                encode(&t.payload).into(),
                expiry(t.expires_at),
            ]);
            tasks.insert((t.subqueue, t.position), row);
        }
        let action = Action::Add { tasks: tasks.into_values().collect(), info: req.update_info.clone() };
        self.write_queue(cx, Fenced { key: req.key.clone(), range_id: req.range_id, action }).await
    }

    async fn get_tasks(&self, cx: &Context, req: &GetTasks) -> Result<Page<QueuedTask>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("task.get_tasks", &(&req.key, req.subqueue, req.min, req.max));
        let after: Option<TaskPosition> = query.position(req.page.token.as_ref())?;
        let from = match after.map(next) {
            Some(None) => return Ok(Page { items: Vec::new(), next: None }),
            Some(Some(next)) => next,
            None => req.min,
        };
        let mut args = key(&req.key);
        args.extend([req.subqueue.into(), from.pass.into(), from.task_id.into()]);
        let sql = match req.max {
            Some(max) => {
                args.extend([max.pass.into(), max.task_id.into()]);
                SELECT_TASKS
            }
            None => SELECT_TASKS_TO_THE_END,
        };
        args.extend([self.env.clock.now().0.into(), Value::Int(i64::from(req.page.size) + 1)]);
        let mut found = Vec::new();
        for mut row in self.query(cx, "tasks", sql, args, TASK_COLUMNS).await? {
            let position = TaskPosition { pass: row.int()?, task_id: row.int()? };
            let payload: Blob = decode("task", &row.bytes()?)?;
            payload.verify("task")?;
            let expires_at = row.opt_int()?.map(Timestamp);
            found.push(QueuedTask { subqueue: req.subqueue, position, payload, expires_at });
        }
        Ok(Page::cut(found, size, |last| query.token(&last.position)))
    }

    async fn complete_tasks_less_than(
        &self,
        cx: &Context,
        req: &CompleteTasksLessThan,
    ) -> Result<Option<u64>> {
        let mut args = key(&req.key);
        args.extend([req.subqueue.into(), req.max.pass.into(), req.max.task_id.into()]);
        let mut count = None;
        if let Some(limit) = req.limit {
            // Counted before and apart, so that a repeat of the delete finds the count unchanged.
            let mut find = args.clone();
            find.push(Value::Int(limit.into()));
            let keys = self.query(cx, "tasks", NTH_TASK, find, &[Kind::Int, Kind::Int]).await?;
            count = Some(keys.len() as u64);
            let Some(mut last) = keys.into_iter().last() else { return Ok(count) };
            // They are below the requested bound, so there is a next position.
            let last = TaskPosition { pass: last.int()?, task_id: last.int()? };
            let end = next(last).unwrap_or(last);
            args.truncate(4);
            args.extend([end.pass.into(), end.task_id.into()]);
        }
        let work = work(move |tx: &mut Tx, _| {
            let args = args.clone();
            Box::pin(async move { tx.execute(DELETE_TASKS_BELOW, args).await.map(drop) })
        });
        self.write(cx, work).await.map(|()| count)
    }
}

impl Bucket {
    async fn write_queue(&self, cx: &Context, write: Fenced) -> Result<()> {
        let (write, now) = (Arc::new(write), self.env.clock.now());
        let work = work(move |tx: &mut Tx, tried| {
            let write = Arc::clone(&write);
            Box::pin(async move { write_fenced(tx, &write, tried, now).await })
        });
        self.write(cx, work).await
    }
}
