//! One query for a whole access of an index.

use super::order::{Ordered, beyond, ordered};
use super::rows::{id_value, is_partitioned, key_columns, kind_of, scalar};
use super::{names, rows};
use crate::core::document::plan::{Access, Position};
use crate::core::document::{
    Arity, Attribute, CollectionDef, Direction, DocumentId, IndexDef, KeyType, Scalar, TimeUnit,
};
use crate::core::{Error, Result};
use crate::dialect::{Dialect, Json};
use crate::value::{Kind, Value};
use std::ops::Bound;

/// A statement as it grows.
pub(super) struct Query<'a> {
    pub(super) dialect: &'a Dialect,
    pub(super) def: &'a CollectionDef,
    pub(super) access: &'a Access,
    pub(super) index: Option<&'a IndexDef>,
    /// The entries are a table of their own.
    pub(super) entries: bool,
    /// What has one of several values.
    lists: Vec<List>,
    pub(super) conditions: Vec<String>,
    pub(super) args: Vec<Value>,
}

/// A column that has one of these values, two at least.
struct List {
    column: String,
    kind: Kind,
    values: Vec<Value>,
}

/// The most parts of a union. PostgreSQL needs none.
const MOST_PARTS: usize = 8;

impl<'a> Query<'a> {
    /// What an access reads.
    pub(super) fn new(dialect: &'a Dialect, def: &'a CollectionDef, access: &'a Access) -> Self {
        let index = access.index.map(|i| &def.indexes[i]);
        let several = index.is_some_and(|i| names::several(def, i).is_some());
        let entries = several && dialect.json != Json::Postgres;
        let (lists, conditions, args) = (Vec::new(), Vec::new(), Vec::new());
        let mut query = Query { dialect, def, access, index, entries, lists, conditions, args };
        query.choose();
        query
    }

    /// Documents after a position, in the order of the access.
    pub(super) fn select(mut self, after: Option<&Position>, limit: usize) -> Result<(String, Vec<Value>)> {
        let order = self.order();
        if let Some(after) = after {
            self.go_on(&order, after)?;
        }
        // All partitions in the order of ids: nothing keeps that, and whoever asks for it sorts.
        let unordered = self.index.is_none()
            && is_partitioned(self.def)
            && self.access.partitions.is_none()
            && after.is_none();
        let limit = Value::Int(i64::try_from(limit).unwrap_or(i64::MAX));
        if !self.lists.is_empty() && !unordered {
            if self.dialect.json == Json::Postgres {
                return Ok(self.merged_laterally(&order, limit));
            }
            if self.lists.iter().map(|l| l.values.len()).product::<usize>() <= MOST_PARTS {
                return Ok(self.merged(&order, &limit));
            }
        }
        self.choose_of_lists();
        let columns: Vec<String> = self.columns().map(|c| self.read(c)).collect();
        let mut sql = format!("SELECT {} FROM {}{}", columns.join(", "), self.from(), self.filter());
        if !unordered {
            sql.push_str(&ordered(&order, |o, _| o.column.clone()));
        }
        sql.push_str(" LIMIT ?");
        self.args.push(limit);
        Ok((sql, self.args))
    }

    /// The first of each combination of values in the order of the index, merged: for the whole of a list all that it finds would be
    /// read and sorted. Of PostgreSQL, which is given the lists as they are.
    fn merged_laterally(mut self, order: &[Ordered], limit: Value) -> (String, Vec<Value>) {
        let (mut args, mut from) = (Vec::new(), Vec::new());
        for (i, list) in std::mem::take(&mut self.lists).into_iter().enumerate() {
            from.push(format!("unnest(?) AS l{i} (v)"));
            args.push(Value::List(list.kind, list.values));
            self.conditions.push(format!("{} = l{i}.v", list.column));
        }
        let part = self.part(order);
        args.append(&mut self.args);
        args.extend([limit.clone(), limit]);
        let from = from.join(" CROSS JOIN ");
        let sql = format!(
            "SELECT {} FROM {from} CROSS JOIN LATERAL ({part}) AS m{} LIMIT ?",
            self.merged_columns(),
            ordered(order, |_, i| format!("m.o{i}"))
        );
        (sql, args)
    }

