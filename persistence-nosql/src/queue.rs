//! FIFO queues. A queue's row counts its changes (the guard) and knows the next id and the first that is not deleted, so
//! ids never go back and counts are exact.

use crate::attempts::{Attempt, Slot, put as remember};
use crate::bucket::{Bucket, Settled, Tries, check, put};
use crate::codec::{decode, encode, guard, guard_number};
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{AttemptId, Blob, Context, Error, Page, Result};
use crate::keys::{queue as keys, successor};
use crate::row::*;
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Serialize, Deserialize)]
struct QueueValue {
    next_id: i64,
    first_id: i64,
}

/// A queue as read.
struct State {
    changes: i64,
    value: QueueValue,
}

fn name(key: &QueueKey) -> String {
    format!("{:?} queue {:?}", key.queue_type, key.name)
}

fn missing(key: &QueueKey) -> Error {
    Error::not_found("queue", name(key))
}

#[async_trait]
impl QueueStore for Bucket {
    async fn create_queue(&self, cx: &Context, req: &CreateQueue) -> Result<()> {
        // The name first: a name without a queue is left out of lists, a queue without a name would be lost to them.
        let names = Part {
            table: Table::Queues,
            partition: keys::names_partition(req.key.queue_type),
            checks: Vec::new(),
            ops: vec![put(keys::name(&req.key.name), Bytes::new(), Bytes::new())],
        };
        self.settle_unconditional(cx, &names.into()).await?;
        let (partition, ring) = (keys::partition(&req.key), keys::row_attempts());
        let value = QueueValue { next_id: 0, first_id: 0 };
        let attempt = Attempt { version: 0, id: req.attempt, answer: 0 };
        let write = Write::from(Part {
            table: Table::Queues,
            partition: partition.clone(),
            checks: vec![check(keys::row(), Condition::Absent)],
            ops: vec![put(keys::row(), guard(0), encode(&value)), remember(&ring, Slot::Created, attempt)],
        });
        match self.settle(cx, &write).await? {
            Settled::Applied => Ok(()),
            Settled::Refused { unknown: true, .. } => {
                match self.remembered(cx, Table::Queues, &partition, &ring, Slot::Created).await? {
                    Some(a) if a.id == req.attempt => Ok(()),
                    _ => Err(Error::already_exists("queue", name(&req.key))),
                }
            }
            Settled::Refused { .. } => Err(Error::already_exists("queue", name(&req.key))),
        }
    }

    async fn enqueue(&self, cx: &Context, req: &Enqueue) -> Result<i64> {
        let count = i64::try_from(req.messages.len()).unwrap_or(i64::MAX);
        let append = |q: QueueValue| {
            let next_id = q.next_id.checked_add(count);
            let next_id = next_id.ok_or_else(|| Error::invalid("messages", "ids are used up"))?;
            let put_message = |(id, m): (i64, &Blob)| put(keys::message(id), Bytes::new(), encode(m));
            let ops = (q.next_id..).zip(&req.messages).map(put_message).collect();
            Ok(Some((QueueValue { next_id, ..q }, ops, q.next_id)))
        };
        self.change_queue(cx, &req.key, req.attempt, append, 0).await
    }

