//! Numbered migrations, applied under the write lock.

use persistence_sql::core::{Detail, Error, Result};
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection};
use persistence_sql::value::Kind;

/// The migrations, by version from 1.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_tables.sql")];

const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT";

#[allow(clippy::cast_possible_truncation)]
const CURRENT: u32 = MIGRATIONS.len() as u32;

async fn version(conn: &mut dyn SqlConnection) -> Result<Option<u32>> {
    const TABLE: &str = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'";
    let mut tables = conn.query("sqlite_schema", TABLE, Vec::new(), &[Kind::Int]).await?;
    if tables.pop().map(|mut r| r.int()).transpose()?.unwrap_or(0) == 0 {
        return Ok(None);
    }
    const VERSION: &str = "SELECT max(version) FROM schema_version";
    let mut rows = conn.query("schema_version", VERSION, Vec::new(), &[Kind::Int]).await?;
    let found = rows.pop().map(|mut r| r.opt_int()).transpose()?.flatten();
    Ok(found.and_then(|v| u32::try_from(v).ok()))
}

/// Upgrades or inspects. This binary works on its own version and on the next.
pub(crate) async fn schema(conn: &mut dyn SqlConnection, op: SchemaOp) -> Result<SchemaStatus> {
    let found = version(conn).await?;
    if found.is_some_and(|v| v > CURRENT + 1) {
        return Err(Error::new(Detail::SchemaMismatch {
            found: found.map(|v| v.to_string()).unwrap_or_default(),
            supported: format!("up to {}", CURRENT + 1),
            fix: "use a newer release of this program".to_owned(),
        }));
    }
    if op == SchemaOp::Status || found >= Some(CURRENT) {
        return Ok(SchemaStatus { found, current: CURRENT });
    }
    conn.begin(true).await?;
    match apply(conn).await {
        Ok(()) => conn.commit().await?,
        Err(e) => {
            conn.rollback().await?;
            return Err(e);
        }
    }
    Ok(SchemaStatus { found: Some(CURRENT), current: CURRENT })
}

async fn apply(conn: &mut dyn SqlConnection) -> Result<()> {
    // Another process may have upgraded while this one waited for the lock.
    let done = version(conn).await?.unwrap_or(0);
    conn.execute(VERSION_TABLE, Vec::new()).await?;
    for (migration, version) in MIGRATIONS.iter().zip(1i64..).skip(done as usize) {
        for statement in migration.split(";\n").filter(|s| !s.trim().is_empty()) {
            conn.execute(statement, Vec::new()).await?;
        }
        conn.execute("INSERT INTO schema_version (version) VALUES (?)", vec![version.into()]).await?;
    }
    Ok(())
}
