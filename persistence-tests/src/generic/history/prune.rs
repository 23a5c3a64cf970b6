//! Deleting branches.

use super::{everything, fill};
use crate::build::history::*;
use persistence_core::store::*;
use persistence_core::{Blob, Detail, ErrorKind, ShardId};

async fn take(t: &crate::Fixture, shard_id: ShardId, initial_range_id: i64) -> persistence_core::Result<()> {
    let create = GetOrCreateShard { shard_id, initial_range_id, initial_info: Blob::default() };
    t.p.shards().get_or_create_shard(&t.cx(), &create).await.map(drop)
}

crate::cases! {
    group: "history";

    /// Deleting a base keeps what its forks share; the last user takes it along.
    #[covers("history.delete_history_branch", "history.read_history_branch")]
    async fn deleting_a_base_keeps_what_forks_share(t) {
        let tree = Tree::new(t);
        let h = t.p.history();
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10), (6, 1, 12, 11)]).await?;
        let fork = h.fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
        fill(t, &tree, &fork, &[(4, 1, 20, 10)]).await?;
        h.delete_history_branch(&t.cx(), &tree.delete(&tree.root, None)).await?;
        assert_eq!(everything(t, &tree, &fork).await?, batches(&[(1, 3, 10, 0), (4, 1, 20, 10)]));
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0)]), "what is shared is left");
        assert_eq!(h.list_tree_branches(&t.cx(), &tree.list()).await?.len(), 1);
        h.delete_history_branch(&t.cx(), &tree.delete(&fork, None)).await?;
        for branch in [&tree.root, &fork] {
            assert_eq!(everything(t, &tree, branch).await.unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert!(h.list_tree_branches(&t.cx(), &tree.list()).await?.is_empty());
    }

    /// Deleting a fork leaves its base, and its own forks, as they are.
    #[covers("history.delete_history_branch")]
    async fn deleting_a_fork_leaves_its_base(t) {
        let tree = Tree::new(t);
        let h = t.p.history();
        let base = [(1, 3, 10, 0), (4, 2, 11, 10)];
        fill(t, &tree, &tree.root, &base).await?;
        let b = h.fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
        fill(t, &tree, &b, &[(4, 1, 20, 10), (5, 1, 21, 20), (6, 1, 22, 21)]).await?;
        let c = h.fork_history_branch(&t.cx(), &tree.fork(&b, 5)).await?;
        let d = h.fork_history_branch(&t.cx(), &tree.fork(&b, 6)).await?;
        h.delete_history_branch(&t.cx(), &tree.delete(&b, None)).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&base));
        assert_eq!(everything(t, &tree, &c).await?, batches(&[(1, 3, 10, 0), (4, 1, 20, 10)]));
        assert_eq!(everything(t, &tree, &d).await?, batches(&[(1, 3, 10, 0), (4, 1, 20, 10), (5, 1, 21, 20)]));
        h.delete_history_branch(&t.cx(), &tree.delete(&d, None)).await?;
        assert_eq!(everything(t, &tree, &c).await?, batches(&[(1, 3, 10, 0), (4, 1, 20, 10)]));
        h.delete_history_branch(&t.cx(), &tree.delete(&c, None)).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&base));
    }

    /// Deleting a branch that is gone, or never was, succeeds; a deleted branch can be begun again.
    #[covers("history.delete_history_branch", "history.append_history_node")]
    async fn deleting_a_branch_twice_succeeds(t) {
        let tree = Tree::new(t);
        let delete = tree.delete(&tree.root, None);
        t.p.history().delete_history_branch(&t.cx(), &delete).await?;
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (1, 2, 9, 0), (4, 1, 11, 10)]).await?;
        for _ in 0..2 {
            t.p.history().delete_history_branch(&t.cx(), &delete).await?;
            assert_eq!(everything(t, &tree, &tree.root).await.unwrap_err().kind(), ErrorKind::NotFound);
        }
        fill(t, &tree, &tree.root, &[(1, 1, 30, 0)]).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 1, 30, 0)]));
    }

    /// A fenced delete needs the shard's range id: otherwise the shard is lost, with what is stored, and nothing is deleted.
    #[covers("P10", "history.delete_history_branch", "history.delete_history_branch!shard_ownership_lost")]
    async fn a_fenced_delete_needs_the_shard(t) {
        let tree = Tree::new(t);
        let h = t.p.history();
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        let e = h.delete_history_branch(&t.cx(), &tree.delete(&tree.root, Some(1))).await.unwrap_err();
        let lost = |expected, stored| Detail::ShardOwnershipLost { shard_id: tree.shard_id, expected: Some(expected), stored };
        assert_eq!(*e.detail(), lost(1, None), "no such shard");
        take(t, tree.shard_id, 7).await?;
        for stale in [6, 8] {
            let e = h.delete_history_branch(&t.cx(), &tree.delete(&tree.root, Some(stale))).await.unwrap_err();
            assert_eq!(*e.detail(), lost(stale, Some(7)));
        }
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0)]));
        h.delete_history_branch(&t.cx(), &tree.delete(&tree.root, Some(7))).await?;
        assert_eq!(everything(t, &tree, &tree.root).await.unwrap_err().kind(), ErrorKind::NotFound);
    }

    /// Trees with the same ids in two shards have nothing to do with each other.
    #[covers("history.delete_history_branch")]
    async fn trees_of_two_shards_are_apart(t) {
        let tree = Tree::new(t);
        let twin = Tree { shard_id: t.shard(), ..tree.clone() };
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        fill(t, &twin, &twin.root, &[(1, 1, 11, 0)]).await?;
        t.p.history().delete_history_branch(&t.cx(), &tree.delete(&tree.root, None)).await?;
        assert_eq!(everything(t, &twin, &twin.root).await?, batches(&[(1, 1, 11, 0)]));
    }
}
