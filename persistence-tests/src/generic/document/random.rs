//! Random documents, random queries: every driver finds what the oracle finds, in its order.

use super::oracle::Oracle;
use crate::build::document::*;
use persistence_core::document::plan::{OrderBy, Question};
use persistence_core::document::write::Pre;
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{Detail, Error, ErrorKind, Timestamp};
use serde_json::{Value, json};
use std::ops::Bound;

const PROJECTS: [&str; 3] = ["p", "q", "r "];
const NAMES: [&str; 6] = ["a", "ab", "ab ", "Ab", "b", "é"];
const OWNERS: [&str; 2] = ["0190a0b0-0000-7000-8000-000000000000", "0190a0b0-0000-7000-8000-0000000000ff"];

fn some<T: Clone>(rng: &mut fastrand::Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())].clone()
}

fn body(rng: &mut fastrand::Rng, project: &str) -> Value {
    let mut body = machine(project, rng.i64(0..6), json!({}));
    let mut put = |rng: &mut fastrand::Rng, name: &str, v: Value| {
        if rng.u8(..3) > 0 {
            body[name] = v;
        }
    };
    let tags: Vec<&str> = (0..rng.usize(..3)).map(|_| some(rng, &NAMES)).collect();
    let (name, owner) = (some(rng, &NAMES), some(rng, &OWNERS));
    put(rng, "name", json!(name));
    put(rng, "owner", json!(owner));
    let kind = rng.i64(-1..3);
    put(rng, "kind", json!(kind));
    let score = some(rng, &[json!(0.5), json!(1), json!(-2.5), json!(2)]);
    put(rng, "score", score);
    let enabled = rng.bool();
    put(rng, "enabled", json!(enabled));
    let state = rng.i64(0..3);
    put(rng, "sync", json!({"state": state}));
    put(rng, "tags", json!(tags));
    let (key, value) = (some(rng, &["env", "team"]), some(rng, &NAMES));
    put(rng, "labels", json!({key: value}));
    let services =
        if rng.bool() { json!({"x": {"resource": name}, "y": {}}) } else { json!([{"resource": value}]) };
    put(rng, "services", services);
    let free = some(rng, &[json!(1), json!("a"), json!(null), json!([1, "a"]), json!({"b": 2})]);
    put(rng, "free", free);
    body
}

fn leaf(rng: &mut fastrand::Rng) -> Filter {
    let name = |rng: &mut fastrand::Rng| Scalar::from(some(rng, &NAMES));
    let list = |rng: &mut fastrand::Rng| {
        (0..rng.usize(..4)).map(|_| Scalar::from(some(rng, &NAMES))).collect::<Vec<_>>()
    };
    let field = some(rng, &["name", "kind", "score", "enabled", "updated_at", "owner", "sync.state", "free"]);
    let constant = match field {
        "name" => name(rng),
        "kind" | "sync.state" => Scalar::I64(rng.i64(-1..3)),
        "score" => some(rng, &[Scalar::F64(0.5), Scalar::I64(1), Scalar::F64(-2.5), Scalar::F64(1.5)]),
        "enabled" => Scalar::Bool(rng.bool()),
        "updated_at" => Scalar::Time(Timestamp(rng.i64(0..12) * 500)),
        "owner" => Scalar::Uuid(some(rng, &OWNERS).parse().unwrap()),
        _ => some(rng, &[Scalar::I64(1), Scalar::from("a"), Scalar::Bool(true)]),
    };
    let p = path(field);
    match rng.u8(..22) {
        0..4 => Filter::eq(path("project"), some(rng, &PROJECTS)),
        4..7 => Filter::eq(p, constant),
        7 => Filter::ne(p, constant),
        8 => Filter::lt(p, constant),
        9 => Filter::le(p, constant),
        10 => Filter::gt(p, constant),
        11 => Filter::ge(p, constant),
        12 => Filter::In(path("name"), list(rng)),
        13 => Filter::NotIn(path("name"), list(rng)),
        14 => Filter::Contains(path("tags"), name(rng)),
        15 => Filter::ContainsAny(path("tags"), list(rng)),
        16 => Filter::ContainsAll(path("tags"), list(rng)),
        17 => Filter::HasEntry(
            path("labels"),
            some(rng, &["env", "team"]).to_owned(),
            some(rng, &NAMES).to_owned(),
        ),
        18 => Filter::Prefix(path("name"), some(rng, &["", "a", "ab", "é", "z"]).to_owned()),
        19 => some(
            rng,
            &[Filter::IsNull(p.clone()), Filter::Exists(p), Filter::HasKey(path("labels"), "env".to_owned())],
        ),
        20 => Filter::Contains(path("services.*.resource"), name(rng)),
        _ => {
            let from = format!("d{:02}", rng.u8(..40));
            Filter::Id(
                Bound::Excluded(from.into()),
                some(rng, &[Bound::Unbounded, Bound::Included("d35".into())]),
            )
        }
    }
}

