//! Statements that make what a collection consists of. Names and JSON paths are spliced here and nowhere else: names are letters,
//! digits and `_`, paths are literals.

use super::columns::{self, Column};
use super::names;
use super::rows::{is_partitioned, key_columns};
use crate::core::document::{CollectionDef, Direction, IdKind, IndexDef, IndexKey, KeyType, Scope};
use crate::core::{Error, Result};
use crate::dialect::Json;
use crate::naming::Naming;
use std::collections::BTreeMap;

/// How a column that is there is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Computed {
    /// When a document is written.
    Stored,
    /// When it is read: of PostgreSQL, whose indexes then contain the expression.
    Virtual,
}

/// The longest key of an index of MySQL, in bytes.
const MYSQL_KEY: usize = 3072;
/// How long partitions and ids of text may be, in bytes.
const NAME: usize = 1020;

/// Renders statements as one database wants them.
#[derive(Clone, Copy)]
pub(super) struct Ddl<'a> {
    pub(super) json: Json,
    pub(super) naming: &'a Naming,
    pub(super) def: &'a CollectionDef,
}

/// A column of an index.
struct Part {
    sql: String,
    direction: Direction,
    /// The most bytes, where that counts.
    bytes: usize,
    text: bool,
}

impl Ddl<'_> {
    pub(super) fn table(&self) -> String {
        self.naming.qualified(&names::table(&self.def.name))
    }

    fn text(&self) -> &'static str {
        match self.json {
            Json::Postgres => "text COLLATE \"C\"",
            Json::Mysql => "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin",
            Json::Sqlite => "TEXT",
        }
    }

    fn id(&self) -> &'static str {
        match (self.def.id, self.json) {
            (IdKind::Uuid, Json::Postgres) => "uuid",
            (IdKind::Uuid, Json::Mysql) => "BINARY(16)",
            (IdKind::Uuid, Json::Sqlite) => "BLOB",
            _ => self.text(),
        }
    }

    fn end_of_table(&self) -> &'static str {
        match self.json {
            Json::Postgres => "",
            Json::Mysql => " ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
            Json::Sqlite => " STRICT",
        }
    }

    fn key(&self) -> Vec<String> {
        let text = self.text();
        let partition = is_partitioned(self.def).then(|| format!("partition_key {text} NOT NULL"));
        partition.into_iter().chain([format!("id {} NOT NULL", self.id())]).collect()
    }

    /// Every computed column, in the order of declaration.
    pub(super) fn columns(&self) -> Vec<Column> {
        self.def.attributes.iter().filter_map(|a| columns::column(self.json, a)).collect()
    }

    fn computed(&self, c: &Column, how: Computed) -> String {
        let how = if how == Computed::Stored && self.json == Json::Postgres { "STORED" } else { "VIRTUAL" };
        format!("{} {} GENERATED ALWAYS AS ({}) {how}", c.name, c.ty, c.expression)
    }

    /// The table with all of its columns.
    pub(super) fn create_table(&self) -> String {
        let (int, data, bytes) = match self.json {
            Json::Postgres => ("bigint", "jsonb", "bytea"),
            Json::Mysql => ("BIGINT", "JSON", "VARBINARY(256)"),
            Json::Sqlite => ("INTEGER", "TEXT", "BLOB"),
        };
        let mut parts = self.key();
        parts.push(format!("data {data} NOT NULL"));
        parts.extend(["version", "created_at", "updated_at"].map(|c| format!("{c} {int} NOT NULL")));
        parts.extend(["deleted_at", "expires_at"].map(|c| format!("{c} {int}")));
        parts.push(format!("attempts {bytes} NOT NULL"));
        if self.json == Json::Mysql {
            // What unique indexes among living documents contain: NULL is never equal.
            let live = "CASE WHEN deleted_at IS NULL THEN 1 END";
            parts.push(format!("live TINYINT GENERATED ALWAYS AS ({live}) VIRTUAL"));
        }
        parts.extend(self.columns().iter().map(|c| self.computed(c, Computed::Stored)));
        parts.push(format!("PRIMARY KEY ({})", key_columns(self.def).join(", ")));
        // Room for other versions of rows beside them: a change of what is not indexed then touches no index.
        let end = if self.json == Json::Postgres { " WITH (fillfactor = 85)" } else { self.end_of_table() };
        format!("CREATE TABLE {} (\n    {}\n){end}", self.table(), parts.join(",\n    "))
    }

    /// Adds a column, online: stored ones where there are no documents.
    pub(super) fn add_column(&self, c: &Column, how: Computed) -> String {
        let end = if self.json == Json::Mysql { ", ALGORITHM=INSTANT" } else { "" };
        format!("ALTER TABLE {} ADD COLUMN {}{end}", self.table(), self.computed(c, how))
    }

    pub(super) fn drop_column(&self, name: &str) -> String {
        let end = if self.json == Json::Mysql { ", ALGORITHM=INSTANT" } else { "" };
        format!("ALTER TABLE {} DROP COLUMN {name}{end}", self.table())
    }

    pub(super) fn drop_index(&self, name: &str) -> String {
        match self.json {
            Json::Postgres => format!("DROP INDEX CONCURRENTLY IF EXISTS {}", self.naming.qualified(name)),
            Json::Mysql => format!("ALTER TABLE {} DROP INDEX {}", self.table(), self.naming.table(name)),
            Json::Sqlite => format!("DROP INDEX IF EXISTS {}", self.naming.table(name)),
        }
    }

    pub(super) fn drop_table(&self, name: &str) -> String {
        format!("DROP TABLE IF EXISTS {}", self.naming.qualified(name))
    }

    /// Every index that is no table: its name, and the statement that makes it.
    pub(super) fn indexes(
        &self,
        computed: &BTreeMap<String, Computed>,
        online: bool,
    ) -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        let expiry =
            vec![self.part("expires_at", Direction::Ascending, 8), self.id_part(Direction::Ascending)];
        let there = if self.json == Json::Mysql { "" } else { " WHERE expires_at IS NOT NULL" };
        let name = names::expiry(&self.def.name);
        all.push((name.clone(), self.index(&name, false, expiry, there, online)?));
        for declared in &self.def.indexes {
            if names::several(self.def, declared).is_some() {
                if let Some(sql) = self.gin(declared, computed, online) {
                    all.push((names::index(self.def, declared), sql));
                }
                continue;
            }
            let index = &self.kept(declared);
            let keys = self.parts(index, computed);
            let partition =
                || is_partitioned(self.def).then(|| self.part("partition_key", Direction::Ascending, NAME));
            let scoped = index.scope == Scope::Partition;
            let unique =
                || partition().filter(|_| scoped).into_iter().chain(self.parts(index, computed)).collect();
            if index.unique && !index.live_only {
                let name = names::index(self.def, declared);
                all.push((name.clone(), self.index(&name, true, unique(), "", online)?));
                continue;
            }
            let mut parts: Vec<Part> = partition().filter(|_| scoped).into_iter().chain(keys).collect();
            parts.push(self.id_part(index.id_order));
            parts.extend(partition().filter(|_| !scoped).map(|p| Part { direction: index.id_order, ..p }));
            let name = names::index(self.def, declared);
            all.push((name.clone(), self.index(&name, false, parts, "", online)?));
            if index.unique {
                let name = names::live_index(self.def, declared);
                let mut parts: Vec<Part> = unique();
                let living = match self.json {
                    Json::Mysql => {
                        parts.push(self.part("live", Direction::Ascending, 1));
                        ""
                    }
                    _ => " WHERE deleted_at IS NULL",
                };
                all.push((name.clone(), self.index(&name, true, parts, living, online)?));
            }
        }
        Ok(all)
    }

    /// An index as it is kept: MySQL reads one that descends in one direction only, and one that ascends in both.
    fn kept(&self, index: &IndexDef) -> IndexDef {
        let mut kept = index.clone();
        if self.json == Json::Mysql && kept.keys.iter().all(|k| k.direction == index.id_order) {
            kept.id_order = Direction::Ascending;
            kept.keys.iter_mut().for_each(|k| k.direction = Direction::Ascending);
        }
        kept
    }

    fn part(&self, column: &str, direction: Direction, bytes: usize) -> Part {
        Part { sql: column.to_owned(), direction, bytes, text: false }
    }

    fn id_part(&self, direction: Direction) -> Part {
        self.part("id", direction, if self.def.id == IdKind::Uuid { 16 } else { NAME })
    }

    /// The keys of an index, as columns, or as what a virtual column is computed by.
    fn parts(&self, index: &IndexDef, computed: &BTreeMap<String, Computed>) -> Vec<Part> {
        let key = |k: &IndexKey| {
            let a = self.def.attribute_named(&k.attribute)?;
            let column = columns::column(self.json, a)?;
            let inlined =
                self.json == Json::Postgres && computed.get(&column.name) == Some(&Computed::Virtual);
            let (bytes, text) = match a.ty {
                KeyType::Str { max } => (usize::from(max) + 2, true),
                KeyType::Uuid => (16, false),
                _ => (9, false),
            };
            let sql = if inlined { format!("({})", column.expression) } else { column.name };
            Some(Part { sql, direction: k.direction, bytes, text })
        };
        index.keys.iter().filter_map(key).collect()
    }

    fn index(
        &self,
        name: &str,
        unique: bool,
        mut parts: Vec<Part>,
        filter: &str,
        online: bool,
    ) -> Result<String> {
        if self.json == Json::Mysql {
            self.fit(name, unique, &mut parts)?;
        }
        let column = |p: &Part| match p.direction {
            Direction::Ascending => p.sql.clone(),
            Direction::Descending => format!("{} DESC", p.sql),
        };
        let columns: Vec<String> = parts.iter().map(column).collect();
        let (columns, unique) = (columns.join(", "), if unique { "UNIQUE " } else { "" });
        let (name, table) = (self.naming.table(name), self.table());
        Ok(match self.json {
            Json::Mysql => {
                format!(
                    "ALTER TABLE {table} ADD {unique}INDEX {name} ({columns}), ALGORITHM=INPLACE, LOCK=NONE"
                )
            }
            Json::Postgres => {
                let concurrently = if online { "CONCURRENTLY " } else { "" };
                format!("CREATE {unique}INDEX {concurrently}{name} ON {table} ({columns}){filter}")
            }
            Json::Sqlite => format!("CREATE {unique}INDEX {name} ON {table} ({columns}){filter}"),
        })
    }

    /// Cuts long texts where the whole would be too long for a key: the index then finds a little more, and does not order. One that
    /// is unique cannot be cut.
    fn fit(&self, name: &str, unique: bool, parts: &mut [Part]) -> Result<()> {
        let total: usize = parts.iter().map(|p| p.bytes).sum();
        if total <= MYSQL_KEY {
            return Ok(());
        }
        let texts = parts.iter().filter(|p| p.text).count();
        if unique || texts == 0 {
            let rule = format!(
                "collection {}: {name} has keys of {total} bytes, at most {MYSQL_KEY}",
                self.def.name
            );
            return Err(Error::invalid("definition", rule));
        }
        let fixed: usize = parts.iter().filter(|p| !p.text).map(|p| p.bytes).sum();
        let each = (MYSQL_KEY.saturating_sub(fixed) / texts).saturating_sub(2).max(1);
        for p in parts.iter_mut().filter(|p| p.text && p.bytes > each) {
            p.sql = format!("{}({each})", p.sql);
        }
        Ok(())
    }

    fn gin(&self, index: &IndexDef, computed: &BTreeMap<String, Computed>, online: bool) -> Option<String> {
        let a = names::several(self.def, index)?;
        let column = columns::column(self.json, a)?;
        let concurrently = if online { "CONCURRENTLY " } else { "" };
        let on = match computed.get(&column.name) {
            Some(Computed::Virtual) => format!("({})", column.expression),
            _ => column.name,
        };
        let name = self.naming.table(&names::index(self.def, index));
        Some(format!("CREATE INDEX {concurrently}{name} ON {} USING gin ({on} jsonb_path_ops)", self.table()))
    }

    /// Every table of entries: the index, and the statement that makes it.
    pub(super) fn entries(&self) -> Vec<(usize, String, String)> {
        if self.json == Json::Postgres {
            return Vec::new();
        }
        let indexes = self.def.indexes.iter().enumerate();
        let tables = indexes.filter(|(_, index)| names::several(self.def, index).is_some());
        tables.map(|(i, index)| (i, names::entries(self.def, index), self.create_entries(index))).collect()
    }

    fn create_entries(&self, index: &IndexDef) -> String {
        let (mut columns, mut keys) = (self.key(), Vec::new());
        let kept = self.kept(index);
        for k in &kept.keys {
            let Some(a) = self.def.attribute_named(&k.attribute) else { continue };
            let name = names::column(a);
            columns.push(format!("{name} {} NOT NULL", columns::type_of(self.json, a.ty)));
            keys.push(if k.direction == Direction::Descending { format!("{name} DESC") } else { name });
        }
        let scoped = index.scope == Scope::Partition;
        let partition = is_partitioned(self.def);
        if partition && scoped {
            keys.insert(0, "partition_key".to_owned());
        }
        let way = if kept.id_order == Direction::Descending { " DESC" } else { "" };
        keys.push(format!("id{way}"));
        if partition && !scoped {
            keys.push(format!("partition_key{way}"));
        }
        let end = if self.json == Json::Sqlite { " STRICT, WITHOUT ROWID" } else { self.end_of_table() };
        format!(
            "CREATE TABLE IF NOT EXISTS {} (\n    {},\n    PRIMARY KEY ({})\n){end}",
            self.naming.qualified(&names::entries(self.def, index)),
            columns.join(",\n    "),
            keys.join(", ")
        )
    }
}
