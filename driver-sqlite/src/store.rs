//! The pool, and the way in.

use crate::config::Builder;
use crate::connection::Connection;
use crate::dialect::SQLITE;
use crate::error::classify;
use crate::migrate::MIGRATIONS;
use async_trait::async_trait;
use persistence_sql::core::connect::Connector;
use persistence_sql::core::{Capability, CapabilitySet, Context, Env, Persistence, Result};
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::pool::{Maker, Pool, PoolSettings, PoolStatus, Refused};
use persistence_sql::sqlx_connection::Statements;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// How long to wait for a connection when the caller set no deadline.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(30);

/// A SQLite database.
#[derive(Debug)]
pub struct Sqlite {
    pool: Pool<Connections>,
    statements: Statements,
    info: SqlInfo,
    location: Arc<str>,
    /// Keeps a database in memory alive.
    anchor: Mutex<Option<SqliteConnection>>,
}

impl Sqlite {
    pub(crate) async fn open_with(builder: Builder) -> Result<Sqlite> {
        let location = builder.location();
        let capabilities = CapabilitySet::of(&[
            Capability::Durable,
            Capability::CrossPartition,
            Capability::AtomicHistory,
            Capability::MultiProcess,
        ]);
        let capabilities = match builder.path {
            Some(_) => capabilities,
            None => capabilities.without(Capability::Durable).without(Capability::MultiProcess),
        };
        let schema = builder.schema.clone();
        let info = SqlInfo { driver: "sqlite", location: location.clone(), capabilities, schema };
        let connections = Connections { options: builder.connect_options(), location: location.clone() };
        let first = connections.connect().await.map_err(|refused| refused.error)?;
        let anchor = if builder.path.is_none() {
            Some(first)
        } else {
            connections.close(first).await;
            None
        };
        let statements = if builder.statement_cache == 0 { Statements::Once } else { Statements::Kept };
        let settings = PoolSettings {
            location: location.clone(),
            // One more than readers: the writer's.
            size: builder.readers + 1,
            acquire_timeout: ACQUIRE_LIMIT,
            connect_timeout: ACQUIRE_LIMIT,
            idle_timeout: None,
            max_lifetime: None,
        };
        let pool = Pool::new(connections, settings);
        Ok(Sqlite { pool, statements, info, location: location.into(), anchor: Mutex::new(anchor) })
    }
}

/// Makes connections.
pub(crate) struct Connections {
    options: SqliteConnectOptions,
    location: String,
}

#[async_trait]
impl Maker for Connections {
    type Conn = SqliteConnection;

    async fn connect(&self) -> Result<SqliteConnection, Refused> {
        SqliteConnection::connect_with(&self.options)
            .await
            .map_err(|e| Refused { error: classify("open", &self.location, e), passing: false })
    }

    async fn close(&self, conn: SqliteConnection) {
        // One that cannot be closed is closed.
        let _ = conn.close().await;
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
        let anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(anchor) = anchor {
            let _ = anchor.close().await;
        }
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
