//! One query for a whole access of an index: what it reads, and the values.

use super::order::{beyond_values, is_tuple};
use super::rows::{id_value, is_partitioned, key_columns, kind_of, scalar};
use super::shape::{Column, Condition, Merge, Reads, Shape, has_entries};
use crate::core::document::find::Start;
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
    dialect: &'a Dialect,
    pub(super) def: &'a CollectionDef,
    pub(super) access: &'a Access,
    pub(super) index: Option<&'a IndexDef>,
    /// The entries are a table of their own.
    pub(super) entries: bool,
    /// What has one of several values.
    lists: Vec<List>,
    pub(super) conditions: Vec<Condition>,
    pub(super) args: Vec<Value>,
}

/// A column that has one of these values, two at least.
struct List {
    column: Column,
    kind: Kind,
    values: Vec<Value>,
}

/// The most parts of a union. PostgreSQL needs none.
const MOST_PARTS: usize = 8;

impl<'a> Query<'a> {
    /// What an access reads.
    pub(super) fn new(dialect: &'a Dialect, def: &'a CollectionDef, access: &'a Access) -> Self {
        let index = access.index.map(|i| &def.indexes[i]);
        let entries = index.is_some_and(|i| has_entries(dialect.json, def, i));
        let (lists, conditions, args) = (Vec::new(), Vec::new(), Vec::new());
        let mut query = Query { dialect, def, access, index, entries, lists, conditions, args };
        query.choose();
        query
    }

    pub(super) fn into_shape(
        self,
        reads: Reads,
        merge: Merge,
        order: Vec<(Column, bool)>,
        lists: Vec<Column>,
    ) -> (Shape, Vec<Value>) {
        let (index, conditions) = (self.access.index, self.conditions);
        (Shape { reads, index, conditions, lists, merge, order }, self.args)
    }

    /// Documents from somewhere on, in the order of the access or in any.
    pub(super) fn select(mut self, start: Start<'_>, limit: usize) -> Result<(Shape, Vec<Value>)> {
        let order = if start == Start::Anywhere { Vec::new() } else { self.order() };
        if let Start::After(after) = start {
            self.go_on(&order, after)?;
        }
        let reads = Reads::Documents { partition: within(self.def, self.access).is_none() };
        let limit = Value::Int(i64::try_from(limit).unwrap_or(i64::MAX));
        if !self.lists.is_empty() && !order.is_empty() {
            let lists = std::mem::take(&mut self.lists);
            if self.dialect.json == Json::Postgres {
                return Ok(self.merged_laterally(reads, order, lists, limit));
            }
            let parts = lists.iter().map(|l| l.values.len()).product::<usize>();
            if parts <= MOST_PARTS {
                return Ok(self.merged(reads, order, lists, limit));
            }
            self.lists = lists;
        }
        self.choose_of_lists();
        self.args.push(limit);
        Ok(self.into_shape(reads, Merge::Nothing, order, Vec::new()))
    }

    fn merged_laterally(
        mut self,
        reads: Reads,
        order: Vec<(Column, bool)>,
        lists: Vec<List>,
        limit: Value,
    ) -> (Shape, Vec<Value>) {
        let columns = lists.iter().map(|list| list.column).collect();
        let mut args: Vec<Value> = lists.into_iter().map(|l| Value::List(l.kind, l.values)).collect();
        args.append(&mut self.args);
        args.extend([limit.clone(), limit]);
        self.args = args;
        self.into_shape(reads, Merge::Laterally, order, columns)
    }

    fn merged(
        mut self,
        reads: Reads,
        order: Vec<(Column, bool)>,
        lists: Vec<List>,
        limit: Value,
    ) -> (Shape, Vec<Value>) {
        let mut all = vec![Vec::new()];
        for list in &lists {
            let with = |before: &Vec<Value>, v: &Value| [&before[..], std::slice::from_ref(v)].concat();
            all = all.iter().flat_map(|before| list.values.iter().map(move |v| with(before, v))).collect();
        }
        let mut args: Vec<Value> = Vec::new();
        for values in &all {
            args.extend(self.args.iter().chain(values).cloned().chain([limit.clone()]));
        }
        args.push(limit);
        self.args = args;
        let columns = lists.iter().map(|list| list.column).collect();
        self.into_shape(reads, Merge::Union(all.len()), order, columns)
    }

