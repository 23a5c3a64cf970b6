//! What the suite must cover: a table of cells, each of which needs a case.
//!
//! The rows are the pinned rules, the operations of every store and of the driver contract, and the errors that their
//! documentation names.

use crate::{generic, nosql, sql};
use persistence_core::ErrorKind;
use persistence_core::layer::{Effect, Operations};
use persistence_core::store::{
    ClusterMetadataStore, DocumentStore, EndpointStore, ExecutionStore, HistoryStore, MaintenanceStore,
    MetadataStore, QueueStore, ShardStore, TaskQueueUserDataStore, TaskStore, VisibilityStore,
};
use std::collections::{BTreeMap, BTreeSet};

/// A pinned rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `P1` and so on.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Why no case of the suite can cover it, if so.
    pub out_of_scope: Option<&'static str>,
}

const fn rule(id: &'static str, title: &'static str) -> Rule {
    Rule { id, title, out_of_scope: None }
}

/// The pinned rules.
pub const RULES: &[Rule] = &[
    rule("P1", "Shard ownership is read and compared; a missing shard is lost"),
    rule("P2", "Names are 1 to 255 characters, compared by exact bytes"),
    rule("P3", "Buffered events: clear, then append"),
    rule("P4", "Reuse of a workflow id checks run, version, state, in this order"),
    rule("P5", "Bypass-current checks are part of the atomic unit"),
    rule("P6", "Condition errors of runs tell version and next event id"),
    rule("P7", "A repeated task key replaces; deletes are idempotent"),
    rule("P8", "A read of a run is one consistent snapshot"),
    rule("P9", "Pages: explicit order, exact tokens, nothing skipped or repeated"),
    rule("P10", "Deletes take an optional fence"),
    rule("P11", "History nodes commit with the state, or stay invisible"),
    rule("P12", "Times have millisecond precision, truncated on write"),
    rule("P13", "Unknown outcomes are resolved by applying again"),
    rule("P14", "Queue message ids only grow and are never reused"),
    rule("P15", "Live history nodes, reads from the middle, reverse reads"),
    rule("P16", "Fork points are beginnings of live batches"),
    rule("P17", "Task keys are (pass, task id); completing counts exactly"),
    rule("P18", "Expiry is decided by the clock, never by the database"),
    rule("P19", "Adding what is there is a success"),
    rule("P20", "Compare-and-set is by record version only"),
    rule("P21", "Conditions that hold but change nothing still apply"),
    rule("P22", "Plans of one shard: each its own outcome, in order"),
    rule("P23", "Within one plan: deletes win, resets replace, equal runs are refused"),
    rule("P24", "Tokens carry a format version; checksums are verified"),
];

/// The operations of the contract of NoSQL drivers.
const ROW_METHODS: &[&str] = &["info", "schema", "get", "scan", "write", "partitions", "close"];

/// What the contract of SQL drivers is about: most of its methods are part of every case.
const SQL_TOPICS: &[&str] = &["schema", "value", "transaction", "error", "plan"];

type Methods = &'static [(&'static str, Effect)];

/// The stores and their operations.
pub fn stores() -> Vec<(&'static str, Methods)> {
    macro_rules! list {
        ($($store:ident),*) => {
            vec![$((<dyn $store as Operations>::STORE, <dyn $store as Operations>::METHODS)),*]
        };
    }
    list!(
        ShardStore,
        ExecutionStore,
        HistoryStore,
        TaskStore,
        QueueStore,
        DocumentStore,
        MetadataStore,
        ClusterMetadataStore,
        EndpointStore,
        TaskQueueUserDataStore,
        VisibilityStore,
        MaintenanceStore
    )
}

