//! The text of the statement: only the parts that a wave needs, so that there are a few shapes to prepare and none carries what it
//! does not use. `$1` is the shard, `$2` the range id of the fenced plans; each `?` is the next column of [`super::WaveRows::lists`].

use super::super::rows::{Rows, WaveRows, action};
use crate::value::Value;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// What a wave needs of the statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub fenced: bool,
    pub currents: bool,
    pub put_current: bool,
    pub delete_current: bool,
    pub runs: bool,
    pub create_run: bool,
    pub put_run: bool,
    pub delete_run: bool,
    pub clear_items: bool,
    pub delete_items: bool,
    pub put_items: bool,
    pub tasks: bool,
    pub nodes: bool,
    pub branches: bool,
}

/// Where the action is in the rows of current records and of runs.
const CURRENT_ACTION: usize = 7;
const RUN_ACTION: usize = 4;

impl Shape {
    pub(super) fn of(rows: &WaveRows, fenced: bool) -> Self {
        let does =
            |rows: &Rows, at: usize, what: i64| rows.iter().any(|r| r.get(at) == Some(&Value::Int(what)));
        let current = |what| does(&rows.currents, CURRENT_ACTION, what);
        let run = |what| does(&rows.runs, RUN_ACTION, what);
        Shape {
            fenced,
            currents: !rows.currents.is_empty(),
            put_current: current(action::CREATE) || current(action::PUT),
            delete_current: current(action::DELETE),
            runs: !rows.runs.is_empty(),
            create_run: run(action::CREATE),
            put_run: run(action::PUT),
            delete_run: run(action::DELETE),
            clear_items: !rows.clears.is_empty(),
            delete_items: !rows.delete_items.is_empty(),
            put_items: !rows.put_items.is_empty(),
            tasks: !rows.tasks.is_empty(),
            nodes: !rows.nodes.is_empty(),
            branches: !rows.branches.is_empty(),
        }
    }

    /// Which of [`WaveRows::lists`] are sent.
    pub(super) fn sends(self) -> [bool; 9] {
        [
            true,
            self.currents,
            self.runs,
            self.clear_items,
            self.delete_items,
            // A clear spares what is put.
            self.put_items || self.clear_items,
            self.tasks,
            self.nodes,
            self.branches,
        ]
    }

    /// The statement. Few shapes occur in practice, so each is rendered once.
    pub(super) fn text(self) -> Arc<str> {
        static RENDERED: LazyLock<RwLock<HashMap<Shape, Arc<str>>>> = LazyLock::new(RwLock::default);
        if let Some(text) = RENDERED.read().unwrap_or_else(PoisonError::into_inner).get(&self) {
            return Arc::clone(text);
        }
        let text: Arc<str> = self.render().into();
        RENDERED.write().unwrap_or_else(PoisonError::into_inner).insert(self, Arc::clone(&text));
        text
    }

    fn render(self) -> String {
        let mut parts: Vec<&str> = vec![PLANS];
        let mut add = |wanted: bool, part: &'static str| parts.extend(wanted.then_some(part));
        add(self.currents, CURRENTS);
        add(self.runs, RUNS);
        add(self.clear_items, CLEARS);
        add(self.delete_items, DELETES);
        add(self.put_items || self.clear_items, PUTS);
        add(self.fenced, LOCK_SHARD);
        add(self.currents, if self.delete_current { LOCK_CURRENTS_THAT_STAYED } else { LOCK_CURRENTS });
        let found_in_snapshot = self.delete_run || self.clear_items || self.delete_items;
        add(self.runs, if found_in_snapshot { LOCK_RUNS_THAT_STAYED } else { LOCK_RUNS });
        add(true, VERDICTS);
        add(self.put_current, PUT_CURRENT);
        add(self.delete_current, DELETE_CURRENT);
        add(self.create_run, CREATE_RUN);
        add(self.put_run, PUT_RUN);
        add(self.delete_run, DELETE_RUN);
        add(self.clear_items, CLEAR_ITEMS);
        add(self.delete_items, DELETE_ITEMS);
        add(self.put_items, PUT_ITEMS);
        add(self.tasks, PUT_TASKS);
        add(self.nodes, PUT_NODES);
        add(self.branches, PUT_BRANCHES);
        let mut text = format!("WITH\n{}\n{}", parts.join(",\n"), REFUSED);
        for (wanted, part) in
            [(self.fenced, FOUND_SHARD), (self.currents, FOUND_CURRENTS), (self.runs, FOUND_RUNS)]
        {
            if wanted {
                text.push_str(part);
            }
        }
        let locked = |wanted: bool, locks: &'static str| if wanted { locks } else { "true" };
        let text = text
            .replace("{shard locked}", locked(self.fenced, "(SELECT count(*) FROM s) >= 0"))
            .replace(
                "{currents locked}",
                match (self.currents, self.fenced) {
                    (true, _) => "(SELECT count(*) FROM lc) >= 0",
                    (false, fenced) => locked(fenced, "(SELECT count(*) FROM s) >= 0"),
                },
            )
            .replace("{shard holds}", locked(self.fenced, SHARD_HOLDS))
            .replace("{currents hold}", locked(self.currents, CURRENTS_HOLD))
            .replace("{runs hold}", locked(self.runs, RUNS_HOLD));
        numbered(&text)
    }
}

