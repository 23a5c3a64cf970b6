-- Every statement that the stores send to this database, as the suite saw them: lists of tuples are cut to one, and names of tables
-- are plain. Written by a whole run of the suite with PERSISTENCE_TESTS_STATEMENTS=write.

CALL persist_apply_one_…(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

CALL persist_apply_wave_…(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

DELETE FROM current_executions WHERE (shard_id, namespace_id, workflow_id, archetype) IN ((?, ?, ?, ?));

DELETE FROM execution_items
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ? AND kind >= ? AND kind < ?;

DELETE FROM execution_items WHERE (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name) IN ((?, ?, ?, ?, ?, ?, ?));

DELETE FROM executions WHERE (shard_id, namespace_id, workflow_id, run_id) IN ((?, ?, ?, ?));

DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ?;

DELETE FROM history_nodes
     WHERE shard_id = ? AND tree_id = ? AND branch_id = ? AND first_event_id >= ? AND written_at < ?;

DELETE FROM history_nodes WHERE (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id) IN ((?, ?, ?, ?, ?));

DELETE FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time > ? OR (fire_time = ? AND task_id >= ?)) AND (fire_time < ? OR (fire_time = ? AND task_id < ?));

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
       AND (pass < ? OR (pass = ? AND task_id < ?));

DELETE FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ? AND pass = ? AND task_id = ?
       AND expires_at <= ?;

INSERT INTO current_executions (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO current_executions (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE run_id = new.run_id, state = new.state, last_write_version = new.last_write_version, record = new.record;

INSERT INTO document_collections (name, definition, ready, revision)
    VALUES (?, ?, ?, ?);

INSERT INTO execution_items (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE value = new.value;

INSERT INTO executions (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO executions (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE record_version = new.record_version, next_event_id = new.next_event_id, record = new.record, created_by = new.created_by, attempts = new.attempts;

INSERT INTO history_nodes (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count, previous_transaction_id, in_state, written_at, events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE event_count = new.event_count, previous_transaction_id = new.previous_transaction_id, in_state = new.in_state, written_at = new.written_at, events = new.events;

INSERT INTO history_nodes (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count, previous_transaction_id, written_at, events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE event_count = new.event_count, previous_transaction_id = new.previous_transaction_id, written_at = new.written_at, events = new.events;

INSERT INTO history_tasks (shard_id, category, fire_time, task_id, payload) VALUES (?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE payload = new.payload;

INSERT INTO history_trees (shard_id, tree_id, branch_id, branch, created_at) VALUES (?, ?, ?, ?, ?);

INSERT INTO history_trees (shard_id, tree_id, branch_id, branch, created_at) VALUES (?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE branch = new.branch, created_at = new.created_at;

INSERT INTO queue_acks (queue_type, name, consumer, level) VALUES (?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE level = new.level;

INSERT INTO queue_messages (queue_type, name, id, payload) VALUES (?, ?, ?, ?);

INSERT INTO queues (queue_type, name, next_id, first_id, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?);

INSERT INTO queues (queue_type, name, next_id, first_id, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE next_id = new.next_id, first_id = new.first_id, created_by = new.created_by, attempts = new.attempts;

INSERT INTO shards (shard_id, range_id, info, updated_at, attempts) VALUES (?, ?, ?, ?, ?);

INSERT INTO task_queues (namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO task_queues (namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE range_id = new.range_id, info = new.info, expires_at = new.expires_at, created_by = new.created_by, attempts = new.attempts;

INSERT INTO tasks (namespace_id, name, task_type, subqueue, pass, task_id, payload, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE payload = new.payload, expires_at = new.expires_at;

SELECT 0 AS kind, 0 AS item_number, '' AS item_name, record AS value, record_version AS version
      FROM executions
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?
    UNION ALL
    SELECT kind, item_number, item_name, value, 0
      FROM execution_items
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?
     ORDER BY 1, 2, 3;

SELECT GET_LOCK(CONCAT('documents:', LEFT(SHA2(CONCAT(DATABASE(), '/', ?), 256), 40)), -1);

SELECT RELEASE_LOCK(CONCAT('documents:', LEFT(SHA2(CONCAT(DATABASE(), '/', ?), 256), 40)));

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
       AND (fire_time > ? OR (fire_time = ? AND task_id > ?)) AND (fire_time < ? OR (fire_time = ? AND task_id < ?))
     ORDER BY fire_time, task_id
     LIMIT ?;

SELECT fire_time, task_id, payload
      FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time > ? OR (fire_time = ? AND task_id >= ?)) AND (fire_time < ? OR (fire_time = ? AND task_id < ?))
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
     WHERE queue_type = ? AND name = ? FOR UPDATE;

SELECT name, next_id, first_id, created_by, attempts
      FROM queues
     WHERE queue_type = ? AND name > ?
     ORDER BY name
     LIMIT ?;

SELECT name, revision FROM document_collections FORCE INDEX (PRIMARY) WHERE (name) IN ((?)) FOR SHARE;

SELECT name, revision FROM document_collections FORCE INDEX (PRIMARY) WHERE (name) IN ((?)) FOR UPDATE;

SELECT namespace_id, name, task_type
      FROM task_queues
     WHERE expires_at <= ?
     LIMIT ?;

SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE (namespace_id > ? OR (namespace_id = ? AND (name > ? OR (name = ? AND task_type > ?)))) AND (expires_at IS NULL OR expires_at > ?)
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
     WHERE namespace_id = ? AND name = ? AND task_type = ? FOR SHARE;

SELECT namespace_id, name, task_type, range_id, info, expires_at, created_by, attempts
      FROM task_queues
     WHERE namespace_id = ? AND name = ? AND task_type = ? FOR UPDATE;

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
     WHERE shard_id = ? AND (namespace_id > ? OR (namespace_id = ? AND (workflow_id > ? OR (workflow_id = ? AND run_id > ?))))
     ORDER BY namespace_id, workflow_id, run_id
     LIMIT ?;

SELECT pass, task_id
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass < ? OR (pass = ? AND task_id < ?))
     ORDER BY pass, task_id
     LIMIT ?;

SELECT pass, task_id, payload, expires_at
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass > ? OR (pass = ? AND task_id >= ?))
       AND (expires_at IS NULL OR expires_at > ?)
     ORDER BY pass, task_id
     LIMIT ?;

SELECT pass, task_id, payload, expires_at
      FROM tasks
     WHERE namespace_id = ? AND name = ? AND task_type = ? AND subqueue = ?
       AND (pass > ? OR (pass = ? AND task_id >= ?)) AND (pass < ? OR (pass = ? AND task_id < ?))
       AND (expires_at IS NULL OR expires_at > ?)
     ORDER BY pass, task_id
     LIMIT ?;

SELECT range_id, attempts
      FROM shards
     WHERE shard_id = ? FOR SHARE;

SELECT range_id, attempts
      FROM shards
     WHERE shard_id = ? FOR UPDATE;

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
     WHERE (shard_id > ? OR (shard_id = ? AND (tree_id > ? OR (tree_id = ? AND branch_id > ?))))
     ORDER BY shard_id, tree_id, branch_id
     LIMIT ?;

SELECT shard_id, branch, created_at
      FROM history_trees
     WHERE shard_id = ? AND tree_id = ?
     ORDER BY branch_id;

SELECT shard_id, branch, created_at
      FROM history_trees
     WHERE shard_id = ? AND tree_id = ?
     ORDER BY branch_id FOR UPDATE;

SELECT shard_id, namespace_id, workflow_id, archetype, record FROM current_executions WHERE (shard_id, namespace_id, workflow_id, archetype) IN ((?, ?, ?, ?)) ORDER BY shard_id, namespace_id, workflow_id, archetype FOR UPDATE;

SELECT shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, created_by, attempts FROM executions WHERE (shard_id, namespace_id, workflow_id, run_id) IN ((?, ?, ?, ?)) ORDER BY shard_id, namespace_id, workflow_id, run_id FOR UPDATE;

SELECT table_name
      FROM information_schema.tables
     WHERE table_schema = COALESCE(?, DATABASE()) AND table_name LIKE ?;

SET SESSION lock_wait_timeout = 1;

UPDATE document_collections
       SET definition = ?, ready = ?, revision = ?
     WHERE name = ?;

UPDATE shards
       SET range_id = ?, info = ?, updated_at = ?, attempts = ?
     WHERE shard_id = ?;
