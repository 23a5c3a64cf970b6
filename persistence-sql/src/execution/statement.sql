WITH
-- What was sent: the columns of each list, as arrays.
p AS MATERIALIZED (
    SELECT * FROM unnest($3::bigint[], $4::bigint[]) AS p (plan, fenced)
),
c AS MATERIALIZED (
    SELECT *
      FROM unnest($5::bigint[], $6::uuid[], $7::text[], $8::bigint[], $9::bigint[], $10::uuid[], $11::bigint[],
                  $12::bigint[], $13::uuid[], $14::bigint[], $15::bigint[], $16::bytea[])
        AS c (plan, namespace_id, workflow_id, archetype, requires, required_run, required_version,
              action, run_id, state, last_write_version, record)
),
r AS MATERIALIZED (
    SELECT *
      FROM unnest($17::bigint[], $18::uuid[], $19::text[], $20::uuid[], $21::bigint[], $22::bigint[],
                  $23::bigint[], $24::bigint[], $25::bytea[], $26::uuid[], $27::bytea[])
        AS r (plan, namespace_id, workflow_id, run_id, action, expected,
              record_version, next_event_id, record, created_by, attempts)
),
k AS MATERIALIZED (
    SELECT *
      FROM unnest($28::bigint[], $29::uuid[], $30::text[], $31::uuid[], $32::bigint[], $33::bigint[])
        AS k (plan, namespace_id, workflow_id, run_id, from_kind, to_kind)
),
d AS MATERIALIZED (
    SELECT *
      FROM unnest($34::bigint[], $35::uuid[], $36::text[], $37::uuid[], $38::bigint[], $39::bigint[], $40::text[])
        AS d (plan, namespace_id, workflow_id, run_id, kind, item_number, item_name)
),
u AS MATERIALIZED (
    SELECT *
      FROM unnest($41::bigint[], $42::uuid[], $43::text[], $44::uuid[], $45::bigint[], $46::bigint[], $47::text[],
                  $48::bytea[])
        AS u (plan, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
),

-- Locks. Each step refers to the one before, so that they are taken in this order.
s AS MATERIALIZED (
    SELECT range_id FROM shards WHERE shard_id = $1 AND $2::bigint IS NOT NULL FOR SHARE
),
lc AS MATERIALIZED (
    SELECT c.*, l.run_id AS found_run, l.record AS found_record,
           CASE c.requires
               WHEN 0 THEN l.run_id IS NULL
               WHEN 1 THEN l.run_id = c.required_run
               WHEN 2 THEN l.run_id = c.required_run AND l.state = 1 AND l.last_write_version = c.required_version
               WHEN 3 THEN l.run_id IS DISTINCT FROM c.required_run
               ELSE false
           END AS holds,
           c.action <> 2 OR l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM current_executions x
                WHERE x.shard_id = $1 AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
           ) AS stayed,
           l.place
      FROM c
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.run_id, x.state, x.last_write_version, x.record
                 FROM current_executions x
                WHERE x.shard_id = $1 AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE (SELECT count(*) FROM s) >= 0
),
lr AS MATERIALIZED (
    SELECT r.*, l.record_version AS found_version, l.next_event_id AS found_next,
           l.created_by AS found_creator, l.attempts AS found_attempts,
           CASE r.action
               WHEN 1 THEN l.record_version = r.expected
               WHEN 3 THEN l.record_version IS NULL
               ELSE true
           END AS holds,
           l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM executions x
                WHERE x.shard_id = $1 AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
           ) AS stayed,
           l.place
      FROM r
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.record_version, x.next_event_id, x.created_by, x.attempts
                 FROM executions x
                WHERE x.shard_id = $1 AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE (SELECT count(*) FROM lc) >= 0
),

-- The verdicts.
v AS MATERIALIZED (
    SELECT p.plan,
           (p.fenced = 0 OR coalesce((SELECT range_id FROM s) = $2, false))
           AND NOT EXISTS (SELECT FROM lc WHERE lc.plan = p.plan AND (lc.holds AND lc.stayed) IS NOT TRUE)
           AND NOT EXISTS (SELECT FROM lr WHERE lr.plan = p.plan AND (lr.holds AND lr.stayed) IS NOT TRUE) AS applied
      FROM p
),

