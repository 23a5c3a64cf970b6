//! What the database does with the statements of finds: each is answered by the index that core planned it for.

use super::SqlFixture;
use super::noting::{Noting, Statement};
use crate::build::document::path;
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Env, PageRequest, Result};
use persistence_sql::dialect::{Dialect, Json};
use persistence_sql::driver::SqlConnection;
use persistence_sql::value::{Kind, SqlRow, Value};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// Documents, and projects that they are spread over: enough that a database has a choice.
const DOCUMENTS: i64 = 4000;
const PROJECTS: i64 = 10;
const BATCH: usize = 250;

fn definition(name: String) -> CollectionDef {
    let text = KeyType::Str { max: 64 };
    CollectionDef::new(name, IdKind::Uuid)
        .partition_by(path("project"))
        .attribute(Attribute::new("name", path("name"), text).required())
        .attribute(Attribute::new("score", path("score"), KeyType::F64))
        .attribute(Attribute::new("status", path("status"), KeyType::I64).default_value(0))
        .attribute(Attribute::new("kind", path("kind"), KeyType::I64).required())
        .attribute(Attribute::new("enabled", path("enabled"), KeyType::Bool).default_value(false))
        .attribute(Attribute::new("owner", path("owner"), KeyType::Uuid))
        .attribute(Attribute::new("updated", path("updated_at"), KeyType::Time(TimeUnit::Seconds)).required())
        .attribute(Attribute::new("tag", path("tags"), text).elements())
        .attribute(Attribute::new("label", path("labels"), text).entries())
        .index(IndexDef::new("page").in_partition().desc("updated"))
        .index(IndexDef::new("mixed").in_partition().asc("kind").desc("updated"))
        .index(IndexDef::new("by_status").in_partition().asc("status").desc("updated"))
        .index(IndexDef::new("by_name").asc("name"))
        .index(IndexDef::new("by_score").asc("score"))
        .index(IndexDef::new("by_owner").asc("owner").desc("updated"))
        .index(IndexDef::new("by_state").asc("enabled").asc("updated"))
        .index(IndexDef::new("by_tag").asc("tag"))
        .index(IndexDef::new("by_label").asc("label"))
}

fn owner(n: i64) -> Uuid {
    Uuid::from_u128(u128::from(n.unsigned_abs()) + 1)
}

fn write(collection: &str, n: i64) -> DocumentWrite {
    let project = format!("p{}", n % PROJECTS);
    let body = json!({
        "project": project,
        "name": format!("name-{n:05}"),
        "score": n,
        "status": n / PROJECTS % 20,
        "kind": n / PROJECTS % 3,
        "enabled": n % 100 == 0,
        "owner": owner(n / 4),
        "updated_at": n * 7919 % DOCUMENTS,
        "tags": [format!("t{}", n % 200), format!("u{}", n % 300)],
        "labels": {"team": format!("t{}", n % 100)},
        "filler": "x".repeat(200),
    });
    DocumentWrite {
        collection: collection.to_owned(),
        key: DocumentKey::within(project, Uuid::from_u128(u128::from(n.unsigned_abs()) * 0x9e37_79b9)),
        pre: Pre::Absent,
        action: Action::Put { body, expires: None },
    }
}

/// A query, and what of the plan it is seen by.
struct Query {
    what: &'static str,
    index: &'static str,
    filter: Filter,
    order: Vec<OrderBy>,
    /// The index gives the order.
    ordered: bool,
}

fn queries() -> Vec<Query> {
    let query = |what, index, filter, order: &[OrderBy]| Query {
        what,
        index,
        filter,
        order: order.to_vec(),
        ordered: true,
    };
    let eq = |p: &str, v: Scalar| Filter::eq(path(p), v);
    let project = || eq("project", "p3".into());
    let names = |n: i64| (0..n).map(|i| Scalar::from(format!("name-{:05}", i * 97))).collect();
    let newest = [OrderBy::desc(path("updated_at"))];
    vec![
        query("equality", "by_name", eq("name", "name-00042".into()), &[]),
        query(
            "range",
            "by_score",
            Filter::ge(path("score"), 50.0).and(Filter::lt(path("score"), 60.0)),
            &[OrderBy::asc(path("score"))],
        ),
        Query { ordered: false, ..query("list", "by_name", Filter::In(path("name"), names(20)), &[]) },
        query(
            "prefix",
            "by_name",
            Filter::Prefix(path("name"), "name-001".to_owned()),
            &[OrderBy::asc(path("name"))],
        ),
        query("UUID", "by_owner", eq("owner", owner(7).into()), &newest),
        query("boolean", "by_state", eq("enabled", true.into()), &[OrderBy::asc(path("updated_at"))]),
        query("element", "by_tag", Filter::Contains(path("tags"), "t7".into()), &[]),
        query("entry", "by_label", Filter::HasEntry(path("labels"), "team".to_owned(), "t7".to_owned()), &[]),
        query("order", "page", project(), &newest),
        query("order backwards", "page", project(), &[OrderBy::asc(path("updated_at"))]),
        query("two keys of an order", "mixed", project(), &[OrderBy::asc(path("kind")), newest[0].clone()]),
        query("equality and order", "by_status", project().and(eq("status", 3.into())), &newest),
        Query {
            ordered: false,
            ..query(
                "list and order",
                "by_status",
                project().and(Filter::In(path("status"), (0..4).map(Scalar::I64).collect())),
                &newest,
            )
        },
        query("a partition by id", "", project(), &[]),
    ]
}

