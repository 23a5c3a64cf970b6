//! FIFO queues. A queue's row knows the next id and the first that is not deleted, so ids never go back and counts are exact.

use crate::attempts::{answer, is_forgotten, next_version, remember};
use crate::bucket::{self, Bucket, Tried, work};
use crate::core::codec::{decode, encode};
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{AttemptId, Blob, Context, Error, Page, Result};
use crate::tables::{ACKS, MESSAGES, QUEUES};
use crate::tx::Tx;
use crate::value::{Kind, SqlRow, Value};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use uuid::Uuid;

const SELECT: &str = "\
    SELECT name, next_id, first_id, created_by, attempts
      FROM queues
     WHERE queue_type = ? AND name = ?";

const LIST: &str = "\
    SELECT name, next_id, first_id, created_by, attempts
      FROM queues
     WHERE queue_type = ? AND name > ?
     ORDER BY name
     LIMIT ?";

const COLUMNS: &[Kind] = &[Kind::Text, Kind::Int, Kind::Int, Kind::Uuid, Kind::Bytes];

const SELECT_MESSAGES: &str = "\
    SELECT id, payload
      FROM queue_messages
     WHERE queue_type = ? AND name = ? AND id > ?
     ORDER BY id
     LIMIT ?";

const DELETE_MESSAGES: &str = "\
    DELETE FROM queue_messages
     WHERE queue_type = ? AND name = ? AND id < ?";

const SELECT_ACK: &str = "\
    SELECT level
      FROM queue_acks
     WHERE queue_type = ? AND name = ? AND consumer = ?";

const SELECT_ACKS: &str = "\
    SELECT consumer, level
      FROM queue_acks
     WHERE queue_type = ? AND name = ?
     ORDER BY consumer";

struct Stored {
    name: String,
    next_id: i64,
    first_id: i64,
    created_by: Uuid,
    attempts: Vec<u8>,
}

fn key(k: &QueueKey) -> Vec<Value> {
    vec![i32::from(k.queue_type.code()).into(), (&*k.name).into()]
}

fn title(key: &QueueKey) -> String {
    format!("{:?} queue {:?}", key.queue_type, key.name)
}

fn missing(key: &QueueKey) -> Error {
    Error::not_found("queue", title(key))
}

fn read(row: &mut SqlRow) -> Result<Stored> {
    Ok(Stored {
        name: row.text()?,
        next_id: row.int()?,
        first_id: row.int()?,
        created_by: row.uuid()?,
        attempts: row.bytes()?.into(),
    })
}

/// The queue, locked as `lock` says; `NotFound` if there is none.
async fn load(tx: &mut Tx, k: &QueueKey, lock: &str) -> Result<Stored> {
    let rows = tx.query("queues", &format!("{SELECT}{lock}"), key(k), COLUMNS).await?;
    let row = rows.into_iter().next();
    row.map(|mut r| read(&mut r)).transpose()?.ok_or_else(|| missing(k))
}

async fn store(tx: &mut Tx, k: &QueueKey, q: Stored, replace: bool) -> Result<()> {
    let mut row = key(k);
    row.extend([q.next_id.into(), q.first_id.into(), q.created_by.into(), q.attempts.into()]);
    tx.put(&QUEUES, vec![row], replace).await
}

/// A change that is done once, though it may be tried more than once and nothing but memory tells whether it was done.
#[derive(Clone)]
struct Once {
    attempt: AttemptId,
    /// The version that the first try would have written; 0 before it.
    first: Arc<AtomicI64>,
}

impl Once {
    fn new(attempt: AttemptId) -> Self {
        Once { attempt, first: Arc::new(AtomicI64::new(0)) }
    }

