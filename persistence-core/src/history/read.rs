//! Reading branches, forward and backward, over whatever holds the nodes.

use super::branch::{Branch, BranchRange, BranchToken};
use super::chain::{Located, Position, live, predecessors};
use crate::blob::Blob;
use crate::error::{Error, Result};
use crate::page::{Page, QueryId};
use crate::store::{HistoryBatch, NodeHeader, ReadHistoryBranch, ReadHistoryBranchReverse};
use async_trait::async_trait;

/// What a bucket offers of the nodes of one tree.
#[async_trait]
pub trait NodeSource: Send + Sync {
    /// At most `limit` headers of one branch with first event ids in `[range.begin, range.end)`, which is not empty: by first
    /// event id, then larger transaction ids first; all of it reversed if `reverse`.
    async fn headers(&self, range: BranchRange, reverse: bool, limit: usize) -> Result<Vec<NodeHeader>>;

    /// The events of nodes; none where a node is gone.
    async fn events(&self, nodes: &[Located]) -> Result<Vec<Option<Blob>>>;
}

/// How often a read begins again because a node was deleted between its header and its events.
const RESTARTS: usize = 3;

/// Headers read at once on the way to the beginning of a range.
const SEED_WINDOW: usize = 512;

/// A branch to read.
pub struct BranchReader<S> {
    source: S,
    ranges: Vec<BranchRange>,
}

impl<S: NodeSource> BranchReader<S> {
    /// A reader of this branch.
    pub fn new(branch: &Branch, source: S) -> Self {
        BranchReader { source, ranges: branch.ranges() }
    }

    /// At most `limit` headers with first event ids from `from` on, ascending, and whether there may be more.
    async fn ascending(&self, from: i64, limit: usize) -> Result<(Vec<Located>, bool)> {
        let later = |r: &&BranchRange| r.end > from;
        let cut = |r: &BranchRange| BranchRange { begin: r.begin.max(from), ..*r };
        self.window(self.ranges.iter().filter(later).map(cut), false, limit).await
    }

    /// At most `limit` headers with first event ids below `below`, descending, and whether there may be more.
    async fn descending(&self, below: i64, limit: usize) -> Result<(Vec<Located>, bool)> {
        let earlier = |r: &&BranchRange| r.begin < below;
        let cut = |r: &BranchRange| BranchRange { end: r.end.min(below), ..*r };
        self.window(self.ranges.iter().rev().filter(earlier).map(cut), true, limit).await
    }