/// With `$3`, `$4`, … for each `?`.
fn numbered(text: &str) -> String {
    let mut parts = text.split('?');
    let mut out = String::with_capacity(text.len() + 256);
    out.push_str(parts.next().unwrap_or_default());
    for (n, part) in (3..).zip(parts) {
        let _ = write!(out, "${n}{part}");
    }
    out
}

const PLANS: &str = "\
p AS MATERIALIZED (
    SELECT * FROM unnest(?::bigint[], ?::bigint[]) AS p (plan, fenced)
)";

const CURRENTS: &str = "\
c AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::bigint[], ?::bigint[], ?::uuid[], ?::bigint[],
                  ?::bigint[], ?::uuid[], ?::bigint[], ?::bigint[], ?::bytea[])
        AS c (plan, namespace_id, workflow_id, archetype, requires, required_run, required_version,
              action, run_id, state, last_write_version, record)
)";

const RUNS: &str = "\
r AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[],
                  ?::bigint[], ?::bigint[], ?::bytea[], ?::uuid[], ?::bytea[])
        AS r (plan, namespace_id, workflow_id, run_id, action, expected,
              record_version, next_event_id, record, created_by, attempts)
)";

const CLEARS: &str = "\
k AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[])
        AS k (plan, namespace_id, workflow_id, run_id, from_kind, to_kind)
)";

const DELETES: &str = "\
d AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[], ?::text[])
        AS d (plan, namespace_id, workflow_id, run_id, kind, item_number, item_name)
)";

const PUTS: &str = "\
u AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[], ?::text[], ?::bytea[])
        AS u (plan, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
)";

const LOCK_SHARD: &str = "\
s AS MATERIALIZED (
    SELECT range_id FROM shards WHERE shard_id = $1 FOR SHARE
)";

macro_rules! lock_currents {
    ($stayed:literal) => {
        concat!(
            "\
lc AS MATERIALIZED (
    SELECT c.*, l.run_id AS found_run, l.record AS found_record, l.place,
           CASE c.requires
               WHEN 0 THEN l.run_id IS NULL
               WHEN 1 THEN l.run_id = c.required_run
               WHEN 2 THEN l.run_id = c.required_run AND l.state = 1 AND l.last_write_version = c.required_version
               WHEN 3 THEN l.run_id IS DISTINCT FROM c.required_run
               ELSE false
           END",
            $stayed,
            " AS holds
      FROM c
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.run_id, x.state, x.last_write_version, x.record
                 FROM current_executions x
                WHERE x.shard_id = $1 AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE {shard locked}
)"
        )
    };
}

const LOCK_CURRENTS: &str = lock_currents!("");

const LOCK_CURRENTS_THAT_STAYED: &str = lock_currents!(
    "
           AND l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM current_executions x
                WHERE x.shard_id = $1 AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
           )"
);

macro_rules! lock_runs {
    ($stayed:literal) => {
        concat!(
            "\
lr AS MATERIALIZED (
    SELECT r.*, l.record_version AS found_version, l.next_event_id AS found_next,
           l.created_by AS found_creator, l.attempts AS found_attempts, l.place,
           CASE r.action
               WHEN 1 THEN l.record_version = r.expected
               WHEN 3 THEN l.record_version IS NULL
               ELSE true
           END",
            $stayed,
            " AS holds
      FROM r
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.record_version, x.next_event_id, x.created_by, x.attempts
                 FROM executions x
                WHERE x.shard_id = $1 AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE {currents locked}
)"
        )
    };
}

const LOCK_RUNS: &str = lock_runs!("");

const LOCK_RUNS_THAT_STAYED: &str = lock_runs!(
    "
           AND l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM executions x
                WHERE x.shard_id = $1 AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
           )"
);

const VERDICTS: &str = "\
v AS MATERIALIZED (
    SELECT p.plan,
           {shard holds}
           AND {currents hold}
           AND {runs hold} AS applied
      FROM p
)";

