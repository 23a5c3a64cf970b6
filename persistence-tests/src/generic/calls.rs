//! One call of every operation of every store.

use crate::Fixture;
use crate::build::document::{Docs, at, machine, machines};
use crate::build::execution::{Flow, bounds, move_shard, shard};
use crate::build::history::Tree;
use crate::build::record::*;
use crate::build::visibility::Seen;
use crate::build::{cluster, endpoint, namespace, queue, task, user_data, visibility};
use futures_util::future::BoxFuture;
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::{Document, Filter};
use persistence_core::layer::Effect;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Context, EndpointId, HostId, PageRequest, Persistence, Result, ShardId};
use std::sync::Arc;
use std::time::Duration;

type Run = dyn for<'a> Fn(&'a dyn Persistence, &'a Context) -> BoxFuture<'a, Result<()>> + Send + Sync;

/// A call that would succeed.
pub(super) struct Call {
    /// The operation, `store.method`.
    pub(super) name: String,
    /// What a repeat does.
    pub(super) effect: Effect,
    /// The shard that it concerns.
    pub(super) shard_id: Option<ShardId>,
    run: Box<Run>,
}

impl Call {
    /// Makes it.
    pub(super) async fn run(&self, p: &dyn Persistence, cx: &Context) -> Result<()> {
        (self.run)(p, cx).await
    }
}

fn call<R: Request + 'static>(
    name: &str,
    req: Arc<R>,
    run: impl for<'a> Fn(&'a dyn Persistence, &'a Context) -> BoxFuture<'a, Result<()>> + Send + Sync + 'static,
) -> Call {
    let effect = crate::coverage::stores()
        .iter()
        .flat_map(|(store, methods)| methods.iter().map(move |(m, effect)| (format!("{store}.{m}"), *effect)))
        .find_map(|(n, effect)| (n == name).then_some(effect));
    Call { name: name.to_owned(), effect: effect.unwrap(), shard_id: req.shard_id(), run: Box::new(run) }
}

macro_rules! calls {
    ($($store:literal $accessor:ident: { $($method:ident($req:expr),)* })*) => {
        vec![$($({
            let req = Arc::new($req);
            call(concat!($store, ".", stringify!($method)), req.clone(), move |p, cx| {
                let req = req.clone();
                Box::pin(async move { settled(p.$accessor().$method(cx, &req).await) })
            })
        },)*)*]
    };
}

/// Replies that hold outcomes of their own fail when one of these does.
trait Reply {
    fn check(self) -> Result<()>;
}

macro_rules! plain {
    ($($t:ty),* $(,)?) => {$(impl Reply for $t {
        fn check(self) -> Result<()> {
            Ok(())
        }
    })*};
}

plain!(
    (),
    Ensured,
    Vec<Option<Document>>,
    Vec<Written>,
    DocumentPage,
    Explain,
    i64,
    u64,
    Option<u64>,
    Shard,
    MutableState,
    CurrentRecord,
    TaskQueue,
    Scavenged,
    Swept,
    Vec<HistoryBranch>,
    Vec<AckLevel>,
    Namespace,
    bool,
    StoredClusterMetadata,
    EndpointVersions,
    Endpoint,
    EndpointPage,
    TaskQueueUserData,
    Vec<String>,
    VisibilityRecord,
    VisibilityPage,
    VisibilityCount,
    VisibilitySetup,
    persistence_core::BranchToken,
    persistence_core::document::CollectionDef,
);

impl<T> Reply for persistence_core::Page<T> {
    fn check(self) -> Result<()> {
        Ok(())
    }
}

impl Reply for Vec<Result<()>> {
    fn check(self) -> Result<()> {
        self.into_iter().collect()
    }
}

fn settled(result: Result<impl Reply>) -> Result<()> {
    result?.check()
}

