//! Windows of node headers, and live chains found through them.

use super::rows;
use crate::bucket::Bucket;
use crate::core::history::{Branch, BranchRange, Located, Position, live, predecessors};
use crate::core::store::NodeHeader;
use crate::core::{Context, Result, ShardId};
use crate::keys::history as keys;
use crate::row::*;
use bytes::Bytes;

/// A branch to read: its partition and where its nodes are.
pub(super) struct Reader<'a> {
    bucket: &'a Bucket,
    cx: &'a Context,
    partition: Bytes,
    ranges: Vec<BranchRange>,
    level: Level,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        bucket: &'a Bucket,
        cx: &'a Context,
        shard_id: ShardId,
        branch: &Branch,
        level: Level,
    ) -> Self {
        let partition = keys::partition(shard_id, branch.tree_id);
        Reader { bucket, cx, partition, ranges: branch.ranges(), level }
    }

    /// At most `limit` headers with first event ids from `from` on, ascending, and whether there may be more.
    async fn ascending(&self, from: i64, limit: usize) -> Result<(Vec<Located>, bool)> {
        let mut found = Vec::new();
        for r in self.ranges.iter().filter(|r| r.end > from) {
            let range = keys::headers(r.branch_id, r.begin.max(from), r.end);
            self.scan(r, &range, Order::Ascending, limit, &mut found).await?;
            if found.len() >= limit {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    /// At most `limit` headers with first event ids below `below`, descending, and whether there may be more.
    async fn descending(&self, below: i64, limit: usize) -> Result<(Vec<Located>, bool)> {
        let mut found = Vec::new();
        for r in self.ranges.iter().rev().filter(|r| r.begin < below) {
            let range = keys::headers(r.branch_id, r.begin, r.end.min(below));
            self.scan(r, &range, Order::Descending, limit, &mut found).await?;
            if found.len() >= limit {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    async fn scan(
        &self,
        r: &BranchRange,
        range: &KeyRange,
        order: Order,
        limit: usize,
        found: &mut Vec<Located>,
    ) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let left = limit - found.len();
        let scan =
            self.bucket.driver.scan(self.cx, Table::History, &self.partition, range, order, left, self.level);
        for row in scan.await? {
            found.push(Located { branch_id: r.branch_id, header: rows::read_header(&row)?.0 });
        }
        Ok(())
    }

    /// The live chain after `from`, until `enough` or its end.
    pub(super) async fn chain(
        &self,
        from: Position,
        window: usize,
        enough: impl Fn(&[Located]) -> bool,
    ) -> Result<Vec<Located>> {
        let (mut at, mut window, mut chain) = (from, window, Vec::new());
        loop {
            let (headers, more) = self.ascending(at.read_from(), window).await?;
            let selection = live(at, &headers, more)?;
            match selection.live.last() {
                Some(last) => at = Position(Some(last.header)),
                // Several claim one place: only a larger window can tell.
                None => window = window.saturating_mul(4),
            }
            chain.extend(selection.live);
            if !selection.needs_more || enough(&chain) {
                return Ok(chain);
            }
        }
    }

    /// At least `count` live nodes before `from`, newest first, unless the chain begins earlier.
    pub(super) async fn chain_before(&self, from: NodeHeader, count: usize) -> Result<Vec<Located>> {
        let (mut at, mut window, mut chain) = (from, count + 8, Vec::new());
        loop {
            let (headers, more) = self.descending(at.first_event_id, window).await?;
            let selection = predecessors(at, &headers, more)?;
            match selection.live.last() {
                Some(last) => at = last.header,
                None => window = window.saturating_mul(4),
            }
            chain.extend(selection.live);
            if !selection.needs_more || chain.len() >= count {
                return Ok(chain);
            }
        }
    }

    /// Every header with a first event id up to `last`, inclusive.
    pub(super) async fn all_headers(&self, last: i64) -> Result<Vec<Located>> {
        let (mut headers, _) = self.ascending(1, usize::MAX).await?;
        headers.retain(|n| n.header.first_event_id <= last);
        Ok(headers)
    }

    /// The stored events of nodes; none where a node is gone.
    pub(super) async fn events(&self, nodes: &[Located]) -> Result<Vec<Option<Row>>> {
        let key = |n: &Located| keys::events(n.branch_id, n.header.first_event_id, n.header.transaction_id);
        let keys: Vec<Bytes> = nodes.iter().map(key).collect();
        self.bucket.driver.get(self.cx, Table::History, &self.partition, &keys, self.level).await
    }
}
