//! The rows of a transition, which are the same for every database.

use super::super::engine::{ACTIVITY, EVENTS, STATE, TIMER, TRANSFER};
use super::super::measure::Payloads;
use anyhow::Result;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// The bytes of a current record as the library stores it, and what it adds to the state.
const CURRENT: usize = 80;
const RECORD: usize = 60;

/// Who owns the shards.
pub(super) const RANGE_ID: i64 = 1;

/// The tables, with `{bytes}`, `{uuid}`, `{text}` and `{attempts}` for what differs between databases.
pub(super) const TABLES: [(&str, &str); 6] = [
    ("bench_raw_shards", "shard_id BIGINT NOT NULL PRIMARY KEY, range_id BIGINT NOT NULL"),
    (
        "bench_raw_current_executions",
        "shard_id BIGINT NOT NULL, namespace_id {uuid} NOT NULL, workflow_id {text} NOT NULL, archetype BIGINT NOT NULL, \
         run_id {uuid} NOT NULL, state BIGINT NOT NULL, last_write_version BIGINT NOT NULL, record {bytes} NOT NULL, \
         PRIMARY KEY (shard_id, namespace_id, workflow_id, archetype)",
    ),
    (
        "bench_raw_executions",
        "shard_id BIGINT NOT NULL, namespace_id {uuid} NOT NULL, workflow_id {text} NOT NULL, run_id {uuid} NOT NULL, \
         record_version BIGINT NOT NULL, next_event_id BIGINT NOT NULL, record {bytes} NOT NULL, created_by {uuid} NOT NULL, \
         attempts {attempts} NOT NULL, PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id)",
    ),
    (
        "bench_raw_execution_items",
        "shard_id BIGINT NOT NULL, namespace_id {uuid} NOT NULL, workflow_id {text} NOT NULL, run_id {uuid} NOT NULL, \
         kind BIGINT NOT NULL, item_number BIGINT NOT NULL, item_name {text} NOT NULL, value {bytes} NOT NULL, \
         PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)",
    ),
    (
        "bench_raw_history_tasks",
        "shard_id BIGINT NOT NULL, category BIGINT NOT NULL, fire_time BIGINT NOT NULL, task_id BIGINT NOT NULL, \
         payload {bytes} NOT NULL, PRIMARY KEY (shard_id, category, fire_time, task_id)",
    ),
    (
        "bench_raw_history_nodes",
        "shard_id BIGINT NOT NULL, tree_id {uuid} NOT NULL, branch_id {uuid} NOT NULL, first_event_id BIGINT NOT NULL, \
         negated_transaction_id BIGINT NOT NULL, event_count BIGINT NOT NULL, previous_transaction_id BIGINT NOT NULL, \
         in_state BIGINT NOT NULL, written_at BIGINT NOT NULL, events {bytes} NOT NULL, \
         PRIMARY KEY (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id)",
    ),
];

/// One table's DDL.
pub(super) fn ddl(
    name: &str,
    columns: &str,
    [bytes, uuid, text, attempts]: [&str; 4],
    options: &str,
) -> String {
    let columns = columns.replace("{bytes}", bytes).replace("{uuid}", uuid);
    let columns = columns.replace("{text}", text).replace("{attempts}", attempts);
    format!("CREATE TABLE {name} ({columns}){options}")
}

/// A running workflow.
#[derive(Clone)]
pub(crate) struct Run {
    pub(super) shard_id: i64,
    pub(super) namespace_id: Uuid,
    pub(super) workflow_id: String,
    pub(super) run_id: Uuid,
    branch_id: Uuid,
    version: i64,
    ids: i64,
    payloads: Payloads,
}

/// The values of one transition.
pub(crate) struct Transition {
    pub(super) shard_id: i64,
    pub(super) namespace_id: Uuid,
    pub(super) workflow_id: String,
    pub(super) run_id: Uuid,
    pub(super) current: Vec<u8>,
    /// The version that it makes, from the one before.
    pub(super) version: i64,
    pub(super) record: Vec<u8>,
    pub(super) attempt: Vec<u8>,
    pub(super) activity_id: i64,
    pub(super) activity: Vec<u8>,
    pub(super) transfer_id: i64,
    pub(super) transfer: Vec<u8>,
    pub(super) fire_time: i64,
    pub(super) timer_id: i64,
    pub(super) timer: Vec<u8>,
    pub(super) branch_id: Uuid,
    pub(super) transaction_id: i64,
    pub(super) previous_transaction_id: i64,
    pub(super) now: i64,
    pub(super) events: Vec<u8>,
}

fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl Run {
    /// A run on this shard, counted from 0; no two of a shard have the same index.
    pub(super) fn new(shard: usize, index: usize) -> Result<Self> {
        let run_id = Uuid::now_v7();
        Ok(Run {
            shard_id: i64::try_from(shard)? + 1,
            namespace_id: Uuid::from_u128(1),
            workflow_id: format!("bench-{run_id}"),
            run_id,
            branch_id: Uuid::now_v7(),
            version: 1,
            // Ids of runs in one shard lie apart.
            ids: i64::try_from(index)? << 40,
            payloads: Payloads::new(0).with_seed(u64::try_from(index)? + 1),
        })
    }

    pub(super) fn next(&mut self) -> Transition {
        let now = SystemTime::now();
        let mut bytes = |len| self.payloads.next(len).data.to_vec();
        Transition {
            shard_id: self.shard_id,
            namespace_id: self.namespace_id,
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id,
            current: bytes(CURRENT),
            version: self.version + 1,
            record: bytes(STATE + RECORD),
            attempt: bytes(32),
            activity_id: self.version % 4,
            activity: bytes(ACTIVITY),
            transfer_id: self.ids + 2,
            transfer: bytes(TRANSFER),
            fire_time: micros(now + Duration::from_secs(60)),
            timer_id: self.ids + 3,
            timer: bytes(TIMER),
            branch_id: self.branch_id,
            transaction_id: self.ids + 1,
            previous_transaction_id: self.ids - 2,
            now: micros(now),
            events: bytes(EVENTS),
        }
    }

    pub(super) fn committed(&mut self) {
        self.version += 1;
        self.ids += 3;
    }
}

/// Binds values from the left.
macro_rules! bind {
    ($query:expr, $($value:expr),+ $(,)?) => { $query$(.bind($value))+ };
}
pub(crate) use bind;
