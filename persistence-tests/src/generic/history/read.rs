//! Reading forward: which nodes are live, and pages of them.

use super::{END, everything, fill, forward, headers};
use crate::Fixture;
use crate::build::history::*;
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use futures_util::{StreamExt, TryStreamExt};
use persistence_core::store::*;
use persistence_core::{ErrorKind, PageRequest, PageToken, Result};

/// A chain of live nodes…
pub(super) const LIVE: &[Node] = &[
    (1, 2, 100, 0),
    (3, 1, 140, 100),
    (4, 3, 220, 140),
    (7, 1, 230, 220),
    (8, 2, 310, 230),
    (10, 1, 400, 310),
];

/// … and leftovers beside every one of them, smaller and larger, at its beginning and inside it, some with successors.
pub(super) const STALE: &[Node] = &[
    (1, 1, 90, 0),
    (1, 5, 120, 0),
    (2, 1, 91, 90),
    (3, 1, 111, 100),
    (3, 2, 121, 100),
    (3, 2, 131, 100),
    (3, 9, 139, 100),
    (3, 1, 219, 100),
    (4, 1, 150, 140),
    (4, 1, 160, 140),
    (4, 1, 170, 140),
    (4, 2, 240, 140),
    (5, 1, 180, 170),
    (5, 2, 190, 170),
    (7, 3, 200, 190),
    (7, 2, 299, 220),
    (8, 1, 250, 230),
    (8, 7, 390, 230),
    (10, 1, 201, 200),
    (10, 1, 321, 310),
    (10, 1, 331, 310),
    (10, 1, 341, 310),
    (10, 2, 351, 310),
    (11, 1, 361, 341),
    (12, 1, 371, 351),
    (12, 3, 399, 361),
];

/// The token of the first page of one batch.
async fn token(t: &Fixture, r: ReadHistoryBranch) -> Result<PageToken> {
    Ok(t.p.history().read_history_branch(&t.cx(), &r).await?.next.unwrap())
}

