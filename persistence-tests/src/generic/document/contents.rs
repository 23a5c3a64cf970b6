//! What documents hold stays out of what is told of a refusal. Ids and partitions do not: they name the document.

use crate::build::document::*;
use crate::build::expect::{everything, failed};
use persistence_core::document::collection::{Collection, Documented};
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, PageRequest, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::Debug;

/// What must not be seen.
const MARKER: &str = "hunter2";

/// The error of a call that must have failed like this, and shows nothing of what documents hold.
#[track_caller]
fn refused<T: Debug>(result: Result<T>, kind: ErrorKind) {
    let said = everything(&failed(result, kind));
    assert!(!said.contains(MARKER), "{said}");
    // Nor as bytes.
    assert!(!said.contains("104, 117, 110, 116"), "{said}");
}

/// Accounts, whose names are secrets for once.
fn vault(t: &crate::Fixture) -> CollectionDef {
    CollectionDef::new(collection_name(t), IdKind::Text)
        .partition_by(path("project"))
        .attribute(Attribute::new("name", path("name"), KeyType::Str { max: 40 }))
        .attribute(Attribute::new("mail", path("mail"), KeyType::Str { max: 40 }))
        .attribute(Attribute::new("kind", path("kind"), KeyType::I64))
        .attribute(Attribute::new("owner", path("owner"), KeyType::Uuid))
        .attribute(Attribute::new("tag", path("tags"), KeyType::Str { max: 40 }).elements())
        .attribute(Attribute::new("label", path("labels"), KeyType::Str { max: 40 }).entries())
        .index(IndexDef::new("one_name").in_partition().asc("name").unique())
        .index(IndexDef::new("one_kind").in_partition().asc("mail").asc("kind").unique_live())
        .index(IndexDef::new("by_mail").in_partition().asc("mail"))
        .index(IndexDef::new("by_tag").in_partition().asc("tag"))
        .max_bytes(2_000)
}

/// A document of the vault that holds the marker wherever it can, and another value somewhere.
fn secret(member: &str, value: Value) -> Value {
    let mut body = json!({"project": "p", "mail": MARKER, "note": MARKER, "tags": [MARKER], MARKER: MARKER});
    body[member] = value;
    body
}

/// A document of which a program believes that the word is a number.
#[derive(Debug, Serialize, Deserialize)]
struct Safe {
    name: String,
    word: u64,
}

impl Documented for Safe {
    fn definition() -> CollectionDef {
        CollectionDef::new("conformance_safe", IdKind::Text)
    }

    fn key(&self) -> DocumentKey {
        DocumentKey::new(&*self.name)
    }
}

