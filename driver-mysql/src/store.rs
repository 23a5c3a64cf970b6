//! The pool, and the way in.

use crate::config::{Builder, connect_options};
use crate::connection::Connection;
use crate::dialect::{PROCEDURES, TRANSACTIONS};
use crate::error::{classify, is_passing};
use crate::migrate::MIGRATIONS;
use crate::procedure;
use async_trait::async_trait;
use persistence_sql::core::connect::Connector;
use persistence_sql::core::{Capability, CapabilitySet, Context, Env, Persistence, Result};
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::pool::{Maker, Pool, PoolSettings, PoolStatus, Refused};
use persistence_sql::server::Server;
use persistence_sql::sqlx_connection::Statements;
use sqlx::Connection as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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
    pool: Pool<Connections>,
    statements: Statements,
    info: SqlInfo,
    location: Arc<str>,
    use_procedures: bool,
    /// Whether they can be called: known after the schema was set up or looked at.
    procedures: AtomicBool,
}

impl Mysql {
    pub(crate) async fn open_with(server: Server) -> Result<Mysql> {
        let capabilities = CapabilitySet::of(&[
            Capability::Durable,
            Capability::CrossPartition,
            Capability::AtomicHistory,
            Capability::MultiProcess,
        ]);
        let use_procedures = server.procedures;
        let statements = if server.statement_cache == 0 { Statements::Once } else { Statements::Kept };
        let (location, schema) = (server.location(), server.schema.clone());
        let info = SqlInfo { driver: "mysql", location: location.clone(), capabilities, schema };
        let settings = PoolSettings::of(&server);
        let pool = Pool::new(Connections { options: connect_options(&server), server }, settings);
        // So that what is wrong with the settings shows here.
        pool.acquire(&Context::new()).await?.give_back();
        let (location, procedures) = (location.into(), AtomicBool::new(false));
        Ok(Mysql { pool, statements, info, location, use_procedures, procedures })
    }

    async fn look_for_procedures(&self, create: bool) -> Result<()> {
        let mut held = self.pool.acquire(&Context::new()).await?;
        let ready = procedure::ready(held.get()?, &self.info.schema.naming, create).await;
        self.procedures.store(ready.map_err(|e| classify("schema", &self.location, e))?, Relaxed);
        held.give_back();
        Ok(())
    }
}

/// Makes connections.
pub(crate) struct Connections {
    server: Server,
    options: MySqlConnectOptions,
}

#[async_trait]
impl Maker for Connections {
    type Conn = MySqlConnection;

    async fn connect(&self) -> Result<MySqlConnection, Refused> {
        let login = self.server.login().await?;
        let mut options = self.options.clone().username(login.user.as_deref().unwrap_or("root"));
        if let Some(password) = &login.password {
            options = options.password(&password.0);
        }
        let timeout = self.server.statement_timeout.map_or(0, |t| t.as_millis());
        let session = format!("{SESSION}, max_execution_time = {timeout}");
        let connected = async {
            let mut conn = MySqlConnection::connect_with(&options).await?;
            sqlx::Executor::execute(&mut conn, sqlx::AssertSqlSafe(session)).await?;
            Ok(conn)
        };
        connected.await.map_err(|e: sqlx::Error| {
            let passing = match &e {
                sqlx::Error::Io(_) => true,
                sqlx::Error::Database(e) => is_passing(&**e),
                _ => false,
            };
            Refused { error: classify("acquire", &self.server.location(), e), passing }
        })
    }

    async fn close(&self, conn: MySqlConnection) {
        // One that cannot be closed is closed.
        let _ = conn.close().await;
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
        let held = self.pool.acquire(cx).await?;
        Ok(Box::new(Connection::new(held, Arc::clone(&self.location), self.statements)))
    }

    fn pool(&self) -> PoolStatus {
        self.pool.status()
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
