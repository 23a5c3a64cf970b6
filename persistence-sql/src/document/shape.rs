//! Statements that read documents, without their values: all that their texts depend on, so that each is rendered once.

use super::order::{Ordered, beyond, is_tuple, ordered};
use super::rows::{self, key_columns};
use super::{count, names};
use crate::core::document::{CollectionDef, IndexDef};
use crate::dialect::{Dialect, Json};
use crate::naming::Naming;

/// A column that conditions and orders are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Partition,
    Id,
    /// Of an attribute, by its place.
    Attribute(usize),
}

/// A condition; a `?` stands for each of its values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Condition {
    /// Compares so with a value.
    Compares(Column, &'static str),
    /// Is there: documents without it are not of the index.
    IsThere(Column),
    /// Is one of a list. Of PostgreSQL.
    IsAny(Column),
    /// Is one of so many.
    IsIn(Column, usize),
    /// Contains one of so many. Of PostgreSQL.
    Contains(Column, usize),
    /// Comes after a position in the order, or is at it.
    IsBeyond { at: bool },
    /// Was deleted, or was not.
    IsDeleted(bool),
    /// Has not expired.
    Lives,
    /// What is there is what an attribute of several values may be. Of PostgreSQL.
    Fits(usize),
}

/// How the combinations of lists come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Merge {
    /// There are none.
    Nothing,
    /// A lateral join of the lists. Of PostgreSQL.
    Laterally,
    /// A union of so many parts.
    Union(usize),
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reads {
    /// Documents, with their partition if it is not known.
    Documents {
        partition: bool,
    },
    Count,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) reads: Reads,
    /// The index that it reads, by its place.
    pub(super) index: Option<usize>,
    pub(super) conditions: Vec<Condition>,
    /// What has one of several values, whose combinations are merged.
    pub(super) lists: Vec<Column>,
    pub(super) merge: Merge,
    /// By which columns, and whether descending; in any order if by none.
    pub(super) order: Vec<(Column, bool)>,
}

impl Shape {
    /// The statement as the database wants it.
    pub(super) fn render(&self, dialect: &Dialect, naming: &Naming, def: &CollectionDef) -> String {
        let index = self.index.map(|i| &def.indexes[i]);
        let entries = index.is_some_and(|i| has_entries(dialect.json, def, i));
        let mut text = Text { json: dialect.json, def, index, entries, shape: self, order: Vec::new() };
        let own = |&(c, descending): &(Column, bool)| Ordered { column: text.own(c), descending };
        text.order = self.order.iter().map(own).collect();
        dialect.render(naming, &text.statement(), Vec::new()).0.into_owned()
    }
}

/// Whether the entries of an index are a table of their own.
pub(super) fn has_entries(json: Json, def: &CollectionDef, index: &IndexDef) -> bool {
    json != Json::Postgres && names::several(def, index).is_some()
}

struct Text<'a> {
    json: Json,
    def: &'a CollectionDef,
    index: Option<&'a IndexDef>,
    entries: bool,
    shape: &'a Shape,
    order: Vec<Ordered>,
}

