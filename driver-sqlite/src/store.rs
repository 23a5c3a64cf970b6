//! The pool, and the way in.

use crate::config::Builder;
use crate::connection::Connection;
use crate::dialect::SQLITE;
use crate::error::classify;
use crate::migrate::MIGRATIONS;
use async_trait::async_trait;
use persistence_sql::core::connect::Connector;
use persistence_sql::core::{Capability, CapabilitySet, Context, Env, Error, Outcome, Persistence, Result};
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long to wait for a connection when the caller set no deadline.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(30);

/// A SQLite database.
#[derive(Debug)]
pub struct Sqlite {
    pool: SqlitePool,
    info: SqlInfo,
}

impl Sqlite {
    pub(crate) async fn open_with(options: Builder) -> Result<Sqlite> {
        let location = options.location();
        let capabilities = CapabilitySet::of(&[
            Capability::Durable,
            Capability::CrossPartition,
            Capability::AtomicHistory,
            Capability::MultiProcess,
        ]);
        let capabilities = match options.path {
            Some(_) => capabilities,
            None => capabilities.without(Capability::Durable).without(Capability::MultiProcess),
        };
        let info = SqlInfo { driver: "sqlite", location, capabilities, schema: options.schema.clone() };
        let location = &info.location;
        // One connection more than readers: the writer's. In memory the first one keeps the database alive.
        let pool = SqlitePoolOptions::new()
            .max_connections(options.readers + 1)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_LIMIT)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.connect_options())
            .await
            .map_err(|e| classify("open", location, e))?;
        Ok(Sqlite { pool, info })
    }
}

#[async_trait]
impl SqlDriver for Sqlite {
    fn info(&self) -> SqlInfo {
        self.info.clone()
    }

    fn dialect(&self) -> &'static Dialect {
        &SQLITE
    }

    async fn acquire(&self, cx: &Context) -> Result<Box<dyn SqlConnection>> {
        if cx.is_expired() {
            return Err(Error::timeout("acquire").with_outcome(Outcome::NotApplied));
        }
        let location = self.info.location.clone();
        let acquired = tokio::time::timeout(cx.remaining(ACQUIRE_LIMIT), self.pool.acquire()).await;
        let inner = acquired
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(|e| classify("acquire", &location, e))?;
        Ok(Box::new(Connection::new(inner, location)))
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        let mut conn = self.acquire(&Context::new()).await?;
        MIGRATIONS.run(&mut *conn, op, &self.info.schema.naming).await
    }

    async fn close(&self) -> Result<()> {
        self.pool.close().await;
        Ok(())
    }
}

struct SqliteConnector;

/// Answers `sqlite:` URLs.
pub fn connector() -> impl Connector {
    SqliteConnector
}

#[async_trait]
impl Connector for SqliteConnector {
    fn scheme(&self) -> &'static str {
        "sqlite"
    }

    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>> {
        let driver = Builder::from_url(url)?.open().await?;
        persistence_sql::open(Arc::new(driver), env.clone()).await
    }

    async fn schema(&self, url: &Url, op: SchemaOp) -> Result<SchemaStatus> {
        let mut builder = Builder::from_url(url)?;
        // Looking makes no file.
        builder.create = op == SchemaOp::Setup;
        if !builder.create && builder.path.as_ref().is_some_and(|p| !p.exists()) {
            return MIGRATIONS.absent(op);
        }
        let driver = builder.open().await?;
        let status = driver.schema(op).await;
        driver.close().await?;
        status
    }
}
