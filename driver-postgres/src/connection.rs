//! One connection: how PostgreSQL carries values.

use crate::error::{classify, is_fatal};
use crate::store::Connections;
use persistence_sql::value::{Kind, Value};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row};
use uuid::Uuid;

persistence_sql::sqlx_connection! {
    database: Postgres,
    maker: Connections,
    arguments: PgArguments,
    row: PgRow,
    bind: bind,
    read: read,
    classify: classify,
    fatal: is_fatal,
    begin: ["BEGIN ISOLATION LEVEL READ COMMITTED", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"],
}

fn bind(query: Query<'static, Postgres, PgArguments>, arg: Value) -> Query<'static, Postgres, PgArguments> {
    match arg {
        Value::Int(v) => query.bind(v),
        Value::Text(v) => query.bind(v),
        Value::Bytes(v) => query.bind(Vec::from(v)),
        Value::Uuid(v) => query.bind(v),
        Value::Float(v) => query.bind(v),
        Value::Null(Kind::Text) => query.bind(None::<String>),
        Value::Null(Kind::Bytes) => query.bind(None::<Vec<u8>>),
        Value::Null(Kind::Uuid) => query.bind(None::<Uuid>),
        Value::Null(Kind::Float) => query.bind(None::<f64>),
        Value::List(kind, list) => bind_list(query, kind, list),
        _ => query.bind(None::<i64>),
    }
}

fn bind_list(
    query: Query<'static, Postgres, PgArguments>,
    kind: Kind,
    list: Vec<Value>,
) -> Query<'static, Postgres, PgArguments> {
    macro_rules! list {
        ($kind:ident, $v:ident => $value:expr) => {
            list.into_iter().map(|v| if let Value::$kind($v) = v { Some($value) } else { None }).collect()
        };
    }
    match kind {
        Kind::Int => query.bind::<Vec<Option<i64>>>(list!(Int, v => v)),
        Kind::Text => query.bind::<Vec<Option<String>>>(list!(Text, v => v)),
        Kind::Bytes => query.bind::<Vec<Option<Vec<u8>>>>(list!(Bytes, v => Vec::from(v))),
        Kind::Uuid => query.bind::<Vec<Option<Uuid>>>(list!(Uuid, v => v)),
        Kind::Float => query.bind::<Vec<Option<f64>>>(list!(Float, v => v)),
    }
}

fn read(row: &PgRow, i: usize, kind: Kind) -> Result<Value, sqlx::Error> {
    let null = Value::Null(kind);
    Ok(match kind {
        Kind::Int => row.try_get::<Option<i64>, _>(i)?.map_or(null, Value::Int),
        Kind::Text => row.try_get::<Option<String>, _>(i)?.map_or(null, Value::Text),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(i)?.map_or(null, |v| Value::Bytes(v.into())),
        Kind::Uuid => row.try_get::<Option<Uuid>, _>(i)?.map_or(null, Value::Uuid),
        Kind::Float => row.try_get::<Option<f64>, _>(i)?.map_or(null, Value::Float),
    })
}
