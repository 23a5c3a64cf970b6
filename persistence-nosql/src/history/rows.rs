//! The rows of a tree. A node is two: a small header, which decides liveness, and its events.

use crate::bucket::{delete_range, put};
use crate::codec::{decode, encode};
use crate::core::history::{Branch, DeleteFrom};
use crate::core::store::{NodeHeader, RunKey};
use crate::core::transition::NodeStep;
use crate::core::{BranchId, Result, Timestamp};
use crate::keys::history as keys;
use crate::row::{KeyedRow, Op};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The value of a header: what its key does not tell.
#[derive(Serialize, Deserialize)]
struct HeaderValue {
    event_count: i64,
    previous_transaction_id: i64,
    written_at: Timestamp,
}

/// The value of a branch's row.
#[derive(Serialize, Deserialize)]
pub(super) struct BranchValue {
    pub branch: Branch,
    pub owner: RunKey,
    pub created_at: Timestamp,
}

/// A header as stored, and when it was written.
pub(super) fn read_header(row: &KeyedRow) -> Result<(NodeHeader, Timestamp)> {
    let (first_event_id, transaction_id) = keys::read_header(&row.key)?;
    let HeaderValue { event_count, previous_transaction_id, written_at } =
        decode("history node", &row.row.value)?;
    Ok((NodeHeader { first_event_id, event_count, transaction_id, previous_transaction_id }, written_at))
}

/// Puts a node, and the row of its branch if it begins a tree.
pub(crate) fn append(now: Timestamp, node: &NodeStep) -> Vec<Op> {
    let (branch, h) = (node.branch.branch_id, &node.header);
    let header = HeaderValue {
        event_count: h.event_count,
        previous_transaction_id: h.previous_transaction_id,
        written_at: now,
    };
    let mut ops = vec![
        put(keys::header(branch, h.first_event_id, h.transaction_id), Bytes::new(), encode(&header)),
        put(keys::events(branch, h.first_event_id, h.transaction_id), Bytes::new(), encode(&node.events)),
    ];
    if node.new_branch {
        ops.push(put_branch(&node.branch, &node.owner, now));
    }
    ops
}

/// Whether no order is needed between appends and retractions of a node and what else is written to its tree: where no branch
/// begins with it, only its own two rows are put, and no transaction id is used twice but by the owner who repeats a write.
pub(crate) fn is_unordered(node: &NodeStep) -> bool {
    !node.new_branch
}

/// Puts the row of a branch.
pub(super) fn put_branch(branch: &Branch, owner: &RunKey, created_at: Timestamp) -> Op {
    let value = BranchValue { branch: branch.clone(), owner: owner.clone(), created_at };
    put(keys::branch(branch.branch_id), Bytes::new(), encode(&value))
}

/// Deletes one node.
pub(crate) fn delete_node(branch: BranchId, h: &NodeHeader) -> Vec<Op> {
    vec![
        Op::Delete { key: keys::header(branch, h.first_event_id, h.transaction_id) },
        Op::Delete { key: keys::events(branch, h.first_event_id, h.transaction_id) },
    ]
}

/// Deletes every node of a branch from one on.
pub(super) fn delete_from(d: &DeleteFrom) -> impl Iterator<Item = Op> {
    let ranges =
        [keys::headers(d.branch_id, d.begin, i64::MAX), keys::all_events(d.branch_id, d.begin, i64::MAX)];
    ranges.into_iter().filter_map(delete_range)
}
