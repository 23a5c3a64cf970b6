//! Answers that get lost, and documents that go meanwhile: what is left may tell nobody what became of a write.

use crate::build::document::*;
use crate::build::expect::failed;
use crate::generic::unknown::Interrupted;
use crate::{Fault, Fixture};
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Detail, Error, ErrorKind, Outcome, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// What becomes of a first try: it is done, or it is not, and nobody is told.
const FIRST: [Fault; 2] = [Fault::After, Fault::Before(Outcome::MaybeApplied)];

/// A collection without entries of its own, and a rival's look at it.
async fn both(t: &Fixture) -> Result<(Docs, Docs)> {
    let def = CollectionDef::new(collection_name(t), IdKind::Text).partition_by(path("project"));
    let docs = Docs::ensured(t, def).await?;
    let rival = docs.on(&t.another().await?);
    Ok((docs, rival))
}

fn body(whose: &str) -> Value {
    json!({"project": "p", "of": whose})
}

fn put() -> Action {
    Action::Put { body: body("ours"), expires: None }
}

/// Stores a document this often, in some other moment than what comes next.
async fn stored(t: &Fixture, docs: &Docs, id: &str, times: i64) -> Result<DocumentKey> {
    let key = at("p", id);
    for _ in 0..times {
        docs.put(&key, body("before")).await?;
    }
    t.clock.advance(Duration::from_secs(1));
    Ok(key)
}

/// Ours, whose first try ends so, and all further ones while others do what they do.
async fn begun(
    t: &Fixture,
    docs: &Docs,
    writes: Vec<DocumentWrite>,
    first: Fault,
) -> Interrupted<Result<Vec<Written>>> {
    let (p, write) = (docs.p.clone(), WriteDocuments { writes, attempt: AttemptId::new() });
    let call = |cx| async move { p.documents().write_documents(&cx, &write).await };
    Interrupted::begin_on(t, "documents", first, call).await
}

#[track_caller]
fn untold(result: Result<Vec<Written>>, what: &str) {
    let e: Error = failed(result, ErrorKind::Unavailable);
    assert_eq!(e.outcome(), Outcome::MaybeApplied, "{what}: {e}");
}

/// Version and owner of what is there.
async fn left(docs: &Docs, key: &DocumentKey) -> Result<Option<(i64, Value)>> {
    let found = docs.get_all(std::slice::from_ref(key), Deleted::Any).await?.remove(0);
    Ok(found.map(|d| (d.version, d.body["of"].clone())))
}