crate::cases! {
    group: "history";

    /// Of two candidates the larger transaction id wins; the smaller is never read.
    #[covers("P15", "history.read_history_branch")]
    async fn the_larger_transaction_id_wins(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10), (4, 1, 12, 10), (5, 2, 13, 12)]).await?;
        let live = batches(&[(1, 3, 10, 0), (4, 1, 12, 10), (5, 2, 13, 12)]);
        assert_eq!(everything(t, &tree, &tree.root).await?, live);
        assert_eq!(forward(t, &tree, &tree.root, (4, 5), 1).await?, live[1..2]);
    }

    /// A leftover with a larger transaction id is read while it is the end, and loses to a chain that goes on past it.
    #[covers("P15", "history.read_history_branch")]
    async fn a_larger_leftover_loses_to_the_chain_that_went_on(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10), (4, 1, 19, 10)]).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 1, 19, 10)]));
        fill(t, &tree, &tree.root, &[(6, 1, 20, 11)]).await?;
        let live = batches(&[(1, 3, 10, 0), (4, 2, 11, 10), (6, 1, 20, 11)]);
        assert_eq!(everything(t, &tree, &tree.root).await?, live);
        assert_eq!(forward(t, &tree, &tree.root, (4, 6), 1).await?, live[1..2], "judged beyond the range");
    }

    /// A late node of an earlier owner, with a smaller transaction id, is never read.
    #[covers("P15", "history.append_history_node", "history.read_history_branch")]
    async fn a_late_smaller_node_is_never_read(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 20, 10), (6, 1, 21, 20)]).await?;
        fill(t, &tree, &tree.root, &[(4, 3, 15, 10), (7, 1, 16, 15), (6, 1, 14, 13)]).await?;
        let live = batches(&[(1, 3, 10, 0), (4, 2, 20, 10), (6, 1, 21, 20)]);
        assert_eq!(everything(t, &tree, &tree.root).await?, live);
    }

    /// Stale nodes neither shorten nor distort a page, whatever its size: also on the boundary of two.
    #[covers("P9", "P15", "history.read_history_branch", "history.read_history_headers")]
    async fn stale_nodes_never_shorten_a_page(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, LIVE).await?;
        fill(t, &tree, &tree.root, STALE).await?;
        for size in 1..=7 {
            assert_eq!(forward(t, &tree, &tree.root, (1, END), size).await?, batches(LIVE), "pages of {size}");
            let got = headers(t, &tree, &tree.root, (1, END), size).await?;
            assert_eq!(got, LIVE.iter().copied().map(header).collect::<Vec<_>>());
        }
    }

    /// A token is there exactly when a live batch lies beyond the page: leftovers do not count, nor does what `max` cuts.
    #[covers("P9", "history.read_history_branch")]
    async fn history_tokens_are_exact(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, LIVE).await?;
        fill(t, &tree, &tree.root, STALE).await?;
        for (max, live) in [(END, 6), (11, 6), (10, 5), (9, 5), (8, 4), (2, 1)] {
            for size in 1..=7 {
                let read = tree.read(&tree.root, 1, max, PageRequest::first(size));
                let page = t.p.history().read_history_branch(&t.cx(), &read).await?;
                assert_eq!(page.items.len(), live.min(size as usize));
                assert_eq!(page.next.is_some(), live > size as usize, "max {max}, pages of {size}");
            }
        }
    }

    /// `max` cuts by the first event of a batch: one that begins before it is given whole.
    #[covers("P15", "history.read_history_branch")]
    async fn max_cuts_by_the_first_event(t) {
        let tree = Tree::new(t);
        let nodes = [(1, 3, 10, 0), (4, 3, 11, 10), (7, 1, 12, 11)];
        fill(t, &tree, &tree.root, &nodes).await?;
        for (max, count) in [(2, 1), (4, 1), (5, 2), (7, 2), (8, 3), (END, 3)] {
            assert_eq!(forward(t, &tree, &tree.root, (1, max), 1).await?, batches(&nodes[..count]), "below {max}");
        }
    }

    /// A read from the middle is the rest of the read from the beginning.
    #[covers("P15", "history.read_history_branch", "history.read_history_headers")]
    async fn a_read_from_the_middle_is_the_rest(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, LIVE).await?;
        fill(t, &tree, &tree.root, STALE).await?;
        for (i, n) in LIVE.iter().enumerate() {
            for size in [1, 2, 100] {
                assert_eq!(forward(t, &tree, &tree.root, (n.0, END), size).await?, batches(&LIVE[i..]));
                let got = headers(t, &tree, &tree.root, (n.0, END), size).await?;
                assert_eq!(got, LIVE[i..].iter().copied().map(header).collect::<Vec<_>>());
            }
        }
    }

    /// Headers are the batches without their events.
    #[covers("P15", "history.read_history_headers", "history.read_history_headers!not_found")]
    async fn headers_are_batches_without_events(t) {
        let tree = Tree::new(t);
        assert_eq!(headers(t, &tree, &tree.root, (1, END), 5).await.unwrap_err().kind(), ErrorKind::NotFound);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10), (4, 1, 9, 8)]).await?;
        let read = headers(t, &tree, &tree.root, (1, END), 1).await?;
        assert_eq!(read, [header((1, 3, 10, 0)), header((4, 2, 11, 10))]);
    }

    /// A crawl goes on where it was while batches are appended, and gives them too.
    #[covers("P9", "history.append_history_node", "history.read_history_branch")]
    async fn a_crawl_goes_on_while_batches_come(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10)]).await?;
        let first = tree.read(&tree.root, 1, END, PageRequest::first(1));
        let page = t.p.history().read_history_branch(&t.cx(), &first).await?;
        assert_eq!(page.items, [batch((1, 3, 10, 0))]);
        // A leftover beside what was read, one beside what comes, and more.
        fill(t, &tree, &tree.root, &[(1, 1, 8, 0), (4, 1, 9, 8), (6, 1, 12, 11)]).await?;
        let rest = tree.read(&tree.root, 1, END, PageRequest::after(5, page.next.unwrap()));
        let page = t.p.history().read_history_branch(&t.cx(), &rest).await?;
        assert_eq!((page.items, page.next), (batches(&[(4, 2, 11, 10), (6, 1, 12, 11)]), None));
    }

    /// A long history with a crowd of leftovers in one place is read whole, in both directions, also from the middle.
    #[covers("P15", "history.read_history_branch", "history.read_history_branch_reverse")]
    #[kind(Calm)]
    async fn a_long_history_reads_whole(t) {
        let tree = Tree::new(t);
        let live: Vec<Node> = (1..=560).map(|i| (i, 1, i * 100, (i - 1) * 100)).collect();
        let crowd = (1..=40).map(|k| (300, 1 + k % 3, 29_900 + k, 29_900));
        let nodes: Vec<Node> = live.iter().copied().chain(crowd).collect();
        let append = |n: Node| {
            let (tree, t) = (&tree, &*t);
            async move { t.p.history().append_history_node(&t.cx(), &tree.append(&tree.root, n)).await }
        };
        let appends: Vec<_> = nodes.into_iter().map(append).collect();
        futures_util::stream::iter(appends).buffer_unordered(32).try_collect::<Vec<()>>().await?;
        assert_eq!(forward(t, &tree, &tree.root, (1, END), 97).await?, batches(&live));
        assert_eq!(forward(t, &tree, &tree.root, (299, 302), 1).await?, batches(&live[298..301]));
        assert_eq!(forward(t, &tree, &tree.root, (555, END), 2).await?, batches(&live[554..]));
        let mut reverse = super::backward(t, &tree, &tree.root, END, 97).await?;
        reverse.reverse();
        assert_eq!(reverse, batches(&live));
        let below = super::backward(t, &tree, &tree.root, 302, 1000).await?;
        assert_eq!((below.len(), &below[0]), (301, &batch(live[300])));
    }

    /// A page size of 0 is invalid; a token that is damaged, or of another branch, range, direction or operation, is an
    /// invalid token.
    #[covers(
        "P9",
        "P24",
        "history.read_history_branch!invalid_token",
        "history.read_history_headers!invalid_token",
        "history.read_history_branch_reverse!invalid_token"
    )]
    async fn history_tokens_fit_their_query_only(t) {
        let tree = Tree::new(t);
        let nodes = [(1, 3, 10, 0), (4, 2, 11, 10), (6, 2, 12, 11)];
        fill(t, &tree, &tree.root, &nodes).await?;
        let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 8)).await?;
        let (h, cx, one) = (t.p.history(), t.cx(), || PageRequest::first(1));
        let own = token(t, tree.read(&tree.root, 1, 9, one())).await?;
        let (min, max) = (token(t, tree.read(&tree.root, 4, 9, one())).await?, token(t, tree.read(&tree.root, 1, 8, one())).await?);
        let branch = token(t, tree.read(&fork, 1, 9, one())).await?;
        let head = h.read_history_headers(&cx, &tree.read(&tree.root, 1, 9, one())).await?.next.unwrap();
        let back = h.read_history_branch_reverse(&cx, &tree.reverse(&tree.root, 9, one())).await?.next.unwrap();
        let back_max = h.read_history_branch_reverse(&cx, &tree.reverse(&tree.root, 8, one())).await?.next.unwrap();
        let (tree, t) = (&tree, &*t);
        check_tokens(&own, &[min, max, branch, head.clone(), back.clone()], |page| -> Reply<'_, HistoryBatch> {
            Box::pin(async move { t.p.history().read_history_branch(&t.cx(), &tree.read(&tree.root, 1, 9, page)).await })
        })
        .await?;
        check_tokens(&head, &[own.clone(), back.clone()], |page| -> Reply<'_, NodeHeader> {
            Box::pin(async move { t.p.history().read_history_headers(&t.cx(), &tree.read(&tree.root, 1, 9, page)).await })
        })
        .await?;
        check_tokens(&back, &[own, head, back_max], |page| -> Reply<'_, HistoryBatch> {
            Box::pin(async move {
                t.p.history().read_history_branch_reverse(&t.cx(), &tree.reverse(&tree.root, 9, page)).await
            })
        })
        .await?;
    }

    /// One read gives the same in pages of any size.
    #[covers("P9", "history.read_history_branch")]
    async fn pages_of_any_size_give_the_same(t) {
        let tree = Tree::new(t);
        let mut rng = t.rng();
        let (mut nodes, mut next, mut last) = (Vec::new(), 1, 0);
        for i in 1..=25i64 {
            let n = (next, rng.i64(1..4), i * 10, last);
            nodes.push(n);
            (next, last) = (next + n.1, n.2);
            if rng.bool() {
                // Left by a write that failed after the one before; never followed, unless it is the last.
                let leftover = (n.0, rng.i64(1..4), n.2 - rng.i64(1..9), n.3);
                fill(t, &tree, &tree.root, &[leftover]).await?;
            }
        }
        fill(t, &tree, &tree.root, &nodes).await?;
        let (tree, t) = (&tree, &*t);
        let read = crawl_by([1, 2, 3, 7, 24, 25, 26], |page| -> Reply<'_, HistoryBatch> {
            Box::pin(async move { t.p.history().read_history_branch(&t.cx(), &tree.read(&tree.root, 1, END, page)).await })
        });
        assert_eq!(read.await?, batches(&nodes));
    }
}
