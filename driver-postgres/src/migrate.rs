//! The migrations. PostgreSQL's DDL is transactional; upgraders hold an advisory lock until the transaction ends.

use persistence_sql::migrate::{Migrations, Privileges, SchemaSql};

pub(crate) const MIGRATIONS: Migrations = Migrations {
    versions: &[
        include_str!("../migrations/0001_tables.sql"),
        include_str!("../migrations/0002_documents.sql"),
    ],
    has_table: "\
        SELECT count(*)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = coalesce($1::text, current_schema()::text) AND c.relname = $2::text",
    version_table: "CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)",
    schema: Some(SchemaSql {
        exists: "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1::text",
        create: "CREATE SCHEMA {schema}",
        current: "current_schema()",
    }),
    // Any fixed number that other programs are unlikely to use.
    lock: Some("SELECT pg_advisory_xact_lock(7021941842560913408)"),
    // Whoever waits for an exclusive lock on a table makes every later statement wait behind it.
    patience: Some("SET LOCAL lock_timeout = '1s'"),
    unlock: None,
    record: "INSERT INTO schema_version (version) VALUES ($1)",
    privileges: Privileges::Told(
        "\
        SELECT 'setup', 'CREATE on the database ' || current_database(),
               has_database_privilege(current_database(), 'CREATE')::int::bigint
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {schema})
        UNION ALL
        SELECT p.purpose, p.privilege || ' on the schema ' || n.nspname,
               has_schema_privilege(n.oid, p.privilege)::int::bigint
          FROM pg_catalog.pg_namespace n,
               (VALUES ('setup', 'CREATE'), ('run', 'USAGE')) AS p (purpose, privilege)
         WHERE n.nspname = {schema}
        UNION ALL
        SELECT 'run', p.privilege || ' on the table ' || c.relname,
               has_table_privilege(c.oid, p.privilege)::int::bigint
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
               (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS p (privilege)
         WHERE n.nspname = {schema} AND c.relname IN ({tables})
           AND (p.privilege = 'SELECT' OR c.relname NOT LIKE '%schema_version')
        UNION ALL
        SELECT 'upgrade', 'ownership of the table ' || c.relname,
               pg_has_role(c.relowner, 'USAGE')::int::bigint
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = {schema} AND c.relname IN ({tables})",
    ),
};
