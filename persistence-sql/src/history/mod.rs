//! History: nodes and branches of a tree. Fork, delete and trim lock the tree's branch rows, so they come one after the other.

mod nodes;
mod prune;
pub(crate) mod rows;
mod tree;

pub(crate) use tree::Stored as StoredBranch;

use crate::bucket::{Bucket, work};
use crate::core::store::*;
use crate::core::{BranchToken, Context, Page, Result};
use crate::tx::Tx;
use async_trait::async_trait;
use std::sync::Arc;

#[async_trait]
impl HistoryStore for Bucket {
    async fn append_history_node(&self, cx: &Context, req: &AppendHistoryNode) -> Result<()> {
        let (node, shard_id) = (Arc::new(req.node.lower()?), req.shard_id);
        let now = self.env.clock.now();
        let work = work(move |tx: &mut Tx, _| {
            let node = Arc::clone(&node);
            Box::pin(async move { rows::append(tx, shard_id, &node, now).await })
        });
        self.write(cx, work).await
    }

    async fn read_history_branch(&self, cx: &Context, req: &ReadHistoryBranch) -> Result<Page<HistoryBatch>> {
        let branch = req.branch.parse()?;
        self.reader(cx, req.shard_id, &branch).batches(req).await
    }

    async fn read_history_headers(&self, cx: &Context, req: &ReadHistoryBranch) -> Result<Page<NodeHeader>> {
        let branch = req.branch.parse()?;
        let reader = self.reader(cx, req.shard_id, &branch);
        let page = reader.nodes("history.read_history_headers", req).await?;
        Ok(Page { items: page.items.into_iter().map(|n| n.header).collect(), next: page.next })
    }

    async fn read_history_branch_reverse(
        &self,
        cx: &Context,
        req: &ReadHistoryBranchReverse,
    ) -> Result<Page<HistoryBatch>> {
        let branch = req.branch.parse()?;
        self.reader(cx, req.shard_id, &branch).reverse(req).await
    }

    async fn fork_history_branch(&self, cx: &Context, req: &ForkHistoryBranch) -> Result<BranchToken> {
        self.fork(cx, req).await
    }

    async fn delete_history_branch(&self, cx: &Context, req: &DeleteHistoryBranch) -> Result<()> {
        let branch = req.branch.parse()?;
        self.delete_branch(cx, req.shard_id, req.range_id, branch).await.map(drop)
    }

    async fn trim_history_branch(&self, cx: &Context, req: &TrimHistoryBranch) -> Result<()> {
        self.trim(cx, req).await
    }

    async fn list_tree_branches(&self, cx: &Context, req: &ListTreeBranches) -> Result<Vec<HistoryBranch>> {
        let tree = self.branches(cx, req.shard_id, req.tree_id).await?;
        Ok(tree.into_iter().map(|b| b.listed).collect())
    }

    async fn list_history_branches(
        &self,
        cx: &Context,
        req: &ListHistoryBranches,
    ) -> Result<Page<HistoryBranch>> {
        self.list_branches(cx, &req.page).await
    }
}