    /// The answer of an earlier try, if there was one; an error if nobody can tell any more, because so many others came in
    /// between that they would have displaced its memory.
    fn earlier(&self, q: &Stored, tried: Tried) -> Option<Result<i64>> {
        let first = self.first.compare_exchange(0, next_version(&q.attempts), Relaxed, Relaxed);
        if !tried.unknown {
            return None;
        }
        if let Some(answer) = answer(&q.attempts, self.attempt) {
            return Some(Ok(answer));
        }
        let forgotten = first.is_err_and(|version| is_forgotten(&q.attempts, version));
        forgotten.then(|| Err(Error::timeout(format!("queue {:?}", q.name))))
    }

    fn remember(&self, q: &mut Stored, answer: i64) {
        q.attempts = remember(&q.attempts, next_version(&q.attempts), self.attempt, answer);
    }
}

#[async_trait]
impl QueueStore for Bucket {
    async fn create_queue(&self, cx: &Context, req: &CreateQueue) -> Result<()> {
        let req = Arc::new(req.clone());
        let work = work(move |tx: &mut Tx, tried| {
            let req = Arc::clone(&req);
            Box::pin(async move {
                let rows = tx.query("queues", SELECT, key(&req.key), COLUMNS).await?;
                if let Some(mut row) = rows.into_iter().next() {
                    let ours = tried.unknown && read(&mut row)?.created_by == req.attempt.0;
                    return if ours { Ok(()) } else { Err(Error::already_exists("queue", title(&req.key))) };
                }
                let queue = Stored {
                    name: req.key.name.clone(),
                    next_id: 0,
                    first_id: 0,
                    created_by: req.attempt.0,
                    attempts: Vec::new(),
                };
                store(tx, &req.key, queue, false).await
            })
        });
        self.write(cx, work).await
    }

    async fn enqueue(&self, cx: &Context, req: &Enqueue) -> Result<i64> {
        let (once, req) = (Once::new(req.attempt), Arc::new(req.clone()));
        let work = work(move |tx: &mut Tx, tried| {
            let (once, req) = (once.clone(), Arc::clone(&req));
            Box::pin(async move {
                let lock = tx.dialect.for_update;
                let mut queue = load(tx, &req.key, lock).await?;
                if let Some(earlier) = once.earlier(&queue, tried) {
                    return Ok(earlier);
                }
                let first = queue.next_id;
                let count = i64::try_from(req.messages.len()).unwrap_or(i64::MAX);
                let next = first.checked_add(count);
                queue.next_id = next.ok_or_else(|| Error::invalid("messages", "ids are used up"))?;
                once.remember(&mut queue, first);
                store(tx, &req.key, queue, true).await?;
                let row = |(id, m): (i64, &Blob)| {
                    let mut row = key(&req.key);
                    row.extend([id.into(), encode(m).into()]);
                    row
                };
                let rows = (first..).zip(&req.messages).map(row).collect();
                tx.put(&MESSAGES, rows, false).await?;
                Ok(Ok(first))
            })
        });
        self.write(cx, work).await?
    }

