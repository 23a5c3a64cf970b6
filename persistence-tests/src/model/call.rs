//! Calls of any store, sent to a driver, with answers of one type: what is compared.

use crate::generic::crawl::crawl;
use futures_util::future::BoxFuture;
use persistence_core::store::*;
use persistence_core::{BranchToken, Context, Detail, Error, ErrorKind, Persistence, Result};

/// What a call answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Done,
    Shard(Shard),
    State(Box<MutableState>),
    Current(CurrentRecord),
    Runs(Vec<ListedExecution>),
    Tasks(Vec<HistoryTask>),
    Each(Vec<Result<(), Refusal>>),
    Batches(Vec<HistoryBatch>),
    Headers(Vec<NodeHeader>),
    Branch(BranchToken),
    Branches(Vec<HistoryBranch>),
    TaskQueue(TaskQueue),
    Queued(Vec<QueuedTask>),
    Count(Option<u64>),
    Id(i64),
    Messages(Vec<QueueMessage>),
    Acks(Vec<AckLevel>),
    Deleted(u64),
}

/// How a call failed: the kind, and for conditions what was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) kind: ErrorKind,
    pub(super) detail: Option<Detail>,
}

pub(super) type Reply = Result<Answer, Refusal>;

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        let detail = match e.detail().clone() {
            // How the thing is called is no part of the contract.
            Detail::ConditionFailed { expected, actual, .. } => {
                Some(Detail::ConditionFailed { entity: String::new(), expected, actual })
            }
            d @ (Detail::ShardOwnershipLost { .. }
            | Detail::CurrentWorkflowConditionFailed { .. }
            | Detail::WorkflowConditionFailed { .. }) => Some(d),
            _ => None,
        };
        Refusal { kind: e.kind(), detail }
    }
}

/// A refusal of this kind.
pub(super) fn refuse<T>(kind: ErrorKind) -> Result<T, Refusal> {
    Err(Refusal { kind, detail: None })
}

/// A request of any store.
#[derive(Clone, Debug)]
pub(super) enum Call {
    OpenShard(GetOrCreateShard),
    ReadShard(GetShard),
    TakeShard(UpdateShard),
    AssertShard(AssertShardOwnership),
    Create(Box<CreateExecution>),
    Update(Box<UpdateExecution>),
    Resolve(Box<ConflictResolveExecution>),
    Set(Box<SetExecution>),
    DeleteRun(DeleteExecution),
    DeleteCurrent(DeleteCurrentExecution),
    Group(Vec<Call>),
    Load(GetExecution),
    LoadCurrent(GetCurrentExecution),
    ListRuns(ListExecutions),
    AddTasks(AddHistoryTasks),
    ReadTasks(GetHistoryTasks),
    CompleteTask(CompleteHistoryTask),
    CompleteRange(RangeCompleteHistoryTasks),
    Append(Box<AppendHistoryNode>),
    Read(ReadHistoryBranch),
    ReadHeaders(ReadHistoryBranch),
    ReadReverse(ReadHistoryBranchReverse),
    Fork(Box<ForkHistoryBranch>),
    DeleteBranch(DeleteHistoryBranch),
    Trim(TrimHistoryBranch),
    ListTree(ListTreeBranches),
    CreateTaskQueue(CreateTaskQueue),
    GetTaskQueue(GetTaskQueue),
    UpdateTaskQueue(UpdateTaskQueue),
    DeleteTaskQueue(DeleteTaskQueue),
    AddQueued(CreateTasks),
    ReadQueued(GetTasks),
    CompleteQueued(CompleteTasksLessThan),
    CreateQueue(CreateQueue),
    Enqueue(Enqueue),
    ReadQueue(ReadQueue),
    Ack(UpdateAckLevel),
    Acks(GetAckLevels),
    DeleteMessages(RangeDeleteMessages),
    Scavenge(Scavenge),
    Sweep(SweepExpired),
}

macro_rules! pages {
    ($cx:ident, $store:expr, $method:ident, $req:ident) => {{
        let size = $req.page.size;
        let store = $store;
        crawl(size, |page| -> BoxFuture<'_, _> {
            let mut req = $req.clone();
            req.page = page;
            Box::pin(async move { store.$method($cx, &req).await })
        })
        .await?
    }};
}

