//! The migrations. SQLite's DDL is transactional, and the write lock that begins the transaction is the upgraders' lock.

use persistence_sql::migrate::{Migrations, Privileges};

pub(crate) const MIGRATIONS: Migrations = Migrations {
    versions: &[
        include_str!("../migrations/0001_tables.sql"),
        include_str!("../migrations/0002_documents.sql"),
    ],
    has_table: "SELECT count(*) FROM sqlite_schema WHERE coalesce(?, '') = '' AND name = ?",
    version_table: "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT",
    schema: None,
    lock: None,
    patience: None,
    unlock: None,
    record: "INSERT INTO schema_version (version) VALUES (?)",
    privileges: Privileges::None,
};