/// Errors that the documentation of an operation names.
const ERRORS: &[(&str, &[ErrorKind])] = {
    use ErrorKind::*;
    &[
        ("shard.get_shard", &[NotFound]),
        ("shard.update_shard", &[ShardOwnershipLost]),
        ("shard.assert_shard_ownership", &[ShardOwnershipLost]),
        (
            "execution.create_execution",
            &[ShardOwnershipLost, CurrentWorkflowConditionFailed, WorkflowConditionFailed],
        ),
        (
            "execution.update_execution",
            &[ShardOwnershipLost, CurrentWorkflowConditionFailed, WorkflowConditionFailed],
        ),
        (
            "execution.conflict_resolve_execution",
            &[ShardOwnershipLost, CurrentWorkflowConditionFailed, WorkflowConditionFailed],
        ),
        ("execution.set_execution", &[ShardOwnershipLost, WorkflowConditionFailed]),
        ("execution.apply", &[ShardOwnershipLost, CurrentWorkflowConditionFailed, WorkflowConditionFailed]),
        ("execution.delete_execution", &[ShardOwnershipLost]),
        ("execution.delete_current_execution", &[ShardOwnershipLost]),
        ("execution.get_execution", &[NotFound]),
        ("execution.get_current_execution", &[NotFound]),
        ("execution.list_executions", &[InvalidToken]),
        ("execution.add_history_tasks", &[ShardOwnershipLost]),
        ("execution.get_history_tasks", &[InvalidArgument, InvalidToken]),
        ("execution.complete_history_task", &[ShardOwnershipLost]),
        ("execution.range_complete_history_tasks", &[ShardOwnershipLost, InvalidArgument]),
        ("history.append_history_node", &[InvalidArgument, TooLarge]),
        ("history.read_history_branch", &[InvalidArgument, InvalidToken, NotFound, Corrupted]),
        ("history.read_history_branch_reverse", &[InvalidToken, NotFound]),
        ("history.fork_history_branch", &[InvalidArgument, NotFound]),
        ("history.delete_history_branch", &[ShardOwnershipLost]),
        ("history.list_history_branches", &[InvalidToken]),
        ("task.create_task_queue", &[ConditionFailed]),
        ("task.get_task_queue", &[NotFound]),
        ("task.update_task_queue", &[ConditionFailed]),
        ("task.delete_task_queue", &[ConditionFailed]),
        ("task.list_task_queues", &[InvalidToken]),
        ("task.create_tasks", &[ConditionFailed]),
        ("task.get_tasks", &[InvalidToken]),
        ("queue.create_queue", &[AlreadyExists]),
        ("queue.enqueue", &[NotFound]),
        ("queue.read_queue", &[NotFound, InvalidToken]),
        ("queue.update_ack_level", &[NotFound]),
        ("queue.get_ack_levels", &[NotFound]),
        ("queue.range_delete_messages", &[NotFound, InvalidArgument]),
        ("queue.list_queues", &[InvalidToken]),
        ("document.ensure_collections", &[InvalidArgument, Unsupported]),
        ("document.get_collection", &[NotFound]),
        ("document.get_documents", &[NotFound]),
        (
            "document.write_documents",
            &[NotFound, AlreadyExists, ConditionFailed, InvalidArgument, TooLarge, Unsupported],
        ),
        ("document.find_documents", &[NotFound, InvalidArgument, InvalidToken, Unindexed, ResourceExhausted]),
        ("document.count_documents", &[NotFound, Unindexed]),
        ("document.explain_documents", &[NotFound]),
        ("document.sweep_documents", &[NotFound, InvalidArgument]),
        ("metadata.create_namespace", &[AlreadyExists]),
        ("metadata.get_namespace", &[NotFound]),
        ("metadata.update_namespace", &[ConditionFailed, NotFound]),
        ("metadata.rename_namespace", &[NotFound, AlreadyExists]),
        ("metadata.list_namespaces", &[InvalidToken]),
        ("cluster.save_cluster_metadata", &[ConditionFailed]),
        ("cluster.get_cluster_metadata", &[NotFound]),
        ("cluster.list_cluster_metadata", &[InvalidToken]),
        ("cluster.delete_cluster_metadata", &[InvalidArgument]),
        ("cluster.upsert_member", &[InvalidArgument]),
        ("cluster.get_members", &[InvalidToken]),
        ("cluster.prune_members", &[InvalidArgument]),
        ("endpoint.put_endpoint", &[ConditionFailed]),
        ("endpoint.delete_endpoint", &[ConditionFailed, NotFound]),
        ("endpoint.get_endpoint", &[NotFound]),
        ("endpoint.list_endpoints", &[ConditionFailed, InvalidToken]),
        ("user_data.update_user_data", &[ConditionFailed, InvalidArgument]),
        ("user_data.get_user_data", &[NotFound]),
        ("user_data.list_user_data", &[InvalidToken]),
        ("visibility.record_started", &[InvalidArgument]),
        ("visibility.record_closed", &[InvalidArgument]),
        ("visibility.get_visibility", &[NotFound]),
        ("visibility.list_visibility", &[InvalidArgument, InvalidToken, Unindexed]),
        ("visibility.count_visibility", &[InvalidArgument, Unindexed]),
        ("visibility.set_up_visibility", &[InvalidArgument, AlreadyExists, ConditionFailed, TooLarge]),
        ("visibility.list_visibility_namespaces", &[InvalidToken]),
        ("maintenance.scavenge", &[InvalidArgument, InvalidToken]),
        ("maintenance.sweep_expired", &[InvalidArgument, InvalidToken]),
        ("row.write", &[Unsupported, InvalidArgument, TooLarge]),
    ]
};

/// Errors that some operation of every store must have shown. `Unavailable` and `Timeout` are one cell: which of them a
/// write without an answer ends with depends on what went first, the connection or the time.
const EVERY_STORE: &[&[ErrorKind]] =
    &[&[ErrorKind::InvalidArgument], &[ErrorKind::Closed], &[ErrorKind::Unavailable, ErrorKind::Timeout]];

/// One cell of the table.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What must be covered, as in `covers`; `store.*!kind` for an error that any operation may show.
    pub cell: String,
    /// For people.
    pub title: String,
    /// The cases that cover it.
    pub cases: Vec<&'static str>,
    /// Why no case needs to, if so.
    pub out_of_scope: Option<&'static str>,
}

