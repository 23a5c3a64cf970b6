//! Calls about queues and history.

use super::call::Call;
use super::op::{Off, Op, Way};
use super::script::Script;
use super::world::World;
use crate::build::history::{header, node};
use crate::build::record::blob;
use persistence_core::store::*;
use persistence_core::{AttemptId, BranchId, PageRequest, RangeId, Timestamp};
use std::time::Duration;

fn at((pass, task_id): (i64, i64)) -> TaskPosition {
    TaskPosition { pass, task_id }
}

impl Script {
    fn queue(&self, q: usize) -> TaskQueueKey {
        TaskQueueKey { namespace_id: self.namespace_id, name: format!("queue {q}"), task_type: 1 }
    }

    fn fifo(&self, q: usize) -> QueueKey {
        let queue_type = if q == 2 { QueueType::Dlq } else { QueueType::Normal };
        QueueKey { queue_type, name: format!("{} {}", self.workflows[0], q % 2) }
    }

    fn queue_range(&self, w: &World, q: usize, off: Off) -> RangeId {
        w.queues.find(&self.queue(q), Timestamp(i64::MIN)).map_or(1, |q| q.range_id) + off
    }

    /// A call about queues, or about everything.
    pub(super) fn queues(&self, w: &World, now: Timestamp, op: Op) -> Call {
        let life = |l: Option<i64>| l.map(|s| Timestamp(now.0 + s * 1000));
        let attempt = AttemptId::new();
        match op {
            Op::CreateTaskQueue(q, range_id, l) => Call::CreateTaskQueue(CreateTaskQueue {
                key: self.queue(q),
                range_id,
                info: blob("info"),
                expires_at: life(l),
                attempt,
            }),
            Op::GetTaskQueue(q) => Call::GetTaskQueue(GetTaskQueue { key: self.queue(q) }),
            Op::UpdateTaskQueue(q, off, by, l) => {
                let previous_range_id = self.queue_range(w, q, off);
                Call::UpdateTaskQueue(UpdateTaskQueue {
                    key: self.queue(q),
                    previous_range_id,
                    range_id: previous_range_id + by,
                    info: blob("info"),
                    expires_at: life(l),
                    attempt,
                })
            }
            Op::DeleteTaskQueue(q, off) => Call::DeleteTaskQueue(DeleteTaskQueue {
                key: self.queue(q),
                range_id: self.queue_range(w, q, off),
            }),
            Op::AddQueued(q, off, tasks, info) => {
                let task = |(subqueue, pass, id, l): (i32, i64, i64, Option<i64>)| QueuedTask {
                    subqueue,
                    position: at((pass, id)),
                    payload: blob("task"),
                    expires_at: life(l),
                };
                Call::AddQueued(CreateTasks {
                    key: self.queue(q),
                    range_id: self.queue_range(w, q, off),
                    tasks: tasks.into_iter().map(task).collect(),
                    update_info: info.then(|| blob("info")),
                })
            }
            Op::ReadQueued(q, subqueue, min, max, n) => Call::ReadQueued(GetTasks {
                key: self.queue(q),
                subqueue,
                min: at(min),
                max: max.map(at),
                page: PageRequest::first(n),
            }),
            Op::CompleteQueued(q, subqueue, max, limit) => Call::CompleteQueued(CompleteTasksLessThan {
                key: self.queue(q),
                subqueue,
                max: at(max),
                limit,
            }),
            Op::CreateQueue(q) => Call::CreateQueue(CreateQueue { key: self.fifo(q), attempt }),
            Op::Enqueue(q, n) => {
                let messages = (0..n).map(|_| blob("message")).collect();
                Call::Enqueue(Enqueue { key: self.fifo(q), messages, attempt })
            }
            Op::ReadQueue(q, after, n) => {
                Call::ReadQueue(ReadQueue { key: self.fifo(q), after, page: PageRequest::first(n) })
            }
            Op::Ack(q, consumer, level) => {
                let ack = AckLevel { consumer: format!("consumer {consumer}"), level };
                Call::Ack(UpdateAckLevel { key: self.fifo(q), ack })
            }
            Op::Acks(q) => Call::Acks(GetAckLevels { key: self.fifo(q) }),
            Op::DeleteMessages(q, max) => {
                Call::DeleteMessages(RangeDeleteMessages { key: self.fifo(q), max })
            }
            Op::Scavenge(limit) => Call::Scavenge(Scavenge {
                limit,
                safety_age: Duration::from_secs(3600),
                dry_run: false,
                token: None,
            }),
            Op::Sweep(limit) => Call::Sweep(SweepExpired { limit, token: None }),
            other => panic!("{other:?} is not about queues"),
        }
    }

    /// A call about history.
    pub(super) fn history(&mut self, w: &World, op: &Op) -> Call {
        let page = PageRequest::first;
        match *op {
            Op::Append(r, slot, place, count) => {
                let (branch, owner) = (self.branch(r, slot), self.key(r, r.run));
                let next = self.next(w, r, &branch, place, count);
                let write = NodeWrite { header: header(next), ..node(&branch, &owner, next) };
                Call::Append(Box::new(AppendHistoryNode { shard_id: self.shards[r.shard], node: write }))
            }
            Op::Read(r, slot, way, min, max, n) => {
                let (shard_id, branch) = (self.shards[r.shard], self.branch(r, slot));
                let page = page(n);
                match way {
                    Way::Forward => Call::Read(ReadHistoryBranch { shard_id, branch, min, max, page }),
                    Way::Headers => Call::ReadHeaders(ReadHistoryBranch { shard_id, branch, min, max, page }),
                    Way::Backward => {
                        Call::ReadReverse(ReadHistoryBranchReverse { shard_id, branch, max, page })
                    }
                }
            }
            Op::Fork(r, slot, fork_event_id, _) => Call::Fork(Box::new(ForkHistoryBranch {
                shard_id: self.shards[r.shard],
                base: self.branch(r, slot),
                fork_event_id,
                new_branch_id: BranchId::new(),
                owner: self.key(r, r.run),
                attempt: AttemptId::new(),
            })),
            Op::DeleteBranch(r, slot, fence) => Call::DeleteBranch(DeleteHistoryBranch {
                shard_id: self.shards[r.shard],
                range_id: self.fence(w, r.shard, fence),
                branch: self.branch(r, slot),
            }),
            Op::Trim(r, slot, i, off) => {
                let (shard_id, branch) = (self.shards[r.shard], self.branch(r, slot));
                let live = w.histories.live(shard_id, &branch);
                let last = live.get(i.min(live.len().saturating_sub(1))).map(|b| b.header);
                let (first_event_id, transaction_id) =
                    last.map_or((1, 1), |h| (h.first_event_id, h.transaction_id + off));
                Call::Trim(TrimHistoryBranch { shard_id, branch, first_event_id, transaction_id })
            }
            Op::ListTree(r) => {
                let (shard_id, tree_id) = (self.shards[r.shard], self.tree(r).0);
                Call::ListTree(ListTreeBranches { shard_id, tree_id })
            }
            ref other => panic!("{other:?} is not about history"),
        }
    }
}
