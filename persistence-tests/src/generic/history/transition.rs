//! Nodes that come with a state write.

use super::{everything, fill, headers};
use crate::build::execution::Flow;
use crate::build::expect::*;
use crate::build::history::*;
use crate::build::record::*;
use persistence_core::history::MAX_NODE_BYTES;
use persistence_core::store::*;
use persistence_core::{Blob, Encoding, ErrorKind};

/// A run with its history: events 1 to 3.
async fn begun(t: &crate::Fixture) -> persistence_core::Result<(Flow, Snapshot, Tree)> {
    let flow = Flow::new(t).await?;
    let first = snapshot(t.run(), ExecutionState::Running);
    let tree = Tree::of(t, flow.shard_id, flow.run_key(first.run_id));
    let create = CreateExecution {
        history: vec![node(&tree.root, &tree.owner, (1, 3, 10, 0))],
        ..flow.brand_new(&first)
    };
    flow.send(&create).await?;
    Ok((flow, first, tree))
}

/// An update of the run that appends a node.
fn update(flow: &Flow, run: &Snapshot, tree: &Tree, version: i64, n: Node) -> UpdateExecution {
    UpdateExecution { history: vec![node(&tree.root, &tree.owner, n)], ..flow.touch(run.run_id, version) }
}

crate::cases! {
    group: "history";

    /// Nodes that come with a state write are there when it is; a first node begins the branch.
    #[covers("P11", "execution.create_execution", "execution.update_execution", "history.read_history_branch")]
    async fn nodes_come_with_the_state(t) {
        let (flow, run, tree) = begun(t).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0)]));
        let listed = t.p.history().list_tree_branches(&t.cx(), &tree.list()).await?;
        assert_eq!(listed.iter().map(|b| (&b.branch, &b.owner)).collect::<Vec<_>>(), [(&tree.root, &tree.owner)]);
        let two = [node(&tree.root, &tree.owner, (4, 2, 11, 10)), node(&tree.root, &tree.owner, (6, 1, 12, 11))];
        let both = UpdateExecution { history: two.to_vec(), ..flow.touch(run.run_id, 1) };
        flow.send(&both).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 2, 11, 10), (6, 1, 12, 11)]));
    }

    /// The nodes of a refused write are not there, whatever refused it.
    #[covers("P11", "execution.update_execution!workflow_condition_failed", "execution.update_execution!shard_ownership_lost")]
    async fn a_refused_write_leaves_no_nodes(t) {
        let (flow, run, tree) = begun(t).await?;
        let fenced_out = flow.fenced(flow.range_id - 1);
        let other = snapshot(t.run(), ExecutionState::Running);
        let refused = [
            (update(&flow, &run, &tree, 7, (4, 2, 20, 10)), ErrorKind::WorkflowConditionFailed),
            (update(&fenced_out, &run, &tree, 1, (4, 2, 21, 10)), ErrorKind::ShardOwnershipLost),
            (update(&flow, &other, &tree, 1, (4, 2, 22, 10)), ErrorKind::CurrentWorkflowConditionFailed),
            (UpdateExecution { mode: UpdateMode::IgnoreCurrent, ..update(&flow, &other, &tree, 1, (4, 1, 23, 10)) }, ErrorKind::WorkflowConditionFailed),
        ];
        for (write, kind) in refused {
            failed(flow.send(&write).await, kind);
            assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0)]), "{kind:?}");
        }
        let again = CreateExecution {
            history: vec![node(&tree.root, &tree.owner, (1, 1, 30, 0))],
            ..flow.brand_new(&other)
        };
        failed(flow.send(&again).await, ErrorKind::CurrentWorkflowConditionFailed);
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0)]));
    }

    /// A repeat of a write that was done is refused, and the nodes that it committed stay.
    #[covers("P11", "execution.update_execution!workflow_condition_failed")]
    #[kind(Calm)]
    async fn a_refused_repeat_keeps_what_was_committed(t) {
        let (flow, run, tree) = begun(t).await?;
        let done = update(&flow, &run, &tree, 1, (4, 2, 20, 10));
        flow.send(&done).await?;
        let live = batches(&[(1, 3, 10, 0), (4, 2, 20, 10)]);
        failed(flow.send(&done).await, ErrorKind::WorkflowConditionFailed);
        assert_eq!(everything(t, &tree, &tree.root).await?, live);
        flow.send(&update(&flow, &run, &tree, 2, (6, 1, 21, 20))).await?;
        failed(flow.send(&done).await, ErrorKind::WorkflowConditionFailed);
        assert_eq!(everything(t, &tree, &tree.root).await?[..2], live);
    }

    /// In a group each plan's nodes share the plan's own fate.
    #[covers("P11", "P22", "execution.apply")]
    async fn nodes_share_the_fate_of_their_plan(t) {
        let flow = Flow::new(t).await?;
        let (mut plans, mut trees) = (Vec::new(), Vec::new());
        for i in 0..6 {
            let flow = flow.sibling(t);
            let run = snapshot(t.run(), ExecutionState::Running);
            let tree = Tree::of(t, flow.shard_id, flow.run_key(run.run_id));
            let first = vec![node(&tree.root, &tree.owner, (1, 1, 10, 0))];
            flow.send(&CreateExecution { history: first, ..flow.brand_new(&run) }).await?;
            let version = if i % 3 == 1 { 5 } else { 1 };
            plans.push(update(&flow, &run, &tree, version, (2, 1, 11, 10)).lower()?);
            trees.push(tree);
        }
        let outcomes = flow.apply(plans).await?;
        for (i, (outcome, tree)) in outcomes.iter().zip(&trees).enumerate() {
            let read = everything(t, tree, &tree.root).await?;
            if i % 3 == 1 {
                assert_eq!(outcome.as_ref().unwrap_err().kind(), ErrorKind::WorkflowConditionFailed);
                assert_eq!(read, batches(&[(1, 1, 10, 0)]));
            } else {
                outcome.clone()?;
                assert_eq!(read, batches(&[(1, 1, 10, 0), (2, 1, 11, 10)]));
            }
        }
    }

    /// One transition may write to the trees of two runs.
    #[covers("P11", "execution.update_execution")]
    async fn a_transition_may_write_two_trees(t) {
        let (flow, run, tree) = begun(t).await?;
        let next = snapshot(t.run(), ExecutionState::Running);
        let new = Tree::of(t, flow.shard_id, flow.run_key(next.run_id));
        let write = UpdateExecution {
            new_run: Some(next.clone()),
            history: vec![node(&tree.root, &tree.owner, (4, 1, 11, 10)), node(&new.root, &new.owner, (1, 2, 12, 0))],
            ..flow.update_current(&mutation(run.run_id, 1, ExecutionState::Completed))
        };
        flow.send(&write).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 1, 11, 10)]));
        assert_eq!(everything(t, &new, &new.root).await?, batches(&[(1, 2, 12, 0)]));
    }

    /// A conflict resolution writes to the fork that it resets the run to.
    #[covers("P11", "execution.conflict_resolve_execution", "history.fork_history_branch")]
    async fn a_reset_writes_to_its_fork(t) {
        let (flow, run, tree) = begun(t).await?;
        flow.send(&update(&flow, &run, &tree, 1, (4, 2, 20, 10))).await?;
        let fork = t.p.history().fork_history_branch(&t.cx(), &tree.fork(&tree.root, 4)).await?;
        let reset = Snapshot { record_version: 2, ..snapshot(run.run_id, ExecutionState::Running) };
        let write = ConflictResolveExecution {
            history: vec![node(&fork, &tree.owner, (4, 1, 30, 10))],
            ..flow.resolve(ConflictResolveMode::UpdateCurrent, &reset)
        };
        flow.send(&write).await?;
        assert_eq!(everything(t, &tree, &fork).await?, batches(&[(1, 3, 10, 0), (4, 1, 30, 10)]));
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 2, 20, 10)]));
    }

    /// What a node may not be, it may not be beside a state write either; then the state stays as it was.
    #[covers("execution.update_execution!invalid_argument", "execution.update_execution!too_large")]
    async fn a_bad_node_fails_its_state_write(t) {
        let (flow, run, tree) = begun(t).await?;
        let good = update(&flow, &run, &tree, 1, (4, 1, 11, 10));
        let with = |n: NodeWrite| UpdateExecution { history: vec![n], ..good.clone() };
        let bad = |h: Node| NodeWrite { header: header(h), ..good.history[0].clone() };
        invalid(flow.send(&with(bad((0, 1, 11, 10)))).await);
        invalid(flow.send(&with(bad((4, 0, 11, 10)))).await);
        invalid(flow.send(&with(bad((4, 1, 10, 10)))).await);
        let twice = UpdateExecution { history: vec![good.history[0].clone(); 2], ..good.clone() };
        invalid(flow.send(&twice).await);
        let events = Blob::new(Encoding::PROTO3, vec![0u8; MAX_NODE_BYTES + 1]);
        let large = with(NodeWrite { events, ..good.history[0].clone() });
        failed(flow.send(&large).await, ErrorKind::TooLarge);
        assert_eq!(flow.load(run.run_id).await?, created(&run));
        assert_eq!(headers(t, &tree, &tree.root, (1, super::END), 9).await?.len(), 1);
    }

    /// History that was appended before its state write, which then never came, is read like any other: readers are
    /// bounded by the run's next event id, and the next write outranks it.
    #[covers("P11", "P15", "history.append_history_node", "execution.update_execution")]
    async fn the_next_write_outranks_a_crashed_one(t) {
        let (flow, run, tree) = begun(t).await?;
        fill(t, &tree, &tree.root, &[(4, 3, 15, 10)]).await?;
        flow.send(&update(&flow, &run, &tree, 1, (4, 1, 20, 10))).await?;
        assert_eq!(everything(t, &tree, &tree.root).await?, batches(&[(1, 3, 10, 0), (4, 1, 20, 10)]));
    }
}
