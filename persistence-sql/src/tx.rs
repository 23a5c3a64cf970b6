//! A transaction in progress, and the few shapes of statement that the stores share.

use crate::core::Result;
use crate::dialect::{Dialect, TableDef};
use crate::driver::SqlConnection;
use crate::naming::Naming;
use crate::value::{Kind, SqlRow, Value};
use std::sync::Arc;

/// A connection in a transaction, or on its own for single statements.
pub(crate) struct Tx {
    pub(crate) conn: Box<dyn SqlConnection>,
    pub(crate) dialect: &'static Dialect,
    pub(crate) naming: Arc<Naming>,
    /// Whether something was written since this was last reset: then a failure needs a rollback.
    pub(crate) dirty: bool,
    /// Puts and deletes that are sent together, at the next statement that wants an answer at the latest; none where each is
    /// sent at once.
    pub(crate) later: Option<Vec<Statement>>,
}

pub(crate) type Statement = (String, Vec<Value>);

/// The most parameters of statements that are sent together: those of a few rows, because every combination is a statement of
/// its own to the database, to be prepared once and kept.
const TOGETHER: usize = 256;

impl Tx {
    /// Runs a statement written with `?`.
    pub(crate) async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64> {
        self.flush().await?;
        self.dirty = true;
        let (sql, args) = self.dialect.render(&self.naming, sql, args);
        self.conn.execute(&sql, args).await
    }

    /// Runs a query written with `?`.
    pub(crate) async fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        self.flush().await?;
        let (sql, args) = self.dialect.render(&self.naming, sql, args);
        self.conn.query(table, &sql, args, columns).await
    }

    /// Runs a statement that is a transaction of its own, written as the database wants it but for the names of tables.
    pub(crate) async fn call(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        let sql = self.naming.render(sql);
        self.conn.call(table, &sql, args, columns).await
    }

    /// The same for one that is written with `?`.
    pub(crate) async fn call_rendered(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        let (sql, args) = self.dialect.render(&self.naming, sql, args);
        self.conn.call(table, &sql, args, columns).await
    }

    /// Runs a statement whose answer nobody waits for, now or later.
    async fn put_off(&mut self, sql: String, args: Vec<Value>) -> Result<()> {
        self.dirty = true;
        match &mut self.later {
            Some(later) => {
                let (sql, args) = self.dialect.render(&self.naming, &sql, args);
                later.push((sql.into_owned(), args));
            }
            None => {
                self.execute(&sql, args).await?;
            }
        }
        Ok(())
    }

    /// Sends what was put off.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let Some(later) = &mut self.later else { return Ok(()) };
        let mut together: Option<Statement> = None;
        for (sql, args) in std::mem::take(later) {
            together = Some(match together.take() {
                Some((mut all, mut values)) if values.len() + args.len() <= TOGETHER => {
                    all.push_str("; ");
                    all.push_str(&sql);
                    values.extend(args);
                    (all, values)
                }
                full => {
                    if let Some((sql, args)) = full {
                        self.conn.execute(&sql, args).await?;
                    }
                    (sql, args)
                }
            });
        }
        if let Some((sql, args)) = together {
            self.conn.execute(&sql, args).await?;
        }
        Ok(())
    }

    /// Inserts rows, each the table's key columns and then the rest; replaces those that are there if `replace`.
    pub(crate) async fn put(&mut self, table: &TableDef, rows: Vec<Vec<Value>>, replace: bool) -> Result<()> {
        let width = table.key.len() + table.rest.len();
        for chunk in chunks(rows, self.dialect.max_parameters / width) {
            let sql = self.dialect.insert(table, chunk.len(), replace);
            self.put_off(sql, chunk.into_iter().flatten().collect()).await?;
        }
        Ok(())
    }

    /// Deletes rows by key.
    pub(crate) async fn delete(&mut self, table: &TableDef, keys: Vec<Vec<Value>>) -> Result<()> {
        for chunk in chunks(keys, self.dialect.max_parameters / table.key.len()) {
            let sql =
                format!("DELETE FROM {} WHERE {}", table.name, self.dialect.key_in(table.key, chunk.len()));
            self.put_off(sql, chunk.into_iter().flatten().collect()).await?;
        }
        Ok(())
    }

    /// Selects rows by key, with `suffix` (order, lock) at the end.
    pub(crate) async fn select(
        &mut self,
        table: &TableDef,
        columns: &[(&str, Kind)],
        mut keys: Vec<Vec<Value>>,
        suffix: &str,
    ) -> Result<Vec<SqlRow>> {
        // Up to a power of two with the last key again, which finds nothing twice in one statement.
        let fits = keys.len().next_power_of_two() * table.key.len() <= self.dialect.max_parameters;
        if let Some(last) = keys.last().filter(|_| fits).cloned() {
            keys.resize(keys.len().next_power_of_two(), last);
        }
        let names = columns.iter().map(|c| c.0).collect::<Vec<_>>().join(", ");
        let kinds: Vec<Kind> = columns.iter().map(|c| c.1).collect();
        let mut rows = Vec::new();
        for chunk in chunks(keys, self.dialect.max_parameters / table.key.len()) {
            let keys = self.dialect.key_in(table.key, chunk.len());
            let sql = format!("SELECT {names} FROM {} WHERE {keys}{suffix}", table.name);
            rows.extend(self.query(table.name, &sql, chunk.into_iter().flatten().collect(), &kinds).await?);
        }
        Ok(rows)
    }
}

/// Rows in groups whose sizes are powers of two, so that there are few statements to prepare.
pub(crate) fn chunks(mut rows: Vec<Vec<Value>>, most: usize) -> Vec<Vec<Vec<Value>>> {
    let mut out = Vec::new();
    while !rows.is_empty() {
        let size = (1usize << rows.len().ilog2()).min(1 << most.max(1).ilog2());
        let rest = rows.split_off(size);
        out.push(rows);
        rows = rest;
    }
    out
}
