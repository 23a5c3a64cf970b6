//! What is said of a query that no index answers is true: with what it names there is an answer.

use crate::build::document::*;
use crate::build::expect::failed;
use persistence_core::document::needed::Needed;
use persistence_core::document::plan::OrderBy;
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{Detail, ErrorKind, Result};
use serde_json::json;

const SCAN: ScanPolicy = ScanPolicy::Allow { max_documents: 100 };

/// Documents of a collection without an index.
async fn seeded(t: &crate::Fixture) -> Result<Docs> {
    let docs = Docs::ensured(t, CollectionDef { indexes: Vec::new(), ..machines(t) }).await?;
    for i in 0..9_i32 {
        let project = if i % 2 == 0 { "p" } else { "q" };
        let mut more = json!({
            "kind": i % 3, "score": f64::from(i) / 2.0, "tags": [format!("t{}", i % 3)], "free": i % 4,
            "labels": {"env": (if i < 6 { "dev" } else { "prd" })}, "more": {"colours": ["red", format!("c{}", i % 2)]},
            "services": {"a": {"resource": format!("r{}", i % 5)}}, "sync": {"state": i % 4},
        });
        if i % 2 == 0 {
            more["name"] = format!("app-{i}").into();
        }
        docs.put(&at(project, &format!("d{i}")), machine(project, i64::from(100 - i), more)).await?;
    }
    Ok(docs)
}

/// Queries that an index would answer.
fn answerable() -> Vec<(Filter, Vec<OrderBy>)> {
    let newest = || vec![OrderBy::desc(path("updated_at"))];
    let exists = |at: &str| Filter::Exists(path(at));
    let named = || Filter::Prefix(path("name"), "app-".to_owned());
    vec![
        (Filter::everything(), vec![]),
        (Filter::everything(), vec![OrderBy::desc(path("sync.state"))]),
        (Filter::id("d5"), newest()),
        (Filter::eq(path("kind"), 1), vec![]),
        (Filter::In(path("kind"), vec![1.into(), 2.into()]), newest()),
        (Filter::eq(path("enabled"), false).and(Filter::ne(path("name"), "app-2")), newest()),
        (named(), newest()),
        (named(), vec![OrderBy::desc(path("name"))]),
        (Filter::gt(path("score"), 1.5).and(Filter::eq(path("kind"), 0)), vec![]),
        (exists("name"), vec![]),
        (exists("name").and(Filter::IsNull(path("owner"))), vec![OrderBy::asc(path("name"))]),
        (Filter::Contains(path("tags"), "t1".into()), newest()),
        (Filter::Contains(path("services.*.resource"), "r4".into()), vec![]),
        (Filter::HasEntry(path("labels"), "env".to_owned(), "prd".to_owned()), vec![]),
        (Filter::ge(path("free"), 2), vec![]),
        (Filter::ContainsAny(path("more.colours"), vec!["c1".into(), "blue".into()]), newest()),
        (Filter::Any(vec![named(), exists("owner")]), vec![]),
        (
            Filter::Any(vec![Filter::lt(path("score"), 1), Filter::eq(path("free"), 3), Filter::id("d6")]),
            newest(),
        ),
    ]
}

/// Queries that no index would answer, and what of them it could not decide.
fn hopeless() -> Vec<(Filter, &'static str)> {
    let key = Filter::HasKey(path("labels"), "env".to_owned());
    let either = Filter::Any(vec![Filter::eq(path("kind"), 1), Filter::IsNull(path("owner"))]);
    vec![
        (Filter::ne(path("name"), "app-2"), "no index can decide name != …: "),
        (Filter::NotIn(path("kind"), vec![1.into()]), "no index can decide kind not in …: "),
        (Filter::IsNull(path("owner")), "no index can decide owner is null: "),
        (key, "no index can decide that labels has a key"),
        (Filter::ContainsAll(path("tags"), vec![]), "no index can decide that tags is an array: "),
        (
            Filter::Exists(path("other")),
            "no index can decide that other exists (unless it is declared as an attribute",
        ),
        (either, "no index can decide owner is null: "),
    ]
}

