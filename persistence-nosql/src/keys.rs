//! Partitions and keys: order-preserving tuples, the partition's first element the format version.
//!
//! | table | partition | rows |
//! |---|---|---|
//! | shard | shard | shard row and its attempts, current records, run headers, runs, run attempts, history tasks |
//! | history | shard, tree | tree version, branches, node headers, node events |
//! | task_queues | namespace, name, type | queue row and its attempts, tasks |
//! | queues | type, name | queue row and its attempts, messages, ack levels |
//! | queues | type | names |
//!
//! Those of documents are in `document::keys`.

use crate::core::store::{
    CurrentKey, ItemId, ItemKey, QueueKey, QueueType, RunKey, TaskPosition, TaskQueueKey,
};
use crate::core::store::{TaskCategory, TaskKey};
use crate::core::{BranchId, Error, NamespaceId, Result, RunId, ShardId, Timestamp, TreeId};
use crate::row::KeyRange;
use bytes::Bytes;
use foundationdb_tuple::{TuplePack, TupleUnpack, pack, unpack};
use uuid::Uuid;

pub(crate) const KEY_VERSION: i64 = 1;

pub(crate) fn tuple(t: &impl TuplePack) -> Bytes {
    pack(t).into()
}

/// The keys that begin with this tuple, and the tuple itself.
pub(crate) fn prefix(start: Bytes) -> KeyRange {
    let mut end = Vec::with_capacity(start.len() + 1);
    end.extend_from_slice(&start);
    end.push(0xff); // above every tuple code
    KeyRange::new(start, end)
}

/// The smallest key after this one.
pub(crate) fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

pub(crate) fn read<'a, T: TupleUnpack<'a>>(entity: &'static str, key: &'a [u8]) -> Result<T> {
    unpack(key).map_err(|e| Error::corrupted(entity, format!("unreadable key: {e}")))
}

/// Keys of a shard's partition.
pub(crate) mod shard {
    use super::*;

    const SHARD: u16 = 0;
    const CURRENT: u16 = 1;
    const HEADER: u16 = 2;
    const RUN: u16 = 3;
    const ATTEMPT: u16 = 4;
    const TASK: u16 = 5;

    /// Sections of a run, in the order of its rows; items use their kind's code, 1 to 99.
    const RECORD: u16 = 0;
    const FIRST_ITEM: u16 = 1;
    const BUFFERED: u16 = 100;
    const TAIL: u16 = 200;

    pub(crate) fn partition(shard_id: ShardId) -> Bytes {
        tuple(&(KEY_VERSION, shard_id.0))
    }

    pub(crate) fn row() -> Bytes {
        tuple(&(SHARD,))
    }

    pub(crate) fn row_attempts() -> Bytes {
        tuple(&(SHARD, 1u16))
    }

    pub(crate) fn current(k: &CurrentKey) -> Bytes {
        tuple(&(CURRENT, k.namespace_id.0, &*k.workflow_id, k.archetype.0, 0u16))
    }

    pub(crate) fn current_version(k: &CurrentKey) -> Bytes {
        tuple(&(CURRENT, k.namespace_id.0, &*k.workflow_id, k.archetype.0, 1u16))
    }

    fn of_run(section: u16, k: &RunKey) -> Bytes {
        tuple(&(section, k.namespace_id.0, &*k.workflow_id, k.run_id.0))
    }

    pub(crate) fn header(k: &RunKey) -> Bytes {
        of_run(HEADER, k)
    }

    pub(crate) fn headers() -> KeyRange {
        prefix(tuple(&(HEADER,)))
    }

    pub(crate) fn read_header(key: &[u8]) -> Result<RunKey> {
        let (_, namespace, workflow_id, run): (u16, Uuid, String, Uuid) = read("run header", key)?;
        Ok(RunKey { namespace_id: NamespaceId(namespace), workflow_id, run_id: RunId(run) })
    }

    fn in_run(k: &RunKey, rest: &impl TuplePack) -> Bytes {
        let mut key = Vec::from(of_run(RUN, k));
        key.extend_from_slice(&pack(rest));
        key.into()
    }

