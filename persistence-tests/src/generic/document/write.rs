//! Single documents: create, put, delete, and what must hold before.

use crate::build::document::*;
use crate::build::expect::{failed, invalid, missing};
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Clock, Detail, Error, ErrorKind, Outcome};
use serde_json::json;
use std::time::Duration;

fn condition(e: &Error) -> (Option<i64>, Option<i64>) {
    match e.detail() {
        Detail::ConditionFailed { expected, actual, .. } => (*expected, *actual),
        other => panic!("{other:?}"),
    }
}

crate::cases! {
    group: "document";

    /// Versions begin with 1 and grow by one with every write; creation times stay, update times are the clock's.
    #[covers("document.write_documents", "document.get_documents", "document.ensure_collections")]
    async fn versions_grow_by_one(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let (key, created) = (at("p", "a"), t.clock.now());
        for version in 1..5 {
            let body = machine("p", version, json!({"n": version}));
            let put = docs.put(&key, body.clone()).await?;
            let wanted = Document {
                key: key.clone(),
                version,
                created,
                updated: t.clock.now(),
                deleted: None,
                expires: None,
                body,
            };
            assert_eq!(put, wanted);
            assert_eq!(docs.get(&key).await?, Some(wanted));
            t.clock.advance(Duration::from_millis(7));
        }
        assert_eq!(docs.get(&at("q", "a")).await?, None, "another partition's document");
        let keys = [at("p", "b"), key.clone(), at("q", "a"), key];
        let got = docs.get_all(&keys, Deleted::Hide).await?;
        assert_eq!(got.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, true]);
    }

    /// A document is created once; the error names it, and what is there stays.
    #[covers("document.write_documents!already_exists")]
    async fn a_document_is_created_once(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let key = at("p", "a");
        let first = docs.put_if(&key, machine("p", 1, json!({})), Pre::Absent).await?;
        let e = failed(docs.put_if(&key, machine("p", 2, json!({})), Pre::Absent).await, ErrorKind::AlreadyExists);
        assert!(matches!(e.detail(), Detail::AlreadyExists { key, index: None, .. } if key.contains('a')), "{e:?}");
        assert_eq!(docs.get(&key).await?, Some(first));
        docs.put_if(&at("q", "a"), machine("q", 1, json!({})), Pre::Absent).await?;
    }

    /// Every precondition holds where it should, and elsewhere fails with what is there, changing nothing.
    #[covers("document.write_documents!condition_failed", "document.write_documents!not_found", "P20")]
    async fn preconditions_are_checked(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let key = at("p", "a");
        let body = |n: i64| machine("p", n, json!({"kind": n}));
        let matches = |n: i64| Pre::Match(Filter::eq(path("kind"), n));
        missing(docs.put_if(&key, body(1), Pre::Present).await);
        missing(docs.put_if(&key, body(1), matches(0)).await);
        missing(docs.delete(&key, Pre::Present).await);
        match docs.put_if(&key, body(1), Pre::Version(1)).await {
            // Where an answer was lost nobody can tell that it was never there.
            Err(e) if t.faults.is_random() && e.outcome() == Outcome::MaybeApplied => {}
            refused => assert_eq!(condition(&failed(refused, ErrorKind::ConditionFailed)), (Some(1), None)),
        }
        assert_eq!(docs.get(&key).await?, None);

        docs.put_if(&key, body(1), Pre::Absent).await?;
        docs.put_if(&key, body(2), Pre::Present).await?;
        docs.put_if(&key, body(3), Pre::Version(2)).await?;
        docs.put_if(&key, body(4), matches(3)).await?;
        for stale in [0, 1, 3, 5, i64::MAX, i64::MIN] {
            let e = failed(docs.put_if(&key, body(9), Pre::Version(stale)).await, ErrorKind::ConditionFailed);
            assert_eq!(condition(&e), (Some(stale), Some(4)));
            failed(docs.delete(&key, Pre::Version(stale)).await, ErrorKind::ConditionFailed);
        }
        let e = failed(docs.put_if(&key, body(9), matches(3)).await, ErrorKind::ConditionFailed);
        assert_eq!(condition(&e), (None, Some(4)));
        failed(docs.hide(&key, matches(3)).await, ErrorKind::ConditionFailed);
        let now = docs.get(&key).await?.map(|d| (d.version, d.body));
        assert_eq!(now, Some((4, body(4))));
        assert!(docs.remove(&key, matches(4)).await?);
        assert_eq!(docs.get(&key).await?, None);
    }

    /// A deleted document is gone, from every index as well; deleting what is not there changes nothing; its version begins
    /// anew.
    #[covers("document.write_documents")]
    async fn a_deleted_document_is_gone(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let key = at("p", "a");
        let body = machine("p", 5, json!({"name": "n", "tags": ["x", "y"]}));
        assert!(!docs.delete(&key, Pre::None).await?);
        for _ in 0..2 {
            docs.put_if(&key, body.clone(), Pre::Absent).await?;
            docs.put_if(&key, body.clone(), Pre::Version(1)).await?;
            assert_eq!(docs.ids(Filter::Contains(path("tags"), "x".into()), &[]).await?, ["a"]);
            assert!(docs.remove(&key, Pre::Version(2)).await?);
            assert!(!docs.delete(&key, Pre::None).await?);
            assert_eq!(docs.get_all(std::slice::from_ref(&key), Deleted::Any).await?, [None]);
            for filter in [
                Filter::Contains(path("tags"), "x".into()),
                Filter::eq(path("name"), "n"),
                Filter::id("a"),
                Filter::eq(path("project"), "p"),
            ] {
                let query = FindDocuments { deleted: Deleted::Any, ..docs.query(filter, &[], 10) };
                assert_eq!(docs.all(&query).await?, []);
            }
        }
    }

    /// A document that was deleted softly is hidden, keeps its id, and lives again when it is put.
    #[covers("document.write_documents", "document.get_documents", "document.find_documents")]
    async fn a_soft_delete_hides(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let (key, name) = (at("p", "a"), || Filter::eq(path("name"), "n"));
        let body = machine("p", 5, json!({"name": "n"}));
        assert!(!docs.hide(&key, Pre::None).await?, "nothing to hide");
        docs.put(&key, body.clone()).await?;
        t.clock.advance(Duration::from_millis(3));
        assert!(docs.hide(&key, Pre::Version(1)).await?);
        assert!(!docs.hide(&key, Pre::None).await?, "hidden already");
        assert_eq!(docs.get(&key).await?, None);
        let hidden = docs.get_all(std::slice::from_ref(&key), Deleted::Any).await?.remove(0).unwrap();
        assert_eq!((hidden.version, hidden.deleted, &hidden.body), (2, Some(t.clock.now()), &body));
        for (deleted, wanted) in [(Deleted::Hide, 0), (Deleted::Only, 1), (Deleted::Any, 1)] {
            let query = FindDocuments { deleted, ..docs.query(name(), &[], 10) };
            assert_eq!(docs.all(&query).await?.len(), wanted, "{deleted:?}");
        }
        assert_eq!(docs.count(name(), ScanPolicy::Forbid).await?, 0);
        failed(docs.put_if(&key, body.clone(), Pre::Absent).await, ErrorKind::AlreadyExists);
        missing(docs.put_if(&key, body.clone(), Pre::Present).await);
        missing(docs.put_if(&key, body.clone(), Pre::Match(Filter::everything())).await);
        let again = docs.put_if(&key, body.clone(), Pre::Version(2)).await?;
        assert_eq!((again.version, again.deleted, again.created), (3, None, hidden.created));
        assert_eq!(docs.ids(name(), &[]).await?, ["a"]);
        assert!(docs.hide(&key, Pre::None).await?);
        assert_eq!(docs.put(&key, body).await?.version, 5, "a put without a condition as well");
        assert!(docs.hide(&key, Pre::None).await? && docs.delete(&key, Pre::None).await?);
        assert_eq!(docs.get_all(&[key], Deleted::Any).await?, [None]);
    }

    /// A change of what is indexed moves the document in every index.
    #[covers("document.write_documents", "document.find_documents")]
    async fn indexes_follow_the_document(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let key = at("p", "a");
        let names = ["a", "b", "a", "c", "a"];
        for (i, name) in names.iter().enumerate() {
            let tags: Vec<&str> = names[i..].to_vec();
            let more = json!({"name": name, "kind": i, "tags": tags, "labels": {"env": name}});
            docs.put(&key, machine("p", 5, more)).await?;
            for other in ["a", "b", "c"] {
                let found = docs.ids(Filter::eq(path("name"), other), &[]).await?;
                assert_eq!(found.len(), usize::from(other == *name), "{i} {other}");
                let found = docs.ids(Filter::Contains(path("tags"), other.into()), &[]).await?;
                assert_eq!(found.len(), usize::from(tags.contains(&other)), "{i} {other}");
                let label = Filter::HasEntry(path("labels"), "env".to_owned(), other.to_owned());
                let found = docs.ids(Filter::eq(path("project"), "p").and(label), &[]).await?;
                assert_eq!(found.len(), usize::from(other == *name), "{i} {other}");
            }
        }
        docs.put(&key, machine("p", 5, json!({}))).await?;
        assert_eq!(docs.ids(Filter::In(path("name"), vec!["a".into(), "b".into(), "c".into()]), &[]).await?, [""; 0]);
        assert_eq!(docs.ids(Filter::eq(path("project"), "p"), &[]).await?, ["a"]);
    }

    /// A collection that was never ensured is not found, whatever is done with it; names that are none are invalid.
    #[covers(
        "document.get_collection!not_found",
        "document.get_documents!not_found",
        "document.find_documents!not_found",
        "document.count_documents!not_found",
        "document.explain_documents!not_found",
        "document.sweep_documents!not_found",
        "document.get_collection!invalid_argument",
        "document.get_documents!invalid_argument",
        "document.find_documents!invalid_argument",
        "document.count_documents!invalid_argument",
        "document.explain_documents!invalid_argument",
        "document.sweep_documents!invalid_argument"
    )]
    async fn a_missing_collection_is_not_found(t) {
        let mut docs = Docs::ensured(t, machines(t)).await?;
        let known = docs.def.name.clone();
        let names = [collection_name(t), format!("{known}; --"), "a\"b".to_owned(), "é".to_owned(), String::new()];
        for (i, name) in names.into_iter().enumerate() {
            docs.def.name = name;
            let kind = if i == 0 { ErrorKind::NotFound } else { ErrorKind::InvalidArgument };
            let query = docs.query(Filter::everything(), &[], 1);
            failed(t.p.documents().get_collection(&t.cx(), &docs.described()).await, kind);
            failed(docs.get(&at("p", "a")).await, kind);
            failed(docs.put(&at("p", "a"), machine("p", 1, json!({}))).await, kind);
            failed(docs.page(&query).await, kind);
            failed(docs.explain(&query).await, kind);
            failed(docs.count(Filter::everything(), ScanPolicy::Forbid).await, kind);
            failed(docs.sweep(t, 1).await, kind);
        }
        docs.def.name = known;
        invalid(docs.sweep(t, 0).await);
        invalid(docs.page(&docs.query(Filter::id("a"), &[], 0)).await);
        let bad = Filter::eq(path("kind"), "text");
        invalid(docs.count(bad.clone(), ScanPolicy::Forbid).await);
        invalid(docs.explain(&docs.query(bad, &[], 1)).await);
        invalid(docs.get(&DocumentKey::new("a")).await);
    }

    /// No writes at all, two of one document, and keys that cannot be are invalid, and nothing of the call is done.
    #[covers("document.write_documents!invalid_argument")]
    async fn impossible_writes_are_invalid(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let put = |key: &DocumentKey| {
            let project = key.partition.clone().unwrap_or_default();
            docs.one(key, Pre::None, Action::Put { body: machine(&project, 1, json!({})), expires: None })
        };
        let good = at("p", "a");
        invalid(docs.write(vec![]).await);
        invalid(docs.write(vec![put(&good), put(&good)]).await);
        let long = "x".repeat(256);
        let id = uuid::Uuid::now_v7();
        for key in [
            at("", "a"),
            at("p", ""),
            at("p\0", "a"),
            at("p", "a\0"),
            at(&long, "a"),
            at("p", &long),
            DocumentKey::new("a"),
            DocumentKey::within("p", id),
        ] {
            invalid(docs.write(vec![put(&good), put(&key)]).await);
        }
        assert_eq!(docs.get(&good).await?, None);
        let longest = "é".repeat(255);
        docs.put(&at(&longest, &longest), machine(&longest, 1, json!({}))).await?;
        assert_eq!(docs.ids(Filter::eq(path("project"), &*longest), &[]).await?, [longest]);
        let req = GetDocuments { collection: docs.def.name.clone(), keys: vec![], deleted: Deleted::Hide };
        assert_eq!(t.p.documents().get_documents(&t.cx(), &req).await?, []);
        let req = WriteDocuments { writes: vec![put(&good)], attempt: AttemptId::new() };
        t.p.documents().write_documents(&t.cx(), &req).await?;
    }
}
