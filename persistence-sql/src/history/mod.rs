//! History: nodes and branches of a tree. Fork, delete and trim lock the tree's branch rows, so they come one after the other.

mod nodes;
mod prune;
pub(crate) mod rows;
mod tree;

pub(crate) use tree::Stored as StoredBranch;

use crate::bucket::{Sql, work};
use crate::core::store::*;
use crate::core::validate;
use crate::core::{BranchToken, Context, Page, Result};
use crate::tx::Tx;
use async_trait::async_trait;
use std::sync::Arc;

#[async_trait]
impl HistoryStore for Sql {
    async fn append_history_node(&self, cx: &Context, req: &AppendHistoryNode) -> Result<()> {
        validate::shard(req.shard_id)?;
        let (node, shard_id) = (Arc::new(req.node.lower()?), req.shard_id);
        let (bucket, cx, now) = (self.bucket.clone(), cx.clone(), self.bucket.env.clock.now());
        let append = async move {
            let work = work(move |tx: &mut Tx, _| {
                let node = Arc::clone(&node);
                Box::pin(async move { rows::append(tx, shard_id, &node, now).await })
            });
            bucket.write(&cx, work).await
        };
        self.bucket.gate.run(append).await
    }

    async fn read_history_branch(&self, cx: &Context, req: &ReadHistoryBranch) -> Result<Page<HistoryBatch>> {
        validate::shard(req.shard_id)?;
        let _inside = self.bucket.gate.enter()?;
        let branch = req.branch.parse()?;
        self.bucket.reader(cx, req.shard_id, &branch).batches(req).await
    }

    async fn read_history_headers(&self, cx: &Context, req: &ReadHistoryBranch) -> Result<Page<NodeHeader>> {
        validate::shard(req.shard_id)?;
        let _inside = self.bucket.gate.enter()?;
        let branch = req.branch.parse()?;
        let reader = self.bucket.reader(cx, req.shard_id, &branch);
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
        self.bucket.reader(cx, req.shard_id, &branch).reverse(req).await
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
            .run(async move { bucket.delete_branch(&cx, shard_id, range_id, branch).await.map(drop) })
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
        let tree = self.bucket.branches(cx, req.shard_id, req.tree_id).await?;
        Ok(tree.into_iter().map(|b| b.listed).collect())
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