    /// Everything of a run but its header and its attempts.
    pub(crate) fn run(k: &RunKey) -> KeyRange {
        prefix(of_run(RUN, k))
    }

    /// What a load reads: record, items and buffered events.
    pub(crate) fn run_state(k: &RunKey) -> KeyRange {
        KeyRange::new(record(k), in_run(k, &(TAIL,)))
    }

    pub(crate) fn record(k: &RunKey) -> Bytes {
        in_run(k, &(RECORD,))
    }

    pub(crate) fn items(k: &RunKey) -> KeyRange {
        KeyRange::new(in_run(k, &(FIRST_ITEM,)), in_run(k, &(BUFFERED,)))
    }

    pub(crate) fn item(k: &RunKey, item: &ItemKey) -> Bytes {
        match item.id() {
            ItemId::Number(n) => in_run(k, &(u16::from(item.kind().code()), n)),
            ItemId::Name(s) => in_run(k, &(u16::from(item.kind().code()), s)),
        }
    }

    /// Buffered events below this record version.
    pub(crate) fn buffered_below(k: &RunKey, version: i64) -> KeyRange {
        KeyRange::new(in_run(k, &(BUFFERED,)), buffered(k, version))
    }

    pub(crate) fn buffered(k: &RunKey, version: i64) -> Bytes {
        in_run(k, &(BUFFERED, version))
    }

    pub(crate) fn tail(k: &RunKey, branch: BranchId) -> Bytes {
        in_run(k, &(TAIL, branch.0))
    }

    /// A row of a run as a load meets it.
    pub(crate) enum RunRow {
        Record,
        Item(ItemKey),
        Buffered,
    }

    pub(crate) fn read_run_row(k: &RunKey, key: &[u8]) -> Result<RunRow> {
        let bad = || Error::corrupted("run", "it has a row that it should not have");
        let item = |section: u16, id| {
            u8::try_from(section).ok().and_then(|code| ItemKey::from_parts(code, id)).map(RunRow::Item)
        };
        let rest = key.get(of_run(RUN, k).len()..).ok_or_else(bad)?;
        if let Ok((section, n)) = unpack::<(u16, i64)>(rest) {
            if section == BUFFERED {
                return Ok(RunRow::Buffered);
            }
            return item(section, ItemId::Number(n)).ok_or_else(bad);
        }
        if let Ok((section, s)) = unpack::<(u16, String)>(rest) {
            return item(section, ItemId::Name(&s)).ok_or_else(bad);
        }
        match unpack::<(u16,)>(rest) {
            Ok((RECORD,)) => Ok(RunRow::Record),
            _ => Err(bad()),
        }
    }

    pub(crate) fn run_attempts(k: &RunKey) -> Bytes {
        of_run(ATTEMPT, k)
    }

    pub(crate) fn task(category: i32, key: TaskKey) -> Bytes {
        tuple(&(TASK, category, key.fire_time.0, key.task_id))
    }

    pub(crate) fn read_task(key: &[u8]) -> Result<TaskKey> {
        let (_, _, fire_time, task_id): (u16, i32, i64, i64) = read("history task", key)?;
        Ok(TaskKey { fire_time: Timestamp(fire_time), task_id })
    }

    pub(crate) fn tasks(category: TaskCategory, min: TaskKey, max: TaskKey) -> KeyRange {
        KeyRange::new(task(category.id, min), task(category.id, max))
    }
}

/// Keys of a tree's partition.
pub(crate) mod history {
    use super::*;

    const VERSION: u16 = 0;
    const BRANCH: u16 = 1;
    const HEADER: u16 = 2;
    const EVENTS: u16 = 3;

    pub(crate) fn partition(shard_id: ShardId, tree: TreeId) -> Bytes {
        tuple(&(KEY_VERSION, shard_id.0, tree.0))
    }

    pub(crate) fn read_partition(partition: &[u8]) -> Result<(ShardId, TreeId)> {
        let (_, shard, tree): (i64, i32, Uuid) = read("history partition", partition)?;
        Ok((ShardId(shard), TreeId(tree)))
    }

