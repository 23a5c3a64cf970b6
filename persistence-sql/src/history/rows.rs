//! The rows of a tree.

use crate::core::codec::encode;
use crate::core::history::{Branch, DeleteFrom, Located};
use crate::core::store::RunKey;
use crate::core::transition::NodeStep;
use crate::core::{Result, ShardId, Timestamp, TreeId};
use crate::tables::{NODES, TREES};
use crate::tx::Tx;
use crate::value::{Kind, Value};

/// Sets where the state says that a branch ends.
pub(crate) const UPDATE_TAIL: &str = "\
    UPDATE history_trees
       SET tail_end = ?
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ?";

const DELETE_FROM: &str = "\
    DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ?";

/// The row of a node.
pub(crate) fn node(shard_id: ShardId, node: &NodeStep, now: Timestamp) -> Vec<Value> {
    let h = &node.header;
    vec![
        shard_id.0.into(),
        node.branch.tree_id.0.into(),
        node.branch.branch_id.0.into(),
        h.first_event_id.into(),
        (-h.transaction_id).into(),
        h.event_count.into(),
        h.previous_transaction_id.into(),
        now.0.into(),
        encode(&node.events).into(),
    ]
}

/// The row of a branch that has no tail yet.
pub(crate) fn branch(
    shard_id: ShardId,
    branch: &Branch,
    owner: &RunKey,
    created_at: Timestamp,
) -> Vec<Value> {
    vec![
        shard_id.0.into(),
        branch.tree_id.0.into(),
        branch.branch_id.0.into(),
        encode(&(branch, owner)).into(),
        created_at.0.into(),
        Value::Null(Kind::Int),
    ]
}

/// The arguments of [`UPDATE_TAIL`].
pub(crate) fn tail(shard_id: ShardId, node: &NodeStep) -> Vec<Value> {
    vec![
        node.header.end().into(),
        shard_id.0.into(),
        node.branch.tree_id.0.into(),
        node.branch.branch_id.0.into(),
    ]
}

/// Puts a node that comes without a state write, and the row of its branch if it begins a tree.
pub(super) async fn append(tx: &mut Tx, shard_id: ShardId, step: &NodeStep, now: Timestamp) -> Result<()> {
    tx.put(&NODES, vec![node(shard_id, step, now)], true).await?;
    if step.new_branch {
        tx.put(&TREES, vec![branch(shard_id, &step.branch, &step.owner, now)], true).await?;
    }
    Ok(())
}

/// Deletes every node of a branch from one on.
pub(super) async fn delete_from(tx: &mut Tx, shard_id: ShardId, tree: TreeId, d: &DeleteFrom) -> Result<()> {
    let args = vec![shard_id.0.into(), tree.0.into(), d.branch_id.0.into(), d.begin.into()];
    tx.execute(DELETE_FROM, args).await.map(drop)
}

/// Deletes nodes.
pub(super) async fn delete_nodes(
    tx: &mut Tx,
    shard_id: ShardId,
    tree: TreeId,
    nodes: &[Located],
) -> Result<()> {
    let key = |n: &Located| {
        vec![
            shard_id.0.into(),
            tree.0.into(),
            n.branch_id.0.into(),
            n.header.first_event_id.into(),
            (-n.header.transaction_id).into(),
        ]
    };
    tx.delete(&NODES, nodes.iter().map(key).collect()).await
}
