//! Answers that get lost.

use crate::build::document::*;
use crate::generic::history::UNKNOWN;
use crate::generic::unknown::unanswered;
use crate::{Fault, FaultRule};
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, ErrorKind, Outcome};
use serde_json::json;

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
}