    pub(crate) fn version() -> Bytes {
        tuple(&(VERSION,))
    }

    pub(crate) fn branch(branch: BranchId) -> Bytes {
        tuple(&(BRANCH, branch.0))
    }

    /// The version row and every branch.
    pub(crate) fn tree() -> KeyRange {
        KeyRange::new(version(), tuple(&(HEADER,)))
    }

    /// Larger transaction ids first.
    pub(crate) fn header(branch: BranchId, first_event_id: i64, transaction_id: i64) -> Bytes {
        tuple(&(HEADER, branch.0, first_event_id, -transaction_id))
    }

    pub(crate) fn events(branch: BranchId, first_event_id: i64, transaction_id: i64) -> Bytes {
        tuple(&(EVENTS, branch.0, first_event_id, -transaction_id))
    }

    /// Headers of a branch with first event ids in `[begin, end)`.
    pub(crate) fn headers(branch: BranchId, begin: i64, end: i64) -> KeyRange {
        nodes(HEADER, branch, begin, end)
    }

    /// Events of a branch with first event ids in `[begin, end)`.
    pub(crate) fn all_events(branch: BranchId, begin: i64, end: i64) -> KeyRange {
        nodes(EVENTS, branch, begin, end)
    }

    fn nodes(section: u16, branch: BranchId, begin: i64, end: i64) -> KeyRange {
        KeyRange::new(tuple(&(section, branch.0, begin)), tuple(&(section, branch.0, end)))
    }

    /// First event id and transaction id.
    pub(crate) fn read_header(key: &[u8]) -> Result<(i64, i64)> {
        let (_, _, first, negated): (u16, Uuid, i64, i64) = read("history node", key)?;
        Ok((first, -negated))
    }
}

/// Keys of a task queue's partition.
pub(crate) mod task_queue {
    use super::*;

    const QUEUE: u16 = 0;
    const TASK: u16 = 1;

    pub(crate) fn partition(k: &TaskQueueKey) -> Bytes {
        tuple(&(KEY_VERSION, k.namespace_id.0, &*k.name, k.task_type))
    }

    pub(crate) fn read_partition(partition: &[u8]) -> Result<TaskQueueKey> {
        let (_, namespace, name, task_type): (i64, Uuid, String, i32) =
            read("task queue partition", partition)?;
        Ok(TaskQueueKey { namespace_id: NamespaceId(namespace), name, task_type })
    }

    pub(crate) fn row() -> Bytes {
        tuple(&(QUEUE,))
    }

    pub(crate) fn row_attempts() -> Bytes {
        tuple(&(QUEUE, 1u16))
    }

    pub(crate) fn task(subqueue: i32, p: TaskPosition) -> Bytes {
        tuple(&(TASK, subqueue, p.pass, p.task_id))
    }

    pub(crate) fn tasks(subqueue: i32, min: TaskPosition, max: Option<TaskPosition>) -> KeyRange {
        let end = match max {
            Some(max) => task(subqueue, max),
            None => prefix(tuple(&(TASK, subqueue))).end.unwrap_or_default(),
        };
        KeyRange::new(task(subqueue, min), end)
    }

    /// Every task of every subqueue.
    pub(crate) fn all_tasks() -> KeyRange {
        prefix(tuple(&(TASK,)))
    }

    pub(crate) fn read_task(key: &[u8]) -> Result<(i32, TaskPosition)> {
        let (_, subqueue, pass, task_id): (u16, i32, i64, i64) = read("task", key)?;
        Ok((subqueue, TaskPosition { pass, task_id }))
    }
}

/// Keys of a queue's partition, and of the partition that names the queues of a type.
pub(crate) mod queue {
    use super::*;

    const QUEUE: u16 = 0;
    const MESSAGE: u16 = 1;
    const ACK: u16 = 2;

    pub(crate) fn partition(k: &QueueKey) -> Bytes {
        tuple(&(KEY_VERSION, u16::from(k.queue_type.code()), &*k.name))
    }

