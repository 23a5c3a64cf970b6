//! Retention: what closed before a time goes, with its history.

use crate::build::execution::Flow;
use crate::build::expect::{failed, invalid, missing};
use crate::build::history::*;
use crate::build::record::{mutation, snapshot};
use crate::build::visibility::*;
use crate::generic::history::everything;
use crate::generic::unknown::Interrupted;
use crate::{Fault, FaultRule, Fixture};
use persistence_core::layer::{Call, Layer, Layered, Op};
use persistence_core::retention::*;
use persistence_core::store::*;
use persistence_core::{Context, Error, ErrorKind, Outcome, Result};

/// A run with state, history and a record.
struct Run {
    flow: Flow,
    tree: Tree,
    record: VisibilityRecord,
}

impl Run {
    /// A run that started so long after the case began, and closed a second later or not at all.
    async fn new(t: &Fixture, seen: &Seen, start: i64, closes: bool) -> Result<Run> {
        let flow = Flow { namespace_id: seen.namespace_id, ..Flow::new(t).await? };
        let first = snapshot(t.run(), ExecutionState::Running);
        let tree = Tree::of(t, flow.shard_id, flow.run_key(first.run_id));
        let history = vec![node(&tree.root, &tree.owner, (1, 3, 10, 0))];
        flow.send(&CreateExecution { history, ..flow.brand_new(&first) }).await?;
        let open = VisibilityRecord {
            run: tree.owner.clone(),
            shard_id: flow.shard_id,
            branch: Some(tree.root.clone()),
            ..seen.run(first.run_id, start)
        };
        seen.record(&open).await?;
        let mut run = Run { flow, tree, record: open };
        if closes {
            let end = run.flow.update_current(&mutation(first.run_id, 1, ExecutionState::Completed));
            let history = vec![node(&run.tree.root, &run.tree.owner, (4, 1, 11, 10))];
            run.flow.send(&UpdateExecution { history, ..end }).await?;
            run.record = closed(&run.record, ExecutionStatus::Completed, SECOND);
            seen.record(&run.record).await?;
        }
        Ok(run)
    }

    /// There is state, a current record, history and a visibility record.
    async fn is_whole(&self, t: &Fixture, seen: &Seen) -> Result<()> {
        let run = self.record.run.run_id;
        self.flow.load(run).await?;
        assert_eq!(self.flow.current().await?.run_id, run);
        assert!(!everything(t, &self.tree, &self.tree.root).await?.is_empty());
        assert_eq!(seen.get(run).await?, self.record);
        Ok(())
    }

    /// There is nothing of it.
    async fn is_gone(&self, t: &Fixture, seen: &Seen) -> Result<()> {
        let run = self.record.run.run_id;
        missing(self.flow.load(run).await);
        if let Ok(current) = self.flow.current().await {
            assert_ne!(current.run_id, run);
        }
        missing(everything(t, &self.tree, &self.tree.root).await);
        assert!(t.p.history().list_tree_branches(&t.cx(), &self.tree.list()).await?.is_empty());
        missing(seen.get(run).await);
        Ok(())
    }
}

/// Refuses an operation, whatever is asked.
struct Refuses(&'static str);

impl Layer for Refuses {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        op: &'a Op,
        call: C,
    ) -> Result<T> {
        if op.name == self.0 { Err(Error::invalid("request", "is refused")) } else { call(cx.clone()).await }
    }
}

fn request(seen: &Seen, millis: i64, limit: u32) -> DeleteClosed {
    let closed_before = seen.at(millis);
    DeleteClosed { namespace_id: seen.namespace_id, closed_before, limit, dry_run: false, token: None }
}

