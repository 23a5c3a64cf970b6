//! What the database itself has of a collection.

use super::ddl::Ddl;
use super::made::{self, Made};
use super::names;
use crate::core::Result;
use crate::dialect::Json;
use crate::tx::Tx;
use crate::value::{Kind, Value};
use std::collections::BTreeSet;

/// What there is, by plain names.
#[derive(Clone, Debug, Default)]
pub(super) struct Real {
    pub(super) table: bool,
    /// The table as it is.
    pub(super) made: Made,
    /// The same as it would be if it was made now as it is declared.
    pub(super) declared: Made,
    /// The tables of entries.
    pub(super) entries: BTreeSet<String>,
    /// Whether there is any document.
    pub(super) documents: bool,
}

const POSTGRES: &str = "\
    SELECT c.relname::text
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relkind = 'r' AND c.relname LIKE ?::text";

const MYSQL: &str = "\
    SELECT table_name
      FROM information_schema.tables
     WHERE table_schema = COALESCE(?, DATABASE()) AND table_name LIKE ?";

const SQLITE: &str =
    "SELECT name FROM sqlite_schema WHERE coalesce(?, '') = '' AND type = 'table' AND name LIKE ?";

/// The tables whose names are like this, in full.
async fn tables(tx: &mut Tx, like: String) -> Result<BTreeSet<String>> {
    let sql = match tx.dialect.json {
        Json::Postgres => POSTGRES,
        Json::Mysql => MYSQL,
        Json::Sqlite => SQLITE,
    };
    let schema = tx.naming.schema().map_or(Value::Null(Kind::Text), Value::from);
    let rows = tx.query("tables", sql, vec![schema, Value::Text(like)], &[Kind::Text]).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

/// Looks; and compares what is there with what is declared, if it is to go by more than names.
pub(super) async fn inspect(tx: &mut Tx, ddl: &Ddl<'_>, compare: bool) -> Result<Real> {
    let (naming, collection) = (ddl.naming, &ddl.def.name);
    let table = names::table(collection);
    let mut real = Real::default();
    let begins = names::entries_of(collection);
    for name in tables(tx, naming.table(&format!("{begins}%"))).await? {
        let name = naming.plain(&name);
        if name.starts_with(&begins) {
            real.entries.insert(name.to_owned());
        }
    }
    // What is like a name may have another character for each `_`.
    let called = naming.table(&table);
    real.table = tables(tx, called.clone()).await?.contains(&called);
    if real.table {
        let any = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1) AS one");
        let mut rows = tx.query("documents", &any, Vec::new(), &[Kind::Int]).await?;
        real.documents = rows.pop().map(|mut row| row.int()).transpose()?.unwrap_or(0) > 0;
        (real.made, real.declared) = match compare {
            true => made::compared(tx, ddl).await?,
            false => made::named(tx, ddl).await?,
        };
    }
    Ok(real)
}