crate::cases! {
    group: "document";

    /// A document that is deleted takes along what it remembered, also where one of the same key is stored anew. A write of it
    /// whose answer was lost may have been done; it is not done again.
    #[covers("P13", "document.write_documents!unavailable")]
    #[kind(Calm)]
    async fn a_deleted_document_tells_nothing(t) {
        let (docs, rival) = both(t).await?;
        for version in [3, 1] {
            let writes = [
                (Pre::Version(version), put()),
                (Pre::None, put()),
                (Pre::Match(Filter::everything()), put()),
                (Pre::Present, Action::SoftDelete),
            ];
            for (i, (pre, action)) in writes.into_iter().enumerate() {
                for (first, again) in FIRST.into_iter().flat_map(|first| [(first, false), (first, true)]) {
                    let what = format!("{version} {i} {first:?} {again}");
                    let key = stored(t, &docs, &what, version).await?;
                    let write = docs.one(&key, pre.clone(), action.clone());
                    let ours = begun(t, &docs, vec![write], first).await;
                    assert!(rival.delete(&key, Pre::None).await?);
                    t.clock.advance(Duration::from_secs(1));
                    if again {
                        rival.put(&key, body("theirs")).await?;
                    }
                    untold(ours.end().await, &what);
                    assert_eq!(left(&docs, &key).await?, again.then(|| (1, json!("theirs"))), "{what}");
                }
            }
        }
        rival.p.close().await?;
    }

    /// Of two that remove a document on a condition one at most is told that it did: nothing is left that tells whose removal it was.
    /// One that was stored anew is not removed instead.
    #[covers("P13", "document.write_documents!unavailable")]
    #[kind(Calm)]
    async fn a_conditional_removal_is_told_once(t) {
        let (docs, rival) = both(t).await?;
        for (i, pre) in [Pre::Version(2), Pre::Present, Pre::Match(Filter::everything())].into_iter().enumerate() {
            for (first, again) in FIRST.into_iter().flat_map(|first| [(first, false), (first, true)]) {
                let what = format!("{i} {first:?} {again}");
                let key = stored(t, &docs, &what, 2).await?;
                let ours = begun(t, &docs, vec![docs.one(&key, pre.clone(), Action::Delete)], first).await;
                if first != Fault::After {
                    assert!(rival.delete(&key, Pre::Version(2)).await?);
                }
                for _ in 0..if again { 2 } else { 0 } {
                    rival.put(&key, body("theirs")).await?;
                }
                untold(ours.end().await, &what);
                assert_eq!(left(&docs, &key).await?, again.then(|| (2, json!("theirs"))), "{what}");
            }
        }
        // What is required of another document is a condition as well.
        for first in FIRST {
            let key = stored(t, &docs, &format!("{first:?}"), 1).await?;
            let other = stored(t, &docs, &format!("other {first:?}"), 1).await?;
            let check = docs.one(&other, Pre::Version(1), Action::Check);
            let ours = begun(t, &docs, vec![check, docs.one(&key, Pre::None, Action::Delete)], first).await;
            rival.put(&other, body("theirs")).await?;
            rival.delete(&key, Pre::None).await?;
            untold(ours.end().await, "with a check");
        }
        rival.p.close().await?;
    }

    /// What is still there was not removed, and tells for all that the call writes; so does another document that the call wrote.
    /// Without a condition, what was to go is gone.
    #[covers("P13", "document.write_documents", "document.write_documents!condition_failed")]
    #[kind(Calm)]
    async fn a_removal_is_told_where_something_tells(t) {
        let (docs, rival) = both(t).await?;
        let maybe = FIRST[1];
        let remove = |key: &DocumentKey, pre| docs.one(key, pre, Action::Delete);
        for (pre, changes) in [(Pre::Version(1), false), (Pre::Present, false), (Pre::Present, true), (Pre::None, true)] {
            let key = stored(t, &docs, "there", 1).await?;
            let ours = begun(t, &docs, vec![remove(&key, pre)], maybe).await;
            if changes {
                rival.put(&key, body("theirs")).await?;
            }
            assert!(ours.end().await?.remove(0).changed);
            assert_eq!(left(&docs, &key).await?, None);
        }
        let key = stored(t, &docs, "moved on", 1).await?;
        let ours = begun(t, &docs, vec![remove(&key, Pre::Version(1))], maybe).await;
        rival.put(&key, body("theirs")).await?;
        let e = failed(ours.end().await, ErrorKind::ConditionFailed);
        assert!(matches!(e.detail(), Detail::ConditionFailed { expected: Some(1), actual: Some(2), .. }), "{e:?}");
        assert_eq!((e.outcome(), left(&docs, &key).await?), (Outcome::NotApplied, Some((2, json!("theirs")))));
        for first in FIRST {
            let key = stored(t, &docs, &format!("gone {first:?}"), 1).await?;
            let ours = begun(t, &docs, vec![remove(&key, Pre::None)], first).await;
            rival.delete(&key, Pre::None).await?;
            assert!(ours.end().await?.remove(0).changed);
        }
        let (key, beside) = (stored(t, &docs, "both", 1).await?, stored(t, &docs, "beside", 1).await?);
        let writes = vec![remove(&key, Pre::Version(1)), docs.one(&beside, Pre::Version(1), put())];
        let ours = begun(t, &docs, writes, Fault::After).await;
        rival.put(&beside, body("theirs")).await?;
        let written = ours.end().await?;
        assert_eq!((written[0].changed, written[1].document.as_ref().unwrap().version), (true, 2));
        assert_eq!(left(&docs, &beside).await?, Some((3, json!("theirs"))));
        rival.p.close().await?;
    }
}
