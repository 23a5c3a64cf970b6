//! The migrations. PostgreSQL's DDL is transactional; upgraders hold an advisory lock until the transaction ends.

use persistence_sql::migrate::Migrations;

pub(crate) const MIGRATIONS: Migrations = Migrations {
    versions: &[include_str!("../migrations/0001_tables.sql")],
    has_version_table: "\
        SELECT count(*)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = 'schema_version' AND n.nspname = current_schema()",
    version_table: "CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)",
    // Any fixed number that other programs are unlikely to use.
    lock: Some("SELECT pg_advisory_xact_lock(7021941842560913408)"),
    unlock: None,
    record: "INSERT INTO schema_version (version) VALUES ($1)",
};
