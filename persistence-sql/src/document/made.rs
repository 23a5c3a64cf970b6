//! What a table is made of, in the database's own words, and what it would be made of if it was made now. Databases print what they were
//! told in words of their own: so the declared one is made, too, as a table of this connection only, and is printed by the same
//! database. SQLite keeps the words that it was told.

use super::ddl::{Computed, Ddl, Index};
use super::names;
use crate::core::Result;
use crate::dialect::Json;
use crate::tx::Tx;
use crate::value::{Kind, Value};
use std::collections::BTreeMap;

/// Columns and indexes by their plain names: what each of them is.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) columns: BTreeMap<String, String>,
    /// How those are computed that are.
    pub(super) computed: BTreeMap<String, Computed>,
    /// Those of documents, and the primary key.
    pub(super) indexes: BTreeMap<String, String>,
}

/// What the primary key is called here, as MySQL prints it.
pub(super) const PRIMARY: &str = "PRIMARY KEY";

/// The table as it is declared: nothing of a collection is called so.
const COPY: &str = "d_table_as_it_would_be_if_it_was_made_anew";

impl Made {
    fn column(&mut self, name: &str, how: Computed, what: String) {
        if name.starts_with(names::COLUMN) {
            self.computed.insert(name.to_owned(), how);
        }
        self.columns.insert(name.to_owned(), what);
    }

    fn index(&mut self, ddl: &Ddl<'_>, name: &str, what: String) {
        let name = ddl.naming.plain(name);
        if name == PRIMARY || name.starts_with(&names::indexes_of(&ddl.def.name)) {
            self.indexes.insert(name.to_owned(), what);
        }
    }
}

/// The table as it is, and as it is declared.
pub(super) async fn compared(tx: &mut Tx, ddl: &Ddl<'_>) -> Result<(Made, Made)> {
    match tx.dialect.json {
        Json::Postgres => postgres(tx, ddl).await,
        Json::Mysql => mysql(tx, ddl).await,
        Json::Sqlite => sqlite(tx, ddl).await,
    }
}

/// The same where what is there and whole counts as declared.
pub(super) async fn named(tx: &mut Tx, ddl: &Ddl<'_>) -> Result<(Made, Made)> {
    let real = match tx.dialect.json {
        Json::Postgres => postgres_real(tx, ddl).await?,
        Json::Mysql => mysql_table(tx, ddl, &ddl.table()).await?.0,
        Json::Sqlite => sqlite(tx, ddl).await?.0,
    };
    let mut declared = real.clone();
    declared.indexes.retain(|_, what| !what.starts_with(INVALID));
    Ok((real, declared))
}

/// The declared indexes, as they are over columns that are computed like this, of those that are there.
fn comparable(ddl: &Ddl<'_>, real: &Made) -> Vec<Index> {
    ddl.indexes(&real.computed).into_iter().filter(|i| real.indexes.contains_key(&i.name)).collect()
}

/// What PostgreSQL's indexes that were not built to their end begin with.
const INVALID: &str = "invalid";

const POSTGRES_COLUMNS: &str = "\
    SELECT a.attname::text, (a.attgenerated = 'v')::int::bigint,
           concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), l.collname, a.attnotnull, a.attgenerated,
                     pg_catalog.pg_get_expr(e.adbin, e.adrelid))
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
      LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
     WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relname = ?::text
       AND a.attnum > 0 AND NOT a.attisdropped";

/// How an index is stored is its owner's choice.
const POSTGRES_INDEXES: &str = "\
    SELECT CASE WHEN x.indisprimary THEN 'PRIMARY KEY' ELSE i.relname::text END,
           concat_ws(' ', CASE WHEN NOT x.indisvalid THEN 'invalid' END, CASE WHEN x.indisunique THEN 'unique' END,
                     regexp_replace(substr(d.made, strpos(d.made, ' USING ')), ' WITH \\([^)]*\\)', ''))
      FROM pg_catalog.pg_index x
      JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
      JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
     CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_indexdef(x.indexrelid) AS made) d
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = coalesce(?::text, current_schema()::text) AND c.relname = ?::text";

const POSTGRES_OWN: &str =
    "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE oid = pg_my_temp_schema()";