impl Text<'_> {
    fn statement(&self) -> String {
        match self.shape.merge {
            _ if self.shape.reads == Reads::Count => {
                format!("SELECT count(*) FROM {}{}", self.from(), self.filter(&[]))
            }
            Merge::Nothing => {
                let columns: Vec<String> = self.columns().map(|c| self.read(c)).collect();
                let order = ordered(&self.order, |o, _| o.column.clone());
                let (columns, from, filter) = (columns.join(", "), self.from(), self.filter(&[]));
                format!("SELECT {columns} FROM {from}{filter}{order} LIMIT ?")
            }
            Merge::Laterally => self.merged_laterally(),
            Merge::Union(parts) => self.merged(parts),
        }
    }

    /// The first of each combination of values in the order of the index, merged: for the whole of a list all that it finds would be
    /// read and sorted. Of PostgreSQL, which is given the lists as they are.
    fn merged_laterally(&self) -> String {
        let lists = self.shape.lists.iter().enumerate();
        let from: Vec<String> = lists.clone().map(|(i, _)| format!("unnest(?) AS l{i} (v)")).collect();
        let is: Vec<String> = lists.map(|(i, c)| format!("{} = l{i}.v", self.own(*c))).collect();
        format!(
            "SELECT {} FROM {} CROSS JOIN LATERAL ({}) AS m{} LIMIT ?",
            self.merged_columns(),
            from.join(" CROSS JOIN "),
            self.part(&is),
            ordered(&self.order, |_, i| format!("m.o{i}"))
        )
    }

    /// The same as a union, with a part for each combination.
    fn merged(&self, parts: usize) -> String {
        let is: Vec<String> = self.shape.lists.iter().map(|c| format!("{} = ?", self.own(*c))).collect();
        let part = match self.json {
            Json::Sqlite => format!("SELECT * FROM ({})", self.part(&is)),
            _ => format!("({})", self.part(&is)),
        };
        format!(
            "SELECT {} FROM ({}) AS m{} LIMIT ?",
            self.merged_columns(),
            vec![part; parts].join(" UNION ALL "),
            ordered(&self.order, |_, i| format!("m.o{i}"))
        )
    }

    /// What of it is merged with others: with the columns of the order beside those of the document.
    fn part(&self, is: &[String]) -> String {
        let columns = self.columns().map(|c| format!("{} AS {c}", self.read(c)));
        let keys = self.order.iter().enumerate().map(|(i, o)| format!("{} AS o{i}", o.column));
        let columns: Vec<String> = columns.chain(keys).collect();
        let order = ordered(&self.order, |o, _| o.column.clone());
        format!("SELECT {} FROM {}{}{order} LIMIT ?", columns.join(", "), self.from(), self.filter(is))
    }

    /// What is read of a document: not its partition, where that is known.
    fn columns(&self) -> impl Iterator<Item = &'static str> + use<> {
        let key = match self.shape.reads {
            Reads::Documents { partition: true } => key_columns(self.def),
            _ => &["id"],
        };
        key.iter().chain(rows::REST).copied()
    }

    fn merged_columns(&self) -> String {
        self.columns().map(|c| format!("m.{c}")).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, column: &str) -> String {
        match (column, self.json) {
            ("data", Json::Postgres) => "d.data::text".to_owned(),
            _ => format!("d.{column}"),
        }
    }

    fn name(&self, column: Column) -> String {
        match column {
            Column::Partition => "partition_key".to_owned(),
            Column::Id => "id".to_owned(),
            Column::Attribute(place) => names::column(&self.def.attributes[place]),
        }
    }

    /// A column of the index: of the entries where they are a table.
    fn own(&self, column: Column) -> String {
        format!("{}.{}", if self.entries { "e" } else { "d" }, self.name(column))
    }

    fn from(&self) -> String {
        let table = names::table(&self.def.name);
        let Some(index) = self.index.filter(|_| self.entries) else {
            return format!("{table} d{}", self.by());
        };
        let on: Vec<String> = key_columns(self.def).iter().map(|c| format!("d.{c} = e.{c}")).collect();
        let join = match self.json {
            Json::Mysql => "STRAIGHT_JOIN",
            // In this order, too.
            _ => "CROSS JOIN",
        };
        format!("{} e {join} {table} d ON {}", names::entries(self.def, index), on.join(" AND "))
    }

    /// The index that core planned with, where the database would choose by statistics that it may not have: a rare value in a large
    /// partition, or an order backwards, is then searched for in another one. PostgreSQL keeps its statistics, and takes no advice.
    fn by(&self) -> String {
        match (self.json, self.index) {
            (Json::Mysql, Some(index)) => format!(" FORCE INDEX ({})", names::index(self.def, index)),
            (Json::Mysql, None) => " FORCE INDEX (PRIMARY)".to_owned(),
            (Json::Sqlite, Some(index)) => format!(" INDEXED BY {}", names::index(self.def, index)),
            _ => String::new(),
        }
    }

    fn filter(&self, more: &[String]) -> String {
        let all: Vec<String> =
            self.shape.conditions.iter().map(|c| self.condition(c)).chain(more.iter().cloned()).collect();
        if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) }
    }

    fn condition(&self, condition: &Condition) -> String {
        match condition {
            Condition::Compares(column, operator) => format!("{} {operator} ?", self.own(*column)),
            Condition::IsThere(column) => format!("{} IS NOT NULL", self.own(*column)),
            Condition::IsAny(column) => format!("{} = ANY(?)", self.own(*column)),
            Condition::IsIn(column, n) => {
                format!("{} IN ({})", self.own(*column), vec!["?"; *n].join(", "))
            }
            Condition::Contains(_, 0) => "(FALSE)".to_owned(),
            Condition::Contains(column, n) => {
                let one = format!("d.{} @> CAST(? AS jsonb)", self.name(*column));
                format!("({})", vec![one; *n].join(" OR "))
            }
            Condition::IsBeyond { at } if is_tuple(self.json, &self.shape.order) => {
                let columns: Vec<&str> = self.order.iter().map(|o| &*o.column).collect();
                let marks = vec!["?"; columns.len()].join(", ");
                let operator = if self.order[0].descending { "<" } else { ">" };
                let or = if *at { "=" } else { "" };
                format!("({}) {operator}{or} ({marks})", columns.join(", "))
            }
            Condition::IsBeyond { at } => beyond(&self.order, *at),
            Condition::IsDeleted(false) => "d.deleted_at IS NULL".to_owned(),
            Condition::IsDeleted(true) => "d.deleted_at IS NOT NULL".to_owned(),
            Condition::Lives => "(d.expires_at IS NULL OR d.expires_at > ?)".to_owned(),
            Condition::Fits(place) => count::fits(&self.def.attributes[*place]),
        }
    }
}
