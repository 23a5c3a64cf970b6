//! History trees, nodes, and the requests for them.

use crate::Fixture;
use persistence_core::store::*;
use persistence_core::{
    AttemptId, Blob, BranchId, BranchToken, PageRequest, RangeId, ShardId, Timestamp, TreeId,
};

/// First event id, event count, transaction id, previous transaction id.
pub type Node = (i64, i64, i64, i64);

/// The header of a node.
pub fn header((first_event_id, event_count, transaction_id, previous_transaction_id): Node) -> NodeHeader {
    NodeHeader { first_event_id, event_count, transaction_id, previous_transaction_id }
}

/// Events that no other node has.
pub fn events((first, count, transaction, _): Node) -> Blob {
    Blob::json(format!("{{\"first\":{first},\"count\":{count},\"transaction\":{transaction}}}"))
        .with_checksum()
}

/// A node as it is read.
pub fn batch(node: Node) -> HistoryBatch {
    HistoryBatch { header: header(node), events: events(node) }
}

/// Nodes as they are read.
pub fn batches(nodes: &[Node]) -> Vec<HistoryBatch> {
    nodes.iter().copied().map(batch).collect()
}

/// A node of a branch, as a write.
pub fn node(branch: &BranchToken, owner: &RunKey, n: Node) -> NodeWrite {
    NodeWrite { branch: branch.clone(), owner: owner.clone(), header: header(n), events: events(n) }
}

/// A history tree of one run.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The shard.
    pub shard_id: ShardId,
    /// The tree.
    pub tree_id: TreeId,
    /// The run that its branches belong to.
    pub owner: RunKey,
    /// Its first branch.
    pub root: BranchToken,
}

impl Tree {
    /// A fresh tree of a fresh run in a fresh shard.
    pub fn new(t: &Fixture) -> Self {
        Tree::in_shard(t, t.shard())
    }

    /// A fresh tree of a fresh run.
    pub fn in_shard(t: &Fixture, shard_id: ShardId) -> Self {
        let run = RunKey { namespace_id: t.namespace(), workflow_id: t.name("workflow"), run_id: t.run() };
        Tree::of(t, shard_id, run)
    }

    /// A fresh tree of this run.
    pub fn of(t: &Fixture, shard_id: ShardId, owner: RunKey) -> Self {
        let tree_id = t.tree();
        let root = BranchToken::new_root(tree_id, t.branch());
        Tree { shard_id, tree_id, owner, root }
    }

    /// Appends a node.
    pub fn append(&self, branch: &BranchToken, n: Node) -> AppendHistoryNode {
        AppendHistoryNode { shard_id: self.shard_id, node: node(branch, &self.owner, n) }
    }

    /// Reads `[min, max)`; batches or headers.
    pub fn read(&self, branch: &BranchToken, min: i64, max: i64, page: PageRequest) -> ReadHistoryBranch {
        ReadHistoryBranch { shard_id: self.shard_id, branch: branch.clone(), min, max, page }
    }

    /// Reads backwards from below `max`.
    pub fn reverse(&self, branch: &BranchToken, max: i64, page: PageRequest) -> ReadHistoryBranchReverse {
        ReadHistoryBranchReverse { shard_id: self.shard_id, branch: branch.clone(), max, page }
    }

    /// Forks with a fresh branch id.
    pub fn fork(&self, base: &BranchToken, fork_event_id: i64) -> ForkHistoryBranch {
        ForkHistoryBranch {
            shard_id: self.shard_id,
            base: base.clone(),
            fork_event_id,
            new_branch_id: BranchId::new(),
            owner: self.owner.clone(),
            attempt: AttemptId::new(),
        }
    }

    /// Deletes a branch.
    pub fn delete(&self, branch: &BranchToken, range_id: Option<RangeId>) -> DeleteHistoryBranch {
        DeleteHistoryBranch { shard_id: self.shard_id, range_id, branch: branch.clone() }
    }

    /// Trims a branch to the chain that ends in this node.
    pub fn trim(&self, branch: &BranchToken, first_event_id: i64, transaction_id: i64) -> TrimHistoryBranch {
        TrimHistoryBranch { shard_id: self.shard_id, branch: branch.clone(), first_event_id, transaction_id }
    }

    /// Lists the tree's branches.
    pub fn list(&self) -> ListTreeBranches {
        ListTreeBranches { shard_id: self.shard_id, tree_id: self.tree_id }
    }

    /// A branch as it is listed.
    pub fn listed(&self, branch: &BranchToken, created_at: Timestamp) -> HistoryBranch {
        HistoryBranch {
            shard_id: self.shard_id,
            branch: branch.clone(),
            owner: self.owner.clone(),
            created_at,
        }
    }
}
