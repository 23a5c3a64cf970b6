//! The parts of the statement. What is in braces depends on which others are there; see [`super::text`].

pub(super) const PLANS: &str = "\
p AS MATERIALIZED (
    SELECT * FROM unnest(?::bigint[], ?::bigint[]) AS p (plan, fenced)
)";

pub(super) const CURRENTS: &str = "\
c AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::bigint[], ?::bigint[], ?::uuid[], ?::bigint[],
                  ?::bigint[], ?::uuid[], ?::bigint[], ?::bigint[], ?::bytea[])
        AS c (plan, namespace_id, workflow_id, archetype, requires, required_run, required_version,
              action, run_id, state, last_write_version, record)
)";

pub(super) const RUNS: &str = "\
r AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[],
                  ?::bigint[], ?::bigint[], ?::bytea[], ?::uuid[], ?::bytea[])
        AS r (plan, namespace_id, workflow_id, run_id, action, expected,
              record_version, next_event_id, record, created_by, attempts)
)";

pub(super) const CLEARS: &str = "\
k AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[])
        AS k (plan, namespace_id, workflow_id, run_id, from_kind, to_kind)
)";

pub(super) const DELETES: &str = "\
d AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[], ?::text[])
        AS d (plan, namespace_id, workflow_id, run_id, kind, item_number, item_name)
)";

pub(super) const PUTS: &str = "\
u AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[], ?::text[], ?::bytea[])
        AS u (plan, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
)";

pub(super) const LOCK_SHARD: &str = "\
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

pub(super) const LOCK_CURRENTS: &str = lock_currents!("");

pub(super) const LOCK_CURRENTS_THAT_STAYED: &str = lock_currents!(
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

pub(super) const LOCK_RUNS: &str = lock_runs!("");

pub(super) const LOCK_RUNS_THAT_STAYED: &str = lock_runs!(
    "
           AND l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM executions x
                WHERE x.shard_id = $1 AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
           )"
);

pub(super) const VERDICTS: &str = "\
v AS MATERIALIZED (
    SELECT p.plan,
           {shard holds}
           AND {currents hold}
           AND {runs hold} AS applied
      FROM p
)";

pub(super) const SHARD_HOLDS: &str = "(p.fenced = 0 OR coalesce((SELECT range_id FROM s) = $2, false))";
pub(super) const CURRENTS_HOLD: &str =
    "NOT EXISTS (SELECT FROM lc WHERE lc.plan = p.plan AND lc.holds IS NOT TRUE)";
pub(super) const RUNS_HOLD: &str =
    "NOT EXISTS (SELECT FROM lr WHERE lr.plan = p.plan AND lr.holds IS NOT TRUE)";

pub(super) const PUT_CURRENT: &str = "\
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

pub(super) const DELETE_CURRENT: &str = "\
delete_current AS (
    DELETE FROM current_executions
     WHERE ctid = ANY (ARRAY(SELECT lc.place FROM lc JOIN v USING (plan) WHERE v.applied AND lc.action = 2))
)";

pub(super) const CREATE_RUN: &str = "\
create_run AS (
    INSERT INTO executions
           (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts)
    SELECT $1, lr.namespace_id, lr.workflow_id, lr.run_id, lr.record_version, lr.next_event_id, lr.record,
           lr.created_by, lr.attempts
      FROM lr JOIN v USING (plan)
     WHERE v.applied AND lr.action = 3
)";

pub(super) const PUT_RUN: &str = "\
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

pub(super) const DELETE_RUN: &str = "\
delete_run AS (
    DELETE FROM executions
     WHERE ctid = ANY (ARRAY(SELECT lr.place FROM lr JOIN v USING (plan) WHERE v.applied AND lr.action = 2))
)";

pub(super) const CLEAR_ITEMS: &str = "\
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

pub(super) const DELETE_ITEMS: &str = "\
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

pub(super) const PUT_ITEMS: &str = "\
put_items AS (
    INSERT INTO execution_items
           (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
    SELECT $1, u.namespace_id, u.workflow_id, u.run_id, u.kind, u.item_number, u.item_name, u.value
      FROM u JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
        DO UPDATE SET value = excluded.value
)";

pub(super) const PUT_TASKS: &str = "\
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

pub(super) const PUT_NODES: &str = "\
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

pub(super) const PUT_BRANCHES: &str = "\
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
pub(super) const REFUSED: &str = "\
SELECT 1::bigint AS tag, v.plan AS number,
       NULL::uuid, NULL::text, NULL::bigint, NULL::bytea,
       NULL::uuid, NULL::text, NULL::uuid, NULL::bigint, NULL::bigint, NULL::uuid, NULL::bytea
  FROM v
 WHERE NOT v.applied";

pub(super) const FOUND_SHARD: &str = "
UNION ALL
SELECT 0, s.range_id,
       NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM s
 WHERE EXISTS (SELECT FROM v WHERE NOT v.applied)";

pub(super) const FOUND_CURRENTS: &str = "
UNION ALL
SELECT 2, 0,
       lc.namespace_id, lc.workflow_id, lc.archetype, lc.found_record,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM lc JOIN v USING (plan)
 WHERE NOT v.applied AND lc.found_run IS NOT NULL";

pub(super) const FOUND_RUNS: &str = "
UNION ALL
SELECT 3, 0,
       NULL, NULL, NULL, NULL,
       lr.namespace_id, lr.workflow_id, lr.run_id, lr.found_version, lr.found_next, lr.found_creator, lr.found_attempts
  FROM lr JOIN v USING (plan)
 WHERE NOT v.applied AND lr.found_version IS NOT NULL";
