//! Event history in the model: every node ever written, and what is live found by trying every chain.

use super::call::{Refusal, refuse};
use persistence_core::history::Branch;
use persistence_core::store::*;
use persistence_core::{Blob, BranchId, BranchToken, ErrorKind, ShardId, Timestamp, TreeId};
use std::collections::BTreeMap;

/// A node's place: shard, tree, branch, first event id, transaction id.
type Place = (ShardId, TreeId, BranchId, i64, i64);

#[derive(Clone, Debug)]
struct Node {
    header: NodeHeader,
    events: Blob,
    written_at: Timestamp,
}

#[derive(Clone, Debug)]
struct Known {
    branch: Branch,
    owner: RunKey,
    created_at: Timestamp,
}

/// Every tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Histories {
    nodes: BTreeMap<Place, Node>,
    branches: BTreeMap<(ShardId, TreeId, BranchId), Known>,
    /// Where the state says that a branch ends: one past the last event, and the transaction.
    tails: BTreeMap<(ShardId, RunKey, BranchId), (i64, i64)>,
}

fn parse(token: &BranchToken) -> Result<Branch, Refusal> {
    token.parse().map_err(Refusal::from)
}

impl Histories {
    pub(super) fn append(&mut self, now: Timestamp, shard_id: ShardId, n: &NodeWrite) -> Result<(), Refusal> {
        let (branch, h) = (parse(&n.branch)?, n.header);
        if h.first_event_id < branch.begin() {
            return refuse(ErrorKind::InvalidArgument);
        }
        let place = (shard_id, branch.tree_id, branch.branch_id, h.first_event_id, h.transaction_id);
        self.nodes.insert(place, Node { header: h, events: n.events.clone(), written_at: now });
        if h.first_event_id == 1 {
            let known = Known { branch: branch.clone(), owner: n.owner.clone(), created_at: now };
            self.branches.insert((shard_id, branch.tree_id, branch.branch_id), known);
        }
        Ok(())
    }

    /// Notes that the state points to a node.
    pub(super) fn committed(&mut self, shard_id: ShardId, n: &NodeWrite) {
        if let Ok(branch) = n.branch.parse() {
            let tail = (n.header.end(), n.header.transaction_id);
            self.tails.insert((shard_id, n.owner.clone(), branch.branch_id), tail);
        }
    }

    /// Forgets where the branches of a run end.
    pub(super) fn forget(&mut self, shard_id: ShardId, run: &RunKey) {
        self.tails.retain(|(s, r, _), _| (s, r) != (&shard_id, run));
    }

    /// Whether the branch is listed.
    pub(super) fn exists(&self, shard_id: ShardId, token: &BranchToken) -> bool {
        token.parse().is_ok_and(|b| self.branches.contains_key(&(shard_id, b.tree_id, b.branch_id)))
    }

    fn visible(&self, shard_id: ShardId, branch: &Branch) -> Vec<&Node> {
        let ranges = branch.ranges();
        let here = |p: &Place| {
            (p.0, p.1) == (shard_id, branch.tree_id)
                && ranges.iter().any(|r| r.branch_id == p.2 && (r.begin..r.end).contains(&p.3))
        };
        self.nodes.iter().filter(|(p, _)| here(p)).map(|(_, n)| n).collect()
    }

