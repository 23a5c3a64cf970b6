//! Forking at the edges of branches, and beside stale nodes.

use super::{END, everything, fill, forward};
use crate::build::history::*;
use persistence_core::ErrorKind;

crate::cases! {
    group: "history";

    /// A fork of a fork at its beginning shares only what the first one shared.
    #[covers("P16", "history.fork_history_branch")]
    async fn a_fork_at_a_branchs_beginning_shares_its_ancestors_only(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10)]).await?;
        let b = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
        fill(t, &tree, &b, &[(4, 1, 20, 10)]).await?;
        let c = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&b, 4)).await?;
        assert_eq!(c.parse()?.ancestors, b.parse()?.ancestors);
        assert_eq!(everything(t, &tree, &c).await?, batches(&[(1, 3, 10, 0)]));
        t.p.history().delete_history_branch(&t.cx(), &tree.delete(&b, None)).await?;
        assert_eq!(everything(t, &tree, &c).await?, batches(&[(1, 3, 10, 0)]));
    }

    /// A fork inside an ancestor shares only the beginning of it.
    #[covers("P16", "history.fork_history_branch")]
    async fn a_fork_inside_an_ancestor_cuts_it(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10), (6, 1, 12, 11)]).await?;
        let b = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 6)).await?;
        fill(t, &tree, &b, &[(6, 2, 20, 11)]).await?;
        let c = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&b, 4)).await?;
        fill(t, &tree, &c, &[(4, 1, 30, 10)]).await?;
        assert_eq!(everything(t, &tree, &c).await?, batches(&[(1, 3, 10, 0), (4, 1, 30, 10)]));
        let e = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&b, 5)).await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    }

    /// Stale nodes of the base, beside the shared part and beyond it, are not seen through a fork.
    #[covers("P15", "history.read_history_branch", "history.fork_history_branch")]
    async fn a_fork_sees_live_nodes_only(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 12, 10), (6, 1, 14, 12), (4, 2, 11, 10), (4, 1, 9, 8)]).await?;
        let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 6)).await?;
        fill(t, &tree, &fork, &[(6, 2, 20, 12), (6, 2, 19, 12)]).await?;
        let live = [(1, 3, 10, 0), (4, 2, 12, 10), (6, 2, 20, 12)];
        for size in 1..=4 {
            assert_eq!(forward(t, &tree, &fork, (1, END), size).await?, batches(&live));
        }
    }

    /// Forks of one place are independent of each other and of their base.
    #[covers("P16", "history.fork_history_branch", "history.append_history_node")]
    async fn forks_are_independent(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 2, 10, 0), (3, 1, 11, 10)]).await?;
        let mut forks = Vec::new();
        for i in 0..3 {
            let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 3)).await?;
            fill(t, &tree, &fork, &[(3, 1 + i, 20 + i, 10)]).await?;
            forks.push(fork);
        }
        for (i, fork) in (0..).zip(&forks) {
            assert_eq!(everything(t, &tree, fork).await?, batches(&[(1, 2, 10, 0), (3, 1 + i, 20 + i, 10)]));
        }
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 2, 10, 0), (3, 1, 11, 10)]));
    }
}
