//! Several documents in one write.

use crate::build::document::*;
use crate::build::expect::failed;
use crate::race::{Beside, race};
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{Capability, Detail, ErrorKind, Result};
use serde_json::json;

fn put(docs: &Docs, id: &str, pre: Pre, project: &str, kind: i64) -> DocumentWrite {
    let body = machine(project, 1, json!({"kind": kind, "tags": [id]}));
    docs.one(&at(project, id), pre, Action::Put { body, expires: None })
}

const ROUNDS: u32 = 12;

/// Two at once, each of which does something about the other one's document and puts its own: how they ended, and how many
/// documents are left.
async fn crossed(docs: &Docs, n: u32, pre: Pre, action: Action) -> (Vec<Result<Vec<Written>>>, usize) {
    let keys = [at("p", &format!("a{n}")), at("p", &format!("b{n}"))];
    let results = race(2, |i, line| {
        let other = docs.one(&keys[1 - i], pre.clone(), action.clone());
        let (docs, own) = (docs.clone(), put(docs, &keys[i].id.to_string(), pre.clone(), "p", 1));
        async move {
            line.wait().await;
            docs.write(vec![other, own]).await
        }
    })
    .await;
    let left = docs.get_all(&keys, Deleted::Hide).await.unwrap();
    (results, left.iter().flatten().count())
}