/// One call of every operation, each on things of its own that are there already.
pub(super) async fn every_call(t: &Fixture) -> Result<Vec<Call>> {
    let w = Flow::new(t).await?;
    let other = [w.sibling(t), w.sibling(t), w.sibling(t), w.sibling(t), w.sibling(t)];
    let mut runs = Vec::new();
    for w in &other {
        runs.push(w.begin(t, Running).await?);
    }
    let trees: Vec<_> = (0..4).map(|_| Tree::of(t, w.shard_id, w.run_key(t.run()))).collect();
    for tree in &trees {
        t.p.history().append_history_node(&t.cx(), &tree.append(&tree.root, (1, 2, 5, 0))).await?;
    }
    let queues = [task::queue_key(t), task::queue_key(t), task::queue_key(t)];
    for key in &queues {
        t.p.tasks().create_task_queue(&t.cx(), &task::create(key, 1, None)).await?;
        t.p.tasks().create_tasks(&t.cx(), &task::add(key, 1, &[task::classic(1)])).await?;
    }
    let fifo = [queue::key(t, QueueType::Normal), queue::key(t, QueueType::Normal)];
    for key in &fifo {
        t.p.queues().create_queue(&t.cx(), &queue::create(key)).await?;
        t.p.queues().enqueue(&t.cx(), &queue::enqueue(key, &["a", "b"])).await?;
    }
    let mut named = Vec::new();
    for _ in 0..3 {
        named.push(t.p.metadata().create_namespace(&t.cx(), &namespace::create(t)).await?);
    }
    let known = [cluster::cluster(&t.name("cluster")), cluster::cluster(&t.name("cluster"))];
    for metadata in &known {
        t.p.cluster().save_cluster_metadata(&t.cx(), &cluster::save(metadata, 0)).await?;
    }
    let ends = [EndpointId::new(), EndpointId::new()];
    for (id, table_version) in ends.into_iter().zip(0..) {
        t.p.endpoints().put_endpoint(&t.cx(), &endpoint::put(id, 0, table_version)).await?;
    }
    let (ns, host) = (t.namespace(), HostId::new());
    let first = user_data::update(ns, &[user_data::adds("q", 0, &["b"])]);
    t.p.user_data().update_user_data(&t.cx(), &first).await?;
    let seen = Seen::new(t);
    let recorded = seen.run(t.run(), 0);
    seen.record(&recorded).await?;
    let record = |record| RecordVisibility { record };
    let docs = Docs::ensured(t, machines(t)).await?;
    let all = docs.query(Filter::everything(), &[], 2);
    let count = CountDocuments {
        collection: docs.def.name.clone(),
        filter: Filter::everything(),
        deleted: Deleted::Hide,
        scan: ScanPolicy::Forbid,
    };
    let put = Action::Put { body: machine("p", 1, serde_json::json!({})), expires: None };
    let put = docs.one(&at("p", "a"), Pre::Absent, put);
    let (c, page) = (TaskCategory::TRANSFER, || PageRequest::first(2));
    let (min, max) = bounds(c);
    let plans = vec![w.sibling(t).brand_new(&snapshot(t.run(), Running)).lower()?];
    let (tree, key, line) = (&trees[0], &queues[0], &fifo[0]);
    let (shard_id, reset) = (w.shard_id, snapshot(runs[1].run_id, Running));
    Ok(calls! {
        "shard" shards: {
            get_or_create_shard(shard(t.shard(), 1)),
            get_shard(GetShard { shard_id }),
            update_shard(move_shard(shard_id, 2, 2)),
            assert_shard_ownership(AssertShardOwnership { shard_id, range_id: 2 }),
        }
        "execution" executions: {
            create_execution(w.brand_new(&snapshot(t.run(), Running))),
            update_execution(other[0].touch(runs[0].run_id, 1)),
            conflict_resolve_execution(other[1].resolve(ConflictResolveMode::UpdateCurrent, &reset)),
            set_execution(other[2].set(&snapshot(runs[2].run_id, Running))),
            delete_execution(other[3].delete(runs[3].run_id)),
            delete_current_execution(other[3].delete_current(runs[3].run_id)),
            apply(ApplyPlans { shard_id, plans }),
            get_execution(GetExecution { shard_id, run: other[4].run_key(runs[4].run_id) }),
            get_current_execution(GetCurrentExecution { shard_id, key: other[4].current_key() }),
            list_executions(ListExecutions { shard_id, page: page() }),
            add_history_tasks(w.add_tasks(&[immediate(c, 1)])),
            get_history_tasks(GetHistoryTasks { shard_id, category: c, min, max, page: page() }),
            complete_history_task(w.complete(&immediate(c, 1))),
            range_complete_history_tasks(w.complete_range(c, min, max)),
        }
        "history" history: {
            append_history_node(tree.append(&tree.root, (3, 1, 6, 5))),
            read_history_branch(tree.read(&tree.root, 1, 9, page())),
            read_history_headers(tree.read(&tree.root, 1, 9, page())),
            read_history_branch_reverse(tree.reverse(&tree.root, 9, page())),
            fork_history_branch(trees[1].fork(&trees[1].root, 3)),
            delete_history_branch(trees[2].delete(&trees[2].root, None)),
            trim_history_branch(trees[3].trim(&trees[3].root, 1, 5)),
            list_tree_branches(tree.list()),
            list_history_branches(ListHistoryBranches { page: page() }),
        }
        "task" tasks: {
            create_task_queue(task::create(&task::queue_key(t), 1, None)),
            get_task_queue(task::get(key)),
            update_task_queue(task::update(&queues[1], 1, 2, None)),
            delete_task_queue(task::delete(&queues[2], 1)),
            list_task_queues(ListTaskQueues { page: page() }),
            create_tasks(task::add(key, 1, &[task::classic(2)])),
            get_tasks(task::all(key, page())),
            complete_tasks_less_than(task::complete(key, TaskPosition::classic(2), Some(5))),
        }
        "queue" queues: {
            create_queue(queue::create(&queue::key(t, QueueType::Dlq))),
            enqueue(queue::enqueue(line, &["c"])),
            read_queue(queue::read(line, None, page())),
            update_ack_level(queue::ack(line, "me", 1)),
            get_ack_levels(queue::acks(line)),
            range_delete_messages(queue::delete(&fifo[1], 0)),
            list_queues(queue::list(QueueType::Normal, page())),
        }
        "document" documents: {
            ensure_collections(EnsureCollections { definitions: vec![machines(t)], mode: EnsureMode::Apply }),
            get_collection(docs.described()),
            get_documents(docs.getting(&[at("p", "a")], Deleted::Hide)),
            write_documents(WriteDocuments { writes: vec![put], attempt: AttemptId::new() }),
            find_documents(all.clone()),
            count_documents(count),
            explain_documents(all),
            sweep_documents(docs.sweeping(t, 5)),
        }
        "metadata" metadata: {
            create_namespace(namespace::create(t)),
            get_namespace(namespace::by_id(named[0].id)),
            // Those before and after it count no change, or are done by then.
            update_namespace(namespace::update(named[0].id, 4)),
            rename_namespace(namespace::rename(&named[0].name, &t.name("new"))),
            delete_namespace(DeleteNamespace { namespace: NamespaceRef::Id(named[1].id) }),
            list_namespaces(ListNamespaces { page: page(), include_deleted: false }),
            get_metadata(GetMetadata {}),
            initialize_system_namespaces(namespace::system()),
        }
        "cluster" cluster: {
            save_cluster_metadata(cluster::save(&known[0], 1)),
            get_cluster_metadata(GetClusterMetadata { name: known[0].name.clone() }),
            list_cluster_metadata(ListClusterMetadata { page: page() }),
            delete_cluster_metadata(cluster::delete(&known[1].name)),
            upsert_member(cluster::upsert(host, MemberRole::HISTORY)),
            get_members(GetMembers::first(2)),
            prune_members(PruneMembers { limit: 5 }),
        }
        "endpoint" endpoints: {
            put_endpoint(endpoint::put(EndpointId::new(), 0, 2)),
            delete_endpoint(endpoint::delete(ends[1], 3)),
            get_endpoint(GetEndpoint { id: ends[0] }),
            list_endpoints(endpoint::list(page())),
            get_table_version(GetEndpointTableVersion {}),
        }
        "user_data" user_data: {
            update_user_data(user_data::update(ns, &[user_data::adds("new", 0, &["b"])])),
            get_user_data(user_data::get(ns, "q")),
            list_user_data(ListTaskQueueUserData { namespace_id: ns, page: page() }),
            get_task_queues_by_build_id(user_data::by_build(ns, "b")),
            count_task_queues_by_build_id(user_data::count_by_build(ns, "b")),
        }
        "visibility" visibility: {
            record_started(record(seen.run(t.run(), 0))),
            record_closed(record(visibility::closed(&recorded, ExecutionStatus::Failed, 1))),
            upsert_visibility(record(seen.run(t.run(), 1))),
            delete_visibility(DeleteVisibility::all(seen.namespace_id, t.run())),
            get_visibility(GetVisibility { namespace_id: seen.namespace_id, run_id: recorded.run.run_id }),
            list_visibility(seen.query("WorkflowType = 'type'", 2)),
            count_visibility(seen.counting("GROUP BY ExecutionStatus", ScanPolicy::Forbid)),
            set_up_visibility(visibility::registering(&visibility::ATTRIBUTES)),
            get_visibility_setup(GetVisibilitySetup {}),
            list_visibility_namespaces(ListVisibilityNamespaces { page: page() }),
            sweep_visibility(SweepVisibility { limit: 5 }),
        }
        "maintenance" maintenance: {
            scavenge(Scavenge { limit: 10, safety_age: Duration::from_secs(86_400), dry_run: false, token: None }),
            sweep_expired(SweepExpired { limit: 10, token: None }),
        }
    })
}
