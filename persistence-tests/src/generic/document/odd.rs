//! Names and values that mean something to a database: they mean nothing in a document.

use crate::build::document::*;
use persistence_core::document::plan::OrderBy;
use persistence_core::document::*;
use persistence_core::store::{EnsureMode, ScanPolicy};
use serde_json::{Map, Value, json};

/// Members of documents.
const MEMBERS: &[&str] = &[
    "quo\"te",
    "it's",
    "back\\slash",
    "\\\"",
    "dot.ted",
    "$dollar$1",
    "per%cent",
    "que?stion",
    "",
    "größer→",
    "a b",
    "[0]",
    "*",
    "line\nbreak\ttab",
    ":x@y",
    "{}--/*",
];
/// Texts, in the order of their bytes.
const TEXTS: &[&str] = &["\"\\", "'; --", "?$1%_", "z\\'", "ü\n"];
/// What a document without a value means.
const DEFAULT: &str = "it's \"\\ ?\n$1 ü";

/// The text that a document has at a member.
fn text(member: usize, document: usize) -> &'static str {
    TEXTS[(member + document) % TEXTS.len()]
}

fn body(document: usize) -> Value {
    let mut body = Map::from_iter([("pro'ject\"\\.?".to_owned(), json!("p'?"))]);
    for (i, member) in MEMBERS.iter().enumerate() {
        // Every other one within an object of the same name.
        let value = json!(text(i, document));
        body.insert((*member).to_owned(), if i.is_multiple_of(2) { value } else { json!({*member: value}) });
    }
    if document < 2 {
        body.insert("def'ault\\".to_owned(), json!(TEXTS[document]));
    }
    Value::Object(body)
}

fn place(i: usize) -> Path {
    let quoted = Value::from(MEMBERS[i]).to_string();
    path(&if i.is_multiple_of(2) { quoted } else { format!("{quoted}.{quoted}") })
}

/// Attributes at all of these places, each with an index.
fn declared(def: CollectionDef) -> CollectionDef {
    let of = KeyType::Str { max: 40 };
    let default = Attribute::new("d", Path::member("def'ault\\"), of).default_value(DEFAULT);
    let def = def.attribute(default).index(IndexDef::new("by_d").in_partition().asc("d"));
    (0..MEMBERS.len()).fold(def, |def, i| {
        let (name, index) = (format!("a{i}"), IndexDef::new(format!("by_{i}")).in_partition());
        def.attribute(Attribute::new(&*name, place(i), of)).index(index.asc(name))
    })
}

