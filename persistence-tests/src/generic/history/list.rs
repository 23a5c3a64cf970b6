//! Listing branches.

use super::fill;
use crate::build::history::*;
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use persistence_core::store::*;
use persistence_core::{BranchToken, Clock, PageRequest};
use std::time::Duration;

crate::cases! {
    group: "history";

    /// The branches of a tree: by branch id, each with its run, and when it was created or forked.
    #[covers("history.list_tree_branches", "history.append_history_node", "history.fork_history_branch")]
    async fn a_tree_lists_its_branches(t) {
        let tree = Tree::new(t);
        let h = t.p.history();
        assert_eq!(h.list_tree_branches(&t.cx(), &tree.list()).await?, []);
        let began = t.clock.now();
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        t.clock.advance(Duration::from_millis(1_234));
        fill(t, &tree, &tree.root, &[(4, 2, 11, 10)]).await?;
        let mut listed = vec![tree.listed(&tree.root, began)];
        for at in [4, 6] {
            t.clock.advance(Duration::from_millis(5));
            let other = RunKey { run_id: t.run(), ..tree.owner.clone() };
            let fork = ForkHistoryBranch { owner: other.clone(), ..tree.fork(&tree.root, at) };
            let branch = h.fork_history_branch(&t.cx(), &fork).await?;
            listed.push(HistoryBranch { owner: other, ..tree.listed(&branch, t.clock.now()) });
        }
        listed.sort_by_key(|b| b.branch.parse().unwrap().branch_id);
        assert_eq!(h.list_tree_branches(&t.cx(), &tree.list()).await?, listed);
    }

    /// Every branch of every tree is listed once, in a stable order, branches of a tree by id; tokens are exact.
    #[covers("P9", "history.list_history_branches", "history.list_history_branches!invalid_token")]
    #[isolation(Own)]
    async fn every_branch_is_listed_once(t) {
        let (p, cx) = (t.p.clone(), t.cx());
        let (h, cx) = (p.history(), &cx);
        let list = |page| -> Reply<'_, HistoryBranch> {
            Box::pin(async move { h.list_history_branches(cx, &ListHistoryBranches { page }).await })
        };
        assert_eq!(crawl_by([1, 10], list).await?, []);
        let mut expected = Vec::new();
        for forks in [0, 3, 1, 0, 5] {
            let tree = Tree::new(t);
            fill(t, &tree, &tree.root, &[(1, 1, 10, 0), (2, 1, 11, 10)]).await?;
            expected.push(tree.listed(&tree.root, t.clock.now()));
            for _ in 0..forks {
                let branch = h.fork_history_branch(cx, &tree.fork(&tree.root, 2)).await?;
                expected.push(tree.listed(&branch, t.clock.now()));
            }
        }
        let listed = crawl_by([1, 2, 3, 4, 13, 14, 15, 100], list).await?;
        let ids = |b: &HistoryBranch| b.branch.parse().map(|b| (b.tree_id, b.branch_id)).unwrap();
        for pair in listed.windows(2).map(|w| [ids(&w[0]), ids(&w[1])]) {
            assert!(pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1, "branches of a tree are ordered by id");
        }
        let mut trees: Vec<_> = listed.iter().map(|b| ids(b).0).collect();
        trees.dedup();
        assert_eq!(trees.len(), 5, "branches of a tree are together");
        let sorted = |mut branches: Vec<HistoryBranch>| {
            branches.sort_by_key(ids);
            branches
        };
        assert_eq!(sorted(listed), sorted(expected));
        let own = list(PageRequest::first(1)).await?.next.unwrap();
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 1, 10, 0), (2, 1, 11, 10)]).await?;
        let read = tree.read(&tree.root, 1, 9, PageRequest::first(1));
        let foreign = h.read_history_branch(cx, &read).await?.next.unwrap();
        check_tokens(&own, &[foreign], list).await?;
    }

    /// A crawl over all branches neither skips nor repeats one that was there throughout, while others come and go.
    #[covers("P9", "history.list_history_branches", "history.delete_history_branch")]
    #[isolation(Own)]
    async fn a_crawl_of_branches_stands_changes(t) {
        let mut trees = Vec::new();
        for _ in 0..6 {
            let tree = Tree::new(t);
            fill(t, &tree, &tree.root, &[(1, 1, 10, 0)]).await?;
            let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 2)).await?;
            trees.push((tree, fork));
        }
        let (mut seen, mut page) = (Vec::<BranchToken>::new(), PageRequest::first(2));
        let doomed: Vec<_> = trees.drain(..3).collect();
        let mut gone = doomed.iter();
        loop {
            let got = t.p.history().list_history_branches(&t.cx(), &ListHistoryBranches { page }).await?;
            seen.extend(got.items.into_iter().map(|b| b.branch));
            if let Some((tree, fork)) = gone.next() {
                for branch in [fork, &tree.root] {
                    t.p.history().delete_history_branch(&t.cx(), &tree.delete(branch, None)).await?;
                }
                let new = Tree::new(t);
                fill(t, &new, &new.root, &[(1, 1, 10, 0)]).await?;
            }
            let Some(next) = got.next else { break };
            page = PageRequest::after(2, next);
        }
        for (tree, fork) in &trees {
            for branch in [&tree.root, fork] {
                assert_eq!(seen.iter().filter(|b| *b == branch).count(), 1);
            }
        }
    }
}
