//! A tree's branches: listing and forking.

use super::rows;
use crate::bucket::{self, Bucket, work};
use crate::core::codec::decode;
use crate::core::history::Branch;
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{
    BranchId, BranchToken, Context, Error, Page, PageRequest, Result, ShardId, Timestamp, TreeId,
};
use crate::tables::TREES;
use crate::tx::Tx;
use crate::value::{Kind, SqlRow, Value};
use std::sync::Arc;

const OF_TREE: &str = "\
    SELECT shard_id, branch, created_at
      FROM history_trees
     WHERE shard_id = ? AND tree_id = ?
     ORDER BY branch_id";

const ALL: &str = "\
    SELECT shard_id, branch, created_at
      FROM history_trees
     ORDER BY shard_id, tree_id, branch_id
     LIMIT ?";

const ALL_AFTER: &str = "\
    SELECT shard_id, branch, created_at
      FROM history_trees
     WHERE (shard_id, tree_id, branch_id) > (?, ?, ?)
     ORDER BY shard_id, tree_id, branch_id
     LIMIT ?";

const COLUMNS: &[Kind] = &[Kind::Int, Kind::Bytes, Kind::Int];

/// A branch as stored.
pub(crate) struct Stored {
    pub branch: Branch,
    pub listed: HistoryBranch,
}

fn read(row: &mut SqlRow) -> Result<Stored> {
    let shard_id = ShardId(i32::try_from(row.int()?).unwrap_or(0));
    let (branch, owner): (Branch, RunKey) = decode("history branch", &row.bytes()?)?;
    let listed = HistoryBranch { shard_id, branch: branch.token(), owner, created_at: Timestamp(row.int()?) };
    Ok(Stored { branch, listed })
}

/// The branches of a tree, locked: whoever else changes the set waits.
pub(crate) async fn locked(tx: &mut Tx, shard_id: ShardId, tree: TreeId) -> Result<Vec<Stored>> {
    let lock = tx.dialect.for_update;
    if !lock.is_empty() {
        branches(tx, shard_id, tree, lock).await?;
    }
    // Read under the lock: who waited for it did so with a snapshot from before, without what was added meanwhile.
    branches(tx, shard_id, tree, "").await
}

/// The branches of a tree, locked as `lock` says.
async fn branches(tx: &mut Tx, shard_id: ShardId, tree: TreeId, lock: &str) -> Result<Vec<Stored>> {
    let sql = format!("{OF_TREE}{lock}");
    let args = vec![shard_id.0.into(), tree.0.into()];
    let rows = tx.query("history_trees", &sql, args, COLUMNS).await?;
    rows.into_iter().map(|mut r| read(&mut r)).collect()
}

impl Bucket {
    /// The branches of a tree, as they are.
    pub(super) async fn branches(
        &self,
        cx: &Context,
        shard_id: ShardId,
        tree: TreeId,
    ) -> Result<Vec<Stored>> {
        let find = async { branches(&mut self.connection(cx).await?, shard_id, tree, "").await };
        bucket::read(cx, "history_trees", find).await
    }

    pub(super) async fn fork(&self, cx: &Context, req: &ForkHistoryBranch) -> Result<BranchToken> {
        let base = req.base.parse()?;
        if req.fork_event_id <= 1 {
            return Err(Error::invalid("fork_event_id", "must be larger than 1"));
        }
        let new = base.fork(req.fork_event_id, req.new_branch_id);
        self.look_at_fork_point(cx, req, &base, &new).await?;
        let (req, now, token) = (Arc::new(req.clone()), self.env.clock.now(), new.token());
        self.write(
            cx,
            work(move |tx: &mut Tx, _| {
                let (req, base, new) = (Arc::clone(&req), base.clone(), new.clone());
                Box::pin(async move {
                    let tree = locked(tx, req.shard_id, base.tree_id).await?;
                    match tree.iter().find(|b| b.branch.branch_id == new.branch_id) {
                        Some(made) if made.branch == new && made.listed.owner == req.owner => return Ok(()),
                        Some(_) => {
                            let id = req.new_branch_id.to_string();
                            return Err(Error::already_exists("history branch", id));
                        }
                        None => {}
                    }
                    if !tree.iter().any(|b| b.branch.branch_id == base.branch_id) {
                        return Err(Error::not_found("history branch", base.branch_id.to_string()));
                    }
                    let row = rows::in_shard(req.shard_id, rows::branch(&new, &req.owner, now));
                    tx.put(&TREES, vec![row], false).await
                })
            }),
        )
        .await?;
        Ok(token)
    }

    /// Live nodes never cease to be live while their branch is there, so the look may come before the lock; that the branch is
    /// still there is checked under it.
    async fn look_at_fork_point(
        &self,
        cx: &Context,
        req: &ForkHistoryBranch,
        base: &Branch,
        new: &Branch,
    ) -> Result<()> {
        let has =
            |tree: &[Stored], branch: &Branch| tree.iter().any(|b| b.branch.branch_id == branch.branch_id);
        let known = self.branches(cx, req.shard_id, base.tree_id).await?;
        if has(&known, new) || !has(&known, base) {
            return Ok(());
        }
        let Err(e) = self.reader(cx, req.shard_id, base).check_fork_point(req.fork_event_id).await else {
            return Ok(());
        };
        // The branch, not the request, may be what is wrong by now: then the transaction will say so.
        let now = self.branches(cx, req.shard_id, base.tree_id).await?;
        if has(&now, base) { Err(e) } else { Ok(()) }
    }

    pub(super) async fn list_branches(
        &self,
        cx: &Context,
        page: &PageRequest,
    ) -> Result<Page<HistoryBranch>> {
        let found = self.all_branches(cx, "history.list_history_branches", page).await?;
        let items = found.items.into_iter().map(|b| b.listed).collect();
        Ok(Page { items, next: found.next })
    }

    /// Every branch of every tree, ordered by shard, tree and branch; `operation` is what the token belongs to.
    pub(crate) async fn all_branches(
        &self,
        cx: &Context,
        operation: &'static str,
        page: &PageRequest,
    ) -> Result<Page<Stored>> {
        let size = page.checked_size()?;
        let query = QueryId::new(operation, &());
        let after: Option<(ShardId, TreeId, BranchId)> = query.position(page.token.as_ref())?;
        let limit = Value::Int(i64::from(page.size) + 1);
        let (sql, args) = match after {
            None => (ALL, vec![limit]),
            Some((s, t, b)) => (ALL_AFTER, vec![s.0.into(), t.0.into(), b.0.into(), limit]),
        };
        let rows = self.query(cx, "history_trees", sql, args, COLUMNS).await?;
        let found = rows.into_iter().map(|mut r| read(&mut r)).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(found, size, |b| {
            query.token(&(b.listed.shard_id, b.branch.tree_id, b.branch.branch_id))
        }))
    }
}
