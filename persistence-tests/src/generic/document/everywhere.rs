//! Unique indexes over a whole collection, whose documents are in many partitions.

use super::unique::taken;
use crate::build::document::*;
use crate::build::expect::{failed, missing};
use crate::race::race;
use persistence_core::document::write::{Action, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{Capability, Clock, ErrorKind, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// A collection with a unique index over all of it and one over all that live: in partitions by project, or each document by itself.
fn people(t: &crate::Fixture, by_project: bool) -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    let def = CollectionDef::new(collection_name(t), IdKind::Text);
    let def = if by_project { def.partition_by(path("project")) } else { def };
    def.attribute(Attribute::new("name", path("name"), text))
        .attribute(Attribute::new("mail", path("mail"), text))
        .index(IndexDef::new("one_name").asc("name").unique_live())
        .index(IndexDef::new("one_mail").asc("mail").unique())
}

/// The place of a document in either of them.
fn place(def: &CollectionDef, project: &str, id: &str) -> DocumentKey {
    match def.partition {
        Partitioning::By(_) => at(project, id),
        _ => DocumentKey::new(format!("{project}-{id}")),
    }
}

fn body(project: &str, name: &str, mail: &str) -> Value {
    json!({"project": project, "name": name, "mail": mail})
}

async fn both(t: &crate::Fixture) -> Result<[Docs; 2]> {
    Ok([Docs::ensured(t, people(t, true)).await?, Docs::ensured(t, people(t, false)).await?])
}

async fn is_sound(docs: &Docs) -> Result<()> {
    assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
    Ok(())
}

crate::cases! {
    group: "document";

    /// Two documents never have the same keys of an index that is unique over the collection, wherever they are. What a document
    /// gives up is free again: when it changes it, is deleted, or hidden where only those that live count.
    #[covers("document.write_documents!already_exists", "document.ensure_collections")]
    #[needs(CrossPartition)]
    async fn keys_are_taken_once_in_a_collection(t) {
        for docs in both(t).await? {
            let at = |project: &str, id: &str| place(&docs.def, project, id);
            docs.put(&at("p", "a"), body("p", "n", "m")).await?;
            for project in ["p", "q"] {
                taken(docs.put(&at(project, "b"), body(project, "n", "x")).await, "one_name");
                taken(docs.put(&at(project, "b"), body(project, "x", "m")).await, "one_mail");
                assert_eq!(docs.get(&at(project, "b")).await?, None);
            }
            docs.put(&at("q", "b"), json!({"project": "q"})).await?;
            taken(docs.put(&at("q", "b"), body("q", "n", "x")).await, "one_name");
            docs.put(&at("p", "a"), body("p", "o", "m")).await?;
            docs.put(&at("q", "b"), body("q", "n", "x")).await?;
            docs.delete(&at("q", "b"), Pre::None).await?;
            docs.put(&at("r", "c"), body("r", "n", "x")).await?;
            docs.hide(&at("r", "c"), Pre::None).await?;
            taken(docs.put(&at("s", "d"), body("s", "n", "x")).await, "one_mail");
            docs.put(&at("s", "d"), body("s", "n", "y")).await?;
            taken(docs.put(&at("r", "c"), body("r", "n", "x")).await, "one_name");
            assert_eq!(docs.ids(Filter::eq(path("name"), "n"), &[]).await?, [at("s", "d").id.to_string()]);
            is_sound(&docs).await?;
        }
    }

    /// An expired document of another partition holds nothing, and a key changes hands over partitions in one write.
    #[covers("P13", "P18", "document.write_documents")]
    #[needs(CrossPartition)]
    async fn keys_change_hands_in_a_collection(t) {
        for docs in both(t).await? {
            let at = |project: &str, id: &str| place(&docs.def, project, id);
            let end = t.clock.now().after(Duration::from_secs(5));
            docs.put_until(&at("p", "a"), body("p", "n", "m"), Pre::None, Some(end)).await?;
            taken(docs.put(&at("q", "b"), body("q", "n", "x")).await, "one_name");
            t.clock.advance(Duration::from_secs(5));
            docs.put(&at("q", "b"), body("q", "n", "m")).await?;
            let put = |project: &str, id: &str, name: &str, mail: &str| {
                let body = body(project, name, mail);
                docs.one(&at(project, id), Pre::None, Action::Put { body, expires: None })
            };
            docs.write(vec![docs.one(&at("q", "b"), Pre::Present, Action::Delete), put("r", "c", "n", "m")]).await?;
            docs.write(vec![put("s", "d", "n", "m"), put("r", "c", "o", "p")]).await?;
            taken(docs.write(vec![put("t", "e", "z", "1"), put("u", "f", "z", "2")]).await, "one_name");
            assert_eq!(docs.get(&at("t", "e")).await?, None);
            is_sound(&docs).await?;
        }
    }

    /// Of many in many partitions that want one name at once one gets it.
    #[covers("document.write_documents!already_exists")]
    #[needs(CrossPartition)]
    async fn one_of_a_collection_gets_the_name(t) {
        for docs in both(t).await? {
            for name in ["x", "y"] {
                let results = race(8, |i, line| {
                    let docs = docs.clone();
                    async move {
                        let project = format!("p{i}");
                        let key = place(&docs.def, &project, name);
                        line.wait().await;
                        docs.put(&key, json!({"project": project, "name": name})).await
                    }
                })
                .await;
                assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
                for lost in results.into_iter().filter(Result::is_err) {
                    taken(lost, "one_name");
                }
                assert_eq!(docs.ids(Filter::eq(path("name"), name), &[]).await?.len(), 1);
            }
            is_sound(&docs).await?;
        }
    }

    /// Where writes do not span partitions no index can be unique over a collection of many, which is told before anything is made.
    #[covers("document.ensure_collections!unsupported")]
    async fn uniqueness_over_partitions_is_unsupported(t) {
        if t.capabilities().has(Capability::CrossPartition) {
            return Ok(());
        }
        for by_project in [false, true] {
            let docs = Docs::declared(t, people(t, by_project));
            for mode in [EnsureMode::Plan, EnsureMode::Verify, EnsureMode::Apply] {
                failed(docs.ensure(mode).await, ErrorKind::Unsupported);
            }
            missing(docs.p.documents().get_collection(&t.cx(), &docs.described()).await);
            // Neither is what is asked for beside it.
            let other = people(t, by_project);
            let fine = CollectionDef::new(collection_name(t), IdKind::Text);
            let req = EnsureCollections { definitions: vec![fine.clone(), other], mode: EnsureMode::Apply };
            failed(t.p.documents().ensure_collections(&t.cx(), &req).await, ErrorKind::Unsupported);
            let made = GetCollection { collection: fine.name };
            missing(t.p.documents().get_collection(&t.cx(), &made).await);
        }
    }
}