fn filter(rng: &mut fastrand::Rng, depth: u8) -> Filter {
    match rng.u8(..10) {
        0..5 if depth > 0 => Filter::All((0..rng.usize(..4)).map(|_| filter(rng, depth - 1)).collect()),
        5 if depth > 0 => Filter::Any((0..rng.usize(..4)).map(|_| filter(rng, depth - 1)).collect()),
        _ => leaf(rng),
    }
}

fn order(rng: &mut fastrand::Rng) -> Vec<OrderBy> {
    let mut paths = vec!["updated_at", "kind", "enabled", "sync.state"];
    rng.shuffle(&mut paths);
    let keys = some(rng, &[0, 0, 1, 1, 2, 3]);
    let one = |p: &str, rng: &mut fastrand::Rng| {
        if rng.bool() { OrderBy::asc(path(p)) } else { OrderBy::desc(path(p)) }
    };
    let mut order: Vec<_> = paths[..keys].iter().map(|p| one(p, rng)).collect();
    if rng.u8(..3) == 0 {
        order = vec![OrderBy::desc(path("updated_at"))];
    }
    order
}

/// What an error says to declare answers the query; where it says that nothing does, an index by each attribute does not.
fn advised(def: &CollectionDef, query: &FindDocuments, e: &Error) {
    let Detail::Unindexed { declare, .. } = e.detail() else { panic!("{e}") };
    let one = |i: usize, a: &Attribute| IndexDef::new(format!("each_{i}")).asc(&*a.name);
    let each = def.attributes.iter().enumerate().map(|(i, a)| one(i, a));
    let wider = match declare {
        Some(needed) => needed.added_to(def.clone()),
        None => each.fold(def.clone(), CollectionDef::index),
    };
    wider.validate().unwrap();
    let filter = query.filter.checked(&wider).unwrap();
    let question = Question {
        def: &wider,
        ready: &|_| true,
        filter: &filter,
        order: &query.order,
        id_order: query.id_order,
        unordered: false,
        scan: false,
        hint: None,
    };
    assert_eq!(question.plan().is_ok_and(|plan| !plan.scan), declare.is_some(), "{e}: {query:?}");
}

crate::cases! {
    group: "document";

    /// Random queries on random documents find what they must, in order and in pages of any size; those that need no scan say so
    /// and are answered without one.
    #[covers("document.find_documents", "document.explain_documents", "document.count_documents", "document.find_documents!unindexed")]
    #[kind(Calm)]
    async fn random_queries_find_what_they_must(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let mut rng = t.rng();
        for i in 0..60 {
            let key = at(some(&mut rng, &PROJECTS), &format!("d{:02}", rng.u8(..40)));
            let project = key.partition.clone().unwrap_or_default();
            docs.put(&key, body(&mut rng, &project)).await?;
            if i % 7 == 0 {
                docs.delete(&at(some(&mut rng, &PROJECTS), &format!("d{:02}", rng.u8(..40))), Pre::None).await?;
            }
        }
        let scan = ScanPolicy::Allow { max_documents: 1000 };
        let everything = FindDocuments { scan, ..docs.query(Filter::everything(), &[], 100) };
        let stored = docs.all(&everything).await?;
        assert!(stored.len() > 20, "only {} documents", stored.len());
        let (mut indexed, mut scanned) = (0, 0);
        for _ in 0..150 {
            let (filter, order) = (filter(&mut rng, 2), order(&mut rng));
            let id_order = some(&mut rng, &[None, Some(Direction::Ascending), Some(Direction::Descending)]);
            let size = some(&mut rng, &[1, 2, 5, 50]);
            let query = FindDocuments { id_order, ..docs.query(filter.clone(), &order, size) };
            let asked = format!("{} {query:?}", shown(&filter));
            let explained = docs.explain(&query).await?;
            let found = match docs.all(&query).await {
                Ok(found) => {
                    indexed += 1;
                    assert!(!explained.scan, "{asked}");
                    found
                }
                Err(e) => {
                    scanned += 1;
                    assert_eq!(e.kind(), ErrorKind::Unindexed, "{e}: {asked}");
                    advised(&docs.def, &query, &e);
                    assert!(explained.scan, "{asked}");
                    docs.all(&FindDocuments { scan, ..query.clone() }).await?
                }
            };
            let wanted = Oracle::of(&docs.def).answer(&stored, &filter, &order, id_order);
            let keys = |docs: &[Document]| docs.iter().map(|d| d.key.to_string()).collect::<Vec<_>>();
            assert_eq!(keys(&found), keys(&wanted), "{asked}\n{explained:?}");
            assert_eq!(found, wanted, "the documents themselves");
            assert_eq!(docs.count(filter, scan).await?, wanted.len() as u64, "{asked}");
        }
        assert!(indexed > 20 && scanned > 5, "{indexed} with an index, {scanned} without");
    }
}
