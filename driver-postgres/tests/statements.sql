-- Every statement that the stores send to this database, as the suite saw them: lists of tuples are cut to one, and names of tables
-- are plain. Written by a whole run of the suite with PERSISTENCE_TESTS_STATEMENTS=write.

DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ?;

DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND written_at < ?;

DELETE FROM history_nodes WHERE (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id) IN ((?, ?, ?, ?, ?));

DELETE FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time, task_id) >= (?, ?) AND (fire_time, task_id) < (?, ?);

DELETE FROM history_tasks
     WHERE shard_id = ? AND category = ? AND fire_time = ? AND task_id = ?;

DELETE FROM history_trees WHERE (shard_id, tree_id, branch_id) IN ((?, ?, ?));

DELETE FROM queue_messages
     WHERE queue_type = ? AND name = ? AND id < ?;

DELETE FROM task_queues
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND expires_at <= ?;

DELETE FROM task_queues WHERE (namespace_id, name, task_type) IN ((?, ?, ?));

DELETE FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) < (?, ?);

DELETE FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ? AND pass = ? AND task_id = ?
       AND expires_at <= ?;

INSERT INTO document_collections (name, definition, ready, revision)
    VALUES (?, ?, ?, ?);

INSERT INTO history_nodes (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count, previous_transaction_id, written_at, events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id) DO UPDATE SET event_count = excluded.event_count, previous_transaction_id = excluded.previous_transaction_id, written_at = excluded.written_at, events = excluded.events;

INSERT INTO history_trees (shard_id, tree_id, branch_id, branch, created_at) VALUES (?, ?, ?, ?, ?);

