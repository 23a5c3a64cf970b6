//! What is refused before any database is asked: constants that no document can hold.

use crate::build::document::*;
use crate::build::expect::invalid;
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use serde_json::json;
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
}
