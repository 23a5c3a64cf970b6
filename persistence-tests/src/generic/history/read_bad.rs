//! Reads that must fail.

use super::{END, fill, forward, headers};
use crate::build::history::*;
use persistence_core::{Detail, ErrorKind, PageRequest};

crate::cases! {
    group: "history";

    /// `min` inside a live batch is invalid, and the error names the batch's first event.
    #[covers("P15", "history.read_history_branch!invalid_argument", "history.read_history_headers!invalid_argument")]
    async fn min_inside_a_batch_names_its_first_event(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 17, 11, 10), (21, 4, 12, 11)]).await?;
        // A leftover that begins exactly there changes nothing.
        fill(t, &tree, &tree.root, &[(5, 3, 9, 8)]).await?;
        for (min, first) in [(2, 1), (3, 1), (5, 4), (20, 4), (22, 21), (24, 21)] {
            for max in [min + 1, END] {
                let e = forward(t, &tree, &tree.root, (min, max), 2).await.unwrap_err();
                let told = |rule: &str| rule.split(|c: char| !c.is_ascii_digit()).any(|n| n == first.to_string());
                assert!(
                    matches!(e.detail(), Detail::InvalidArgument { field: "min", rule } if told(rule)),
                    "from {min}: {e}"
                );
                let e = headers(t, &tree, &tree.root, (min, max), 2).await.unwrap_err();
                assert_eq!(e.kind(), ErrorKind::InvalidArgument);
            }
        }
    }

    /// An empty range is invalid, and so is one that begins before the first event.
    #[covers("P15", "history.read_history_branch!invalid_argument", "history.read_history_headers!invalid_argument")]
    async fn an_empty_history_range_is_invalid(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 1, 11, 10)]).await?;
        for range in [(1, 1), (4, 4), (4, 1), (9, 9), (END, END), (0, 4), (-1, 4), (i64::MIN, END), (1, i64::MIN)] {
            let e = forward(t, &tree, &tree.root, range, 2).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{range:?}");
            let e = headers(t, &tree, &tree.root, range, 2).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{range:?}");
        }
    }

    /// Nothing in range is not found: no such tree, no such branch, another shard, or beyond the end.
    #[covers("P15", "history.read_history_branch!not_found", "history.read_history_branch_reverse!not_found")]
    async fn nothing_in_range_is_not_found(t) {
        let tree = Tree::new(t);
        let absent = |r: persistence_core::Result<Vec<_>>| assert_eq!(r.unwrap_err().kind(), ErrorKind::NotFound);
        absent(forward(t, &tree, &tree.root, (1, END), 2).await);
        absent(super::backward(t, &tree, &tree.root, END, 2).await);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        absent(forward(t, &tree, &tree.root, (4, END), 2).await);
        absent(forward(t, &tree, &tree.root, (9, 12), 2).await);
        let sibling = persistence_core::BranchToken::new_root(tree.tree_id, t.branch());
        absent(forward(t, &tree, &sibling, (1, END), 2).await);
        let elsewhere = Tree { shard_id: t.shard(), ..tree.clone() };
        absent(forward(t, &elsewhere, &tree.root, (1, END), 2).await);
        absent(super::backward(t, &elsewhere, &tree.root, END, 2).await);
    }

    /// Events missing between live batches are corruption, not a shorter history.
    #[covers("P15", "history.read_history_branch!corrupted", "history.read_history_headers!corrupted")]
    async fn a_gap_is_corrupted(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (5, 2, 11, 10), (7, 1, 12, 11)]).await?;
        for size in [2, 3, 100] {
            let e = forward(t, &tree, &tree.root, (1, END), size).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Corrupted, "pages of {size}");
            let e = headers(t, &tree, &tree.root, (1, END), size).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Corrupted);
        }
        let headless = Tree::new(t);
        fill(t, &headless, &headless.root, &[(2, 1, 10, 0)]).await?;
        assert_eq!(forward(t, &headless, &headless.root, (1, END), 5).await.unwrap_err().kind(), ErrorKind::Corrupted);
    }

    /// Live batches that overlap are corruption.
    #[covers("P15", "history.read_history_branch!corrupted", "history.read_history_branch_reverse!corrupted")]
    async fn an_overlap_is_corrupted(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (3, 2, 11, 10)]).await?;
        assert_eq!(forward(t, &tree, &tree.root, (1, END), 5).await.unwrap_err().kind(), ErrorKind::Corrupted);
        assert_eq!(super::backward(t, &tree, &tree.root, END, 5).await.unwrap_err().kind(), ErrorKind::Corrupted);
    }

    /// Shards are numbered from 1, for every operation on history.
    #[covers(
        "history.read_history_branch!invalid_argument",
        "history.fork_history_branch!invalid_argument",
        "history.delete_history_branch!invalid_argument",
        "history.trim_history_branch!invalid_argument",
        "history.list_tree_branches!invalid_argument"
    )]
    async fn history_shards_are_numbered_from_1(t) {
        let tree = Tree { shard_id: persistence_core::ShardId(0), ..Tree::new(t) };
        let (h, cx, page) = (t.p.history(), t.cx(), PageRequest::first(1));
        let refused = [
            h.read_history_branch(&cx, &tree.read(&tree.root, 1, 2, page.clone())).await.unwrap_err(),
            h.read_history_headers(&cx, &tree.read(&tree.root, 1, 2, page.clone())).await.unwrap_err(),
            h.read_history_branch_reverse(&cx, &tree.reverse(&tree.root, 2, page)).await.unwrap_err(),
            h.fork_history_branch(&cx, &tree.fork(&tree.root, 2)).await.unwrap_err(),
            h.delete_history_branch(&cx, &tree.delete(&tree.root, None)).await.unwrap_err(),
            h.trim_history_branch(&cx, &tree.trim(&tree.root, 1, 1)).await.unwrap_err(),
            h.list_tree_branches(&cx, &tree.list()).await.unwrap_err(),
        ];
        for e in refused {
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{e}");
        }
    }
}