    async fn window(
        &self,
        ranges: impl Iterator<Item = BranchRange> + Send,
        reverse: bool,
        limit: usize,
    ) -> Result<(Vec<Located>, bool)> {
        let mut found = Vec::new();
        for range in ranges {
            let headers = self.source.headers(range, reverse, limit - found.len()).await?;
            found.extend(headers.into_iter().map(|header| Located { branch_id: range.branch_id, header }));
            if found.len() >= limit {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    /// The live chain after `from`, until `enough` or its end.
    async fn chain(
        &self,
        from: Position,
        window: usize,
        enough: impl Fn(&[Located]) -> bool + Send,
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
    async fn chain_before(&self, from: NodeHeader, count: usize) -> Result<Vec<Located>> {
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
    pub async fn all_headers(&self, last: i64) -> Result<Vec<Located>> {
        let (mut headers, _) = self.ascending(1, usize::MAX).await?;
        headers.retain(|n| n.header.first_event_id <= last);
        Ok(headers)
    }

    /// A fork point is the first event of a live batch, or one past the end; else `InvalidArgument`.
    pub async fn check_fork_point(&self, fork_event_id: i64) -> Result<()> {
        let reached = |c: &[Located]| c.last().is_some_and(|n| n.header.first_event_id >= fork_event_id);
        let chain = self.chain(Position::default(), SEED_WINDOW, reached).await?;
        let fits = |n: &Located| n.header.first_event_id == fork_event_id || n.header.end() == fork_event_id;
        if chain.iter().any(fits) {
            return Ok(());
        }
        Err(Error::invalid("fork_event_id", "must be the first event of a batch, or one past the last event"))
    }

    /// A page of live batches, oldest first.
    pub async fn batches(&self, req: &ReadHistoryBranch) -> Result<Page<HistoryBatch>> {
        for _ in 0..RESTARTS {
            let page = self.nodes("history.read_history_branch", req).await?;
            if let Some(items) = self.with_events(&page.items).await? {
                return Ok(Page { items, next: page.next });
            }
        }
        Err(not_found(&req.branch))
    }

    /// A page of live nodes, oldest first; `operation` is what its token belongs to.
    pub async fn nodes(&self, operation: &'static str, req: &ReadHistoryBranch) -> Result<Page<Located>> {
        let size = req.page.checked_size()?;
        if req.min < 1 {
            return Err(Error::invalid("min", "must be at least 1"));
        }
        if req.max <= req.min {
            return Err(Error::invalid("max", "must be larger than min"));
        }
        let query = QueryId::new(operation, &(req.shard_id, &req.branch, req.min, req.max));
        let token: Option<NodeHeader> = query.position(req.page.token.as_ref())?;
        let from = match token {
            Some(last) => Position(Some(last)),
            None => self.seed(req.min).await?,
        };
        let enough = |chain: &[Located]| {
            chain.len() > size || chain.last().is_some_and(|n| n.header.first_event_id >= req.max)
        };
        let mut nodes = self.chain(from, size + 8, enough).await?;
        nodes.retain(|n| n.header.first_event_id < req.max);
        if nodes.is_empty() && token.is_none() {
            return Err(not_found(&req.branch));
        }
        Ok(Page::cut(nodes, size, |last| query.token(&last.header)))
    }

    /// A page of live batches, newest first.
    pub async fn reverse(&self, req: &ReadHistoryBranchReverse) -> Result<Page<HistoryBatch>> {
        let size = req.page.checked_size()?;
        if req.max <= 1 {
            return Err(Error::invalid("max", "must be larger than 1"));
        }
        let query =
            QueryId::new("history.read_history_branch_reverse", &(req.shard_id, &req.branch, req.max));
        let token: Option<NodeHeader> = query.position(req.page.token.as_ref())?;
        for _ in 0..RESTARTS {
            let nodes = match token {
                Some(last) => self.chain_before(last, size + 1).await?,
                None => self.chain_below(req.max).await?,
            };
            if nodes.is_empty() && token.is_none() {
                return Err(not_found(&req.branch));
            }
            let page = Page::cut(nodes, size, |last: &Located| query.token(&last.header));
            if let Some(items) = self.with_events(&page.items).await? {
                return Ok(Page { items, next: page.next });
            }
        }
        Err(not_found(&req.branch))
    }

    /// The live nodes that begin before `max`, newest first. Which those are only a walk from the beginning tells.
    async fn chain_below(&self, max: i64) -> Result<Vec<Located>> {
        let past = |c: &[Located]| c.last().is_some_and(|n| n.header.first_event_id >= max);
        let mut chain = self.chain(Position::default(), SEED_WINDOW, past).await?;
        chain.retain(|n| n.header.first_event_id < max);
        chain.reverse();
        Ok(chain)
    }

    /// The last live node before `min`, which must not lie inside a batch.
    async fn seed(&self, min: i64) -> Result<Position> {
        if min == 1 {
            return Ok(Position::default());
        }
        let reached = |chain: &[Located]| chain.last().is_some_and(|n| n.header.end() >= min);
        let chain = self.chain(Position::default(), SEED_WINDOW, reached).await?;
        let before = chain.iter().map(|n| n.header).take_while(|h| h.first_event_id < min).last();
        match before {
            Some(h) if h.end() > min => {
                let rule = format!("lies inside the batch that begins with event {}", h.first_event_id);
                Err(Error::invalid("min", rule))
            }
            other => Ok(Position(other)),
        }
    }

    /// The nodes with their events; none when a node was deleted meanwhile.
    async fn with_events(&self, nodes: &[Located]) -> Result<Option<Vec<HistoryBatch>>> {
        if nodes.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let events = self.source.events(nodes).await?;
        let mut batches = Vec::with_capacity(nodes.len());
        for (node, events) in nodes.iter().zip(events) {
            let Some(events) = events else { return Ok(None) };
            events.verify("history node")?;
            batches.push(HistoryBatch { header: node.header, events });
        }
        Ok(Some(batches))
    }
}

fn not_found(branch: &BranchToken) -> Error {
    Error::not_found("history", format!("{branch:?}"))
}
