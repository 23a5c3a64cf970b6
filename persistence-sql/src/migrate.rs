//! Numbered migrations, applied under a lock.

use crate::driver::{SchemaOp, SchemaStatus, SqlConnection};
use crate::naming::Naming;
use crate::reject::{Class, class};
use crate::tables::{KEYED, SCHEMA_VERSION, TABLES};
use crate::value::{Kind, Value};
use persistence_core::schema::{Privilege, SchemaFit};
use persistence_core::{Error, Outcome, Result};
use std::time::Duration;

/// How often a step is tried that cannot have its locks; each try waits as long as the database is told to.
const TRIES: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The migrations of a driver. Tables are named as in the statements; the names of the user's choice take their place.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// DDL by version, from 1. Statements end with `;` and an empty line. Where DDL commits by itself each statement must be
    /// safe to run again.
    pub versions: &'static [&'static str],
    /// Counts the tables with a name (the second parameter) in a schema (the first; NULL is the connection's own).
    pub has_table: &'static str,
    /// Creates `schema_version` if it is missing: one column, `version`.
    pub version_table: &'static str,
    /// Where tables may be in a schema of the user's choice.
    pub schema: Option<SchemaSql>,
    /// Takes the lock of upgraders, inside the transaction, however long others hold it.
    pub lock: Option<&'static str>,
    /// Then bounds how long the transaction waits for other locks: whoever waits for a busy table makes others wait.
    pub patience: Option<&'static str>,
    /// Gives the lock back, where the end of the transaction does not.
    pub unlock: Option<&'static str>,
    /// Records a version.
    pub record: &'static str,
    /// How to find out what the user may do.
    pub privileges: Privileges,
}

