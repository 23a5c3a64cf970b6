//! The statement for a single plan of the usual kind: a run that is changed, the current record that names it, and rows that are
//! put. Values are scalars, and conditions are those of what changes the run, so the server has a third of the work.
//!
//! It is right for the same reasons as the statement for waves: shard, current record and run are locked in this order; what the
//! first two locks return is compared; and the run's change looks at the latest version of its row, whatever it waited for. Where
//! it changes no run nothing else is written, and the other statement tells why. So it does where a task or a node is there
//! already, which aborts this one.

use super::super::rows::{WaveRows, action, requires};
use crate::core::{RangeId, ShardId};
use crate::rendered::Rendered;
use crate::value::Value;
use std::fmt::Write;
use std::sync::Arc;

/// The most rows of a kind: each number of them is a statement of its own.
const MOST: usize = 6;

/// How many items, tasks and nodes are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rows {
    items: usize,
    tasks: usize,
    nodes: usize,
}

/// The statement for one plan and its arguments; none if the plan is not of the usual kind.
pub(super) fn one(
    shard_id: ShardId,
    fence: Option<RangeId>,
    rows: &WaveRows,
) -> Option<(Arc<str>, Vec<Value>)> {
    let is = |v: &Value, of: i64| *v == Value::Int(of);
    let ([current], [run]) = (&*rows.currents, &*rows.runs) else { return None };
    // Of one workflow, as core makes them.
    let usual = current[1..3] == run[1..3]
        && is(&current[4], requires::RUN)
        && is(&current[7], action::CREATE)
        && is(&run[4], action::PUT);
    let puts = Rows { items: rows.put_items.len(), tasks: rows.tasks.len(), nodes: rows.nodes.len() };
    let only_puts = rows.clears.is_empty() && rows.delete_items.is_empty() && rows.branches.is_empty();
    if !usual || !only_puts || [puts.items, puts.tasks, puts.nodes].iter().any(|n| *n > MOST) {
        return None;
    }
    let mut args = vec![shard_id.0.into(), fence?.into()];
    args.extend_from_slice(&run[1..4]);
    args.extend_from_slice(&current[3..4]);
    args.extend_from_slice(&current[5..6]);
    args.extend_from_slice(&current[8..]);
    args.extend_from_slice(&run[5..9]);
    args.extend_from_slice(&run[10..]);
    // An item's namespace, workflow id and run are those of the run.
    args.extend(rows.put_items.iter().flat_map(|r| r[4..].iter().cloned()));
    args.extend(rows.tasks.iter().chain(&rows.nodes).flat_map(|r| r[1..].iter().cloned()));
    Some((puts.text(), args))
}

const CHANGE: &str = "\
WITH
s AS MATERIALIZED (
    SELECT range_id FROM shards WHERE shard_id = $1 FOR SHARE
),
lc AS MATERIALIZED (
    SELECT run_id
      FROM current_executions
     WHERE shard_id = $1 AND namespace_id = $3 AND workflow_id = $4 AND archetype = $6 AND (SELECT count(*) FROM s) >= 0
       FOR NO KEY UPDATE
),
put_run AS (
    UPDATE executions
       SET record_version = $13, next_event_id = $14, record = $15, attempts = substring($16 || attempts FROM 1 FOR 256)
     WHERE shard_id = $1 AND namespace_id = $3 AND workflow_id = $4 AND run_id = $5 AND record_version = $12
       AND (SELECT range_id FROM s) = $2 AND (SELECT run_id FROM lc) = $7
    RETURNING 1
),
put_current AS (
    UPDATE current_executions
       SET run_id = $8, state = $9, last_write_version = $10, record = $11
     WHERE shard_id = $1 AND namespace_id = $3 AND workflow_id = $4 AND archetype = $6 AND EXISTS (SELECT FROM put_run)
)";

/// The parameters of [`CHANGE`].
const CHANGE_PARAMETERS: usize = 16;

/// A row if the plan was not applied.
const NOT_APPLIED: &str = "SELECT 1::bigint WHERE NOT EXISTS (SELECT FROM put_run)";

impl Rows {
    /// The statement.
    fn text(self) -> Arc<str> {
        static RENDERED: Rendered<Rows> = Rendered::new();
        RENDERED.get(self, |rows| rows.render())
    }

    fn render(self) -> String {
        let (mut text, mut next) = (CHANGE.to_owned(), CHANGE_PARAMETERS + 1);
        add(&mut text, &mut next, self.items, &ITEM);
        add(&mut text, &mut next, self.tasks, &TASK);
        add(&mut text, &mut next, self.nodes, &NODE);
        text.push('\n');
        text.push_str(NOT_APPLIED);
        text
    }
}

/// What puts rows.
struct Put {
    name: &'static str,
    into: &'static str,
    /// The columns that are the same in every row.
    common: &'static str,
    kinds: &'static [&'static str],
    replace: &'static str,
}

const ITEM: Put = Put {
    name: "put_items",
    into: "execution_items (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)",
    common: "$1, $3, $4, $5",
    kinds: &["bigint", "bigint", "text", "bytea"],
    replace: "
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
        DO UPDATE SET value = excluded.value",
};

const TASK: Put = Put {
    name: "put_tasks",
    into: "history_tasks (shard_id, category, fire_time, task_id, payload)",
    common: "$1",
    kinds: &["bigint", "bigint", "bigint", "bytea"],
    replace: "",
};

const NODE: Put = Put {
    name: "put_nodes",
    into: "history_nodes (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count, \
           previous_transaction_id, in_state, written_at, events)",
    common: "$1",
    kinds: &["uuid", "uuid", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "bytea"],
    replace: "",
};

/// Adds what puts `rows` rows, whose parameters are the next ones.
fn add(text: &mut String, next: &mut usize, rows: usize, put: &Put) {
    if rows == 0 {
        return;
    }
    let _ = write!(text, ",\n{} AS (\n    INSERT INTO {}\n    ", put.name, put.into);
    let mut row = || {
        let typed = put.kinds.iter().enumerate().map(|(i, kind)| format!("${}::{kind}", *next + i));
        let typed = typed.collect::<Vec<_>>().join(", ");
        *next += put.kinds.len();
        typed
    };
    if rows == 1 {
        let _ = write!(text, "SELECT {}, {}", put.common, row());
    } else {
        let all: Vec<String> = (0..rows).map(|_| format!("({})", row())).collect();
        let _ = write!(text, "SELECT {}, t.* FROM (VALUES {}) AS t", put.common, all.join(", "));
    }
    let _ = write!(text, "\n     WHERE EXISTS (SELECT FROM put_run){}\n)", put.replace);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_rows_has_its_parameters() {
        let text = Rows { items: 2, tasks: 1, nodes: 1 }.render();
        assert!(
            text.contains("(VALUES ($17::bigint, $18::bigint, $19::text, $20::bytea), ($21::bigint,"),
            "{text}"
        );
        assert!(text.contains("SELECT $1, $25::bigint, $26::bigint, $27::bigint, $28::bytea\n"), "{text}");
        assert!(text.contains("$37::bytea\n") && !text.contains("$38"), "{text}");
        let none = Rows { items: 0, tasks: 0, nodes: 0 }.render();
        assert!(none.contains("$16") && !none.contains("$17") && !none.contains("INSERT"), "{none}");
    }
}
