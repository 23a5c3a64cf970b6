//! Forking: where, and what a fork reads.

use super::{END, backward, everything, fill, forward, headers};
use crate::build::history::*;
use persistence_core::{BranchToken, ErrorKind};

const BASE: &[Node] = &[(1, 3, 10, 0), (4, 2, 11, 10), (6, 1, 12, 11)];

async fn fork(
    t: &crate::Fixture,
    tree: &Tree,
    base: &BranchToken,
    at: i64,
) -> persistence_core::Result<BranchToken> {
    t.p.history().fork_history_branch(&t.cx(), &tree.fork(base, at)).await
}

crate::cases! {
    group: "history";

    /// A fork at the beginning of a batch shares everything before it, also before anything was appended to it.
    #[covers("P16", "history.fork_history_branch", "history.read_history_branch", "history.read_history_branch_reverse")]
    async fn a_fork_shares_what_is_before_it(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, BASE).await?;
        for (at, shared) in [(4, 1), (6, 2)] {
            let fork = fork(t, &tree, &tree.root, at).await?;
            for size in [1, 9] {
                assert_eq!(forward(t, &tree, &fork, (1, END), size).await?, batches(&BASE[..shared]));
                let mut back = backward(t, &tree, &fork, END, size).await?;
                back.reverse();
                assert_eq!(back, batches(&BASE[..shared]));
            }
        }
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(BASE), "the base is as it was");
    }

    /// A fork one past the end shares everything, and not what is appended to the base later.
    #[covers("P16", "history.fork_history_branch", "history.append_history_node")]
    async fn a_fork_at_the_end_shares_everything(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, BASE).await?;
        let fork = fork(t, &tree, &tree.root, 7).await?;
        fill(t, &tree, &tree.root, &[(7, 1, 20, 12)]).await?;
        assert_eq!(everything(t, &tree, &fork).await?, batches(BASE));
        fill(t, &tree, &fork, &[(7, 2, 21, 12)]).await?;
        assert_eq!(everything(t, &tree, &fork).await?[3], batch((7, 2, 21, 12)));
        assert_eq!(everything(t, &tree, &tree.root).await?[3], batch((7, 1, 20, 12)));
    }

    /// A fork inside a batch, past the end, or where only a stale node begins is invalid, and makes nothing.
    #[covers("P16", "history.fork_history_branch!invalid_argument", "history.list_tree_branches")]
    async fn a_fork_inside_a_batch_is_invalid(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, BASE).await?;
        fill(t, &tree, &tree.root, &[(4, 1, 8, 7), (5, 1, 9, 8)]).await?;
        for at in [2, 3, 5, 8, 9, END, 1, 0, -1, i64::MIN] {
            let e = fork(t, &tree, &tree.root, at).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "at {at}: {e}");
        }
        assert_eq!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.len(), 1);
    }

    /// A branch that is not there cannot be forked.
    #[covers("history.fork_history_branch!not_found")]
    async fn a_missing_base_is_not_found(t) {
        let tree = Tree::new(t);
        assert_eq!(fork(t, &tree, &tree.root, 4).await.unwrap_err().kind(), ErrorKind::NotFound);
        fill(t, &tree, &tree.root, BASE).await?;
        let other = BranchToken::new_root(tree.tree_id, t.branch());
        assert_eq!(fork(t, &tree, &other, 4).await.unwrap_err().kind(), ErrorKind::NotFound);
        t.p.history().delete_history_branch(&t.cx(), &tree.delete(&tree.root, None)).await?;
        assert_eq!(fork(t, &tree, &tree.root, 4).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.is_empty());
    }

    /// A repeat of a fork with the same new branch id gives the same branch, also after more was written.
    #[covers("P13", "history.fork_history_branch", "history.list_tree_branches")]
    async fn a_repeated_fork_gives_the_same_branch(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, BASE).await?;
        let request = tree.fork(&tree.root, 6);
        let first = t.p.history().fork_history_branch(&t.cx(), &request).await?;
        assert_eq!(first.parse()?.branch_id, request.new_branch_id);
        assert_eq!(t.p.history().fork_history_branch(&t.cx(), &request).await?, first);
        fill(t, &tree, &first, &[(6, 3, 30, 11)]).await?;
        fill(t, &tree, &tree.root, &[(7, 1, 31, 12)]).await?;
        assert_eq!(t.p.history().fork_history_branch(&t.cx(), &request).await?, first);
        assert_eq!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.len(), 2);
        assert_eq!(everything(t, &tree, &first).await?[2], batch((6, 3, 30, 11)));
    }

    /// Forks of forks read through all their ancestors, in both directions and from the middle.
    #[covers("P15", "P16", "history.fork_history_branch", "history.read_history_branch", "history.read_history_headers")]
    async fn reads_go_through_all_ancestors(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, BASE).await?;
        let b = fork(t, &tree, &tree.root, 4).await?;
        fill(t, &tree, &b, &[(4, 4, 20, 10), (8, 1, 21, 20), (8, 1, 19, 18)]).await?;
        let c = fork(t, &tree, &b, 8).await?;
        fill(t, &tree, &c, &[(8, 2, 30, 20), (10, 1, 31, 30)]).await?;
        let d = fork(t, &tree, &c, 11).await?;
        let whole = [(1, 3, 10, 0), (4, 4, 20, 10), (8, 2, 30, 20), (10, 1, 31, 30)];
        for branch in [&c, &d] {
            for size in 1..=5 {
                assert_eq!(forward(t, &tree, branch, (1, END), size).await?, batches(&whole), "pages of {size}");
                let mut back = backward(t, &tree, branch, END, size).await?;
                back.reverse();
                assert_eq!(back, batches(&whole), "pages of {size}");
            }
            assert_eq!(forward(t, &tree, branch, (4, 10), 1).await?, batches(&whole[1..3]));
            let got = headers(t, &tree, branch, (8, END), 1).await?;
            assert_eq!(got, [header(whole[2]), header(whole[3])]);
            let e = forward(t, &tree, branch, (9, END), 1).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        }
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(BASE));
        assert_eq!(everything(t, &tree, &b).await?, batches(&[(1, 3, 10, 0), (4, 4, 20, 10), (8, 1, 21, 20)]));
    }
}