async fn postgres_real(tx: &mut Tx, ddl: &Ddl<'_>) -> Result<Made> {
    let schema = ddl.naming.schema().map_or(Value::Null(Kind::Text), Value::from);
    postgres_table(tx, ddl, schema, &ddl.naming.table(&names::table(&ddl.def.name))).await
}

async fn postgres(tx: &mut Tx, ddl: &Ddl<'_>) -> Result<(Made, Made)> {
    let real = postgres_real(tx, ddl).await?;
    tx.flush().await?;
    // What is rolled back leaves nothing.
    tx.conn.begin(true).await?;
    let declared = postgres_declared(tx, ddl, &real).await;
    let ended = tx.conn.rollback().await;
    let declared = declared?;
    ended.map(|()| (real, declared))
}

async fn postgres_declared(tx: &mut Tx, ddl: &Ddl<'_>, real: &Made) -> Result<Made> {
    let copy = format!("pg_temp.{COPY}");
    tx.conn.execute(&ddl.create_copy(&copy, &real.computed, &[], ""), Vec::new()).await?;
    for index in comparable(ddl, real) {
        tx.conn.execute(&ddl.create_index(&index, &copy, false), Vec::new()).await?;
    }
    let mut rows = tx.conn.query("schema", POSTGRES_OWN, Vec::new(), &[Kind::Text]).await?;
    let own = rows.pop().map(|mut row| row.text()).transpose()?.unwrap_or_default();
    postgres_table(tx, ddl, Value::Text(own), COPY).await
}

async fn postgres_table(tx: &mut Tx, ddl: &Ddl<'_>, schema: Value, table: &str) -> Result<Made> {
    let (of, mut made) = (vec![schema, table.into()], Made::default());
    let columns =
        tx.query("columns", POSTGRES_COLUMNS, of.clone(), &[Kind::Text, Kind::Int, Kind::Text]).await?;
    for mut row in columns {
        let (name, is_virtual) = (row.text()?, row.int()? != 0);
        made.column(&name, if is_virtual { Computed::Virtual } else { Computed::Stored }, row.text()?);
    }
    for mut row in tx.query("indexes", POSTGRES_INDEXES, of, &[Kind::Text, Kind::Text]).await? {
        let name = row.text()?;
        made.index(ddl, &name, row.text()?);
    }
    Ok(made)
}

async fn mysql(tx: &mut Tx, ddl: &Ddl<'_>) -> Result<(Made, Made)> {
    let (real, options) = mysql_table(tx, ddl, &ddl.table()).await?;
    tx.flush().await?;
    let copy = ddl.naming.qualified(COPY);
    let drop = format!("DROP TEMPORARY TABLE IF EXISTS {copy}");
    // A call that was interrupted may have left one to the connection.
    tx.conn.execute(&drop, Vec::new()).await?;
    let create = ddl.create_copy(&copy, &real.computed, &comparable(ddl, &real), &character_set(&options));
    let declared = match tx.conn.execute(&create, Vec::new()).await {
        Ok(_) => mysql_table(tx, ddl, &copy).await.map(|(declared, _)| declared),
        Err(e) => Err(e),
    };
    let dropped = tx.conn.execute(&drop, Vec::new()).await;
    let declared = declared?;
    dropped.map(|_| (real, declared))
}

/// A column's character set is printed where it is not the table's, whose own is the database's of the day that it was made.
fn character_set(options: &str) -> String {
    let is_of_it = |o: &&str| o.starts_with("CHARSET=") || o.starts_with("COLLATE=");
    options.split_whitespace().filter(is_of_it).map(|o| format!(" {o}")).collect()
}

