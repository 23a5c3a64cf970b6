//! The pool, and the way in.

use crate::config::{Builder, connect_options};
use crate::connection::Connection;
use crate::dialect::POSTGRES;
use crate::error::classify;
use crate::migrate::MIGRATIONS;
use async_trait::async_trait;
use persistence_sql::core::connect::Connector;
use persistence_sql::core::{Capability, CapabilitySet, Context, Env, Persistence, Result};
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::pool::{Maker, Pool, PoolSettings, PoolStatus, Refused};
use persistence_sql::server::Server;
use persistence_sql::sqlx_connection::Statements;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::sync::Arc;
use url::Url;

/// A PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    pool: Pool<Connections>,
    statements: Statements,
    info: SqlInfo,
    location: Arc<str>,
}

impl Postgres {
    pub(crate) async fn open_with(server: Server) -> Result<Postgres> {
        let capabilities = CapabilitySet::of(&[
            Capability::Durable,
            Capability::CrossPartition,
            Capability::AtomicHistory,
            Capability::MultiProcess,
        ]);
        let statements = match server.statement_cache {
            0 => Statements::OnceInTransaction,
            _ => Statements::Kept,
        };
        let (location, schema) = (server.location(), server.schema.clone());
        let info = SqlInfo { driver: "postgres", location: location.clone(), capabilities, schema };
        let settings = PoolSettings::of(&server);
        let pool = Pool::new(Connections { options: connect_options(&server), server }, settings);
        // So that what is wrong with the settings shows here.
        pool.acquire(&Context::new()).await?.give_back();
        Ok(Postgres { pool, statements, info, location: location.into() })
    }
}

/// Makes connections.
pub(crate) struct Connections {
    server: Server,
    options: PgConnectOptions,
}

#[async_trait]
impl Maker for Connections {
    type Conn = PgConnection;

    async fn connect(&self) -> Result<PgConnection, Refused> {
        let login = self.server.login().await?;
        let mut options = self.options.clone();
        if let Some(user) = &login.user {
            options = options.username(user);
        }
        if let Some(password) = &login.password {
            options = options.password(&password.0);
        }
        PgConnection::connect_with(&options).await.map_err(|e| {
            let passing = match &e {
                sqlx::Error::Io(_) => true,
                sqlx::Error::Database(e) => e.is_transient_in_connect_phase(),
                _ => false,
            };
            Refused { error: classify("acquire", &self.server.location(), e), passing }
        })
    }

    async fn close(&self, conn: PgConnection) {
        // One that cannot be closed is closed.
        let _ = conn.close().await;
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
        let held = self.pool.acquire(cx).await?;
        Ok(Box::new(Connection::new(held, Arc::clone(&self.location), self.statements)))
    }

    fn pool(&self) -> PoolStatus {
        self.pool.status()
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
