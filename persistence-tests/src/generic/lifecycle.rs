//! Opening, closing and opening again; and layers around every call.

use super::calls::every_call;
use crate::build::execution::{Flow, move_shard};
use crate::build::expect::*;
use crate::build::history::{Tree, batches, node};
use crate::build::record::*;
use crate::generic::execution_create::history;
use crate::race::Beside;
use crate::{Fault, FaultRule};
use persistence_core::layer::{Call, Deadline, Effect, Layer, Layered, Op};
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{Capability, Context, Detail, ErrorKind, Outcome, Result};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(30);

/// Notes every call.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Op>>>);

impl Layer for Recorder {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        op: &'a Op,
        call: C,
    ) -> Result<T> {
        self.0.lock().unwrap().push(*op);
        call(cx.clone()).await
    }
}

/// Never answers, and does not look at the deadline.
struct Stuck;

impl Layer for Stuck {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        _: &'a Context,
        _: &'a Op,
        _: C,
    ) -> Result<T> {
        std::future::pending().await
    }
}

/// Does every call twice, one after the other, and gives the second answer.
struct Twice;

impl Layer for Twice {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        _: &'a Op,
        call: C,
    ) -> Result<T> {
        call(cx.clone()).await?;
        call(cx.clone()).await
    }
}

crate::cases! {
    group: "lifecycle";

    /// After closing every operation of every store answers `Closed`, and nothing was done; other handles go on.
    #[covers("shard.get_shard!closed", "shard.update_shard!closed", "execution.create_execution!closed",
        "execution.get_execution!closed", "history.append_history_node!closed", "history.read_history_branch!closed",
        "task.create_tasks!closed", "task.get_tasks!closed", "queue.enqueue!closed", "queue.read_queue!closed",
        "document.write_documents!closed", "document.find_documents!closed", "metadata.create_namespace!closed",
        "metadata.get_namespace!closed", "cluster.save_cluster_metadata!closed", "cluster.get_members!closed",
        "endpoint.put_endpoint!closed", "endpoint.list_endpoints!closed", "user_data.update_user_data!closed",
        "user_data.get_user_data!closed", "visibility.upsert_visibility!closed",
        "visibility.list_visibility!closed", "maintenance.scavenge!closed", "maintenance.sweep_expired!closed")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn closed_handle_refuses_everything(t) {
        let calls = every_call(t).await?;
        let other = t.another().await?;
        other.close().await?;
        for call in &calls {
            let e = failed(call.run(&*other, &t.cx()).await, ErrorKind::Closed);
            assert_eq!(e.outcome(), Outcome::NotApplied, "{}: {e}", call.name);
            assert!(!e.is_retryable(), "{}: {e}", call.name);
        }
        // All of them can still be done for the first time.
        for call in &calls {
            call.run(&*t.p, &t.cx()).await.unwrap_or_else(|e| panic!("{}: {e}", call.name));
        }
    }

    /// Closing twice, also at once, is closing.
    #[covers("shard.get_shard!closed")]
    async fn closing_twice(t) {
        let id = t.shard();
        let closers: Vec<_> = (0..4).map(|_| {
            let p = t.p.clone();
            Beside::run(async move { p.close().await })
        }).collect();
        for closer in closers {
            closer.end().await?;
        }
        t.p.close().await?;
        failed(t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: id }).await, ErrorKind::Closed);
    }

    /// Closing waits for writes under way: they come to their answer; calls that come meanwhile are refused.
    #[covers("execution.update_execution!closed", "execution.update_execution")]
    #[kind(Calm)]
    async fn closing_waits_for_writes(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let other = w.over(t.another().await?);
        t.faults.script(FaultRule::write(Fault::After));
        t.faults.script(FaultRule::write(Fault::Cut(Some(Duration::from_millis(300)))));
        let ours = Beside::run({
            let (w, update) = (w.clone(), w.touch(run.run_id, 1));
            async move { w.send(&update).await }
        });
        while t.faults.injected().cut == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let closer = Beside::run({
            let p = t.p.clone();
            async move { p.close().await }
        });
        // From some moment on calls are refused, while the write is still under way.
        while w.current().await.is_ok() {
            tokio::task::yield_now().await;
        }
        failed(w.current().await, ErrorKind::Closed);
        closer.end().await?;
        ours.end().await?;
        assert_eq!(other.load(run.run_id).await?.record_version, 2);
        assert_eq!(t.faults.injected().total(), 2);
        other.p.close().await?;
    }

    /// Closing waits for writes whose callers went away.
    #[covers("execution.create_execution")]
    #[kind(Calm)]
    async fn closing_waits_for_abandoned_writes(t) {
        let w = Flow::new(t).await?;
        let other = w.over(t.another().await?);
        let run = snapshot(t.run(), Running);
        t.faults.script(FaultRule::write(Fault::Stall));
        let caller = Beside::run({
            let (w, create) = (w.clone(), w.brand_new(&run));
            async move { w.send(&create).await }
        });
        while t.faults.injected().cut == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(caller);
        let closer = Beside::run({
            let p = t.p.clone();
            async move { p.close().await }
        });
        while w.current().await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!closer.has_ended(), "closed while a write was under way");
        t.faults.release().await;
        closer.end().await?;
        assert_eq!(other.load(run.run_id).await?, created(&run), "it was not done when closing ended");
        other.p.close().await?;
    }

    /// What is acknowledged is there after closing and opening again where the driver is durable, and nothing is where it is
    /// not: state, tasks, history, fences, and the memory of attempts.
    #[covers("capability.durable", "shard.update_shard", "execution.update_execution", "execution.add_history_tasks")]
    #[isolation(Own)]
    async fn reopening(t) {
        let mut w = Flow::new(t).await?;
        let run = snapshot(t.run(), Running);
        let tree = Tree::of(t, w.shard_id, w.run_key(run.run_id));
        let mut create = w.brand_new(&run);
        create.history = vec![node(&tree.root, &tree.owner, (1, 2, 5, 0))];
        w.send(&create).await?;
        let change = Mutation {
            upsert_items: items(2),
            delete_items: keys(1),
            buffered_events: Some(blob("buffered")),
            tasks: vec![immediate(TaskCategory::TRANSFER, 1), scheduled(TaskCategory::TIMER, 5, 2)],
            ..mutation(run.run_id, 1, Running)
        };
        w.send(&w.update_current(&change)).await?;
        let gone = w.sibling(t);
        let gone_run = gone.begin(t, Running).await?;
        gone.send(&gone.delete(gone_run.run_id)).await?;
        gone.send(&gone.delete_current(gone_run.run_id)).await?;
        let before = t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: w.shard_id }).await?;
        for _ in 0..2 {
            t.reopen().await?;
            w.p = t.p.clone();
            if !t.capabilities().has(Capability::Durable) {
                missing(t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: w.shard_id }).await);
                missing(w.load(run.run_id).await);
                missing(w.current().await);
                missing(history(&w, &tree).await);
                assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, []);
                continue;
            }
            assert_eq!(t.p.shards().get_shard(&t.cx(), &GetShard { shard_id: w.shard_id }).await?, before);
            assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &change));
            assert_eq!(w.current().await?, change.record.current(run.run_id));
            assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, change.tasks[..1]);
            assert_eq!(w.tasks(TaskCategory::TIMER).await?, change.tasks[1..]);
            assert_eq!(history(&w, &tree).await?, batches(&[(1, 2, 5, 0)]));
            missing(gone.over(t.p.clone()).load(gone_run.run_id).await);
            missing(gone.over(t.p.clone()).current().await);
            // Conditions hold as before.
            shard_lost(w.fenced(1).send(&w.fenced(1).touch(run.run_id, 2)).await, 1, Some(2));
            run_failed(w.send(&w.touch(run.run_id, 1)).await, run.run_id, Some(1), Some(&w.load(run.run_id).await?));
        }
    }

    /// A reopened database can be written: ids and fences go on from where they were.
    #[covers("capability.durable", "shard.update_shard", "execution.create_execution")]
    #[needs(Durable)]
    #[isolation(Own)]
    async fn writing_after_reopening(t) {
        let mut w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        for round in 0..3 {
            t.reopen().await?;
            let range_id = w.range_id;
            w = w.over(t.p.clone()).fenced(range_id + 1);
            w.send(&move_shard(w.shard_id, range_id, range_id + 1)).await?;
            w.send(&w.touch(run.run_id, 1 + round)).await?;
            w.sibling(t).begin(t, Running).await?;
        }
        assert_eq!(w.load(run.run_id).await?.record_version, 4);
        let list = ListExecutions { shard_id: w.shard_id, page: persistence_core::PageRequest::first(50) };
        assert_eq!(t.p.executions().list_executions(&t.cx(), &list).await?.items.len(), 4);
    }

    /// A handle says the same of its driver all its life, and through layers; all handles of a database agree.
    #[covers("capability.durable", "capability.cross_partition", "capability.atomic_history", "capability.multi_process")]
    async fn info_is_constant(t) {
        let info = t.p.info().clone();
        assert!(!info.driver.is_empty() && !info.location.is_empty(), "{info:?}");
        let other = t.another().await?;
        assert_eq!(*other.info(), info);
        let layered = Layered::wrap(Layered::wrap(t.p.clone(), Recorder::default()), Deadline(SHORT));
        assert_eq!(*layered.info(), info);
        other.close().await?;
        assert_eq!(*other.info(), info);
        assert_eq!(*t.p.info(), info);
        // History that commits with the state takes one write over two partitions.
        let has = |c| info.capabilities.has(c);
        assert!(!has(Capability::AtomicHistory) || has(Capability::CrossPartition), "{info:?}");
    }

    /// A layer is around every operation of every store, and is told which it is, what it does and to which shard.
    #[covers("shard.get_shard", "execution.get_execution", "history.read_history_branch", "task.get_tasks", "queue.read_queue",
        "maintenance.scavenge")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn layers_are_around_every_call(t) {
        let recorder = Recorder::default();
        let p = Layered::wrap(Layered::wrap(t.p.clone(), recorder.clone()), Deadline(Duration::from_secs(30)));
        let calls = every_call(t).await?;
        for call in &calls {
            call.run(&*p, &t.cx()).await.unwrap_or_else(|e| panic!("{}: {e}", call.name));
        }
        let seen = recorder.0.lock().unwrap().clone();
        assert_eq!(seen.len(), calls.len());
        for (op, call) in seen.iter().zip(&calls) {
            assert_eq!((op.name, op.effect, op.shard_id), (&*call.name, call.effect, call.shard_id));
            assert_eq!(format!("{}.{}", op.store, op.method), op.name);
        }
        let names: BTreeSet<_> = seen.iter().map(|op| op.name.to_owned()).collect();
        let all = crate::coverage::stores();
        let all = all.iter().flat_map(|(store, methods)| methods.iter().map(move |(m, _)| format!("{store}.{m}")));
        assert_eq!(names, all.collect());
    }

    /// The deadline layer ends every call that hangs, and names it: a write may have been applied, a read was not.
    #[covers("shard.get_shard!timeout", "shard.update_shard!timeout", "execution.get_execution!timeout",
        "execution.create_execution!timeout", "history.read_history_branch!timeout", "history.append_history_node!timeout",
        "task.get_tasks!timeout", "task.create_tasks!timeout", "queue.read_queue!timeout", "queue.enqueue!timeout",
        "maintenance.scavenge!timeout", "maintenance.sweep_expired!timeout")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn deadline_layer_ends_every_call(t) {
        let p = Layered::wrap(Layered::wrap(t.p.clone(), Stuck), Deadline(SHORT));
        let calls = every_call(t).await?;
        let (layered, cx) = (&p, t.cx());
        let cx = &cx;
        let results = futures_util::future::join_all(calls.iter().map(|call| async move {
            // Without a deadline of the caller's, and with a later one.
            let own = call.run(&**layered, &Context::new()).await;
            (call, [own, call.run(&**layered, cx).await])
        }));
        for (call, result) in results.await.into_iter().flat_map(|(call, r)| r.map(|r| (call, r))) {
            let e = failed(result, ErrorKind::Timeout);
            assert_eq!(*e.detail(), Detail::Timeout { operation: call.name.clone() });
            let outcome = if call.effect == Effect::Read { Outcome::NotApplied } else { Outcome::MaybeApplied };
            assert_eq!(e.outcome(), outcome, "{e}");
        }
    }

    /// An earlier deadline of the caller's stays.
    #[covers("shard.get_shard!timeout")]
    #[kind(Calm)]
    async fn earlier_deadline_stays(t) {
        let p = Layered::wrap(Layered::wrap(t.p.clone(), Stuck), Deadline(Duration::from_secs(3600)));
        let cx = Context::new().with_deadline(Instant::now() + SHORT);
        failed(p.shards().get_shard(&cx, &GetShard { shard_id: t.shard() }).await, ErrorKind::Timeout);
    }

    /// A database that hangs holds no caller beyond its deadline, whatever it calls: reads were not applied, writes that were
    /// sent may have been.
    #[covers("execution.get_execution!timeout", "execution.update_execution!timeout", "history.append_history_node!timeout",
        "task.create_tasks!timeout", "queue.enqueue!timeout")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn deadline_ends_calls_of_a_database_that_hangs(t) {
        let calls = every_call(t).await?;
        t.faults.script(FaultRule::read(Fault::Cut(None)).times(u64::MAX));
        t.faults.script(FaultRule::write(Fault::Cut(None)).times(u64::MAX));
        let mut sent = 0;
        // Longer when too few get as far as to the database.
        for limit in [SHORT, 10 * SHORT, 100 * SHORT] {
            let cx = || Context::new().with_timeout(limit);
            let results = futures_util::future::join_all(calls.iter().map(|c| async { c.run(&*t.p, &cx()).await }));
            for (call, result) in calls.iter().zip(results.await) {
                assert!(result.is_err(), "{} was answered", call.name);
                let e = failed(result, ErrorKind::Timeout);
                if call.effect == Effect::Read {
                    assert_eq!(e.outcome(), Outcome::NotApplied, "{}: {e}", call.name);
                }
            }
            // A write that reads first has sent nothing. It sends something when only writes hang.
            t.faults.quiet().await;
            t.faults.clear();
            t.faults.script(FaultRule::write(Fault::Cut(None)).times(u64::MAX));
            let writes = calls.iter().filter(|c| c.effect != Effect::Read);
            let results = futures_util::future::join_all(writes.map(|c| async { c.run(&*t.p, &cx()).await }));
            for result in results.await {
                sent += usize::from(result.is_err_and(|e| e.outcome() == Outcome::MaybeApplied));
            }
            if sent >= 10 {
                break;
            }
            t.faults.script(FaultRule::read(Fault::Cut(None)).times(u64::MAX));
        }
        assert!(sent >= 10, "only {sent} writes were sent");
        assert!(t.faults.injected().cut >= 10, "{:?}", t.faults.injected());
        t.faults.quiet().await;
        t.faults.clear();
        for call in &calls {
            call.run(&*t.p, &t.cx()).await.unwrap_or_else(|e| panic!("{}: {e}", call.name));
        }
    }

    /// A call whose deadline has passed before it begins is not begun.
    #[covers("execution.create_execution!timeout", "execution.get_execution!timeout")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn expired_calls_are_not_begun(t) {
        let calls = every_call(t).await?;
        let expired = Context::new().with_timeout(Duration::ZERO);
        for call in &calls {
            let result = call.run(&*t.p, &expired).await;
            assert!(result.is_err(), "{} was begun", call.name);
            let e = failed(result, ErrorKind::Timeout);
            assert_eq!(e.outcome(), Outcome::NotApplied, "{}: {e}", call.name);
        }
        for call in &calls {
            call.run(&*t.p, &t.cx()).await.unwrap_or_else(|e| panic!("{}: {e}", call.name));
        }
    }

    /// Idempotent operations and reads may be sent twice by a layer: the second answer is as good as the first.
    #[covers("shard.get_or_create_shard", "execution.add_history_tasks", "execution.delete_execution",
        "history.append_history_node", "task.create_tasks", "queue.update_ack_level")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn idempotent_calls_may_be_repeated(t) {
        let p = Layered::wrap(t.p.clone(), Twice);
        for call in every_call(t).await?.iter().filter(|c| c.effect != Effect::Write) {
            call.run(&*p, &t.cx()).await.unwrap_or_else(|e| panic!("{}: {e}", call.name));
        }
    }
}
