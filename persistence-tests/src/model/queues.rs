//! Task queues and FIFO queues in the model.

use super::call::{Answer, Call, Refusal, Reply, refuse};
use super::world::missing;
use persistence_core::store::*;
use persistence_core::{Blob, Detail, ErrorKind, RangeId, Timestamp};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
struct Fifo {
    next: i64,
    messages: BTreeMap<i64, Blob>,
    acks: BTreeMap<String, i64>,
}

/// Every queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues {
    queues: BTreeMap<TaskQueueKey, TaskQueue>,
    tasks: BTreeMap<(TaskQueueKey, i32, TaskPosition), QueuedTask>,
    fifos: BTreeMap<QueueKey, Fifo>,
}

fn over(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|t| t <= now)
}

fn condition(expected: Option<RangeId>, actual: Option<RangeId>) -> Refusal {
    let detail = Detail::ConditionFailed { entity: String::new(), expected, actual };
    Refusal { kind: detail.kind(), detail: Some(detail) }
}

impl Queues {
    /// A task queue that has not expired.
    pub(super) fn find(&self, key: &TaskQueueKey, now: Timestamp) -> Option<&TaskQueue> {
        self.queues.get(key).filter(|q| !over(q.expires_at, now))
    }

    fn owned(&self, key: &TaskQueueKey, range_id: RangeId, now: Timestamp) -> Result<(), Refusal> {
        let stored = self.find(key, now).map(|q| q.range_id);
        if stored == Some(range_id) { Ok(()) } else { Err(condition(Some(range_id), stored)) }
    }

    fn fifo(&mut self, key: &QueueKey) -> Result<&mut Fifo, Refusal> {
        self.fifos.get_mut(key).map_or_else(|| refuse(ErrorKind::NotFound), Ok)
    }

    pub(super) fn answer(&mut self, now: Timestamp, call: &Call) -> Reply {
        match call {
            Call::CreateTaskQueue(r) => {
                if let Some(q) = self.find(&r.key, now) {
                    return Err(condition(None, Some(q.range_id)));
                }
                self.put(&r.key, r.range_id, &r.info, r.expires_at);
            }
            Call::GetTaskQueue(r) => return Ok(Answer::TaskQueue(missing(self.find(&r.key, now))?.clone())),
            Call::UpdateTaskQueue(r) => {
                if r.range_id < r.previous_range_id {
                    return refuse(ErrorKind::InvalidArgument);
                }
                self.owned(&r.key, r.previous_range_id, now)?;
                self.put(&r.key, r.range_id, &r.info, r.expires_at);
            }
            Call::DeleteTaskQueue(r) => {
                self.owned(&r.key, r.range_id, now)?;
                self.queues.remove(&r.key);
            }
            Call::AddQueued(r) => {
                self.owned(&r.key, r.range_id, now)?;
                let place = |t: &QueuedTask| (r.key.clone(), t.subqueue, t.position);
                self.tasks.extend(r.tasks.iter().map(|t| (place(t), t.clone())));
                if let (Some(info), Some(q)) = (&r.update_info, self.queues.get_mut(&r.key)) {
                    q.info = info.clone();
                }
            }
            Call::ReadQueued(r) => {
                let here = |k: &(TaskQueueKey, i32, TaskPosition)| {
                    (&k.0, k.1) == (&r.key, r.subqueue) && k.2 >= r.min && r.max.is_none_or(|max| k.2 < max)
                };
                let live = self.tasks.iter().filter(|(k, t)| here(k) && !over(t.expires_at, now));
                return Ok(Answer::Queued(live.map(|(_, t)| t.clone()).collect()));
            }
            Call::CompleteQueued(r) => {
                let here = |k: &&(TaskQueueKey, i32, TaskPosition)| {
                    (&k.0, k.1) == (&r.key, r.subqueue) && k.2 < r.max
                };
                let most = r.limit.map_or(usize::MAX, |n| n as usize);
                let doomed: Vec<_> = self.tasks.keys().filter(here).take(most).cloned().collect();
                doomed.iter().for_each(|k| drop(self.tasks.remove(k)));
                return Ok(Answer::Count(r.limit.map(|_| doomed.len() as u64)));
            }
            Call::Sweep(_) => {
                self.queues.retain(|_, q| !over(q.expires_at, now));
                self.tasks.retain(|_, t| !over(t.expires_at, now));
            }
            Call::CreateQueue(r) => {
                if self.fifos.contains_key(&r.key) {
                    return refuse(ErrorKind::AlreadyExists);
                }
                self.fifos.insert(r.key.clone(), Fifo::default());
            }
            Call::Enqueue(r) => {
                let fifo = self.fifo(&r.key)?;
                let first = fifo.next;
                for m in &r.messages {
                    fifo.messages.insert(fifo.next, m.clone());
                    fifo.next += 1;
                }
                return Ok(Answer::Id(first));
            }
            Call::ReadQueue(r) => {
                let messages = self.fifo(&r.key)?.messages.iter();
                let after = messages.filter(|(id, _)| r.after.is_none_or(|a| **id > a));
                let message =
                    |(id, payload): (&i64, &Blob)| QueueMessage { id: *id, payload: payload.clone() };
                return Ok(Answer::Messages(after.map(message).collect()));
            }
            Call::Ack(r) => {
                let acks = &mut self.fifo(&r.key)?.acks;
                let level = acks.entry(r.ack.consumer.clone()).or_insert(r.ack.level);
                *level = r.ack.level.max(*level);
            }
            Call::Acks(r) => {
                let acks = self.fifo(&r.key)?.acks.iter();
                let ack = |(consumer, level): (&String, &i64)| AckLevel {
                    consumer: consumer.clone(),
                    level: *level,
                };
                return Ok(Answer::Acks(acks.map(ack).collect()));
            }
            Call::DeleteMessages(r) => {
                if r.max < 0 {
                    return refuse(ErrorKind::InvalidArgument);
                }
                let messages = &mut self.fifo(&r.key)?.messages;
                let before = messages.len();
                messages.retain(|id, _| *id > r.max);
                return Ok(Answer::Deleted((before - messages.len()) as u64));
            }
            other => panic!("{other:?} is of no queue"),
        }
        Ok(Answer::Done)
    }

    fn put(&mut self, key: &TaskQueueKey, range_id: RangeId, info: &Blob, expires_at: Option<Timestamp>) {
        let (key, info) = (key.clone(), info.clone());
        self.queues.insert(key.clone(), TaskQueue { key, range_id, info, expires_at });
    }
}
