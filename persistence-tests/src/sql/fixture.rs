//! What a case of the SQL driver contract gets.

use crate::CaseResult;
use crate::fixture::{Setting, call};
use crate::harness::Scene;
use crate::sql_harness::Place;
use async_trait::async_trait;
use persistence_core::{Context, Result};
use persistence_sql::dialect::Placeholders;
use persistence_sql::driver::{SchemaOp, SqlConnection, SqlDriver};
use persistence_sql::value::{Kind, SqlRow, Value};
use std::sync::Arc;

/// A driver, and fresh names.
pub struct SqlFixture {
    /// The driver, its schema upgraded.
    pub driver: Arc<dyn SqlDriver>,
    place: Arc<Place>,
    scene: Scene,
}

/// A table of the schema with a text key and an integer: what most cases write to.
pub const PUT: &str = "INSERT INTO queue_acks (queue_type, name, consumer, level) VALUES (?, ?, ?, ?)";

/// Reads it back.
pub const GET: &str = "SELECT level FROM queue_acks WHERE queue_type = ? AND name = ? AND consumer = ?";

impl SqlFixture {
    pub(crate) fn new(driver: Arc<dyn SqlDriver>, place: Arc<Place>, scene: Scene) -> Self {
        SqlFixture { driver, place, scene }
    }

    /// A context with a generous deadline.
    pub fn cx(&self) -> Context {
        call()
    }

    /// A connection of the pool.
    pub async fn connection(&self) -> Result<Box<dyn SqlConnection>> {
        self.driver.acquire(&self.cx()).await
    }

    /// A name that no other case uses.
    pub fn name(&self) -> String {
        let name = format!("n-{}", uuid::Uuid::now_v7().simple());
        self.scene.names.add("name", &name);
        name
    }

    /// Closes the driver and opens the same database again. Needs isolation `Own`.
    pub async fn reopen(&mut self) -> Result<()> {
        self.driver.close().await?;
        self.driver = self.place.driver().await?;
        Ok(())
    }

    /// A database of its own on which nothing was set up, and what keeps it.
    pub async fn bare(&self) -> Result<(crate::Space, Arc<dyn SqlDriver>)> {
        self.place.bare().await
    }

    /// A handle of its own on a space, as another process would have it; `prefix` is what its tables are called.
    pub async fn beside(&self, space: &crate::Space, prefix: &'static str) -> Result<Arc<dyn SqlDriver>> {
        self.place.beside(space, prefix).await
    }

    /// What only this database's SQL can say.
    ///
    /// # Panics
    ///
    /// Where the harness gave none; cases that ask for it do not run then.
    pub fn probe(&self) -> super::SqlProbe {
        self.place.probe().unwrap()
    }

    /// Another handle on the case's database, which keeps no prepared statements.
    pub async fn without_statement_cache(&self) -> Result<Arc<dyn SqlDriver>> {
        self.place.without_statement_cache().await
    }

    /// A statement written with `?`, as this database wants it.
    pub fn sql(&self, sql: &str) -> String {
        Self::sql_of(&*self.driver, sql)
    }

    /// The same for another database.
    pub fn sql_of(driver: &dyn SqlDriver, sql: &str) -> String {
        let sql = &*driver.info().schema.naming.render(sql);
        if driver.dialect().placeholders == Placeholders::Question {
            return sql.to_owned();
        }
        let mut parts = sql.split('?');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.zip(1..).fold(first, |out, (part, n)| format!("{out}${n}{part}"))
    }

    /// Puts a level under a name.
    pub async fn put(
        &self,
        conn: &mut dyn SqlConnection,
        name: &str,
        consumer: &str,
        level: i64,
    ) -> Result<u64> {
        conn.execute(&self.sql(PUT), vec![1.into(), name.into(), consumer.into(), level.into()]).await
    }

    /// Adds one to the level under a name; the number of rows that it touched.
    pub async fn raise(&self, conn: &mut dyn SqlConnection, name: &str, consumer: &str) -> Result<u64> {
        let sql =
            "UPDATE queue_acks SET level = level + 1 WHERE queue_type = ? AND name = ? AND consumer = ?";
        conn.execute(&self.sql(sql), vec![1.into(), name.into(), consumer.into()]).await
    }

    /// The level under a name.
    pub async fn get(&self, conn: &mut dyn SqlConnection, name: &str, consumer: &str) -> Result<Option<i64>> {
        let args = vec![1.into(), name.into(), consumer.into()];
        let rows = conn.query("queue_acks", &self.sql(GET), args, &[Kind::Int]).await?;
        rows.into_iter().next().map(|mut r: SqlRow| r.int()).transpose()
    }

    /// The values of one row come back as they were bound.
    pub async fn round_trip(&self, conn: &mut dyn SqlConnection, payload: &[u8], id: i64) -> Result<Vec<u8>> {
        let name = self.name();
        let put = self.sql("INSERT INTO queue_messages (queue_type, name, id, payload) VALUES (?, ?, ?, ?)");
        let bytes = Value::Bytes(payload.to_vec().into());
        conn.execute(&put, vec![1.into(), (&*name).into(), id.into(), bytes]).await?;
        let get = self.sql("SELECT id, payload FROM queue_messages WHERE queue_type = ? AND name = ?");
        let args = vec![1.into(), (&*name).into()];
        let mut rows = conn.query("queue_messages", &get, args, &[Kind::Int, Kind::Bytes]).await?;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].int()?, id);
        Ok(rows[0].bytes()?.to_vec())
    }

    /// Sets up the schema.
    pub async fn set_up(driver: &dyn SqlDriver) -> Result<()> {
        driver.schema(SchemaOp::Setup).await.map(drop)
    }
}

#[async_trait]
impl Setting for SqlFixture {
    async fn tear_down(&mut self) -> CaseResult {
        Ok(self.driver.close().await?)
    }
}
