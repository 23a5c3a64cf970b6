//! Deleting branches, trimming them, and removing what crashes leave.

use super::rows;
use super::tree::Tree;
use crate::bucket::{Bucket, Settled, Tries, in_doubt};
use crate::core::history::{Branch, Located, plan_delete, plan_trim};
use crate::core::store::TrimHistoryBranch;
use crate::core::{Context, Error, RangeId, Result, ShardId, Timestamp};
use crate::execution::Tail;
use crate::keys;
use crate::row::*;
use crate::shard::{lost, owned, stored_range};

impl Bucket {
    /// Deletes a branch with every node that no other branch uses. False when there was none.
    pub(crate) async fn delete_branch(
        &self,
        cx: &Context,
        shard_id: ShardId,
        fence: Option<RangeId>,
        branch: &Branch,
    ) -> Result<bool> {
        let (mut tries, mut unknown) = (Tries::new(cx), false);
        loop {
            let tried = self.try_delete(cx, shard_id, fence, branch, &mut unknown).await;
            if let Some(deleted) = tried.map_err(|e| in_doubt(unknown, e))? {
                return Ok(deleted);
            }
            if !tries.again().await {
                return Err(Error::timeout("history.delete_history_branch"));
            }
        }
    }

    /// One try; none when the tree changed meanwhile.
    async fn try_delete(
        &self,
        cx: &Context,
        shard_id: ShardId,
        fence: Option<RangeId>,
        branch: &Branch,
        unknown: &mut bool,
    ) -> Result<Option<bool>> {
        if let Some(range_id) = fence {
            self.assert_owned(cx, shard_id, range_id).await?;
        }
        let tree = self.tree(cx, shard_id, branch.tree_id).await?;
        // The stored branch, not the token's claim, says what it shares. A first try without an answer may have deleted it.
        let Some(doomed) = tree.find(branch).map(|b| b.branch.clone()) else { return Ok(Some(*unknown)) };
        let others: Vec<Branch> = tree.branches.iter().map(|b| b.branch.clone()).collect();
        let mut ops = vec![Op::Delete { key: keys::history::branch(doomed.branch_id) }];
        // A tree without branches keeps nothing; checks on the branch's row still tell a late fork.
        ops.push(match others.len() {
            1 => Op::Delete { key: keys::history::version() },
            _ => tree.next_version(),
        });
        ops.extend(plan_delete(&doomed, &others).iter().flat_map(rows::delete_from));
        Ok(self.change_tree(cx, &tree, &doomed, fence, ops, unknown).await?.then_some(true))
    }

    pub(super) async fn trim(&self, cx: &Context, req: &TrimHistoryBranch) -> Result<()> {
        let branch = req.branch.parse()?;
        let (mut tries, mut unknown) = (Tries::new(cx), false);
        loop {
            let tried = self.try_trim(cx, req, &branch, &mut unknown).await;
            if tried.map_err(|e| in_doubt(unknown, e))? {
                return Ok(());
            }
            if !tries.again().await {
                return Err(Error::timeout("history.trim_history_branch"));
            }
        }
    }

    /// One try; false when the tree changed meanwhile.
    async fn try_trim(
        &self,
        cx: &Context,
        req: &TrimHistoryBranch,
        branch: &Branch,
        unknown: &mut bool,
    ) -> Result<bool> {
        let tree = self.tree(cx, req.shard_id, branch.tree_id).await?;
        if tree.find(branch).is_none() {
            return Ok(true);
        }
        let reader = self.reader(cx, req.shard_id, branch, Level::Serial);
        let headers = reader.all_headers(req.first_event_id).await?;
        let doomed = plan_trim(&headers, req.first_event_id, req.transaction_id);
        Ok(doomed.is_empty() || self.delete_nodes(cx, &tree, branch, &doomed, unknown).await?)
    }

    /// Deletes the nodes of a branch's own beyond its tail that were written before `older_than`, unless it is a dry run. Returns
    /// how many.
    pub(crate) async fn delete_beyond(
        &self,
        cx: &Context,
        shard_id: ShardId,
        branch: &Branch,
        tail: Tail,
        older_than: Timestamp,
        dry_run: bool,
    ) -> Result<u64> {
        let tree = self.tree(cx, shard_id, branch.tree_id).await?;
        if tree.find(branch).is_none() {
            return Ok(0);
        }
        // What a fork shares, it needs, wherever the tail is.
        let ancestors = tree.branches.iter().flat_map(|b| &b.branch.ancestors);
        let shared = ancestors.filter(|a| a.branch_id == branch.branch_id).map(|a| a.end).max();
        let begin = tail.end.max(branch.begin()).max(shared.unwrap_or(0));
        let range = keys::history::headers(branch.branch_id, begin, i64::MAX);
        let beyond = || self.rows(cx, Table::History, &tree.partition, &range, usize::MAX, Level::Serial);
        let (mut doomed, mut keys) = (Vec::new(), Vec::new());
        for row in beyond().await? {
            let (header, written_at) = rows::read_header(&row)?;
            if written_at < older_than {
                doomed.push(Located { branch_id: branch.branch_id, header });
                keys.push(row.key);
            }
        }
        let (mut unknown, count) = (false, doomed.len() as u64);
        if dry_run || doomed.is_empty() || self.delete_nodes(cx, &tree, branch, &doomed, &mut unknown).await?
        {
            return Ok(count);
        }
        // Somebody changed the tree: the next round finds what is left. Or a first try without an answer did: all of them or none.
        let left = if unknown { beyond().await.map_err(|e| in_doubt(true, e))? } else { Vec::new() };
        let gone = unknown && !left.iter().any(|row| keys.contains(&row.key));
        Ok(if gone { count } else { 0 })
    }

    async fn delete_nodes(
        &self,
        cx: &Context,
        tree: &Tree,
        branch: &Branch,
        doomed: &[Located],
        unknown: &mut bool,
    ) -> Result<bool> {
        let mut ops = vec![tree.next_version()];
        ops.extend(doomed.iter().flat_map(|n| rows::delete_node(n.branch_id, &n.header)));
        self.change_tree(cx, tree, branch, None, ops, unknown).await
    }

    /// Changes a tree that is as it was read. False when it is not; fails when the shard is lost. `unknown` becomes true when a
    /// try of it ended without an answer and it was refused then: that try may be what changed the tree.
    async fn change_tree(
        &self,
        cx: &Context,
        tree: &Tree,
        branch: &Branch,
        fence: Option<RangeId>,
        ops: Vec<Op>,
        unknown: &mut bool,
    ) -> Result<bool> {
        let part = Part {
            table: Table::History,
            partition: tree.partition.clone(),
            checks: tree.checks(branch),
            ops,
        };
        let mut write = Write::from(part);
        let fence = fence.filter(|_| self.crosses_partitions());
        if let Some(range_id) = fence {
            write.parts.push(Part {
                table: Table::Shard,
                partition: keys::shard::partition(tree.shard_id),
                checks: vec![owned(range_id)],
                ops: Vec::new(),
            });
        }
        let Settled::Refused { rows, unknown: now } = self.settle(cx, &write).await? else { return Ok(true) };
        *unknown |= now;
        if let Some(range_id) = fence {
            let stored = stored_range(rows.last().and_then(Option::as_ref))?;
            if stored != Some(range_id) {
                return Err(lost(tree.shard_id, range_id, stored));
            }
        }
        Ok(false)
    }
}
