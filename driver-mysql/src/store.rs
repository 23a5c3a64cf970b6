//! The pool, and the way in.

use crate::config::{Builder, connect_options};
use crate::connection::Connection;
use crate::dialect::{PROCEDURES, TRANSACTIONS};
use crate::error::classify;
use crate::migrate::MIGRATIONS;
use crate::procedure;
use async_trait::async_trait;
use persistence_sql::core::connect::Connector;
use persistence_sql::core::{Capability, CapabilitySet, Context, Env, Error, Outcome, Persistence, Result};
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::server::Server;
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use url::Url;

/// What a session is, whatever the server's defaults are: once for each connection. Values that do not fit are errors, text is
/// compared exactly, a transaction locks rows and no gaps. A transaction whose client went away unnoticed holds its locks; who
/// waits for them gives up after a while and begins again.
const SESSION: &str = "\
    SET NAMES utf8mb4 COLLATE utf8mb4_0900_bin,
        sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
        time_zone = '+00:00',
        autocommit = 1,
        transaction_isolation = 'READ-COMMITTED',
        innodb_lock_wait_timeout = 10";

/// A MySQL database.
#[derive(Debug)]
pub struct Mysql {
    pool: MySqlPool,
    acquire_timeout: Duration,
    info: SqlInfo,
    use_procedures: bool,
    /// Whether they can be called: known after the schema was set up or looked at.
    procedures: AtomicBool,
}

impl Mysql {
    pub(crate) async fn open_with(server: Server) -> Result<Mysql> {
        let location = server.location();
        let mut options = connect_options(&server).username(server.user.as_deref().unwrap_or("root"));
        if let Some(password) = &server.password {
            options = options.password(&password.0);
        }
        let pool = MySqlPoolOptions::new()
            .max_connections(server.pool_size)
            .acquire_timeout(server.acquire_timeout)
            .test_before_acquire(false)
            .after_connect(|conn, _| {
                Box::pin(async move { sqlx::Executor::execute(conn, SESSION).await.map(drop) })
            })
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
        let info = SqlInfo { driver: "mysql", location, capabilities, schema: server.schema };
        Ok(Mysql {
            pool,
            acquire_timeout: server.acquire_timeout,
            info,
            use_procedures: server.procedures,
            procedures: AtomicBool::new(false),
        })
    }

    async fn look_for_procedures(&self, create: bool) -> Result<()> {
        let classified = |e| classify("schema", &self.info.location, e);
        let mut conn = self.pool.acquire().await.map_err(classified)?;
        let ready = procedure::ready(&mut conn, &self.info.schema.naming, create).await;
        self.procedures.store(ready.map_err(classified)?, Relaxed);
        Ok(())
    }
}

#[async_trait]
impl SqlDriver for Mysql {
    fn info(&self) -> SqlInfo {
        self.info.clone()
    }

    fn dialect(&self) -> &'static Dialect {
        if self.procedures.load(Relaxed) { &PROCEDURES } else { &TRANSACTIONS }
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
        let status = MIGRATIONS.run(&mut *conn, op, &self.info.schema.naming).await?;
        drop(conn);
        if self.use_procedures {
            self.look_for_procedures(op != SchemaOp::Status).await?;
        }
        Ok(status)
    }

    async fn close(&self) -> Result<()> {
        self.pool.close().await;
        Ok(())
    }
}

struct MysqlConnector;

/// Answers `mysql:` URLs.
pub fn connector() -> impl Connector {
    MysqlConnector
}

#[async_trait]
impl Connector for MysqlConnector {
    fn scheme(&self) -> &'static str {
        "mysql"
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
