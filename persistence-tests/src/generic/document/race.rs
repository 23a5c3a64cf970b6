//! Concurrent writers.

use crate::build::document::*;
use crate::fixture::CALL_LIMIT;
use crate::race::race;
use persistence_core::document::collection::{Collection, Documented, Update};
use persistence_core::document::write::Pre;
use persistence_core::document::*;
use persistence_core::{Context, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::json;

const RACERS: usize = 8;

/// A counter, in a collection that all cases share.
#[derive(Debug, Serialize, Deserialize)]
struct Counter {
    name: String,
    count: i64,
}

impl Documented for Counter {
    fn definition() -> CollectionDef {
        CollectionDef::new("conformance_counter", IdKind::Text)
            .attribute(Attribute::new("count", path("count"), KeyType::I64).required())
            .index(IndexDef::new("by_count").asc("count"))
    }

    fn key(&self) -> DocumentKey {
        DocumentKey::new(&*self.name)
    }
}

crate::cases! {
    group: "document";

    /// No increment is lost: eight writers, a hundred each.
    #[covers("document.write_documents", "document.get_documents")]
    #[kind(Calm)]
    async fn no_increment_is_lost(t) {
        let counters = Collection::<Counter>::new(t.p.clone()).with_tries(10_000);
        counters.ensure(&t.cx()).await?;
        let counter = Counter { name: t.name("counter"), count: 0 };
        let key = counter.key();
        counters.create(&t.cx(), &counter).await?;
        race(RACERS, |_, line| {
            let (counters, key) = (counters.clone(), key.clone());
            async move {
                line.wait().await;
                for _ in 0..100 {
                    // An update tries again until it comes before the others: it may take the time of all their calls.
                    let cx = Context::new().with_timeout(CALL_LIMIT * 10);
                    let more = |c: &mut Counter| {
                        c.count += 1;
                        Ok(Update::Write)
                    };
                    counters.update(&cx, &key, more).await.unwrap();
                }
            }
        })
        .await;
        let end = counters.get(&t.cx(), &key).await?.unwrap();
        assert_eq!((end.value.count, end.version), (800, 801));
        let found = counters.find(&t.cx(), &counters.query(Filter::eq(path("count"), 800).and(Filter::id(key.id)), 9)).await?;
        assert_eq!(found.documents.len(), 1, "its index has it where it is");
    }

    /// An update that refuses leaves no trace, one that wants no change keeps the version, and one that others always
    /// come before gives up with what it found.
    #[covers("document.write_documents!condition_failed")]
    async fn an_update_may_refuse(t) {
        let counters = Collection::<Counter>::new(t.p.clone());
        counters.ensure(&t.cx()).await?;
        let counter = Counter { name: t.name("counter"), count: 7 };
        let (key, cx) = (counter.key(), t.cx());
        let missing = counters.update(&cx, &key, |_| Ok(Update::Write)).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        counters.create(&cx, &counter).await?;
        let refused = counters.update(&cx, &key, |c| {
            c.count = 9;
            Err(Error::aborted("enough"))
        });
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Aborted);
        let unchanged = counters.update(&cx, &key, |c| {
            c.count = 9;
            Ok(Update::NoChange)
        });
        let unchanged = unchanged.await?;
        assert_eq!((unchanged.value.count, unchanged.version), (7, 1));
        let moved = counters.update(&cx, &key, |c| {
            c.name.push('!');
            Ok(Update::Write)
        });
        assert_eq!(moved.await.unwrap_err().kind(), ErrorKind::InvalidArgument);
        let now = counters.get(&cx, &key).await?.unwrap();
        assert_eq!((now.value.count, now.version), (7, 1));
    }

    /// Of many that create a document at once one succeeds, and of many that hold the same version one.
    #[covers("document.write_documents!already_exists", "document.write_documents!condition_failed")]
    async fn one_writer_wins(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let key = at("p", "a");
        for version in 0..4 {
            let results = race(RACERS, |i, line| {
                let (docs, key) = (docs.clone(), key.clone());
                async move {
                    let pre = if version == 0 { Pre::Absent } else { Pre::Version(version) };
                    line.wait().await;
                    docs.put_if(&key, machine("p", 1, json!({"kind": i, "name": format!("n{i}")})), pre).await
                }
            })
            .await;
            let winners: Vec<_> = results.iter().filter_map(|r| r.as_ref().ok()).collect();
            assert_eq!(winners.len(), 1);
            let conflict = if version == 0 { ErrorKind::AlreadyExists } else { ErrorKind::ConditionFailed };
            assert!(results.iter().filter_map(|r| r.as_ref().err()).all(|e| e.kind() == conflict), "{results:?}");
            assert_eq!(docs.get(&key).await?.as_ref(), Some(winners[0]));
            // The losers left nothing in the indexes.
            let found = docs.ids(Filter::Prefix(path("name"), "n".to_owned()), &[]).await?;
            assert_eq!(found, ["a"]);
        }
    }

    /// Writers without conditions all write, one after the other. (A document remembers its last eight writers: whose answer
    /// was lost for longer is told that it may have written, so no faults here.)
    #[covers("document.write_documents")]
    #[kind(Calm)]
    async fn unconditional_writers_all_write(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let key = at("p", "a");
        let versions = race(RACERS, |i, line| {
            let (docs, key) = (docs.clone(), key.clone());
            async move {
                line.wait().await;
                let mut versions = Vec::new();
                for _ in 0..4 {
                    let body = machine("p", 1, json!({"tags": [format!("t{i}")]}));
                    versions.push(docs.put(&key, body).await.unwrap().version);
                }
                versions
            }
        })
        .await;
        let mut all: Vec<i64> = versions.concat();
        all.sort_unstable();
        assert_eq!(all, (1..=32).collect::<Vec<_>>());
        let tags = (0..RACERS).map(|i| Scalar::Str(format!("t{i}"))).collect();
        assert_eq!(docs.ids(Filter::ContainsAny(path("tags"), tags), &[]).await?, ["a"], "found by one tag");
    }
}
