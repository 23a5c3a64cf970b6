//! What only PostgreSQL's statements can do.

use crate::support::*;
use driver_postgres::Builder;
use persistence_sql::core::{Context, ErrorKind, Outcome as Applied};
use persistence_sql::driver::{SchemaOp, SqlDriver};
use persistence_sql::value::{Kind, Value};
use persistence_sql::{Class, Naming, SchemaSettings, class};
use uuid::Uuid;

pub(crate) async fn arrays_come_back() -> Outcome {
    let db = open(&format!("{}/postgres", server().await)).await.unwrap();
    let columns = [
        (Kind::Int, vec![Value::Int(i64::MIN), Value::Null(Kind::Int), Value::Int(i64::MAX)]),
        (Kind::Text, vec!["".into(), Value::Text("🦀,\"{}'\\ NULL ".repeat(50)), Value::Null(Kind::Text)]),
        (
            Kind::Bytes,
            vec![
                Value::Null(Kind::Bytes),
                Value::Bytes(Vec::new().into()),
                Value::Bytes((0..=255).cycle().take(3 << 20).collect::<Vec<u8>>().into()),
            ],
        ),
        (Kind::Uuid, vec![Uuid::nil().into(), Uuid::max().into(), Value::Null(Kind::Uuid)]),
    ];
    let args = columns.iter().map(|(kind, list)| Value::List(*kind, list.clone())).collect();
    let sql = "SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::uuid[])";
    let mut conn = db.acquire(&Context::new()).await.unwrap();
    let kinds = columns.each_ref().map(|(kind, _)| *kind);
    let rows = conn.query("test", sql, args, &kinds).await.unwrap();
    assert_eq!(rows.len(), 3);
    for (i, mut row) in rows.into_iter().enumerate() {
        let [int, text, bytes, uuid] = columns.each_ref().map(|(_, list)| &list[i]);
        assert_eq!(&Value::opt(row.opt_int().unwrap()), int);
        // A NULL is no text, which is what reading one says.
        assert_eq!(row.text().ok().map(Value::Text), Some(text.clone()).filter(|v| !is_null(v)));
        assert_eq!(row.bytes().ok().map(Value::Bytes), Some(bytes.clone()).filter(|v| !is_null(v)));
        assert_eq!(row.uuid().ok().map(Value::Uuid), Some(uuid.clone()).filter(|v| !is_null(v)));
    }
    let none = kinds.iter().map(|kind| Value::List(*kind, Vec::new())).collect();
    assert!(conn.query("test", sql, none, &kinds).await.unwrap().is_empty());
    drop(conn);
    db.close().await.unwrap();
    PASSED
}

fn is_null(value: &Value) -> bool {
    matches!(value, Value::Null(_))
}

pub(crate) async fn a_transaction_that_cannot_be_ordered_is_told() -> Outcome {
    let (db, table) = (admin().await, fresh("ordered"));
    run(&db, &format!("CREATE TABLE {table} AS SELECT 0::bigint AS n")).await.unwrap();
    let mut conn = db.acquire(&Context::new()).await.unwrap();
    conn.begin(true).await.unwrap();
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", Vec::new()).await.unwrap();
    conn.execute(&format!("SELECT n FROM {table}"), Vec::new()).await.unwrap();
    run(&db, &format!("UPDATE {table} SET n = 1")).await.unwrap();
    let e = conn.execute(&format!("UPDATE {table} SET n = 2"), Vec::new()).await.unwrap_err();
    assert_eq!((e.kind(), class(&e)), (ErrorKind::Unavailable, Some(Class::Serialization)), "{e:?}");
    assert_eq!(e.outcome(), Applied::NotApplied);
    conn.rollback().await.unwrap();
    drop(conn);
    assert_eq!(number(&db, &format!("SELECT n FROM {table}"), Vec::new()).await.unwrap(), 1);
    run(&db, &format!("DROP TABLE {table}")).await.unwrap();
    db.close().await.unwrap();
    PASSED
}

pub(crate) async fn health_and_plans() -> Outcome {
    let schema = fresh("plans");
    let naming = Naming::default().with_schema(Some(&schema)).unwrap().with_prefix("p_").unwrap();
    let db = Builder::new(&format!("{}/postgres", server().await)).unwrap();
    let db = db.with_schema(SchemaSettings::named(naming)).open().await.unwrap();
    let cx = Context::new();
    let sick = persistence_sql::health(&db, &cx).await.unwrap_err();
    assert_eq!(sick.kind(), ErrorKind::Unavailable, "there is no schema yet");
    let current = db.schema(SchemaOp::Setup).await.unwrap().current;
    let health = persistence_sql::health(&db, &cx).await.unwrap();
    assert_eq!((health.schema, health.pool.in_use), (current, 0));
    let plan = "SELECT record FROM executions WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ?";
    let args = vec![1.into(), Uuid::nil().into(), "w".into()];
    let plan = persistence_sql::explain(&db, &cx, plan, args).await.unwrap();
    assert!(plan.contains("p_executions_pkey") && plan.contains("Index"), "{plan}");
    run(&db, &format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    db.close().await.unwrap();
    PASSED
}
