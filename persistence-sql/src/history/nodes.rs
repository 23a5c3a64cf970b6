//! A tree's nodes, for core's reader.

use crate::bucket::{self, Bucket};
use crate::core::codec::decode;
use crate::core::history::{Branch, BranchRange, BranchReader, Located, NodeSource};
use crate::core::store::NodeHeader;
use crate::core::{Blob, Context, Result, ShardId, TreeId};
use crate::tables::NODES;
use crate::value::{Kind, SqlRow, Value};
use async_trait::async_trait;
use std::collections::HashMap;

const HEADERS: &str = "\
    SELECT first_event_id, negated_transaction_id, event_count, previous_transaction_id
      FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND first_event_id < ?
     ORDER BY first_event_id, negated_transaction_id
     LIMIT ?";

const HEADERS_REVERSE: &str = "\
    SELECT first_event_id, negated_transaction_id, event_count, previous_transaction_id
      FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND first_event_id < ?
     ORDER BY first_event_id DESC, negated_transaction_id DESC
     LIMIT ?";

const HEADER_COLUMNS: &[Kind] = &[Kind::Int, Kind::Int, Kind::Int, Kind::Int];

/// The nodes of one tree.
pub(super) struct Nodes<'a> {
    bucket: &'a Bucket,
    cx: &'a Context,
    shard_id: ShardId,
    tree_id: TreeId,
}

impl Bucket {
    /// A reader of a branch.
    pub(super) fn reader<'a>(
        &'a self,
        cx: &'a Context,
        shard_id: ShardId,
        branch: &Branch,
    ) -> BranchReader<Nodes<'a>> {
        BranchReader::new(branch, Nodes { bucket: self, cx, shard_id, tree_id: branch.tree_id })
    }
}

fn header(row: &mut SqlRow) -> Result<NodeHeader> {
    Ok(NodeHeader {
        first_event_id: row.int()?,
        transaction_id: -row.int()?,
        event_count: row.int()?,
        previous_transaction_id: row.int()?,
    })
}

#[async_trait]
impl NodeSource for Nodes<'_> {
    async fn headers(&self, range: BranchRange, reverse: bool, limit: usize) -> Result<Vec<NodeHeader>> {
        let sql = if reverse { HEADERS_REVERSE } else { HEADERS };
        let args = vec![
            self.shard_id.0.into(),
            self.tree_id.0.into(),
            range.branch_id.0.into(),
            range.begin.into(),
            range.end.into(),
            Value::Int(i64::try_from(limit).unwrap_or(i64::MAX)),
        ];
        let rows = self.bucket.query(self.cx, "history_nodes", sql, args, HEADER_COLUMNS).await?;
        rows.into_iter().map(|mut r| header(&mut r)).collect()
    }

    async fn events(&self, nodes: &[Located]) -> Result<Vec<Option<Blob>>> {
        let key = |n: &Located| {
            vec![
                self.shard_id.0.into(),
                self.tree_id.0.into(),
                n.branch_id.0.into(),
                n.header.first_event_id.into(),
                (-n.header.transaction_id).into(),
            ]
        };
        let columns =
            [("first_event_id", Kind::Int), ("negated_transaction_id", Kind::Int), ("events", Kind::Bytes)];
        let find = async {
            let mut tx = self.bucket.connection(self.cx).await?;
            tx.select(&NODES, &columns, nodes.iter().map(key).collect(), "").await
        };
        let mut found: HashMap<(i64, i64), Blob> = HashMap::new();
        for mut row in bucket::read(self.cx, "history_nodes", find).await? {
            let (first, transaction) = (row.int()?, -row.int()?);
            found.insert((first, transaction), decode("history node", &row.bytes()?)?);
        }
        let events = |n: &Located| found.remove(&(n.header.first_event_id, n.header.transaction_id));
        Ok(nodes.iter().map(events).collect())
    }
}