    /// The place of an attribute.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.def.attributes.iter().position(|a| a.name == name)
    }

    /// The attribute of a key of the index, with its column.
    fn attribute(&self, key: &str) -> Option<(&'a Attribute, Column)> {
        let place = self.place(key)?;
        Some((&self.def.attributes[place], Column::Attribute(place)))
    }

    /// The keys that are not given by equality.
    fn rest(&self) -> impl Iterator<Item = (Column, Direction)> {
        let keys = self.index.map_or(&[] as &[_], |index| &index.keys);
        let keys = keys.iter().skip(self.access.equal.len());
        keys.filter_map(|k| Some((self.attribute(&k.attribute)?.1, k.direction)))
    }

    fn choose(&mut self) {
        let access = self.access;
        if let Some(partitions) = &access.partitions {
            let values = partitions.iter().map(|p| Value::Text(p.clone())).collect();
            self.is_one_of(Column::Partition, Kind::Text, values);
        }
        let keys = self.index.map_or(&[] as &[_], |index| &index.keys);
        for (key, values) in keys.iter().zip(&access.equal) {
            let Some((a, column)) = self.attribute(&key.attribute) else { continue };
            if a.arity != Arity::One && !self.entries {
                self.contains(a, column, values);
                continue;
            }
            self.is_one_of(column, kind_of(a.ty), values.iter().map(scalar).collect());
        }
        let (low, high) = &access.range;
        let rest: Vec<Column> = self.rest().map(|(column, _)| column).collect();
        for (i, column) in rest.into_iter().enumerate() {
            let ranged = i == 0 && (low, high) != (&Bound::Unbounded, &Bound::Unbounded);
            if ranged {
                self.is_within(column, low, high, scalar);
            } else if !self.entries {
                self.conditions.push(Condition::IsThere(column));
            }
        }
        self.is_within::<DocumentId>(Column::Id, &access.ids.0, &access.ids.1, id_value);
    }

    fn is_one_of(&mut self, column: Column, kind: Kind, mut values: Vec<Value>) {
        if values.len() == 1 {
            self.conditions.push(Condition::Compares(column, "="));
            self.args.append(&mut values);
        } else {
            self.lists.push(List { column, kind, values });
        }
    }

    /// The lists as conditions.
    pub(super) fn choose_of_lists(&mut self) {
        for List { column, kind, mut values } in std::mem::take(&mut self.lists) {
            if self.dialect.json == Json::Postgres {
                self.conditions.push(Condition::IsAny(column));
                self.args.push(Value::List(kind, values));
                continue;
            }
            // Up to a power of two with the last one again, so that there are few statements to prepare.
            if let Some(last) = values.last().cloned() {
                values.resize(values.len().next_power_of_two(), last);
            }
            self.conditions.push(Condition::IsIn(column, values.len()));
            self.args.append(&mut values);
        }
    }

    fn is_within<T>(&mut self, column: Column, low: &Bound<T>, high: &Bound<T>, value: fn(&T) -> Value) {
        let mut bound = |inclusive: &'static str, exclusive: &'static str, bound: &Bound<T>| {
            let (operator, v) = match bound {
                Bound::Included(v) => (inclusive, v),
                Bound::Excluded(v) => (exclusive, v),
                Bound::Unbounded => return,
            };
            self.conditions.push(Condition::Compares(column, operator));
            self.args.push(value(v));
        };
        bound(">=", ">", low);
        bound("<=", "<", high);
    }

    /// Of PostgreSQL: the column of an attribute of several values contains one of these.
    fn contains(&mut self, a: &Attribute, column: Column, values: &[Scalar]) {
        let wanted: Vec<serde_json::Value> = values.iter().flat_map(|v| contained(a, v)).collect();
        self.conditions.push(Condition::Contains(column, wanted.len()));
        self.args.extend(wanted.iter().map(|w| Value::Text(w.to_string())));
    }

    fn order(&self) -> Vec<(Column, bool)> {
        let reverse = self.access.reverse;
        let descending = |direction: Direction| (direction == Direction::Descending) != reverse;
        let id = descending(self.index.map_or(Direction::Ascending, |i| i.id_order));
        let mut order: Vec<_> = self.rest().map(|(column, d)| (column, descending(d))).collect();
        order.push((Column::Id, id));
        if is_partitioned(self.def) && self.access.partitions.as_ref().is_none_or(|p| p.len() > 1) {
            order.push((Column::Partition, id));
        }
        order
    }

    /// Goes on after a position.
    fn go_on(&mut self, order: &[(Column, bool)], after: &Position) -> Result<()> {
        let mut values: Vec<Value> = after.keys.iter().map(scalar).collect();
        values.push(id_value(&after.key.id));
        if let Some(partition) = &after.key.partition {
            values.push(Value::Text(partition.clone()));
        }
        if after.keys.len() != self.rest().count() || values.len() < order.len() {
            return Err(Error::invalid_token("page.token", "damaged position"));
        }
        values.truncate(order.len());
        // The position may be of another alternative, in another partition: of one id theirs come one after the other.
        let at = match (&after.key.partition, within(self.def, self.access), order.last()) {
            (Some(last), Some(own), Some((_, true))) => own < &**last,
            (Some(last), Some(own), Some((_, false))) => own > &**last,
            _ => false,
        };
        self.conditions.push(Condition::IsBeyond { at });
        let tuple = is_tuple(self.dialect.json, order);
        self.args.extend(if tuple { values } else { beyond_values(&values) });
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
