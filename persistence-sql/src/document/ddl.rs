//! Statements that make what a collection consists of. Names and JSON paths are spliced here and nowhere else: names are letters,
//! digits and `_`, paths are literals.

use super::columns::{self, Column};
use super::names;
use super::order::Ordered;
use super::rows::{is_partitioned, key_columns};
use crate::core::document::{CollectionDef, Direction, IdKind, IndexDef, IndexKey, Scope};
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

/// An index that is no table.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    /// What follows the table's name: its columns, and which documents are in it.
    pub(super) on: String,
}

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
        // Room for other versions of rows beside them: a change of what is not indexed then touches no index.
        let end = if self.json == Json::Postgres { " WITH (fillfactor = 85)" } else { self.end_of_table() };
        let parts = self.parts_of_table(&BTreeMap::new());
        format!("CREATE TABLE {} (\n    {}\n){end}", self.table(), parts.join(",\n    "))
    }

    /// A table that only this connection sees, and that goes with it: with columns that are computed like these, and with these indexes
    /// where the database makes them with the table. `end` is what the table itself is said to be.
    pub(super) fn create_copy(
        &self,
        called: &str,
        computed: &BTreeMap<String, Computed>,
        indexes: &[Index],
        end: &str,
    ) -> String {
        let mut parts = self.parts_of_table(computed);
        let index = |i: &Index| {
            let unique = if i.unique { "UNIQUE " } else { "" };
            format!("{unique}INDEX {} {}", self.naming.table(&i.name), i.on)
        };
        parts.extend(indexes.iter().map(index));
        let all = parts.join(",\n    ");
        format!("CREATE TEMPORARY TABLE {called} (\n    {all}\n){}{end}", self.end_of_table())
    }

    /// The columns and the key of the table. A column that is not among the computed ones is stored.
    fn parts_of_table(&self, computed: &BTreeMap<String, Computed>) -> Vec<String> {
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
        let how = |c: &Column| computed.get(&c.name).copied().unwrap_or(Computed::Stored);
        parts.extend(self.columns().iter().map(|c| self.computed(c, how(c))));
        parts.push(format!("PRIMARY KEY ({})", key_columns(self.def).join(", ")));
        parts
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

    /// Every index that is no table.
    pub(super) fn indexes(&self, computed: &BTreeMap<String, Computed>) -> Vec<Index> {
        let part = |column: &str, direction| Part { sql: column.to_owned(), direction };
        let expiry = vec![part("expires_at", Direction::Ascending), part("id", Direction::Ascending)];
        let there = if self.json == Json::Mysql { "" } else { " WHERE expires_at IS NOT NULL" };
        let mut all = vec![Self::index(names::expiry(&self.def.name), false, &expiry, there)];
        for declared in &self.def.indexes {
            if names::several(self.def, declared).is_some() {
                all.extend(self.gin(declared, computed));
                continue;
            }
            let index = &self.kept(declared);
            let scoped = index.scope == Scope::Partition;
            let partition =
                |direction| is_partitioned(self.def).then(|| part("partition_key", direction)).into_iter();
            let first = || partition(Direction::Ascending).filter(|_| scoped);
            let unique = || first().chain(self.parts(index, computed)).collect::<Vec<Part>>();
            let name = names::index(self.def, declared);
            if index.unique && !index.live_only {
                all.push(Self::index(name, true, &unique(), ""));
                continue;
            }
            let mut parts = unique();
            parts.push(part("id", index.id_order));
            parts.extend(partition(index.id_order).filter(|_| !scoped));
            all.push(Self::index(name, false, &parts, ""));
            if index.unique {
                let mut parts = unique();
                let living = match self.json {
                    Json::Mysql => {
                        parts.push(part("live", Direction::Ascending));
                        ""
                    }
                    _ => " WHERE deleted_at IS NULL",
                };
                all.push(Self::index(names::live_index(self.def, declared), true, &parts, living));
            }
        }
        all
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

    /// The keys of an index, as columns, or as what a virtual column is computed by.
    fn parts(&self, index: &IndexDef, computed: &BTreeMap<String, Computed>) -> Vec<Part> {
        let key = |k: &IndexKey| {
            let column = columns::column(self.json, self.def.attribute_named(&k.attribute)?)?;
            let inlined =
                self.json == Json::Postgres && computed.get(&column.name) == Some(&Computed::Virtual);
            let sql = if inlined { format!("({})", column.expression) } else { column.name };
            Some(Part { sql, direction: k.direction })
        };
        index.keys.iter().filter_map(key).collect()
    }

    fn index(name: String, unique: bool, parts: &[Part], filter: &str) -> Index {
        let column = |p: &Part| match p.direction {
            Direction::Ascending => p.sql.clone(),
            Direction::Descending => format!("{} DESC", p.sql),
        };
        let columns = parts.iter().map(column).collect::<Vec<_>>().join(", ");
        Index { name, unique, on: format!("({columns}){filter}") }
    }

    /// Makes an index of a table, if `online` while others write.
    pub(super) fn create_index(&self, index: &Index, table: &str, online: bool) -> String {
        let Index { name, unique, on } = index;
        let (called, unique) = (self.naming.table(name), if *unique { "UNIQUE " } else { "" });
        match self.json {
            Json::Mysql => {
                format!("ALTER TABLE {table} ADD {unique}INDEX {called} {on}, ALGORITHM=INPLACE, LOCK=NONE")
            }
            Json::Postgres if online => format!("CREATE {unique}INDEX CONCURRENTLY {called} ON {table} {on}"),
            _ => format!("CREATE {unique}INDEX {called} ON {table} {on}"),
        }
    }

    /// Of PostgreSQL: the index of an attribute of several values.
    fn gin(&self, index: &IndexDef, computed: &BTreeMap<String, Computed>) -> Option<Index> {
        let column = columns::column(self.json, names::several(self.def, index)?)?;
        let values = match computed.get(&column.name) {
            Some(Computed::Virtual) => format!("({})", column.expression),
            _ => column.name,
        };
        let on = format!("USING gin ({values} jsonb_path_ops)");
        Some(Index { name: names::index(self.def, index), unique: false, on })
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
        let mut columns = self.key();
        for a in index.keys.iter().filter_map(|k| self.def.attribute_named(&k.attribute)) {
            columns.push(format!("{} {} NOT NULL", names::column(a), columns::type_of(self.json, a.ty)));
        }
        let order = self.entry_order(index);
        let key = order.iter().map(|o| format!("{}{}", o.column, if o.descending { " DESC" } else { "" }));
        let end = if self.json == Json::Sqlite { " STRICT, WITHOUT ROWID" } else { self.end_of_table() };
        format!(
            "CREATE TABLE IF NOT EXISTS {} (\n    {},\n    PRIMARY KEY ({})\n){end}",
            self.naming.qualified(&names::entries(self.def, index)),
            columns.join(",\n    "),
            key.collect::<Vec<_>>().join(", ")
        )
    }

    /// The order of a table of entries.
    pub(super) fn entry_order(&self, index: &IndexDef) -> Vec<Ordered> {
        let kept = self.kept(index);
        let column = |column: &str, direction| Ordered {
            column: column.to_owned(),
            descending: direction == Direction::Descending,
        };
        let partition = |direction| is_partitioned(self.def).then(|| column("partition_key", direction));
        let keys = kept.keys.iter().filter_map(|k| {
            Some(column(&names::column(self.def.attribute_named(&k.attribute)?), k.direction))
        });
        let scoped = index.scope == Scope::Partition;
        let first = partition(Direction::Ascending).filter(|_| scoped);
        let last = partition(kept.id_order).filter(|_| !scoped);
        first.into_iter().chain(keys).chain([column("id", kept.id_order)]).chain(last).collect()
    }
}