-- Writes.
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
),
delete_current AS (
    DELETE FROM current_executions
     WHERE ctid = ANY (ARRAY(SELECT lc.place FROM lc JOIN v USING (plan) WHERE v.applied AND lc.action = 2))
),
create_run AS (
    INSERT INTO executions
           (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts)
    SELECT $1, lr.namespace_id, lr.workflow_id, lr.run_id, lr.record_version, lr.next_event_id, lr.record,
           lr.created_by, lr.attempts
      FROM lr JOIN v USING (plan)
     WHERE v.applied AND lr.action = 3
),
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
),
delete_run AS (
    DELETE FROM executions
     WHERE ctid = ANY (ARRAY(SELECT lr.place FROM lr JOIN v USING (plan) WHERE v.applied AND lr.action = 2))
),
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
                UNION ALL
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
),
put_items AS (
    INSERT INTO execution_items
           (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
    SELECT $1, u.namespace_id, u.workflow_id, u.run_id, u.kind, u.item_number, u.item_name, u.value
      FROM u JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
        DO UPDATE SET value = excluded.value
),
put_tasks AS (
    INSERT INTO history_tasks
           (shard_id, category, fire_time, task_id, payload)
    SELECT $1, t.category, t.fire_time, t.task_id, t.payload
      FROM unnest($49::bigint[], $50::bigint[], $51::bigint[], $52::bigint[], $53::bytea[])
        AS t (plan, category, fire_time, task_id, payload)
      JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, category, fire_time, task_id)
        DO UPDATE SET payload = excluded.payload
),
put_nodes AS (
    INSERT INTO history_nodes
           (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id,
            event_count, previous_transaction_id, in_state, written_at, events)
    SELECT $1, n.tree_id, n.branch_id, n.first_event_id, n.negated_transaction_id,
           n.event_count, n.previous_transaction_id, n.in_state, n.written_at, n.events
      FROM unnest($54::bigint[], $55::uuid[], $56::uuid[], $57::bigint[], $58::bigint[], $59::bigint[],
                  $60::bigint[], $61::bigint[], $62::bigint[], $63::bytea[])
        AS n (plan, tree_id, branch_id, first_event_id, negated_transaction_id,
              event_count, previous_transaction_id, in_state, written_at, events)
      JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id)
        DO UPDATE SET event_count = excluded.event_count, in_state = excluded.in_state,
                      previous_transaction_id = excluded.previous_transaction_id,
                      written_at = excluded.written_at, events = excluded.events
),
put_branches AS (
    INSERT INTO history_trees
           (shard_id, tree_id, branch_id, branch, created_at)
    SELECT $1, b.tree_id, b.branch_id, b.branch, b.created_at
      FROM unnest($64::bigint[], $65::uuid[], $66::uuid[], $67::bytea[], $68::bigint[])
        AS b (plan, tree_id, branch_id, branch, created_at)
      JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, tree_id, branch_id)
        DO UPDATE SET branch = excluded.branch, created_at = excluded.created_at
)

-- Nothing, where every plan was applied; else the refused plans, and everything that was found.
SELECT 1::bigint AS tag, v.plan AS number,
       NULL::uuid, NULL::text, NULL::bigint, NULL::bytea,
       NULL::uuid, NULL::text, NULL::uuid, NULL::bigint, NULL::bigint, NULL::uuid, NULL::bytea
  FROM v
 WHERE NOT v.applied
UNION ALL
SELECT 0, s.range_id,
       NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM s
 WHERE EXISTS (SELECT FROM v WHERE NOT v.applied)
UNION ALL
SELECT 2, 0,
       lc.namespace_id, lc.workflow_id, lc.archetype, lc.found_record,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM lc JOIN v USING (plan)
 WHERE NOT v.applied AND lc.found_run IS NOT NULL
UNION ALL
SELECT 3, 0,
       NULL, NULL, NULL, NULL,
       lr.namespace_id, lr.workflow_id, lr.run_id, lr.found_version, lr.found_next, lr.found_creator, lr.found_attempts
  FROM lr JOIN v USING (plan)
 WHERE NOT v.applied AND lr.found_version IS NOT NULL