    /// The same as a union, with a part for each combination.
    fn merged(mut self, order: &[Ordered], limit: &Value) -> (String, Vec<Value>) {
        let lists = std::mem::take(&mut self.lists);
        self.conditions.extend(lists.iter().map(|list| format!("{} = ?", list.column)));
        let mut all = vec![Vec::new()];
        for list in &lists {
            let with = |before: &Vec<Value>, v: &Value| [&before[..], std::slice::from_ref(v)].concat();
            all = all.iter().flat_map(|before| list.values.iter().map(move |v| with(before, v))).collect();
        }
        let part = match self.dialect.json {
            Json::Sqlite => format!("SELECT * FROM ({})", self.part(order)),
            _ => format!("({})", self.part(order)),
        };
        let mut args: Vec<Value> = Vec::new();
        for values in &all {
            args.extend(self.args.iter().chain(values).cloned().chain([limit.clone()]));
        }
        args.push(limit.clone());
        let sql = format!(
            "SELECT {} FROM ({}) AS m{} LIMIT ?",
            self.merged_columns(),
            vec![part; all.len()].join(" UNION ALL "),
            ordered(order, |_, i| format!("m.o{i}"))
        );
        (sql, args)
    }

    /// What of it is merged with others: with the columns of the order beside those of the document.
    fn part(&self, order: &[Ordered]) -> String {
        let columns = self.columns().map(|c| format!("{} AS {c}", self.read(c)));
        let keys = order.iter().enumerate().map(|(i, o)| format!("{} AS o{i}", o.column));
        let columns: Vec<String> = columns.chain(keys).collect();
        let order = ordered(order, |o, _| o.column.clone());
        format!("SELECT {} FROM {}{}{order} LIMIT ?", columns.join(", "), self.from(), self.filter())
    }

