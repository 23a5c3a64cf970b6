//! Scavenging and sweeping.

use crate::bucket::{Bucket, work};
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{Context, Error, Outcome, PageRequest, Result, Timestamp};
use crate::history::StoredBranch;
use crate::tx::Tx;
use crate::value::{Kind, SqlRow, Value};
use async_trait::async_trait;
use std::sync::Arc;

const RUN_EXISTS: &str = "\
    SELECT record_version
      FROM executions
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?";

const EXPIRED_QUEUES: &str = "\
    SELECT namespace_id, name, task_type
      FROM task_queues
     WHERE expires_at <= ?
     LIMIT ?";

const DELETE_EXPIRED_QUEUE: &str = "\
    DELETE FROM task_queues
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND expires_at <= ?";

const EXPIRED_TASKS: &str = "\
    SELECT namespace_id, name, task_type, subqueue, pass, task_id
      FROM tasks
     WHERE expires_at <= ?
     LIMIT ?";

const DELETE_EXPIRED_TASK: &str = "\
    DELETE FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ? AND pass = ? AND task_id = ?
       AND expires_at <= ?";

/// A failure after this much was deleted, which stays so.
fn after(deleted: u64, e: Error) -> Error {
    if deleted > 0 { e.with_outcome(Outcome::MaybeApplied) } else { e }
}

#[async_trait]
impl MaintenanceStore for Bucket {
    async fn scavenge(&self, cx: &Context, req: &Scavenge) -> Result<Scavenged> {
        let older_than = self.env.clock.now().before(req.safety_age);
        let page = PageRequest { size: req.limit, token: req.token.clone() };
        let branches = self.all_branches(cx, "maintenance.scavenge", &page).await?;
        let mut done = Scavenged { next: branches.next, ..Scavenged::default() };
        let mut tree = None;
        for b in branches.items {
            let shard_id = b.listed.shard_id;
            if tree.replace((shard_id, b.branch.tree_id)) != Some((shard_id, b.branch.tree_id)) {
                done.trees += 1;
            }
            let before = if req.dry_run { 0 } else { done.nodes_deleted + done.branches_deleted };
            let examined = self.scavenge_branch(cx, b, older_than, req.dry_run).await;
            let (nodes, branches) = examined.map_err(|e| after(before, e))?;
            done.nodes_deleted += nodes;
            done.branches_deleted += branches;
        }
        Ok(done)
    }

    async fn sweep_expired(&self, cx: &Context, req: &SweepExpired) -> Result<Swept> {
        let left = i64::from(req.limit);
        let query = QueryId::new("maintenance.sweep_expired", &());
        query.position::<()>(req.token.as_ref())?;
        let now = Value::Int(self.env.clock.now().0);
        let mut done = Swept::default();
        let (queues, more_queues) =
            self.delete_expired(cx, EXPIRED_QUEUES, DELETE_EXPIRED_QUEUE, &now, left).await?;
        done.task_queues_deleted = queues;
        let left = left - i64::try_from(queues).unwrap_or(left);
        let tasks = self.delete_expired(cx, EXPIRED_TASKS, DELETE_EXPIRED_TASK, &now, left).await;
        let (tasks, more_tasks) = tasks.map_err(|e| after(queues, e))?;
        done.tasks_deleted = tasks;
        if more_queues || more_tasks {
            // What was deleted is found no more, so every call begins at the beginning.
            done.next = Some(query.token(&()));
        }
        Ok(done)
    }
}

impl Bucket {
    /// How many nodes of a branch, and branches, were deleted, or would be.
    async fn scavenge_branch(
        &self,
        cx: &Context,
        b: StoredBranch,
        older_than: Timestamp,
        dry_run: bool,
    ) -> Result<(u64, u64)> {
        let (shard_id, owner) = (b.listed.shard_id, &b.listed.owner);
        let args = vec![
            shard_id.0.into(),
            owner.namespace_id.0.into(),
            (&*owner.workflow_id).into(),
            owner.run_id.0.into(),
        ];
        let run = self.query(cx, "executions", RUN_EXISTS, args, &[Kind::Int]).await?;
        if !run.is_empty() {
            return Ok((self.delete_beyond(cx, shard_id, b.branch, older_than, dry_run).await?, 0));
        }
        if b.listed.created_at >= older_than {
            return Ok((0, 0));
        }
        let gone = dry_run || self.delete_branch(cx, shard_id, None, b.branch).await?;
        Ok((0, u64::from(gone)))
    }

    /// Deletes at most `left` expired rows; how many, and whether there are more.
    async fn delete_expired(
        &self,
        cx: &Context,
        select: &'static str,
        delete: &'static str,
        now: &Value,
        left: i64,
    ) -> Result<(u64, bool)> {
        const KEY: &[Kind] = &[Kind::Uuid, Kind::Text, Kind::Int, Kind::Int, Kind::Int, Kind::Int];
        let width = if select == EXPIRED_QUEUES { 3 } else { 6 };
        let (left, now) = (usize::try_from(left).unwrap_or(0), now.clone());
        let limit = Value::Int(i64::try_from(left).unwrap_or(i64::MAX).saturating_add(1));
        let mut rows =
            self.query(cx, "expired rows", select, vec![now.clone(), limit], &KEY[..width]).await?;
        let more = rows.len() > left;
        rows.truncate(left);
        let keys = rows.into_iter().map(|r| key(r, width)).collect::<Result<Vec<_>>>()?;
        let keys = Arc::new(keys);
        let work = work(move |tx: &mut Tx, tried| {
            let (keys, now) = (Arc::clone(&keys), now.clone());
            Box::pin(async move {
                let mut deleted = 0;
                for key in keys.iter() {
                    let args = key.iter().cloned().chain([now.clone()]).collect();
                    let now_gone = tx.execute(delete, args).await?;
                    // A first try without an answer may have deleted it.
                    deleted += if tried.unknown { 1 } else { now_gone };
                }
                Ok(deleted)
            })
        });
        Ok((self.write(cx, work).await?, more))
    }
}

fn key(mut row: SqlRow, width: usize) -> Result<Vec<Value>> {
    let mut key = vec![row.uuid()?.into(), Value::Text(row.text()?)];
    for _ in 2..width {
        key.push(row.int()?.into());
    }
    Ok(key)
}
