//! One connection: how PostgreSQL carries values.

use crate::error::classify;
use persistence_sql::value::{Kind, Value};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row};
use uuid::Uuid;

persistence_sql::sqlx_connection! {
    database: Postgres,
    arguments: PgArguments,
    row: PgRow,
    bind: bind,
    read: read,
    classify: classify,
    begin: ["BEGIN ISOLATION LEVEL READ COMMITTED", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"],
}

fn bind(query: Query<'static, Postgres, PgArguments>, arg: Value) -> Query<'static, Postgres, PgArguments> {
    match arg {
        Value::Int(v) => query.bind(v),
        Value::Text(v) => query.bind(v),
        Value::Bytes(v) => query.bind(Vec::from(v)),
        Value::Uuid(v) => query.bind(v),
        Value::Null(Kind::Text) => query.bind(None::<String>),
        Value::Null(Kind::Bytes) => query.bind(None::<Vec<u8>>),
        Value::Null(Kind::Uuid) => query.bind(None::<Uuid>),
        _ => query.bind(None::<i64>),
    }
}

fn read(row: &PgRow, i: usize, kind: Kind) -> Result<Value, sqlx::Error> {
    let null = Value::Null(kind);
    Ok(match kind {
        Kind::Int => row.try_get::<Option<i64>, _>(i)?.map_or(null, Value::Int),
        Kind::Text => row.try_get::<Option<String>, _>(i)?.map_or(null, Value::Text),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(i)?.map_or(null, |v| Value::Bytes(v.into())),
        Kind::Uuid => row.try_get::<Option<Uuid>, _>(i)?.map_or(null, Value::Uuid),
    })
}
