//! Lowering, waves and judgement without a database.

use super::*;
use crate::blob::Blob;
use crate::error::{Detail, ErrorKind, RunCondition};
use crate::history::BranchToken;
use crate::ids::*;
use crate::store::*;
use crate::time::Timestamp;
use ExecutionState as S;
use ExecutionStatus as St;

fn scope() -> ExecutionScope {
    ExecutionScope {
        shard_id: ShardId(1),
        range_id: 5,
        namespace_id: NamespaceId::new(),
        workflow_id: "wf".to_owned(),
        archetype: Archetype::WORKFLOW,
        attempt: AttemptId::new(),
    }
}

fn record(state: S) -> RunRecord {
    RunRecord {
        state,
        status: if state == S::Completed { St::Completed } else { St::Running },
        next_event_id: 2,
        last_write_version: 1,
        start_time: Timestamp(0),
        create_request_id: String::new(),
        info: Blob::default(),
        execution_state: Blob::default(),
    }
}

fn snapshot(state: S) -> Snapshot {
    Snapshot { run_id: RunId::new(), record: record(state), record_version: 7, items: vec![], tasks: vec![] }
}

fn mutation(state: S) -> Mutation {
    Mutation {
        run_id: RunId::new(),
        record: record(state),
        expected_version: 3,
        upsert_items: vec![],
        delete_items: vec![],
        clear_buffered_events: false,
        buffered_events: None,
        tasks: vec![],
    }
}

fn update(mode: UpdateMode, mutation: Mutation, new_run: Option<Snapshot>) -> UpdateExecution {
    UpdateExecution { scope: scope(), mode, mutation, new_run, history: vec![] }
}

fn item(n: i64) -> Item {
    Item { key: ItemKey::Activity(n), value: Blob::default() }
}

fn task(id: i64, payload: &'static [u8]) -> HistoryTask {
    HistoryTask {
        category: TaskCategory::TRANSFER,
        key: TaskKey::immediate(id),
        payload: Blob::json(payload),
    }
}

fn invalid<T: std::fmt::Debug>(r: crate::Result<T>) -> bool {
    r.is_err_and(|e| e.kind() == ErrorKind::InvalidArgument)
}

#[test]
fn modes_and_states() {
    let all = [S::Created, S::Running, S::Completed, S::Zombie, S::Corrupted];
    let closed = |r: &mut RunRecord| {
        if matches!(r.state, S::Completed | S::Corrupted) {
            r.status = St::Failed;
        }
    };
    let allowed = |mode: UpdateMode, new: Option<S>| -> Vec<S> {
        let try_state = |s: &S| {
            let mut m = mutation(*s);
            closed(&mut m.record);
            update(mode, m, new.map(snapshot)).lower().is_ok()
        };
        all.into_iter().filter(try_state).collect()
    };
    assert_eq!(
        allowed(UpdateMode::UpdateCurrent, None),
        [S::Created, S::Running, S::Completed, S::Corrupted]
    );
    assert_eq!(allowed(UpdateMode::UpdateCurrent, Some(S::Running)), [S::Completed, S::Zombie, S::Corrupted]);
    assert_eq!(allowed(UpdateMode::UpdateCurrent, Some(S::Zombie)), []);
    assert_eq!(allowed(UpdateMode::BypassCurrent, None), [S::Completed, S::Zombie, S::Corrupted]);
    assert_eq!(allowed(UpdateMode::IgnoreCurrent, None), all);
    assert_eq!(allowed(UpdateMode::IgnoreCurrent, Some(S::Running)), []);
}

#[test]
fn an_item_both_upserted_and_deleted_ends_deleted() {
    let mut m = mutation(S::Running);
    m.upsert_items = vec![item(2), item(1), item(2)];
    m.delete_items = vec![ItemKey::Activity(2), ItemKey::Activity(9)];
    let plan = update(UpdateMode::IgnoreCurrent, m, None).lower().unwrap();
    let RunAction::Update { expected: 3, write } = &plan.runs[0].action else { panic!("{plan:?}") };
    assert_eq!(write.record_version, 4);
    let delete = vec![ItemKey::Activity(2), ItemKey::Activity(9)];
    assert_eq!(write.items, ItemsWrite::Patch { upsert: vec![item(1)], delete });
}

