//! One connection.

use crate::error::classify;
use async_trait::async_trait;
use persistence_sql::core::{Error, Outcome, Result};
use persistence_sql::driver::SqlConnection;
use persistence_sql::value::{Kind, SqlRow, Value};
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite};
use uuid::Uuid;

/// A connection of the pool. One that is dropped within a transaction, or within a statement, is closed.
pub(crate) struct Connection {
    pub(crate) inner: Option<PoolConnection<Sqlite>>,
    pub(crate) location: String,
    pub(crate) clean: bool,
    pub(crate) in_transaction: bool,
}

fn bind(
    mut query: Query<'static, Sqlite, SqliteArguments>,
    args: Vec<Value>,
) -> Query<'static, Sqlite, SqliteArguments> {
    for arg in args {
        query = match arg {
            Value::Int(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Bytes(v) => query.bind(Vec::from(v)),
            Value::Uuid(v) => query.bind(v.into_bytes().to_vec()),
            _ => query.bind(None::<i64>),
        };
    }
    query
}

fn read(row: &SqliteRow, i: usize, kind: Kind) -> Result<Value, sqlx::Error> {
    Ok(match kind {
        Kind::Int => row.try_get_unchecked::<Option<i64>, _>(i)?.map_or(Value::Null(kind), Value::Int),
        Kind::Text => row.try_get_unchecked::<Option<String>, _>(i)?.map_or(Value::Null(kind), Value::Text),
        Kind::Bytes => row
            .try_get_unchecked::<Option<Vec<u8>>, _>(i)?
            .map_or(Value::Null(kind), |v| Value::Bytes(v.into())),
        Kind::Uuid => {
            let bytes = row.try_get_unchecked::<Option<Vec<u8>>, _>(i)?;
            let uuid = bytes.and_then(|b| Uuid::from_slice(&b).ok());
            uuid.map_or(Value::Null(kind), Value::Uuid)
        }
    })
}

impl Connection {
    fn inner(&mut self) -> Result<&mut PoolConnection<Sqlite>> {
        self.inner.as_mut().ok_or_else(|| Error::closed(self.location.clone()))
    }

    async fn run(&mut self, operation: &'static str, sql: &str, args: Vec<Value>) -> Result<u64> {
        let location = self.location.clone();
        let query = bind(sqlx::query(AssertSqlSafe(sql.to_owned())), args);
        self.clean = false;
        let done = query.execute(&mut **self.inner()?).await;
        self.clean = true;
        done.map(|d| d.rows_affected()).map_err(|e| classify(operation, &location, e))
    }
}

#[async_trait]
impl SqlConnection for Connection {
    async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64> {
        self.run("execute", sql, args).await
    }

    async fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        let location = self.location.clone();
        let query = bind(sqlx::query(AssertSqlSafe(sql.to_owned())), args);
        self.clean = false;
        let rows = query.fetch_all(&mut **self.inner()?).await;
        self.clean = true;
        let rows = rows.map_err(|e| classify("query", &location, e))?;
        let value = |row: &SqliteRow| columns.iter().enumerate().map(|(i, k)| read(row, i, *k)).collect();
        let rows: Result<Vec<Vec<Value>>, _> = rows.iter().map(value).collect();
        let rows = rows.map_err(|e| Error::corrupted(table, "a column has another type").with_source(e))?;
        Ok(rows.into_iter().map(|columns| SqlRow::new(table, columns)).collect())
    }

    async fn begin(&mut self, write: bool) -> Result<()> {
        self.in_transaction = true;
        let begun = self.run("begin", if write { "BEGIN IMMEDIATE" } else { "BEGIN" }, Vec::new()).await;
        self.in_transaction = begun.is_ok();
        begun.map(drop)
    }

    async fn commit(&mut self) -> Result<()> {
        match self.run("commit", "COMMIT", Vec::new()).await {
            Ok(_) => {
                self.in_transaction = false;
                Ok(())
            }
            Err(e) => {
                // A commit that could not get its lock is still a transaction; what else failed may be on disk.
                let busy = persistence_sql::class(&e).is_some();
                let rolled_back = self.rollback().await.is_ok();
                Err(if busy && rolled_back { e } else { e.with_outcome(Outcome::MaybeApplied) })
            }
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        self.run("rollback", "ROLLBACK", Vec::new()).await?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.in_transaction || !self.clean {
            // Not back to the pool: closing it rolls back.
            drop(self.inner.take().map(PoolConnection::detach));
        }
    }
}
