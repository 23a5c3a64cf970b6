//! What differs between databases: data and small render functions.

use crate::naming::Naming;
use crate::row_comparison;
use crate::value::{Kind, Value};
use std::borrow::Cow;
use std::fmt::Write;

/// How placeholders are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholders {
    /// `?`, by position.
    Question,
    /// `$1`, `$2`, …
    Dollar,
}

/// How an insert replaces what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upsert {
    /// `ON CONFLICT (…) DO UPDATE SET c = excluded.c`.
    OnConflict,
    /// `AS new ON DUPLICATE KEY UPDATE c = new.c`.
    OnDuplicateKey,
}

/// How a transition is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transitions {
    /// In a transaction of several statements: look, judge, write.
    Transaction,
    /// In one statement that locks, judges and writes: needs `RETURNING`-less writes in `WITH`, `unnest` and lateral locks, as
    /// PostgreSQL has them.
    Statement,
    /// In one call of a stored procedure, which the driver has created: see [`procedures`](crate::procedures).
    Procedure,
}

/// How documents are kept: JSON, and columns that are computed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Json {
    /// `jsonb`, stored or virtual columns over SQL/JSON, GIN for attributes of several values.
    Postgres,
    /// `JSON`, virtual columns over `JSON_VALUE`, a table of entries for attributes of several values.
    Mysql,
    /// Text, virtual columns over `json_extract`, a table of entries for attributes of several values.
    Sqlite,
}

/// How a database is asked for its plan.
#[derive(Clone, Copy, Debug)]
pub struct Explain {
    /// What comes before the statement.
    pub prefix: &'static str,
    /// The columns of the answer, whose last is a line of text.
    pub columns: &'static [Kind],
}

/// One database's SQL.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// Its name, for messages and snapshots.
    pub name: &'static str,
    /// How placeholders are written.
    pub placeholders: Placeholders,
    /// How an insert replaces what is there.
    pub upsert: Upsert,
    /// What a select of rows to be checked and changed ends with; empty where a writer is alone.
    pub for_update: &'static str,
    /// What a select of a row to be checked only ends with.
    pub for_share: &'static str,
    /// Lists of key tuples: `IN (VALUES (…), (…))` instead of `IN ((…), (…))`.
    pub in_values: bool,
    /// The most parameters of a statement.
    pub max_parameters: usize,
    /// One connection writes, in this process: writers are gathered into shared transactions.
    pub single_writer: bool,
    /// Row comparisons, `(a, b) > (?, ?)`, are ranges of an index. Where they are not, `a > ? OR (a = ? AND b > ?)` is.
    pub tuple_ranges: bool,
    /// How a transition is applied.
    pub transitions: Transitions,
    /// How documents are kept.
    pub json: Json,
    /// How it is asked for its plan.
    pub explain: Explain,
}

