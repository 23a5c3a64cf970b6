//! Event history: trees of branches, branches of nodes, a node one batch of events.

use super::RunKey;
use super::request::requests;
use crate::blob::Blob;
use crate::history::BranchToken;
use crate::ids::{AttemptId, BranchId, RangeId, ShardId, TreeId};
use crate::page::{Page, PageRequest};
use crate::time::Timestamp;
use crate::validate;
use serde::{Deserialize, Serialize};

/// What a node is, apart from its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeHeader {
    /// The id of the first event; the node's id. From 1.
    pub first_event_id: i64,
    /// The number of events, at least 1.
    pub event_count: i64,
    /// The transaction that wrote it: larger than every earlier one of the shard.
    pub transaction_id: i64,
    /// The transaction id of the node before it in the live chain; 0 for the first.
    pub previous_transaction_id: i64,
}

impl NodeHeader {
    /// The id after the last event.
    pub fn end(&self) -> i64 {
        self.first_event_id.saturating_add(self.event_count)
    }
}

/// A node to append to a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeWrite {
    /// The branch.
    pub branch: BranchToken,
    /// The run that the branch belongs to: stored with the first node of a branch, for garbage collection.
    pub owner: RunKey,
    /// The node.
    pub header: NodeHeader,
    /// Its events.
    pub events: Blob,
}

/// A node as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryBatch {
    /// The node.
    pub header: NodeHeader,
    /// Its events.
    pub events: Blob,
}

/// A branch as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryBranch {
    /// The shard.
    pub shard_id: ShardId,
    /// The branch.
    pub branch: BranchToken,
    /// The run that it belongs to.
    pub owner: RunKey,
    /// When it was created or forked.
    pub created_at: Timestamp,
}

/// See [`HistoryStore::append_history_node`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendHistoryNode {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The node.
    pub node: NodeWrite,
}

/// See [`HistoryStore::read_history_branch`] and [`HistoryStore::read_history_headers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadHistoryBranch {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The branch.
    pub branch: BranchToken,
    /// The first node id, inclusive; from 1. Must not lie inside a live batch.
    pub min: i64,
    /// The node id after the last, exclusive. A batch that begins before it is given whole.
    pub max: i64,
    /// How many batches, and from where.
    pub page: PageRequest,
}

/// See [`HistoryStore::read_history_branch_reverse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadHistoryBranchReverse {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The branch.
    pub branch: BranchToken,
    /// The node id after the newest, exclusive.
    pub max: i64,
    /// How many batches, and from where.
    pub page: PageRequest,
}

/// See [`HistoryStore::fork_history_branch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkHistoryBranch {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The branch to fork.
    pub base: BranchToken,
    /// The first event id that the new branch does not share: the first event of a live batch, or one past the end.
    /// More than 1.
    pub fork_event_id: i64,
    /// The new branch's id: the same for a repeat of the request.
    pub new_branch_id: BranchId,
    /// The run that the new branch belongs to.
    pub owner: RunKey,
    /// Tells a repeat from another request.
    pub attempt: AttemptId,
}

/// See [`HistoryStore::delete_history_branch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteHistoryBranch {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// Asserted before (atomically with capability `cross_partition`) when given.
    pub range_id: Option<RangeId>,
    /// The branch.
    pub branch: BranchToken,
}

/// See [`HistoryStore::trim_history_branch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrimHistoryBranch {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The branch.
    pub branch: BranchToken,
    /// The first event id of the last live node.
    pub first_event_id: i64,
    /// Its transaction id.
    pub transaction_id: i64,
}

/// See [`HistoryStore::list_tree_branches`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTreeBranches {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The tree.
    pub tree_id: TreeId,
}

/// See [`HistoryStore::list_history_branches`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListHistoryBranches {
    /// How much, and from where.
    pub page: PageRequest,
}

requests! {
    sharded: AppendHistoryNode, ReadHistoryBranch, ReadHistoryBranchReverse, DeleteHistoryBranch, TrimHistoryBranch,
        ListTreeBranches, ForkHistoryBranch => |r| validate::run_key(&r.owner);
    unsharded: ListHistoryBranches
}

store! {
    /// Event history.
    ///
    /// *Key columns*: shard, tree, branch, first event id (ascending), transaction id (descending).
    ///
    /// *Liveness*: a node is live after its predecessor when its previous transaction id is the predecessor's transaction
    /// id (0 for the first); among several the chain that reaches the larger transaction id wins. Reads give live nodes
    /// only; stale ones neither shorten nor distort a page.
    ///
    /// *Consistency*: appends are not fenced and never check the tail. Within a tree fork, delete and trim serialise.
    pub trait HistoryStore via history named "history" behind a front {
        /// Adds a node, or replaces the one with the same first event id and transaction id. Must return
        /// `InvalidArgument` if its id is below the branch's own beginning, `TooLarge` if the events exceed the limit.
        idempotent fn append_history_node(AppendHistoryNode) -> ();

        /// Live batches with first event ids in `[min, max)`, oldest first. Must return `InvalidArgument` for an empty
        /// range and for `min` inside a live batch (naming its first event), `NotFound` if nothing is in range,
        /// `Corrupted` for a gap or overlap of live nodes.
        read fn read_history_branch(ReadHistoryBranch) -> Page<HistoryBatch>;

        /// The same without the events.
        read fn read_history_headers(ReadHistoryBranch) -> Page<NodeHeader>;

        /// Live batches with first event ids below `max`, newest first. Errors as for reading forward.
        read fn read_history_branch_reverse(ReadHistoryBranchReverse) -> Page<HistoryBatch>;

        /// Makes a branch that shares the events before the fork. Must return `InvalidArgument` if the fork point is not
        /// the first event of a live batch or one past the end, `NotFound` if the base is gone.
        write fn fork_history_branch(ForkHistoryBranch) -> BranchToken;

        /// Deletes a branch and every node that no other branch of the tree uses. Succeeds when it is gone.
        idempotent fn delete_history_branch(DeleteHistoryBranch) -> ();

        /// Deletes nodes with larger transaction ids beside the live chain that ends in the given node. Does nothing when
        /// there is no such chain.
        idempotent fn trim_history_branch(TrimHistoryBranch) -> ();

        /// The branches of a tree, ordered by branch id; empty when there are none.
        read fn list_tree_branches(ListTreeBranches) -> Vec<HistoryBranch>;

        /// Every branch of every tree: trees in an order of the driver's choice that is stable, branches of a tree by id.
        read fn list_history_branches(ListHistoryBranches) -> Page<HistoryBranch>;
    }
}