impl Cell {
    /// Whether a case is missing.
    pub fn is_missing(&self) -> bool {
        self.cases.is_empty() && self.out_of_scope.is_none()
    }
}

/// Whether a cell of `covers` names an operation that writes.
pub fn writes(cell: &str) -> bool {
    let operation = cell.split('!').next().unwrap_or(cell);
    let is = |store: &str, (method, effect): &(&str, Effect)| {
        *effect != Effect::Read && operation == format!("{store}.{method}")
    };
    stores().iter().any(|(store, methods)| methods.iter().any(|m| is(store, m)))
}

fn covered() -> BTreeMap<&'static str, Vec<&'static str>> {
    let generic = generic::cases().into_iter().map(|c| (c.id, c.covers));
    let rows = nosql::cases().into_iter().map(|c| (c.id, c.covers));
    let sql = sql::cases().into_iter().map(|c| (c.id, c.covers));
    let mut covered: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (id, covers) in generic.chain(rows).chain(sql) {
        for cell in covers {
            covered.entry(*cell).or_default().push(id);
        }
    }
    covered
}

/// The table, with the cases of every cell.
pub fn table() -> Vec<Cell> {
    let covered = covered();
    let cases = |cells: &[String]| {
        let found: BTreeSet<_> =
            cells.iter().flat_map(|c| covered.get(c.as_str()).into_iter().flatten().copied()).collect();
        found.into_iter().collect()
    };
    let cell = |cell: String, title: String, from: &[String]| Cell {
        cases: cases(from),
        cell,
        title,
        out_of_scope: None,
    };
    let mut table = Vec::new();
    for r in RULES {
        let id = r.id.to_owned();
        let row = cell(id.clone(), r.title.to_owned(), std::slice::from_ref(&id));
        table.push(Cell { out_of_scope: r.out_of_scope, ..row });
    }
    for op in operations() {
        table.push(cell(op.clone(), String::new(), std::slice::from_ref(&op)));
    }
    for (op, kinds) in ERRORS {
        for kind in *kinds {
            let id = format!("{op}!{}", kind.name());
            table.push(cell(id.clone(), String::new(), std::slice::from_ref(&id)));
        }
    }
    for (store, methods) in stores() {
        for kinds in EVERY_STORE {
            let names: Vec<_> = kinds.iter().map(|k| k.name()).collect();
            let from: Vec<_> = methods
                .iter()
                .flat_map(|(m, _)| names.iter().map(move |k| format!("{store}.{m}!{k}")))
                .collect();
            table.push(cell(format!("{store}.*!{}", names.join("|")), String::new(), &from));
        }
    }
    table
}

fn operations() -> Vec<String> {
    let stores = stores();
    let generic =
        stores.iter().flat_map(|(store, methods)| methods.iter().map(move |(m, _)| format!("{store}.{m}")));
    let rows = ROW_METHODS.iter().map(|m| format!("row.{m}"));
    generic.chain(rows).chain(SQL_TOPICS.iter().map(|t| format!("sql.{t}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence_core::Capability;

    #[test]
    fn complete() {
        let missing: Vec<_> = table().into_iter().filter(Cell::is_missing).map(|c| c.cell).collect();
        assert!(missing.is_empty(), "{} cells have no case:\n{}", missing.len(), missing.join("\n"));
    }

    #[test]
    fn cases_name_cells_that_exist() {
        let rules = RULES.iter().map(|r| r.id.to_owned());
        let capabilities = Capability::ALL.iter().map(|c| format!("capability.{}", c.name()));
        let known: BTreeSet<String> = rules.chain(capabilities).chain(operations()).collect();
        for (cell, cases) in covered() {
            let (operation, kind) = cell.split_once('!').map_or((cell, None), |(o, k)| (o, Some(k)));
            assert!(known.contains(operation), "{cell:?} of {cases:?} is no cell");
            assert!(kind.is_none_or(is_kind), "{cell:?} of {cases:?} names no kind of error");
        }
    }

    fn is_kind(name: &str) -> bool {
        use ErrorKind::*;
        let all = [
            InvalidArgument,
            InvalidToken,
            NotFound,
            AlreadyExists,
            ShardOwnershipLost,
            CurrentWorkflowConditionFailed,
            WorkflowConditionFailed,
            ConditionFailed,
            TooLarge,
            ResourceExhausted,
            Timeout,
            Unavailable,
            Locked,
            Closed,
            SchemaMismatch,
            Unindexed,
            Corrupted,
            Unsupported,
        ];
        all.iter().any(|k| k.name() == name)
    }

    #[test]
    fn ids_are_unique() {
        let ids: Vec<_> = generic::cases().iter().map(|c| c.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        let ids: Vec<_> = nosql::cases().iter().map(|c| c.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        let ids: Vec<_> = sql::cases().iter().map(|c| c.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}
