//! A driver that notes what the stores ask it.

use async_trait::async_trait;
use persistence_core::{Context, Result};
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::pool::PoolStatus;
use persistence_sql::value::{Kind, SqlRow, Value};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) type Statement = (String, Vec<Value>);

/// A driver that notes what is asked of documents.
pub(super) struct Noting {
    inner: Arc<dyn SqlDriver>,
    asked: Arc<Mutex<Vec<Statement>>>,
}

struct Connection {
    inner: Box<dyn SqlConnection>,
    asked: Arc<Mutex<Vec<Statement>>>,
}

impl Noting {
    pub(super) fn new(inner: Arc<dyn SqlDriver>) -> Self {
        Noting { inner, asked: Arc::default() }
    }

    /// What gives the statements since it was last asked for them.
    pub(super) fn taking(&self) -> impl Fn() -> Vec<Statement> + use<> {
        let asked = Arc::clone(&self.asked);
        move || std::mem::take(&mut *asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SqlDriver for Noting {
    fn info(&self) -> SqlInfo {
        self.inner.info()
    }

    fn dialect(&self) -> &'static Dialect {
        self.inner.dialect()
    }

    async fn acquire(&self, cx: &Context) -> Result<Box<dyn SqlConnection>> {
        Ok(Box::new(Connection { inner: self.inner.acquire(cx).await?, asked: Arc::clone(&self.asked) }))
    }

    fn pool(&self) -> PoolStatus {
        self.inner.pool()
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        self.inner.schema(op).await
    }

    /// The driver is another's.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl SqlConnection for Connection {
    async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64> {
        self.inner.execute(sql, args).await
    }

    async fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        if table == "documents" {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push((sql.to_owned(), args.clone()));
        }
        self.inner.query(table, sql, args, columns).await
    }

    async fn call(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        self.inner.call(table, sql, args, columns).await
    }

    async fn begin(&mut self, write: bool) -> Result<()> {
        self.inner.begin(write).await
    }

    async fn commit(&mut self) -> Result<()> {
        self.inner.commit().await
    }

    fn serve(&mut self, cx: &Context) {
        self.inner.serve(cx);
    }

    fn retire(&mut self) {
        self.inner.retire();
    }

    async fn rollback(&mut self) -> Result<()> {
        self.inner.rollback().await
    }
}
