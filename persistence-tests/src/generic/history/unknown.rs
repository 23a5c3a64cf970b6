//! Answers that get lost.

use super::{everything, fill};
use crate::build::execution::{Flow, move_shard};
use crate::build::expect::shard_lost;
use crate::build::history::*;
use crate::generic::unknown::{Interrupted, accidents, honest, unanswered};
use crate::{Fault, FaultRule};
use persistence_core::{ErrorKind, Outcome};

/// Faults after which nobody knows whether the write was done.
pub(in crate::generic) const UNKNOWN: [Fault; 3] =
    [Fault::Before(Outcome::MaybeApplied), Fault::After, Fault::Late];

crate::cases! {
    group: "history";

    /// An append whose answer is lost is done once.
    #[covers("P13", "history.append_history_node")]
    #[kind(Calm)]
    async fn a_lost_answer_to_an_append_is_found(t) {
        for fault in UNKNOWN {
            let tree = Tree::new(t);
            for n in [(1, 3, 10, 0), (4, 1, 11, 10)] {
                t.faults.script(FaultRule::write(fault).table("history"));
                fill(t, &tree, &tree.root, &[n]).await?;
                t.faults.release().await;
            }
            assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 1, 11, 10)]));
        }
        assert_eq!(t.faults.injected().total(), 6);
    }

    /// A fork whose answer is lost makes one branch.
    #[covers("P13", "history.fork_history_branch")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_fork_is_found(t) {
        for fault in UNKNOWN {
            for lost in [1, 3] {
                let tree = Tree::new(t);
                fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
                t.faults.script(FaultRule::write(fault).table("history").times(lost));
                let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
                t.faults.release().await;
                assert_eq!(everything(t, &tree, &fork).await?, batches(&[(1, 3, 10, 0)]));
                assert_eq!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.len(), 2);
            }
        }
    }

    /// A delete whose answer is lost deletes the branch, and nothing that another uses.
    #[covers("P13", "history.delete_history_branch")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_delete_is_found(t) {
        for fault in UNKNOWN {
            let tree = Tree::new(t);
            fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 1, 11, 10)]).await?;
            let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
            t.faults.script(FaultRule::write(fault).table("history").times(2));
            t.p.history().delete_history_branch(&t.cx(), &tree.delete(&tree.root, None)).await?;
            t.faults.release().await;
            assert_eq!(everything(t, &tree, &fork).await?, batches(&[(1, 3, 10, 0)]));
            let listed = t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?;
            assert_eq!(listed.len(), 1);
            t.faults.script(FaultRule::write(fault).table("history"));
            t.p.history().delete_history_branch(&t.cx(), &tree.delete(&fork, None)).await?;
            t.faults.release().await;
            assert!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.is_empty());
            assert_eq!(everything(t, &tree, &fork).await.unwrap_err().kind(), ErrorKind::NotFound);
        }
    }

    /// A trim whose answer is lost trims.
    #[covers("P13", "history.trim_history_branch")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_trim_is_found(t) {
        for fault in UNKNOWN {
            let tree = Tree::new(t);
            fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 1, 11, 10), (4, 2, 12, 10)]).await?;
            t.faults.script(FaultRule::write(fault).table("history").times(2));
            t.p.history().trim_history_branch(&t.cx(), &tree.trim(&tree.root, 4, 11)).await?;
            fill(t, &tree, &tree.root, &[(5, 1, 20, 11)]).await?;
            t.faults.release().await;
            assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 1, 11, 10), (5, 1, 20, 11)]));
        }
    }

    /// A delete or trim says that nothing was done only where nothing was, whatever of it fails, and though an answer was lost before.
    #[covers("P13", "history.delete_history_branch!unavailable", "history.trim_history_branch!unavailable")]
    #[kind(Calm)]
    async fn a_lost_answer_outlives_later_failures(t) {
        let h = t.p.history();
        for script in accidents(4, 6) {
            for trims in [false, true] {
                let tree = Tree::new(t);
                fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 1, 11, 10), (4, 2, 12, 10)]).await?;
                let before = everything(t, &tree, &tree.root).await.ok();
                script.iter().for_each(|rule| t.faults.script(*rule));
                let answer = match trims {
                    true => h.trim_history_branch(&t.cx(), &tree.trim(&tree.root, 4, 11)).await,
                    false => h.delete_history_branch(&t.cx(), &tree.delete(&tree.root, None)).await,
                };
                t.faults.clear();
                let done = everything(t, &tree, &tree.root).await.ok() != before;
                honest(&answer, done, (&script, trims));
            }
        }
    }

    /// A fenced delete without an answer, after which the shard was lost: nobody can tell whether it was done.
    #[covers("P10", "P13", "history.delete_history_branch!shard_ownership_lost")]
    #[kind(Calm)]
    async fn a_delete_before_a_takeover_says_maybe(t) {
        let w = Flow::new(t).await?;
        let tree = Tree::in_shard(t, w.shard_id);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        let (p, delete) = (t.p.clone(), tree.delete(&tree.root, Some(w.range_id)));
        let call = |cx| async move { p.history().delete_history_branch(&cx, &delete).await };
        let ours = Interrupted::begin_on(t, "history", Fault::After, call).await;
        w.send(&move_shard(w.shard_id, 2, 3)).await?;
        let e = shard_lost(ours.end().await, 2, Some(3));
        assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
        assert_eq!(everything(t, &tree, &tree.root).await.unwrap_err().kind(), ErrorKind::NotFound);
    }

    /// A fork that arrives late, after the branch was deleted, does nothing.
    #[covers("P13", "history.fork_history_branch", "history.delete_history_branch")]
    #[kind(Calm)]
    async fn a_late_fork_of_a_deleted_branch_does_nothing(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0)]).await?;
        t.faults.script(FaultRule::write(Fault::Late).table("history"));
        let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
        for branch in [&tree.root, &fork] {
            t.p.history().delete_history_branch(&t.cx(), &tree.delete(branch, None)).await?;
        }
        t.faults.release().await;
        assert_eq!(t.faults.injected().late_refused, 1);
        assert!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.is_empty());
    }

    /// When no answer comes in time, the error says that the write may have been applied; when nothing was sent, that it
    /// was not.
    #[covers(
        "P13",
        "history.append_history_node!timeout",
        "history.append_history_node!unavailable",
        "history.fork_history_branch!timeout",
        "history.delete_history_branch!timeout",
        "history.trim_history_branch!timeout"
    )]
    #[kind(Calm)]
    async fn without_an_answer_history_says_maybe(t) {
        let tree = Tree::new(t);
        fill(t, &tree, &tree.root, &[(1, 3, 10, 0), (4, 1, 11, 10), (4, 2, 12, 10)]).await?;
        let h = t.p.history();
        let (append, fork) = (&tree.append(&tree.root, (6, 1, 13, 12)), &tree.fork(&tree.root, 4));
        let (delete, trim) = (&tree.delete(&tree.root, None), &tree.trim(&tree.root, 4, 11));
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            t.faults.script(FaultRule::write(fault).table("history").times(u64::MAX));
            unanswered(t, |cx| async move { h.append_history_node(&cx, append).await }).await;
            unanswered(t, |cx| async move { h.fork_history_branch(&cx, fork).await }).await;
            unanswered(t, |cx| async move { h.delete_history_branch(&cx, delete).await }).await;
            unanswered(t, |cx| async move { h.trim_history_branch(&cx, trim).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
        }
        t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).table("history"));
        let e = h.append_history_node(&t.cx(), &tree.append(&tree.root, (6, 1, 13, 12))).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 2, 12, 10)]));
    }
}