INSERT INTO history_trees (shard_id, tree_id, branch_id, branch, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (shard_id, tree_id, branch_id) DO UPDATE SET branch = excluded.branch, created_at = excluded.created_at;

INSERT INTO queue_acks (queue_type, name, consumer, level) VALUES (?, ?, ?, ?) ON CONFLICT (queue_type, name, consumer) DO UPDATE SET level = excluded.level;

INSERT INTO queue_messages (queue_type, name, id, payload) VALUES (?, ?, ?, ?);

INSERT INTO queues (queue_type, name, next_id, first_id, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?);

INSERT INTO queues (queue_type, name, next_id, first_id, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (queue_type, name) DO UPDATE SET next_id = excluded.next_id, first_id = excluded.first_id, created_by = excluded.created_by, attempts = excluded.attempts;

INSERT INTO shards (shard_id, range_id, info, updated_at, attempts) VALUES (?, ?, ?, ?, ?);

INSERT INTO task_queues (namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO task_queues (namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (namespace_id, name, task_type) DO UPDATE SET range_id = excluded.range_id, info = excluded.info, expires_at = excluded.expires_at, created_by = excluded.created_by, attempts = excluded.attempts;

INSERT INTO tasks (namespace_id, name, task_type, subqueue, pass, task_id, payload, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (namespace_id, name, task_type, subqueue, pass, task_id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at;

SELECT 0 AS kind, 0 AS item_number, '' AS item_name, record AS value, record_version AS version
      FROM executions
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?
    UNION ALL
    SELECT kind, item_number, item_name, value, 0
      FROM execution_items
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?
     ORDER BY 1, 2, 3;

SELECT 0, s.range_id,
       NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM s
 WHERE EXISTS (SELECT FROM v WHERE NOT v.applied);

SELECT 1::bigint AS tag, v.plan AS number,
       NULL::uuid, NULL::text, NULL::bigint, NULL::bytea,
       NULL::uuid, NULL::text, NULL::uuid, NULL::bigint, NULL::bigint, NULL::uuid, NULL::bytea
  FROM v
 WHERE NOT v.applied;

SELECT 1::bigint FROM pg_advisory_xact_lock(?);

SELECT 1::bigint WHERE NOT EXISTS (SELECT FROM put_run);

SELECT 2, 0,
       lc.namespace_id, lc.workflow_id, lc.archetype, lc.found_record,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM lc JOIN v USING (plan)
 WHERE NOT v.applied AND lc.found_run IS NOT NULL;

SELECT 3, 0,
       NULL, NULL, NULL, NULL,
       lr.namespace_id, lr.workflow_id, lr.run_id, lr.found_version, lr.found_next, lr.found_creator, lr.found_attempts
  FROM lr JOIN v USING (plan)
 WHERE NOT v.applied AND lr.found_version IS NOT NULL;

SELECT CASE WHEN x.indisprimary THEN 'PRIMARY KEY' ELSE i.relname::text END,
           concat_ws(' ', CASE WHEN NOT x.indisvalid THEN 'invalid' END, CASE WHEN x.indisunique THEN 'unique' END,
                     regexp_replace(substr(d.made, strpos(d.made, ' USING ')), ' WITH \([^)]*\)', ''))
      FROM pg_catalog.pg_index x
      JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
      JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
     CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_indexdef(x.indexrelid) AS made) d
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relname = ?::text;

SELECT a.attname::text, (a.attgenerated = 'v')::int::bigint,
           concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), l.collname, a.attnotnull, a.attgenerated,
                     pg_catalog.pg_get_expr(e.adbin, e.adrelid))
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
      LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
     WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relname = ?::text
       AND a.attnum > 0 AND NOT a.attisdropped;

SELECT c.relname::text
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relkind = 'r' AND c.relname LIKE ?::text;

SELECT consumer, level
      FROM queue_acks
     WHERE queue_type = ? AND name = ?
     ORDER BY consumer;

SELECT count(*)
      FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND written_at < ?;

SELECT definition, ready, revision
      FROM document_collections
     WHERE name = ?;

SELECT fire_time, task_id, payload
      FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time, task_id) > (?, ?) AND (fire_time, task_id) < (?, ?)
     ORDER BY fire_time, task_id
     LIMIT ?;

SELECT fire_time, task_id, payload
      FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time, task_id) >= (?, ?) AND (fire_time, task_id) < (?, ?)
     ORDER BY fire_time, task_id
     LIMIT ?;

SELECT first_event_id + event_count
      FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND in_state = 1
     ORDER BY negated_transaction_id
     LIMIT 1;

SELECT first_event_id, negated_transaction_id, event_count, previous_transaction_id
      FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND first_event_id < ?
     ORDER BY first_event_id DESC, negated_transaction_id DESC
     LIMIT ?;

SELECT first_event_id, negated_transaction_id, event_count, previous_transaction_id
      FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND first_event_id < ?
     ORDER BY first_event_id, negated_transaction_id
     LIMIT ?;

SELECT first_event_id, negated_transaction_id, events FROM history_nodes WHERE (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id) IN ((?, ?, ?, ?, ?));

SELECT id, payload
      FROM queue_messages
     WHERE queue_type = ? AND name = ? AND id > ?
     ORDER BY id
     LIMIT ?;

SELECT level
      FROM queue_acks
     WHERE queue_type = ? AND name = ? AND consumer = ?;

SELECT name, next_id, first_id, created_by, attempts
      FROM queues
     WHERE queue_type = ? AND name = ?;

SELECT name, next_id, first_id, created_by, attempts
      FROM queues
     WHERE queue_type = ? AND name = ? FOR NO KEY UPDATE;

SELECT name, next_id, first_id, created_by, attempts
      FROM queues
     WHERE queue_type = ? AND name > ?
     ORDER BY name
     LIMIT ?;

SELECT namespace_id, name, task_type
      FROM task_queues
     WHERE expires_at <= ?
     LIMIT ?;

SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE (namespace_id, name, task_type) > (?, ?, ?) AND (expires_at IS NULL OR expires_at > ?)
     ORDER BY namespace_id, name, task_type
     LIMIT ?;

SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE expires_at IS NULL OR expires_at > ?
     ORDER BY namespace_id, name, task_type
     LIMIT ?;

SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE namespace_id = ? AND name = ? AND task_type = ?;

SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE namespace_id = ? AND name = ? AND task_type = ? FOR NO KEY UPDATE;

SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE namespace_id = ? AND name = ? AND task_type = ? FOR SHARE;

SELECT namespace_id, name, task_type, subqueue, pass, task_id
      FROM tasks
     WHERE expires_at <= ?
     LIMIT ?;

SELECT namespace_id, workflow_id, run_id, record, record_version
      FROM executions
     WHERE shard_id = ?
     ORDER BY namespace_id, workflow_id, run_id
     LIMIT ?;

SELECT namespace_id, workflow_id, run_id, record, record_version
      FROM executions
     WHERE shard_id = ? AND (namespace_id, workflow_id, run_id) > (?, ?, ?)
     ORDER BY namespace_id, workflow_id, run_id
     LIMIT ?;

SELECT nspname::text FROM pg_catalog.pg_namespace WHERE oid = pg_my_temp_schema();

SELECT pass, task_id
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) < (?, ?)
     ORDER BY pass, task_id
     LIMIT ?;

