//! Contents of runs, and what a write makes of them: written from the contract, not from a bucket.

use persistence_core::store::*;
use persistence_core::{Blob, RunId, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that nothing else in this process got: no two things that cases write are equal by accident.
pub fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// A blob that no other is equal to.
pub fn blob(what: &str) -> Blob {
    Blob::json(format!("{{\"{what}\":{}}}", fresh())).with_checksum()
}

/// A status that goes with a state, for a run that is created as well as for one that is changed.
pub fn status_of(state: ExecutionState) -> ExecutionStatus {
    match state {
        ExecutionState::Completed => ExecutionStatus::Terminated,
        _ => ExecutionStatus::Running,
    }
}

/// A run's record in this state; contents are fresh.
pub fn record(state: ExecutionState) -> RunRecord {
    record_as(state, status_of(state))
}

/// A run's record in this state and status; contents are fresh.
pub fn record_as(state: ExecutionState, status: ExecutionStatus) -> RunRecord {
    let n = i64::try_from(fresh()).unwrap();
    RunRecord {
        state,
        status,
        next_event_id: n + 3,
        last_write_version: 100 + n,
        start_time: Timestamp(1_700_000_000_000 + n),
        create_request_id: format!("request-{n}"),
        info: blob("info"),
        execution_state: blob("state"),
    }
}

/// An item with a fresh value.
pub fn item(key: ItemKey) -> Item {
    Item { key, value: blob("item") }
}

/// One key of every kind; those of another `n` are others.
pub fn keys(n: i64) -> Vec<ItemKey> {
    vec![
        ItemKey::Activity(n),
        ItemKey::Timer(format!("timer {n}")),
        ItemKey::Child(n),
        ItemKey::RequestCancel(n),
        ItemKey::Signal(n),
        ItemKey::SignalRequested(format!("request {n}")),
        ItemKey::Node(format!("path/{n}")),
    ]
}

/// One item of every kind, with the keys of `n` and fresh values.
pub fn items(n: i64) -> Vec<Item> {
    keys(n).into_iter().map(item).collect()
}

/// A run in this state, at record version 1, with one item of every kind and no tasks.
pub fn snapshot(run_id: RunId, state: ExecutionState) -> Snapshot {
    Snapshot { run_id, record: record(state), record_version: 1, items: items(1), tasks: Vec::new() }
}

/// A change of a run to this state that writes nothing but the record.
pub fn mutation(run_id: RunId, expected_version: i64, state: ExecutionState) -> Mutation {
    Mutation {
        run_id,
        record: record(state),
        expected_version,
        upsert_items: Vec::new(),
        delete_items: Vec::new(),
        clear_buffered_events: false,
        buffered_events: None,
        tasks: Vec::new(),
    }
}

/// An immediate task of this id with a fresh payload.
pub fn immediate(category: TaskCategory, id: i64) -> HistoryTask {
    HistoryTask { category, key: TaskKey::immediate(id), payload: blob("task") }
}

/// A scheduled task with a fresh payload.
pub fn scheduled(category: TaskCategory, fire_time: i64, id: i64) -> HistoryTask {
    HistoryTask { category, key: TaskKey::scheduled(Timestamp(fire_time), id), payload: blob("task") }
}

fn in_order(items: impl IntoIterator<Item = Item>) -> Vec<Item> {
    let by_key: BTreeMap<_, _> = items.into_iter().map(|i| (i.key.clone(), i)).collect();
    by_key.into_values().collect()
}

/// What is read after a run was created from a snapshot.
pub fn created(s: &Snapshot) -> MutableState {
    MutableState {
        record: s.record.clone(),
        record_version: s.record_version,
        items: in_order(s.items.clone()),
        buffered_events: Vec::new(),
    }
}

/// What is read after a run was replaced by a snapshot.
pub fn replaced(s: &Snapshot) -> MutableState {
    MutableState { record_version: s.record_version + 1, ..created(s) }
}

/// What is read after a run was changed.
pub fn mutated(before: &MutableState, m: &Mutation) -> MutableState {
    let items = before.items.iter().chain(&m.upsert_items).cloned();
    let kept = in_order(items).into_iter().filter(|i| !m.delete_items.contains(&i.key)).collect();
    let old = if m.clear_buffered_events { &[][..] } else { &before.buffered_events };
    MutableState {
        record: m.record.clone(),
        record_version: m.expected_version + 1,
        items: kept,
        buffered_events: old.iter().chain(&m.buffered_events).cloned().collect(),
    }
}