/// The table, line by line, and what it is said to be at its end.
async fn mysql_table(tx: &mut Tx, ddl: &Ddl<'_>, table: &str) -> Result<(Made, String)> {
    let show = format!("SHOW CREATE TABLE {table}");
    let mut rows = tx.conn.query("table", &show, Vec::new(), &[Kind::Text, Kind::Text]).await?;
    let text = rows.pop().map(|mut row| row.text().and_then(|_| row.text())).transpose()?.unwrap_or_default();
    let (mut made, mut options) = (Made::default(), String::new());
    for line in text.lines().map(|line| line.trim().trim_end_matches(',')) {
        let mut words = line.splitn(3, '`');
        match (words.next().map(str::trim), words.next(), words.next()) {
            (Some(""), Some(name), Some(what)) => made.column(name, Computed::Virtual, what.to_owned()),
            (Some(_), _, _) if line.starts_with(PRIMARY) => made.index(ddl, PRIMARY, line.to_owned()),
            (Some(kind), Some(name), Some(what)) if kind.ends_with("KEY") => {
                made.index(ddl, name, format!("{kind}{what}"));
            }
            _ if line.starts_with(')') => line.clone_into(&mut options),
            _ => {}
        }
    }
    Ok((made, options))
}

const SQLITE: &str = "\
    SELECT name, coalesce(sql, '')
      FROM sqlite_schema
     WHERE tbl_name = ?
     ORDER BY type = 'index'";

async fn sqlite(tx: &mut Tx, ddl: &Ddl<'_>) -> Result<(Made, Made)> {
    let (mut real, mut declared) = (Made::default(), Made::default());
    let table = ddl.naming.table(&names::table(&ddl.def.name));
    let all = tx.query("table", SQLITE, vec![(&*table).into()], &[Kind::Text, Kind::Text]).await?;
    for mut row in all {
        let (name, sql) = (row.text()?, row.text()?);
        if name == table {
            sqlite_table(ddl, &mut real, &sql);
        } else {
            real.index(ddl, &name, sqlite_index(&sql));
        }
    }
    sqlite_table(ddl, &mut declared, &ddl.create_table());
    for index in comparable(ddl, &real) {
        declared.index(ddl, &index.name, sqlite_index(&ddl.create_index(&index, &table, false)));
    }
    Ok((real, declared))
}

/// What of a statement that makes an index is not its name.
fn sqlite_index(sql: &str) -> String {
    let unique = if sql.starts_with("CREATE UNIQUE") { "UNIQUE " } else { "" };
    format!("{unique}{}", sql.find('(').map_or("", |at| &sql[at..]))
}

fn sqlite_table(ddl: &Ddl<'_>, made: &mut Made, sql: &str) {
    for part in parts(sql) {
        match part.split_once(' ') {
            _ if part.starts_with(PRIMARY) => made.index(ddl, PRIMARY, part.to_owned()),
            Some((name, what)) => made.column(name, Computed::Virtual, what.to_owned()),
            None => made.column(part, Computed::Virtual, String::new()),
        }
    }
}

/// What is between the outermost commas of a statement that makes a table.
fn parts(sql: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quote, mut from) = (Vec::new(), 0_u32, None, 0);
    for (at, c) in sql.char_indices() {
        match (quote, c) {
            // A quote that is doubled ends one text and begins the next.
            (Some(q), _) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') if depth == 0 => (depth, from) = (1, at + 1),
            (None, '(') => depth += 1,
            (None, ')' | ',') if depth == 1 => {
                parts.push(sql[from..at].trim());
                (depth, from) = (u32::from(c == ','), at + 1);
            }
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_its_parts() {
        let sql = "CREATE TABLE t (\n  id TEXT NOT NULL, k TEXT AS (f(data, '$.\"a,)''\"')) VIRTUAL,\n  PRIMARY KEY (p, id)\n) STRICT";
        let expected =
            ["id TEXT NOT NULL", "k TEXT AS (f(data, '$.\"a,)''\"')) VIRTUAL", "PRIMARY KEY (p, id)"];
        assert_eq!(parts(sql), expected);
        assert_eq!(
            sqlite_index("CREATE UNIQUE INDEX i ON t (a, b DESC) WHERE c"),
            "UNIQUE (a, b DESC) WHERE c"
        );
        assert_eq!(sqlite_index("CREATE INDEX i ON t (a)"), "(a)");
    }

    #[test]
    fn the_character_set_is_the_tables_own() {
        let options = ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci ROW_FORMAT=DYNAMIC";
        assert_eq!(character_set(options), " CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci");
        assert_eq!(character_set(") ENGINE=InnoDB"), "");
    }
}
