//! Names of the user's choice: a schema and a prefix before every table.

use crate::tables::{INDEXES, TABLES};
use persistence_core::{Error, Result};
use std::borrow::Cow;

/// Where the tables are and what their names begin with. Statements name them in full, because a search path would not outlive
/// a transaction behind a pooling proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    schema: Option<String>,
    prefix: String,
}

/// What the tables of collections begin with, those of entries, and the indexes of both. Nothing else in a statement does.
pub(crate) const DOCUMENTS: &str = "d_";
pub(crate) const DOCUMENT_ENTRIES: &str = "de_";
pub(crate) const DOCUMENT_INDEX: &str = "dx_";

fn is_of_documents(word: &str) -> bool {
    word.starts_with(DOCUMENTS) || word.starts_with(DOCUMENT_ENTRIES)
}

/// PostgreSQL keeps 63 bytes of a name, of which the longest of ours take under forty.
const LONGEST_PREFIX: usize = 20;
const LONGEST_SCHEMA: usize = 63;

impl Naming {
    /// Tables of this schema; none is the connection's own. `[A-Za-z0-9_]`, as written.
    pub fn with_schema(mut self, schema: Option<&str>) -> Result<Self> {
        let good = |s: &str| {
            !s.is_empty()
                && s.len() <= LONGEST_SCHEMA
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if schema.is_some_and(|s| !good(s)) {
            return Err(Error::invalid("schema", "must be letters, digits and _, at most 63"));
        }
        self.schema = schema.map(str::to_owned);
        Ok(self)
    }

    /// Tables and indexes whose names begin with this. `[a-z][a-z0-9_]*`, at most 20, or empty.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self> {
        let good = prefix.len() <= LONGEST_PREFIX
            && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && prefix.bytes().next().is_none_or(|b| b.is_ascii_lowercase());
        if !good {
            let rule = "must be small letters, digits and _, a letter first, at most 20";
            return Err(Error::invalid("table_prefix", rule));
        }
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }

    /// The schema, if one was chosen.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name of a table in its schema.
    #[must_use]
    pub fn table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The name of a table as statements write it.
    pub(crate) fn qualified(&self, name: &str) -> String {
        let schema = self.schema.as_ref().map(|s| format!("\"{s}\".")).unwrap_or_default();
        format!("{schema}{}{name}", self.prefix)
    }

    /// The name in statements of a table that is called so in this database.
    #[must_use]
    pub fn plain<'a>(&self, name: &'a str) -> &'a str {
        self.plain_word(name.rsplit('.').next().unwrap_or(name))
    }

    /// A rendered statement with plain names again.
    #[must_use]
    pub fn unrender(&self, sql: &str) -> String {
        let sql = match &self.schema {
            Some(schema) => sql.replace(&format!("\"{schema}\"."), ""),
            None => sql.to_owned(),
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        sql.split_inclusive(|c| !is_word(c)).map(|word| self.plain_word(word)).collect()
    }

    fn plain_word<'a>(&self, word: &'a str) -> &'a str {
        word.strip_prefix(&*self.prefix).unwrap_or(word)
    }

    /// A statement with the names of tables and indexes as they are in this database. Nothing else may be called like one of
    /// them: columns, aliases and common table expressions have names of their own.
    #[must_use]
    pub fn render<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        if self.schema.is_none() && self.prefix.is_empty() {
            return Cow::Borrowed(sql);
        }
        let mut out = String::with_capacity(sql.len() + 64);
        let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let mut rest = sql;
        while let Some(start) = rest.bytes().position(|b| is_word(&b)) {
            let (between, from) = rest.split_at(start);
            let end = from.bytes().position(|b| !is_word(&b)).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            out.push_str(between);
            if TABLES.contains(&word) || is_of_documents(word) {
                if let Some(schema) = &self.schema {
                    out.extend(["\"", schema, "\"."]);
                }
                out.push_str(&self.prefix);
            } else if INDEXES.contains(&word) || word.starts_with(DOCUMENT_INDEX) {
                out.push_str(&self.prefix);
            }
            out.push_str(word);
            rest = after;
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_are_qualified_and_nothing_else() {
        let named = Naming::default().with_schema(Some("Mine")).unwrap().with_prefix("p_").unwrap();
        assert_eq!(
            named.render(
                "SELECT tasks.payload, task_id FROM tasks, history_tasks WHERE x = ? AND mytasks = 1"
            ),
            "SELECT \"Mine\".p_tasks.payload, task_id FROM \"Mine\".p_tasks, \"Mine\".p_history_tasks \
             WHERE x = ? AND mytasks = 1"
        );
        assert_eq!(
            named.render("CREATE INDEX tasks_expiry ON tasks (expires_at) -- größer"),
            "CREATE INDEX p_tasks_expiry ON \"Mine\".p_tasks (expires_at) -- größer"
        );
        let plain = Naming::default();
        assert!(matches!(plain.render("SELECT 1 FROM tasks"), Cow::Borrowed(_)));
        let sql = "INSERT INTO tasks (task_id) SELECT shards.x FROM shards";
        assert_eq!(named.unrender(&named.render(sql)), sql);
        assert_eq!(named.table("tasks"), "p_tasks");
        assert_eq!(named.plain("\"Mine\".p_tasks"), "tasks");
    }

    #[test]
    fn names_cannot_carry_sql() {
        for bad in ["", "a b", "a\"", "a;", "a.b", "ä", &"x".repeat(64)] {
            assert!(Naming::default().with_schema(Some(bad)).is_err(), "{bad}");
        }
        for bad in ["A", "a b", "1a", "_a", "a\"", "a`", "a;--", "ä", &"x".repeat(21)] {
            assert!(Naming::default().with_prefix(bad).is_err(), "{bad}");
        }
        assert!(Naming::default().with_prefix("").is_ok());
    }
}
