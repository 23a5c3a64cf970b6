//! Looking into a database that is in use: whether it answers, and what it would do.

use crate::driver::SqlDriver;
use crate::pool::PoolStatus;
use crate::tables::SCHEMA_VERSION;
use crate::value::{Kind, Value};
use persistence_core::{Context, Error, Result};
use std::time::{Duration, Instant};

/// What a health check found.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Health {
    /// How long a connection and a read took.
    pub took: Duration,
    /// The stored version of the schema.
    pub schema: u32,
    /// The pool after it.
    pub pool: PoolStatus,
}

/// Takes a connection and reads the schema's version, by the caller's deadline.
pub async fn health(driver: &dyn SqlDriver, cx: &Context) -> Result<Health> {
    const VERSION: &str = "SELECT max(version) FROM schema_version";
    let (began, naming) = (Instant::now(), driver.info().schema.naming);
    let check = async {
        let mut conn = driver.acquire(cx).await?;
        let sql = naming.render(VERSION);
        let mut rows = conn.query(SCHEMA_VERSION, &sql, Vec::new(), &[Kind::Int]).await?;
        rows.pop().map(|mut r| r.opt_int()).transpose().map(Option::flatten)
    };
    let found = match cx.deadline() {
        Some(deadline) => tokio::time::timeout_at(deadline.into(), check)
            .await
            .unwrap_or_else(|_| Err(Error::timeout("health"))),
        None => check.await,
    };
    let schema = found?.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
    Ok(Health { took: began.elapsed(), schema, pool: driver.pool() })
}

/// The database's plan for a statement, a line a step. The statement names tables as the bucket's do and has `?` for each
/// argument; it is not run.
pub async fn explain(driver: &dyn SqlDriver, cx: &Context, sql: &str, args: Vec<Value>) -> Result<String> {
    let (dialect, naming) = (driver.dialect(), driver.info().schema.naming);
    let (sql, args) = dialect.render(&naming, sql, args);
    let sql = format!("{}{sql}", dialect.explain.prefix);
    let mut conn = driver.acquire(cx).await?;
    let mut lines = Vec::new();
    for mut row in conn.query("plan", &sql, args, dialect.explain.columns).await? {
        row.skip(dialect.explain.columns.len().saturating_sub(1));
        lines.push(row.text()?);
    }
    Ok(lines.join("\n"))
}
