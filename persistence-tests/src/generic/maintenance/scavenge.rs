//! What a crash between history append and state write leaves.

use crate::build::execution::{Flow, move_shard};
use crate::build::expect::{invalid, missing};
use crate::build::history::*;
use crate::build::record::{mutation, snapshot};
use crate::fixture::call;
use crate::generic::history::{UNKNOWN, everything, fill};
use crate::generic::unknown::unanswered;
use crate::{Fault, FaultRule, Fixture};
use persistence_core::store::*;
use persistence_core::{Capability, ErrorKind, Outcome, PageRequest, PageToken, Result};
use std::time::Duration;

pub(super) const SAFE: Duration = Duration::from_secs(3600);
pub(super) const MS: Duration = Duration::from_millis(1);

pub(super) fn step(limit: u32, token: Option<PageToken>) -> Scavenge {
    Scavenge { limit, safety_age: SAFE, dry_run: false, token }
}

/// Scavenges everything, some trees at a time.
pub(super) async fn scavenge(t: &Fixture, limit: u32) -> Result<Scavenged> {
    let (mut all, mut token) = (Scavenged::default(), None);
    loop {
        let done = t.p.maintenance().scavenge(&t.cx(), &step(limit, token)).await?;
        assert!(done.trees <= u64::from(limit));
        all.trees += done.trees;
        all.branches_deleted += done.branches_deleted;
        all.nodes_deleted += done.nodes_deleted;
        token = done.next;
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// A run with two batches that its state points to: events 1 to 5.
pub(super) async fn begun(t: &Fixture) -> Result<(Flow, Snapshot, Tree)> {
    let flow = Flow::new(t).await?;
    let run = snapshot(t.run(), ExecutionState::Running);
    let tree = Tree::of(t, flow.shard_id, flow.run_key(run.run_id));
    let write = CreateExecution {
        history: vec![node(&tree.root, &tree.owner, (1, 3, 10, 0))],
        ..flow.brand_new(&run)
    };
    flow.send(&write).await?;
    flow.send(&update(&flow, &run, &tree, 1, (4, 2, 11, 10))).await?;
    Ok((flow, run, tree))
}

fn update(flow: &Flow, run: &Snapshot, tree: &Tree, version: i64, n: Node) -> UpdateExecution {
    UpdateExecution { history: vec![node(&tree.root, &tree.owner, n)], ..flow.touch(run.run_id, version) }
}

pub(super) const LIVE: &[Node] = &[(1, 3, 10, 0), (4, 2, 11, 10)];

crate::cases! {
    group: "maintenance";

    /// Nodes beyond the tail are removed once they are older than the safety age, and not before; live ones never.
    #[covers("P11", "maintenance.scavenge", "history.append_history_node")]
    #[isolation(Own)]
    async fn leftovers_beyond_the_tail_are_removed_when_old(t) {
        let (flow, run, tree) = begun(t).await?;
        fill(t, &tree, &tree.root, &[(6, 1, 20, 11), (7, 1, 21, 20)]).await?;
        t.clock.advance(SAFE);
        assert_eq!(scavenge(t, 10).await?.nodes_deleted, 0, "not older than the safety age");
        assert_eq!(everything(t, &tree, &tree.root).await?.len(), 4);
        t.clock.advance(MS);
        fill(t, &tree, &tree.root, &[(6, 1, 30, 11)]).await?;
        scavenge(t, 10).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[LIVE[0], LIVE[1], (6, 1, 30, 11)]), "the young one");
        t.clock.advance(SAFE + MS);
        scavenge(t, 10).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(LIVE));
        flow.send(&update(&flow, &run, &tree, 2, (6, 2, 40, 11))).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?.len(), 3);
    }

    /// A scavenge tells how much it did; a dry run the same before, and does nothing.
    #[covers("maintenance.scavenge")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_scavenge_tells_what_it_did(t) {
        let (_, _, tree) = begun(t).await?;
        fill(t, &tree, &tree.root, &[(6, 1, 20, 11), (6, 1, 21, 11), (9, 1, 22, 8)]).await?;
        let orphan = Tree::new(t);
        fill(t, &orphan, &orphan.root, LIVE).await?;
        let dry = Scavenge { dry_run: true, ..step(10, None) };
        let young = t.p.maintenance().scavenge(&t.cx(), &dry).await?;
        assert_eq!(young, Scavenged { trees: 2, ..Scavenged::default() });
        t.clock.advance(SAFE + MS);
        let all = Scavenged { trees: 2, branches_deleted: 1, nodes_deleted: 3, next: None };
        for _ in 0..2 {
            assert_eq!(t.p.maintenance().scavenge(&t.cx(), &dry).await?, all, "a dry run deletes nothing");
        }
        assert_eq!(scavenge(t, 10).await?, all);
        let again = scavenge(t, 10).await?;
        assert_eq!(again, Scavenged { trees: 1, ..Scavenged::default() });
    }

    /// Branches whose run does not exist are removed once they are older than the safety age.
    #[covers("P11", "maintenance.scavenge", "execution.delete_execution")]
    #[isolation(Own)]
    async fn branches_without_a_run_are_removed_when_old(t) {
        let (flow, run, tree) = begun(t).await?;
        let orphan = Tree::new(t);
        fill(t, &orphan, &orphan.root, LIVE).await?;
        t.clock.advance(SAFE + MS);
        let young = Tree::new(t);
        fill(t, &young, &young.root, LIVE).await?;
        scavenge(t, 10).await?;
        missing(everything(t, &orphan, &orphan.root).await);
        assert!(t.p.history().list_tree_branches(&t.cx(), &orphan.list()).await?.is_empty());
        assert_eq!(everything(t, &young, &young.root).await?, batches(LIVE));
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(LIVE));
        flow.send(&flow.delete(run.run_id)).await?;
        scavenge(t, 10).await?;
        missing(everything(t, &tree, &tree.root).await);
    }

    /// A scavenge keeps what another branch shares: of a run that is gone, and beyond a tail.
    #[covers("P11", "maintenance.scavenge", "history.fork_history_branch")]
    #[isolation(Own)]
    async fn a_scavenge_keeps_what_is_shared(t) {
        let (flow, run, tree) = begun(t).await?;
        fill(t, &tree, &tree.root, &[(6, 1, 20, 11), (7, 1, 21, 20)]).await?;
        let other = flow.sibling(t);
        let heir = snapshot(t.run(), ExecutionState::Running);
        let fork = ForkHistoryBranch { owner: other.run_key(heir.run_id), ..tree.fork(&tree.root, 7) };
        let branch = t.p.history().fork_history_branch(&t.cx(), &fork).await?;
        let write = CreateExecution { history: vec![node(&branch, &fork.owner, (7, 2, 30, 20))], ..other.brand_new(&heir) };
        other.send(&write).await?;
        t.clock.advance(SAFE + MS);
        let shared = batches(&[LIVE[0], LIVE[1], (6, 1, 20, 11), (7, 2, 30, 20)]);
        scavenge(t, 10).await?;
        assert_eq!(everything(t, &tree, &branch).await?, shared, "beyond a tail");
        flow.send(&flow.delete(run.run_id)).await?;
        scavenge(t, 10).await?;
        assert_eq!(everything(t, &tree, &branch).await?, shared, "of a run that is gone");
        assert_eq!(t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?.len(), 1);
    }

    /// A fork that no transition has written to yet stays, and so do stale nodes below the tail: they hurt nobody.
    #[covers("P11", "maintenance.scavenge")]
    #[isolation(Own)]
    async fn a_scavenge_touches_nothing_that_it_does_not_know(t) {
        let (_, _, tree) = begun(t).await?;
        let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
        fill(t, &tree, &fork, &[(4, 1, 30, 10)]).await?;
        fill(t, &tree, &tree.root, &[(4, 1, 9, 8), (1, 1, 8, 0)]).await?;
        t.clock.advance(SAFE + MS);
        scavenge(t, 10).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(LIVE));
        assert_eq!(everything(t, &tree, &fork).await?, batches(&[(1, 3, 10, 0), (4, 1, 30, 10)]));
    }

    /// A scavenge in small steps does what one in a single step does, and looks at every tree once.
    #[covers("P9", "P11", "maintenance.scavenge")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_scavenge_can_be_resumed(t) {
        for limit in [1, 2, 3, 6, 7, 100] {
            let mut kept = Vec::new();
            for i in 0..6 {
                let (flow, run, tree) = begun(t).await?;
                fill(t, &tree, &tree.root, &[(6, 1, 20, 11)]).await?;
                match i % 3 {
                    0 => flow.send(&flow.delete(run.run_id)).await?,
                    _ => kept.push((flow, run, tree)),
                }
            }
            t.clock.advance(SAFE + MS);
            let done = scavenge(t, limit).await?;
            assert_eq!(done, Scavenged { trees: 6, branches_deleted: 2, nodes_deleted: 4, next: None }, "by {limit}");
            for (flow, run, tree) in kept {
                assert_eq!(everything(t, &tree, &tree.root).await?, batches(LIVE));
                flow.send(&flow.delete(run.run_id)).await?;
                t.p.history().delete_history_branch(&t.cx(), &tree.delete(&tree.root, None)).await?;
            }
        }
    }

    /// A limit of 0 is invalid, and so are tokens that are not a scavenge's own.
    #[covers("P9", "P24", "maintenance.scavenge!invalid_argument", "maintenance.scavenge!invalid_token")]
    #[isolation(Own)]
    async fn bad_scavenges_are_invalid(t) {
        let m = t.p.maintenance();
        invalid(m.scavenge(&t.cx(), &step(0, None)).await);
        for _ in 0..3 {
            let tree = Tree::new(t);
            fill(t, &tree, &tree.root, LIVE).await?;
        }
        let list = ListHistoryBranches { page: persistence_core::PageRequest::first(1) };
        let foreign = t.p.history().list_history_branches(&t.cx(), &list).await?.next.unwrap();
        let own = m.scavenge(&t.cx(), &step(1, None)).await?.next.unwrap();
        let mut damaged = own.as_bytes().to_vec();
        damaged[3] ^= 1;
        for bad in [foreign, PageToken::from_bytes(damaged), PageToken::from_bytes(Vec::new())] {
            let e = m.scavenge(&t.cx(), &step(1, Some(bad.clone()))).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidToken);
        }
        assert_eq!(m.scavenge(&t.cx(), &step(5, Some(own))).await?.trees, 2);
    }

    /// A process that ends between history and state leaves nothing that a reader or the next owner meets, of a run that goes on
    /// and of one that was to begin; once it is old, a scavenge removes what lies beyond the tail.
    #[covers("P11", "maintenance.scavenge", "execution.create_execution", "execution.update_execution")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_crash_between_history_and_state_is_in_nobodys_way(t) {
        let (flow, run, tree) = begun(t).await?;
        let unborn = snapshot(t.run(), ExecutionState::Running);
        let sibling = flow.sibling(t);
        let bare = Tree::of(t, flow.shard_id, sibling.run_key(unborn.run_id));
        let history = vec![node(&bare.root, &bare.owner, (1, 3, 10, 0))];
        let create = CreateExecution { history, ..sibling.brand_new(&unborn) };
        let crash = || t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).table("shard"));
        crash();
        assert_eq!(flow.send(&update(&flow, &run, &tree, 2, (6, 1, 20, 11))).await.unwrap_err().outcome(), Outcome::NotApplied);
        crash();
        assert_eq!(sibling.send(&create).await.unwrap_err().outcome(), Outcome::NotApplied);
        t.faults.clear();
        let state = flow.load(run.run_id).await?;
        let read = tree.read(&tree.root, 1, 6, PageRequest::first(10));
        assert_eq!((state.record_version, t.p.history().read_history_branch(&t.cx(), &read).await?.items), (2, batches(LIVE)));
        assert_eq!(sibling.load(unborn.run_id).await.unwrap_err().kind(), ErrorKind::NotFound);
        // Another owner does something else in the same place, and ends likewise.
        flow.send(&move_shard(flow.shard_id, flow.range_id, flow.range_id + 1)).await?;
        let heir = flow.fenced(flow.range_id + 1);
        let live = batches(&[LIVE[0], LIVE[1], (6, 2, 30, 11)]);
        heir.send(&update(&heir, &run, &tree, 2, (6, 2, 30, 11))).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, live);
        crash();
        assert!(heir.send(&update(&heir, &run, &tree, 3, (8, 1, 40, 30))).await.is_err());
        t.faults.clear();
        t.clock.advance(SAFE + MS);
        let left = u64::from(!t.capabilities().has(Capability::AtomicHistory));
        let done = scavenge(t, 10).await?;
        assert_eq!((done.nodes_deleted, done.branches_deleted), (left, left));
        assert_eq!(everything(t, &tree, &tree.root).await?, live);
        missing(everything(t, &bare, &bare.root).await);
        let after = heir.touch(run.run_id, 3);
        heir.send(&after).await?;
    }

    /// A scavenge beside writers removes nothing that they commit.
    #[covers("P11", "maintenance.scavenge", "execution.update_execution")]
    #[isolation(Own)]
    async fn a_scavenge_runs_beside_writers(t) {
        let (flow, run, tree) = begun(t).await?;
        fill(t, &tree, &tree.root, &[(6, 3, 19, 11)]).await?;
        t.clock.advance(SAFE + MS);
        let p = t.p.clone();
        let sweeper = tokio::spawn(async move {
            for _ in 0..20 {
                p.maintenance().scavenge(&call(), &step(10, None)).await?;
            }
            Ok::<_, persistence_core::Error>(())
        });
        let mut live = LIVE.to_vec();
        for i in 0..20 {
            let n = (6 + i, 1, 20 + i, if i == 0 { 11 } else { 19 + i });
            flow.send(&update(&flow, &run, &tree, 2 + i, n)).await?;
            live.push(n);
        }
        sweeper.await??;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&live));
    }

    /// After the leftovers of a closed run were removed, and the run's answer was lost on the way, nothing more goes.
    #[covers("P13", "maintenance.scavenge")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_scavenge_is_found(t) {
        for fault in UNKNOWN {
            let (flow, run, tree) = begun(t).await?;
            let closing = flow.update_current(&mutation(run.run_id, 2, ExecutionState::Completed));
            flow.send(&closing).await?;
            fill(t, &tree, &tree.root, &[(6, 1, 20, 11)]).await?;
            let orphan = Tree::new(t);
            fill(t, &orphan, &orphan.root, LIVE).await?;
            t.clock.advance(SAFE + MS);
            t.faults.script(FaultRule::write(fault).table("history").times(2));
            scavenge(t, 10).await?;
            t.faults.clear();
            t.faults.release().await;
            scavenge(t, 10).await?;
            assert_eq!(everything(t, &tree, &tree.root).await?, batches(LIVE));
            missing(everything(t, &orphan, &orphan.root).await);
        }
    }

    /// When no answer comes in time, the error says so.
    #[covers("P13", "maintenance.scavenge!timeout", "maintenance.sweep_expired!timeout")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn without_an_answer_maintenance_says_maybe(t) {
        use crate::build::task;
        use persistence_core::Clock;
        let orphan = Tree::new(t);
        fill(t, &orphan, &orphan.root, LIVE).await?;
        let key = task::queue_key(t);
        t.p.tasks().create_task_queue(&t.cx(), &task::create(&key, 1, Some(t.clock.now()))).await?;
        t.clock.advance(SAFE + MS);
        t.faults.script(FaultRule::write(Fault::Cut(None)).times(u64::MAX));
        let (m, sweep) = (t.p.maintenance(), &SweepExpired { limit: 5, token: None });
        unanswered(t, |cx| async move { m.scavenge(&cx, &step(5, None)).await }).await;
        unanswered(t, |cx| async move { m.sweep_expired(&cx, sweep).await }).await;
    }
}
