//! Documents that expire.

use crate::build::document::*;
use crate::build::expect::{failed, missing};
use crate::generic::unknown::{accidents, honest};
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{Clock, ErrorKind};
use serde_json::json;
use std::time::Duration;

crate::cases! {
    group: "document";

    /// An expired document is there for nobody from that moment on, and its id is free; before it is as any other.
    #[covers("P18", "document.get_documents", "document.find_documents", "document.write_documents!not_found")]
    async fn an_expired_document_is_gone(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let (key, body) = (at("p", "a"), machine("p", 1, json!({"name": "n"})));
        let end = t.clock.now().after(Duration::from_secs(60));
        let put = docs.put_until(&key, body.clone(), Pre::Absent, Some(end)).await?;
        assert_eq!(put.expires, Some(end));
        t.clock.advance(Duration::from_millis(59_999));
        assert_eq!(docs.get(&key).await?, Some(put));
        assert_eq!(docs.ids(Filter::eq(path("name"), "n"), &[]).await?, ["a"]);
        t.clock.advance(Duration::from_millis(1));
        assert_eq!(docs.get_all(std::slice::from_ref(&key), Deleted::Any).await?, [None]);
        for filter in [Filter::eq(path("name"), "n"), Filter::id("a"), Filter::eq(path("project"), "p")] {
            let query = FindDocuments { deleted: Deleted::Any, ..docs.query(filter.clone(), &[], 5) };
            assert_eq!(docs.all(&query).await?, []);
            assert_eq!(docs.count(filter, ScanPolicy::Forbid).await?, 0);
        }
        missing(docs.put_if(&key, body.clone(), Pre::Present).await);
        failed(docs.put_if(&key, body.clone(), Pre::Version(1)).await, ErrorKind::ConditionFailed);
        let again = docs.put_if(&key, body, Pre::Absent).await?;
        assert_eq!((again.version, again.expires, again.created), (1, None, t.clock.now()));
        t.clock.advance(Duration::from_secs(100_000));
        assert!(docs.get(&key).await?.is_some(), "it no longer expires");
        assert_eq!(docs.ids(Filter::eq(path("name"), "n"), &[]).await?, ["a"]);
    }

    /// Deleting what has expired deletes nothing, swept or not, however it is deleted; and leaves nothing.
    #[covers("P18", "document.write_documents")]
    async fn an_expired_document_is_not_deleted(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let end = t.clock.now().after(Duration::from_secs(1));
        let keys: Vec<_> = (0..4).map(|i| at("p", &format!("d{i}"))).collect();
        for key in &keys {
            docs.put_until(key, machine("p", 1, json!({"tags": ["x"]})), Pre::Absent, Some(end)).await?;
        }
        assert!(docs.delete(&keys[0], Pre::None).await?);
        t.clock.advance(Duration::from_secs(1));
        assert!(!docs.hide(&keys[1], Pre::None).await?);
        assert!(!docs.delete(&keys[1], Pre::None).await?);
        missing(docs.delete(&keys[2], Pre::Present).await);
        let alive = at("p", "alive");
        docs.put(&alive, machine("p", 1, json!({"tags": ["x"]}))).await?;
        let delete = |key: &DocumentKey| docs.one(key, Pre::None, Action::Delete);
        let written = docs.write(vec![delete(&keys[2]), delete(&alive), delete(&keys[0])]).await?;
        let changed: Vec<_> = written.iter().map(|w| (w.changed, w.document.is_some())).collect();
        assert_eq!(changed, [(false, false), (true, false), (false, false)]);
        assert!(docs.sweep(t, 10).await? <= 3);
        assert!(!docs.delete(&keys[3], Pre::None).await?);
        assert_eq!(docs.sweep(t, 10).await?, 0);
        assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
    }

    /// A sweep removes what has expired, as much as it may, and nothing else.
    #[covers("P18", "document.sweep_documents")]
    async fn a_sweep_removes_what_expired(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let now = t.clock.now();
        for i in 0..10_u64 {
            let expires = (i < 8).then(|| now.after(Duration::from_secs(i)));
            let body = machine("p", 1, json!({"tags": ["x"]}));
            docs.put_until(&at("p", &format!("d{i}")), body, Pre::Absent, expires).await?;
        }
        assert_eq!(docs.sweep(t, 100).await?, 1, "the one that expires now");
        t.clock.advance(Duration::from_secs(5));
        assert_eq!(docs.sweep(t, 2).await?, 2);
        assert_eq!(docs.sweep(t, 100).await?, 3);
        assert_eq!(docs.sweep(t, 100).await?, 0);
        assert_eq!(docs.ids(Filter::Contains(path("tags"), "x".into()), &[]).await?, ["d6", "d7", "d8", "d9"]);
        docs.put(&at("p", "d6"), machine("p", 2, json!({}))).await?;
        t.clock.advance(Duration::from_secs(50));
        assert_eq!(docs.sweep(t, 100).await?, 1);
        assert_eq!(docs.ids(Filter::eq(path("project"), "p"), &[]).await?, ["d6", "d8", "d9"]);
        assert!(docs.delete(&at("p", "d8"), Pre::None).await?);
        assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, [], "nothing is left of what was removed");
    }

    /// A sweep says that nothing was removed only where nothing was, whatever of it fails, and though an answer was lost before.
    #[covers("P13", "P18", "document.sweep_documents!unavailable")]
    #[kind(Calm)]
    async fn a_sweep_that_fails_half_way_says_maybe(t) {
        let def = CollectionDef::new(collection_name(t), IdKind::Text).partition_by(path("project"));
        let docs = Docs::ensured(t, def).await?;
        let (past, _) = t.another_with_clock().await?;
        for (i, script) in accidents(4, 8).into_iter().enumerate() {
            let end = t.clock.now().after(Duration::from_secs(1));
            let keys = [at("p", &format!("a{i}")), at("p", &format!("b{i}"))];
            for key in &keys {
                docs.put_until(key, machine("p", 1, json!({})), Pre::Absent, Some(end)).await?;
            }
            t.clock.advance(Duration::from_secs(1));
            script.iter().for_each(|rule| t.faults.script(*rule));
            let answer = docs.sweep(t, 10).await;
            t.faults.clear();
            let left = docs.on(&past).get_all(&keys, Deleted::Any).await?.iter().flatten().count();
            honest(&answer, left < 2, &script);
            assert!(answer.as_ref().ok().is_none_or(|n| (*n, left) == (2, 0)), "{script:?}: {answer:?}, {left}");
            docs.sweep(t, 10).await?;
        }
    }
}
