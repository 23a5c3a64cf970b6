//! Races on one tree.

use super::{END, everything, fill, forward};
use crate::build::history::*;
use crate::race::{Overlap, race};
use crate::{Fault, FaultRule};
use persistence_core::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

/// Has the first writes of a race wait, in every other round: each racer has then read the same tree, and what it sends
/// again is outdated.
fn collide(t: &crate::Fixture, round: i64, writes: u64) {
    if round % 2 == 0 {
        let slow = Fault::Cut(Some(Duration::from_millis(4)));
        t.faults.script(FaultRule::write(slow).table("history").times(writes));
    }
}

crate::cases! {
    group: "history";

    /// Forks and deletes of one branch at once serialise: a fork that succeeded reads its whole prefix, one that came too
    /// late is not found.
    #[covers("history.fork_history_branch", "history.fork_history_branch!not_found", "history.delete_history_branch")]
    async fn forks_and_deletes_of_a_branch_serialise(t) {
        let prefix = [(1, 3, 10, 0), (4, 2, 11, 10)];
        let overlap = Overlap::new();
        let (mut forked, mut late) = (0, 0);
        for round in 0..10 {
            let tree = Arc::new(Tree::new(t));
            fill(t, &tree, &tree.root, &prefix).await?;
            collide(t, round, 8);
            let results = race(8, |i, line| {
                let (p, cx, tree, overlap) = (t.p.clone(), t.cx(), tree.clone(), overlap.clone());
                async move {
                    line.wait().await;
                    let _inside = overlap.enter();
                    if i % 4 == 3 {
                        p.history().delete_history_branch(&cx, &tree.delete(&tree.root, None)).await.unwrap();
                        return None;
                    }
                    Some(p.history().fork_history_branch(&cx, &tree.fork(&tree.root, 6)).await)
                }
            })
            .await;
            let mut branches = Vec::new();
            for result in results.into_iter().flatten() {
                match result {
                    Ok(branch) => branches.push(branch),
                    Err(e) if e.kind() == ErrorKind::NotFound => late += 1,
                    Err(e) => return Err(e.into()),
                }
            }
            forked += branches.len();
            for branch in &branches {
                assert_eq!(everything(t, &tree, branch).await?, batches(&prefix));
            }
            let listed = t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?;
            assert_eq!(listed.len(), branches.len(), "the base is gone, every fork is there");
            for branch in &branches {
                t.p.history().delete_history_branch(&t.cx(), &tree.delete(branch, None)).await?;
            }
            assert_eq!(everything(t, &tree, &tree.root).await.unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert_eq!(forked + late, 60);
        assert!(overlap.max() > 1, "the racers came one after the other");
    }

    /// Deletes of all branches of a tree at once leave nothing, whatever their order.
    #[covers("history.delete_history_branch")]
    async fn concurrent_deletes_leave_nothing(t) {
        let overlap = Overlap::new();
        for round in 0..6 {
            let tree = Tree::new(t);
            fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 2, 11, 10)]).await?;
            let mut branches = vec![tree.root.clone()];
            for i in 0..5i64 {
                let base = branches[branches.len() - 1].clone();
                let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&base, if i == 0 { 4 } else { 4 + i })).await?;
                fill(t, &tree, &fork, &[(4 + i, 1, 20 + i, if i == 0 { 10 } else { 19 + i })]).await?;
                branches.push(fork);
            }
            assert_eq!(everything(t, &tree, &branches[5]).await?.len(), 6);
            let shared = Arc::new((tree.clone(), branches.clone()));
            collide(t, round, 6);
            race(6, |i, line| {
                let (p, cx, shared, overlap) = (t.p.clone(), t.cx(), shared.clone(), overlap.clone());
                async move {
                    line.wait().await;
                    let _inside = overlap.enter();
                    let (tree, branches) = &*shared;
                    p.history().delete_history_branch(&cx, &tree.delete(&branches[i], None)).await.unwrap();
                }
            })
            .await;
            for branch in &branches {
                let e = forward(t, &tree, branch, (1, END), 10).await.unwrap_err();
                assert_eq!(e.kind(), ErrorKind::NotFound);
            }
            assert!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.is_empty());
        }
        assert!(overlap.max() > 1, "the racers came one after the other");
    }

    /// Concurrent repeats of one fork make one branch.
    #[covers("history.fork_history_branch")]
    async fn concurrent_repeats_of_a_fork_make_one_branch(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        let request = Arc::new(tree.fork(&tree.root, 4));
        let overlap = Overlap::new();
        collide(t, 0, 8);
        let made = race(8, |_, line| {
            let (p, cx, request, overlap) = (t.p.clone(), t.cx(), request.clone(), overlap.clone());
            async move {
                line.wait().await;
                let _inside = overlap.enter();
                p.history().fork_history_branch(&cx, &request).await.unwrap()
            }
        })
        .await;
        assert!(made.iter().all(|b| *b == made[0]));
        assert!(overlap.max() > 1, "the racers came one after the other");
        assert_eq!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.len(), 2);
    }

    /// Concurrent appends to one place all arrive; the largest transaction id is live, for every reader the same.
    #[covers("P15", "history.append_history_node")]
    async fn concurrent_appends_all_arrive(t) {
        let tree = Arc::new(Tree::new(t));
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        let overlap = Overlap::new();
        collide(t, 0, 12);
        race(12, |i, line| {
            let (p, cx, tree, overlap) = (t.p.clone(), t.cx(), tree.clone(), overlap.clone());
            async move {
                let transaction = 20 + i64::try_from(i).unwrap();
                line.wait().await;
                let _inside = overlap.enter();
                let append = tree.append(&tree.root, (4, 1, transaction, 10));
                p.history().append_history_node(&cx, &append).await.unwrap();
            }
        })
        .await;
        assert!(overlap.max() > 1, "the racers came one after the other");
        for transaction in (20..32).rev() {
            assert_eq!(everything(t, &tree, &tree.root).await?[1], batch((4, 1, transaction, 10)));
            if transaction > 20 {
                t.p.history().trim_history_branch(&t.cx(), &tree.trim(&tree.root, 4, transaction - 1)).await?;
            }
        }
    }
}
