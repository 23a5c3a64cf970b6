//! Unique indexes.

use crate::build::document::*;
use crate::build::expect::failed;
use crate::race::race;
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::Deleted;
use persistence_core::{Clock, Detail, ErrorKind, Result};
use serde_json::json;
use std::fmt::Debug;
use std::time::Duration;

#[track_caller]
pub(super) fn taken<T: Debug>(result: Result<T>, name: &str) {
    let e = failed(result, ErrorKind::AlreadyExists);
    assert!(matches!(e.detail(), Detail::AlreadyExists { index: Some(i), .. } if i == name), "{e:?}");
}

fn accounts(t: &crate::Fixture) -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    CollectionDef::new(collection_name(t), IdKind::Text)
        .partition_by(path("project"))
        .attribute(Attribute::new("name", path("name"), text))
        .attribute(Attribute::new("mail", path("mail"), text))
        .attribute(Attribute::new("kind", path("kind"), KeyType::I64).default_value(0))
        .index(IndexDef::new("one_name").in_partition().asc("name").unique_live())
        .index(IndexDef::new("one_mail").in_partition().asc("kind").asc("mail").unique())
}

crate::cases! {
    group: "document";

    /// Two documents of a partition never have the same unique keys; those that lack one are not bound, other partitions do
    /// not count, and names that only look alike are others.
    #[covers("document.write_documents!already_exists")]
    async fn unique_keys_are_taken_once(t) {
        let docs = Docs::ensured(t, accounts(t)).await?;
        let name = |name: &str| json!({"project": "p", "name": name});
        docs.put(&at("p", "a"), name("n")).await?;
        taken(docs.put(&at("p", "b"), name("n")).await, "one_name");
        assert_eq!(docs.get(&at("p", "b")).await?, None);
        for (id, other) in ["N", "n ", "ń", " n"].into_iter().enumerate() {
            docs.put(&at("p", &format!("c{id}")), name(other)).await?;
        }
        docs.put(&at("q", "b"), json!({"project": "q", "name": "n"})).await?;
        docs.put(&at("p", "d"), json!({"project": "p"})).await?;
        docs.put(&at("p", "e"), json!({"project": "p", "name": null})).await?;
        docs.put(&at("p", "a"), name("n")).await?;

        let mail = |kind: i64| json!({"project": "p", "mail": "m", "kind": kind});
        docs.put(&at("p", "f"), mail(0)).await?;
        docs.put(&at("p", "g"), mail(1)).await?;
        taken(docs.put(&at("p", "h"), json!({"project": "p", "mail": "m"})).await, "one_mail");
        taken(docs.put(&at("p", "g"), mail(0)).await, "one_mail");
        assert_eq!(docs.get(&at("p", "g")).await?.map(|d| (d.version, d.body)), Some((1, mail(1))));
    }

    /// A name is free again when its document changes it or is deleted; a soft delete frees it only where the index says so.
    #[covers("document.write_documents")]
    async fn unique_keys_become_free(t) {
        let docs = Docs::ensured(t, accounts(t)).await?;
        let body = |name: &str, mail: &str| json!({"project": "p", "name": name, "mail": mail});
        docs.put(&at("p", "a"), body("n", "m")).await?;
        docs.put(&at("p", "a"), body("o", "m")).await?;
        docs.put(&at("p", "b"), body("n", "x")).await?;
        docs.delete(&at("p", "b"), Pre::None).await?;
        docs.put(&at("p", "c"), body("n", "x")).await?;
        docs.hide(&at("p", "c"), Pre::None).await?;
        taken(docs.put(&at("p", "d"), body("n", "x")).await, "one_mail");
        docs.put(&at("p", "d"), body("n", "y")).await?;
        taken(docs.put(&at("p", "c"), body("n", "x")).await, "one_name");
        docs.put(&at("p", "c"), body("other", "x")).await?;
    }

    /// An expired document holds nothing.
    #[covers("P18", "document.write_documents")]
    async fn an_expired_document_holds_no_key(t) {
        let docs = Docs::ensured(t, accounts(t)).await?;
        let body = json!({"project": "p", "name": "n", "mail": "m"});
        let end = t.clock.now().after(Duration::from_secs(5));
        docs.put_until(&at("p", "a"), body.clone(), Pre::None, Some(end)).await?;
        taken(docs.put(&at("p", "b"), body.clone()).await, "one_name");
        t.clock.advance(Duration::from_secs(5));
        docs.put(&at("p", "b"), body.clone()).await?;
        taken(docs.put(&at("p", "a"), body).await, "one_name");
        assert_eq!(docs.ids(Filter::eq(path("project"), "p").and(Filter::eq(path("name"), "n")), &[]).await?, ["b"]);
    }

    /// A document may take what another one gives up in the same write; two of one write may not take the same.
    #[covers("document.write_documents")]
    async fn a_key_may_change_hands_in_one_write(t) {
        let docs = Docs::ensured(t, accounts(t)).await?;
        let body = |name: &str| json!({"project": "p", "name": name});
        let put = |id: &str, name: &str| {
            docs.one(&at("p", id), Pre::None, Action::Put { body: body(name), expires: None })
        };
        docs.write(vec![put("a", "x"), put("b", "y")]).await?;
        docs.write(vec![docs.one(&at("p", "a"), Pre::Present, Action::Delete), put("c", "x")]).await?;
        // One that is only hidden gives up what is unique among the living, also where the other one is named first.
        docs.write(vec![put("b", "x"), docs.one(&at("p", "c"), Pre::Present, Action::SoftDelete)]).await?;
        docs.write(vec![put("c", "w")]).await?;
        taken(docs.write(vec![put("d", "z"), put("e", "z")]).await, "one_name");
        assert_eq!(docs.get(&at("p", "d")).await?, None);
        assert_eq!(docs.ids(Filter::eq(path("project"), "p"), &[]).await?, ["b", "c"]);
    }

    /// Of many that want one name at once one gets it.
    #[covers("document.write_documents!already_exists")]
    async fn one_gets_the_name(t) {
        let docs = Docs::ensured(t, accounts(t)).await?;
        for name in ["x", "y"] {
            let results = race(8, |i, line| {
                let docs = docs.clone();
                async move {
                    line.wait().await;
                    docs.put(&at("p", &format!("{name}{i}")), json!({"project": "p", "name": name})).await
                }
            })
            .await;
            assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
            for lost in results.into_iter().filter(Result::is_err) {
                taken(lost, "one_name");
            }
            let found = Filter::eq(path("project"), "p").and(Filter::eq(path("name"), name));
            assert_eq!(docs.ids(found, &[]).await?.len(), 1);
        }
    }

    /// Two documents swap their unique keys in one write, of which one writer wins. The others are told the version that is there:
    /// never that a document is missing that only changes hands.
    #[covers("document.write_documents!condition_failed")]
    async fn keys_are_swapped_by_one(t) {
        let docs = Docs::ensured(t, accounts(t)).await?;
        let put = |docs: &Docs, id: &str, name: &str, pre| {
            docs.one(&at("p", id), pre, Action::Put { body: json!({"project": "p", "name": name}), expires: None })
        };
        docs.write(vec![put(&docs, "a", "x", Pre::Absent), put(&docs, "b", "y", Pre::Absent)]).await?;
        for version in 1..=4 {
            let names = if version % 2 == 1 { ["y", "x"] } else { ["x", "y"] };
            let results = race(8, |_, line| {
                let docs = docs.clone();
                async move {
                    let of = |id, name| put(&docs, id, name, Pre::Version(version));
                    line.wait().await;
                    docs.write(vec![of("a", names[0]), of("b", names[1])]).await
                }
            })
            .await;
            assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
            for lost in results.into_iter().filter(Result::is_err) {
                let e = failed(lost, ErrorKind::ConditionFailed);
                assert!(matches!(e.detail(), Detail::ConditionFailed { actual: Some(a), .. } if *a == version + 1), "{e:?}");
            }
            let found = docs.get_all(&[at("p", "a"), at("p", "b")], Deleted::Hide).await?;
            for (document, name) in found.iter().flatten().zip(names) {
                assert_eq!((document.version, &document.body["name"]), (version + 1, &json!(name)));
            }
        }
    }

    /// Who loses a race for a document and for a unique key in one write is told of the document's version: conditions come first.
    #[covers("document.write_documents!condition_failed")]
    async fn conditions_come_before_keys(t) {
        let docs = Docs::ensured(t, accounts(t)).await?;
        docs.put(&at("p", "latest"), json!({"project": "p"})).await?;
        for version in 1..=6 {
            let results = race(8, |i, line| {
                let docs = docs.clone();
                async move {
                    let put = |id: &str, body, pre| docs.one(&at("p", id), pre, Action::Put { body, expires: None });
                    let latest = put("latest", json!({"project": "p"}), Pre::Version(version));
                    let entry = json!({"project": "p", "name": format!("n{version}")});
                    let entry = put(&format!("entry {version} {i}"), entry, Pre::Absent);
                    line.wait().await;
                    docs.write(vec![latest, entry]).await
                }
            })
            .await;
            assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
            for lost in results.into_iter().filter(Result::is_err) {
                let e = failed(lost, ErrorKind::ConditionFailed);
                assert!(matches!(e.detail(), Detail::ConditionFailed { actual: Some(a), .. } if *a == version + 1), "{e:?}");
            }
        }
    }
}