/// What is said where nothing may be scanned.
async fn unindexed(docs: &Docs, query: &FindDocuments) -> (String, Option<Needed>) {
    let e = failed(docs.page(query).await, ErrorKind::Unindexed);
    let Detail::Unindexed { advice, declare } = e.detail() else { panic!("{e}") };
    (advice.clone(), declare.as_deref().cloned())
}

/// A definition with what each of several queries needs, under other names.
fn with_all(mut def: CollectionDef, all: &[Needed]) -> CollectionDef {
    for needed in all {
        let mut indexes = needed.indexes.clone();
        for new in &needed.attributes {
            let there = def.attributes.iter().find(|a| a.path == new.path).map(|a| a.name.clone());
            let keys = indexes.iter_mut().flat_map(|i| &mut i.keys).filter(|k| k.attribute == new.name);
            match there {
                Some(name) => keys.for_each(|k| k.attribute.clone_from(&name)),
                None => def.attributes.push(new.clone()),
            }
        }
        for index in indexes {
            let name = format!("needed_{}", def.indexes.len());
            let same = |i: &IndexDef| (&i.keys, i.id_order) == (&index.keys, index.id_order);
            if !def.indexes.iter().any(same) {
                def.indexes.push(IndexDef { name, ..index });
            }
        }
    }
    def
}

crate::cases! {
    group: "document";

    /// A query that no index answers is answered without a scan when what its error names is declared, and finds what a scan found.
    #[covers("document.find_documents!unindexed", "document.ensure_collections", "document.explain_documents")]
    #[kind(Calm)]
    async fn what_an_error_names_answers_the_query(t) {
        let mut docs = seeded(t).await?;
        let ids = |found: Vec<Document>| found.into_iter().map(|d| d.key.id.to_string()).collect::<Vec<_>>();
        let (mut all, mut wanted) = (Vec::new(), Vec::new());
        for (filter, order) in answerable() {
            let query = docs.query(filter.clone(), &order, 4);
            let (advice, needed) = unindexed(&docs, &query).await;
            assert!(advice.starts_with("declare an index of "), "{advice}");
            all.push(needed.unwrap_or_else(|| panic!("{query:?}: {advice}")));
            let found = ids(docs.all(&FindDocuments { scan: SCAN, ..query }).await?);
            assert!(!found.is_empty(), "{filter:?}");
            wanted.push(found);
        }
        docs.def = with_all(docs.def, &all);
        docs.ensure(EnsureMode::Apply).await?;
        for ((filter, order), wanted) in answerable().into_iter().zip(wanted) {
            let query = docs.query(filter.clone(), &order, 4);
            let explained = docs.explain(&query).await?;
            assert!(!explained.scan, "{query:?}: {explained:?}");
            assert_eq!(ids(docs.all(&query).await?), wanted, "{query:?}: {explained:?}");
            assert_eq!(docs.count(filter, ScanPolicy::Forbid).await?, wanted.len() as u64, "{query:?}");
        }
    }

    /// Where no index would help the error says so, and which condition it is.
    #[covers("document.find_documents!unindexed", "document.count_documents!unindexed")]
    async fn what_no_index_answers_is_said(t) {
        let docs = seeded(t).await?;
        for (filter, wanted) in hopeless() {
            let query = docs.query(filter.clone(), &[], 4);
            let (advice, needed) = unindexed(&docs, &query).await;
            assert!(advice.starts_with(wanted) && advice.ends_with("or allow a scan"), "{advice}");
            assert_eq!(needed, None, "{query:?}");
            failed(docs.count(filter.clone(), ScanPolicy::Forbid).await, ErrorKind::Unindexed);
            let found = docs.all(&FindDocuments { scan: SCAN, ..query }).await?;
            assert_eq!(docs.count(filter, SCAN).await?, found.len() as u64);
        }
    }
}
