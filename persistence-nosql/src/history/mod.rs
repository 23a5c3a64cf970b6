//! History: nodes and branches of a tree, one partition a tree.

mod nodes;
mod prune;
pub(crate) mod rows;
mod tree;

use crate::bucket::Bucket;
use crate::core::store::*;
use crate::core::{BranchToken, Context, Page, Result};
use crate::keys;
use crate::row::{Level, Part, Table, Write};
use async_trait::async_trait;

#[async_trait]
impl HistoryStore for Bucket {
    async fn append_history_node(&self, cx: &Context, req: &AppendHistoryNode) -> Result<()> {
        let node = req.node.lower()?;
        let part = Part {
            table: Table::History,
            partition: keys::history::partition(req.shard_id, node.branch.tree_id),
            checks: Vec::new(),
            ops: rows::append(self.env.clock.now(), &node),
        };
        let write = Write { parts: vec![part], unordered: rows::is_unordered(&node) };
        self.settle_unconditional(cx, &write).await
    }

    async fn read_history_branch(&self, cx: &Context, req: &ReadHistoryBranch) -> Result<Page<HistoryBatch>> {
        let branch = req.branch.parse()?;
        self.reader(cx, req.shard_id, &branch, Level::Quorum).batches(req).await
    }

    async fn read_history_headers(&self, cx: &Context, req: &ReadHistoryBranch) -> Result<Page<NodeHeader>> {
        let branch = req.branch.parse()?;
        let reader = self.reader(cx, req.shard_id, &branch, Level::Quorum);
        let page = reader.nodes("history.read_history_headers", req).await?;
        Ok(Page { items: page.items.into_iter().map(|n| n.header).collect(), next: page.next })
    }

    async fn read_history_branch_reverse(
        &self,
        cx: &Context,
        req: &ReadHistoryBranchReverse,
    ) -> Result<Page<HistoryBatch>> {
        let branch = req.branch.parse()?;
        self.reader(cx, req.shard_id, &branch, Level::Quorum).reverse(req).await
    }

    async fn fork_history_branch(&self, cx: &Context, req: &ForkHistoryBranch) -> Result<BranchToken> {
        self.fork(cx, req).await
    }

    async fn delete_history_branch(&self, cx: &Context, req: &DeleteHistoryBranch) -> Result<()> {
        let branch = req.branch.parse()?;
        self.delete_branch(cx, req.shard_id, req.range_id, &branch).await.map(drop)
    }

    async fn trim_history_branch(&self, cx: &Context, req: &TrimHistoryBranch) -> Result<()> {
        self.trim(cx, req).await
    }

    async fn list_tree_branches(&self, cx: &Context, req: &ListTreeBranches) -> Result<Vec<HistoryBranch>> {
        Ok(self.tree(cx, req.shard_id, req.tree_id).await?.listed())
    }

    async fn list_history_branches(
        &self,
        cx: &Context,
        req: &ListHistoryBranches,
    ) -> Result<Page<HistoryBranch>> {
        self.list_branches(cx, &req.page).await
    }
}
