//! One connection: how MySQL carries values.

use crate::error::{classify, is_fatal};
use crate::store::Connections;
use persistence_sql::value::{Kind, Value};
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::query::Query;
use sqlx::{MySql, Row};
use uuid::Uuid;

persistence_sql::sqlx_connection! {
    database: MySql,
    maker: Connections,
    arguments: MySqlArguments,
    row: MySqlRow,
    bind: bind,
    read: read,
    classify: classify,
    fatal: is_fatal,
    begin: [
        // READ COMMITTED, as the session was set up.
        "START TRANSACTION",
        // Two statements, one round trip. The level is that of the next transaction only.
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
    ],
}

fn bind(query: Query<'static, MySql, MySqlArguments>, arg: Value) -> Query<'static, MySql, MySqlArguments> {
    match arg {
        Value::Int(v) => query.bind(v),
        Value::Text(v) => query.bind(v),
        Value::Bytes(v) => query.bind(Vec::from(v)),
        Value::Uuid(v) => query.bind(v),
        Value::Float(v) => query.bind(v),
        Value::Null(Kind::Text) => query.bind(None::<String>),
        Value::Null(Kind::Bytes | Kind::Uuid) => query.bind(None::<Vec<u8>>),
        _ => query.bind(None::<i64>),
    }
}

/// Unchecked: the statements know their columns, and narrow integers are read as wide ones.
fn read(row: &MySqlRow, i: usize, kind: Kind) -> Result<Value, sqlx::Error> {
    let null = Value::Null(kind);
    Ok(match kind {
        Kind::Int => row.try_get_unchecked::<Option<i64>, _>(i)?.map_or(null, Value::Int),
        Kind::Text => row.try_get_unchecked::<Option<String>, _>(i)?.map_or(null, Value::Text),
        Kind::Bytes => {
            row.try_get_unchecked::<Option<Vec<u8>>, _>(i)?.map_or(null, |v| Value::Bytes(v.into()))
        }
        Kind::Uuid => row.try_get_unchecked::<Option<Uuid>, _>(i)?.map_or(null, Value::Uuid),
        Kind::Float => row.try_get_unchecked::<Option<f64>, _>(i)?.map_or(null, Value::Float),
    })
}
