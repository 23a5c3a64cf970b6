//! Numbered migrations, applied under a lock.

use crate::driver::{SchemaOp, SchemaStatus, SqlConnection};
use crate::value::Kind;
use persistence_core::{Detail, Error, Result};

/// The migrations of a driver.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// DDL by version, from 1; statements end with `;` at the end of a line. Where DDL commits by itself each statement must be
    /// safe to run again.
    pub versions: &'static [&'static str],
    /// Counts the tables of this database that are called `schema_version`.
    pub has_version_table: &'static str,
    /// Creates that table if it is missing: one column, `version`.
    pub version_table: &'static str,
    /// Takes the lock of upgraders, inside the transaction.
    pub lock: Option<&'static str>,
    /// Gives it back, where the end of the transaction does not.
    pub unlock: Option<&'static str>,
    /// Records a version.
    pub record: &'static str,
}

impl Migrations {
    /// The version that this binary sets up.
    pub fn current(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX)
    }

    /// Upgrades or inspects. This binary works on its own version and on the next; `SchemaMismatch` outside of that.
    pub async fn run(&self, conn: &mut dyn SqlConnection, op: SchemaOp) -> Result<SchemaStatus> {
        let (found, current) = (version(self, conn).await?, self.current());
        if let Some(found) = found.filter(|v| *v > current + 1) {
            return Err(Error::new(Detail::SchemaMismatch {
                found: found.to_string(),
                supported: format!("up to {}", current + 1),
                fix: "use a newer release of this program".to_owned(),
            }));
        }
        if op == SchemaOp::Status || found >= Some(current) {
            return Ok(SchemaStatus { found, current });
        }
        conn.begin(true).await?;
        let done = match self.apply(conn).await {
            Ok(()) => conn.commit().await,
            Err(e) => {
                // What failed decides.
                let _ = conn.rollback().await;
                Err(e)
            }
        };
        if let Some(unlock) = self.unlock {
            // Also after a failure: the session goes back to the pool.
            let unlocked = conn.execute(unlock, Vec::new()).await;
            done?;
            unlocked?;
        } else {
            done?;
        }
        Ok(SchemaStatus { found: Some(current), current })
    }

    async fn apply(&self, conn: &mut dyn SqlConnection) -> Result<()> {
        if let Some(lock) = self.lock {
            conn.execute(lock, Vec::new()).await?;
        }
        conn.execute(self.version_table, Vec::new()).await?;
        // Another process may have upgraded while this one waited for the lock.
        let done = version(self, conn).await?.unwrap_or(0);
        for (migration, version) in self.versions.iter().zip(1i64..).skip(done as usize) {
            for statement in migration.split(";\n").filter(|s| !s.trim().is_empty()) {
                conn.execute(statement, Vec::new()).await?;
            }
            conn.execute(self.record, vec![version.into()]).await?;
        }
        Ok(())
    }
}

async fn version(m: &Migrations, conn: &mut dyn SqlConnection) -> Result<Option<u32>> {
    let mut tables = conn.query("schema_version", m.has_version_table, Vec::new(), &[Kind::Int]).await?;
    if tables.pop().map(|mut r| r.int()).transpose()?.unwrap_or(0) == 0 {
        return Ok(None);
    }
    const VERSION: &str = "SELECT max(version) FROM schema_version";
    let mut rows = conn.query("schema_version", VERSION, Vec::new(), &[Kind::Int]).await?;
    let found = rows.pop().map(|mut r| r.opt_int()).transpose()?.flatten();
    Ok(found.and_then(|v| u32::try_from(v).ok()))
}
