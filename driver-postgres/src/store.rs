//! The pool, and the way in.

use crate::config::{Builder, connect_options};
use crate::connection::Connection;
use crate::dialect::POSTGRES;
use crate::error::classify;
use crate::migrate::MIGRATIONS;
use async_trait::async_trait;
use persistence_sql::core::connect::Connector;
use persistence_sql::core::{Capability, CapabilitySet, Context, Env, Error, Outcome, Persistence, Result};
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::server::Server;
use sqlx::postgres::{PgPool, PgPoolOptions};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    acquire_timeout: Duration,
    info: SqlInfo,
}

impl Postgres {
    pub(crate) async fn open_with(server: Server) -> Result<Postgres> {
        let location = server.location();
        let mut options = connect_options(&server);
        if let Some(user) = &server.user {
            options = options.username(user);
        }
        if let Some(password) = &server.password {
            options = options.password(&password.0);
        }
        let pool = PgPoolOptions::new()
            .max_connections(server.pool_size)
            .acquire_timeout(server.acquire_timeout)
            .test_before_acquire(false)
            .idle_timeout(server.idle_timeout)
            .max_lifetime(server.max_lifetime)
            .connect_with(options)
            .await
            .map_err(|e| classify("acquire", &location, e))?;
        let capabilities = CapabilitySet::of(&[
            Capability::Durable,
            Capability::CrossPartition,
            Capability::AtomicHistory,
            Capability::MultiProcess,
        ]);
        let info = SqlInfo { driver: "postgres", location, capabilities, schema: server.schema };
        Ok(Postgres { pool, acquire_timeout: server.acquire_timeout, info })
    }
}

#[async_trait]
impl SqlDriver for Postgres {
    fn info(&self) -> SqlInfo {
        self.info.clone()
    }

    fn dialect(&self) -> &'static Dialect {
        &POSTGRES
    }

    async fn acquire(&self, cx: &Context) -> Result<Box<dyn SqlConnection>> {
        if cx.is_expired() {
            return Err(Error::timeout("acquire").with_outcome(Outcome::NotApplied));
        }
        let acquired = tokio::time::timeout(cx.remaining(self.acquire_timeout), self.pool.acquire()).await;
        let inner = acquired
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(|e| classify("acquire", &self.info.location, e))?;
        Ok(Box::new(Connection::new(inner, self.info.location.clone())))
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

struct PostgresConnector;

/// Answers `postgres:` URLs.
pub fn connector() -> impl Connector {
    PostgresConnector
}

#[async_trait]
impl Connector for PostgresConnector {
    fn scheme(&self) -> &'static str {
        "postgres"
    }

    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>> {
        let driver = Builder::from_url(url)?.open().await?;
        persistence_sql::open(Arc::new(driver), env.clone()).await
    }

    async fn schema(&self, url: &Url, op: SchemaOp) -> Result<SchemaStatus> {
        let driver = Builder::from_url(url)?.open().await?;
        let status = driver.schema(op).await;
        driver.close().await?;
        status
    }
}
