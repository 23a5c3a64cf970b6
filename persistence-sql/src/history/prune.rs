//! Deleting branches, trimming them, and removing what raw appends leave.

use super::rows;
use super::tree::locked;
use crate::bucket::{Bucket, work};
use crate::core::history::{Branch, plan_delete, plan_trim};
use crate::core::store::TrimHistoryBranch;
use crate::core::{Context, RangeId, Result, ShardId, Timestamp};
use crate::shard::hold;
use crate::tables::TREES;
use crate::tx::Tx;
use crate::value::Kind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Where the state says that a branch ends: after what its last transition wrote.
const TAIL: &str = "\
    SELECT first_event_id + event_count
      FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND in_state = 1
     ORDER BY negated_transaction_id
     LIMIT 1";

const COUNT_BEYOND: &str = "\
    SELECT count(*)
      FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND written_at < ?";

const DELETE_BEYOND: &str = "\
    DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND written_at < ?";

impl Bucket {
    /// Deletes a branch with every node that no other branch uses. False when there was none, as far as this call knows.
    pub(crate) async fn delete_branch(
        &self,
        cx: &Context,
        shard_id: ShardId,
        fence: Option<RangeId>,
        branch: Branch,
    ) -> Result<bool> {
        let met = Arc::new(AtomicBool::new(false));
        self.write(
            cx,
            work(move |tx: &mut Tx, tried| {
                let (branch, met) = (branch.clone(), Arc::clone(&met));
                Box::pin(async move {
                    if let Some(range_id) = fence {
                        hold(tx, shard_id, range_id, tried).await?;
                    }
                    let tree = locked(tx, shard_id, branch.tree_id).await?;
                    let all: Vec<Branch> = tree.into_iter().map(|b| b.branch).collect();
                    // The stored branch, not the token's claim, says what it shares.
                    let Some(doomed) = all.iter().find(|b| b.branch_id == branch.branch_id) else {
                        // An earlier try without an answer may have deleted it.
                        return Ok(tried.unknown && met.load(Relaxed));
                    };
                    met.store(true, Relaxed);
                    let key = vec![shard_id.0.into(), doomed.tree_id.0.into(), doomed.branch_id.0.into()];
                    tx.delete(&TREES, vec![key]).await?;
                    for d in plan_delete(doomed, &all) {
                        rows::delete_from(tx, shard_id, doomed.tree_id, &d).await?;
                    }
                    Ok(true)
                })
            }),
        )
        .await
    }

    pub(super) async fn trim(&self, cx: &Context, req: &TrimHistoryBranch) -> Result<()> {
        let branch = req.branch.parse()?;
        let headers = self.reader(cx, req.shard_id, &branch).all_headers(req.first_event_id).await?;
        let doomed = plan_trim(&headers, req.first_event_id, req.transaction_id);
        if doomed.is_empty() {
            return Ok(());
        }
        let shard_id = req.shard_id;
        let doomed = Arc::new(doomed);
        self.write(
            cx,
            work(move |tx: &mut Tx, _| {
                let (branch, doomed) = (branch.clone(), Arc::clone(&doomed));
                Box::pin(async move {
                    let tree = locked(tx, shard_id, branch.tree_id).await?;
                    if tree.iter().any(|b| b.branch.branch_id == branch.branch_id) {
                        rows::delete_nodes(tx, shard_id, branch.tree_id, &doomed).await?;
                    }
                    Ok(())
                })
            }),
        )
        .await
    }

    /// Deletes the nodes of a branch's own beyond its tail that were written before `older_than`, unless it is a dry run. Returns
    /// how many.
    pub(crate) async fn delete_beyond(
        &self,
        cx: &Context,
        shard_id: ShardId,
        branch: Branch,
        older_than: Timestamp,
        dry_run: bool,
    ) -> Result<u64> {
        let met = Arc::new(AtomicU64::new(0));
        self.write(
            cx,
            work(move |tx: &mut Tx, tried| {
                let (branch, met) = (branch.clone(), Arc::clone(&met));
                Box::pin(async move {
                    // An earlier try without an answer may have deleted them.
                    let before = if tried.unknown { met.load(Relaxed) } else { 0 };
                    let tree = locked(tx, shard_id, branch.tree_id).await?;
                    let key = || vec![shard_id.0.into(), branch.tree_id.0.into(), branch.branch_id.0.into()];
                    let tail = tx.query("history_nodes", TAIL, key(), &[Kind::Int]).await?.pop();
                    let Some(mut tail) = tail else { return Ok(before) };
                    let end = tail.int()?;
                    // What a fork shares, it needs, wherever the tail is.
                    let ancestors = tree.iter().flat_map(|b| &b.branch.ancestors);
                    let shared = ancestors.filter(|a| a.branch_id == branch.branch_id).map(|a| a.end).max();
                    let mut args = key();
                    args.extend([
                        end.max(branch.begin()).max(shared.unwrap_or(0)).into(),
                        older_than.0.into(),
                    ]);
                    if dry_run {
                        let count = tx.query("history_nodes", COUNT_BEYOND, args, &[Kind::Int]).await?.pop();
                        let count = count.map(|mut row| row.int()).transpose()?;
                        return Ok(count.and_then(|n| n.try_into().ok()).unwrap_or_default());
                    }
                    let deleted = tx.execute(DELETE_BEYOND, args).await?.max(before);
                    met.store(deleted, Relaxed);
                    Ok(deleted)
                })
            }),
        )
        .await
    }
}