/// How to find out what a user may do.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Privileges {
    /// There are none: whoever can open the database may do everything.
    None,
    /// The database tells: rows of purpose, privilege and 0 or 1. `{schema}` stands for the schema and `{tables}` for the tables,
    /// both as expressions.
    Told(&'static str),
    /// Only trying tells: names of privileges on a table, each with a statement that needs it and changes nothing. `{table}` stands
    /// for the table and `{column}` for one of its columns. The first is all that the table of versions needs.
    Tried(&'static [(&'static str, &'static str)]),
}

/// Schemas inside a database.
#[derive(Clone, Copy, Debug)]
pub struct SchemaSql {
    /// Counts those of a name.
    pub exists: &'static str,
    /// Creates one; `{schema}` stands for its name.
    pub create: &'static str,
    /// The one that is used when none is named.
    pub current: &'static str,
}

impl Migrations {
    /// The version that this binary sets up.
    pub fn current(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX)
    }

    /// Sets up, upgrades or inspects. This binary works on its own version and on the next; `SchemaMismatch` outside of that.
    pub async fn run(
        &self,
        conn: &mut dyn SqlConnection,
        op: SchemaOp,
        naming: &Naming,
    ) -> Result<SchemaStatus> {
        let found = self.version(conn, naming).await?;
        let mut status = SchemaStatus::new(found, self.current());
        match (op, status.fit()) {
            (SchemaOp::Setup, SchemaFit::Missing)
            | (SchemaOp::Setup | SchemaOp::Upgrade, SchemaFit::Behind) => {
                self.upgrade(conn, naming).await?;
                status.found = self.version(conn, naming).await?;
            }
            (SchemaOp::Setup | SchemaOp::Upgrade, _) => status.check()?,
            _ => status.privileges = self.privileges(conn, naming).await?,
        }
        Ok(status)
    }

    /// What there is to say of a database that does not exist.
    pub fn absent(&self, op: SchemaOp) -> Result<SchemaStatus> {
        let status = SchemaStatus::new(None, self.current());
        if op == SchemaOp::Status { Ok(status) } else { status.check().map(|()| status) }
    }

    async fn upgrade(&self, conn: &mut dyn SqlConnection, naming: &Naming) -> Result<()> {
        let (mut tries, mut pause) = (1, FIRST_PAUSE);
        loop {
            match self.step(conn, naming).await {
                Ok(true) => return Ok(()),
                // What was done is done; the next step has tries of its own.
                Ok(false) => (tries, pause) = (1, FIRST_PAUSE),
                Err(e) if tries < TRIES && is_of_locks(&e) => {
                    tokio::time::sleep(pause).await;
                    (tries, pause) = (tries + 1, (pause * 2).min(LONGEST_PAUSE));
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Applies the first missing migration, in a transaction of its own; true if there was none.
    async fn step(&self, conn: &mut dyn SqlConnection, naming: &Naming) -> Result<bool> {
        conn.begin(true).await?;
        let done = match self.apply(conn, naming).await {
            Ok(done) => conn.commit().await.map(|()| done),
            Err(e) => {
                // What failed decides.
                let _ = conn.rollback().await;
                Err(e)
            }
        };
        if let Some(unlock) = self.unlock {
            // Also after a failure: the session goes back to the pool.
            let unlocked = conn.execute(unlock, Vec::new()).await;
            return done.and_then(|done| unlocked.map(|_| done));
        }
        done
    }

    async fn apply(&self, conn: &mut dyn SqlConnection, naming: &Naming) -> Result<bool> {
        for first in [self.lock, self.patience].into_iter().flatten() {
            conn.execute(first, Vec::new()).await?;
        }
        if let (Some(sql), Some(schema)) = (self.schema, naming.schema()) {
            // Looked for first: creating one takes a privilege even where there is nothing to create.
            let there = conn.query("schema", sql.exists, vec![schema.into()], &[Kind::Int]).await?;
            if count(there)? == 0 {
                conn.execute(&sql.create.replace("{schema}", &format!("\"{schema}\"")), Vec::new()).await?;
            }
        }
        // Another process may have upgraded while this one waited for the lock.
        let found = self.version(conn, naming).await?;
        if found.is_none() {
            conn.execute(&naming.render(self.version_table), Vec::new()).await?;
        }
        let done = found.unwrap_or(0);
        let missing = self.versions.iter().zip(1i64..).nth(usize::try_from(done).unwrap_or(usize::MAX));
        let Some((migration, version)) = missing else { return Ok(true) };
        for statement in statements(migration) {
            conn.execute(&naming.render(statement), Vec::new()).await?;
        }
        conn.execute(&naming.render(self.record), vec![version.into()]).await?;
        Ok(false)
    }

    async fn version(&self, conn: &mut dyn SqlConnection, naming: &Naming) -> Result<Option<u32>> {
        let schema = naming.schema().map_or(Value::Null(Kind::Text), Value::from);
        let args = vec![schema, Value::Text(naming.table(SCHEMA_VERSION))];
        if count(conn.query(SCHEMA_VERSION, self.has_table, args, &[Kind::Int]).await?)? == 0 {
            return Ok(None);
        }
        const VERSION: &str = "SELECT max(version) FROM schema_version";
        let mut rows = conn.query(SCHEMA_VERSION, &naming.render(VERSION), Vec::new(), &[Kind::Int]).await?;
        let found = rows.pop().map(|mut r| r.opt_int()).transpose()?.flatten();
        Ok(found.and_then(|v| u32::try_from(v).ok()))
    }

    async fn privileges(&self, conn: &mut dyn SqlConnection, naming: &Naming) -> Result<Vec<Privilege>> {
        match self.privileges {
            Privileges::None => Ok(Vec::new()),
            Privileges::Told(sql) => self.told(conn, naming, sql).await,
            Privileges::Tried(statements) => self.tried(conn, naming, statements).await,
        }
    }

    async fn told(&self, conn: &mut dyn SqlConnection, naming: &Naming, sql: &str) -> Result<Vec<Privilege>> {
        // Names hold nothing that could end a literal.
        let literal = |name: &str| format!("'{name}'");
        let current = self.schema.map_or("", |s| s.current);
        let schema = naming.schema().map_or_else(|| current.to_owned(), literal);
        let tables: Vec<String> = TABLES.iter().map(|t| literal(&naming.table(t))).collect();
        let sql = sql.replace("{schema}", &schema).replace("{tables}", &tables.join(", "));
        let rows = conn.query("privileges", &sql, Vec::new(), &[Kind::Text, Kind::Text, Kind::Int]).await?;
        rows.into_iter()
            .map(|mut r| Ok(Privilege { purpose: r.text()?, what: r.text()?, held: r.int()? != 0 }))
            .collect()
    }

    /// Only of tables that are there: of others there is nothing to be allowed yet.
    async fn tried(
        &self,
        conn: &mut dyn SqlConnection,
        naming: &Naming,
        statements: &'static [(&'static str, &'static str)],
    ) -> Result<Vec<Privilege>> {
        if self.version(conn, naming).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut needed: Vec<_> = statements.iter().take(1).map(|s| (SCHEMA_VERSION, "version", *s)).collect();
        for table in KEYED {
            needed.extend(statements.iter().map(|s| (table.name, table.key[0], *s)));
        }
        let mut found = Vec::new();
        for (table, column, (privilege, statement)) in needed {
            let name = naming.table(table);
            let sql = statement.replace("{table}", &name).replace("{column}", column);
            let held = match conn.execute(&sql, Vec::new()).await {
                Ok(_) => true,
                Err(e) if e.outcome() == Outcome::NotApplied => false,
                Err(e) => return Err(e),
            };
            let what = format!("{privilege} on the table {name}");
            found.push(Privilege { purpose: "run".to_owned(), what, held });
        }
        Ok(found)
    }
}

/// The statements of a migration.
fn statements(migration: &str) -> impl Iterator<Item = &str> {
    migration.split(";\n\n").map(|s| s.trim().trim_end_matches(';')).filter(|s| !s.is_empty())
}

/// Whether nothing was done because others held locks.
fn is_of_locks(e: &Error) -> bool {
    matches!(class(e), Some(Class::LockTimeout | Class::Deadlock | Class::Serialization))
}

fn count(rows: Vec<crate::value::SqlRow>) -> Result<i64> {
    Ok(rows.into_iter().next().map(|mut r| r.int()).transpose()?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_cut_at_empty_lines() {
        let migration =
            "CREATE TABLE a (\n  b int\n);\n\nCREATE PROCEDURE p() BEGIN\n  SELECT 1;\n  SELECT 2;\nEND;\n";
        let cut: Vec<&str> = statements(migration).collect();
        assert_eq!(
            cut,
            ["CREATE TABLE a (\n  b int\n)", "CREATE PROCEDURE p() BEGIN\n  SELECT 1;\n  SELECT 2;\nEND"]
        );
    }
}
