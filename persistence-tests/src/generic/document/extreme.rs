//! Documents at the ends of what is declared: the largest keys, documents older than their declaration, collections of many partitions
//! without an index.

use crate::build::document::*;
use crate::build::expect::{failed, invalid};
use persistence_core::document::plan::OrderBy;
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, Result, Timestamp};
use serde_json::{Value, json};
use std::ops::Bound;

/// 2^53: beyond it not every whole number is a float.
const EXACT: i64 = 1 << 53;

/// Whole numbers, in order.
const WHOLE: [i64; 15] = [
    i64::MIN,
    i64::MIN + 1,
    -EXACT - 1,
    -EXACT,
    -(1 << 31) - 1,
    -1,
    0,
    1,
    1 << 31,
    EXACT - 1,
    EXACT,
    EXACT + 1,
    EXACT + 2,
    i64::MAX - 1,
    i64::MAX,
];

/// Numbers as they are written and as they are compared, in order.
fn numbers() -> [(Value, f64); 15] {
    let same = |f: f64| (json!(f), f);
    #[allow(clippy::cast_precision_loss)]
    let rounded = |n: u64| (json!(n), n as f64);
    [
        same(f64::MIN),
        same(-1e300),
        same(-9.3e18),
        same(-1.5),
        same(-f64::MIN_POSITIVE),
        same(-1e-20),
        same(0.0),
        same(1e-20),
        same(0.1 + 0.2),
        same(1.0),
        same(1.0 + f64::EPSILON),
        rounded(EXACT.unsigned_abs() + 2),
        rounded(i64::MAX.unsigned_abs()),
        rounded(u64::MAX),
        same(f64::MAX),
    ]
}

fn extremes(t: &crate::Fixture) -> CollectionDef {
    let one = |name: &str, ty| Attribute::new(name, path(name), ty);
    let def = CollectionDef::new(collection_name(t), IdKind::Text)
        .partition_by(path("project"))
        .attribute(one("whole", KeyType::I64).required())
        .attribute(one("number", KeyType::F64).required())
        .attribute(one("millis", KeyType::Time(TimeUnit::Millis)).required())
        .attribute(one("seconds", KeyType::Time(TimeUnit::Seconds)).required());
    NAMES.iter().fold(def, |def, name| {
        let (near, far) = (IndexDef::new(format!("near_{name}")), IndexDef::new(format!("far_{name}")));
        def.index(near.in_partition().asc(*name)).index(far.desc(*name))
    })
}

const NAMES: [&str; 4] = ["whole", "number", "millis", "seconds"];

/// The constants of an attribute, in order.
fn constants(name: &str) -> Vec<Scalar> {
    match name {
        "whole" => WHOLE.map(Scalar::from).to_vec(),
        "number" => numbers().map(|(_, n)| Scalar::from(n)).to_vec(),
        "millis" => WHOLE.map(|n| Scalar::from(Timestamp(n))).to_vec(),
        _ => WHOLE.map(|n| Scalar::from(Timestamp(n / 1000 * 1000))).to_vec(),
    }
}

/// The name of the document with the value of this place, which is in no order of names.
fn id(place: usize) -> String {
    format!("d{:02}", place * 7 % 15)
}

/// A collection of many partitions, in which everything is told by its number.
async fn scattered(t: &crate::Fixture) -> Result<Docs> {
    let def = CollectionDef::new(collection_name(t), IdKind::Text).partition_by(path("project"));
    let docs = Docs::ensured(t, def).await?;
    for i in 0..24 {
        let project = format!("p{}", i % 5);
        docs.put(&at(&project, &format!("d{i:02}")), json!({"project": project, "n": i})).await?;
    }
    Ok(docs)
}

