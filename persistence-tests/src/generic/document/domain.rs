//! The domains that documents are for: every query of PipeCD and fuseml, answered by an index.

use super::oracle::Oracle;
use crate::build::document::*;
use crate::fixture::call;
use crate::fixtures::{Find, Seed, fuseml, pipecd};
use crate::race::race;
use persistence_core::document::update::{Update, update_document};
use persistence_core::document::write::Pre;
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, Result};
use serde_json::json;
use std::collections::BTreeMap;

/// Stores a domain, and asks everything that it asks.
async fn serves(
    t: &crate::Fixture,
    prefix: &str,
    definitions: Vec<CollectionDef>,
    seeds: Vec<Seed>,
    finds: Vec<Find>,
) -> Result<()> {
    let req = EnsureCollections { definitions: definitions.clone(), mode: EnsureMode::Apply };
    t.p.documents().ensure_collections(&t.cx(), &req).await?;
    let kinds: BTreeMap<String, Docs> = definitions
        .into_iter()
        .map(|def| (def.name[prefix.len()..].to_owned(), Docs::declared(t, def)))
        .collect();
    let mut stored: BTreeMap<&str, Vec<Document>> = BTreeMap::new();
    for seed in seeds {
        let put = kinds[seed.kind].put_if(&seed.key, seed.body, Pre::Absent).await?;
        stored.entry(seed.kind).or_default().push(put);
    }
    for Find { caller, kind, filter, order, id_order } in finds {
        let docs = &kinds[kind];
        let query = FindDocuments { id_order, ..docs.query(filter.clone(), &order, 5) };
        let explained = docs.explain(&query).await?;
        assert!(!explained.scan, "{caller}: {} scans", shown(&filter));
        let found = docs.all(&query).await?;
        let wanted = Oracle::of(&docs.def).answer(&stored[kind], &filter, &order, id_order);
        let ids = |docs: &[Document]| docs.iter().map(|d| d.key.to_string()).collect::<Vec<_>>();
        // Nothing compares with nothing on any driver.
        assert!(!wanted.is_empty(), "{caller}: {} finds nothing", shown(&filter));
        assert_eq!(ids(&found), ids(&wanted), "{caller}: {} by {order:?}\n{explained:?}", shown(&filter));
    }
    Ok(())
}

/// What the names of a case's collections begin with: the end of a name that no other case has, since what it begins with is the time.
fn prefix(t: &crate::Fixture) -> String {
    let name = collection_name(t);
    format!("c{}_", &name[name.len() - 14..])
}