crate::cases! {
    group: "document";

    /// Writes of one partition are done all or none, also across the collections of a group.
    #[covers("document.write_documents", "document.write_documents!condition_failed")]
    async fn a_partition_is_written_together(t) {
        let first = machines(t);
        let (group, second) = (first.name.clone(), machines(t));
        let a = Docs::ensured(t, first).await?;
        let b = Docs::ensured(t, second.group(group)).await?;
        let written = a.write(vec![put(&a, "x", Pre::Absent, "p", 1), put(&b, "x", Pre::Absent, "p", 2)]).await?;
        assert_eq!(written.len(), 2);
        let kinds: Vec<_> = written.iter().map(|w| w.document.as_ref().unwrap().body["kind"].clone()).collect();
        assert_eq!(kinds, [json!(1), json!(2)], "answers are in the order of the writes");

        let check = a.one(&at("p", "x"), Pre::Version(9), Action::Check);
        let e = failed(a.write(vec![put(&b, "y", Pre::None, "p", 3), check]).await, ErrorKind::ConditionFailed);
        assert!(matches!(e.detail(), Detail::ConditionFailed { entity, .. } if entity.contains(&a.def.name)), "{e:?}");
        assert_eq!(b.get(&at("p", "y")).await?, None, "nothing of it was done");

        let check = a.one(&at("p", "x"), Pre::Version(1), Action::Check);
        let written = a
            .write(vec![check, put(&b, "y", Pre::None, "p", 3), b.one(&at("p", "x"), Pre::Present, Action::Delete)])
            .await?;
        assert_eq!(written.iter().map(|w| w.changed).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(a.get(&at("p", "x")).await?.map(|d| d.version), Some(1), "a check changes nothing");
        assert_eq!(b.ids(Filter::eq(path("project"), "p"), &[]).await?, ["y"]);
    }

    /// Where a driver can, writes of several partitions and collections are done all or none.
    #[covers("capability.cross_partition", "document.write_documents")]
    #[needs(CrossPartition)]
    async fn partitions_are_written_together(t) {
        let (a, b) = (Docs::ensured(t, machines(t)).await?, Docs::ensured(t, machines(t)).await?);
        a.write(vec![put(&a, "x", Pre::Absent, "p", 1), put(&a, "x", Pre::Absent, "q", 1), put(&b, "x", Pre::Absent, "p", 1)])
            .await?;
        assert_eq!(a.ids(Filter::Contains(path("tags"), "x".into()), &[]).await?, ["x", "x"]);
        let stale = vec![put(&a, "y", Pre::Absent, "p", 1), put(&b, "x", Pre::Version(2), "p", 1)];
        failed(a.write(stale).await, ErrorKind::ConditionFailed);
        assert_eq!(a.ids(Filter::Contains(path("tags"), "y".into()), &[]).await?, [""; 0]);
    }

    /// Where it cannot, they are refused as unsupported, and nothing is done.
    #[covers("document.write_documents!unsupported")]
    async fn partitions_apart_are_unsupported(t) {
        if t.capabilities().has(Capability::CrossPartition) {
            return Ok(());
        }
        let (a, b) = (Docs::ensured(t, machines(t)).await?, Docs::ensured(t, machines(t)).await?);
        let apart = [
            vec![put(&a, "x", Pre::Absent, "p", 1), put(&a, "x", Pre::Absent, "q", 1)],
            vec![put(&a, "x", Pre::Absent, "p", 1), put(&b, "x", Pre::Absent, "p", 1)],
        ];
        for writes in apart {
            failed(a.write(writes).await, ErrorKind::Unsupported);
            assert_eq!(a.get(&at("p", "x")).await?, None);
        }
    }

    /// Of writes that each require that the other one's document is not there, one is done.
    #[covers("document.write_documents", "document.write_documents!already_exists")]
    async fn what_is_not_there_stays_so(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        for n in 0..ROUNDS {
            let (results, left) = crossed(&docs, n, Pre::Absent, Action::Check).await;
            let refused: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
            assert!(refused.len() == 1 && refused[0].kind() == ErrorKind::AlreadyExists, "round {n}: {results:?}");
            assert_eq!(left, 1, "round {n}");
        }
    }

    /// Of writes that each remove the other one's document, if there is one, the last one's document is left. (Who was removed
    /// without having heard of its end cannot be told from who never was, so no faults here.)
    #[covers("document.write_documents")]
    #[kind(Calm)]
    async fn who_removes_the_other_is_left(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        for n in 0..ROUNDS {
            let (results, left) = crossed(&docs, n, Pre::None, Action::Delete).await;
            assert!(results.iter().all(Result::is_ok), "round {n}: {results:?}");
            assert_eq!(left, 1, "round {n}");
        }
    }

    /// A document that is moved is seen somewhere by every look at both places.
    #[covers("document.write_documents", "document.write_documents!already_exists")]
    #[kind(Calm)]
    async fn checks_are_of_one_moment(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let places = [at("p", "here"), at("p", "there")];
        docs.write(vec![put(&docs, "here", Pre::Absent, "p", 1)]).await?;
        let mover = {
            let (docs, places) = (docs.clone(), places.clone());
            Beside::run(async move {
                for n in 0..40 {
                    let (from, to) = (&places[n % 2], &places[(n + 1) % 2]);
                    let body = machine("p", 1, json!({"kind": n}));
                    let to = docs.one(to, Pre::Absent, Action::Put { body, expires: None });
                    docs.write(vec![docs.one(from, Pre::Present, Action::Delete), to]).await.unwrap();
                }
            })
        };
        let mut looks = 0;
        while looks < 5 || !mover.has_ended() {
            let checks = places.iter().map(|p| docs.one(p, Pre::Absent, Action::Check)).collect();
            failed(docs.write(checks).await, ErrorKind::AlreadyExists);
            looks += 1;
        }
        mover.end().await;
    }

    /// Money that is moved between the documents of a partition is neither made nor lost.
    #[covers("document.write_documents")]
    #[kind(Calm)]
    async fn transfers_keep_the_sum(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let ids = ["a", "b", "c"];
        for id in ids {
            docs.write(vec![put(&docs, id, Pre::Absent, "p", 100)]).await?;
        }
        race(6, |i, line| {
            let docs = docs.clone();
            async move {
                line.wait().await;
                for n in 0..8 {
                    let (from, to) = (ids[(i + n) % 3], ids[(i + 2 * n + 1) % 3]);
                    if from == to {
                        continue;
                    }
                    loop {
                        let keys = [at("p", from), at("p", to)];
                        let got = docs.get_all(&keys, Deleted::Hide).await.unwrap();
                        let now: Vec<_> = got.into_iter().map(Option::unwrap).collect();
                        let kind = |d: &Document| d.body["kind"].as_i64().unwrap();
                        let writes = vec![
                            put(&docs, from, Pre::Version(now[0].version), "p", kind(&now[0]) - 1),
                            put(&docs, to, Pre::Version(now[1].version), "p", kind(&now[1]) + 1),
                        ];
                        match docs.write(writes).await {
                            Ok(_) => break,
                            Err(e) => assert_eq!(e.kind(), ErrorKind::ConditionFailed, "{e}"),
                        }
                    }
                }
            }
        })
        .await;
        let all = docs.all(&docs.query(Filter::eq(path("project"), "p"), &[], 10)).await?;
        assert_eq!(all.iter().map(|d| d.body["kind"].as_i64().unwrap()).sum::<i64>(), 300);
    }
}
