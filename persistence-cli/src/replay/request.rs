//! Store requests made from transitions.

use super::convert::{Conversion, Transition};
use super::owner::Ids;
use super::read::Export;
use crate::{ids, time};
use persistence::store::{
    CreateExecution, CreateMode, ExecutionScope, HistoryTask, Item, Mutation, NodeHeader, NodeWrite, RunKey,
    RunRecord, Snapshot, TaskKey, UpdateExecution, UpdateMode,
};
use persistence::{Archetype, AttemptId, Blob, BranchToken, RunId, ShardId};
use serde_json::{Value, json};

/// A run under the name that it is stored under.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) shard_id: ShardId,
    pub(crate) run: RunKey,
}

/// A run with everything that its writes are made of.
pub(crate) struct Replay<'a> {
    pub(crate) target: Target,
    pub(crate) export: &'a Export<'a>,
    pub(crate) conversion: &'a Conversion,
}

impl Target {
    pub(crate) fn branch(&self) -> BranchToken {
        ids::branch(&self.run.workflow_id, self.run.run_id)
    }

    /// Another run of the same workflow.
    pub(crate) fn sibling(&self, run_id: RunId) -> Target {
        Target { shard_id: self.shard_id, run: RunKey { run_id, ..self.run.clone() } }
    }

    fn scope(&self, ids: Ids) -> ExecutionScope {
        ExecutionScope {
            shard_id: self.shard_id,
            range_id: ids.range_id,
            namespace_id: self.run.namespace_id,
            workflow_id: self.run.workflow_id.clone(),
            archetype: Archetype::WORKFLOW,
            attempt: AttemptId::new(),
        }
    }
}

