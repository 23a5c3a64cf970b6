-- Every statement that the stores send to this database, as the suite saw them: lists of tuples are cut to one, and names of tables
-- are plain. Written by a whole run of the suite with PERSISTENCE_TESTS_STATEMENTS=write.

DELETE FROM current_executions WHERE (shard_id, namespace_id, workflow_id, archetype) IN (VALUES (?, ?, ?, ?));

DELETE FROM execution_items
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ? AND kind >= ? AND kind < ?;

DELETE FROM execution_items WHERE (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name) IN (VALUES (?, ?, ?, ?, ?, ?, ?));

DELETE FROM executions WHERE (shard_id, namespace_id, workflow_id, run_id) IN (VALUES (?, ?, ?, ?));

DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ?;

DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND written_at < ?;

DELETE FROM history_nodes WHERE (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id) IN (VALUES (?, ?, ?, ?, ?));

DELETE FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time, task_id) >= (?, ?) AND (fire_time, task_id) < (?, ?);

DELETE FROM history_tasks
     WHERE shard_id = ? AND category = ? AND fire_time = ? AND task_id = ?;

DELETE FROM history_trees WHERE (shard_id, tree_id, branch_id) IN (VALUES (?, ?, ?));

DELETE FROM queue_messages
     WHERE queue_type = ? AND name = ? AND id < ?;

DELETE FROM task_queues
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND expires_at <= ?;

DELETE FROM task_queues WHERE (namespace_id, name, task_type) IN (VALUES (?, ?, ?));

DELETE FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass, task_id) < (?, ?);

DELETE FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ? AND pass = ? AND task_id = ?
       AND expires_at <= ?;

INSERT INTO current_executions (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO current_executions (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shard_id, namespace_id, workflow_id, archetype) DO UPDATE SET run_id = excluded.run_id, state = excluded.state, last_write_version = excluded.last_write_version, record = excluded.record;

INSERT INTO document_collections (name, definition, ready, revision)
    VALUES (?, ?, ?, ?);

INSERT INTO execution_items (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name) DO UPDATE SET value = excluded.value;

INSERT INTO executions (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO executions (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shard_id, namespace_id, workflow_id, run_id) DO UPDATE SET record_version = excluded.record_version, next_event_id = excluded.next_event_id, record = excluded.record, created_by = excluded.created_by, attempts = excluded.attempts;

INSERT INTO history_nodes (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count, previous_transaction_id, in_state, written_at, events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id) DO UPDATE SET event_count = excluded.event_count, previous_transaction_id = excluded.previous_transaction_id, in_state = excluded.in_state, written_at = excluded.written_at, events = excluded.events;

INSERT INTO history_nodes (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count, previous_transaction_id, written_at, events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id) DO UPDATE SET event_count = excluded.event_count, previous_transaction_id = excluded.previous_transaction_id, written_at = excluded.written_at, events = excluded.events;

INSERT INTO history_tasks (shard_id, category, fire_time, task_id, payload) VALUES (?, ?, ?, ?, ?) ON CONFLICT (shard_id, category, fire_time, task_id) DO UPDATE SET payload = excluded.payload;

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

SELECT first_event_id, negated_transaction_id, events FROM history_nodes WHERE (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id) IN (VALUES (?, ?, ?, ?, ?));

SELECT id, payload
      FROM queue_messages
     WHERE queue_type = ? AND name = ? AND id > ?
     ORDER BY id
     LIMIT ?;

SELECT level
      FROM queue_acks
     WHERE queue_type = ? AND name = ? AND consumer = ?;

SELECT name FROM sqlite_schema WHERE coalesce(?, '') = '' AND type = 'table' AND name LIKE ?;

SELECT name, coalesce(sql, '')
      FROM sqlite_schema
     WHERE tbl_name = ?
     ORDER BY type = 'index';

SELECT name, next_id, first_id, created_by, attempts
      FROM queues
     WHERE queue_type = ? AND name = ?;

SELECT name, next_id, first_id, created_by, attempts
      FROM queues
     WHERE queue_type = ? AND name > ?
     ORDER BY name
     LIMIT ?;

SELECT name, revision FROM document_collections WHERE (name) IN (VALUES (?));

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

SELECT range_id, attempts
      FROM shards
     WHERE shard_id = ?;

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

SELECT shard_id, namespace_id, workflow_id, archetype, record FROM current_executions WHERE (shard_id, namespace_id, workflow_id, archetype) IN (VALUES (?, ?, ?, ?)) ORDER BY shard_id, namespace_id, workflow_id, archetype;

SELECT shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, created_by, attempts FROM executions WHERE (shard_id, namespace_id, workflow_id, run_id) IN (VALUES (?, ?, ?, ?)) ORDER BY shard_id, namespace_id, workflow_id, run_id;

SELECT shard_id, range_id FROM shards WHERE (shard_id) IN (VALUES (?)) ORDER BY shard_id;

UPDATE document_collections
       SET definition = ?, ready = ?, revision = ?
     WHERE name = ?;

UPDATE shards
       SET range_id = ?, info = ?, updated_at = ?, attempts = ?
     WHERE shard_id = ?;