/// What is wrong with a plan.
fn problem(json: Json, plan: &str, query: &Query) -> Option<&'static str> {
    let several = ["by_tag", "by_label"].contains(&query.index);
    let scans: &[&str] = match json {
        Json::Postgres => &["Seq Scan on d_"],
        Json::Mysql => &["Table scan on d ", "Table scan on e ", "Index scan on"],
        _ => &["SCAN d", "SCAN e"],
    };
    if scans.iter().any(|scan| plan.contains(scan)) {
        return Some("it scans");
    }
    let named = match (json, query.index, several) {
        (Json::Postgres, "", _) => plan.contains("_pkey"),
        (Json::Mysql, "", _) => plan.contains("PRIMARY"),
        // Entries are in a table of their own, by its primary key.
        (Json::Mysql | Json::Sqlite, _, true) => plan.contains("PRIMARY"),
        (_, "", _) => plan.contains("autoindex") || plan.contains("PRIMARY KEY"),
        (_, index, _) => plan.contains(&format!("_{index}_")),
    };
    if !named {
        return Some("it uses another index");
    }
    let sorts = ["Sort", "TEMP B-TREE"].iter().any(|sort| plan.contains(sort));
    (sorts && query.ordered && !(several && json == Json::Postgres)).then_some("it sorts")
}

/// The plans of a statement. Of PostgreSQL whether it can use an index rather than whether it would of so few rows; with the values
/// that it was asked with, and for any values, as it plans what is asked often.
async fn plans(
    conn: &mut dyn SqlConnection,
    dialect: &Dialect,
    (sql, args): &Statement,
) -> Result<Vec<String>> {
    let explained = format!("{}{sql}", dialect.explain.prefix);
    let columns = dialect.explain.columns;
    if dialect.json != Json::Postgres {
        return Ok(vec![lines(conn.query("plan", &explained, args.clone(), columns).await?, columns.len())?]);
    }
    let (types, nulls) = (args.iter().map(type_of).collect::<Vec<_>>(), vec!["NULL"; args.len()]);
    conn.execute("SET enable_seqscan = off", Vec::new()).await?;
    conn.execute("SET plan_cache_mode = force_generic_plan", Vec::new()).await?;
    conn.execute(&format!("PREPARE asked ({}) AS {sql}", types.join(", ")), Vec::new()).await?;
    let generic = format!("EXPLAIN EXECUTE asked ({})", nulls.join(", "));
    let generic = lines(conn.query("plan", &generic, Vec::new(), columns).await?, 1)?;
    conn.execute("DEALLOCATE asked", Vec::new()).await?;
    conn.execute("RESET plan_cache_mode", Vec::new()).await?;
    let custom = lines(conn.query("plan", &explained, args.clone(), columns).await?, 1)?;
    conn.execute("RESET enable_seqscan", Vec::new()).await?;
    Ok(vec![custom, generic])
}

fn lines(rows: Vec<SqlRow>, columns: usize) -> Result<String> {
    let line = |mut row: SqlRow| {
        row.skip(columns - 1);
        row.text()
    };
    Ok(rows.into_iter().map(line).collect::<Result<Vec<_>>>()?.join("\n"))
}

