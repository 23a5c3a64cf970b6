CREATE TABLE IF NOT EXISTS shards (
    shard_id    INT NOT NULL,
    range_id    BIGINT NOT NULL,
    info        LONGBLOB NOT NULL,
    updated_at  BIGINT NOT NULL,
    attempts    VARBINARY(256) NOT NULL,
    PRIMARY KEY (shard_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS current_executions (
    shard_id            INT NOT NULL,
    namespace_id        BINARY(16) NOT NULL,
    workflow_id         VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    archetype           BIGINT NOT NULL,
    run_id              BINARY(16) NOT NULL,
    state               BIGINT NOT NULL,
    last_write_version  BIGINT NOT NULL,
    record              LONGBLOB NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, archetype)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS executions (
    shard_id        INT NOT NULL,
    namespace_id    BINARY(16) NOT NULL,
    workflow_id     VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    run_id          BINARY(16) NOT NULL,
    record_version  BIGINT NOT NULL,
    next_event_id   BIGINT NOT NULL,
    record          LONGBLOB NOT NULL,
    created_by      BINARY(16) NOT NULL,
    attempts        VARBINARY(256) NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS execution_items (
    shard_id      INT NOT NULL,
    namespace_id  BINARY(16) NOT NULL,
    workflow_id   VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    run_id        BINARY(16) NOT NULL,
    kind          SMALLINT NOT NULL,
    item_number   BIGINT NOT NULL,
    item_name     VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    value         LONGBLOB NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS history_tasks (
    shard_id   INT NOT NULL,
    category   INT NOT NULL,
    fire_time  BIGINT NOT NULL,
    task_id    BIGINT NOT NULL,
    payload    LONGBLOB NOT NULL,
    PRIMARY KEY (shard_id, category, fire_time, task_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS history_nodes (
    shard_id                 INT NOT NULL,
    tree_id                  BINARY(16) NOT NULL,
    branch_id                BINARY(16) NOT NULL,
    first_event_id           BIGINT NOT NULL,
    negated_transaction_id   BIGINT NOT NULL,
    event_count              BIGINT NOT NULL,
    previous_transaction_id  BIGINT NOT NULL,
    in_state                 BIGINT NOT NULL DEFAULT 0,
    written_at               BIGINT NOT NULL,
    events                   LONGBLOB NOT NULL,
    PRIMARY KEY (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS history_trees (
    shard_id    INT NOT NULL,
    tree_id     BINARY(16) NOT NULL,
    branch_id   BINARY(16) NOT NULL,
    branch      LONGBLOB NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (shard_id, tree_id, branch_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS task_queues (
    namespace_id  BINARY(16) NOT NULL,
    name          VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    task_type     INT NOT NULL,
    range_id      BIGINT NOT NULL,
    info          LONGBLOB NOT NULL,
    expires_at    BIGINT,
    created_by    BINARY(16) NOT NULL,
    attempts      VARBINARY(256) NOT NULL,
    PRIMARY KEY (namespace_id, name, task_type),
    KEY task_queues_expiry (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS tasks (
    namespace_id  BINARY(16) NOT NULL,
    name          VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    task_type     INT NOT NULL,
    subqueue      INT NOT NULL,
    pass          BIGINT NOT NULL,
    task_id       BIGINT NOT NULL,
    payload       LONGBLOB NOT NULL,
    expires_at    BIGINT,
    PRIMARY KEY (namespace_id, name, task_type, subqueue, pass, task_id),
    KEY tasks_expiry (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS queues (
    queue_type  INT NOT NULL,
    name        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    next_id     BIGINT NOT NULL,
    first_id    BIGINT NOT NULL,
    created_by  BINARY(16) NOT NULL,
    attempts    VARBINARY(256) NOT NULL,
    PRIMARY KEY (queue_type, name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS queue_messages (
    queue_type  INT NOT NULL,
    name        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    id          BIGINT NOT NULL,
    payload     LONGBLOB NOT NULL,
    PRIMARY KEY (queue_type, name, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE IF NOT EXISTS queue_acks (
    queue_type  INT NOT NULL,
    name        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    consumer    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
    level       BIGINT NOT NULL,
    PRIMARY KEY (queue_type, name, consumer)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