crate::cases! {
    group: "document";

    /// Whatever a member is called and a text consists of: it is indexed, found, ordered and counted, by an index that was declared
    /// before the documents as by one that was declared after them.
    #[covers("document.find_documents", "document.count_documents", "document.ensure_collections")]
    async fn odd_names_mean_nothing(t) {
        let partition = Path::member("pro'ject\"\\.?");
        for later in [false, true] {
            let bare = CollectionDef::new(collection_name(t), IdKind::Text).partition_by(partition.clone());
            let mut docs = Docs::ensured(t, if later { bare.clone() } else { declared(bare.clone()) }).await?;
            for n in 0..TEXTS.len() {
                docs.put(&at("p'?", &format!("d{n}")), body(n)).await?;
            }
            docs.def = declared(bare);
            docs.ensure(EnsureMode::Apply).await?;
            let within = || Filter::eq(partition.clone(), "p'?");
            for i in 0..MEMBERS.len() {
                let found = docs.ids(within().and(Filter::eq(place(i), text(i, 1))), &[]).await?;
                assert_eq!(found, ["d1"], "{}, {later}", place(i));
                let filter = within().and(Filter::Exists(place(i)));
                let mut wanted: Vec<usize> = (0..TEXTS.len()).collect();
                wanted.sort_by_key(|n| text(i, *n));
                let wanted: Vec<_> = wanted.into_iter().map(|n| format!("d{n}")).collect();
                assert_eq!(docs.ids(filter, &[OrderBy::asc(place(i))]).await?, wanted, "{}, {later}", place(i));
                let filter = within().and(Filter::ge(place(i), TEXTS[1]));
                assert_eq!(docs.count(filter, ScanPolicy::Forbid).await?, 4, "{}, {later}", place(i));
            }
            let default = Path::member("def'ault\\");
            let found = docs.ids(within().and(Filter::eq(default.clone(), DEFAULT)), &[]).await?;
            assert_eq!(found, ["d2", "d3", "d4"], "{later}");
            assert_eq!(docs.count(within().and(Filter::eq(default.clone(), DEFAULT)), ScanPolicy::Forbid).await?, 3);
            let order = [OrderBy::asc(default)];
            assert_eq!(docs.ids(within(), &order).await?, ["d0", "d1", "d2", "d3", "d4"], "{later}");
            assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
        }
    }

    /// What was stored before an attribute of several values was declared, and does not fit it, is found by none of its values and
    /// not counted.
    #[covers("document.find_documents", "document.count_documents")]
    async fn what_does_not_fit_is_not_counted(t) {
        let bare = CollectionDef::new(collection_name(t), IdKind::Text).partition_by(path("project"));
        let mut docs = Docs::ensured(t, bare).await?;
        let long = "x".repeat(41);
        let tags = [
            json!(["x"]),
            json!(["x", "x", null, "y"]),
            json!("x"),
            json!(["x", 5]),
            json!([["x"]]),
            json!({"0": "x"}),
            json!(["x", long]),
            json!([]),
            Value::Null,
        ];
        for (n, tags) in tags.iter().enumerate() {
            docs.put(&at("p", &format!("d{n}")), json!({"project": "p", "tags": tags})).await?;
        }
        docs.def = docs
            .def
            .clone()
            .attribute(Attribute::new("tag", path("tags"), KeyType::Str { max: 40 }).elements())
            .index(IndexDef::new("by_tag").in_partition().asc("tag"));
        docs.ensure(EnsureMode::Apply).await?;
        docs.put(&at("p", "e"), json!({"project": "p", "tags": ["y", "x"]})).await?;
        let tagged = |filter| Filter::eq(path("project"), "p").and(filter);
        let x = || tagged(Filter::Contains(path("tags"), "x".into()));
        assert_eq!(docs.ids(x(), &[]).await?, ["d0", "d1", "e"]);
        assert_eq!(docs.count(x(), ScanPolicy::Forbid).await?, 3);
        let either = tagged(Filter::ContainsAny(path("tags"), vec!["x".into(), "y".into()]));
        assert_eq!(docs.count(either, ScanPolicy::Forbid).await?, 3, "each once");
        docs.hide(&at("p", "e"), write::Pre::None).await?;
        assert_eq!(docs.count(x(), ScanPolicy::Forbid).await?, 2);
    }
    /// What was stored before an attribute was declared, and does not fit it, is not there: neither for an index nor for who looks at
    /// documents.
    #[covers("document.find_documents", "document.count_documents", "document.explain_documents")]
    async fn what_does_not_fit_does_not_exist(t) {
        let bare = CollectionDef::new(collection_name(t), IdKind::Text).partition_by(path("project"));
        let mut docs = Docs::ensured(t, bare).await?;
        let long = "x".repeat(41);
        let values = [json!("b"), json!(5), json!(long), Value::Null, json!({"a": "b"}), json!(["b"]), json!(true), json!("a")];
        for (n, value) in values.iter().enumerate() {
            let body = json!({"project": "p", "name": value, "kind": value});
            docs.put(&at("p", &format!("d{n}")), body).await?;
        }
        docs.def = docs
            .def
            .clone()
            .attribute(Attribute::new("name", path("name"), KeyType::Str { max: 40 }))
            .attribute(Attribute::new("kind", path("kind"), KeyType::I64).default_value(0))
            .index(IndexDef::new("by_name").asc("name"))
            .index(IndexDef::new("by_kind").in_partition().asc("kind"));
        docs.ensure(EnsureMode::Apply).await?;
        let within = || Filter::eq(path("project"), "p");
        for (attribute, there) in [("name", vec!["d0", "d7"]), ("kind", vec!["d1", "d3"])] {
            let (exists, lacks) = (Filter::Exists(path(attribute)), Filter::IsNull(path(attribute)));
            let indexed = if attribute == "name" { exists.clone() } else { within().and(exists.clone()) };
            let query = docs.query(indexed.clone(), &[OrderBy::asc(path(attribute))], 7);
            let explained = docs.explain(&query).await?;
            assert_eq!(explained.accesses[0].index.as_deref(), Some(&*format!("by_{attribute}")), "{explained:?}");
            assert!(!explained.scan && !explained.accesses[0].residual, "{explained:?}");
            let mut found: Vec<_> = docs.all(&query).await?.into_iter().map(|d| d.key.id.to_string()).collect();
            found.sort();
            assert_eq!(found, there);
            assert_eq!(docs.count(indexed, ScanPolicy::Forbid).await?, there.len() as u64);
            assert_eq!(docs.ids(within().and(exists), &[]).await?, there, "by documents");
            let others = docs.ids(within().and(lacks), &[]).await?;
            assert_eq!(others.len(), values.len() - there.len(), "{others:?}");
            assert!(others.iter().all(|id| !there.contains(&&**id)), "{others:?}");
        }
    }
}
