CREATE TABLE shards (
    shard_id    INTEGER NOT NULL PRIMARY KEY,
    range_id    INTEGER NOT NULL,
    info        BLOB    NOT NULL,
    updated_at  INTEGER NOT NULL,
    attempts    BLOB    NOT NULL
) STRICT;

CREATE TABLE current_executions (
    shard_id            INTEGER NOT NULL,
    namespace_id        BLOB    NOT NULL,
    workflow_id         TEXT    NOT NULL,
    archetype           INTEGER NOT NULL,
    run_id              BLOB    NOT NULL,
    state               INTEGER NOT NULL,
    last_write_version  INTEGER NOT NULL,
    record              BLOB    NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, archetype)
) STRICT, WITHOUT ROWID;

CREATE TABLE executions (
    shard_id        INTEGER NOT NULL,
    namespace_id    BLOB    NOT NULL,
    workflow_id     TEXT    NOT NULL,
    run_id          BLOB    NOT NULL,
    record_version  INTEGER NOT NULL,
    next_event_id   INTEGER NOT NULL,
    record          BLOB    NOT NULL,
    created_by      BLOB    NOT NULL,
    attempts        BLOB    NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id)
) STRICT;

CREATE TABLE execution_items (
    shard_id     INTEGER NOT NULL,
    namespace_id BLOB    NOT NULL,
    workflow_id  TEXT    NOT NULL,
    run_id       BLOB    NOT NULL,
    kind         INTEGER NOT NULL,
    item_number  INTEGER NOT NULL,
    item_name    TEXT    NOT NULL,
    value        BLOB    NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE history_tasks (
    shard_id   INTEGER NOT NULL,
    category   INTEGER NOT NULL,
    fire_time  INTEGER NOT NULL,
    task_id    INTEGER NOT NULL,
    payload    BLOB    NOT NULL,
    PRIMARY KEY (shard_id, category, fire_time, task_id)
) STRICT, WITHOUT ROWID;

-- Not WITHOUT ROWID: events are large, and headers are read apart from them.
CREATE TABLE history_nodes (
    shard_id                 INTEGER NOT NULL,
    tree_id                  BLOB    NOT NULL,
    branch_id                BLOB    NOT NULL,
    first_event_id           INTEGER NOT NULL,
    negated_transaction_id   INTEGER NOT NULL,
    event_count              INTEGER NOT NULL,
    previous_transaction_id  INTEGER NOT NULL,
    in_state                 INTEGER NOT NULL DEFAULT 0,
    written_at               INTEGER NOT NULL,
    events                   BLOB    NOT NULL,
    PRIMARY KEY (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id)
) STRICT;

CREATE TABLE history_trees (
    shard_id    INTEGER NOT NULL,
    tree_id     BLOB    NOT NULL,
    branch_id   BLOB    NOT NULL,
    branch      BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (shard_id, tree_id, branch_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_queues (
    namespace_id  BLOB    NOT NULL,
    name          TEXT    NOT NULL,
    task_type     INTEGER NOT NULL,
    range_id      INTEGER NOT NULL,
    info          BLOB    NOT NULL,
    expires_at    INTEGER,
    created_by    BLOB    NOT NULL,
    attempts      BLOB    NOT NULL,
    PRIMARY KEY (namespace_id, name, task_type)
) STRICT, WITHOUT ROWID;

CREATE INDEX task_queues_expiry ON task_queues (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE tasks (
    namespace_id  BLOB    NOT NULL,
    name          TEXT    NOT NULL,
    task_type     INTEGER NOT NULL,
    subqueue      INTEGER NOT NULL,
    pass          INTEGER NOT NULL,
    task_id       INTEGER NOT NULL,
    payload       BLOB    NOT NULL,
    expires_at    INTEGER,
    PRIMARY KEY (namespace_id, name, task_type, subqueue, pass, task_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX tasks_expiry ON tasks (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE queues (
    queue_type  INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    next_id     INTEGER NOT NULL,
    first_id    INTEGER NOT NULL,
    created_by  BLOB    NOT NULL,
    attempts    BLOB    NOT NULL,
    PRIMARY KEY (queue_type, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE queue_messages (
    queue_type  INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    id          INTEGER NOT NULL,
    payload     BLOB    NOT NULL,
    PRIMARY KEY (queue_type, name, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE queue_acks (
    queue_type  INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    consumer    TEXT    NOT NULL,
    level       INTEGER NOT NULL,
    PRIMARY KEY (queue_type, name, consumer)
) STRICT, WITHOUT ROWID;
