CREATE TABLE shards (
    shard_id    bigint NOT NULL PRIMARY KEY,
    range_id    bigint NOT NULL,
    info        bytea NOT NULL,
    updated_at  bigint NOT NULL,
    attempts    bytea NOT NULL
);

CREATE TABLE current_executions (
    shard_id            bigint NOT NULL,
    namespace_id        uuid NOT NULL,
    workflow_id         text COLLATE "C" NOT NULL,
    archetype           bigint NOT NULL,
    run_id              uuid NOT NULL,
    state               bigint NOT NULL,
    last_write_version  bigint NOT NULL,
    record              bytea NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, archetype)
);

CREATE TABLE executions (
    shard_id        bigint NOT NULL,
    namespace_id    uuid NOT NULL,
    workflow_id     text COLLATE "C" NOT NULL,
    run_id          uuid NOT NULL,
    record_version  bigint NOT NULL,
    next_event_id   bigint NOT NULL,
    record          bytea NOT NULL,
    created_by      uuid NOT NULL,
    attempts        bytea NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id)
);

CREATE TABLE execution_items (
    shard_id     bigint NOT NULL,
    namespace_id uuid NOT NULL,
    workflow_id  text COLLATE "C" NOT NULL,
    run_id       uuid NOT NULL,
    kind         bigint NOT NULL,
    item_number  bigint NOT NULL,
    item_name    text COLLATE "C" NOT NULL,
    value        bytea NOT NULL,
    PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name)
);

CREATE TABLE history_tasks (
    shard_id   bigint NOT NULL,
    category   bigint NOT NULL,
    fire_time  bigint NOT NULL,
    task_id    bigint NOT NULL,
    payload    bytea NOT NULL,
    PRIMARY KEY (shard_id, category, fire_time, task_id)
);

CREATE TABLE history_nodes (
    shard_id                 bigint NOT NULL,
    tree_id                  uuid NOT NULL,
    branch_id                uuid NOT NULL,
    first_event_id           bigint NOT NULL,
    negated_transaction_id   bigint NOT NULL,
    event_count              bigint NOT NULL,
    previous_transaction_id  bigint NOT NULL,
    in_state                 bigint NOT NULL DEFAULT 0,
    written_at               bigint NOT NULL,
    events                   bytea NOT NULL,
    PRIMARY KEY (shard_id, tree_id, branch_id, first_event_id, negated_transaction_id)
);

CREATE TABLE history_trees (
    shard_id    bigint NOT NULL,
    tree_id     uuid NOT NULL,
    branch_id   uuid NOT NULL,
    branch      bytea NOT NULL,
    created_at  bigint NOT NULL,
    PRIMARY KEY (shard_id, tree_id, branch_id)
);

CREATE TABLE task_queues (
    namespace_id  uuid NOT NULL,
    name          text COLLATE "C" NOT NULL,
    task_type     bigint NOT NULL,
    range_id      bigint NOT NULL,
    info          bytea NOT NULL,
    expires_at    bigint,
    created_by    uuid NOT NULL,
    attempts      bytea NOT NULL,
    PRIMARY KEY (namespace_id, name, task_type)
);

CREATE INDEX task_queues_expiry ON task_queues (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE tasks (
    namespace_id  uuid NOT NULL,
    name          text COLLATE "C" NOT NULL,
    task_type     bigint NOT NULL,
    subqueue      bigint NOT NULL,
    pass          bigint NOT NULL,
    task_id       bigint NOT NULL,
    payload       bytea NOT NULL,
    expires_at    bigint,
    PRIMARY KEY (namespace_id, name, task_type, subqueue, pass, task_id)
);

CREATE INDEX tasks_expiry ON tasks (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE queues (
    queue_type  bigint NOT NULL,
    name        text COLLATE "C" NOT NULL,
    next_id     bigint NOT NULL,
    first_id    bigint NOT NULL,
    created_by  uuid NOT NULL,
    attempts    bytea NOT NULL,
    PRIMARY KEY (queue_type, name)
);

CREATE TABLE queue_messages (
    queue_type  bigint NOT NULL,
    name        text COLLATE "C" NOT NULL,
    id          bigint NOT NULL,
    payload     bytea NOT NULL,
    PRIMARY KEY (queue_type, name, id)
);

CREATE TABLE queue_acks (
    queue_type  bigint NOT NULL,
    name        text COLLATE "C" NOT NULL,
    consumer    text COLLATE "C" NOT NULL,
    level       bigint NOT NULL,
    PRIMARY KEY (queue_type, name, consumer)
);

