//! One connection: how SQLite carries values.

use crate::error::{classify, is_fatal};
use crate::store::Connections;
use persistence_sql::value::{Kind, Value};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite};
use uuid::Uuid;

persistence_sql::sqlx_connection! {
    database: Sqlite,
    maker: Connections,
    arguments: SqliteArguments,
    row: SqliteRow,
    bind: bind,
    read: read,
    classify: classify,
    fatal: is_fatal,
    begin: ["BEGIN IMMEDIATE", "BEGIN"],
}

fn bind(
    query: Query<'static, Sqlite, SqliteArguments>,
    arg: Value,
) -> Query<'static, Sqlite, SqliteArguments> {
    match arg {
        Value::Int(v) => query.bind(v),
        Value::Text(v) => query.bind(v),
        Value::Bytes(v) => query.bind(Vec::from(v)),
        Value::Uuid(v) => query.bind(v.into_bytes().to_vec()),
        Value::Float(v) => query.bind(v),
        _ => query.bind(None::<i64>),
    }
}

/// Unchecked, because SQLite's columns have types of their values.
fn read(row: &SqliteRow, i: usize, kind: Kind) -> Result<Value, sqlx::Error> {
    let null = Value::Null(kind);
    Ok(match kind {
        Kind::Int => row.try_get_unchecked::<Option<i64>, _>(i)?.map_or(null, Value::Int),
        Kind::Text => row.try_get_unchecked::<Option<String>, _>(i)?.map_or(null, Value::Text),
        Kind::Bytes => {
            row.try_get_unchecked::<Option<Vec<u8>>, _>(i)?.map_or(null, |v| Value::Bytes(v.into()))
        }
        Kind::Float => row.try_get_unchecked::<Option<f64>, _>(i)?.map_or(null, Value::Float),
        Kind::Uuid => {
            let bytes = row.try_get_unchecked::<Option<Vec<u8>>, _>(i)?;
            bytes.and_then(|b| Uuid::from_slice(&b).ok()).map_or(null, Value::Uuid)
        }
    })
}
