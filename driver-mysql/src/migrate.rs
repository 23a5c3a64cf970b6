//! The migrations. MySQL's DDL commits by itself, so every statement can be run again; upgraders hold a lock of the session.

use persistence_sql::migrate::{Migrations, Privileges};

pub(crate) const MIGRATIONS: Migrations = Migrations {
    versions: &[
        include_str!("../migrations/0001_tables.sql"),
        include_str!("../migrations/0002_documents.sql"),
    ],
    has_table: "\
        SELECT count(*)
          FROM information_schema.tables
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?",
    version_table: "\
        CREATE TABLE IF NOT EXISTS schema_version (
            version BIGINT NOT NULL PRIMARY KEY
        ) ENGINE=InnoDB",
    schema: None,
    // Locks are the server's, and their names are short: one for each database.
    lock: Some("SELECT GET_LOCK(CONCAT('persistence:', LEFT(SHA2(DATABASE(), 256), 40)), -1)"),
    // Whoever waits to change a table makes every later statement wait behind it.
    patience: Some("SET SESSION lock_wait_timeout = 2"),
    unlock: Some("SELECT RELEASE_LOCK(CONCAT('persistence:', LEFT(SHA2(DATABASE(), 256), 40)))"),
    // Grants come from so many places (roles, patterns, partial revokes) that only trying tells.
    privileges: Privileges::Tried(&[
        ("SELECT", "EXPLAIN SELECT {column} FROM {table}"),
        ("INSERT", "EXPLAIN INSERT INTO {table} SELECT * FROM {table}"),
        ("UPDATE", "EXPLAIN UPDATE {table} SET {column} = {column}"),
        ("DELETE", "EXPLAIN DELETE FROM {table}"),
    ]),
    record: "INSERT INTO schema_version (version) VALUES (?)",
};
