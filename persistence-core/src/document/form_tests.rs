use super::*;
use crate::document::Filter;
use serde_json::{from_value, json, to_value};

fn path(p: &str) -> Path {
    p.parse().unwrap()
}

fn everything() -> CollectionDef {
    let types = [
        KeyType::Bool,
        KeyType::I64,
        KeyType::F64,
        KeyType::Str { max: 40 },
        KeyType::Uuid,
        KeyType::Time(TimeUnit::Seconds),
        KeyType::Time(TimeUnit::Millis),
    ];
    let defaults: [Scalar; 7] = [
        true.into(),
        i64::MIN.into(),
        1.0.into(),
        "\"é\"".into(),
        Uuid::from_u128(7).into(),
        Timestamp(-5000).into(),
        Timestamp(1).into(),
    ];
    let mut def =
        CollectionDef::new("all", IdKind::Uuid).partition_by(path("a.\"b.c\"")).group("g").max_bytes(9);
    for (i, (ty, default)) in types.into_iter().zip(defaults).enumerate() {
        let attribute = |kind: &str| Attribute::new(format!("{kind}{i}"), path(&format!("{kind}.x{i}")), ty);
        def = def
            .attribute(attribute("skip"))
            .attribute(attribute("reject").required())
            .attribute(attribute("default").default_value(default))
            .attribute(attribute("elements").elements());
    }
    def.attribute(Attribute::new("entries", path("l"), KeyType::Str { max: 511 }).entries())
        .index(IndexDef::new("plain"))
        .index(IndexDef::new("page").in_partition().asc("skip0").desc("reject1").id(Direction::Ascending))
        .index(IndexDef::new("one").asc("skip1").unique())
        .index(IndexDef::new("live").desc("skip2").unique_live())
}

#[test]
fn a_definition_reads_back_as_it_was() {
    let def = everything();
    def.validate().unwrap();
    let text = serde_json::to_string(&def).unwrap();
    assert_eq!(serde_json::from_str::<CollectionDef>(&text).unwrap(), def, "{text}");
    for partition in [Partitioning::Spread, Partitioning::Constant] {
        let def = CollectionDef { partition, ..CollectionDef::new("c", IdKind::Text) };
        assert_eq!(from_value::<CollectionDef>(to_value(&def).unwrap()).unwrap(), def);
    }
}

#[test]
fn what_has_a_default_may_be_left_out() {
    let read = |v: Value| from_value::<CollectionDef>(v).unwrap();
    assert_eq!(read(json!({"name": "c", "id": "text"})), CollectionDef::new("c", IdKind::Text));
    let by_hand = json!({
        "name": "application", "id": "uuid", "partition": {"by": "project_id"},
        "attributes": [
            {"name": "updated", "path": "updated_at", "type": "time(seconds)", "missing": "reject"},
            {"name": "score", "type": "f64", "missing": {"default": 0}},
            {"name": "since", "type": "time(seconds)", "missing": {"default": 3}},
            {"name": "tag", "path": "tags", "type": "text", "arity": "elements"},
        ],
        "indexes": [{"name": "page", "scope": "partition", "keys": ["score", "updated:desc"]}, {"name": "all"}],
    });
    let built = CollectionDef::new("application", IdKind::Uuid)
        .partition_by(path("project_id"))
        .attribute(Attribute::new("updated", path("updated_at"), KeyType::Time(TimeUnit::Seconds)).required())
        .attribute(Attribute::new("score", path("score"), KeyType::F64).default_value(0.0))
        .attribute(
            Attribute::new("since", path("since"), KeyType::Time(TimeUnit::Seconds))
                .default_value(Timestamp(3000)),
        )
        .attribute(Attribute::new("tag", path("tags"), KeyType::Str { max: 255 }).elements())
        .index(IndexDef::new("page").in_partition().asc("score").desc("updated"))
        .index(IndexDef::new("all"));
    assert_eq!(read(by_hand), built);
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let says = |attribute: Value, part: &str| {
        let e = from_value::<Attribute>(attribute).unwrap_err().to_string();
        assert!(e.contains(part), "{e}");
    };
    says(json!({"name": "a"}), "missing field `type`");
    says(json!({"name": "a", "type": "int"}), "time(seconds)");
    says(json!({"name": "a", "type": "text(x)"}), "is none of");
    says(json!({"name": "a", "type": "text(70000)"}), "is none of");
    says(json!({"name": "a", "type": "i64", "missing": {"default": "1"}}), "must be a whole number, is text");
    says(json!({"name": "a", "type": "i64", "arity": "two"}), "`entries`");
    says(json!({"name": "a", "path": "a b", "type": "i64"}), "must be quoted");
    for (text, good) in [("a", true), ("a:asc", true), ("a:desc", true), ("a:up", false), ("a:", false)] {
        assert_eq!(IndexKey::try_from(text.to_owned()).is_ok(), good, "{text}");
    }
    assert_eq!(Direction::of_suffix("\"a:b\".c:desc").unwrap(), ("\"a:b\".c", Direction::Descending));
    assert_eq!(Direction::of_suffix("\"a:b\"").unwrap(), ("\"a:b\"", Direction::Ascending));
}

#[test]
fn filters_read_back_from_json_and_scalars_from_tokens() {
    let values: Vec<Scalar> = vec![
        false.into(),
        (-1).into(),
        2.0.into(),
        "2".into(),
        Uuid::from_u128(1).into(),
        Timestamp(5).into(),
    ];
    let filter = Filter::Any(vec![
        Filter::In(path("a"), values.clone()),
        Filter::ge(path("b.c"), 3).and(Filter::id("x")),
        Filter::HasEntry(path("l"), "k".to_owned(), "v".to_owned()),
    ]);
    let text = serde_json::to_string(&filter).unwrap();
    assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
    assert_eq!(from_value::<Filter>(json!({"compare": ["n", "eq", 5]})).unwrap(), Filter::eq(path("n"), 5));
    assert!(from_value::<Scalar>(json!({"time": 1, "uuid": 2})).is_err());
    assert!(from_value::<Scalar>(json!(null)).is_err());
    assert!(from_value::<Scalar>(json!(u64::MAX)).is_err());
    let bytes = postcard::to_stdvec(&values).unwrap();
    assert_eq!(postcard::from_bytes::<Vec<Scalar>>(&bytes).unwrap(), values);
}
