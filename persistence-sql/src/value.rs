//! Values as they cross the driver boundary: bound and read natively, never formatted into text.

use crate::core::{Error, Result, ShardId};
use bytes::Bytes;
use uuid::Uuid;

/// The type of a column or parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A 64-bit integer.
    Int,
    /// Text, compared by exact bytes.
    Text,
    /// Bytes.
    Bytes,
    /// A UUID, in the database's native form.
    Uuid,
    /// A 64-bit floating point number, never NaN.
    Float,
}

/// A value to bind, or one that was read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// NULL of a type.
    Null(Kind),
    /// A 64-bit integer.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
    /// A UUID.
    Uuid(Uuid),
    /// A floating point number.
    Float(f64),
    /// A list of values of one kind, none of them NULL: for databases that bind arrays.
    List(Kind, Vec<Value>),
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}

impl From<i32> for Value {
    fn from(v: i32) -> Self {
        Value::Int(v.into())
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::Text(v.to_owned())
    }
}

impl From<Bytes> for Value {
    fn from(v: Bytes) -> Self {
        Value::Bytes(v)
    }
}

impl From<Vec<u8>> for Value {
    fn from(v: Vec<u8>) -> Self {
        Value::Bytes(v.into())
    }
}

impl From<Uuid> for Value {
    fn from(v: Uuid) -> Self {
        Value::Uuid(v)
    }
}

impl Value {
    /// An integer or NULL.
    pub fn opt(v: Option<i64>) -> Self {
        v.map_or(Value::Null(Kind::Int), Value::Int)
    }
}

/// The columns of rows, each as a list.
pub(crate) fn columns(kinds: &[Kind], rows: Vec<Vec<Value>>) -> Vec<Value> {
    let mut columns: Vec<Vec<Value>> = kinds.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    kinds.iter().zip(columns).map(|(kind, column)| Value::List(*kind, column)).collect()
}

/// A row that was read, taken column by column from the left.
#[derive(Debug)]
pub struct SqlRow {
    table: &'static str,
    columns: std::vec::IntoIter<Value>,
}

impl SqlRow {
    /// A row of these values; `table` names it should it be damaged.
    pub fn new(table: &'static str, columns: Vec<Value>) -> Self {
        SqlRow { table, columns: columns.into_iter() }
    }

    /// Passes over columns.
    pub fn skip(&mut self, columns: usize) {
        self.columns.by_ref().take(columns).for_each(drop);
    }

    /// All columns that are left.
    pub(crate) fn values(self) -> Vec<Value> {
        self.columns.collect()
    }

    fn damaged(&self) -> Error {
        Error::corrupted(self.table, "a column has another type, or is NULL, or is missing")
    }

    /// The next column: an integer.
    pub fn int(&mut self) -> Result<i64> {
        match self.columns.next() {
            Some(Value::Int(v)) => Ok(v),
            _ => Err(self.damaged()),
        }
    }

    /// The next column: the number of a shard.
    pub(crate) fn shard(&mut self) -> Result<ShardId> {
        i32::try_from(self.int()?).map(ShardId).map_err(|_| self.damaged())
    }

    /// The next column: an integer or NULL.
    pub fn opt_int(&mut self) -> Result<Option<i64>> {
        match self.columns.next() {
            Some(Value::Int(v)) => Ok(Some(v)),
            Some(Value::Null(_)) => Ok(None),
            _ => Err(self.damaged()),
        }
    }

    /// The next column: text.
    pub fn text(&mut self) -> Result<String> {
        match self.columns.next() {
            Some(Value::Text(v)) => Ok(v),
            _ => Err(self.damaged()),
        }
    }

    /// The next column: bytes.
    pub fn bytes(&mut self) -> Result<Bytes> {
        match self.columns.next() {
            Some(Value::Bytes(v)) => Ok(v),
            _ => Err(self.damaged()),
        }
    }

    /// The next column: a UUID.
    pub fn uuid(&mut self) -> Result<Uuid> {
        match self.columns.next() {
            Some(Value::Uuid(v)) => Ok(v),
            _ => Err(self.damaged()),
        }
    }
}
