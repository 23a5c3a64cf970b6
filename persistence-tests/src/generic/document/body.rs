//! What a document may be.

use crate::build::document::*;
use crate::build::expect::{failed, invalid};
use persistence_core::document::*;
use persistence_core::{ErrorKind, PageRequest};
use serde_json::{Value, json};

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!({}), |inner, _| json!({"x": inner}))
}

fn bodies() -> Vec<Value> {
    vec![
        json!({}),
        json!({"free": [1, "two", {"three": null}], "": "empty name", "a.b": {"c\"d": "e\\f"}}),
        json!({"$": 1, "*": 2, "'": 3, "`": 4, "%_": 5, "é🦀": "é🦀", "\n\t": "\u{1}\u{7f}"}),
        json!({"numbers": [i64::MIN, i64::MAX, (1_i64 << 53) + 1, 0, -1, 1.5, -2.25, 1e300, 5e-324]}),
        json!({"true": true, "false": false, "null": null, "empty": [[], {}, ""]}),
        json!({"name": null, "tags": null, "labels": null, "score": null}),
        json!({"tags": [], "labels": {}, "services": []}),
        json!({"tags": ["b", null, "a", "b"], "labels": {"k=v": "w", "": ""}, "services": {"x": {"resource": "r"}, "y": {}}}),
        json!({"score": 1, "kind": i64::MIN, "owner": "0190a0b0-0000-7000-8000-000000000000"}),
    ]
}

crate::cases! {
    group: "document";

    /// A document is read back as it was written, with whatever it holds besides what is declared.
    #[covers("document.write_documents", "document.get_documents")]
    async fn a_document_is_read_back(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        for (i, more) in bodies().into_iter().enumerate() {
            let (key, body) = (at("p", &format!("d{i}")), machine("p", 1, more));
            docs.put(&key, body.clone()).await?;
            assert_eq!(docs.get(&key).await?.map(|d| d.body), Some(body.clone()));
            let found = docs.all(&docs.query(Filter::id(key.id.clone()), &[], 5)).await?;
            assert_eq!(found.into_iter().map(|d| d.body).collect::<Vec<_>>(), [body]);
        }
    }

    /// A document is at most as deep and as long as the limits say, on every database.
    #[covers("document.write_documents!too_large", "document.write_documents!invalid_argument")]
    async fn limits_are_the_same_everywhere(t) {
        let docs = Docs::ensured(t, machines(t).max_bytes(100_000)).await?;
        let key = at("p", "a");
        let deepest = machine("p", 1, json!({"x": nested(63)}));
        docs.put(&key, deepest.clone()).await?;
        assert_eq!(docs.get(&key).await?.map(|d| d.body), Some(deepest.clone()));
        for depth in [64, 100] {
            invalid(docs.put(&key, machine("p", 1, json!({"x": nested(depth)}))).await);
        }
        let sized = |n: usize| machine("p", 1, json!({"x": "é".repeat(n / 2)}));
        let around = sized(0).to_string().len() + 2;
        failed(docs.put(&key, sized(100_000)).await, ErrorKind::TooLarge);
        assert_eq!(docs.get(&key).await?.map(|d| d.body), Some(deepest), "nothing was written");
        let largest = sized(99_998 - around);
        docs.put(&key, largest.clone()).await?;
        assert_eq!(docs.get(&key).await?.map(|d| d.body), Some(largest));
    }

    /// A document of a megabyte is kept.
    #[covers("document.write_documents")]
    async fn a_megabyte_is_kept(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let body = machine("p", 1, json!({"x": "x".repeat((1 << 20) - 100), "name": "n"}));
        docs.put(&at("p", "a"), body.clone()).await?;
        assert_eq!(docs.get(&at("p", "a")).await?.map(|d| d.body), Some(body));
    }

    /// What is declared has its type, or the document is refused, naming the place; so is what not all databases can keep.
    #[covers("document.write_documents!invalid_argument")]
    async fn declared_types_are_strict(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let key = at("p", "a");
        for (wrong, place) in [
            (json!({"name": 1}), "name"),
            (json!({"name": "x".repeat(41)}), "name"),
            (json!({"name": "é".repeat(21)}), "name"),
            (json!({"kind": "1"}), "kind"),
            (json!({"kind": 1.0}), "kind"),
            (json!({"kind": 1.5}), "kind"),
            (json!({"kind": u64::MAX}), "kind"),
            (json!({"kind": true}), "kind"),
            (json!({"score": "1"}), "score"),
            (json!({"enabled": 1}), "enabled"),
            (json!({"updated_at": null}), "updated_at"),
            (json!({"updated_at": 1.5}), "updated_at"),
            (json!({"updated_at": i64::MAX}), "updated_at"),
            (json!({"owner": "0190A0B0-0000-7000-8000-000000000000"}), "owner"),
            (json!({"owner": "x"}), "owner"),
            (json!({"sync": {"state": []}}), "sync.state"),
            (json!({"tags": "x"}), "tags"),
            (json!({"tags": ["x", 1]}), "tags"),
            (json!({"services": [{"resource": 5}]}), "services.*.resource"),
            (json!({"labels": ["x"]}), "labels"),
            (json!({"labels": {"a": 1}}), "labels"),
            (json!({"project": "q"}), "project"),
            (json!({"project": null}), "project"),
            (json!({"x": "a\0b"}), "U+0000"),
            (json!({"x": [{"a\0b": 1}]}), "U+0000"),
        ] {
            let e = invalid(docs.put(&key, machine("p", 1, wrong.clone())).await);
            assert!(e.to_string().contains(place), "{wrong}: {e}");
        }
        invalid(docs.put(&key, json!({"project": "p"})).await);
        invalid(docs.put(&key, json!(["project"])).await);
        assert_eq!(docs.get(&key).await?, None, "nothing was written");
        docs.put(&key, machine("p", 1, json!({"name": "é".repeat(20), "sync": 5, "services": 5}))).await?;
    }

    /// Ids, partitions and texts are compared by their bytes: case, accents, and blanks at the end count.
    #[covers("P2", "document.find_documents")]
    async fn texts_are_exact(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let names = ["a", "A", "a ", " a", "á", "a\u{301}", "ａ", "ß", "ss", "%", "_", "a%", "'", "\"", "\\", "🦀", "\u{ffff}"];
        for name in names {
            docs.put(&at(name, name), machine(name, 1, json!({"name": name, "tags": [name]}))).await?;
        }
        let mut sorted = names.map(str::to_owned).to_vec();
        sorted.sort();
        for name in names {
            for filter in [
                Filter::eq(path("name"), name),
                Filter::eq(path("project"), name),
                Filter::Contains(path("tags"), name.into()),
                Filter::id(name),
            ] {
                assert_eq!(docs.ids(filter.clone(), &[]).await?, [name], "{filter:?}");
            }
            let beyond = |other: &&String| ***other > *name;
            let wanted: Vec<&String> = sorted.iter().filter(beyond).collect();
            assert_eq!(docs.ids(Filter::gt(path("name"), name), &[plan::OrderBy::asc(path("name"))]).await?.iter().collect::<Vec<_>>(), wanted);
        }
        let ids = docs.query(Filter::everything(), &[], 4);
        let ids = docs.all(&persistence_core::store::FindDocuments { page: PageRequest::first(4), ..ids }).await?;
        assert_eq!(ids.iter().map(|d| d.key.id.to_string()).collect::<Vec<_>>(), sorted, "in the order of bytes");
    }
}