SELECT pass, task_id, payload, expires_at
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) >= (?, ?)
       AND (expires_at IS NULL OR expires_at > ?)
     ORDER BY pass, task_id
     LIMIT ?;

SELECT pass, task_id, payload, expires_at
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) >= (?, ?) AND (pass, task_id) < (?, ?)
       AND (expires_at IS NULL OR expires_at > ?)
     ORDER BY pass, task_id
     LIMIT ?;

SELECT pg_advisory_unlock(?)::int::bigint;

SELECT pg_try_advisory_lock(?)::int::bigint;

SELECT range_id, attempts
      FROM shards
     WHERE shard_id = ? FOR NO KEY UPDATE;

SELECT range_id, attempts
      FROM shards
     WHERE shard_id = ? FOR SHARE;

SELECT range_id, info, updated_at
      FROM shards
     WHERE shard_id = ?;

SELECT record
      FROM current_executions
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND archetype = ?;

SELECT record_version
      FROM executions
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?;

SELECT shard_id, branch, created_at
      FROM history_trees
     ORDER BY shard_id, tree_id, branch_id
     LIMIT ?;

SELECT shard_id, branch, created_at
      FROM history_trees
     WHERE (shard_id, tree_id, branch_id) > (?, ?, ?)
     ORDER BY shard_id, tree_id, branch_id
     LIMIT ?;

SELECT shard_id, branch, created_at
      FROM history_trees
     WHERE shard_id = ? AND tree_id = ?
     ORDER BY branch_id;

SELECT shard_id, branch, created_at
      FROM history_trees
     WHERE shard_id = ? AND tree_id = ?
     ORDER BY branch_id FOR NO KEY UPDATE;

SELECT shard_id, namespace_id, workflow_id, archetype, record FROM current_executions WHERE (shard_id, namespace_id, workflow_id, archetype) IN ((?, ?, ?, ?)) ORDER BY shard_id, namespace_id, workflow_id, archetype FOR NO KEY UPDATE;

SELECT shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, created_by, attempts FROM executions WHERE (shard_id, namespace_id, workflow_id, run_id) IN ((?, ?, ?, ?)) ORDER BY shard_id, namespace_id, workflow_id, run_id FOR NO KEY UPDATE;

SET LOCAL lock_timeout = '500ms';

SET statement_timeout = 0;

UPDATE document_collections
       SET definition = ?, ready = ?, revision = ?
     WHERE name = ?;

UPDATE shards
       SET range_id = ?, info = ?, updated_at = ?, attempts = ?
     WHERE shard_id = ?;

c AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::bigint[], ?::bigint[], ?::uuid[], ?::bigint[],
                  ?::bigint[], ?::uuid[], ?::bigint[], ?::bigint[], ?::bytea[])
        AS c (plan, namespace_id, workflow_id, archetype, requires, required_run, required_version,
              action, run_id, state, last_write_version, record);