impl Call {
    /// Sends the call; paged reads are read to the end.
    pub(super) async fn send(&self, p: &dyn Persistence, cx: &Context) -> Result<Answer> {
        let (s, e, h, t, q) = (p.shards(), p.executions(), p.history(), p.tasks(), p.queues());
        use Call::*;
        Ok(match self {
            OpenShard(r) => Answer::Shard(s.get_or_create_shard(cx, r).await?),
            ReadShard(r) => Answer::Shard(s.get_shard(cx, r).await?),
            TakeShard(r) => done(s.update_shard(cx, r).await?),
            AssertShard(r) => done(s.assert_shard_ownership(cx, r).await?),
            Create(r) => done(e.create_execution(cx, r).await?),
            Update(r) => done(e.update_execution(cx, r).await?),
            Resolve(r) => done(e.conflict_resolve_execution(cx, r).await?),
            Set(r) => done(e.set_execution(cx, r).await?),
            DeleteRun(r) => done(e.delete_execution(cx, r).await?),
            DeleteCurrent(r) => done(e.delete_current_execution(cx, r).await?),
            Group(calls) => Answer::Each(group(calls, e, cx).await?),
            Load(r) => Answer::State(Box::new(e.get_execution(cx, r).await?)),
            LoadCurrent(r) => Answer::Current(e.get_current_execution(cx, r).await?),
            ListRuns(r) => Answer::Runs(pages!(cx, e, list_executions, r)),
            AddTasks(r) => done(e.add_history_tasks(cx, r).await?),
            ReadTasks(r) => Answer::Tasks(pages!(cx, e, get_history_tasks, r)),
            CompleteTask(r) => done(e.complete_history_task(cx, r).await?),
            CompleteRange(r) => done(e.range_complete_history_tasks(cx, r).await?),
            Append(r) => done(h.append_history_node(cx, r).await?),
            Read(r) => Answer::Batches(pages!(cx, h, read_history_branch, r)),
            ReadHeaders(r) => Answer::Headers(pages!(cx, h, read_history_headers, r)),
            ReadReverse(r) => Answer::Batches(pages!(cx, h, read_history_branch_reverse, r)),
            Fork(r) => Answer::Branch(h.fork_history_branch(cx, r).await?),
            DeleteBranch(r) => done(h.delete_history_branch(cx, r).await?),
            Trim(r) => done(h.trim_history_branch(cx, r).await?),
            ListTree(r) => Answer::Branches(h.list_tree_branches(cx, r).await?),
            CreateTaskQueue(r) => done(t.create_task_queue(cx, r).await?),
            GetTaskQueue(r) => Answer::TaskQueue(t.get_task_queue(cx, r).await?),
            UpdateTaskQueue(r) => done(t.update_task_queue(cx, r).await?),
            DeleteTaskQueue(r) => done(t.delete_task_queue(cx, r).await?),
            AddQueued(r) => done(t.create_tasks(cx, r).await?),
            ReadQueued(r) => Answer::Queued(pages!(cx, t, get_tasks, r)),
            CompleteQueued(r) => Answer::Count(t.complete_tasks_less_than(cx, r).await?),
            CreateQueue(r) => done(q.create_queue(cx, r).await?),
            Enqueue(r) => Answer::Id(q.enqueue(cx, r).await?),
            ReadQueue(r) => Answer::Messages(pages!(cx, q, read_queue, r)),
            Ack(r) => done(q.update_ack_level(cx, r).await?),
            Acks(r) => Answer::Acks(q.get_ack_levels(cx, r).await?),
            DeleteMessages(r) => Answer::Deleted(q.range_delete_messages(cx, r).await?),
            // What was there before the sequence is cleaned as well: the counts are not the sequence's own.
            Scavenge(r) => {
                let mut r = r.clone();
                while let Some(next) = p.maintenance().scavenge(cx, &r).await?.next {
                    r.token = Some(next);
                }
                Answer::Done
            }
            Sweep(r) => {
                let mut r = r.clone();
                while let Some(next) = p.maintenance().sweep_expired(cx, &r).await?.next {
                    r.token = Some(next);
                }
                Answer::Done
            }
        })
    }
}

fn done((): ()) -> Answer {
    Answer::Done
}

async fn group(calls: &[Call], e: &dyn ExecutionStore, cx: &Context) -> Result<Vec<Result<(), Refusal>>> {
    let (mut plans, mut answers) = (Vec::new(), Vec::new());
    let mut shard_id = None;
    for call in calls {
        let plan = match call {
            Call::Create(r) => r.lower(),
            Call::Update(r) => r.lower(),
            Call::Set(r) => r.lower(),
            Call::DeleteRun(r) => r.lower(),
            Call::AddTasks(r) => r.lower(),
            other => panic!("{other:?} has no plan"),
        };
        // What cannot be lowered is answered before anything is sent.
        answers.push(plan.map(|plan| {
            shard_id = Some(plan.shard_id);
            plans.push(plan);
        }));
    }
    let mut outcomes = match shard_id {
        Some(shard_id) => e.apply(cx, &ApplyPlans { shard_id, plans }).await?.into_iter(),
        None => Vec::new().into_iter(),
    };
    let each = answers.into_iter().map(|a| a.and_then(|()| outcomes.next().unwrap()).map_err(Refusal::from));
    Ok(each.collect())
}