    /// What is read of a document: not its partition, where that is known.
    fn columns(&self) -> impl Iterator<Item = &'static str> + use<> {
        let key = match within(self.def, self.access) {
            Some(_) => &["id"],
            None => key_columns(self.def),
        };
        key.iter().chain(rows::REST).copied()
    }

    fn merged_columns(&self) -> String {
        self.columns().map(|c| format!("m.{c}")).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, column: &str) -> String {
        match (column, self.dialect.json) {
            ("data", Json::Postgres) => "d.data::text".to_owned(),
            _ => format!("d.{column}"),
        }
    }

    /// What of the index is a column of it: of the entries where they are a table.
    fn own(&self, column: &str) -> String {
        format!("{}.{column}", if self.entries { "e" } else { "d" })
    }

    pub(super) fn from(&self) -> String {
        let table = names::table(&self.def.name);
        let Some(index) = self.index.filter(|_| self.entries) else {
            return format!("{table} d{}", self.by());
        };
        let on: Vec<String> = key_columns(self.def).iter().map(|c| format!("d.{c} = e.{c}")).collect();
        let join = match self.dialect.json {
            Json::Mysql => "STRAIGHT_JOIN",
            // In this order, too.
            _ => "CROSS JOIN",
        };
        format!("{} e {join} {table} d ON {}", names::entries(self.def, index), on.join(" AND "))
    }

    /// The index that core planned with, where the database would choose by statistics that it may not have: a rare value in a large
    /// partition, or an order backwards, is then searched for in another one. PostgreSQL keeps its statistics, and takes no advice.
    fn by(&self) -> String {
        match (self.dialect.json, self.index) {
            (Json::Mysql, Some(index)) => format!(" FORCE INDEX ({})", names::index(self.def, index)),
            (Json::Mysql, None) => " FORCE INDEX (PRIMARY)".to_owned(),
            (Json::Sqlite, Some(index)) => format!(" INDEXED BY {}", names::index(self.def, index)),
            _ => String::new(),
        }
    }

    pub(super) fn filter(&self) -> String {
        if self.conditions.is_empty() {
            return String::new();
        }
        format!(" WHERE {}", self.conditions.join(" AND "))
    }

    fn attribute(&self, key: usize) -> Option<&'a Attribute> {
        self.def.attribute_named(&self.index?.keys.get(key)?.attribute)
    }

    /// The keys that are not given by equality.
    fn rest(&self) -> Vec<(&'a Attribute, Direction)> {
        let Some(index) = self.index else { return Vec::new() };
        let keys = index.keys.iter().skip(self.access.equal.len());
        keys.filter_map(|k| Some((self.def.attribute_named(&k.attribute)?, k.direction))).collect()
    }

    fn choose(&mut self) {
        let access = self.access;
        if let Some(partitions) = &access.partitions {
            let column = self.own("partition_key");
            let values = partitions.iter().map(|p| Value::Text(p.clone())).collect();
            self.is_one_of(&column, Kind::Text, values);
        }
        for (i, values) in access.equal.iter().enumerate() {
            let Some(a) = self.attribute(i) else { continue };
            if a.arity != Arity::One && !self.entries {
                self.contains(a, values);
                continue;
            }
            let column = self.own(&names::column(a));
            self.is_one_of(&column, kind_of(a.ty), values.iter().map(scalar).collect());
        }
        let (low, high) = &access.range;
        for (i, (a, _)) in self.rest().into_iter().enumerate() {
            let column = self.own(&names::column(a));
            let ranged = i == 0 && (low, high) != (&Bound::Unbounded, &Bound::Unbounded);
            if ranged {
                self.is_within(&column, low, high, scalar);
            } else if !self.entries {
                // Documents without it are not of the index.
                self.conditions.push(format!("{column} IS NOT NULL"));
            }
        }
        let column = self.own("id");
        self.is_within::<DocumentId>(&column, &access.ids.0, &access.ids.1, id_value);
    }

    fn is_one_of(&mut self, column: &str, kind: Kind, mut values: Vec<Value>) {
        if values.len() == 1 {
            self.conditions.push(format!("{column} = ?"));
            self.args.append(&mut values);
        } else {
            self.lists.push(List { column: column.to_owned(), kind, values });
        }
    }

    /// The lists as conditions.
    pub(super) fn choose_of_lists(&mut self) {
        for List { column, kind, mut values } in std::mem::take(&mut self.lists) {
            if self.dialect.json == Json::Postgres {
                self.conditions.push(format!("{column} = ANY(?)"));
                self.args.push(Value::List(kind, values));
                continue;
            }
            // Up to a power of two with the last one again, so that there are few statements to prepare.
            if let Some(last) = values.last().cloned() {
                values.resize(values.len().next_power_of_two(), last);
            }
            let marks = vec!["?"; values.len()].join(", ");
            self.conditions.push(format!("{column} IN ({marks})"));
            self.args.append(&mut values);
        }
    }

    fn is_within<T>(&mut self, column: &str, low: &Bound<T>, high: &Bound<T>, value: fn(&T) -> Value) {
        let mut bound = |inclusive: &str, exclusive: &str, bound: &Bound<T>| {
            let (operator, v) = match bound {
                Bound::Included(v) => (inclusive, v),
                Bound::Excluded(v) => (exclusive, v),
                Bound::Unbounded => return,
            };
            self.conditions.push(format!("{column} {operator} ?"));
            self.args.push(value(v));
        };
        bound(">=", ">", low);
        bound("<=", "<", high);
    }

    /// Of PostgreSQL: the column of an attribute of several values contains one of these.
    fn contains(&mut self, a: &Attribute, values: &[Scalar]) {
        let column = format!("d.{}", names::column(a));
        let wanted: Vec<serde_json::Value> = values.iter().flat_map(|v| contained(a, v)).collect();
        let any: Vec<String> = wanted.iter().map(|_| format!("{column} @> CAST(? AS jsonb)")).collect();
        let any = if any.is_empty() { "FALSE".to_owned() } else { any.join(" OR ") };
        self.conditions.push(format!("({any})"));
        self.args.extend(wanted.iter().map(|w| Value::Text(w.to_string())));
    }

    fn order(&self) -> Vec<Ordered> {
        let reverse = self.access.reverse;
        let ordered = |column: &str, direction: Direction| Ordered {
            column: self.own(column),
            descending: (direction == Direction::Descending) != reverse,
        };
        let id = self.index.map_or(Direction::Ascending, |i| i.id_order);
        let mut order: Vec<Ordered> =
            self.rest().into_iter().map(|(a, d)| ordered(&names::column(a), d)).collect();
        order.push(ordered("id", id));
        if is_partitioned(self.def) && self.access.partitions.as_ref().is_none_or(|p| p.len() > 1) {
            order.push(ordered("partition_key", id));
        }
        order
    }

    /// Goes on after a position.
    fn go_on(&mut self, order: &[Ordered], after: &Position) -> Result<()> {
        let mut values: Vec<Value> = after.keys.iter().map(scalar).collect();
        values.push(id_value(&after.key.id));
        if let Some(partition) = &after.key.partition {
            values.push(Value::Text(partition.clone()));
        }
        let keys = self.rest().len();
        if after.keys.len() != keys || values.len() < order.len() {
            return Err(Error::invalid_token("page.token", "damaged position"));
        }
        values.truncate(order.len());
        let one_way = order.iter().all(|o| o.descending == order[0].descending);
        if self.dialect.json == Json::Postgres && one_way && order.len() > 1 {
            let columns: Vec<&str> = order.iter().map(|o| &*o.column).collect();
            let marks = vec!["?"; order.len()].join(", ");
            let operator = if order[0].descending { "<" } else { ">" };
            self.conditions.push(format!("({}) {operator} ({marks})", columns.join(", ")));
            self.args.append(&mut values);
            return Ok(());
        }
        let condition = beyond(order, &values, &mut self.args);
        self.conditions.push(condition);
        Ok(())
    }
}

