//! The migrations. MySQL's DDL commits by itself, so every statement can be run again; upgraders hold a lock of the session.

use persistence_sql::migrate::Migrations;

pub(crate) const MIGRATIONS: Migrations = Migrations {
    versions: &[include_str!("../migrations/0001_tables.sql")],
    has_version_table: "\
        SELECT count(*)
          FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_name = 'schema_version'",
    version_table: "\
        CREATE TABLE IF NOT EXISTS schema_version (
            version BIGINT NOT NULL PRIMARY KEY
        ) ENGINE=InnoDB",
    // Locks are the server's, and their names are short: one for each database.
    lock: Some("SELECT GET_LOCK(CONCAT('persistence:', LEFT(SHA2(DATABASE(), 256), 40)), -1)"),
    unlock: Some("SELECT RELEASE_LOCK(CONCAT('persistence:', LEFT(SHA2(DATABASE(), 256), 40)))"),
    record: "INSERT INTO schema_version (version) VALUES (?)",
};
