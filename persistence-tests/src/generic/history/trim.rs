//! Trimming.

use super::{everything, fill};
use crate::build::history::*;
use persistence_core::BranchToken;

async fn trim(
    t: &crate::Fixture,
    tree: &Tree,
    branch: &BranchToken,
    first: i64,
    transaction: i64,
) -> persistence_core::Result<()> {
    t.p.history().trim_history_branch(&t.cx(), &tree.trim(branch, first, transaction)).await
}

crate::cases! {
    group: "history";

    /// A trim removes what is newer than the chain that ends in the given node, also in a fork, and keeps what is shared.
    #[covers("history.trim_history_branch", "history.read_history_branch")]
    async fn a_trim_removes_newer_leftovers(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10)]).await?;
        let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
        fill(t, &tree, &fork, &[(4, 2, 12, 10), (4, 1, 13, 10), (4, 3, 14, 10)]).await?;
        assert_eq!(everything(t, &tree, &fork).await?[1], batch((4, 3, 14, 10)));
        trim(t, &tree, &fork, 4, 12).await?;
        assert_eq!(everything(t, &tree, &fork).await?, batches(&[(1, 3, 10, 0), (4, 2, 12, 10)]));
        trim(t, &tree, &fork, 4, 12).await?;
        assert_eq!(everything(t, &tree, &fork).await?, batches(&[(1, 3, 10, 0), (4, 2, 12, 10)]), "again");
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 2, 11, 10)]));
    }

    /// A trim keeps older siblings, and what lies beyond the given node.
    #[covers("history.trim_history_branch")]
    async fn a_trim_keeps_older_siblings(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10), (4, 2, 12, 10), (4, 2, 13, 10), (6, 1, 15, 11)]).await?;
        trim(t, &tree, &tree.root, 4, 12).await?;
        // 11 is still there, and with it the chain that goes on to 15.
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 2, 11, 10), (6, 1, 15, 11)]));
        trim(t, &tree, &tree.root, 4, 11).await?;
        fill(t, &tree, &tree.root, &[(6, 1, 20, 12), (6, 2, 21, 13)]).await?;
        let read = everything(t, &tree, &tree.root).await?;
        assert_eq!(read, batches(&[(1, 3, 10, 0), (4, 2, 11, 10), (6, 1, 15, 11)]), "12 and 13 are gone");
    }

    /// A trim does nothing when there is no such chain: another node id, an unknown transaction, a broken chain, no branch.
    #[covers("history.trim_history_branch")]
    async fn a_trim_without_a_chain_does_nothing(t) {
        let tree = Tree::new(t);
        trim(t, &tree, &tree.root, 1, 10).await?;
        let nodes = [(1, 3, 10, 0), (4, 2, 11, 10), (4, 1, 19, 10)];
        fill(t, &tree, &tree.root, &nodes).await?;
        // A chain that does not reach the first event.
        fill(t, &tree, &tree.root, &[(4, 1, 8, 7), (5, 1, 9, 8)]).await?;
        for (first, transaction) in [(5, 11), (4, 12), (3, 11), (1, 11), (4, 8), (5, 9), (0, 0), (-1, -1), (i64::MAX, i64::MAX)] {
            trim(t, &tree, &tree.root, first, transaction).await?;
            let live = batches(&[(1, 3, 10, 0), (4, 1, 19, 10)]);
            assert_eq!(everything(t, &tree, &tree.root).await?, live, "({first}, {transaction})");
        }
        trim(t, &tree, &tree.root, 4, 11).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 2, 11, 10)]));
    }
}
