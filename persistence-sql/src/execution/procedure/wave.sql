CREATE PROCEDURE {name} (
    IN shard INT, IN fence BIGINT, IN fenced TEXT CHARACTER SET ascii COLLATE ascii_bin, IN does INT, IN bytes LONGBLOB,
    IN c JSON, IN r JSON, IN k JSON, IN d JSON, IN u JSON, IN t JSON, IN n JSON, IN h JSON
)
SQL SECURITY INVOKER
MODIFIES SQL DATA
BEGIN
    DECLARE held_by BIGINT;
    -- The plans that are refused, as a list of their numbers.
    DECLARE refused TEXT CHARACTER SET ascii COLLATE ascii_bin DEFAULT '';
    DECLARE more TEXT CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    -- A list that was cut would let plans pass.
    SET SESSION group_concat_max_len = 65536;
    START TRANSACTION;

    -- Locks and verdicts: shard, current records, runs, the last two in the order in which they were sent, which is that of
    -- their keys. No row is filtered by a condition here: its lock would be given back.
    IF fence IS NOT NULL THEN
        SET held_by = (SELECT range_id FROM shards WHERE shard_id = shard FOR SHARE);
        IF NOT (held_by <=> fence) THEN
            SET refused = fenced;
        END IF;
    END IF;

    IF c IS NOT NULL THEN
        SELECT /*+ JOIN_FIXED_ORDER() NO_BNL() */
               GROUP_CONCAT(IF(CASE w.requires
                                   WHEN 0 THEN x.run_id IS NULL
                                   WHEN 1 THEN x.run_id = SUBSTRING(bytes, w.required_run, 16)
                                   WHEN 2 THEN x.run_id = SUBSTRING(bytes, w.required_run, 16) AND x.state = 1
                                               AND x.last_write_version = w.required_version
                                   WHEN 3 THEN NOT (x.run_id <=> SUBSTRING(bytes, w.required_run, 16))
                               END, NULL, w.plan))
          INTO more
          FROM JSON_TABLE(c, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   archetype BIGINT PATH '$[3]', requires INT PATH '$[4]', required_run INT PATH '$[5]',
                   required_version BIGINT PATH '$[6]')) w
          LEFT JOIN current_executions x FORCE INDEX (PRIMARY)
            ON x.shard_id = shard AND x.namespace_id = SUBSTRING(bytes, w.namespace, 16)
               AND x.workflow_id = w.workflow_id AND x.archetype = w.archetype
           FOR UPDATE OF x;
        IF more IS NOT NULL THEN
            SET refused = CONCAT_WS(',', NULLIF(refused, ''), more);
        END IF;
    END IF;

    IF r IS NOT NULL THEN
        SELECT /*+ JOIN_FIXED_ORDER() NO_BNL() */
               GROUP_CONCAT(IF(CASE w.action
                                   WHEN 1 THEN x.record_version = w.expected
                                   WHEN 3 THEN x.record_version IS NULL
                                   ELSE TRUE
                               END, NULL, w.plan))
          INTO more
          FROM JSON_TABLE(r, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   run INT PATH '$[3]', action INT PATH '$[4]', expected BIGINT PATH '$[5]')) w
          LEFT JOIN executions x FORCE INDEX (PRIMARY)
            ON x.shard_id = shard AND x.namespace_id = SUBSTRING(bytes, w.namespace, 16)
               AND x.workflow_id = w.workflow_id AND x.run_id = SUBSTRING(bytes, w.run, 16)
           FOR UPDATE OF x;
        IF more IS NOT NULL THEN
            SET refused = CONCAT_WS(',', NULLIF(refused, ''), more);
        END IF;
    END IF;

    -- Current records and runs. Those that were found absent are inserted plainly: a row that appeared since makes a
    -- duplicate, and everything begins again.
    IF does & 1 THEN
        INSERT INTO current_executions
               (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record)
        SELECT shard, SUBSTRING(bytes, w.namespace, 16), w.workflow_id, w.archetype, SUBSTRING(bytes, w.run, 16),
               w.state, w.last_write_version, SUBSTRING(bytes, w.record, w.length)
          FROM JSON_TABLE(c, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   archetype BIGINT PATH '$[3]', requires INT PATH '$[4]', action INT PATH '$[7]', run INT PATH '$[8]',
                   state BIGINT PATH '$[9]', last_write_version BIGINT PATH '$[10]', record INT PATH '$[11]',
                   length INT PATH '$[12]')) w
         WHERE w.action = 3 AND w.requires = 0 AND FIND_IN_SET(w.plan, refused) = 0;
    END IF;
    IF does & 2 THEN
        INSERT INTO current_executions
               (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record)
        SELECT shard, SUBSTRING(bytes, w.namespace, 16), w.workflow_id, w.archetype, SUBSTRING(bytes, w.run, 16),
               w.state, w.last_write_version, SUBSTRING(bytes, w.record, w.length)
          FROM JSON_TABLE(c, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   archetype BIGINT PATH '$[3]', requires INT PATH '$[4]', action INT PATH '$[7]', run INT PATH '$[8]',
                   state BIGINT PATH '$[9]', last_write_version BIGINT PATH '$[10]', record INT PATH '$[11]',
                   length INT PATH '$[12]')) w
         WHERE w.action = 3 AND w.requires IN (1, 2) AND FIND_IN_SET(w.plan, refused) = 0
            ON DUPLICATE KEY UPDATE run_id = SUBSTRING(bytes, w.run, 16), state = w.state,
               last_write_version = w.last_write_version, record = SUBSTRING(bytes, w.record, w.length);
    END IF;
    IF does & 4 THEN
        DELETE /*+ JOIN_FIXED_ORDER() NO_BNL() */ x
          FROM JSON_TABLE(c, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   archetype BIGINT PATH '$[3]', action INT PATH '$[7]')) w
          JOIN current_executions x FORCE INDEX (PRIMARY)
            ON x.shard_id = shard AND x.namespace_id = SUBSTRING(bytes, w.namespace, 16)
               AND x.workflow_id = w.workflow_id AND x.archetype = w.archetype
         WHERE w.action = 2 AND FIND_IN_SET(w.plan, refused) = 0;
    END IF;
    IF does & 8 THEN
        INSERT INTO executions
               (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts)
        SELECT shard, SUBSTRING(bytes, w.namespace, 16), w.workflow_id, SUBSTRING(bytes, w.run, 16), w.record_version,
               w.next_event_id, SUBSTRING(bytes, w.record, w.length), SUBSTRING(bytes, w.creator, 16),
               SUBSTRING(bytes, w.entry, w.entry_length)
          FROM JSON_TABLE(r, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   run INT PATH '$[3]', action INT PATH '$[4]', record_version BIGINT PATH '$[6]',
                   next_event_id BIGINT PATH '$[7]', record INT PATH '$[8]', length INT PATH '$[9]',
                   creator INT PATH '$[10]', entry INT PATH '$[11]', entry_length INT PATH '$[12]')) w
         WHERE w.action = 3 AND FIND_IN_SET(w.plan, refused) = 0;
    END IF;
    IF does & 16 THEN
        INSERT INTO executions
               (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by, attempts)
        SELECT shard, SUBSTRING(bytes, w.namespace, 16), w.workflow_id, SUBSTRING(bytes, w.run, 16), w.record_version,
               w.next_event_id, SUBSTRING(bytes, w.record, w.length), SUBSTRING(bytes, w.creator, 16),
               SUBSTRING(bytes, w.entry, w.entry_length)
          FROM JSON_TABLE(r, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   run INT PATH '$[3]', action INT PATH '$[4]', record_version BIGINT PATH '$[6]',
                   next_event_id BIGINT PATH '$[7]', record INT PATH '$[8]', length INT PATH '$[9]',
                   creator INT PATH '$[10]', entry INT PATH '$[11]', entry_length INT PATH '$[12]')) w
         WHERE w.action = 1 AND FIND_IN_SET(w.plan, refused) = 0
            ON DUPLICATE KEY UPDATE record_version = w.record_version, next_event_id = w.next_event_id,
               record = SUBSTRING(bytes, w.record, w.length),
               attempts = SUBSTRING(CONCAT(SUBSTRING(bytes, w.entry, w.entry_length), attempts), 1, 256);
    END IF;
    IF does & 32 THEN
        DELETE /*+ JOIN_FIXED_ORDER() NO_BNL() */ x
          FROM JSON_TABLE(r, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   run INT PATH '$[3]', action INT PATH '$[4]')) w
          JOIN executions x FORCE INDEX (PRIMARY)
            ON x.shard_id = shard AND x.namespace_id = SUBSTRING(bytes, w.namespace, 16)
               AND x.workflow_id = w.workflow_id AND x.run_id = SUBSTRING(bytes, w.run, 16)
         WHERE w.action = 2 AND FIND_IN_SET(w.plan, refused) = 0;
    END IF;

    -- Items: deletes come before puts.
    IF k IS NOT NULL THEN
        DELETE /*+ JOIN_FIXED_ORDER() NO_BNL() */ x
          FROM JSON_TABLE(k, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   run INT PATH '$[3]', from_kind INT PATH '$[4]', to_kind INT PATH '$[5]')) w
          JOIN execution_items x FORCE INDEX (PRIMARY)
            ON x.shard_id = shard AND x.namespace_id = SUBSTRING(bytes, w.namespace, 16)
               AND x.workflow_id = w.workflow_id AND x.run_id = SUBSTRING(bytes, w.run, 16)
         WHERE x.kind >= w.from_kind AND x.kind < w.to_kind AND FIND_IN_SET(w.plan, refused) = 0;
    END IF;
    IF d IS NOT NULL THEN
        DELETE /*+ JOIN_FIXED_ORDER() NO_BNL() */ x
          FROM JSON_TABLE(d, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   run INT PATH '$[3]', kind INT PATH '$[4]', item_number BIGINT PATH '$[5]',
                   item_name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[6]')) w
          JOIN execution_items x FORCE INDEX (PRIMARY)
            ON x.shard_id = shard AND x.namespace_id = SUBSTRING(bytes, w.namespace, 16)
               AND x.workflow_id = w.workflow_id AND x.run_id = SUBSTRING(bytes, w.run, 16) AND x.kind = w.kind
               AND x.item_number = w.item_number AND x.item_name = w.item_name
         WHERE FIND_IN_SET(w.plan, refused) = 0;
    END IF;
    IF u IS NOT NULL THEN
        INSERT INTO execution_items
               (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
        SELECT shard, SUBSTRING(bytes, w.namespace, 16), w.workflow_id, SUBSTRING(bytes, w.run, 16), w.kind,
               w.item_number, w.item_name, SUBSTRING(bytes, w.value, w.length)
          FROM JSON_TABLE(u, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   run INT PATH '$[3]', kind INT PATH '$[4]', item_number BIGINT PATH '$[5]',
                   item_name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[6]',
                   value INT PATH '$[7]', length INT PATH '$[8]')) w
         WHERE FIND_IN_SET(w.plan, refused) = 0
            ON DUPLICATE KEY UPDATE value = SUBSTRING(bytes, w.value, w.length);
    END IF;

    IF t IS NOT NULL THEN
        INSERT INTO history_tasks (shard_id, category, fire_time, task_id, payload)
        SELECT shard, w.category, w.fire_time, w.task_id, SUBSTRING(bytes, w.payload, w.length)
          FROM JSON_TABLE(t, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', category INT PATH '$[1]', fire_time BIGINT PATH '$[2]',
                   task_id BIGINT PATH '$[3]', payload INT PATH '$[4]', length INT PATH '$[5]')) w
         WHERE FIND_IN_SET(w.plan, refused) = 0
            ON DUPLICATE KEY UPDATE payload = SUBSTRING(bytes, w.payload, w.length);
    END IF;

    IF n IS NOT NULL THEN
        INSERT INTO history_nodes
               (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count,
                previous_transaction_id, in_state, written_at, events)
        SELECT shard, SUBSTRING(bytes, w.tree, 16), SUBSTRING(bytes, w.branch, 16), w.first_event_id,
               w.negated_transaction_id, w.event_count, w.previous_transaction_id, w.in_state, w.written_at,
               SUBSTRING(bytes, w.events, w.length)
          FROM JSON_TABLE(n, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', tree INT PATH '$[1]', branch INT PATH '$[2]', first_event_id BIGINT PATH '$[3]',
                   negated_transaction_id BIGINT PATH '$[4]', event_count BIGINT PATH '$[5]',
                   previous_transaction_id BIGINT PATH '$[6]', in_state BIGINT PATH '$[7]',
                   written_at BIGINT PATH '$[8]', events INT PATH '$[9]', length INT PATH '$[10]')) w
         WHERE FIND_IN_SET(w.plan, refused) = 0
            ON DUPLICATE KEY UPDATE event_count = w.event_count, in_state = w.in_state,
               previous_transaction_id = w.previous_transaction_id, written_at = w.written_at,
               events = SUBSTRING(bytes, w.events, w.length);
    END IF;
    IF h IS NOT NULL THEN
        INSERT INTO history_trees (shard_id, tree_id, branch_id, branch, created_at)
        SELECT shard, SUBSTRING(bytes, w.tree, 16), SUBSTRING(bytes, w.branch, 16),
               SUBSTRING(bytes, w.record, w.length), w.created_at
          FROM JSON_TABLE(h, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', tree INT PATH '$[1]', branch INT PATH '$[2]', record INT PATH '$[3]',
                   length INT PATH '$[4]', created_at BIGINT PATH '$[5]')) w
         WHERE FIND_IN_SET(w.plan, refused) = 0
            ON DUPLICATE KEY UPDATE branch = SUBSTRING(bytes, w.record, w.length), created_at = w.created_at;
    END IF;

    -- Nothing, where every plan was applied; else the refused plans, and everything that was found of theirs.
    IF refused <> '' THEN
        SELECT 0 AS tag, held_by AS number,
               NULL AS c_namespace, NULL AS c_workflow, NULL AS c_archetype, NULL AS c_record,
               NULL AS r_namespace, NULL AS r_workflow, NULL AS r_run, NULL AS r_version, NULL AS r_next,
               NULL AS r_creator, NULL AS r_attempts
          FROM DUAL
         WHERE held_by IS NOT NULL
        UNION ALL
        SELECT 1, w.plan, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
          FROM JSON_TABLE(CONCAT('[', refused, ']'), '$[*]' COLUMNS (plan INT PATH '$')) w
        UNION ALL
        SELECT 2, 0, x.namespace_id, x.workflow_id, x.archetype, x.record,
               NULL, NULL, NULL, NULL, NULL, NULL, NULL
          FROM JSON_TABLE(c, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   archetype BIGINT PATH '$[3]')) w
          JOIN current_executions x FORCE INDEX (PRIMARY)
            ON x.shard_id = shard AND x.namespace_id = SUBSTRING(bytes, w.namespace, 16)
               AND x.workflow_id = w.workflow_id AND x.archetype = w.archetype
         WHERE FIND_IN_SET(w.plan, refused) > 0
        UNION ALL
        SELECT 3, 0, NULL, NULL, NULL, NULL,
               x.namespace_id, x.workflow_id, x.run_id, x.record_version, x.next_event_id, x.created_by, x.attempts
          FROM JSON_TABLE(r, '$[*]' COLUMNS (
                   plan INT PATH '$[0]', namespace INT PATH '$[1]',
                   workflow_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]',
                   run INT PATH '$[3]')) w
          JOIN executions x FORCE INDEX (PRIMARY)
            ON x.shard_id = shard AND x.namespace_id = SUBSTRING(bytes, w.namespace, 16)
               AND x.workflow_id = w.workflow_id AND x.run_id = SUBSTRING(bytes, w.run, 16)
         WHERE FIND_IN_SET(w.plan, refused) > 0;
    END IF;
    COMMIT;
END