/// Calls until there is nothing more.
async fn retain(t: &Fixture, req: &DeleteClosed) -> Result<DeletedClosed> {
    let (mut all, mut req) = (DeletedClosed::default(), req.clone());
    loop {
        let done = delete_closed(&*t.p, &t.cx(), &req).await?;
        assert!(done.examined <= u64::from(req.limit));
        all.examined += done.examined;
        all.deleted += done.deleted;
        all.without_state += done.without_state;
        all.branches_deleted += done.branches_deleted;
        all.still_open.extend(done.still_open);
        all.failed.extend(done.failed);
        req.token = done.next;
        if req.token.is_none() {
            return Ok(all);
        }
    }
}

/// Counts that must be these: examined, deleted, without state, branches.
fn told(done: &DeletedClosed, counts: [u64; 4]) {
    assert_eq!([done.examined, done.deleted, done.without_state, done.branches_deleted], counts, "{done:?}");
    assert!(done.failed.is_empty(), "{done:?}");
}

crate::cases! {
    group: "retention";

    /// What closed before the time is deleted with everything, in steps of any size; what closed later or is open stays, and so
    /// do other namespaces. A dry run tells the same and deletes nothing.
    #[covers("visibility.list_visibility", "visibility.delete_visibility", "execution.delete_execution",
        "execution.delete_current_execution", "history.delete_history_branch")]
    #[kind(Calm)]
    async fn what_closed_before_a_time_goes(t) {
        let (seen, apart) = (Seen::new(t), Seen::new(t));
        let foreign = Run::new(t, &apart, 0, true).await?;
        for limit in [1, 2, 10] {
            let mut old = Vec::new();
            for i in 0..3 {
                old.push(Run::new(t, &seen, i, true).await?);
            }
            let young = Run::new(t, &seen, HOUR, true).await?;
            let open = Run::new(t, &seen, 0, false).await?;
            let req = request(&seen, HOUR, limit);
            told(&retain(t, &DeleteClosed { dry_run: true, ..req.clone() }).await?, [3, 3, 0, 3]);
            for run in old.iter().chain([&young, &open, &foreign]) {
                run.is_whole(t, &seen_of(run, &seen, &apart)).await?;
            }
            told(&retain(t, &req).await?, [3, 3, 0, 3]);
            for run in &old {
                run.is_gone(t, &seen).await?;
            }
            for run in [&young, &open, &foreign] {
                run.is_whole(t, &seen_of(run, &seen, &apart)).await?;
            }
            told(&retain(t, &req).await?, [0, 0, 0, 0]);
            told(&retain(t, &request(&seen, 2 * HOUR, limit)).await?, [1, 1, 0, 1]);
            seen.delete(open.record.run.run_id, i64::MAX, DeleteVisibility::REMEMBER).await?;
        }
    }

    /// The current record goes only if it names the run; branches of other runs in the tree stay, and so does what they share.
    #[covers("execution.delete_current_execution", "history.delete_history_branch")]
    #[kind(Calm)]
    async fn what_belongs_to_others_stays(t) {
        let seen = Seen::new(t);
        let old = Run::new(t, &seen, 0, true).await?;
        let before = snapshot(old.record.run.run_id, ExecutionState::Completed);
        let next = snapshot(t.run(), ExecutionState::Running);
        let last_write_version = old.flow.current().await?.last_write_version;
        let mode = CreateMode::UpdateCurrent { previous_run_id: before.run_id, previous_last_write_version: last_write_version };
        old.flow.send(&old.flow.create(mode, &next)).await?;
        let owner = old.flow.run_key(next.run_id);
        let fork = ForkHistoryBranch { owner: owner.clone(), ..old.tree.fork(&old.tree.root, 4) };
        let branch = t.p.history().fork_history_branch(&t.cx(), &fork).await?;
        let mut more = Vec::new();
        for n in [(4, 2, 20, 10)] {
            let append = AppendHistoryNode { shard_id: old.flow.shard_id, node: node(&branch, &owner, n) };
            t.p.history().append_history_node(&t.cx(), &append).await?;
            more.push(n);
        }
        told(&retain(t, &request(&seen, HOUR, 5)).await?, [1, 1, 0, 1]);
        missing(old.flow.load(before.run_id).await);
        missing(seen.get(before.run_id).await);
        assert_eq!(old.flow.current().await?.run_id, next.run_id);
        old.flow.load(next.run_id).await?;
        assert_eq!(everything(t, &old.tree, &branch).await?, batches(&[(1, 3, 10, 0), more[0]]));
        assert_eq!(t.p.history().list_tree_branches(&t.cx(), &old.tree.list()).await?.len(), 1);
    }

    /// Whichever step fails, what is left is found by the next call, which completes it.
    #[covers("visibility.delete_visibility", "execution.delete_execution", "history.delete_history_branch")]
    #[kind(Calm)]
    async fn an_interrupted_deletion_is_completed(t) {
        let seen = Seen::new(t);
        let mut interrupted = 0;
        for nth in 1..=8 {
            let run = Run::new(t, &seen, 0, true).await?;
            let req = request(&seen, HOUR, 5);
            t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).nth(nth).times(u64::MAX));
            let first = retain(t, &req).await;
            t.faults.quiet().await;
            t.faults.clear();
            if let Err(e) = first {
                assert!(e.is_retryable(), "{e}");
                interrupted += 1;
                assert_eq!(seen.get(run.record.run.run_id).await?, run.record, "still to be found");
                let again = retain(t, &req).await?;
                assert_eq!((again.examined, again.deleted), (1, 1), "{again:?}");
            }
            run.is_gone(t, &seen).await?;
            told(&retain(t, &req).await?, [0, 0, 0, 0]);
        }
        assert!(interrupted >= 3, "{interrupted} of 8 were interrupted: state with current record, history, visibility");
    }

    /// An error says that nothing was deleted only where nothing was; and so does that of a run that is given beside the others.
    #[covers("visibility.delete_visibility!unavailable", "history.delete_history_branch!unavailable")]
    #[kind(Calm)]
    async fn an_error_tells_of_what_was_deleted(t) {
        let (seen, mut outcomes) = (Seen::new(t), [0, 0]);
        let req = request(&seen, HOUR, 5);
        for nth in 1..=6 {
            let runs = [Run::new(t, &seen, 0, true).await?, Run::new(t, &seen, 1, true).await?];
            t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).nth(nth).times(u64::MAX));
            let failed = delete_closed(&*t.p, &t.cx(), &req).await;
            t.faults.quiet().await;
            t.faults.clear();
            let e = failed.unwrap_err();
            let some = e.outcome() == Outcome::MaybeApplied;
            outcomes[usize::from(some)] += 1;
            for run in runs.iter().filter(|_| !some) {
                run.is_whole(t, &seen).await?;
            }
            retain(t, &req).await?;
        }
        assert!(outcomes[0] >= 1 && outcomes[1] >= 4, "{outcomes:?} of 6");
        for (step, begun) in [("execution.apply", false), ("history.delete_history_branch", true)] {
            let run = Run::new(t, &seen, 0, true).await?;
            let mut done = delete_closed(&*Layered::wrap(t.p.clone(), Refuses(step)), &t.cx(), &req).await?;
            let (failed, e) = done.failed.pop().unwrap();
            assert_eq!((failed, e.kind()), (run.record.run, ErrorKind::InvalidArgument));
            assert_eq!(e.outcome(), if begun { Outcome::MaybeApplied } else { Outcome::NotApplied }, "{step}");
            told(&retain(t, &req).await?, [1, 1, u64::from(begun), 1]);
        }
    }

    /// A run that visibility takes for closed stays while its state is not; one without state is deleted; records without a run are
    /// reported.
    #[covers("execution.get_execution", "visibility.list_visibility")]
    #[kind(Calm)]
    async fn state_decides_what_is_closed(t) {
        let seen = Seen::new(t);
        let open = Run::new(t, &seen, 0, false).await?;
        let wrong = closed(&open.record, ExecutionStatus::Failed, 1);
        seen.record(&wrong).await?;
        let without = closed(&VisibilityRecord { branch: None, ..seen.run(t.run(), 0) }, ExecutionStatus::Failed, 1);
        let without = VisibilityRecord { shard_id: open.flow.shard_id, ..without };
        seen.record(&without).await?;
        let running = VisibilityRecord { shard_id: open.flow.shard_id, ..seen.run(t.run(), 0) };
        seen.record(&running).await?;
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let req = FindOrphans { namespace_id: seen.namespace_id, limit: 2, token };
            let page = find_orphans(&*t.p, &t.cx(), &req).await?;
            found.extend(page.without_run);
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found, [running.run.clone(), without.run.clone()]);
        let done = retain(t, &request(&seen, HOUR, 1)).await?;
        told(&done, [2, 1, 1, 0]);
        assert_eq!(done.still_open, std::slice::from_ref(&wrong.run));
        assert_eq!(seen.get(wrong.run.run_id).await?, wrong);
        open.flow.load(wrong.run.run_id).await?;
        missing(seen.get(without.run.run_id).await);
        assert_eq!(seen.get(running.run.run_id).await?, running);
    }

    /// A run that is reset to run again while it is deleted stays whole, and is reported; when it has closed again it goes.
    #[covers("execution.apply", "execution.conflict_resolve_execution")]
    #[kind(Calm)]
    async fn a_run_that_is_reset_meanwhile_stays(t) {
        let seen = Seen::new(t);
        let run = Run::new(t, &seen, 0, true).await?;
        let (p, flow, id) = (t.p.clone(), &run.flow, run.record.run.run_id);
        let req = request(&seen, HOUR, 5);
        let ours = req.clone();
        let not_yet = Fault::Before(Outcome::MaybeApplied);
        let call = |cx| async move { delete_closed(&*p, &cx, &ours).await };
        let deletion = Interrupted::begin_on(t, "shard", not_yet, call).await;
        let again = Snapshot { record_version: 2, ..snapshot(id, ExecutionState::Running) };
        flow.send(&flow.resolve(ConflictResolveMode::UpdateCurrent, &again)).await?;
        let done = deletion.end().await?;
        told(&done, [1, 0, 0, 0]);
        assert_eq!(done.still_open, std::slice::from_ref(&run.record.run));
        run.is_whole(t, &seen).await?;
        assert_eq!(flow.load(id).await?.record.state, ExecutionState::Running);
        flow.send(&flow.update_current(&mutation(id, 3, ExecutionState::Completed))).await?;
        told(&retain(t, &req).await?, [1, 1, 0, 1]);
        run.is_gone(t, &seen).await?;
    }

    /// A limit of 0 is invalid, and so is a token of another time.
    #[covers("visibility.list_visibility!invalid_argument", "visibility.list_visibility!invalid_token")]
    async fn bad_retentions_are_invalid(t) {
        let seen = Seen::new(t);
        for i in 0..2 {
            Run::new(t, &seen, i, true).await?;
        }
        let req = request(&seen, HOUR, 1);
        invalid(delete_closed(&*t.p, &t.cx(), &DeleteClosed { limit: 0, ..req.clone() }).await);
        let dry = DeleteClosed { dry_run: true, ..req.clone() };
        let token = delete_closed(&*t.p, &t.cx(), &dry).await?.next;
        assert!(token.is_some());
        let other = DeleteClosed { closed_before: seen.at(2 * HOUR), token: token.clone(), ..dry };
        let e: Error = failed(delete_closed(&*t.p, &t.cx(), &other).await, ErrorKind::InvalidToken);
        assert_eq!(e.outcome(), Outcome::NotApplied);
        told(&delete_closed(&*t.p, &t.cx(), &DeleteClosed { token, ..req }).await?, [1, 1, 0, 1]);
    }
}

fn seen_of(run: &Run, seen: &Seen, apart: &Seen) -> Seen {
    if run.flow.namespace_id == seen.namespace_id { seen.clone() } else { apart.clone() }
}
