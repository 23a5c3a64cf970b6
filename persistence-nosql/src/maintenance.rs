//! Scavenging and sweeping.

use crate::bucket::{Bucket, Settled, check, in_doubt};
use crate::codec::{decode, guard_number};
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{Context, Result, Timestamp};
use crate::execution::Tail;
use crate::keys;
use crate::row::*;
use crate::task::is_over;
use async_trait::async_trait;
use bytes::Bytes;

/// Rows read at once in a sweep.
const SWEEP_WINDOW: usize = 1000;

#[async_trait]
impl MaintenanceStore for Bucket {
    async fn scavenge(&self, cx: &Context, req: &Scavenge) -> Result<Scavenged> {
        let trees = req.limit as usize;
        let query = QueryId::new("maintenance.scavenge", &());
        let after: Option<Vec<u8>> = query.position(req.token.as_ref())?;
        let older_than = self.env.clock.now().before(req.safety_age);
        let partitions = self.driver.list_partitions(cx, Table::History, after.as_deref(), trees + 1).await?;
        let mut done = Scavenged::default();
        for partition in partitions.iter().take(trees) {
            let step = self.scavenge_tree(cx, partition, older_than, req.dry_run, &mut done).await;
            // What was deleted before stays so.
            let deleted = !req.dry_run && done.branches_deleted + done.nodes_deleted > 0;
            step.map_err(|e| in_doubt(deleted, e))?;
        }
        if partitions.len() > trees {
            done.next = partitions.get(trees - 1).map(|p| query.token(&p.to_vec()));
        }
        Ok(done)
    }

    async fn sweep_expired(&self, cx: &Context, req: &SweepExpired) -> Result<Swept> {
        let mut done = Swept::default();
        let swept = self.sweep_queues(cx, req, &mut done).await;
        // What was deleted before stays so.
        swept.map_err(|e| in_doubt(done.task_queues_deleted + done.tasks_deleted > 0, e))?;
        Ok(done)
    }
}

impl Bucket {
    async fn scavenge_tree(
        &self,
        cx: &Context,
        partition: &Bytes,
        older_than: Timestamp,
        dry_run: bool,
        done: &mut Scavenged,
    ) -> Result<()> {
        done.trees += 1;
        let (shard_id, tree_id) = keys::history::read_partition(partition)?;
        for branch in self.history_tree(cx, shard_id, tree_id).await? {
            let shard = keys::shard::partition(shard_id);
            let token = branch.branch.parse()?;
            let wanted =
                [keys::shard::header(&branch.owner), keys::shard::tail(&branch.owner, token.branch_id)];
            let rows = self.driver.get(cx, Table::Shard, &shard, &wanted, Level::Serial).await?;
            match (rows.first().and_then(Option::as_ref), rows.get(1).and_then(Option::as_ref)) {
                (None, _) if branch.created_at < older_than => {
                    let gone = dry_run || self.delete_branch(cx, shard_id, None, &token).await?;
                    done.branches_deleted += u64::from(gone);
                }
                (Some(_), Some(tail)) => {
                    let tail: Tail = decode("branch tail", &tail.value)?;
                    done.nodes_deleted +=
                        self.delete_beyond(cx, shard_id, &token, tail, older_than, dry_run).await?;
                }
                // Too young, or a branch that no transition has written to: nothing is known of its tail.
                _ => {}
            }
        }
        Ok(())
    }

    async fn sweep_queues(&self, cx: &Context, req: &SweepExpired, done: &mut Swept) -> Result<()> {
        let mut left = req.limit as usize;
        let query = QueryId::new("maintenance.sweep_expired", &());
        let mut after: Option<Vec<u8>> = query.position(req.token.as_ref())?;
        let now = self.env.clock.now();
        loop {
            let partitions =
                self.driver.list_partitions(cx, Table::TaskQueues, after.as_deref(), SWEEP_WINDOW).await?;
            for partition in &partitions {
                if !self.sweep_queue(cx, partition, now, &mut left, done).await? {
                    // This queue may hold more: the next call begins with it again.
                    done.next = Some(query.token(&after.unwrap_or_default()));
                    return Ok(());
                }
                after = Some(partition.to_vec());
            }
            if partitions.len() < SWEEP_WINDOW {
                return Ok(());
            }
        }
    }

    /// Deletes what expired in one queue. False when the limit was reached.
    async fn sweep_queue(
        &self,
        cx: &Context,
        partition: &Bytes,
        now: Timestamp,
        left: &mut usize,
        done: &mut Swept,
    ) -> Result<bool> {
        let mut range = KeyRange { start: keys::task_queue::row(), end: keys::task_queue::all_tasks().end };
        loop {
            let rows =
                self.rows(cx, Table::TaskQueues, partition, &range, SWEEP_WINDOW, Level::Serial).await?;
            for KeyedRow { key, row } in &rows {
                let is_queue = *key == keys::task_queue::row();
                let is_task = keys::task_queue::all_tasks().contains(key);
                // A queue's guard is its range id, then its expiry; a task's is its expiry.
                let expiry = if is_queue { row.guard.get(8..).unwrap_or_default() } else { &row.guard[..] };
                if !(is_queue || is_task) || expiry.is_empty() {
                    continue;
                }
                if is_over(Some(Timestamp(guard_number("expiry", expiry)?)), now) {
                    if *left == 0 {
                        return Ok(false);
                    }
                    if self.delete_unchanged(cx, partition, key, row).await? {
                        *left -= 1;
                        done.task_queues_deleted += u64::from(is_queue);
                        done.tasks_deleted += u64::from(is_task);
                    }
                }
            }
            match rows.last() {
                Some(last) if rows.len() == SWEEP_WINDOW => range.start = keys::successor(&last.key),
                _ => return Ok(true),
            }
        }
    }

    /// Deletes a row that has the guard it was read with.
    async fn delete_unchanged(
        &self,
        cx: &Context,
        partition: &Bytes,
        key: &Bytes,
        row: &Row,
    ) -> Result<bool> {
        let write = Write::from(Part {
            table: Table::TaskQueues,
            partition: partition.clone(),
            checks: vec![check(key.clone(), Condition::Guard(row.guard.clone()))],
            ops: vec![Op::Delete { key: key.clone() }],
        });
        Ok(match self.settle(cx, &write).await? {
            Settled::Applied => true,
            // A first try without an answer may have deleted it.
            Settled::Refused { rows, unknown } => unknown && rows.iter().all(Option::is_none),
        })
    }
}
