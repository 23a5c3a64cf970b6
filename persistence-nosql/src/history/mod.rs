//! History: nodes and branches of a tree, one partition a tree.

mod nodes;
mod prune;
pub(crate) mod rows;
mod tree;

use crate::bucket::NoSql;
use crate::core::store::*;
use crate::core::validate;
use crate::core::{BranchToken, Context, Page, Result};
use crate::keys;
use crate::row::{Level, Part, Table, Write};
use async_trait::async_trait;

#[async_trait]
impl HistoryStore for NoSql {
    async fn append_history_node(&self, cx: &Context, req: &AppendHistoryNode) -> Result<()> {
        validate::shard(req.shard_id)?;
        let node = req.node.lower()?;
        let part = Part {
            table: Table::History,
            partition: keys::history::partition(req.shard_id, node.branch.tree_id),
            checks: Vec::new(),
            ops: rows::append(self.bucket.env.clock.now(), &node),
        };
        let write = Write { parts: vec![part], unordered: rows::is_unordered(&node) };
        let (bucket, cx) = (self.bucket.clone(), cx.clone());
        self.bucket.gate.run(async move { bucket.settle_unconditional(&cx, &write).await }).await
    }

    async fn read_history_branch(&self, cx: &Context, req: &ReadHistoryBranch) -> Result<Page<HistoryBatch>> {
        validate::shard(req.shard_id)?;
        let _inside = self.bucket.gate.enter()?;
        let branch = req.branch.parse()?;
        self.bucket.reader(cx, req.shard_id, &branch, Level::Quorum).batches(req).await
    }

    async fn read_history_headers(&self, cx: &Context, req: &ReadHistoryBranch) -> Result<Page<NodeHeader>> {
        validate::shard(req.shard_id)?;
        let _inside = self.bucket.gate.enter()?;
        let branch = req.branch.parse()?;
        let reader = self.bucket.reader(cx, req.shard_id, &branch, Level::Quorum);
        let page = reader.nodes("history.read_history_headers", req).await?;
        Ok(Page { items: page.items.into_iter().map(|n| n.header).collect(), next: page.next })
    }

    async fn read_history_branch_reverse(
        &self,
        cx: &Context,
        req: &ReadHistoryBranchReverse,
    ) -> Result<Page<HistoryBatch>> {
        validate::shard(req.shard_id)?;
        let _inside = self.bucket.gate.enter()?;
        let branch = req.branch.parse()?;
        self.bucket.reader(cx, req.shard_id, &branch, Level::Quorum).reverse(req).await
    }

    async fn fork_history_branch(&self, cx: &Context, req: &ForkHistoryBranch) -> Result<BranchToken> {
        validate::shard(req.shard_id)?;
        validate::run_key(&req.owner)?;
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.fork(&cx, &req).await }).await
    }

    async fn delete_history_branch(&self, cx: &Context, req: &DeleteHistoryBranch) -> Result<()> {
        validate::shard(req.shard_id)?;
        let branch = req.branch.parse()?;
        let (bucket, cx, shard_id, range_id) = (self.bucket.clone(), cx.clone(), req.shard_id, req.range_id);
        self.bucket
            .gate
            .run(async move { bucket.delete_branch(&cx, shard_id, range_id, &branch).await.map(drop) })
            .await
    }

    async fn trim_history_branch(&self, cx: &Context, req: &TrimHistoryBranch) -> Result<()> {
        validate::shard(req.shard_id)?;
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.trim(&cx, &req).await }).await
    }

    async fn list_tree_branches(&self, cx: &Context, req: &ListTreeBranches) -> Result<Vec<HistoryBranch>> {
        validate::shard(req.shard_id)?;
        let _inside = self.bucket.gate.enter()?;
        Ok(self.bucket.tree(cx, req.shard_id, req.tree_id).await?.listed())
    }

    async fn list_history_branches(
        &self,
        cx: &Context,
        req: &ListHistoryBranches,
    ) -> Result<Page<HistoryBranch>> {
        let _inside = self.bucket.gate.enter()?;
        self.bucket.list_branches(cx, &req.page).await
    }
}
