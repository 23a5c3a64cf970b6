//! A tree's nodes, for core's reader.

use super::rows;
use crate::bucket::Bucket;
use crate::codec::decode;
use crate::core::history::{Branch, BranchRange, BranchReader, Located, NodeSource};
use crate::core::store::NodeHeader;
use crate::core::{Blob, Context, Result, ShardId};
use crate::keys::history as keys;
use crate::row::*;
use async_trait::async_trait;
use bytes::Bytes;

/// The nodes of one tree.
pub(super) struct Nodes<'a> {
    bucket: &'a Bucket,
    cx: &'a Context,
    partition: Bytes,
    level: Level,
}

impl Bucket {
    /// A reader of a branch.
    pub(super) fn reader<'a>(
        &'a self,
        cx: &'a Context,
        shard_id: ShardId,
        branch: &Branch,
        level: Level,
    ) -> BranchReader<Nodes<'a>> {
        let partition = keys::partition(shard_id, branch.tree_id);
        BranchReader::new(branch, Nodes { bucket: self, cx, partition, level })
    }
}

#[async_trait]
impl NodeSource for Nodes<'_> {
    async fn headers(&self, range: BranchRange, reverse: bool, limit: usize) -> Result<Vec<NodeHeader>> {
        let keys = keys::headers(range.branch_id, range.begin, range.end);
        let order = if reverse { Order::Descending } else { Order::Ascending };
        let driver = &self.bucket.driver;
        let rows =
            driver.scan(self.cx, Table::History, &self.partition, &keys, order, limit, self.level).await?;
        rows.iter().map(|r| rows::read_header(r).map(|(header, _)| header)).collect()
    }

    async fn events(&self, nodes: &[Located]) -> Result<Vec<Option<Blob>>> {
        let key = |n: &Located| keys::events(n.branch_id, n.header.first_event_id, n.header.transaction_id);
        let keys: Vec<Bytes> = nodes.iter().map(key).collect();
        let rows =
            self.bucket.driver.get(self.cx, Table::History, &self.partition, &keys, self.level).await?;
        let events = |row: Option<Row>| row.map(|r| decode("history node", &r.value)).transpose();
        rows.into_iter().map(events).collect()
    }
}