crate::cases! {
    group: "document";

    /// Refusals of writes show nothing of what documents hold, neither in words nor for debugging nor in what caused them.
    #[covers("document.write_documents!already_exists", "document.write_documents!too_large", "document.write_documents!invalid_argument", "document.write_documents!condition_failed", "document.write_documents!not_found")]
    #[kind(Calm)]
    async fn refusals_of_writes_show_no_contents(t) {
        use ErrorKind::*;
        let docs = Docs::ensured(t, vault(t)).await?;
        let (a, b) = (at("p", "a"), at("p", "b"));
        let named = |mail: &str| secret("name", json!(MARKER)).as_object().map(|o| {
            let mut body = o.clone();
            body.insert("mail".to_owned(), json!(mail));
            body.insert("kind".to_owned(), json!(1));
            Value::Object(body)
        }).unwrap();
        let stored = docs.put(&a, named(MARKER)).await?;

        // The key itself, and both unique indexes, also of two documents of one call.
        refused(docs.put_if(&a, named(MARKER), Pre::Absent).await, AlreadyExists);
        refused(docs.put(&b, named("other")).await, AlreadyExists);
        refused(docs.put(&b, secret("kind", json!(1))).await, AlreadyExists);
        let put = |key, body| docs.one(key, Pre::None, Action::Put { body, expires: None });
        refused(docs.write(vec![put(&a, named("x")), put(&b, named("y"))]).await, AlreadyExists);
        refused(docs.write(vec![put(&b, secret("name", json!("n"))), put(&at("p", "c"), named("y"))]).await, AlreadyExists);

        let long = MARKER.repeat(400);
        refused(docs.put(&b, secret("note", json!(long))).await, TooLarge);
        let many: Vec<String> = (0..1_001).map(|n| format!("{n}")).collect();
        let large = Docs { def: CollectionDef { max_bytes: 100_000, ..vault(t) }, ..docs.clone() };
        large.ensure(EnsureMode::Apply).await?;
        refused(large.put(&b, secret("tags", json!(many))).await, InvalidArgument);

        for (member, value) in [
            ("name", json!([MARKER])),
            ("name", json!({MARKER: MARKER})),
            ("name", json!(MARKER.repeat(6))),
            ("kind", json!(MARKER)),
            ("owner", json!(MARKER)),
            ("tags", json!(MARKER)),
            ("tags", json!([MARKER, 1])),
            ("labels", json!({MARKER: 1})),
            ("labels", json!({"a": MARKER.repeat(6)})),
            ("note", json!(format!("{MARKER}\0"))),
            ("project", json!(MARKER)),
        ] {
            refused(docs.put(&b, secret(member, value)).await, InvalidArgument);
        }
        refused(docs.put(&b, json!(MARKER)).await, InvalidArgument);

        let is_not = |at: &str| Pre::Match(Filter::ne(path(at), MARKER));
        refused(docs.put_if(&a, named(MARKER), Pre::Version(7)).await, ConditionFailed);
        for condition in [is_not("name"), is_not("note"), Pre::Match(Filter::Prefix(path("mail"), format!("{MARKER}!")))] {
            refused(docs.delete(&a, condition.clone()).await, ConditionFailed);
            refused(docs.delete(&b, condition).await, NotFound);
        }
        refused(docs.delete(&a, Pre::Match(Filter::eq(path("kind"), MARKER))).await, InvalidArgument);
        assert_eq!(docs.get(&a).await?, Some(stored));
        assert_eq!(docs.get(&b).await?, None);
    }

    /// Refusals of queries show no constants of conditions, and a value that is none of the type that reads it is not shown either.
    #[covers("document.find_documents!invalid_argument", "document.find_documents!invalid_token", "document.find_documents!unindexed", "document.count_documents!unindexed")]
    #[kind(Calm)]
    async fn refusals_of_queries_show_no_contents(t) {
        use ErrorKind::*;
        let docs = Docs::ensured(t, vault(t)).await?;
        for id in ["a", "b", "c"] {
            docs.put(&at("p", id), secret("name", json!(format!("{MARKER}-{id}")))).await?;
        }
        let is = |at: &str| Filter::eq(path(at), MARKER);
        let of_p = || Filter::eq(path("project"), "p");
        let ask = |filter: Filter| docs.query(filter, &[], 1);
        for filter in [
            is("note"),
            Filter::Any(vec![is("note"), is("name")]),
            Filter::Contains(path("words"), MARKER.into()),
            Filter::HasEntry(path("labels"), MARKER.to_owned(), MARKER.to_owned()),
            Filter::HasKey(path("labels"), MARKER.to_owned()),
            Filter::ne(path("note"), MARKER),
        ] {
            refused(docs.page(&ask(filter.clone())).await, Unindexed);
            refused(docs.count(filter, ScanPolicy::Forbid).await, Unindexed);
        }
        for filter in [
            is("kind"),
            is("owner"),
            Filter::eq(path("name"), format!("{MARKER}\0")),
            Filter::Prefix(path("name"), MARKER.repeat(200)),
            Filter::In(path("kind"), vec![1.into(), MARKER.into()]),
            Filter::HasEntry(path("labels"), MARKER.to_owned(), MARKER.repeat(40)),
        ] {
            refused(docs.page(&ask(of_p().and(filter))).await, InvalidArgument);
        }
        let query = ask(of_p().and(is("mail")));
        let next = docs.page(&query).await?.next.unwrap();
        for filter in [of_p(), of_p().and(Filter::Prefix(path("mail"), MARKER.to_owned()))] {
            let other = FindDocuments { page: PageRequest::after(1, next.clone()), ..ask(filter) };
            refused(docs.page(&other).await, InvalidToken);
        }
        let sorted = FindDocuments { order: vec![OrderBy::asc(path("note"))], ..query };
        refused(docs.page(&sorted).await, InvalidArgument);

        let (cx, safes) = (t.cx(), Collection::<Safe>::new(t.p.clone()));
        safes.ensure(&cx).await?;
        let key = DocumentKey::new(t.name("safe"));
        let name = key.id.to_string();
        Docs::declared(t, Safe::definition()).put(&key, json!({"name": name, "word": MARKER})).await?;
        refused(safes.get(&cx, &key).await, Corrupted);
        refused(safes.update(&cx, &key, |_| unreachable!()).await, Corrupted);
    }

    /// An index that is to be unique and cannot, since documents have the same value, does not show that value.
    #[covers("document.ensure_collections")]
    #[kind(Calm)]
    async fn an_index_that_cannot_be_built_shows_no_contents(t) {
        let unique = vault(t);
        let mut def = unique.clone();
        def.indexes.retain(|i| i.name == "by_mail");
        let docs = Docs::ensured(t, def).await?;
        for id in ["a", "b"] {
            docs.put(&at("p", id), secret("name", json!(MARKER))).await?;
        }
        let unique = Docs { def: unique, ..docs.clone() };
        refused(unique.ensure(EnsureMode::Apply).await, ErrorKind::AlreadyExists);
    }
}
