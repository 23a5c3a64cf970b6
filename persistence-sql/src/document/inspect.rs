//! What the database itself has of a collection.

use super::ddl::Computed;
use super::names;
use crate::core::Result;
use crate::dialect::Json;
use crate::tx::Tx;
use crate::value::{Kind, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What there is, by plain names.
#[derive(Clone, Debug, Default)]
pub(super) struct Real {
    pub(super) table: bool,
    /// The computed columns.
    pub(super) columns: BTreeMap<String, Computed>,
    /// The indexes, and how many columns they have; none where they are not whole.
    pub(super) indexes: BTreeMap<String, i64>,
    /// The tables of entries.
    pub(super) entries: BTreeSet<String>,
    /// Whether there is any document.
    pub(super) documents: bool,
}

/// The statements that tell: columns and whether they are virtual, indexes and how many columns they have, tables like a name.
struct Sql {
    columns: &'static str,
    indexes: &'static str,
    tables: &'static str,
}

const POSTGRES: Sql = Sql {
    columns: "\
        SELECT a.attname::text, (a.attgenerated = 'v')::int::bigint
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relname = ?::text
           AND a.attnum > 0 AND NOT a.attisdropped",
    indexes: "\
        SELECT i.relname::text, CASE WHEN x.indisvalid THEN x.indnkeyatts::bigint ELSE 0 END
          FROM pg_catalog.pg_index x
          JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
          JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relname = ?::text",
    tables: "\
        SELECT c.relname::text
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relkind = 'r' AND c.relname LIKE ?::text",
};

const MYSQL: Sql = Sql {
    columns: "\
        SELECT column_name, 1
          FROM information_schema.columns
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?",
    indexes: "\
        SELECT index_name, COUNT(*)
          FROM information_schema.statistics
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?
         GROUP BY index_name",
    tables: "\
        SELECT table_name
          FROM information_schema.tables
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name LIKE ?",
};

const SQLITE: Sql = Sql {
    columns: "SELECT name, 1 FROM pragma_table_xinfo WHERE schema = coalesce(?, 'main') AND arg = ?",
    indexes: "\
        SELECT name, (SELECT count(*) FROM pragma_index_info(s.name))
          FROM sqlite_schema s
         WHERE coalesce(?, '') = '' AND type = 'index' AND tbl_name = ?",
    tables: "SELECT name FROM sqlite_schema WHERE coalesce(?, '') = '' AND type = 'table' AND name LIKE ?",
};

/// Looks.
pub(super) async fn inspect(tx: &mut Tx, collection: &str) -> Result<Real> {
    let sql = match tx.dialect.json {
        Json::Postgres => POSTGRES,
        Json::Mysql => MYSQL,
        Json::Sqlite => SQLITE,
    };
    let naming = tx.naming.clone();
    let plain = |name: &str| naming.plain(name).to_owned();
    let of = |name: &str| -> Vec<Value> {
        vec![naming.schema().map_or(Value::Null(Kind::Text), Value::from), Value::Text(naming.table(name))]
    };
    let (table, pair) = (names::table(collection), [Kind::Text, Kind::Int]);
    let mut real = Real::default();
    for mut row in tx.query("columns", sql.columns, of(&table), &pair).await? {
        let (name, is_virtual) = (row.text()?, row.int()? != 0);
        real.table = true;
        if name.starts_with(names::COLUMN) {
            real.columns.insert(name, if is_virtual { Computed::Virtual } else { Computed::Stored });
        }
    }
    let begins = names::indexes_of(collection);
    for mut row in tx.query("indexes", sql.indexes, of(&table), &pair).await? {
        let (name, columns) = (plain(&row.text()?), row.int()?);
        if name.starts_with(&begins) {
            real.indexes.insert(name, columns);
        }
    }
    let begins = names::entries_of(collection);
    for mut row in tx.query("tables", sql.tables, of(&format!("{begins}%")), &[Kind::Text]).await? {
        let name = plain(&row.text()?);
        if name.starts_with(&begins) {
            real.entries.insert(name);
        }
    }
    if real.table {
        let any = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1) AS one");
        let mut rows = tx.query("documents", &any, Vec::new(), &[Kind::Int]).await?;
        real.documents = rows.pop().map(|mut row| row.int()).transpose()?.unwrap_or(0) > 0;
    }
    Ok(real)
}
