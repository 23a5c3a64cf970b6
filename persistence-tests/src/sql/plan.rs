//! What the database does with the statements of finds: each is answered by the index that core planned it for.

use super::SqlFixture;
use async_trait::async_trait;
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Context, Env, PageRequest, Result};
use persistence_sql::dialect::{Dialect, Json};
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::pool::PoolStatus;
use persistence_sql::value::{Kind, SqlRow, Value};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

type Statement = (String, Vec<Value>);

/// A driver that notes what is asked of documents.
struct Noting {
    inner: Arc<dyn SqlDriver>,
    asked: Arc<Mutex<Vec<Statement>>>,
}

struct Connection {
    inner: Box<dyn SqlConnection>,
    asked: Arc<Mutex<Vec<Statement>>>,
}

#[async_trait]
impl SqlDriver for Noting {
    fn info(&self) -> SqlInfo {
        self.inner.info()
    }

    fn dialect(&self) -> &'static Dialect {
        self.inner.dialect()
    }

    async fn acquire(&self, cx: &Context) -> Result<Box<dyn SqlConnection>> {
        Ok(Box::new(Connection { inner: self.inner.acquire(cx).await?, asked: Arc::clone(&self.asked) }))
    }

    fn pool(&self) -> PoolStatus {
        self.inner.pool()
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        self.inner.schema(op).await
    }

    /// The driver is another's.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl SqlConnection for Connection {
    async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64> {
        self.inner.execute(sql, args).await
    }

    async fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        if table == "documents" {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push((sql.to_owned(), args.clone()));
        }
        self.inner.query(table, sql, args, columns).await
    }

    async fn call(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        self.inner.call(table, sql, args, columns).await
    }

    async fn begin(&mut self, write: bool) -> Result<()> {
        self.inner.begin(write).await
    }

    async fn commit(&mut self) -> Result<()> {
        self.inner.commit().await
    }

    fn serve(&mut self, cx: &Context) {
        self.inner.serve(cx);
    }

    fn retire(&mut self) {
        self.inner.retire();
    }

    async fn rollback(&mut self) -> Result<()> {
        self.inner.rollback().await
    }
}

/// Documents, and projects that they are spread over: enough that a database has a choice.
const DOCUMENTS: i64 = 4000;
const PROJECTS: i64 = 10;
const BATCH: usize = 250;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

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

/// The plan of a statement. Of PostgreSQL whether it can use an index rather than whether it would of so few rows.
async fn plan(conn: &mut dyn SqlConnection, dialect: &Dialect, (sql, args): &Statement) -> Result<String> {
    if dialect.json == Json::Postgres {
        conn.execute("SET enable_seqscan = off", Vec::new()).await?;
    }
    let mut lines = Vec::new();
    for mut row in conn
        .query("plan", &format!("{}{sql}", dialect.explain.prefix), args.clone(), dialect.explain.columns)
        .await?
    {
        row.skip(dialect.explain.columns.len() - 1);
        lines.push(row.text()?);
    }
    if dialect.json == Json::Postgres {
        conn.execute("RESET enable_seqscan", Vec::new()).await?;
    }
    Ok(lines.join("\n"))
}

crate::cases! {
    fixture: SqlFixture;
    group: "plan";

    /// Every kind of find on documents is answered by the index that it was planned for, on first pages and on later ones, and counts
    /// read an index, too.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn finds_use_their_indexes(t) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noting = Noting { inner: t.driver.clone(), asked: Arc::clone(&asked) };
        let (p, cx, dialect) = (persistence_sql::open(Arc::new(noting), Env::default()).await?, t.cx(), t.driver.dialect());
        let collection = "planned".to_owned();
        let ensure = EnsureCollections { definitions: vec![definition(collection.clone())], mode: EnsureMode::Apply };
        p.documents().ensure_collections(&cx, &ensure).await?;
        let writes: Vec<_> = (0..DOCUMENTS).map(|n| write(&collection, n)).collect();
        for writes in writes.chunks(BATCH) {
            let req = WriteDocuments { writes: writes.to_vec(), attempt: AttemptId::new() };
            p.documents().write_documents(&t.cx(), &req).await?;
        }
        let mut conn = t.connection().await?;
        analyze(&mut *conn, t, dialect.json).await?;
        let take = || std::mem::take(&mut *asked.lock().unwrap_or_else(PoisonError::into_inner));
        let mut problems = Vec::new();
        for query in queries() {
            let mut find = FindDocuments::new(&*collection, query.filter.clone(), 5);
            find.order = query.order.clone();
            take();
            let first = p.documents().find_documents(&t.cx(), &find).await?;
            if let Some(token) = first.next {
                find.page = PageRequest::after(5, token);
                p.documents().find_documents(&t.cx(), &find).await?;
            }
            assert!(!first.documents.is_empty(), "{} finds nothing", query.what);
            let filter = query.filter.clone();
            let (deleted, scan) = (Deleted::Hide, ScanPolicy::Forbid);
            let finds = take();
            p.documents().count_documents(&t.cx(), &CountDocuments { collection: collection.clone(), filter, deleted, scan }).await?;
            for (statement, count) in finds.iter().map(|s| (s, false)).chain(take().iter().map(|s| (s, true))) {
                let plan = plan(&mut *conn, dialect, statement).await?;
                // Of what is counted the order is nobody's business, and any index of the partition will do.
                let of_count = Query { what: "", index: query.index, filter: Filter::everything(), order: Vec::new(), ordered: false };
                let problem = problem(dialect.json, &plan, if count { &of_count } else { &query });
                if let Some(wrong) = problem.filter(|wrong| !count || *wrong == "it scans") {
                    problems.push(format!("{}{}: {wrong}\n{}\n{plan}", query.what, if count { ", counted" } else { "" }, statement.0));
                }
            }
        }
        drop(conn);
        p.close().await?;
        assert!(problems.is_empty(), "{} statements:\n{}", problems.len(), problems.join("\n\n"));
    }
}

/// Tells the database how much there is.
async fn analyze(conn: &mut dyn SqlConnection, t: &SqlFixture, json: Json) -> Result<()> {
    match json {
        Json::Postgres => conn.execute("ANALYZE", Vec::new()).await?,
        Json::Mysql => {
            let sql = t.sql("ANALYZE TABLE d_planned");
            conn.query("plan", &sql, Vec::new(), &[Kind::Text; 4]).await?.len() as u64
        }
        _ => 0,
    };
    Ok(())
}