/// What the column of PostgreSQL contains where an attribute of several values has this one: all that it may have been.
fn contained(a: &Attribute, v: &Scalar) -> Vec<serde_json::Value> {
    if let (Arity::Entries, Scalar::Str(entry)) = (a.arity, v) {
        let splits = entry.match_indices('=');
        let object = |(at, _): (usize, &str)| {
            let (key, value) = (&entry[..at], &entry[at + 1..]);
            serde_json::Value::Object([(key.to_owned(), value.into())].into_iter().collect())
        };
        return splits.map(object).collect();
    }
    let element = match v {
        Scalar::Bool(b) => (*b).into(),
        Scalar::I64(i) => (*i).into(),
        Scalar::F64(f) => (*f).into(),
        Scalar::Str(s) => s.as_str().into(),
        Scalar::Uuid(id) => id.to_string().into(),
        Scalar::Time(t) if a.ty == KeyType::Time(TimeUnit::Seconds) => {
            if t.0 % 1000 != 0 {
                return Vec::new();
            }
            (t.0 / 1000).into()
        }
        Scalar::Time(t) => t.0.into(),
    };
    vec![serde_json::Value::Array(vec![element])]
}

/// The only partition that an access reads.
pub(super) fn within<'a>(def: &CollectionDef, access: &'a Access) -> Option<&'a str> {
    match access.partitions.as_deref() {
        Some([one]) if is_partitioned(def) => Some(one),
        _ => None,
    }
}

/// A condition that the rows of a key's list satisfy.
pub(super) fn keyed(dialect: &Dialect, def: &CollectionDef, keys: usize) -> String {
    dialect.key_in(key_columns(def), keys)
}

/// How the body of a document is bound.
pub(super) fn body_mark(json: Json) -> &'static str {
    if json == Json::Postgres { "CAST(? AS jsonb)" } else { "?" }
}