const SHARD_HOLDS: &str = "(p.fenced = 0 OR coalesce((SELECT range_id FROM s) = $2, false))";
const CURRENTS_HOLD: &str = "NOT EXISTS (SELECT FROM lc WHERE lc.plan = p.plan AND lc.holds IS NOT TRUE)";
const RUNS_HOLD: &str = "NOT EXISTS (SELECT FROM lr WHERE lr.plan = p.plan AND lr.holds IS NOT TRUE)";

const PUT_CURRENT: &str = "\
create_current AS (
    INSERT INTO current_executions
           (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record)
    SELECT $1, lc.namespace_id, lc.workflow_id, lc.archetype, lc.run_id, lc.state, lc.last_write_version, lc.record
      FROM lc JOIN v USING (plan)
     WHERE v.applied AND lc.action IN (1, 3) AND lc.found_run IS NULL
),
put_current AS (
    INSERT INTO current_executions
           (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record)
    SELECT $1, lc.namespace_id, lc.workflow_id, lc.archetype, lc.run_id, lc.state, lc.last_write_version, lc.record
      FROM lc JOIN v USING (plan)
     WHERE v.applied AND lc.action IN (1, 3) AND lc.found_run IS NOT NULL
        ON CONFLICT (shard_id, namespace_id, workflow_id, archetype)
        DO UPDATE SET run_id = excluded.run_id, state = excluded.state,
                      last_write_version = excluded.last_write_version, record = excluded.record
)";

const DELETE_CURRENT: &str = "\
delete_current AS (
    DELETE FROM current_executions
     WHERE ctid = ANY (ARRAY(SELECT lc.place FROM lc JOIN v USING (plan) WHERE v.applied AND lc.action = 2))
)";

const CREATE_RUN: &str = "\
create_run AS (
    INSERT INTO executions
           (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts)
    SELECT $1, lr.namespace_id, lr.workflow_id, lr.run_id, lr.record_version, lr.next_event_id, lr.record,
           lr.created_by, lr.attempts
      FROM lr JOIN v USING (plan)
     WHERE v.applied AND lr.action = 3
)";

const PUT_RUN: &str = "\
put_run AS (
    INSERT INTO executions AS e
           (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts)
    SELECT $1, lr.namespace_id, lr.workflow_id, lr.run_id, lr.record_version, lr.next_event_id, lr.record,
           lr.created_by, lr.attempts
      FROM lr JOIN v USING (plan)
     WHERE v.applied AND lr.action = 1
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id)
        DO UPDATE SET record_version = excluded.record_version, next_event_id = excluded.next_event_id,
                      record = excluded.record,
                      attempts = substring(excluded.attempts || e.attempts FROM 1 FOR 256)
)";

const DELETE_RUN: &str = "\
delete_run AS (
    DELETE FROM executions
     WHERE ctid = ANY (ARRAY(SELECT lr.place FROM lr JOIN v USING (plan) WHERE v.applied AND lr.action = 2))
)";

const CLEAR_ITEMS: &str = "\
clear_items AS (
    DELETE FROM execution_items
     WHERE ctid = ANY (ARRAY(
               SELECT l.place
                 FROM k
                 JOIN v USING (plan)
                CROSS JOIN LATERAL (
                          SELECT x.ctid AS place, x.kind, x.item_number, x.item_name
                            FROM execution_items x
                           WHERE x.shard_id = $1 AND x.namespace_id = k.namespace_id
                             AND x.workflow_id = k.workflow_id AND x.run_id = k.run_id
                             AND x.kind >= k.from_kind AND x.kind < k.to_kind
                          OFFSET 0
                      ) l
                WHERE v.applied
                  AND NOT EXISTS (
                          SELECT
                            FROM u
                           WHERE u.namespace_id = k.namespace_id AND u.workflow_id = k.workflow_id
                             AND u.run_id = k.run_id AND u.kind = l.kind AND u.item_number = l.item_number
                             AND u.item_name = l.item_name
                      )
           ))
)";

const DELETE_ITEMS: &str = "\
delete_items AS (
    DELETE FROM execution_items
     WHERE ctid = ANY (ARRAY(
               SELECT l.place
                 FROM d
                 JOIN v USING (plan)
                CROSS JOIN LATERAL (
                          SELECT x.ctid AS place
                            FROM execution_items x
                           WHERE x.shard_id = $1 AND x.namespace_id = d.namespace_id
                             AND x.workflow_id = d.workflow_id AND x.run_id = d.run_id
                             AND x.kind = d.kind AND x.item_number = d.item_number AND x.item_name = d.item_name
                          OFFSET 0
                      ) l
                WHERE v.applied
           ))
)";

const PUT_ITEMS: &str = "\
put_items AS (
    INSERT INTO execution_items
           (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
    SELECT $1, u.namespace_id, u.workflow_id, u.run_id, u.kind, u.item_number, u.item_name, u.value
      FROM u JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
        DO UPDATE SET value = excluded.value
)";