    pub(crate) fn names_partition(queue_type: QueueType) -> Bytes {
        tuple(&(KEY_VERSION, u16::from(queue_type.code())))
    }

    pub(crate) fn name(name: &str) -> Bytes {
        tuple(&(name,))
    }

    pub(crate) fn read_name(key: &[u8]) -> Result<String> {
        read::<(String,)>("queue name", key).map(|t| t.0)
    }

    pub(crate) fn row() -> Bytes {
        tuple(&(QUEUE,))
    }

    pub(crate) fn row_attempts() -> Bytes {
        tuple(&(QUEUE, 1u16))
    }

    pub(crate) fn message(id: i64) -> Bytes {
        tuple(&(MESSAGE, id))
    }

    pub(crate) fn read_message(key: &[u8]) -> Result<i64> {
        read::<(u16, i64)>("queue message", key).map(|t| t.1)
    }

    /// Messages with ids in `[min, max)`; without a maximum all from there.
    pub(crate) fn messages(min: i64, max: Option<i64>) -> KeyRange {
        let end = max.map(message).or(prefix(tuple(&(MESSAGE,))).end).unwrap_or_default();
        KeyRange::new(message(min), end)
    }

    pub(crate) fn ack(consumer: &str) -> Bytes {
        tuple(&(ACK, consumer))
    }

    pub(crate) fn acks() -> KeyRange {
        prefix(tuple(&(ACK,)))
    }

    pub(crate) fn read_ack(key: &[u8]) -> Result<String> {
        read::<(u16, String)>("ack level", key).map(|t| t.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Archetype;

    fn run(workflow: &str) -> RunKey {
        RunKey {
            namespace_id: NamespaceId(Uuid::nil()),
            workflow_id: workflow.to_owned(),
            run_id: RunId::new(),
        }
    }

    #[test]
    fn keys_order_as_their_parts() {
        let ids = [i64::MIN, -1, 0, 1, 255, 256, i64::MAX];
        let times: Vec<_> =
            ids.iter().map(|&t| shard::task(3, TaskKey::scheduled(Timestamp(t), 7))).collect();
        assert!(times.is_sorted());
        let k = run("w");
        let items = [
            ItemKey::Activity(-5),
            ItemKey::Activity(300),
            ItemKey::Timer(String::from("a")),
            ItemKey::Timer(String::from("a b")),
            ItemKey::Timer(String::from("é")),
            ItemKey::Child(1),
        ];
        let keys: Vec<_> = items.iter().map(|i| shard::item(&k, i)).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| shard::items(&k).contains(key) && shard::run_state(&k).contains(key)));
        assert!(!shard::items(&k).contains(&shard::buffered(&k, i64::MIN)));
        assert!(shard::run_state(&k).contains(&shard::buffered(&k, i64::MAX)));
    }

    #[test]
    fn a_prefix_of_a_name_is_not_a_prefix_of_its_rows() {
        let (a, ab) = (run("a"), RunKey { workflow_id: "ab".to_owned(), ..run("a") });
        assert!(!shard::run(&a).contains(&shard::record(&ab)));
        let current = |w: &str| CurrentKey {
            namespace_id: NamespaceId(Uuid::nil()),
            workflow_id: w.to_owned(),
            archetype: Archetype::WORKFLOW,
        };
        assert!(!prefix(shard::current(&current("a"))).contains(&shard::current(&current("a "))));
    }

    #[test]
    fn run_rows_read_back() {
        let k = run("w\u{7f}x");
        for item in [ItemKey::Activity(100), ItemKey::Signal(i64::MIN), ItemKey::Node("a/b".to_owned())] {
            let row = shard::read_run_row(&k, &shard::item(&k, &item)).unwrap();
            assert!(matches!(row, shard::RunRow::Item(i) if i == item));
        }
        assert!(matches!(shard::read_run_row(&k, &shard::record(&k)).unwrap(), shard::RunRow::Record));
        assert!(matches!(
            shard::read_run_row(&k, &shard::buffered(&k, -3)).unwrap(),
            shard::RunRow::Buffered
        ));
        assert!(shard::read_run_row(&k, b"x").is_err());
    }
}