impl Dialect {
    /// A statement and its arguments as this database wants them.
    pub(crate) fn render<'a>(
        &self,
        naming: &Naming,
        sql: &'a str,
        args: Vec<Value>,
    ) -> (Cow<'a, str>, Vec<Value>) {
        match naming.render(sql) {
            Cow::Borrowed(sql) => self.expand(sql, args),
            Cow::Owned(sql) => {
                let (sql, args) = self.expand(&sql, args);
                (Cow::Owned(sql.into_owned()), args)
            }
        }
    }

    fn expand<'a>(&self, sql: &'a str, args: Vec<Value>) -> (Cow<'a, str>, Vec<Value>) {
        // Most statements compare no rows, and are not copied.
        if !self.tuple_ranges && (sql.contains(") >") || sql.contains(") <")) {
            let (sql, args) = row_comparison::expand(sql, args);
            return (Cow::Owned(self.sql(&sql).into_owned()), args);
        }
        (self.sql(sql), args)
    }

    /// A statement written with `?` as this database wants it. Statements hold no string literals.
    pub(crate) fn sql<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        match self.placeholders {
            Placeholders::Question => Cow::Borrowed(sql),
            Placeholders::Dollar => {
                let mut out = String::with_capacity(sql.len() + 16);
                let mut n = 0;
                for c in sql.chars() {
                    if c == '?' {
                        n += 1;
                        let _ = write!(out, "${n}");
                    } else {
                        out.push(c);
                    }
                }
                Cow::Owned(out)
            }
        }
    }

    /// `(?, ?), (?, ?)`: `rows` tuples of `columns` placeholders.
    pub(crate) fn tuples(columns: usize, rows: usize) -> String {
        let tuple = format!("({})", vec!["?"; columns].join(", "));
        vec![tuple; rows].join(", ")
    }

    /// `(a, b) IN ((?, ?), (?, ?))`.
    pub(crate) fn key_in(&self, columns: &[&str], rows: usize) -> String {
        let values = if self.in_values { "VALUES " } else { "" };
        format!("({}) IN ({values}{})", columns.join(", "), Self::tuples(columns.len(), rows))
    }

    /// `INSERT INTO t (…) VALUES (…), (…)`, and what replaces the rows that are there if `replace`.
    pub(crate) fn insert(&self, table: &TableDef, rows: usize, replace: bool) -> String {
        let columns: Vec<&str> = table.key.iter().chain(table.rest).copied().collect();
        let tuples = Self::tuples(columns.len(), rows);
        let mut sql = format!("INSERT INTO {} ({}) VALUES {tuples}", table.name, columns.join(", "));
        if replace {
            // A table whose columns are all key has nothing to replace; naming a key column changes nothing.
            let set = if table.rest.is_empty() { &table.key[..1] } else { table.rest };
            let assign = |from: &str| -> String {
                set.iter().map(|c| format!("{c} = {from}.{c}")).collect::<Vec<_>>().join(", ")
            };
            let _ = match self.upsert {
                Upsert::OnConflict => write!(
                    sql,
                    " ON CONFLICT ({}) DO UPDATE SET {}",
                    table.key.join(", "),
                    assign("excluded")
                ),
                Upsert::OnDuplicateKey => write!(sql, " AS new ON DUPLICATE KEY UPDATE {}", assign("new")),
            };
        }
        sql
    }
}

/// A table: its name, its primary key, and its other columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableDef {
    pub name: &'static str,
    pub key: &'static [&'static str],
    pub rest: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const PG: Dialect = Dialect {
        name: "postgres",
        placeholders: Placeholders::Dollar,
        upsert: Upsert::OnConflict,
        for_update: " FOR NO KEY UPDATE",
        for_share: " FOR SHARE",
        in_values: false,
        max_parameters: 65_535,
        single_writer: false,
        tuple_ranges: true,
        transitions: Transitions::Transaction,
        json: Json::Postgres,
        explain: Explain { prefix: "EXPLAIN ", columns: &[Kind::Text] },
    };

    #[test]
    fn statements_are_rendered_as_each_database_wants_them() {
        let t = TableDef { name: "t", key: &["a", "b"], rest: &["c"] };
        assert_eq!(
            PG.sql(&PG.insert(&t, 2, true)),
            "INSERT INTO t (a, b, c) VALUES ($1, $2, $3), ($4, $5, $6) ON CONFLICT (a, b) DO UPDATE SET c = excluded.c"
        );
        assert_eq!(PG.key_in(&["a", "b"], 2), "(a, b) IN ((?, ?), (?, ?))");
        let mysql = Dialect {
            name: "mysql",
            placeholders: Placeholders::Question,
            upsert: Upsert::OnDuplicateKey,
            in_values: false,
            ..PG
        };
        assert_eq!(
            mysql.sql(&mysql.insert(&t, 1, true)),
            "INSERT INTO t (a, b, c) VALUES (?, ?, ?) AS new ON DUPLICATE KEY UPDATE c = new.c"
        );
        let sqlite = Dialect { name: "sqlite", in_values: true, ..mysql };
        assert_eq!(sqlite.key_in(&["a"], 2), "(a) IN (VALUES (?), (?))");
    }
}