    async fn read_queue(&self, cx: &Context, req: &ReadQueue) -> Result<Page<QueueMessage>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("queue.read_queue", &(&req.key, req.after));
        let token: Option<i64> = query.position(req.page.token.as_ref())?;
        let mut args = key(&req.key);
        let after = token.or(req.after).unwrap_or(-1);
        args.extend([after.into(), Value::Int(i64::from(req.page.size) + 1)]);
        let mut found = Vec::new();
        let columns = &[Kind::Int, Kind::Bytes];
        for mut row in self.of_queue(cx, &req.key, "queue_messages", SELECT_MESSAGES, args, columns).await? {
            let id = row.int()?;
            let payload: Blob = decode("queue message", &row.bytes()?)?;
            payload.verify("queue message")?;
            found.push(QueueMessage { id, payload });
        }
        Ok(Page::cut(found, size, |last| query.token(&last.id)))
    }

    async fn update_ack_level(&self, cx: &Context, req: &UpdateAckLevel) -> Result<()> {
        let req = Arc::new(req.clone());
        let work = work(move |tx: &mut Tx, _| {
            let req = Arc::clone(&req);
            Box::pin(async move {
                // The queue's lock also orders two consumers' first levels.
                let lock = tx.dialect.for_update;
                load(tx, &req.key, lock).await?;
                let mut ack = key(&req.key);
                ack.push((&*req.ack.consumer).into());
                let rows = tx.query("queue_acks", SELECT_ACK, ack.clone(), &[Kind::Int]).await?;
                let stored = rows.into_iter().next().map(|mut r| r.int()).transpose()?;
                if stored.is_some_and(|level| level >= req.ack.level) {
                    return Ok(());
                }
                ack.push(req.ack.level.into());
                tx.put(&ACKS, vec![ack], true).await
            })
        });
        self.write(cx, work).await
    }

    async fn get_ack_levels(&self, cx: &Context, req: &GetAckLevels) -> Result<Vec<AckLevel>> {
        self.ack_levels(cx, &req.key).await
    }

    async fn range_delete_messages(&self, cx: &Context, req: &RangeDeleteMessages) -> Result<u64> {
        let (req, once) = (Arc::new(req.clone()), Once::new(AttemptId(self.env.ids.next())));
        let work = work(move |tx: &mut Tx, tried| {
            let (once, req) = (once.clone(), Arc::clone(&req));
            Box::pin(async move {
                let lock = tx.dialect.for_update;
                let mut queue = load(tx, &req.key, lock).await?;
                if let Some(earlier) = once.earlier(&queue, tried) {
                    return Ok(earlier);
                }
                let end = req.max.saturating_add(1).min(queue.next_id);
                if end <= queue.first_id {
                    return Ok(Ok(0));
                }
                let deleted = end - queue.first_id;
                queue.first_id = end;
                once.remember(&mut queue, deleted);
                store(tx, &req.key, queue, true).await?;
                let mut args = key(&req.key);
                args.push(end.into());
                tx.execute(DELETE_MESSAGES, args).await?;
                Ok(Ok(deleted))
            })
        });
        let deleted = self.write(cx, work).await??;
        Ok(u64::try_from(deleted).unwrap_or(0))
    }

    async fn list_queues(&self, cx: &Context, req: &ListQueues) -> Result<Page<ListedQueue>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("queue.list_queues", &req.queue_type);
        // No name is empty, so every name is after the empty one.
        let after: String = query.position(req.page.token.as_ref())?.unwrap_or_default();
        let args = vec![
            i32::from(req.queue_type.code()).into(),
            Value::Text(after),
            Value::Int(i64::from(req.page.size) + 1),
        ];
        let mut found = Vec::new();
        for mut row in self.query(cx, "queues", LIST, args, COLUMNS).await? {
            let q = read(&mut row)?;
            found.push(ListedQueue {
                key: QueueKey { queue_type: req.queue_type, name: q.name },
                message_count: u64::try_from(q.next_id - q.first_id).unwrap_or(0),
                last_id: (q.next_id > 0).then(|| q.next_id - 1),
            });
        }
        Ok(Page::cut(found, size, |last| query.token(&last.key.name)))
    }
}

impl Bucket {
    /// Rows that belong to a queue, which must be there.
    async fn of_queue(
        &self,
        cx: &Context,
        k: &QueueKey,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        let find = async {
            let mut tx = self.connection(cx).await?;
            load(&mut tx, k, "").await?;
            tx.query(table, sql, args, columns).await
        };
        bucket::read(cx, table, find).await
    }

    async fn ack_levels(&self, cx: &Context, k: &QueueKey) -> Result<Vec<AckLevel>> {
        let columns = &[Kind::Text, Kind::Int];
        let rows = self.of_queue(cx, k, "queue_acks", SELECT_ACKS, key(k), columns).await?;
        rows.into_iter().map(|mut r| Ok(AckLevel { consumer: r.text()?, level: r.int()? })).collect()
    }
}
