//! Reading a branch, forward and backward.

use super::window::Reader;
use crate::bucket::Bucket;
use crate::codec::decode;
use crate::core::history::{Located, Position};
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{Blob, Context, Error, Page, Result};
use crate::row::Level;

/// How often a read begins again because a node was deleted between its header and its events.
const RESTARTS: usize = 3;

/// Headers read at once on the way to the beginning of a range.
const SEED_WINDOW: usize = 512;

fn not_found(branch: &crate::core::BranchToken) -> Error {
    Error::not_found("history", format!("{branch:?}"))
}

impl Bucket {
    pub(super) async fn read_batches(
        &self,
        cx: &Context,
        req: &ReadHistoryBranch,
    ) -> Result<Page<HistoryBatch>> {
        let branch = req.branch.parse()?;
        let reader = Reader::new(self, cx, req.shard_id, &branch, Level::Quorum);
        for _ in 0..RESTARTS {
            let page = self.read_nodes(cx, "history.read_history_branch", req).await?;
            if let Some(items) = with_events(&reader, &page.items).await? {
                return Ok(Page { items, next: page.next });
            }
        }
        Err(not_found(&req.branch))
    }

    /// A page of live nodes with first event ids in `[min, max)`.
    pub(super) async fn read_nodes(
        &self,
        cx: &Context,
        operation: &'static str,
        req: &ReadHistoryBranch,
    ) -> Result<Page<Located>> {
        let size = req.page.checked_size()?;
        let branch = req.branch.parse()?;
        if req.min < 1 {
            return Err(Error::invalid("min", "must be at least 1"));
        }
        if req.max <= req.min {
            return Err(Error::invalid("max", "must be larger than min"));
        }
        let query = QueryId::new(operation, &(req.shard_id, &req.branch, req.min, req.max));
        let token: Option<NodeHeader> = query.position(req.page.token.as_ref())?;
        let reader = Reader::new(self, cx, req.shard_id, &branch, Level::Quorum);
        let from = match token {
            Some(last) => Position(Some(last)),
            None => seed(&reader, req.min).await?,
        };
        let enough = |chain: &[Located]| {
            chain.len() > size || chain.last().is_some_and(|n| n.header.first_event_id >= req.max)
        };
        let mut nodes = reader.chain(from, size + 8, enough).await?;
        nodes.retain(|n| n.header.first_event_id < req.max);
        if nodes.is_empty() && token.is_none() {
            return Err(not_found(&req.branch));
        }
        Ok(Page::cut(nodes, size, |last| query.token(&last.header)))
    }

    pub(super) async fn read_reverse(
        &self,
        cx: &Context,
        req: &ReadHistoryBranchReverse,
    ) -> Result<Page<HistoryBatch>> {
        let size = req.page.checked_size()?;
        let branch = req.branch.parse()?;
        if req.max <= 1 {
            return Err(Error::invalid("max", "must be larger than 1"));
        }
        let query =
            QueryId::new("history.read_history_branch_reverse", &(req.shard_id, &req.branch, req.max));
        let token: Option<NodeHeader> = query.position(req.page.token.as_ref())?;
        let reader = Reader::new(self, cx, req.shard_id, &branch, Level::Quorum);
        for _ in 0..RESTARTS {
            let nodes = match token {
                Some(last) => reader.chain_before(last, size + 1).await?,
                None => {
                    let past = |c: &[Located]| c.last().is_some_and(|n| n.header.first_event_id >= req.max);
                    let mut chain = reader.chain(Position::default(), SEED_WINDOW, past).await?;
                    chain.retain(|n| n.header.first_event_id < req.max);
                    chain.reverse();
                    chain
                }
            };
            if nodes.is_empty() && token.is_none() {
                return Err(not_found(&req.branch));
            }
            let page = Page::cut(nodes, size, |last: &Located| query.token(&last.header));
            if let Some(items) = with_events(&reader, &page.items).await? {
                return Ok(Page { items, next: page.next });
            }
        }
        Err(not_found(&req.branch))
    }
}

/// The last live node before `min`, which must not lie inside a batch.
async fn seed(reader: &Reader<'_>, min: i64) -> Result<Position> {
    if min == 1 {
        return Ok(Position::default());
    }
    let reached = |chain: &[Located]| chain.last().is_some_and(|n| n.header.end() >= min);
    let chain = reader.chain(Position::default(), SEED_WINDOW, reached).await?;
    let before = chain.iter().map(|n| n.header).take_while(|h| h.first_event_id < min).last();
    match before {
        Some(h) if h.end() > min => Err(Error::invalid(
            "min",
            format!("lies inside the batch that begins with event {}", h.first_event_id),
        )),
        other => Ok(Position(other)),
    }
}

/// The nodes with their events; none when a node was deleted meanwhile.
async fn with_events(reader: &Reader<'_>, nodes: &[Located]) -> Result<Option<Vec<HistoryBatch>>> {
    if nodes.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let rows = reader.events(nodes).await?;
    let mut batches = Vec::with_capacity(nodes.len());
    for (node, row) in nodes.iter().zip(rows) {
        let Some(row) = row else { return Ok(None) };
        let events: Blob = decode("history node", &row.value)?;
        events.verify("history node")?;
        batches.push(HistoryBatch { header: node.header, events });
    }
    Ok(Some(batches))
}