    async fn read_queue(&self, cx: &Context, req: &ReadQueue) -> Result<Page<QueueMessage>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("queue.read_queue", &(&req.key, req.after));
        let token: Option<i64> = query.position(req.page.token.as_ref())?;
        self.queue_state(cx, &req.key, Level::Quorum).await?;
        let after = token.or(req.after).map_or(i64::MIN, |a| a.saturating_add(1));
        let range = keys::messages(after, None);
        let partition = keys::partition(&req.key);
        let rows = if req.after == Some(i64::MAX) {
            Vec::new()
        } else {
            self.rows(cx, Table::Queues, &partition, &range, size + 1, Level::Quorum).await?
        };
        let message = |r: &KeyedRow| {
            let payload: Blob = decode("queue message", &r.row.value)?;
            payload.verify("queue message")?;
            Ok(QueueMessage { id: keys::read_message(&r.key)?, payload })
        };
        let found = rows.iter().map(message).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(found, size, |last| query.token(&last.id)))
    }

    async fn update_ack_level(&self, cx: &Context, req: &UpdateAckLevel) -> Result<()> {
        let partition = keys::partition(&req.key);
        let key = keys::ack(&req.ack.consumer);
        let mut condition = Condition::Absent;
        loop {
            let write = Write::from(Part {
                table: Table::Queues,
                partition: partition.clone(),
                checks: vec![check(keys::row(), Condition::Present), check(key.clone(), condition)],
                ops: vec![put(key.clone(), guard(req.ack.level), Bytes::new())],
            });
            let Settled::Refused { rows, .. } = self.settle(cx, &write).await? else { return Ok(()) };
            let mut rows = rows.into_iter();
            if rows.next().flatten().is_none() {
                return Err(missing(&req.key));
            }
            condition = match rows.next().flatten() {
                // Levels only rise, so this loop ends.
                Some(row) if guard_number("ack level", &row.guard)? >= req.ack.level => return Ok(()),
                Some(row) => Condition::Guard(row.guard),
                None => Condition::Absent,
            };
        }
    }

    async fn get_ack_levels(&self, cx: &Context, req: &GetAckLevels) -> Result<Vec<AckLevel>> {
        self.ack_levels(cx, &req.key).await
    }

    async fn range_delete_messages(&self, cx: &Context, req: &RangeDeleteMessages) -> Result<u64> {
        let delete = |q: QueueValue| {
            let end = req.max.saturating_add(1).min(q.next_id);
            if end <= q.first_id {
                return Ok(None);
            }
            let ops = vec![Op::DeleteRange { range: keys::messages(q.first_id, Some(end)) }];
            Ok(Some((QueueValue { first_id: end, ..q }, ops, end - q.first_id)))
        };
        let attempt = AttemptId(self.env.ids.next());
        let deleted = self.change_queue(cx, &req.key, attempt, delete, 0).await?;
        Ok(u64::try_from(deleted).unwrap_or(0))
    }

    async fn list_queues(&self, cx: &Context, req: &ListQueues) -> Result<Page<ListedQueue>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("queue.list_queues", &req.queue_type);
        let partition = keys::names_partition(req.queue_type);
        let mut range = KeyRange::all();
        if let Some(after) = query.position::<String>(req.page.token.as_ref())? {
            range.start = successor(&keys::name(&after));
        }
        let mut found = Vec::new();
        loop {
            let wanted = size + 1 - found.len();
            let names = self.rows(cx, Table::Queues, &partition, &range, wanted, Level::Quorum).await?;
            for row in &names {
                let key = QueueKey { queue_type: req.queue_type, name: keys::read_name(&row.key)? };
                match self.queue_state(cx, &key, Level::Quorum).await {
                    Ok(State { value: QueueValue { next_id, first_id }, .. }) => found.push(ListedQueue {
                        key,
                        message_count: u64::try_from(next_id - first_id).unwrap_or(0),
                        last_id: (next_id > 0).then(|| next_id - 1),
                    }),
                    // A create that did not get further than the name.
                    Err(e) if e.kind() == crate::core::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
            match names.last() {
                Some(last) if names.len() == wanted && found.len() <= size => {
                    range.start = successor(&last.key)
                }
                _ => break,
            }
        }
        Ok(Page::cut(found, size, |last| query.token(&last.key.name)))
    }
}

impl Bucket {
    async fn queue_state(&self, cx: &Context, key: &QueueKey, level: Level) -> Result<State> {
        let row = self.get_row(cx, Table::Queues, &keys::partition(key), keys::row(), level).await?;
        let row = row.ok_or_else(|| missing(key))?;
        Ok(State { changes: guard_number("queue", &row.guard)?, value: decode("queue", &row.value)? })
    }

    /// Changes a queue; on a race again with what is stored then. `change` gives the new value, the ops, and the answer; none
    /// when there is nothing to do.
    async fn change_queue(
        &self,
        cx: &Context,
        key: &QueueKey,
        attempt: AttemptId,
        change: impl Fn(QueueValue) -> Result<Option<(QueueValue, Vec<Op>, i64)>> + Send + Sync,
        nothing: i64,
    ) -> Result<i64> {
        let (partition, ring) = (keys::partition(key), keys::row_attempts());
        let mut tries = Tries::new(cx);
        loop {
            let state = self.queue_state(cx, key, Level::Serial).await?;
            let Some((value, mut ops, answer)) = change(state.value)? else { return Ok(nothing) };
            let changes = state.changes.wrapping_add(1);
            let slot = Slot::Version(changes);
            ops.push(put(keys::row(), guard(changes), encode(&value)));
            ops.push(remember(&ring, slot, Attempt { version: changes, id: attempt, answer }));
            let write = Write::from(Part {
                table: Table::Queues,
                partition: partition.clone(),
                checks: vec![check(keys::row(), Condition::Guard(guard(state.changes)))],
                ops,
            });
            match self.settle(cx, &write).await? {
                Settled::Applied => return Ok(answer),
                Settled::Refused { unknown: true, .. } => {
                    let remembered = self.remembered(cx, Table::Queues, &partition, &ring, slot).await?;
                    match remembered {
                        Some(a) if a.id == attempt && a.version == changes => return Ok(a.answer),
                        // Overwritten by later changes: whether the first try came before them cannot be told.
                        Some(a) if a.version > changes => return Err(Error::timeout(name(key))),
                        _ => {}
                    }
                }
                Settled::Refused { .. } => {}
            }
            if !tries.again().await {
                let late = Error::timeout(name(key));
                return Err(late.with_outcome(crate::core::Outcome::NotApplied));
            }
        }
    }

    async fn ack_levels(&self, cx: &Context, key: &QueueKey) -> Result<Vec<AckLevel>> {
        self.queue_state(cx, key, Level::Quorum).await?;
        let partition = keys::partition(key);
        let rows = self.rows(cx, Table::Queues, &partition, &keys::acks(), usize::MAX, Level::Quorum).await?;
        let ack = |r: &KeyedRow| {
            let level = guard_number("ack level", &r.row.guard)?;
            Ok(AckLevel { consumer: keys::read_ack(&r.key)?, level })
        };
        rows.iter().map(ack).collect()
    }
}
