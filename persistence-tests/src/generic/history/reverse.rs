//! Reading backward.

use super::read::{LIVE, STALE};
use super::{END, backward, fill};
use crate::build::history::*;
use persistence_core::{ErrorKind, PageRequest};

fn newest_first(nodes: &[Node]) -> Vec<persistence_core::store::HistoryBatch> {
    nodes.iter().rev().copied().map(batch).collect()
}

crate::cases! {
    group: "history";

    /// Backward is the reverse of forward, whatever the page size, also with stale nodes on the boundary of two pages.
    #[covers("P9", "P15", "history.read_history_branch_reverse")]
    async fn backward_is_the_reverse_of_forward(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, LIVE).await?;
        fill(t, &tree, &tree.root, STALE).await?;
        for size in 1..=7 {
            assert_eq!(backward(t, &tree, &tree.root, END, size).await?, newest_first(LIVE), "pages of {size}");
        }
    }

    /// The upper bound is exclusive and by first event: a batch that begins below it is given whole.
    #[covers("P15", "history.read_history_branch_reverse")]
    async fn backward_begins_below_max(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, LIVE).await?;
        fill(t, &tree, &tree.root, STALE).await?;
        for (i, n) in LIVE.iter().enumerate() {
            for size in [1, 2, 9] {
                assert_eq!(backward(t, &tree, &tree.root, n.0 + 1, size).await?, newest_first(&LIVE[..=i]));
                assert_eq!(backward(t, &tree, &tree.root, n.0 + n.1, size).await?, newest_first(&LIVE[..=i]));
            }
        }
    }

    /// Backward tokens are exact: none when the first batch of all is on the page.
    #[covers("P9", "history.read_history_branch_reverse")]
    async fn backward_tokens_are_exact(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, LIVE).await?;
        fill(t, &tree, &tree.root, STALE).await?;
        for (max, live) in [(END, 6), (10, 5), (4, 2), (3, 1)] {
            for size in 1..=7 {
                let read = tree.reverse(&tree.root, max, PageRequest::first(size));
                let page = t.p.history().read_history_branch_reverse(&t.cx(), &read).await?;
                assert_eq!(page.items.len(), live.min(size as usize));
                assert_eq!(page.next.is_some(), live > size as usize, "below {max}, pages of {size}");
            }
        }
    }

    /// A backward crawl goes on below what it gave, while batches are appended.
    #[covers("P9", "history.append_history_node", "history.read_history_branch_reverse")]
    async fn a_backward_crawl_goes_on_while_batches_come(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10), (6, 1, 12, 11)]).await?;
        let first = tree.reverse(&tree.root, END, PageRequest::first(1));
        let page = t.p.history().read_history_branch_reverse(&t.cx(), &first).await?;
        assert_eq!(page.items, [batch((6, 1, 12, 11))]);
        fill(t, &tree, &tree.root, &[(7, 1, 20, 12), (4, 1, 9, 8)]).await?;
        let rest = tree.reverse(&tree.root, END, PageRequest::after(5, page.next.unwrap()));
        let page = t.p.history().read_history_branch_reverse(&t.cx(), &rest).await?;
        assert_eq!((page.items, page.next), (newest_first(&[(1, 3, 10, 0), (4, 2, 11, 10)]), None));
    }

    /// An upper bound with nothing below it is invalid.
    #[covers("history.read_history_branch_reverse!invalid_argument")]
    async fn backward_from_nothing_is_invalid(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        for max in [1, 0, -1, i64::MIN] {
            let e = backward(t, &tree, &tree.root, max, 1).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "below {max}");
        }
    }
}
