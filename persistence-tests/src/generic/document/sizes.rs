//! The largest keys, and the most indexes.

use crate::build::document::*;
use crate::build::expect::invalid;
use persistence_core::document::limits::MAX_INDEXES;
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::Pre;
use persistence_core::document::*;
use persistence_core::store::*;
use serde_json::{Map, Value, json};

/// A text of so many bytes that cannot be made shorter: of characters of four bytes, as far as that goes.
fn text(rng: &mut fastrand::Rng, bytes: usize) -> String {
    let short: String = (0..bytes % 4).map(|_| rng.alphabetic()).collect();
    (0..bytes / 4).map(|_| rng.char('\u{10000}'..='\u{10ffff}')).chain(short.chars()).collect()
}

/// A collection with one index of these keys: texts of so many bytes, numbers where there are none.
fn of(t: &crate::Fixture, id: IdKind, keys: &[u16], index: IndexDef) -> CollectionDef {
    let def = CollectionDef::new(collection_name(t), id).partition_by(path("project"));
    let (def, index) = keys.iter().enumerate().fold((def, index), |(def, index), (n, bytes)| {
        let name = format!("k{n}");
        let ty = if *bytes == 0 { KeyType::I64 } else { KeyType::Str { max: *bytes } };
        let (a, last) = (Attribute::new(&*name, path(&name), ty), keys.len() - 1);
        // The last of several texts may be one of several values.
        let several = index.name == "several" && n == last;
        (def.attribute(if several { a.elements() } else { a }), index.asc(name))
    });
    def.index(index)
}

fn body(rng: &mut fastrand::Rng, project: &str, def: &CollectionDef) -> Value {
    let mut body = Map::from_iter([("project".to_owned(), json!(project))]);
    for a in &def.attributes {
        let value = match a.ty {
            KeyType::Str { max } => json!(text(rng, max.into())),
            _ => json!(i64::MIN + rng.i64(0..1000)),
        };
        body.insert(a.name.clone(), if a.arity == Arity::One { value } else { json!([value]) });
    }
    Value::Object(body)
}

crate::cases! {
    group: "document";

    /// Keys of the largest size that may be declared are stored, found, ordered and removed; larger ones are refused, with what to do.
    #[covers("document.ensure_collections!invalid_argument", "document.write_documents", "document.find_documents")]
    async fn the_largest_keys_are_kept(t) {
        let (mut rng, scoped) = (t.rng(), |name: &str| IndexDef::new(name).in_partition());
        let shapes: [(IdKind, &[u16], IndexDef); 7] = [
            (IdKind::Text, &[560], scoped("one")),
            (IdKind::Text, &[560], scoped("living").unique_live()),
            (IdKind::Text, &[124, 0, 124, 0, 124, 0, 124, 0], scoped("mixed")),
            (IdKind::Text, &[70, 70, 70, 70, 70, 70, 70, 70], scoped("many")),
            (IdKind::Uuid, &[1020, 544], scoped("long")),
            (IdKind::Text, &[1020, 560], scoped("unique").unique()),
            (IdKind::Text, &[0, 1016], scoped("several")),
        ];
        for (id, keys, index) in shapes {
            let mut docs = Docs::ensured(t, of(t, id, keys, index.clone())).await?;
            let project = text(&mut rng, 1020);
            let mut stored = Vec::new();
            for _ in 0..3 {
                let id = match id {
                    IdKind::Text => DocumentId::Text(text(&mut rng, 1020)),
                    _ => DocumentId::Uuid(uuid::Uuid::from_u128(rng.u128(..))),
                };
                let key = DocumentKey { partition: Some(project.clone()), id };
                docs.put(&key, body(&mut rng, &project, &docs.def)).await?;
                stored.push(docs.put_if(&key, body(&mut rng, &project, &docs.def), Pre::Present).await?);
            }
            let within = || Filter::eq(path("project"), &*project);
            let last = docs.def.attributes.last().unwrap().clone();
            for d in &stored {
                let all = docs.def.attributes.iter().map(|a| {
                    let value = &d.body[&a.name];
                    match a.arity {
                        Arity::One => Filter::eq(a.path.clone(), Scalar::of_leaf(value).unwrap()),
                        _ => Filter::Contains(a.path.clone(), Scalar::of_leaf(&value[0]).unwrap()),
                    }
                });
                let found = docs.ids(all.fold(within(), Filter::and), &[]).await?;
                assert_eq!(found, [d.key.id.to_string()], "{}", index.name);
            }
            if last.arity == Arity::One {
                let first = docs.def.attributes[0].clone();
                stored.sort_by(|a, b| a.body[&first.name].as_str().cmp(&b.body[&first.name].as_str()));
                let order: Vec<_> = docs.def.attributes.iter().map(|a| OrderBy::asc(a.path.clone())).collect();
                let exists = docs.def.attributes.iter().map(|a| Filter::Exists(a.path.clone()));
                let query = docs.query(exists.fold(within(), Filter::and), &order, 2);
                assert_eq!(docs.all(&query).await?, stored, "{}", index.name);
            }
            for d in &stored {
                assert!(docs.remove(&d.key, Pre::Version(2)).await?);
            }
            assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, [], "{}", index.name);
            let larger: Vec<u16> = keys.iter().map(|k| if *k == 0 { 0 } else { (k + 20).min(1020) }).collect();
            docs.def = of(t, docs.def.id, &larger, index);
            let e = invalid(docs.ensure(EnsureMode::Apply).await);
            assert!(e.to_string().contains("shorter texts"), "{e}");
        }
    }

    /// A collection has the most indexes that may be declared, and no more.
    #[covers("document.ensure_collections!invalid_argument")]
    async fn the_most_indexes_are_kept(t) {
        let numbers = (0..MAX_INDEXES - 2).fold(
            CollectionDef::new(collection_name(t), IdKind::Text).in_one_partition(),
            |def, i| {
                let name = format!("n{i}");
                let index = IndexDef::new(format!("by_{name}")).asc(&*name);
                def.attribute(Attribute::new(&*name, path(&name), KeyType::I64).default_value(0)).index(index)
            },
        );
        let mut docs = Docs::ensured(t, numbers.index(IndexDef::new("living").asc("n0").unique_live())).await?;
        docs.put(&DocumentKey::new("a"), json!({"n0": 7})).await?;
        let last = format!("n{}", MAX_INDEXES - 3);
        assert_eq!(docs.ids(Filter::eq(path(&last), 0), &[]).await?, ["a"]);
        assert_eq!(docs.ids(Filter::eq(path("n0"), 7), &[]).await?, ["a"]);
        docs.def = docs.def.clone().index(IndexDef::new("more").desc("n0"));
        let e = invalid(docs.ensure(EnsureMode::Apply).await);
        assert!(e.to_string().contains("48 indexes"), "{e}");
    }
}
