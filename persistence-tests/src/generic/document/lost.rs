//! Answers that get lost.

use crate::build::document::*;
use crate::generic::history::UNKNOWN;
use crate::generic::unknown::{Interrupted, unanswered};
use crate::{Fault, FaultRule};
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Clock, ErrorKind, Outcome};
use serde_json::json;
use std::time::Duration;

crate::cases! {
    group: "document";

    /// A write whose answer is lost is done once, and answered as if nothing had happened.
    #[covers("P13", "document.write_documents")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_document_write_is_found(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        for (i, fault) in UNKNOWN.into_iter().enumerate() {
            for times in [1, 2, 3] {
                let key = at("p", &format!("d{i}-{times}"));
                let body = |name: &str| machine("p", 1, json!({"name": format!("{name}{i}{times}")}));
                let lose = || t.faults.script(FaultRule::write(fault).times(times));
                lose();
                assert_eq!(docs.put_if(&key, body("a"), Pre::Absent).await?.version, 1, "{fault:?}");
                lose();
                assert_eq!(docs.put_if(&key, body("b"), Pre::Version(1)).await?.version, 2, "{fault:?}");
                t.faults.release().await;
                let read = docs.get(&key).await?.unwrap();
                assert_eq!((read.version, &read.body), (2, &body("b")), "{fault:?}");
                let name = |name: &str| Filter::eq(path("name"), format!("{name}{i}{times}"));
                assert_eq!(docs.ids(name("a"), &[]).await?, [""; 0]);
                assert_eq!(docs.ids(name("b"), &[]).await?, [key.id.to_string()]);
                lose();
                docs.delete(&key, Pre::None).await?;
                t.faults.release().await;
                assert_eq!(docs.get(&key).await?, None);
                t.faults.clear();
            }
        }
        assert_eq!(docs.ids(Filter::eq(path("project"), "p"), &[]).await?, [""; 0]);
    }

    /// Where a rival writes before a lost answer is found out, the answer is what this call wrote: its version, times and body.
    #[covers("P13", "document.write_documents")]
    #[kind(Calm)]
    async fn a_lost_answer_is_ones_own(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let rival = docs.on(&t.another().await?);
        let (p, body) = (t.p.clone(), |name: &str| machine("p", 1, json!({"name": name})));
        for (i, put) in [(0, true), (1, true), (2, false)] {
            let key = at("p", &format!("d{i}"));
            let (pre, action, version) = match (i, put) {
                (0, _) => (Pre::Absent, Action::Put { body: body("ours"), expires: None }, 1),
                (_, true) => (Pre::Version(1), Action::Put { body: body("ours"), expires: None }, 2),
                (_, false) => (Pre::Present, Action::SoftDelete, 2),
            };
            if version == 2 {
                docs.put(&key, body("before")).await?;
                t.clock.advance(Duration::from_secs(1));
            }
            let (now, write) = (t.clock.now(), vec![docs.one(&key, pre, action)]);
            let write = WriteDocuments { writes: write, attempt: AttemptId::new() };
            let p = p.clone();
            let call = |cx| async move { p.documents().write_documents(&cx, &write).await };
            let pending = Interrupted::begin_on(t, "documents", Fault::After, call).await;
            t.clock.advance(Duration::from_secs(1));
            assert_eq!(rival.put(&key, body("rival")).await?.version, version + 1);
            let written = pending.end().await?.remove(0);
            let own = written.document.unwrap();
            let left = if put { "ours" } else { "before" };
            assert!(written.changed);
            assert_eq!((own.version, own.updated, own.body), (version, now, body(left)));
            assert_eq!(own.deleted, (!put).then_some(now));
            assert_eq!(docs.get(&key).await?.unwrap().body, body("rival"));
        }
        rival.p.close().await?;
    }

    /// When no answer comes in time, the error says that the write may have been done; when nothing was sent, that it was not.
    #[covers("P13", "document.write_documents!timeout", "document.write_documents!unavailable")]
    #[kind(Calm)]
    async fn without_an_answer_document_writes_say_maybe(t) {
        // Without entries that may be written before the document, of which an error need not speak.
        let def = CollectionDef::new(collection_name(t), IdKind::Text).partition_by(path("project"));
        let docs = Docs::ensured(t, def).await?;
        let body = machine("p", 1, json!({}));
        let action = Action::Put { body: body.clone(), expires: None };
        let writes = vec![docs.one(&at("p", "a"), Pre::Absent, action)];
        let d = t.p.documents();
        let write = &WriteDocuments { writes, attempt: AttemptId::new() };
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            t.faults.script(FaultRule::write(fault).times(u64::MAX));
            unanswered(t, |cx| async move { d.write_documents(&cx, write).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
        }
        t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).times(1));
        let e = docs.put_if(&at("p", "b"), body.clone(), Pre::Absent).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!(docs.get(&at("p", "b")).await?, None);
        docs.put_if(&at("p", "b"), body, Pre::Absent).await?;
    }

    /// An outcome that is unknown stays unknown, whatever becomes of the tries after it.
    #[covers("P13", "document.write_documents!timeout", "document.write_documents!unavailable")]
    #[kind(Calm)]
    async fn a_doubt_outlives_later_tries(t) {
        let def = CollectionDef::new(collection_name(t), IdKind::Text).partition_by(path("project"));
        let docs = Docs::ensured(t, def).await?;
        let (d, body) = (t.p.documents(), machine("p", 1, json!({})));
        let put = || Action::Put { body: body.clone(), expires: None };
        docs.put(&at("p", "there"), body.clone()).await?;
        t.clock.advance(Duration::from_secs(1));
        let writes = [
            ("new", Pre::Absent, put()),
            ("there", Pre::Version(1), put()),
            ("there", Pre::None, put()),
            ("there", Pre::Present, Action::SoftDelete),
            ("there", Pre::Version(1), Action::Delete),
        ];
        for (id, pre, action) in writes {
            let writes = vec![docs.one(&at("p", id), pre, action)];
            let write = &WriteDocuments { writes, attempt: AttemptId::new() };
            let rules = [(Outcome::MaybeApplied, 1), (Outcome::NotApplied, u64::MAX)];
            let script = || {
                t.faults.clear();
                for (outcome, times) in rules {
                    t.faults.script(FaultRule::write(Fault::Before(outcome)).times(times));
                }
            };
            unanswered(t, |cx| {
                script();
                async move { d.write_documents(&cx, write).await }
            })
            .await;
            t.faults.clear();
        }
        assert_eq!(docs.get(&at("p", "there")).await?.unwrap().version, 1);
    }

    /// What a write left behind that came to no end is found by nobody: a document is found by what it holds, and by nothing else.
    #[covers("P13", "document.write_documents", "document.find_documents")]
    #[kind(Calm)]
    async fn leftovers_of_a_write_are_not_found(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let key = at("p", "a");
        let body = |name: &str| machine("p", 1, json!({"name": name, "tags": [name]}));
        docs.put(&key, body("n1")).await?;
        for age in [0, 100_000] {
            for nth in [1, 2, 3] {
                let name = format!("n{age}-{nth}");
                let action = Action::Put { body: body(&name), expires: None };
                let write = WriteDocuments { writes: vec![docs.one(&key, Pre::None, action)], attempt: AttemptId::new() };
                t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).nth(nth).times(u64::MAX));
                let failed = t.p.documents().write_documents(&t.cx(), &write).await.is_err();
                t.faults.quiet().await;
                t.faults.clear();
                t.clock.advance(Duration::from_secs(age));
                let held = docs.get(&key).await?.map(|d| d.body["name"].clone());
                assert!(failed || held == Some(json!(name)));
                for other in ["n1", &name] {
                    let wanted: &[&str] = if held == Some(json!(other)) { &["a"] } else { &[] };
                    assert_eq!(docs.ids(Filter::eq(path("name"), other), &[]).await?, wanted, "{nth}");
                    assert_eq!(docs.ids(Filter::Contains(path("tags"), other.into()), &[]).await?, wanted, "{nth}");
                }
                docs.put(&key, body("n1")).await?;
                assert_eq!(docs.ids(Filter::eq(path("name"), "n1"), &[]).await?, ["a"]);
                assert_eq!(docs.ids(Filter::eq(path("name"), &*name), &[]).await?, [""; 0]);
            }
        }
        assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
    }
}