crate::cases! {
    group: "document";

    /// Every query of PipeCD's code base finds what it must, in its order, by an index.
    #[covers("document.find_documents", "document.explain_documents")]
    #[kind(Calm)]
    async fn pipecd_is_served(t) {
        let prefix = prefix(t);
        serves(t, &prefix, pipecd::collections(&prefix), pipecd::seeds(), pipecd::finds()).await?;
    }

    /// Every query of fuseml's stores finds what it must by an index; its own tests' answers are right.
    #[covers("document.find_documents", "document.explain_documents")]
    #[kind(Calm)]
    async fn fuseml_is_served(t) {
        let prefix = prefix(t);
        let definitions = fuseml::collections(&prefix);
        serves(t, &prefix, definitions.clone(), fuseml::seeds(), fuseml::finds()).await?;
        let kind = |i: usize| Docs::declared(t, definitions[i].clone());
        let (apps, workflows, runnables, extensions) = (kind(0), kind(1), kind(2), kind(3));
        let both = Filter::eq(path("Type"), "type1").and(Filter::eq(path("Workflow"), "wf1"));
        assert_eq!(apps.ids(both, &[]).await?, ["app1"]);
        assert_eq!(extensions.ids(Filter::eq(path("Product"), "p1"), &[]).await?, ["1", "2"]);
        assert_eq!(extensions.ids(Filter::eq(path("Product"), "p2"), &[]).await?, ["3"]);
        let assigned = |id: &str| Filter::Contains(path("AssignedTo.Codesets.*.Codeset.ID"), id.into());
        assert_eq!(workflows.ids(assigned("p/cs2"), &[]).await?, ["wf1", "wf3"]);
        assert_eq!(workflows.ids(assigned("q/cs2"), &[]).await?, ["wf5"]);

        // Versions, scopes and patterns are told on what an index finds.
        let two = fuseml::Wanted { resource: Some("resource-two"), ..Default::default() };
        let old = fuseml::Wanted { versions: Some(">=1.0,<1.1"), ..two };
        let (url, one) = ("https://resource-two.example", Some("user-one"));
        for (wanted, extensions_found) in [
            (fuseml::Wanted { user: one, ..old }, &["4"][..]),
            (old, &["4"]),
            (two, &["4", "5"]),
            (fuseml::Wanted { user: one, ..two }, &["4", "5"]),
            (fuseml::Wanted { user: Some("user-two"), ..two }, &[]),
            (fuseml::Wanted { versions: Some("^1.2"), product: Some("p3"), ..two }, &["5"]),
            (fuseml::Wanted { product: Some("p1"), ..two }, &[]),
            (fuseml::Wanted { endpoint: Some(url), credentials: Some("own"), ..Default::default() }, &["4", "5"]),
            (fuseml::Wanted { service: Some("service-two"), versions: Some("<1.1"), ..Default::default() }, &["4"]),
        ] {
            let query = extensions.query(wanted.filter(), &[], 10);
            assert!(!extensions.explain(&query).await?.scan, "{wanted:?}");
            let descriptor = |id: &&str| [*id, "service-two", url, "own"].map(str::to_owned);
            let expected: Vec<fuseml::Descriptor> = extensions_found.iter().map(descriptor).collect();
            assert_eq!(wanted.among(&extensions.all(&query).await?), expected, "{wanted:?}");
        }
        for (kind, id, labels, expected) in [
            (Some("trainer"), "^train", &[][..], &["trainer-1", "trainer-2"][..]),
            (Some("trainer"), "er-[12]$", &[("lib", "^ker")], &["trainer-2"]),
            (None, "-1", &[], &["builder-1", "trainer-1"]),
            (None, "", &[("gpu", "")], &["trainer-1"]),
            (Some("builder"), "trainer", &[], &[]),
        ] {
            let filter = kind.map_or(Filter::everything(), |kind| Filter::eq(path("Kind"), kind));
            let query = runnables.query(filter, &[], 10);
            assert!(!runnables.explain(&query).await?.scan, "{query:?}");
            assert_eq!(fuseml::runnables(&runnables.all(&query).await?, id, labels), expected, "{id}");
        }
    }

    /// The sample of the RFC behind PipeCD's SQL store: equality and prefix by an index, and arrays that contain.
    #[covers("document.find_documents", "document.explain_documents")]
    async fn three_applications_are_found(t) {
        let text = KeyType::Str { max: 10 };
        let def = CollectionDef::new(collection_name(t), IdKind::Uuid)
            .attribute(Attribute::new("name", path("name"), text))
            .attribute(Attribute::new("tag", path("tags"), text).elements())
            .index(IndexDef::new("by_name").asc("name"))
            .index(IndexDef::new("by_tag").asc("tag"));
        let docs = Docs::ensured(t, def).await?;
        for (i, tags) in [json!(["test"]), json!(["app"]), json!(["app", "test"])].into_iter().enumerate() {
            let body = json!({"name": format!("app-{}", i + 1), "attr": format!("value_{}", i + 1), "tags": tags});
            docs.put(&DocumentKey::new(uuid::Uuid::now_v7()), body).await?;
        }
        for (filter, index, wanted) in [
            (Filter::eq(path("name"), "app-1"), "by_name", &["app-1"][..]),
            (Filter::Prefix(path("name"), "app-".to_owned()), "by_name", &["app-1", "app-2", "app-3"]),
            (Filter::Contains(path("tags"), "test".into()), "by_tag", &["app-1", "app-3"]),
            (Filter::Contains(path("tags"), "app".into()), "by_tag", &["app-2", "app-3"]),
        ] {
            let query = docs.query(filter, &[], 10);
            assert_eq!(docs.explain(&query).await?.accesses[0].index.as_deref(), Some(index));
            let mut names: Vec<_> = docs.all(&query).await?.iter().map(|d| d.body["name"].clone()).collect();
            names.sort_by_key(ToString::to_string);
            assert_eq!(names, wanted);
        }
    }

    /// Assignments that are added to one workflow at once are all there: what fuseml loses, reading and writing in two steps.
    #[covers("document.write_documents")]
    async fn concurrent_assignments_all_stay(t) {
        let prefix = prefix(t);
        let docs = Docs::ensured(t, fuseml::collections(&prefix).remove(1)).await?;
        let key = DocumentKey::new("wf");
        docs.put(&key, json!({"Name": "wf", "AssignedTo": {"Codesets": []}})).await?;
        race(8, |i, line| {
            let (docs, key) = (docs.clone(), key.clone());
            async move {
                line.wait().await;
                let assign = |body: &mut serde_json::Value| {
                    let codeset = json!({"Codeset": fuseml::codeset("p", &format!("cs{i}"))});
                    body["AssignedTo"]["Codesets"].as_array_mut().unwrap().push(codeset);
                    Ok(Update::Write)
                };
                let (documents, name) = (docs.p.documents(), &docs.def.name);
                let done = update_document(documents, &call(), name, &key, 1000, assign).await.unwrap();
                assert!(done.version > 1);
            }
        })
        .await;
        let at = path("AssignedTo.Codesets.*.Codeset.ID");
        for i in 0..8 {
            assert_eq!(docs.ids(Filter::Contains(at.clone(), format!("p/cs{i}").into()), &[]).await?, ["wf"]);
        }
        // A workflow that is assigned is not deleted.
        let unassigned = Pre::Match(Filter::IsNull(path("AssignedTo.Codesets.*")));
        let e = docs.delete(&key, unassigned.clone()).await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::ConditionFailed);
        docs.put(&key, json!({"Name": "wf", "AssignedTo": {"Codesets": []}})).await?;
        assert!(docs.remove(&key, unassigned).await?);
    }
}
