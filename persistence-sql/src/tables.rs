//! The tables: few, and typed. Their DDL is in the drivers' migrations.

use crate::dialect::TableDef;

pub(crate) const SHARDS: TableDef =
    TableDef { name: "shards", key: &["shard_id"], rest: &["range_id", "info", "updated_at", "attempts"] };

pub(crate) const CURRENT: TableDef = TableDef {
    name: "current_executions",
    key: &["shard_id", "namespace_id", "workflow_id", "archetype"],
    rest: &["run_id", "state", "last_write_version", "record"],
};

pub(crate) const EXECUTIONS: TableDef = TableDef {
    name: "executions",
    key: &["shard_id", "namespace_id", "workflow_id", "run_id"],
    rest: &["record_version", "next_event_id", "record", "created_by", "attempts"],
};

/// All maps of the mutable state by kind, and the buffered events as one more kind, numbered by record version. Child rows are
/// keyed by run id.
pub(crate) const ITEMS: TableDef = TableDef {
    name: "execution_items",
    key: &["shard_id", "namespace_id", "workflow_id", "run_id", "kind", "item_number", "item_name"],
    rest: &["value"],
};

pub(crate) const HISTORY_TASKS: TableDef = TableDef {
    name: "history_tasks",
    key: &["shard_id", "category", "fire_time", "task_id"],
    rest: &["payload"],
};

/// Transaction ids are stored negated, so that larger ones come first. `in_state` is 1 where a transition wrote the node: the
/// last of those is where the state says that the branch ends.
pub(crate) const NODES: TableDef = TableDef {
    name: "history_nodes",
    key: &["shard_id", "tree_id", "branch_id", "first_event_id", "negated_transaction_id"],
    rest: &["event_count", "previous_transaction_id", "in_state", "written_at", "events"],
};

/// The same without `in_state`, which a raw append leaves as it is.
pub(crate) const APPENDED_NODES: TableDef =
    TableDef { rest: &["event_count", "previous_transaction_id", "written_at", "events"], ..NODES };

/// One row a branch.
pub(crate) const TREES: TableDef = TableDef {
    name: "history_trees",
    key: &["shard_id", "tree_id", "branch_id"],
    rest: &["branch", "created_at"],
};

pub(crate) const TASK_QUEUES: TableDef = TableDef {
    name: "task_queues",
    key: &["namespace_id", "name", "task_type"],
    rest: &["range_id", "info", "expires_at", "created_by", "attempts"],
};

pub(crate) const TASKS: TableDef = TableDef {
    name: "tasks",
    key: &["namespace_id", "name", "task_type", "subqueue", "pass", "task_id"],
    rest: &["payload", "expires_at"],
};

pub(crate) const QUEUES: TableDef = TableDef {
    name: "queues",
    key: &["queue_type", "name"],
    rest: &["next_id", "first_id", "created_by", "attempts"],
};

pub(crate) const MESSAGES: TableDef =
    TableDef { name: "queue_messages", key: &["queue_type", "name", "id"], rest: &["payload"] };

pub(crate) const ACKS: TableDef =
    TableDef { name: "queue_acks", key: &["queue_type", "name", "consumer"], rest: &["level"] };

/// One row a collection of documents: its definition, which of its indexes may be read, and how often either changed.
pub(crate) const COLLECTIONS: TableDef =
    TableDef { name: "document_collections", key: &["name"], rest: &["definition", "ready", "revision"] };

/// The record of migrations.
pub(crate) const SCHEMA_VERSION: &str = "schema_version";

/// Every table of the stores.
pub(crate) const KEYED: [&TableDef; 13] = [
    &SHARDS,
    &CURRENT,
    &EXECUTIONS,
    &ITEMS,
    &HISTORY_TASKS,
    &NODES,
    &TREES,
    &TASK_QUEUES,
    &TASKS,
    &QUEUES,
    &MESSAGES,
    &ACKS,
    &COLLECTIONS,
];

/// Every table, as statements and migrations name it.
pub(crate) const TABLES: &[&str] = &[
    SHARDS.name,
    CURRENT.name,
    EXECUTIONS.name,
    ITEMS.name,
    HISTORY_TASKS.name,
    NODES.name,
    TREES.name,
    TASK_QUEUES.name,
    TASKS.name,
    QUEUES.name,
    MESSAGES.name,
    ACKS.name,
    COLLECTIONS.name,
    SCHEMA_VERSION,
];

/// Everything else that migrations give a name to.
pub(crate) const INDEXES: &[&str] = &["task_queues_expiry", "tasks_expiry"];