#[test]
fn equal_runs_overflow_and_bad_names_are_invalid() {
    let m = mutation(S::Completed);
    let mut new = snapshot(S::Running);
    new.run_id = m.run_id;
    assert!(invalid(update(UpdateMode::UpdateCurrent, m, Some(new)).lower()));
    let mut m = mutation(S::Running);
    m.expected_version = i64::MAX;
    assert!(invalid(update(UpdateMode::IgnoreCurrent, m, None).lower()));
    for f in [
        (|r: &mut UpdateExecution| r.scope.workflow_id.clear()) as fn(&mut UpdateExecution),
        |r| r.scope.archetype = Archetype::UNSPECIFIED,
        |r| r.scope.shard_id = ShardId(0),
        |r| r.mutation.delete_items = vec![ItemKey::Timer("a\0".to_owned())],
        |r| r.mutation.tasks = vec![HistoryTask { key: TaskKey::scheduled(Timestamp(1), 1), ..task(1, b"") }],
        |r| r.mutation.record.status = St::Completed,
    ] {
        let mut r = update(UpdateMode::IgnoreCurrent, mutation(S::Running), None);
        assert!(r.lower().is_ok());
        f(&mut r);
        assert!(invalid(r.lower()));
    }
}

#[test]
fn a_node_below_its_branch_is_invalid_and_a_large_one_too_large() {
    let root = BranchToken::new_root(TreeId::new(), BranchId::new());
    let owner =
        RunKey { namespace_id: NamespaceId::new(), workflow_id: "w".to_owned(), run_id: RunId::new() };
    let header =
        NodeHeader { first_event_id: 4, event_count: 1, transaction_id: 2, previous_transaction_id: 1 };
    let fork = root.parse().unwrap().fork(5, BranchId::new()).token();
    let node = |branch: &BranchToken, bytes: usize| NodeWrite {
        branch: branch.clone(),
        owner: owner.clone(),
        header,
        events: Blob::json(vec![0; bytes]),
    };
    assert!(node(&root, crate::history::MAX_NODE_BYTES).lower().is_ok());
    assert!(invalid(node(&fork, 1).lower()));
    let large = node(&root, crate::history::MAX_NODE_BYTES + 1).lower().unwrap_err();
    assert_eq!(large.kind(), ErrorKind::TooLarge);
}

#[test]
fn waves_keep_the_order_of_what_overlaps() {
    let plan = |id: i64, range: i64| {
        let tasks = vec![task(id, b"x")];
        AddHistoryTasks { shard_id: ShardId(1), range_id: range, tasks }.lower().unwrap()
    };
    let plans = [plan(1, 5), plan(2, 5), plan(1, 5), plan(3, 6), plan(1, 5), plan(4, 6)];
    let split = waves(&plans, |_, _| true);
    let groups: Vec<_> = split.iter().map(|w| (w.fence, w.plans.clone())).collect();
    assert_eq!(
        groups,
        [(Some(5), vec![0, 1]), (Some(5), vec![2]), (Some(6), vec![3, 5]), (Some(5), vec![4])]
    );
    let small = waves(&plans[..2], |w, _| w.is_empty());
    assert_eq!(small.len(), 2);
}

#[test]
fn plans_touch_the_same_only_in_one_shard() {
    let plan = |shard: i32, id: i64| {
        let tasks = vec![task(id, b"x")];
        AddHistoryTasks { shard_id: ShardId(shard), range_id: 5, tasks }.lower().unwrap()
    };
    let plans = [plan(1, 1), plan(2, 1), plan(1, 2), plan(2, 1)];
    let mut touching = Touching::default();
    assert_eq!(plans.each_ref().map(|p| touching.add(p)), [true, true, true, false]);
}

struct Stored(Option<i64>, Option<CurrentRecord>, Option<RunCondition>);

impl Found for Stored {
    fn range_id(&self) -> Option<i64> {
        self.0
    }
    fn current(&self) -> FoundCurrent<'_> {
        self.1.as_ref()
    }
    fn run(&self, _: &RunKey) -> Option<RunCondition> {
        self.2
    }
}

#[test]
fn the_first_failing_condition_is_named() {
    let m = mutation(S::Running);
    let run = m.run_id;
    let plan = update(UpdateMode::UpdateCurrent, m, None).lower().unwrap();
    let other = record(S::Running).current(RunId::new());
    let ours = record(S::Running).current(run);
    let at = |record_version| Some(RunCondition { record_version, next_event_id: 9 });
    let kind = |f: &Stored| judge(&plan, f).map(|e| e.kind());
    assert_eq!(kind(&Stored(Some(4), Some(other.clone()), None)), Some(ErrorKind::ShardOwnershipLost));
    assert_eq!(kind(&Stored(Some(5), Some(other), None)), Some(ErrorKind::CurrentWorkflowConditionFailed));
    assert_eq!(kind(&Stored(Some(5), None, at(3))), Some(ErrorKind::CurrentWorkflowConditionFailed));
    assert_eq!(kind(&Stored(Some(5), Some(ours.clone()), at(4))), Some(ErrorKind::WorkflowConditionFailed));
    assert_eq!(kind(&Stored(Some(5), Some(ours.clone()), at(3))), None);
    let gone = judge(&plan, &Stored(Some(5), Some(ours), None)).unwrap();
    let expected = Detail::WorkflowConditionFailed { run_id: run, expected: Some(3), actual: None };
    assert_eq!(*gone.detail(), expected);
}
