//! A tree's branches: listing and forking. Whatever changes the set of branches checks the tree's version.

use super::rows::{BranchValue, put_branch};
use crate::bucket::{Bucket, Settled, Tries, check, put};
use crate::codec::{decode, guard, guard_number};
use crate::core::history::Branch;
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{BranchToken, Context, Error, Outcome, Page, PageRequest, Result, ShardId, TreeId};
use crate::keys::history as keys;
use crate::row::*;
use bytes::Bytes;

/// A tree as read in one scan.
pub(super) struct Tree {
    pub shard_id: ShardId,
    pub partition: Bytes,
    version: Option<i64>,
    pub branches: Vec<BranchValue>,
}

impl Tree {
    /// The branch with this id.
    pub(super) fn find(&self, branch: &Branch) -> Option<&BranchValue> {
        self.branches.iter().find(|b| b.branch.branch_id == branch.branch_id)
    }

    /// The checks that the set of branches is as read, and that the branch which the change rests on is there.
    pub(super) fn checks(&self, base: &Branch) -> Vec<Check> {
        let version = match self.version {
            Some(v) => Condition::Guard(guard(v)),
            None => Condition::Absent,
        };
        vec![check(keys::version(), version), check(keys::branch(base.branch_id), Condition::Present)]
    }

    /// The put of the next version.
    pub(super) fn next_version(&self) -> Op {
        put(keys::version(), guard(self.version.unwrap_or(0).wrapping_add(1)), Bytes::new())
    }

    /// The branches as the contract lists them.
    pub(super) fn listed(self) -> Vec<HistoryBranch> {
        let shard_id = self.shard_id;
        let listed = |b: BranchValue| HistoryBranch {
            shard_id,
            branch: b.branch.token(),
            owner: b.owner,
            created_at: b.created_at,
        };
        self.branches.into_iter().map(listed).collect()
    }
}

impl Bucket {
    pub(super) async fn tree(&self, cx: &Context, shard_id: ShardId, tree_id: TreeId) -> Result<Tree> {
        let partition = keys::partition(shard_id, tree_id);
        let rows =
            self.rows(cx, Table::History, &partition, &keys::tree(), usize::MAX, Level::Serial).await?;
        let mut tree = Tree { shard_id, partition, version: None, branches: Vec::new() };
        for KeyedRow { key, row } in rows {
            if key == keys::version() {
                tree.version = Some(guard_number("history tree", &row.guard)?);
            } else {
                tree.branches.push(decode("history branch", &row.value)?);
            }
        }
        Ok(tree)
    }

    /// The branches of a tree, as the contract lists them.
    pub(crate) async fn history_tree(
        &self,
        cx: &Context,
        shard_id: ShardId,
        tree_id: TreeId,
    ) -> Result<Vec<HistoryBranch>> {
        Ok(self.tree(cx, shard_id, tree_id).await?.listed())
    }

    pub(super) async fn fork(&self, cx: &Context, req: &ForkHistoryBranch) -> Result<BranchToken> {
        let base = req.base.parse()?;
        if req.fork_event_id <= 1 {
            return Err(Error::invalid("fork_event_id", "must be larger than 1"));
        }
        let new = base.fork(req.fork_event_id, req.new_branch_id);
        let (mut tries, mut unknown) = (Tries::new(cx), false);
        loop {
            let tree = self.tree(cx, req.shard_id, base.tree_id).await;
            let tree = tree.map_err(|e| if unknown { e.with_outcome(Outcome::MaybeApplied) } else { e })?;
            match tree.find(&new) {
                Some(made) if made.branch == new && made.owner == req.owner => return Ok(new.token()),
                Some(_) => {
                    return Err(Error::already_exists("history branch", req.new_branch_id.to_string()));
                }
                None => {}
            }
            if tree.find(&base).is_none() {
                return Err(Error::not_found("history branch", base.branch_id.to_string()));
            }
            let reader = self.reader(cx, req.shard_id, &base, Level::Serial);
            if let Err(e) = reader.check_fork_point(req.fork_event_id).await {
                // The nodes were read after the tree: a change in between, not the request, may be what is wrong.
                let now = self.tree(cx, req.shard_id, base.tree_id).await?;
                if now.version == tree.version && now.find(&base).is_some() {
                    return Err(e);
                }
                continue;
            }
            let part = Part {
                table: Table::History,
                partition: tree.partition.clone(),
                checks: tree.checks(&base),
                ops: vec![tree.next_version(), put_branch(&new, &req.owner, self.env.clock.now())],
            };
            match self.settle(cx, &part.into()).await? {
                Settled::Applied => return Ok(new.token()),
                // Another fork or delete came first, or our own first try did: look again.
                Settled::Refused { unknown: doubt, .. } => unknown |= doubt,
            }
            if !tries.again().await {
                return Err(Error::timeout("history.fork_history_branch"));
            }
        }
    }

    pub(super) async fn list_branches(
        &self,
        cx: &Context,
        page: &PageRequest,
    ) -> Result<Page<HistoryBranch>> {
        let size = page.checked_size()?;
        let query = QueryId::new("history.list_history_branches", &());
        let after: Option<(Vec<u8>, Vec<u8>)> = query.position(page.token.as_ref())?;
        let (mut found, mut from) = (Vec::new(), None);
        if let Some((partition, branch)) = after {
            self.list_tree(cx, &partition, Some(&branch), &mut found).await?;
            from = Some(Bytes::from(partition));
        }
        while found.len() <= size {
            let trees = self.driver.list_partitions(cx, Table::History, from.as_deref(), size + 1).await?;
            for partition in &trees {
                self.list_tree(cx, partition, None, &mut found).await?;
                from = Some(partition.clone());
                if found.len() > size {
                    break;
                }
            }
            if trees.len() <= size {
                break;
            }
        }
        let cut = Page::cut(found, size, |(partition, id, _): &(Bytes, Bytes, HistoryBranch)| {
            query.token(&(partition.to_vec(), id.to_vec()))
        });
        Ok(Page { items: cut.items.into_iter().map(|(_, _, b)| b).collect(), next: cut.next })
    }

    /// The branches of a partition after the row key `after`, with where to go on.
    async fn list_tree(
        &self,
        cx: &Context,
        partition: &[u8],
        after: Option<&[u8]>,
        found: &mut Vec<(Bytes, Bytes, HistoryBranch)>,
    ) -> Result<()> {
        let (shard_id, tree_id) = keys::read_partition(partition)?;
        let tree = self.tree(cx, shard_id, tree_id).await?;
        let partition = Bytes::copy_from_slice(partition);
        for b in tree.listed() {
            let key = keys::branch(b.branch.parse()?.branch_id);
            if after.is_none_or(|a| *key > *a) {
                found.push((partition.clone(), key, b));
            }
        }
        Ok(())
    }
}