/// As what a parameter of PostgreSQL is bound.
fn type_of(value: &Value) -> String {
    let of = |kind: &Kind| match kind {
        Kind::Int => "bigint",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Uuid => "uuid",
        Kind::Float => "float8",
    };
    match value {
        Value::List(kind, _) => format!("{}[]", of(kind)),
        Value::Null(kind) => of(kind).to_owned(),
        Value::Int(_) => of(&Kind::Int).to_owned(),
        Value::Bytes(_) => of(&Kind::Bytes).to_owned(),
        Value::Uuid(_) => of(&Kind::Uuid).to_owned(),
        Value::Float(_) => of(&Kind::Float).to_owned(),
        _ => of(&Kind::Text).to_owned(),
    }
}

/// What is wrong with the statements of all queries on a collection whose indexes were declared with it, or later.
async fn problems(t: &SqlFixture, collection: &str, later: bool) -> Result<Vec<String>> {
    let noting = Noting::new(t.driver.clone());
    let take = noting.taking();
    let (p, dialect) = (persistence_sql::open(Arc::new(noting), Env::default()).await?, t.driver.dialect());
    let declared = definition(collection.to_owned());
    let mut first = declared.clone();
    if later {
        first.indexes.clear();
        first.attributes.clear();
    }
    let ensure = |def| EnsureCollections { definitions: vec![def], mode: EnsureMode::Apply };
    p.documents().ensure_collections(&t.cx(), &ensure(first)).await?;
    let writes: Vec<_> = (0..DOCUMENTS).map(|n| write(collection, n)).collect();
    for writes in writes.chunks(BATCH) {
        let req = WriteDocuments { writes: writes.to_vec(), attempt: AttemptId::new() };
        p.documents().write_documents(&t.cx(), &req).await?;
    }
    p.documents().ensure_collections(&t.cx(), &ensure(declared)).await?;
    let mut conn = t.connection().await?;
    analyze(&mut *conn, t, dialect.json, collection).await?;
    let mut problems = Vec::new();
    for query in queries() {
        let mut find = FindDocuments::new(collection, query.filter.clone(), 5);
        find.order = query.order.clone();
        take();
        let first = p.documents().find_documents(&t.cx(), &find).await?;
        if let Some(token) = first.next {
            find.page = PageRequest::after(5, token);
            p.documents().find_documents(&t.cx(), &find).await?;
        }
        assert!(!first.documents.is_empty(), "{} finds nothing", query.what);
        let finds = take();
        let count = CountDocuments {
            collection: collection.to_owned(),
            filter: query.filter.clone(),
            deleted: Deleted::Hide,
            scan: ScanPolicy::Forbid,
        };
        p.documents().count_documents(&t.cx(), &count).await?;
        let counts = take();
        // Which documents have an entry is decided on them.
        let by_database = counts.iter().all(|(sql, _)| sql.starts_with("SELECT count(*)"));
        assert!(by_database || query.what == "entry", "{} is counted by reading: {counts:?}", query.what);
        for (statement, count) in finds.iter().map(|s| (s, false)).chain(counts.iter().map(|s| (s, true))) {
            for plan in plans(&mut *conn, dialect, statement).await? {
                let problem = problem(dialect.json, &plan, &query);
                // Of what is counted the order is nobody's business, and any index of the partition will do.
                if let Some(wrong) = problem.filter(|wrong| !count || *wrong == "it scans") {
                    let what = format!("{}{}", query.what, if count { ", counted" } else { "" });
                    problems.push(format!("{what}: {wrong}\n{}\n{plan}", statement.0));
                }
            }
        }
    }
    drop(conn);
    p.close().await?;
    Ok(problems)
}

crate::cases! {
    fixture: SqlFixture;
    group: "plan";

    /// Every kind of find on documents is answered by the index that it was planned for, on first pages and on later ones, and counts
    /// read an index, too.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn finds_use_their_indexes(t) {
        let problems = problems(t, "planned", false).await?;
        assert!(problems.is_empty(), "{} statements:\n{}", problems.len(), problems.join("\n\n"));
    }

    /// The same of indexes that are declared when the documents are there.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn finds_use_indexes_that_came_later(t) {
        let problems = problems(t, "grown", true).await?;
        assert!(problems.is_empty(), "{} statements:\n{}", problems.len(), problems.join("\n\n"));
    }
}

/// Tells the database how much there is.
async fn analyze(conn: &mut dyn SqlConnection, t: &SqlFixture, json: Json, collection: &str) -> Result<()> {
    match json {
        Json::Postgres => conn.execute("ANALYZE", Vec::new()).await?,
        Json::Mysql => {
            let sql = t.sql(&format!("ANALYZE TABLE d_{collection}"));
            conn.query("plan", &sql, Vec::new(), &[Kind::Text; 4]).await?.len() as u64
        }
        _ => 0,
    };
    Ok(())
}