    /// Of all chains from the first event on, the one that reaches the largest transaction id.
    pub(super) fn live(&self, shard_id: ShardId, token: &BranchToken) -> Vec<HistoryBatch> {
        fn longest<'a>(nodes: &[&'a Node], next: i64, last: i64) -> (i64, Vec<&'a Node>) {
            let fits =
                |n: &&&Node| (n.header.first_event_id, n.header.previous_transaction_id) == (next, last);
            let chains = nodes.iter().filter(fits).map(|n| {
                let (reach, mut rest) = longest(nodes, n.header.end(), n.header.transaction_id);
                rest.push(n);
                (reach.max(n.header.transaction_id), rest)
            });
            chains.max_by_key(|(reach, _)| *reach).unwrap_or((0, Vec::new()))
        }
        let Ok(branch) = token.parse() else { return Vec::new() };
        let nodes = self.visible(shard_id, &branch);
        let (_, mut chain) = longest(&nodes, 1, 0);
        chain.reverse();
        chain.into_iter().map(|n| HistoryBatch { header: n.header, events: n.events.clone() }).collect()
    }

    pub(super) fn read(&self, r: &ReadHistoryBranch) -> Result<Vec<HistoryBatch>, Refusal> {
        parse(&r.branch)?;
        let live = self.live(r.shard_id, &r.branch);
        let inside = |b: &HistoryBatch| b.header.first_event_id < r.min && r.min < b.header.end();
        if r.min < 1 || r.max <= r.min || live.iter().any(inside) {
            return refuse(ErrorKind::InvalidArgument);
        }
        some(live.into_iter().filter(|b| (r.min..r.max).contains(&b.header.first_event_id)).collect())
    }

    pub(super) fn reverse(&self, r: &ReadHistoryBranchReverse) -> Result<Vec<HistoryBatch>, Refusal> {
        parse(&r.branch)?;
        if r.max <= 1 {
            return refuse(ErrorKind::InvalidArgument);
        }
        let live = self.live(r.shard_id, &r.branch);
        some(live.into_iter().rev().filter(|b| b.header.first_event_id < r.max).collect())
    }

    pub(super) fn fork(&mut self, now: Timestamp, r: &ForkHistoryBranch) -> Result<BranchToken, Refusal> {
        let base = parse(&r.base)?;
        if r.fork_event_id <= 1 {
            return refuse(ErrorKind::InvalidArgument);
        }
        if !self.exists(r.shard_id, &r.base) {
            return refuse(ErrorKind::NotFound);
        }
        let live = self.live(r.shard_id, &r.base);
        let begins = live.iter().map(|b| b.header.first_event_id);
        let mut points = begins.chain(live.last().map(|b| b.header.end()));
        if !points.any(|p| p == r.fork_event_id) {
            return refuse(ErrorKind::InvalidArgument);
        }
        let branch = base.fork(r.fork_event_id, r.new_branch_id);
        let known = Known { branch: branch.clone(), owner: r.owner.clone(), created_at: now };
        self.branches.insert((r.shard_id, base.tree_id, r.new_branch_id), known);
        Ok(branch.token())
    }

    /// Removes a branch, and from its end to its root what no other branch of the tree uses.
    pub(super) fn delete(&mut self, shard_id: ShardId, token: &BranchToken) {
        let Ok(b) = token.parse() else { return };
        let Some(doomed) = self.branches.remove(&(shard_id, b.tree_id, b.branch_id)) else { return };
        for range in doomed.branch.ranges().into_iter().rev() {
            let used = self.used(shard_id, b.tree_id, range.branch_id);
            let begin = used.unwrap_or(range.begin);
            let gone = |p: &Place| {
                (p.0, p.1, p.2) == (shard_id, b.tree_id, range.branch_id) && p.3 >= begin && begin < i64::MAX
            };
            self.nodes.retain(|p, _| !gone(p));
            if used.is_some() {
                break;
            }
        }
    }

    /// Up to where the branches of a tree use the nodes of one; none if no branch does.
    fn used(&self, shard_id: ShardId, tree_id: TreeId, branch_id: BranchId) -> Option<i64> {
        let of_tree = self.branches.iter().filter(|(k, _)| (k.0, k.1) == (shard_id, tree_id));
        let ranges = of_tree.flat_map(|(_, known)| known.branch.ranges());
        ranges.filter(|r| r.branch_id == branch_id).map(|r| r.end).max()
    }

    pub(super) fn trim(&mut self, r: &TrimHistoryBranch) {
        let Ok(branch) = r.branch.parse() else { return };
        if !self.exists(r.shard_id, &r.branch) {
            return;
        }
        let nodes: Vec<NodeHeader> = self.visible(r.shard_id, &branch).iter().map(|n| n.header).collect();
        let mut chain: Vec<NodeHeader> = Vec::new();
        let (mut end, mut transaction) = (None, r.transaction_id);
        loop {
            let fits = |h: &&NodeHeader| {
                h.transaction_id == transaction
                    && end.map_or(h.first_event_id == r.first_event_id, |end| h.end() == end)
            };
            let Some(found) = nodes.iter().find(fits) else { return };
            chain.push(*found);
            if found.first_event_id == 1 {
                break;
            }
            (end, transaction) = (Some(found.first_event_id), found.previous_transaction_id);
        }
        let ranges = branch.ranges();
        let newer = |p: &Place| {
            (p.0, p.1) == (r.shard_id, branch.tree_id)
                && ranges.iter().any(|x| x.branch_id == p.2 && (x.begin..x.end).contains(&p.3))
                && chain.iter().any(|h| h.first_event_id == p.3 && p.4 > h.transaction_id)
        };
        self.nodes.retain(|p, _| !newer(p));
    }

    pub(super) fn list(&self, shard_id: ShardId, tree_id: TreeId) -> Vec<HistoryBranch> {
        let of_tree = self.branches.iter().filter(|(k, _)| (k.0, k.1) == (shard_id, tree_id));
        let listed = |(_, b): (_, &Known)| HistoryBranch {
            shard_id,
            branch: b.branch.token(),
            owner: b.owner.clone(),
            created_at: b.created_at,
        };
        of_tree.map(listed).collect()
    }

    /// Removes old branches of runs that are gone, and old nodes beyond the tail that no fork shares.
    pub(super) fn scavenge(&mut self, older_than: Timestamp, exists: impl Fn(ShardId, &RunKey) -> bool) {
        let all: Vec<_> = self.branches.iter().map(|(k, b)| (*k, b.clone())).collect();
        for ((shard_id, tree_id, branch_id), known) in all {
            if !exists(shard_id, &known.owner) {
                if known.created_at < older_than {
                    self.delete(shard_id, &known.branch.token());
                }
                continue;
            }
            let Some((end, _)) = self.tails.get(&(shard_id, known.owner, branch_id)) else { continue };
            let others = self.branches.iter().filter(|(k, _)| (k.0, k.1) == (shard_id, tree_id));
            let shared = others.flat_map(|(_, b)| &b.branch.ancestors).filter(|a| a.branch_id == branch_id);
            let begin = shared.map(|a| a.end).max().unwrap_or(0).max(*end);
            let gone = |p: &Place, n: &Node| {
                (p.0, p.1, p.2) == (shard_id, tree_id, branch_id) && p.3 >= begin && n.written_at < older_than
            };
            self.nodes.retain(|p, n| !gone(p, n));
        }
    }
}

fn some(batches: Vec<HistoryBatch>) -> Result<Vec<HistoryBatch>, Refusal> {
    if batches.is_empty() { refuse(ErrorKind::NotFound) } else { Ok(batches) }
}