const PUT_TASKS: &str = "\
put_tasks AS (
    INSERT INTO history_tasks
           (shard_id, category, fire_time, task_id, payload)
    SELECT $1, t.category, t.fire_time, t.task_id, t.payload
      FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bytea[])
        AS t (plan, category, fire_time, task_id, payload)
      JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, category, fire_time, task_id)
        DO UPDATE SET payload = excluded.payload
)";

const PUT_NODES: &str = "\
put_nodes AS (
    INSERT INTO history_nodes
           (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id,
            event_count, previous_transaction_id, in_state, written_at, events)
    SELECT $1, n.tree_id, n.branch_id, n.first_event_id, n.negated_transaction_id,
           n.event_count, n.previous_transaction_id, n.in_state, n.written_at, n.events
      FROM unnest(?::bigint[], ?::uuid[], ?::uuid[], ?::bigint[], ?::bigint[], ?::bigint[],
                  ?::bigint[], ?::bigint[], ?::bigint[], ?::bytea[])
        AS n (plan, tree_id, branch_id, first_event_id, negated_transaction_id,
              event_count, previous_transaction_id, in_state, written_at, events)
      JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id)
        DO UPDATE SET event_count = excluded.event_count, in_state = excluded.in_state,
                      previous_transaction_id = excluded.previous_transaction_id,
                      written_at = excluded.written_at, events = excluded.events
)";

const PUT_BRANCHES: &str = "\
put_branches AS (
    INSERT INTO history_trees
           (shard_id, tree_id, branch_id, branch, created_at)
    SELECT $1, b.tree_id, b.branch_id, b.branch, b.created_at
      FROM unnest(?::bigint[], ?::uuid[], ?::uuid[], ?::bytea[], ?::bigint[])
        AS b (plan, tree_id, branch_id, branch, created_at)
      JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, tree_id, branch_id)
        DO UPDATE SET branch = excluded.branch, created_at = excluded.created_at
)";

/// No row, where every plan was applied; else the refused plans, and what was found of them.
const REFUSED: &str = "\
SELECT 1::bigint AS tag, v.plan AS number,
       NULL::uuid, NULL::text, NULL::bigint, NULL::bytea,
       NULL::uuid, NULL::text, NULL::uuid, NULL::bigint, NULL::bigint, NULL::uuid, NULL::bytea
  FROM v
 WHERE NOT v.applied";

const FOUND_SHARD: &str = "
UNION ALL
SELECT 0, s.range_id,
       NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM s
 WHERE EXISTS (SELECT FROM v WHERE NOT v.applied)";

const FOUND_CURRENTS: &str = "
UNION ALL
SELECT 2, 0,
       lc.namespace_id, lc.workflow_id, lc.archetype, lc.found_record,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM lc JOIN v USING (plan)
 WHERE NOT v.applied AND lc.found_run IS NOT NULL";

const FOUND_RUNS: &str = "
UNION ALL
SELECT 3, 0,
       NULL, NULL, NULL, NULL,
       lr.namespace_id, lr.workflow_id, lr.run_id, lr.found_version, lr.found_next, lr.found_creator, lr.found_attempts
  FROM lr JOIN v USING (plan)
 WHERE NOT v.applied AND lr.found_version IS NOT NULL";

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Shape = Shape {
        fenced: true,
        currents: true,
        put_current: true,
        delete_current: true,
        runs: true,
        create_run: true,
        put_run: true,
        delete_run: true,
        clear_items: true,
        delete_items: true,
        put_items: true,
        tasks: true,
        nodes: true,
        branches: true,
    };

    #[test]
    fn every_column_of_every_list_has_a_parameter() {
        let columns: usize = WaveRows::default().lists().iter().map(|(kinds, _)| kinds.len()).sum();
        let text = EVERYTHING.render();
        assert!(text.contains(&format!("${}::", columns + 2)), "{text}");
        assert!(!text.contains(&format!("${}", columns + 3)), "{text}");
    }

    #[test]
    fn a_shape_has_no_parameters_that_are_not_sent() {
        let tasks = Shape { fenced: true, tasks: true, ..Shape::default() };
        let text = tasks.render();
        let columns: usize = tasks
            .sends()
            .iter()
            .zip(WaveRows::default().lists())
            .filter(|(s, _)| **s)
            .map(|(_, (k, _))| k.len())
            .sum();
        assert_eq!(columns, 7);
        assert!(text.contains("$9::bytea[]") && !text.contains("$10"), "{text}");
        assert!(!text.contains('{') && !text.contains('?'), "{text}");
        assert!(!EVERYTHING.render().contains('{'));
    }
}
