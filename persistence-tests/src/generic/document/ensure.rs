//! Collections as declared, and how they change.

use crate::build::document::*;
use crate::build::expect::{failed, invalid};
use crate::race::{Beside, race};
use crate::{Fault, FaultRule};
use persistence_core::document::write::Pre;
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, Outcome};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// How long an interrupted call goes on against failures.
const INTERRUPTED: Duration = Duration::from_secs(3);

fn plain(t: &crate::Fixture) -> CollectionDef {
    CollectionDef::new(collection_name(t), IdKind::Text).partition_by(path("project"))
}

fn named(def: CollectionDef) -> CollectionDef {
    def.attribute(Attribute::new("name", path("name"), KeyType::Str { max: 40 }))
        .attribute(Attribute::new("tag", path("tags"), KeyType::Str { max: 40 }).elements())
        .index(IndexDef::new("by_name").asc("name"))
        .index(IndexDef::new("by_tag").in_partition().asc("tag"))
}

crate::cases! {
    group: "document";

    /// Ensuring twice does nothing the second time; planning tells and does nothing; verifying finds nothing wrong.
    #[covers("document.ensure_collections", "document.get_collection")]
    async fn ensuring_is_idempotent(t) {
        let planned = Docs::declared(t, machines(t));
        let plan = planned.ensure(EnsureMode::Plan).await?;
        assert!(!plan.changes.is_empty());
        assert!(plan.changes.iter().all(|c| c.collection == planned.def.name));
        failed(planned.get(&at("p", "a")).await, ErrorKind::NotFound);
        assert!(!planned.ensure(EnsureMode::Verify).await?.changes.is_empty(), "it is not there");
        assert!(!planned.ensure(EnsureMode::Apply).await?.changes.is_empty());
        for mode in [EnsureMode::Apply, EnsureMode::Plan, EnsureMode::Verify] {
            assert_eq!(planned.ensure(mode).await?.changes, [], "{mode:?}");
        }
        let described = t.p.documents().get_collection(&t.cx(), &planned.described()).await?;
        assert_eq!(described, planned.def, "it is as it was declared");
    }

    /// An index that is declared later finds what was stored before, and what is stored meanwhile; no write fails.
    #[covers("document.ensure_collections", "document.find_documents")]
    #[kind(Calm)]
    async fn an_index_is_added_under_writers(t) {
        let mut docs = Docs::ensured(t, plain(t)).await?;
        let body = |i: u64| json!({"project": "p", "name": format!("n{}", i % 5), "tags": [format!("t{}", i % 3)]});
        for i in 0..40 {
            docs.put(&at("p", &format!("a{i:03}")), body(i)).await?;
        }
        failed(docs.page(&docs.query(Filter::eq(path("name"), "n1"), &[], 5)).await, ErrorKind::Unindexed);
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writer = {
            let (docs, stop, count) = (docs.clone(), stop.clone(), count.clone());
            Beside::run(async move {
                let mut i = 0;
                while !stop.load(SeqCst) || i < 20 {
                    docs.put(&at("p", &format!("b{:03}", i % 30)), body(i)).await.unwrap();
                    if i % 4 == 0 {
                        docs.delete(&at("p", &format!("a{:03}", i % 40)), Pre::None).await.unwrap();
                    }
                    i += 1;
                    count.store(i, SeqCst);
                }
            })
        };
        while count.load(SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        docs.def = named(docs.def);
        assert!(!docs.ensure(EnsureMode::Apply).await?.changes.is_empty());
        stop.store(true, SeqCst);
        writer.end().await;
        let all = docs.all(&docs.query(Filter::eq(path("project"), "p"), &[], 50)).await?;
        for i in 0..5 {
            let name = format!("n{i}");
            let wanted: Vec<_> = all.iter().filter(|d| d.body["name"] == *name).map(|d| d.key.id.to_string()).collect();
            assert_eq!(docs.ids(Filter::eq(path("name"), &*name), &[]).await?, wanted);
            let tag = format!("t{}", i % 3);
            let wanted: Vec<_> = all.iter().filter(|d| d.body["tags"][0] == *tag).map(|d| d.key.id.to_string()).collect();
            let filter = Filter::eq(path("project"), "p").and(Filter::Contains(path("tags"), tag.into()));
            assert_eq!(docs.ids(filter, &[]).await?, wanted);
        }
        assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
    }

    /// An index that is no longer declared is dropped; one that is declared otherwise is made anew.
    #[covers("document.ensure_collections")]
    async fn indexes_are_dropped_and_changed(t) {
        let mut docs = Docs::ensured(t, named(plain(t))).await?;
        for (id, name) in [("a", "x"), ("b", "y"), ("c", "x")] {
            docs.put(&at("p", id), json!({"project": "p", "name": name, "other": id})).await?;
        }
        docs.def.indexes.retain(|i| i.name != "by_name");
        docs.ensure(EnsureMode::Apply).await?;
        failed(docs.page(&docs.query(Filter::eq(path("name"), "x"), &[], 5)).await, ErrorKind::Unindexed);
        docs.put(&at("p", "d"), json!({"project": "p", "name": "x", "other": "d"})).await?;
        docs.def = docs
            .def
            .clone()
            .attribute(Attribute::new("other", path("other"), KeyType::Str { max: 9 }))
            .index(IndexDef::new("by_name").in_partition().asc("name").desc("other"));
        docs.ensure(EnsureMode::Apply).await?;
        let filter = Filter::eq(path("project"), "p").and(Filter::eq(path("name"), "x"));
        let order = [plan::OrderBy::desc(path("other"))];
        let filter = filter.and(Filter::Exists(path("other")));
        assert_eq!(docs.ids(filter, &order).await?, ["d", "c", "a"]);
        assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
    }

    /// What an interrupted call began, the next one ends; until then everything is found that was before.
    #[covers("document.ensure_collections")]
    #[kind(Calm)]
    async fn an_interrupted_change_is_completed(t) {
        for nth in [1, 2, 4, 8, 16, 26] {
            let old = plain(t)
                .attribute(Attribute::new("kind", path("kind"), KeyType::I64))
                .index(IndexDef::new("by_kind").in_partition().asc("kind"));
            let mut docs = Docs::ensured(t, old).await?;
            let body = |i: u64| json!({"project": "p", "name": format!("n{}", i % 3), "tags": ["t"], "kind": 1});
            for i in 0..8 {
                docs.put(&at("p", &format!("d{i}")), body(i)).await?;
            }
            docs.def = CollectionDef { indexes: Vec::new(), ..named(docs.def.clone()) };
            docs.def = docs.def.clone().index(IndexDef::new("by_name").asc("name")).index(IndexDef::new("by_tag").in_partition().asc("tag"));
            t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).nth(nth).times(u64::MAX));
            let _ = docs.ensure_by(&t.cx().with_timeout(INTERRUPTED), EnsureMode::Apply).await;
            t.faults.quiet().await;
            t.faults.clear();
            docs.put(&at("p", "d8"), body(8)).await?;
            docs.delete(&at("p", "d0"), Pre::None).await?;
            assert_eq!(docs.all(&docs.query(Filter::eq(path("project"), "p"), &[], 5)).await?.len(), 8);
            docs.ensure(EnsureMode::Apply).await?;
            for mode in [EnsureMode::Apply, EnsureMode::Verify] {
                assert_eq!(docs.ensure(mode).await?.changes, [], "{nth} {mode:?}");
            }
            assert_eq!(docs.ids(Filter::eq(path("name"), "n0"), &[]).await?, ["d3", "d6"]);
            let tagged = Filter::eq(path("project"), "p").and(Filter::Contains(path("tags"), "t".into()));
            assert_eq!(docs.ids(tagged, &[]).await?.len(), 8);
        }
    }

    /// What was done of a call before something fails is told; what says that nothing was done is so.
    #[covers("document.ensure_collections!already_exists")]
    #[kind(Calm)]
    async fn an_error_tells_what_was_ensured(t) {
        let mut docs = Docs::ensured(t, plain(t)).await?;
        for id in ["a", "b"] {
            docs.put(&at("p", id), json!({"project": "p", "name": "n"})).await?;
        }
        let unique = IndexDef::new("one_name").in_partition().asc("name").unique();
        docs.def = docs.def.attribute(Attribute::new("name", path("name"), KeyType::Str { max: 40 })).index(unique);
        let (d, definitions) = (t.p.documents(), vec![plain(t), docs.def.clone()]);
        let ensure = |mode| EnsureCollections { definitions: definitions.clone(), mode };
        let before = d.ensure_collections(&t.cx(), &ensure(EnsureMode::Plan)).await?;
        let refused = d.ensure_collections(&t.cx(), &ensure(EnsureMode::Apply)).await;
        let e = failed(refused, ErrorKind::AlreadyExists);
        let after = d.ensure_collections(&t.cx(), &ensure(EnsureMode::Plan)).await?;
        let told = if before == after { Outcome::NotApplied } else { Outcome::MaybeApplied };
        assert_eq!(e.outcome(), told, "{e}: {after:?}");
    }

    /// What cannot change does not: the kind of ids, the partition; bad definitions are refused, naming what is wrong.
    #[covers("document.ensure_collections!invalid_argument")]
    async fn what_cannot_change_is_refused(t) {
        let mut docs = Docs::ensured(t, plain(t)).await?;
        docs.put(&at("p", "a"), json!({"project": "p"})).await?;
        let def = docs.def.clone();
        for other in [
            CollectionDef { id: IdKind::Uuid, ..def.clone() },
            CollectionDef { partition: Partitioning::Constant, ..def.clone() },
            def.clone().partition_by(path("other")),
            def.clone().group("another"),
            def.clone().index(IndexDef::new("i").asc("undeclared")),
            def.clone().max_bytes(0),
        ] {
            docs.def = other;
            let e = invalid(docs.ensure(EnsureMode::Apply).await);
            assert!(e.to_string().contains(&def.name) || e.to_string().contains("index i"), "{e}");
        }
        docs.def = def;
        assert!(docs.get(&at("p", "a")).await?.is_some());
    }

    /// Many that ensure the same at once all succeed, and it is done once.
    #[covers("document.ensure_collections")]
    #[kind(Calm)]
    async fn many_may_ensure_at_once(t) {
        let def = named(plain(t));
        let results = race(6, |i, line| {
            let (p, cx, def) = (t.p.clone(), t.cx(), def.clone());
            async move {
                line.wait().await;
                let req = EnsureCollections { definitions: vec![def], mode: EnsureMode::Apply };
                p.documents().ensure_collections(&cx, &req).await.map(|done| (i, done))
            }
        })
        .await;
        let failures: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
        assert!(failures.is_empty(), "{failures:?}");
        let docs = Docs::ensured(t, def).await?;
        assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
        docs.put(&at("p", "a"), json!({"project": "p", "name": "x"})).await?;
        assert_eq!(docs.ids(Filter::eq(path("name"), "x"), &[]).await?, ["a"]);
    }

    /// Another handle that knew the collection before writes what a new index needs.
    #[covers("document.ensure_collections", "document.write_documents")]
    #[kind(Calm)]
    async fn other_handles_write_new_indexes(t) {
        let mut docs = Docs::ensured(t, plain(t)).await?;
        let other = docs.on(&t.another().await?);
        other.put(&at("p", "a"), json!({"project": "p", "name": "x"})).await?;
        docs.def = named(docs.def);
        docs.ensure(EnsureMode::Apply).await?;
        let told = other.p.documents().get_collection(&t.cx(), &other.described()).await?;
        assert_eq!(told, docs.def, "as it was ensured last, by whomever");
        other.put(&at("p", "b"), json!({"project": "p", "name": "x", "tags": ["t"]})).await?;
        assert_eq!(docs.ids(Filter::eq(path("name"), "x"), &[]).await?, ["a", "b"]);
        assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
        other.p.close().await?;
    }

    /// Documents by themselves and documents in one partition have ids in order, too; a partition is not named there.
    #[covers("document.ensure_collections", "document.find_documents", "document.write_documents!invalid_argument")]
    async fn every_partitioning_keeps_ids_in_order(t) {
        let spread = CollectionDef::new(collection_name(t), IdKind::Uuid);
        let constant = CollectionDef::new(collection_name(t), IdKind::Uuid).in_one_partition();
        for def in [spread, constant] {
            let tagged = def
                .attribute(Attribute::new("n", path("n"), KeyType::I64).default_value(0))
                .index(IndexDef::new("by_n").desc("n"));
            let docs = Docs::ensured(t, tagged).await?;
            let mut ids: Vec<uuid::Uuid> = (0..9).map(|_| uuid::Uuid::new_v4()).collect();
            for (n, id) in ids.iter().enumerate() {
                docs.put(&DocumentKey::new(*id), json!({"n": n % 2})).await?;
            }
            invalid(docs.put(&DocumentKey::within("p", ids[0]), json!({})).await);
            invalid(docs.put(&DocumentKey::new("text"), json!({})).await);
            let odd: BTreeIds = ids.iter().skip(1).step_by(2).copied().collect();
            ids.sort_unstable();
            let wanted: Vec<_> = ids.iter().map(ToString::to_string).collect();
            assert_eq!(docs.ids(Filter::everything(), &[]).await?, wanted);
            let from = std::ops::Bound::Excluded(DocumentId::Uuid(ids[3]));
            let rest = Filter::Id(from, std::ops::Bound::Unbounded);
            assert_eq!(docs.ids(rest, &[]).await?, wanted[4..]);
            let found = docs.ids(Filter::eq(path("n"), 1), &[plan::OrderBy::desc(path("n"))]).await?;
            assert_eq!(found, odd.iter().rev().map(ToString::to_string).collect::<Vec<_>>());
        }
    }
}

type BTreeIds = std::collections::BTreeSet<uuid::Uuid>;
