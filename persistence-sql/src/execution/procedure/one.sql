CREATE PROCEDURE {name} (
    IN shard INT, IN fence BIGINT,
    IN namespace BINARY(16), IN workflow VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin,
    IN c_requires INT, IN c_archetype BIGINT, IN c_required_run BINARY(16), IN c_required_version BIGINT,
    IN c_run BINARY(16), IN c_state BIGINT, IN c_version BIGINT, IN c_record LONGBLOB,
    IN r_action INT, IN r_run BINARY(16), IN r_expected BIGINT, IN r_version BIGINT, IN r_next_event_id BIGINT,
    IN r_record LONGBLOB, IN r_created_by BINARY(16), IN r_attempts VARBINARY(256),
    IN rows_of LONGBLOB,
    IN clears INT, IN deletes INT, IN puts INT, IN fires INT, IN nodes INT, IN branches INT
)
SQL SECURITY INVOKER
MODIFIES SQL DATA
BEGIN
    DECLARE holds BOOL DEFAULT TRUE;
    -- Where the next row is, and how long its parts are.
    DECLARE at INT DEFAULT 1;
    DECLARE a INT;
    DECLARE b INT;
    DECLARE name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
    -- A current record or a run that was to be absent: whoever judges will say which.
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        SELECT 0 AS applied;
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    START TRANSACTION;
    apply: BEGIN
        IF fence IS NOT NULL THEN
            SET holds = (SELECT range_id FROM shards WHERE shard_id = shard FOR SHARE) <=> fence;
            IF NOT holds THEN
                LEAVE apply;
            END IF;
        END IF;

        -- Conditions are evaluated on the locked row, which is the latest.
        IF c_requires = 0 THEN
            INSERT INTO current_executions
                   (shard_id, namespace_id, workflow_id, archetype, run_id, state, last_write_version, record)
            VALUES (shard, namespace, workflow, c_archetype, c_run, c_state, c_version, c_record);
        ELSEIF c_requires IS NOT NULL THEN
            UPDATE current_executions
               SET run_id = c_run, state = c_state, last_write_version = c_version, record = c_record
             WHERE shard_id = shard AND namespace_id = namespace AND workflow_id = workflow
               AND archetype = c_archetype AND run_id = c_required_run
               AND (c_requires = 1 OR (state = 1 AND last_write_version = c_required_version));
            SET holds = ROW_COUNT() = 1;
            IF NOT holds THEN
                LEAVE apply;
            END IF;
        END IF;

        IF r_action = 3 THEN
            INSERT INTO executions
                   (shard_id, namespace_id, workflow_id, run_id, record_version, next_event_id, record, created_by,
                    attempts)
            VALUES (shard, namespace, workflow, r_run, r_version, r_next_event_id, r_record, r_created_by, r_attempts);
        ELSEIF r_action = 1 THEN
            UPDATE executions
               SET record_version = r_version, next_event_id = r_next_event_id, record = r_record,
                   attempts = SUBSTRING(CONCAT(r_attempts, attempts), 1, 256)
             WHERE shard_id = shard AND namespace_id = namespace AND workflow_id = workflow AND run_id = r_run
               AND record_version = r_expected;
            SET holds = ROW_COUNT() = 1;
            IF NOT holds THEN
                LEAVE apply;
            END IF;
        END IF;

        WHILE clears > 0 DO
            DELETE FROM execution_items
             WHERE shard_id = shard AND namespace_id = namespace AND workflow_id = workflow AND run_id = r_run
               AND kind >= CAST(SUBSTRING(rows_of, at, 20) AS SIGNED)
               AND kind < CAST(SUBSTRING(rows_of, at + 20, 20) AS SIGNED);
            SET at = at + 40, clears = clears - 1;
        END WHILE;

        WHILE deletes > 0 DO
            SET a = SUBSTRING(rows_of, at + 40, 10);
            SET name = CONVERT(SUBSTRING(rows_of, at + 50, a) USING utf8mb4);
            DELETE FROM execution_items
             WHERE shard_id = shard AND namespace_id = namespace AND workflow_id = workflow AND run_id = r_run
               AND kind = CAST(SUBSTRING(rows_of, at, 20) AS SIGNED)
               AND item_number = CAST(SUBSTRING(rows_of, at + 20, 20) AS SIGNED) AND item_name = name;
            SET at = at + 50 + a, deletes = deletes - 1;
        END WHILE;

        WHILE puts > 0 DO
            SET a = SUBSTRING(rows_of, at + 40, 10);
            SET b = SUBSTRING(rows_of, at + 50 + a, 10);
            INSERT INTO execution_items
                   (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value)
            VALUES (shard, namespace, workflow, r_run, SUBSTRING(rows_of, at, 20), SUBSTRING(rows_of, at + 20, 20),
                    CONVERT(SUBSTRING(rows_of, at + 50, a) USING utf8mb4), SUBSTRING(rows_of, at + 60 + a, b)) AS new
                ON DUPLICATE KEY UPDATE value = new.value;
            SET at = at + 60 + a + b, puts = puts - 1;
        END WHILE;

        WHILE fires > 0 DO
            SET a = SUBSTRING(rows_of, at + 60, 10);
            INSERT INTO history_tasks (shard_id, category, fire_time, task_id, payload)
            VALUES (shard, SUBSTRING(rows_of, at, 20), SUBSTRING(rows_of, at + 20, 20),
                    SUBSTRING(rows_of, at + 40, 20), SUBSTRING(rows_of, at + 70, a)) AS new
                ON DUPLICATE KEY UPDATE payload = new.payload;
            SET at = at + 70 + a, fires = fires - 1;
        END WHILE;

        WHILE nodes > 0 DO
            SET a = SUBSTRING(rows_of, at + 152, 10);
            INSERT INTO history_nodes
                   (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id, event_count,
                    previous_transaction_id, in_state, written_at, events)
            VALUES (shard, SUBSTRING(rows_of, at, 16), SUBSTRING(rows_of, at + 16, 16),
                    SUBSTRING(rows_of, at + 32, 20), SUBSTRING(rows_of, at + 52, 20),
                    SUBSTRING(rows_of, at + 72, 20), SUBSTRING(rows_of, at + 92, 20),
                    SUBSTRING(rows_of, at + 112, 20), SUBSTRING(rows_of, at + 132, 20),
                    SUBSTRING(rows_of, at + 162, a)) AS new
                ON DUPLICATE KEY UPDATE event_count = new.event_count, in_state = new.in_state,
                   previous_transaction_id = new.previous_transaction_id, written_at = new.written_at,
                   events = new.events;
            SET at = at + 162 + a, nodes = nodes - 1;
        END WHILE;

        WHILE branches > 0 DO
            SET a = SUBSTRING(rows_of, at + 32, 10);
            INSERT INTO history_trees (shard_id, tree_id, branch_id, branch, created_at)
            VALUES (shard, SUBSTRING(rows_of, at, 16), SUBSTRING(rows_of, at + 16, 16),
                    SUBSTRING(rows_of, at + 42, a), SUBSTRING(rows_of, at + 42 + a, 20)) AS new
                ON DUPLICATE KEY UPDATE branch = new.branch, created_at = new.created_at;
            SET at = at + 62 + a, branches = branches - 1;
        END WHILE;
    END apply;

    IF holds THEN
        COMMIT;
    ELSE
        ROLLBACK;
        SELECT 0 AS applied;
    END IF;
END
