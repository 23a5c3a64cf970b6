//! Appending.

use super::{END, everything, fill, forward, headers};
use crate::build::history::*;
use persistence_core::history::MAX_NODE_BYTES;
use persistence_core::store::*;
use persistence_core::{Blob, BranchToken, Detail, Encoding, ErrorKind};

crate::cases! {
    group: "history";

    /// A batch reads back as it was appended: by its own bounds, and with all.
    #[covers("P15", "history.append_history_node", "history.read_history_branch")]
    async fn a_batch_reads_back_as_it_was_appended(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 77, 0)]).await?;
        assert_eq!(forward(t, &tree, &tree.root, (1, 4), 1).await?, [batch((1, 3, 77, 0))]);
        assert_eq!(everything(t, &tree, &tree.root).await?, [batch((1, 3, 77, 0))]);
    }

    /// Batches with any gaps between their transaction ids follow each other, each readable by its own bounds.
    #[covers("P15", "history.append_history_node", "history.read_history_branch")]
    async fn batches_follow_each_other(t) {
        let tree = Tree::new(t);
        let nodes = [(1, 3, 100, 0), (4, 2, 101, 100), (6, 1, 5_000_000_000, 101), (7, 9, i64::MAX - 1, 5_000_000_000)];
        fill(t, &tree, &tree.root, &nodes).await?;
        for n in nodes {
            assert_eq!(forward(t, &tree, &tree.root, (n.0, n.0 + n.1), 1).await?, [batch(n)]);
        }
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&nodes));
    }

    /// Events are opaque: any encoding, any bytes, also none.
    #[covers("history.append_history_node", "history.read_history_branch")]
    async fn events_are_opaque(t) {
        let tree = Tree::new(t);
        let blobs = [
            Blob::default(),
            Blob::new(Encoding::PROTO3, vec![0, 255, 0, 254]),
            Blob::new(Encoding(9_999), b"of the future".to_vec()),
            Blob::json("'\"%_\\;--\u{1F980}").with_checksum(),
        ];
        for (i, events) in (1..).zip(&blobs) {
            let mut append = tree.append(&tree.root, (i, 1, i * 10, (i - 1) * 10));
            append.node.events = events.clone();
            t.p.history().append_history_node(&t.cx(), &append).await?;
        }
        let read = everything(t, &tree, &tree.root).await?;
        assert_eq!(read.into_iter().map(|b| b.events).collect::<Vec<_>>(), blobs);
    }

    /// A node with the same first event and transaction id replaces the one that is there.
    #[covers("P7", "history.append_history_node")]
    async fn the_same_node_again_replaces(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10), (4, 2, 11, 10)]).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 2, 11, 10)]));
        let mut other = tree.append(&tree.root, (4, 1, 11, 10));
        other.node.events = Blob::json("other");
        t.p.history().append_history_node(&t.cx(), &other).await?;
        let read = everything(t, &tree, &tree.root).await?;
        assert_eq!(read[1], HistoryBatch { header: header((4, 1, 11, 10)), events: Blob::json("other") });
        assert_eq!(read.len(), 2);
    }

    /// The largest event blob is 4 MiB; one byte more is too large, and nothing is stored.
    #[covers("history.append_history_node!too_large")]
    async fn a_node_holds_4_mib_and_no_more(t) {
        let tree = Tree::new(t);
        let mut append = tree.append(&tree.root, (1, 1, 10, 0));
        append.node.events = Blob::new(Encoding::PROTO3, vec![7u8; MAX_NODE_BYTES]);
        t.p.history().append_history_node(&t.cx(), &append).await?;
        let read = everything(t, &tree, &tree.root).await?;
        assert_eq!(read[0].events.len(), MAX_NODE_BYTES);
        assert!(read[0].events == append.node.events);
        append.node.header = header((2, 1, 11, 10));
        append.node.events = Blob::new(Encoding::PROTO3, vec![7u8; MAX_NODE_BYTES + 1]);
        let e = t.p.history().append_history_node(&t.cx(), &append).await.unwrap_err();
        let (size, limit) = (MAX_NODE_BYTES as u64 + 1, MAX_NODE_BYTES as u64);
        assert!(matches!(e.detail(), Detail::TooLarge { size: s, limit: l, .. } if (*s, *l) == (size, limit)), "{e}");
        assert_eq!(headers(t, &tree, &tree.root, (1, END), 10).await?.len(), 1);
    }

    /// A header that no history can have is invalid.
    #[covers("history.append_history_node!invalid_argument")]
    async fn impossible_headers_are_invalid(t) {
        let tree = Tree::new(t);
        let bad = [
            (0, 1, 10, 0),
            (-1, 1, 10, 0),
            (i64::MIN, 1, 10, 0),
            (1, 0, 10, 0),
            (1, -1, 10, 0),
            (i64::MAX, 1, 10, 0),
            (2, i64::MAX, 10, 0),
            (1, 1, 10, -1),
            (1, 1, 10, 10),
            (1, 1, 10, 11),
            (1, 1, 0, 0),
            (1, 1, -5, 0),
        ];
        for n in bad {
            let append = AppendHistoryNode {
                shard_id: tree.shard_id,
                node: NodeWrite {
                    branch: tree.root.clone(),
                    owner: tree.owner.clone(),
                    header: header(n),
                    events: Blob::json("x"),
                },
            };
            let e = t.p.history().append_history_node(&t.cx(), &append).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{n:?}: {e}");
        }
        let mut nobody = tree.append(&tree.root, (1, 1, 10, 0));
        nobody.node.owner.workflow_id = String::new();
        let e = t.p.history().append_history_node(&t.cx(), &nobody).await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        let nowhere = AppendHistoryNode { shard_id: persistence_core::ShardId(0), ..tree.append(&tree.root, (1, 1, 10, 0)) };
        let e = t.p.history().append_history_node(&t.cx(), &nowhere).await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        assert_eq!(everything(t, &tree, &tree.root).await.unwrap_err().kind(), ErrorKind::NotFound);
    }

    /// A node below the place where a branch leaves its ancestor is invalid; one at that place is not.
    #[covers("history.append_history_node!invalid_argument", "history.fork_history_branch")]
    async fn a_node_below_the_branchs_beginning_is_invalid(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10)]).await?;
        let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
        for first in [1, 3] {
            let append = tree.append(&fork, (first, 1, 20, 10));
            let e = t.p.history().append_history_node(&t.cx(), &append).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        }
        fill(t, &tree, &fork, &[(4, 1, 21, 10)]).await?;
        assert_eq!(everything(t, &tree, &fork).await?, batches(&[(1, 3, 10, 0), (4, 1, 21, 10)]));
    }

    /// A branch token that is damaged, cut or made up is invalid, whatever is done with it.
    #[covers(
        "P24",
        "history.append_history_node!invalid_argument",
        "history.read_history_branch!invalid_argument",
        "history.read_history_headers!invalid_argument",
        "history.read_history_branch_reverse!invalid_argument",
        "history.fork_history_branch!invalid_argument",
        "history.delete_history_branch!invalid_argument",
        "history.trim_history_branch!invalid_argument"
    )]
    async fn a_bad_branch_token_is_invalid(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        let good = tree.root.as_bytes();
        let mut damaged = good.to_vec();
        damaged[good.len() / 2] ^= 4;
        for bytes in [damaged, good[..good.len() - 1].to_vec(), Vec::new(), b"branch".to_vec()] {
            let bad = BranchToken::from_bytes(bytes);
            let (h, cx) = (t.p.history(), t.cx());
            let page = persistence_core::PageRequest::first(5);
            let refused = [
                h.append_history_node(&cx, &tree.append(&bad, (4, 1, 11, 10))).await.unwrap_err(),
                h.read_history_branch(&cx, &tree.read(&bad, 1, 9, page.clone())).await.unwrap_err(),
                h.read_history_headers(&cx, &tree.read(&bad, 1, 9, page.clone())).await.unwrap_err(),
                h.read_history_branch_reverse(&cx, &tree.reverse(&bad, 9, page)).await.unwrap_err(),
                h.fork_history_branch(&cx, &tree.fork(&bad, 4)).await.unwrap_err(),
                h.delete_history_branch(&cx, &tree.delete(&bad, None)).await.unwrap_err(),
                h.trim_history_branch(&cx, &tree.trim(&bad, 1, 10)).await.unwrap_err(),
            ];
            for e in refused {
                assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{e}");
            }
        }
        assert_eq!(everything(t, &tree, &tree.root).await?, [batch((1, 3, 10, 0))]);
    }

    /// Events that do not match their checksum are corrupted when they are read.
    #[covers("P24", "history.read_history_branch!corrupted", "history.read_history_branch_reverse!corrupted")]
    async fn events_that_miss_their_checksum_are_corrupted(t) {
        let tree = Tree::new(t);
        let mut append = tree.append(&tree.root, (1, 1, 10, 0));
        append.node.events.checksum = append.node.events.checksum.map(|c| c ^ 1);
        t.p.history().append_history_node(&t.cx(), &append).await?;
        assert_eq!(everything(t, &tree, &tree.root).await.unwrap_err().kind(), ErrorKind::Corrupted);
        let back = super::backward(t, &tree, &tree.root, 2, 1).await;
        assert_eq!(back.unwrap_err().kind(), ErrorKind::Corrupted);
        assert_eq!(headers(t, &tree, &tree.root, (1, 2), 1).await?, [header((1, 1, 10, 0))]);
    }
}
