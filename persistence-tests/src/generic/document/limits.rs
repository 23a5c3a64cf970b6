//! Limits that are those of every driver: of constants in conditions, of what a document holds, of what a call changes.

use crate::Fixture;
use crate::build::document::*;
use crate::build::expect::{failed, invalid};
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, Outcome, Result};
use serde_json::{Value, json};
use std::ops::Bound;
use uuid::Uuid;

crate::cases! {
    group: "document";

    /// Text with U+0000, ids of another kind, and ids, entries and indexed texts that are longer than any can be, are refused in every
    /// kind of condition, also in those of a write; the longest ones find what they should.
    #[covers("document.find_documents!invalid_argument", "document.count_documents!invalid_argument",
        "document.explain_documents!invalid_argument", "document.write_documents!invalid_argument")]
    async fn constants_that_no_document_holds_are_invalid(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let (long_id, long_text) = ("\u{1f600}".repeat(255), "x".repeat(40));
        let more = json!({"name": long_text, "labels": {"k": "=".repeat(38)}, "free": "y".repeat(2000)});
        docs.put(&at("p", &long_id), machine("p", 1, more)).await?;
        let project = || Filter::eq(path("project"), "p");
        let entry = |p: &str, k: &str, v: &str| Filter::HasEntry(path(p), k.to_owned(), v.to_owned());
        for filter in [
            Filter::eq(path("name"), "a\0b"),
            Filter::ne(path("free"), "\0"),
            Filter::lt(path("name"), "x".repeat(1021)),
            Filter::eq(path("project"), "\0"),
            Filter::eq(path("project"), "x".repeat(1021)),
            Filter::In(path("name"), vec!["a".into(), "b\0".into()]),
            Filter::NotIn(path("free"), vec!["b\0".into()]),
            Filter::Contains(path("tags"), "\0a".into()),
            Filter::ContainsAll(path("tags"), vec!["a".into(), "\0".into()]),
            Filter::ContainsAny(path("services.*.resource"), vec!["\0".into()]),
            Filter::Prefix(path("name"), "a\0".to_owned()),
            Filter::Prefix(path("free"), "\0".to_owned()),
            Filter::HasKey(path("labels"), "\0".to_owned()),
            entry("labels", "a\0", "b"),
            entry("labels", "a", "b\0"),
            entry("labels", "k", &"=".repeat(39)),
            entry("free", "a", "b\0"),
            Filter::id("a\0"),
            Filter::id("\u{1f600}".repeat(256)),
            Filter::Id(Bound::Excluded("a\0".into()), Bound::Unbounded),
            Filter::Id(Bound::Unbounded, Bound::Excluded(Uuid::nil().into())),
            Filter::id(Uuid::nil()),
        ] {
            for filter in [filter.clone(), Filter::Any(vec![project().and(filter)])] {
                let query = FindDocuments { scan: ScanPolicy::Allow { max_documents: 10 }, ..docs.query(filter.clone(), &[], 5) };
                invalid(docs.page(&query).await);
                invalid(docs.explain(&query).await);
                invalid(docs.count(filter.clone(), query.scan).await);
                invalid(docs.write(vec![docs.one(&at("p", "b"), Pre::Match(filter), Action::Delete)]).await);
            }
        }
        for filter in [
            Filter::id(&*long_id),
            Filter::Id(Bound::Included("".into()), Bound::Unbounded),
            Filter::eq(path("name"), &*long_text),
            project().and(Filter::lt(path("name"), "y".repeat(1020))),
            project().and(Filter::eq(path("free"), "y".repeat(2000))),
            project().and(entry("labels", "k", &"=".repeat(38))),
            project().and(Filter::HasKey(path("labels"), "k".to_owned())),
        ] {
            assert_eq!(docs.ids(filter.clone(), &[]).await?, [&*long_id], "{filter:?}");
        }
        let uuids = CollectionDef::new(collection_name(t), IdKind::Uuid);
        let docs = Docs::ensured(t, uuids.index(IndexDef::new("by_id"))).await?;
        docs.put(&DocumentKey::new(Uuid::max()), json!({})).await?;
        invalid(docs.page(&docs.query(Filter::id("a"), &[], 5)).await);
        invalid(docs.page(&docs.query(Filter::Id(Bound::Included("".into()), Bound::Unbounded), &[], 5)).await);
        assert_eq!(docs.ids(Filter::id(Uuid::max()), &[]).await?, [Uuid::max().to_string()]);
    }

    /// A document may have all the values that an attribute may have, and as many entries as indexes may have of it; all of them may
    /// be replaced at once. One more is too large.
    #[covers("document.write_documents", "document.write_documents!too_large", "document.write_documents!invalid_argument")]
    #[kind(Calm)]
    async fn as_many_values_as_are_allowed(t) {
        let docs = Docs::ensured(t, tagged(t)).await?;
        let (key, p) = (at("p", "a"), || Filter::eq(path("p"), "p"));
        for round in [0, 1] {
            docs.put(&key, tags(values(round, 1000), values(round, 1000))).await?;
            for list in ["tags", "more"] {
                for (i, wanted) in [(round, &["a"][..]), (1 - round, &[])] {
                    let one = Filter::Contains(path(list), format!("t{i}-999").into());
                    assert_eq!(docs.ids(p().and(one), &[]).await?, wanted);
                }
            }
        }
        invalid(docs.put(&key, tags(values(0, 1001), vec![])).await);
        let most = with(tags(values(0, 1000), values(0, 1000)), "kind", 1);
        let e = failed(docs.put(&key, most).await, ErrorKind::TooLarge);
        assert_eq!(e.outcome(), Outcome::NotApplied);
        assert_eq!(docs.get(&key).await?.unwrap().version, 2);
        assert!(docs.hide(&key, Pre::None).await?);
        assert!(docs.delete(&key, Pre::None).await?);
        assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
    }

    /// What one call changes has one limit, whatever it does: all of it is done, or nothing.
    #[covers("document.write_documents", "document.write_documents!too_large")]
    #[kind(Calm)]
    async fn as_much_as_a_call_may_change(t) {
        let docs = Docs::ensured(t, tagged(t)).await?;
        let key = |i: usize| at("p", &format!("d{i}"));
        let put = |i: usize, body: Value| docs.one(&key(i), Pre::None, Action::Put { body, expires: None });
        let delete = |i: usize| docs.one(&key(i), Pre::None, Action::Delete);
        let all = |from: usize, sizes: &[usize]| {
            let body = |(i, n): (usize, &usize)| put(i, tags(values(from + i, *n), vec![]));
            sizes.iter().enumerate().map(body).collect::<Vec<_>>()
        };
        let too_large = |result: Result<Vec<Written>>| {
            let e = failed(result, ErrorKind::TooLarge);
            assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
        };
        let count = || docs.count(Filter::eq(path("p"), "p"), ScanPolicy::Forbid);
        too_large(docs.write(all(0, &[999, 999, 999, 999, 1000])).await);
        assert_eq!(count().await?, 0);
        docs.write(all(0, &[999; 5])).await?;
        docs.put(&key(5), tags(values(5, 2), vec![])).await?;
        too_large(docs.write((0..6).map(delete).collect()).await);
        too_large(docs.write(all(7, &[1000; 3])).await);
        too_large(docs.write((0..6).map(|i| docs.one(&key(i), Pre::None, Action::SoftDelete)).collect()).await);
        assert_eq!(count().await?, 6);
        // What stays as it is counts for nothing.
        docs.write(all(0, &[999, 999, 999, 999, 999, 3])).await?;
        docs.write(all(7, &[1000, 1000])).await?;
        let written = docs.write((0..4).map(delete).collect()).await?;
        assert!(written.iter().all(|w| w.changed));
        assert_eq!(docs.ids(Filter::eq(path("p"), "p"), &[]).await?, ["d4", "d5"]);
        too_large(docs.write((0..2501).map(|i| put(i, with(tags(vec![], vec![]), "kind", 1))).collect()).await);
    }
}

/// Documents of one partition, with two lists and one value.
fn tagged(t: &Fixture) -> CollectionDef {
    let text = KeyType::Str { max: 20 };
    CollectionDef::new(collection_name(t), IdKind::Text)
        .partition_by(path("p"))
        .attribute(Attribute::new("tag", path("tags"), text).elements())
        .attribute(Attribute::new("more", path("more"), text).elements())
        .attribute(Attribute::new("kind", path("kind"), KeyType::I64))
        .index(IndexDef::new("by_tag").in_partition().asc("tag"))
        .index(IndexDef::new("by_more").in_partition().asc("more"))
        .index(IndexDef::new("by_kind").in_partition().asc("kind"))
}

fn values(of: usize, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("t{of}-{i}")).collect()
}

fn tags(tags: Vec<String>, more: Vec<String>) -> Value {
    json!({"p": "p", "tags": tags, "more": more})
}

fn with(mut body: Value, name: &str, value: i64) -> Value {
    body[name] = value.into();
    body
}
