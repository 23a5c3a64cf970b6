//! Transitions by stored procedure: whether the procedures are there, and creating them.

use persistence_sql::{Naming, procedures};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Executor};

/// Whether the procedures can be called, after creating them if need be and if `create`. That a user may not create them, or
/// not call them, is no error: there is another way.
pub(crate) async fn ready(
    conn: &mut MySqlConnection,
    naming: &Naming,
    create: bool,
) -> Result<bool, sqlx::Error> {
    if callable(conn, naming).await? {
        return Ok(true);
    }
    if !create {
        return Ok(false);
    }
    for procedure in procedures() {
        // As text, because this cannot be prepared. Another program may create it at the same time.
        tried(conn.execute(AssertSqlSafe(procedure.create(naming))).await)?;
    }
    callable(conn, naming).await
}

/// Only a call tells: the list of procedures also has those that one may change and not call.
async fn callable(conn: &mut MySqlConnection, naming: &Naming) -> Result<bool, sqlx::Error> {
    for procedure in procedures() {
        if !tried(conn.execute(AssertSqlSafe(procedure.probe(naming))).await)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the server did it; an error if it did not answer.
fn tried<T>(done: Result<T, sqlx::Error>) -> Result<bool, sqlx::Error> {
    match done {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(_)) => Ok(false),
        Err(e) => Err(e),
    }
}