impl Replay<'_> {
    /// How many ids the transition at `index` needs.
    pub(crate) fn ids_needed(&self, index: usize) -> usize {
        let own = self.conversion.transitions[index].tasks.len() + 1;
        let next = self.successor_at(index).map_or(0, |next| next.transitions[0].tasks.len() + 1);
        own + next
    }

    fn successor_at(&self, index: usize) -> Option<&Conversion> {
        let last = index + 1 == self.conversion.transitions.len();
        self.conversion.successor.as_ref().filter(|_| last).map(|s| s.conversion.as_ref())
    }

    /// The first transition.
    pub(crate) fn create(&self, ids: Ids) -> CreateExecution {
        let (snapshot, node) = self.begin(ids.first);
        CreateExecution {
            scope: self.target.scope(ids),
            mode: CreateMode::BrandNew,
            snapshot,
            history: vec![node],
        }
    }

    /// A later transition, on top of `previous_transaction_id`.
    pub(crate) fn update(&self, index: usize, ids: Ids, previous_transaction_id: i64) -> UpdateExecution {
        let transition = &self.conversion.transitions[index];
        let transaction_id = ids.first;
        let mut history = vec![self.node(transition, transaction_id, previous_transaction_id)];
        let mut new_run = None;
        if let (Some(next), Some(successor)) = (self.successor_at(index), &self.conversion.successor) {
            let first = ids.first + as_i64(transition.tasks.len() + 1);
            // An export that was made here is one: it was read when it was made.
            if let Ok(export) = successor.text.export() {
                let target = self.target.sibling(next.run_id);
                let (snapshot, node) = Replay { target, export: &export, conversion: next }.begin(first);
                new_run = Some(snapshot);
                history.push(node);
            }
        }
        UpdateExecution {
            scope: self.target.scope(ids),
            mode: UpdateMode::UpdateCurrent,
            mutation: Mutation {
                run_id: self.target.run.run_id,
                record: self.record(transition, transaction_id),
                expected_version: as_i64(index),
                upsert_items: transition.items.upserts.iter().map(|(k, v)| item(k.clone(), v)).collect(),
                delete_items: transition.items.deletes.iter().cloned().collect(),
                clear_buffered_events: false,
                buffered_events: None,
                tasks: self.tasks(transition, ids.first + 1),
            },
            new_run,
            history,
        }
    }

    fn begin(&self, first_id: i64) -> (Snapshot, NodeWrite) {
        let transition = &self.conversion.transitions[0];
        let snapshot = Snapshot {
            run_id: self.target.run.run_id,
            record: self.record(transition, first_id),
            record_version: 1,
            items: transition.items.upserts.iter().map(|(k, v)| item(k.clone(), v)).collect(),
            tasks: self.tasks(transition, first_id + 1),
        };
        (snapshot, self.node(transition, first_id, 0))
    }

    fn node(&self, transition: &Transition, transaction_id: i64, previous_transaction_id: i64) -> NodeWrite {
        NodeWrite {
            branch: self.target.branch(),
            owner: self.target.run.clone(),
            header: NodeHeader {
                first_event_id: transition.first_event_id,
                event_count: as_i64(transition.events.len()),
                transaction_id,
                previous_transaction_id,
            },
            events: self.events(transition),
        }
    }

    /// The events as the file spells them, byte by byte.
    pub(crate) fn events(&self, transition: &Transition) -> Blob {
        let raws: Vec<&str> = self.export.events[transition.events.clone()].iter().map(|r| r.get()).collect();
        Blob::json(format!("[{}]", raws.join(","))).with_checksum()
    }

    /// The record that a transition writes in this transaction.
    pub(crate) fn record(&self, transition: &Transition, transaction_id: i64) -> RunRecord {
        let (facts, start) = (&transition.facts, &self.conversion.start);
        let run_id = self.target.run.run_id;
        let create_request_id = ids::create_request_id(run_id);
        let info = json!({
            "workflow_type": start.workflow_type,
            "task_queue": start.task_queue,
            "first_execution_run_id": start.first_run_id,
            "branch_token": hex(self.target.branch().as_bytes()),
            "last_first_event_id": transition.first_event_id,
            (LAST_TRANSACTION): transaction_id,
        });
        let state = json!({
            "run_id": run_id.to_string(),
            "create_request_id": create_request_id,
            "state": facts.state.to_string(),
            "status": facts.status.to_string(),
            "start_time": time::rfc3339(start.time),
        });
        RunRecord {
            state: facts.state,
            status: facts.status,
            next_event_id: facts.next_event_id,
            last_write_version: facts.version,
            start_time: start.time,
            create_request_id,
            info: Blob::json(info.to_string()).with_checksum(),
            execution_state: Blob::json(state.to_string()).with_checksum(),
        }
    }

    fn tasks(&self, transition: &Transition, first_id: i64) -> Vec<HistoryTask> {
        let make = |(task, task_id): (&super::tasks::Task, i64)| HistoryTask {
            category: task.category,
            key: TaskKey { fire_time: task.fire_time, task_id },
            payload: self.payload(task),
        };
        transition.tasks.iter().zip(first_id..).map(make).collect()
    }

    /// What a task says: whose it is, and what to do.
    pub(crate) fn payload(&self, task: &super::tasks::Task) -> Blob {
        let mut payload = task.payload.clone();
        payload.insert("workflow_id".to_owned(), json!(self.target.run.workflow_id));
        payload.insert("run_id".to_owned(), json!(self.target.run.run_id.to_string()));
        Blob::json(Value::Object(payload).to_string())
    }
}

/// Where a run's info keeps the transaction of its last history node: the next one names it.
const LAST_TRANSACTION: &str = "last_first_event_txn_id";

/// The transaction of the last history node, from a stored record.
pub(crate) fn last_transaction(record: &RunRecord) -> Option<i64> {
    let info: Value = serde_json::from_slice(&record.info.data).ok()?;
    info.get(LAST_TRANSACTION)?.as_i64()
}

/// An item as it is stored.
pub(crate) fn item(key: persistence::store::ItemKey, value: &Value) -> Item {
    Item { key, value: Blob::json(value.to_string()) }
}

fn as_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