crate::cases! {
    group: "document";

    /// The smallest and the largest keys are stored as they are, found by every comparison, ordered both ways and paged exactly.
    #[covers("P9", "document.find_documents", "document.count_documents", "document.write_documents!invalid_argument")]
    #[kind(Calm)]
    async fn extreme_keys_are_exact(t) {
        let docs = Docs::ensured(t, extremes(t)).await?;
        let body = |i: usize| {
            let (n, number) = (WHOLE[i], numbers()[i].0.clone());
            json!({"project": "p", "whole": n, "number": number, "millis": n, "seconds": n / 1000, "free": number})
        };
        for (i, whole) in WHOLE.into_iter().enumerate() {
            docs.put(&at("p", &id(i)), body(i)).await?;
            assert_eq!(docs.get(&at("p", &id(i))).await?.map(|d| d.body["whole"].clone()), Some(json!(whole)));
        }
        let here = || Filter::eq(path("project"), "p");
        for name in NAMES {
            let values = constants(name);
            // Seconds cut some to the same.
            let rank = |v: &Scalar| values.iter().filter(|w| w.compare(v).is_some_and(|o| o.is_lt())).count();
            let same = |v: &Scalar| values.iter().filter(|w| w.compare(v).is_some_and(|o| o.is_eq())).count();
            let mut sorted: Vec<(usize, String)> = (0..values.len()).map(|i| (rank(&values[i]), id(i))).collect();
            sorted.sort();
            let ids: Vec<String> = sorted.into_iter().map(|(_, id)| id).collect();
            let backwards: Vec<String> = ids.iter().rev().cloned().collect();
            for within in [here(), Filter::ge(path(name), values[0].clone())] {
                for size in [1, 4, 15] {
                    for (order, wanted) in [(OrderBy::asc(path(name)), &ids), (OrderBy::desc(path(name)), &backwards)] {
                        let found = docs.all(&docs.query(within.clone(), &[order], size)).await?;
                        let found: Vec<_> = found.into_iter().map(|d| d.key.id.to_string()).collect();
                        assert_eq!(&found, wanted, "by {name}, {size} a page");
                    }
                }
            }
            for v in &values {
                let count = async |filter: Filter| docs.count(here().and(filter), ScanPolicy::Forbid).await;
                let (less, equal) = (rank(v), same(v));
                assert_eq!(count(Filter::lt(path(name), v.clone())).await?, less as u64, "{name} < {v:?}");
                assert_eq!(count(Filter::eq(path(name), v.clone())).await?, equal as u64, "{name} = {v:?}");
                let more = docs.ids(Filter::gt(path(name), v.clone()), &[OrderBy::asc(path(name))]).await?;
                assert_eq!(more, ids[less + equal..], "{name} > {v:?}");
            }
        }
        // What is beyond a whole number is none, wherever one is declared, and any number where nothing is.
        let beyond = |name: &str| {
            let mut body = body(0);
            body[name] = json!(u64::MAX);
            body
        };
        for name in ["whole", "millis", "seconds"] {
            invalid(docs.put(&at("p", "x"), beyond(name)).await);
        }
        let free = |filter: Filter| docs.count(here().and(filter), ScanPolicy::Forbid);
        assert_eq!(free(Filter::gt(path("free"), i64::MAX)).await?, 2, "the two that are larger, exactly");
        assert_eq!(free(Filter::eq(path("free"), 18_446_744_073_709_551_616.0)).await?, 1);
        assert_eq!(free(Filter::lt(path("free"), i64::MIN)).await?, 3);
    }

    /// Documents that were stored before an attribute was required may lack it, or have something else there: no index has them, so
    /// they are in no answer in its order, however that is made; elsewhere they are.
    #[covers("document.find_documents", "document.ensure_collections")]
    #[kind(Calm)]
    async fn what_lacks_a_key_is_in_no_order_of_it(t) {
        let plain = CollectionDef::new(collection_name(t), IdKind::Text)
            .partition_by(path("project"))
            .attribute(Attribute::new("kind", path("kind"), KeyType::I64))
            .index(IndexDef::new("by_kind").in_partition().asc("kind"))
            .index(IndexDef::new("by_id"));
        let docs = Docs::ensured(t, plain.clone()).await?;
        for i in 0..12_i64 {
            let rank = match i % 4 {
                0 => json!("late"),
                1 => Value::Null,
                _ => json!(100 - i),
            };
            let body = json!({"project": "p", "kind": 4, "rank": rank});
            docs.put(&at("p", &format!("d{i:02}")), body).await?;
        }
        let rank = Attribute::new("rank", path("rank"), KeyType::I64).required();
        let required = plain.attribute(rank).index(IndexDef::new("by_rank").in_partition().asc("rank"));
        let docs = Docs { def: required, ..docs };
        docs.ensure(EnsureMode::Apply).await?;
        let wanted = ["d11", "d10", "d07", "d06", "d03", "d02"];
        let here = Filter::eq(path("project"), "p");
        let kind = here.clone().and(Filter::eq(path("kind"), 4));
        let mut ways = Vec::new();
        for filter in [here.clone(), kind.clone(), Filter::everything()] {
            for id_order in [None, Some(Direction::Descending)] {
                for size in [2, 20] {
                    let query = docs.query(filter.clone(), &[OrderBy::asc(path("rank"))], size);
                    let query = FindDocuments { id_order, scan: ScanPolicy::Allow { max_documents: 50 }, ..query };
                    let e = docs.explain(&query).await?;
                    ways.push((e.order_from_index, e.narrow.is_some(), e.scan));
                    let found: Vec<_> = docs.all(&query).await?.into_iter().map(|d| d.key.id.to_string()).collect();
                    assert_eq!(found, wanted, "{filter:?} {id_order:?}");
                }
            }
        }
        for way in [(true, false, false), (true, true, false), (false, false, false), (false, false, true)] {
            assert!(ways.contains(&way), "{way:?} of {ways:?}");
        }
        assert_eq!(docs.ids(here.clone(), &[]).await?.len(), 12);
        assert_eq!(docs.count(kind, ScanPolicy::Forbid).await?, 12);
        assert_eq!(docs.ids(here.and(Filter::lt(path("rank"), 93)), &[]).await?, ["d10", "d11"]);
    }

    /// Where documents are partitioned by a value and no index has all ids, an id alone chooses nothing: the query is a scan, which
    /// reads everything at once, and tells so.
    #[covers(
        "document.find_documents!unindexed",
        "document.count_documents!unindexed",
        "document.find_documents!invalid_argument",
        "document.count_documents!invalid_argument",
        "document.find_documents!resource_exhausted",
        "document.explain_documents"
    )]
    #[kind(Calm)]
    async fn ids_alone_choose_nothing_in_partitions(t) {
        let docs = scattered(t).await?;
        let from = Filter::Id(Bound::Excluded("d03".into()), Bound::Included("d19".into()));
        let either = Filter::Any(vec![Filter::id("d05"), Filter::id("d21"), Filter::id("d99")]);
        let ids = |range: std::ops::Range<i32>| range.map(|i| format!("d{i:02}")).collect::<Vec<_>>();
        for (filter, wanted) in [
            (Filter::id("d07"), ids(7..8)),
            (from, ids(4..20)),
            (either, vec!["d05".to_owned(), "d21".to_owned()]),
            (Filter::id("d07").and(Filter::eq(path("n"), 8)), vec![]),
        ] {
            let query = docs.query(filter.clone(), &[], 3);
            let e = failed(docs.page(&query).await, ErrorKind::Unindexed);
            assert!(e.to_string().contains("an index of"), "{e}");
            failed(docs.count(filter.clone(), ScanPolicy::Forbid).await, ErrorKind::Unindexed);
            assert!(docs.explain(&query).await?.scan);
            let allowed = |max_documents| ScanPolicy::Allow { max_documents };
            let scanned = FindDocuments { scan: allowed(100), ..query.clone() };
            let found: Vec<_> = docs.all(&scanned).await?.into_iter().map(|d| d.key.id.to_string()).collect();
            assert_eq!(found, wanted, "{filter:?}");
            assert_eq!(docs.count(filter.clone(), allowed(100)).await?, wanted.len() as u64);
            // All are looked at, on every database.
            failed(docs.page(&FindDocuments { scan: allowed(12), ..query.clone() }).await, ErrorKind::ResourceExhausted);
            failed(docs.count(filter.clone(), allowed(12)).await, ErrorKind::ResourceExhausted);
            invalid(docs.page(&FindDocuments { scan: allowed(0), ..query.clone() }).await);
            invalid(docs.count(filter.clone(), allowed(0)).await);
            // Within a partition, or several, ids are in order.
            let some = Filter::In(path("project"), ["p1", "p2", "p3"].map(Scalar::from).to_vec());
            let within = docs.query(some.clone().and(filter.clone()), &[], 2);
            assert!(!docs.explain(&within).await?.scan);
            let found: Vec<_> = docs.all(&within).await?.into_iter().map(|d| d.key.id.to_string()).collect();
            let here = |id: &&String| matches!(id[1..].parse::<i32>().map(|i| i % 5), Ok(1..=3));
            assert_eq!(found, wanted.iter().filter(here).cloned().collect::<Vec<_>>());
            assert_eq!(docs.count(some.and(filter), ScanPolicy::Forbid).await?, found.len() as u64);
        }
        let e = failed(docs.page(&docs.query(Filter::id("d07"), &[], 3)).await, ErrorKind::Unindexed);
        assert!(e.to_string().contains("by id"), "{e}");
        // With the index that it asks for it is answered.
        let docs = Docs { def: docs.def.clone().index(IndexDef::new("by_id")), ..docs };
        docs.ensure(EnsureMode::Apply).await?;
        assert_eq!(docs.ids(Filter::id("d07"), &[]).await?, ["d07"]);
    }
}