clear_items AS (
    DELETE FROM execution_items
     WHERE ctid = ANY (ARRAY(
               SELECT l.place
                 FROM k
                 JOIN v USING (plan)
                CROSS JOIN LATERAL (
                          SELECT x.ctid AS place, x.kind, x.item_number, x.item_name
                            FROM execution_items x
                           WHERE x.shard_id = ? AND x.namespace_id = k.namespace_id
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
           ));

create_current AS (
    INSERT INTO current_executions
           (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record)
    SELECT ?, lc.namespace_id, lc.workflow_id, lc.archetype, lc.run_id, lc.state, lc.last_write_version, lc.record
      FROM lc JOIN v USING (plan)
     WHERE v.applied AND lc.action IN (1, 3) AND lc.found_run IS NULL;

create_run AS (
    INSERT INTO executions
           (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts)
    SELECT ?, lr.namespace_id, lr.workflow_id, lr.run_id, lr.record_version, lr.next_event_id, lr.record,
           lr.created_by, lr.attempts
      FROM lr JOIN v USING (plan)
     WHERE v.applied AND lr.action = 3;

d AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[], ?::text[])
        AS d (plan, namespace_id, workflow_id, run_id, kind, item_number, item_name);

delete_current AS (
    DELETE FROM current_executions
     WHERE ctid = ANY (ARRAY(SELECT lc.place FROM lc JOIN v USING (plan) WHERE v.applied AND lc.action = 2));

delete_items AS (
    DELETE FROM execution_items
     WHERE ctid = ANY (ARRAY(
               SELECT l.place
                 FROM d
                 JOIN v USING (plan)
                CROSS JOIN LATERAL (
                          SELECT x.ctid AS place
                            FROM execution_items x
                           WHERE x.shard_id = ? AND x.namespace_id = d.namespace_id
                             AND x.workflow_id = d.workflow_id AND x.run_id = d.run_id
                             AND x.kind = d.kind AND x.item_number = d.item_number AND x.item_name = d.item_name
                          OFFSET 0
                      ) l
                WHERE v.applied
           ));

delete_run AS (
    DELETE FROM executions
     WHERE ctid = ANY (ARRAY(SELECT lr.place FROM lr JOIN v USING (plan) WHERE v.applied AND lr.action = 2));

k AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[])
        AS k (plan, namespace_id, workflow_id, run_id, from_kind, to_kind);

lc AS MATERIALIZED (
    SELECT c.*, l.run_id AS found_run, l.record AS found_record, l.place,
           CASE c.requires
               WHEN 0 THEN l.run_id IS NULL
               WHEN 1 THEN l.run_id = c.required_run
               WHEN 2 THEN l.run_id = c.required_run AND l.state = 1 AND l.last_write_version = c.required_version
               WHEN 3 THEN l.run_id IS DISTINCT FROM c.required_run
               ELSE false
           END
           AND l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM current_executions x
                WHERE x.shard_id = ? AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
           ) AS holds
      FROM c
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.run_id, x.state, x.last_write_version, x.record
                 FROM current_executions x
                WHERE x.shard_id = ? AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE (SELECT count(*) FROM s) >= 0;

lc AS MATERIALIZED (
    SELECT c.*, l.run_id AS found_run, l.record AS found_record, l.place,
           CASE c.requires
               WHEN 0 THEN l.run_id IS NULL
               WHEN 1 THEN l.run_id = c.required_run
               WHEN 2 THEN l.run_id = c.required_run AND l.state = 1 AND l.last_write_version = c.required_version
               WHEN 3 THEN l.run_id IS DISTINCT FROM c.required_run
               ELSE false
           END
           AND l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM current_executions x
                WHERE x.shard_id = ? AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
           ) AS holds
      FROM c
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.run_id, x.state, x.last_write_version, x.record
                 FROM current_executions x
                WHERE x.shard_id = ? AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE true;

lc AS MATERIALIZED (
    SELECT c.*, l.run_id AS found_run, l.record AS found_record, l.place,
           CASE c.requires
               WHEN 0 THEN l.run_id IS NULL
               WHEN 1 THEN l.run_id = c.required_run
               WHEN 2 THEN l.run_id = c.required_run AND l.state = 1 AND l.last_write_version = c.required_version
               WHEN 3 THEN l.run_id IS DISTINCT FROM c.required_run
               ELSE false
           END AS holds
      FROM c
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.run_id, x.state, x.last_write_version, x.record
                 FROM current_executions x
                WHERE x.shard_id = ? AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE (SELECT count(*) FROM s) >= 0;

lc AS MATERIALIZED (
    SELECT c.*, l.run_id AS found_run, l.record AS found_record, l.place,
           CASE c.requires
               WHEN 0 THEN l.run_id IS NULL
               WHEN 1 THEN l.run_id = c.required_run
               WHEN 2 THEN l.run_id = c.required_run AND l.state = 1 AND l.last_write_version = c.required_version
               WHEN 3 THEN l.run_id IS DISTINCT FROM c.required_run
               ELSE false
           END AS holds
      FROM c
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.run_id, x.state, x.last_write_version, x.record
                 FROM current_executions x
                WHERE x.shard_id = ? AND x.namespace_id = c.namespace_id AND x.workflow_id = c.workflow_id
                  AND x.archetype = c.archetype
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE true;

lc AS MATERIALIZED (
    SELECT run_id
      FROM current_executions
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND archetype = ? AND (SELECT count(*) FROM s) >= 0
       FOR NO KEY UPDATE;

lr AS MATERIALIZED (
    SELECT r.*, l.record_version AS found_version, l.next_event_id AS found_next,
           l.created_by AS found_creator, l.attempts AS found_attempts, l.place,
           CASE r.action
               WHEN 1 THEN l.record_version = r.expected
               WHEN 3 THEN l.record_version IS NULL
               ELSE true
           END
           AND l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM executions x
                WHERE x.shard_id = ? AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
           ) AS holds
      FROM r
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.record_version, x.next_event_id, x.created_by, x.attempts
                 FROM executions x
                WHERE x.shard_id = ? AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE (SELECT count(*) FROM lc) >= 0;

lr AS MATERIALIZED (
    SELECT r.*, l.record_version AS found_version, l.next_event_id AS found_next,
           l.created_by AS found_creator, l.attempts AS found_attempts, l.place,
           CASE r.action
               WHEN 1 THEN l.record_version = r.expected
               WHEN 3 THEN l.record_version IS NULL
               ELSE true
           END
           AND l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM executions x
                WHERE x.shard_id = ? AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
           ) AS holds
      FROM r
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.record_version, x.next_event_id, x.created_by, x.attempts
                 FROM executions x
                WHERE x.shard_id = ? AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE (SELECT count(*) FROM s) >= 0;

lr AS MATERIALIZED (
    SELECT r.*, l.record_version AS found_version, l.next_event_id AS found_next,
           l.created_by AS found_creator, l.attempts AS found_attempts, l.place,
           CASE r.action
               WHEN 1 THEN l.record_version = r.expected
               WHEN 3 THEN l.record_version IS NULL
               ELSE true
           END
           AND l.place IS NOT DISTINCT FROM (
               SELECT x.ctid
                 FROM executions x
                WHERE x.shard_id = ? AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
           ) AS holds
      FROM r
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.record_version, x.next_event_id, x.created_by, x.attempts
                 FROM executions x
                WHERE x.shard_id = ? AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE true;

lr AS MATERIALIZED (
    SELECT r.*, l.record_version AS found_version, l.next_event_id AS found_next,
           l.created_by AS found_creator, l.attempts AS found_attempts, l.place,
           CASE r.action
               WHEN 1 THEN l.record_version = r.expected
               WHEN 3 THEN l.record_version IS NULL
               ELSE true
           END AS holds
      FROM r
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.record_version, x.next_event_id, x.created_by, x.attempts
                 FROM executions x
                WHERE x.shard_id = ? AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE (SELECT count(*) FROM lc) >= 0;

lr AS MATERIALIZED (
    SELECT r.*, l.record_version AS found_version, l.next_event_id AS found_next,
           l.created_by AS found_creator, l.attempts AS found_attempts, l.place,
           CASE r.action
               WHEN 1 THEN l.record_version = r.expected
               WHEN 3 THEN l.record_version IS NULL
               ELSE true
           END AS holds
      FROM r
      LEFT JOIN LATERAL (
               SELECT x.ctid AS place, x.record_version, x.next_event_id, x.created_by, x.attempts
                 FROM executions x
                WHERE x.shard_id = ? AND x.namespace_id = r.namespace_id AND x.workflow_id = r.workflow_id
                  AND x.run_id = r.run_id
                  FOR NO KEY UPDATE
           ) l ON true
     WHERE (SELECT count(*) FROM s) >= 0;

p AS MATERIALIZED (
    SELECT * FROM unnest(?::bigint[], ?::bigint[]) AS p (plan, fenced);

put_branches AS (
    INSERT INTO history_trees
           (shard_id, tree_id, branch_id, branch, created_at)
    SELECT ?, b.tree_id, b.branch_id, b.branch, b.created_at
      FROM unnest(?::bigint[], ?::uuid[], ?::uuid[], ?::bytea[], ?::bigint[])
        AS b (plan, tree_id, branch_id, branch, created_at)
      JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, tree_id, branch_id)
        DO UPDATE SET branch = excluded.branch, created_at = excluded.created_at;

put_current AS (
    INSERT INTO current_executions
           (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record)
    SELECT ?, lc.namespace_id, lc.workflow_id, lc.archetype, lc.run_id, lc.state, lc.last_write_version, lc.record
      FROM lc JOIN v USING (plan)
     WHERE v.applied AND lc.action IN (1, 3) AND lc.found_run IS NOT NULL
        ON CONFLICT (shard_id, namespace_id, workflow_id, archetype)
        DO UPDATE SET run_id = excluded.run_id, state = excluded.state,
                      last_write_version = excluded.last_write_version, record = excluded.record;

put_current AS (
    UPDATE current_executions
       SET run_id = ?, state = ?, last_write_version = ?, record = ?
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND archetype = ? AND EXISTS (SELECT FROM put_run);

put_items AS (
    INSERT INTO execution_items
           (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
    SELECT ?, u.namespace_id, u.workflow_id, u.run_id, u.kind, u.item_number, u.item_name, u.value
      FROM u JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
        DO UPDATE SET value = excluded.value;

put_items AS (
    INSERT INTO execution_items (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
    SELECT ?, ?, ?, ?, ?::bigint, ?::bigint, ?::text, ?::bytea
     WHERE EXISTS (SELECT FROM put_run)
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
        DO UPDATE SET value = excluded.value;

put_items AS (
    INSERT INTO execution_items (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
    SELECT ?, ?, ?, ?, t.* FROM (VALUES (?::bigint, ?::bigint, ?::text, ?::bytea)) AS t
     WHERE EXISTS (SELECT FROM put_run)
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
        DO UPDATE SET value = excluded.value;

put_nodes AS (
    INSERT INTO history_nodes
           (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id,
            event_count, previous_transaction_id, in_state, written_at, events)
    SELECT ?, n.tree_id, n.branch_id, n.first_event_id, n.negated_transaction_id,
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
                      written_at = excluded.written_at, events = excluded.events;

put_nodes AS (
    INSERT INTO history_nodes (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count, previous_transaction_id, in_state, written_at, events)
    SELECT ?, ?::uuid, ?::uuid, ?::bigint, ?::bigint, ?::bigint, ?::bigint, ?::bigint, ?::bigint, ?::bytea
     WHERE EXISTS (SELECT FROM put_run);

put_nodes AS (
    INSERT INTO history_nodes (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count, previous_transaction_id, in_state, written_at, events)
    SELECT ?, t.* FROM (VALUES (?::uuid, ?::uuid, ?::bigint, ?::bigint, ?::bigint, ?::bigint, ?::bigint, ?::bigint, ?::bytea)) AS t
     WHERE EXISTS (SELECT FROM put_run);

put_run AS (
    INSERT INTO executions AS e
           (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts)
    SELECT ?, lr.namespace_id, lr.workflow_id, lr.run_id, lr.record_version, lr.next_event_id, lr.record,
           lr.created_by, lr.attempts
      FROM lr JOIN v USING (plan)
     WHERE v.applied AND lr.action = 1
        ON CONFLICT (shard_id, namespace_id, workflow_id, run_id)
        DO UPDATE SET record_version = excluded.record_version, next_event_id = excluded.next_event_id,
                      record = excluded.record,
                      attempts = substring(excluded.attempts || e.attempts FROM 1 FOR 256);

put_run AS (
    UPDATE executions
       SET record_version = ?, next_event_id = ?, record = ?, attempts = substring(? || attempts FROM 1 FOR 256)
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ? AND record_version = ?
       AND (SELECT range_id FROM s) = ? AND (SELECT run_id FROM lc) = ?
    RETURNING 1;

put_tasks AS (
    INSERT INTO history_tasks
           (shard_id, category, fire_time, task_id, payload)
    SELECT ?, t.category, t.fire_time, t.task_id, t.payload
      FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bytea[])
        AS t (plan, category, fire_time, task_id, payload)
      JOIN v USING (plan)
     WHERE v.applied
        ON CONFLICT (shard_id, category, fire_time, task_id)
        DO UPDATE SET payload = excluded.payload;

put_tasks AS (
    INSERT INTO history_tasks (shard_id, category, fire_time, task_id, payload)
    SELECT ?, ?::bigint, ?::bigint, ?::bigint, ?::bytea
     WHERE EXISTS (SELECT FROM put_run);

put_tasks AS (
    INSERT INTO history_tasks (shard_id, category, fire_time, task_id, payload)
    SELECT ?, t.* FROM (VALUES (?::bigint, ?::bigint, ?::bigint, ?::bytea)) AS t
     WHERE EXISTS (SELECT FROM put_run);

r AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[],
                  ?::bigint[], ?::bigint[], ?::bytea[], ?::uuid[], ?::bytea[])
        AS r (plan, namespace_id, workflow_id, run_id, action, expected,
              record_version, next_event_id, record, created_by, attempts);

s AS MATERIALIZED (
    SELECT range_id FROM shards WHERE shard_id = ? FOR SHARE;

u AS MATERIALIZED (
    SELECT *
      FROM unnest(?::bigint[], ?::uuid[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[], ?::text[], ?::bytea[])
        AS u (plan, namespace_id, workflow_id, run_id, kind, item_number, item_name, value);

v AS MATERIALIZED (
    SELECT p.plan,
           (p.fenced = 0 OR coalesce((SELECT range_id FROM s) = ?, false))
           AND NOT EXISTS (SELECT FROM lc WHERE lc.plan = p.plan AND lc.holds IS NOT TRUE)
           AND NOT EXISTS (SELECT FROM lr WHERE lr.plan = p.plan AND lr.holds IS NOT TRUE) AS applied
      FROM p;

v AS MATERIALIZED (
    SELECT p.plan,
           (p.fenced = 0 OR coalesce((SELECT range_id FROM s) = ?, false))
           AND NOT EXISTS (SELECT FROM lc WHERE lc.plan = p.plan AND lc.holds IS NOT TRUE)
           AND true AS applied
      FROM p;

v AS MATERIALIZED (
    SELECT p.plan,
           (p.fenced = 0 OR coalesce((SELECT range_id FROM s) = ?, false))
           AND true
           AND NOT EXISTS (SELECT FROM lr WHERE lr.plan = p.plan AND lr.holds IS NOT TRUE) AS applied
      FROM p;

v AS MATERIALIZED (
    SELECT p.plan,
           (p.fenced = 0 OR coalesce((SELECT range_id FROM s) = ?, false))
           AND true
           AND true AS applied
      FROM p;

v AS MATERIALIZED (
    SELECT p.plan,
           true
           AND NOT EXISTS (SELECT FROM lc WHERE lc.plan = p.plan AND lc.holds IS NOT TRUE)
           AND NOT EXISTS (SELECT FROM lr WHERE lr.plan = p.plan AND lr.holds IS NOT TRUE) AS applied
      FROM p;

v AS MATERIALIZED (
    SELECT p.plan,
           true
           AND NOT EXISTS (SELECT FROM lc WHERE lc.plan = p.plan AND lc.holds IS NOT TRUE)
           AND true AS applied
      FROM p;

v AS MATERIALIZED (
    SELECT p.plan,
           true
           AND true
           AND NOT EXISTS (SELECT FROM lr WHERE lr.plan = p.plan AND lr.holds IS NOT TRUE) AS applied
      FROM p;
