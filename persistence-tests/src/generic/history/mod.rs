//! Event history.

mod append;
mod fork;
mod fork_more;
mod list;
mod prune;
mod race;
mod read;
mod read_bad;
mod reverse;
mod transition;
mod trim;
mod unknown;

use super::crawl::{Reply, crawl};
use crate::build::history::{Node, Tree};
use crate::{Case, Fixture};
use persistence_core::store::{HistoryBatch, NodeHeader};
use persistence_core::{BranchToken, Result};

pub(super) use unknown::UNKNOWN;

/// The cases of all files.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    let files = [
        append::cases(),
        fork::cases(),
        fork_more::cases(),
        list::cases(),
        prune::cases(),
        race::cases(),
        read::cases(),
        read_bad::cases(),
        reverse::cases(),
        transition::cases(),
        trim::cases(),
        unknown::cases(),
    ];
    files.into_iter().flatten().collect()
}

/// One past every event.
const END: i64 = i64::MAX;

/// Appends nodes, one after the other.
pub(super) async fn fill(t: &Fixture, tree: &Tree, branch: &BranchToken, nodes: &[Node]) -> Result<()> {
    for n in nodes {
        t.p.history().append_history_node(&t.cx(), &tree.append(branch, *n)).await?;
    }
    Ok(())
}

/// Live batches with first event ids in `[min, max)`, in pages.
async fn forward(
    t: &Fixture,
    tree: &Tree,
    branch: &BranchToken,
    (min, max): (i64, i64),
    size: u32,
) -> Result<Vec<HistoryBatch>> {
    let read = |page| -> Reply<'_, HistoryBatch> {
        Box::pin(async move {
            t.p.history().read_history_branch(&t.cx(), &tree.read(branch, min, max, page)).await
        })
    };
    crawl(size, read).await
}

/// The same without events.
async fn headers(
    t: &Fixture,
    tree: &Tree,
    branch: &BranchToken,
    (min, max): (i64, i64),
    size: u32,
) -> Result<Vec<NodeHeader>> {
    let read = |page| -> Reply<'_, NodeHeader> {
        Box::pin(async move {
            t.p.history().read_history_headers(&t.cx(), &tree.read(branch, min, max, page)).await
        })
    };
    crawl(size, read).await
}

/// Live batches below `max`, newest first, in pages.
async fn backward(
    t: &Fixture,
    tree: &Tree,
    branch: &BranchToken,
    max: i64,
    size: u32,
) -> Result<Vec<HistoryBatch>> {
    let read = |page| -> Reply<'_, HistoryBatch> {
        Box::pin(async move {
            t.p.history().read_history_branch_reverse(&t.cx(), &tree.reverse(branch, max, page)).await
        })
    };
    crawl(size, read).await
}

/// Every live batch, read whole.
pub(super) async fn everything(t: &Fixture, tree: &Tree, branch: &BranchToken) -> Result<Vec<HistoryBatch>> {
    forward(t, tree, branch, (1, END), 1000).await
}
