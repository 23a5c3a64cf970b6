//! The rows of a tree.

use crate::core::codec::encode;
use crate::core::history::{Branch, DeleteFrom, Located};
use crate::core::store::RunKey;
use crate::core::transition::NodeStep;
use crate::core::{Result, ShardId, Timestamp, TreeId};
use crate::tables::{APPENDED_NODES, NODES, TREES};
use crate::tx::Tx;
use crate::value::Value;

const DELETE_FROM: &str = "\
    DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ?";

/// The row of a node but for its shard; a transition says that it is its own.
fn node(node: &NodeStep, in_state: bool, now: Timestamp) -> Vec<Value> {
    let h = &node.header;
    let mut row: Vec<Value> = vec![
        node.branch.tree_id.0.into(),
        node.branch.branch_id.0.into(),
        h.first_event_id.into(),
        (-h.transaction_id).into(),
        h.event_count.into(),
        h.previous_transaction_id.into(),
    ];
    row.extend(in_state.then_some(Value::Int(1)));
    row.extend([now.0.into(), encode(&node.events).into()]);
    row
}

/// The row of a node that comes with a state write, but for its shard.
pub(crate) fn state_node(step: &NodeStep, now: Timestamp) -> Vec<Value> {
    node(step, true, now)
}

/// The row of a branch, but for its shard.
pub(crate) fn branch(branch: &Branch, owner: &RunKey, created_at: Timestamp) -> Vec<Value> {
    vec![
        branch.tree_id.0.into(),
        branch.branch_id.0.into(),
        encode(&(branch, owner)).into(),
        created_at.0.into(),
    ]
}

/// Puts a node that comes without a state write, and the row of its branch if it begins a tree.
pub(super) async fn append(tx: &mut Tx, shard_id: ShardId, step: &NodeStep, now: Timestamp) -> Result<()> {
    tx.put(&APPENDED_NODES, vec![in_shard(shard_id, node(step, false, now))], true).await?;
    if step.new_branch {
        let row = branch(&step.branch, &step.owner, now);
        tx.put(&TREES, vec![in_shard(shard_id, row)], true).await?;
    }
    Ok(())
}

/// A row with its shard.
pub(crate) fn in_shard(shard_id: ShardId, mut row: Vec<Value>) -> Vec<Value> {
    row.insert(0, shard_id.0.into());
    row
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
