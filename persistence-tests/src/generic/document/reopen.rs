//! What is there after closing and opening again, and reads that come to no end.

use crate::build::document::*;
use crate::build::expect::{failed, missing};
use crate::{Fault, FaultRule};
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::Pre;
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{Capability, Clock, Detail, ErrorKind, Outcome, PageRequest};
use serde_json::json;
use std::time::Duration;

crate::cases! {
    group: "document";

    /// Documents, what finds them, what they hold in unique indexes and what expires are there after closing and opening again where
    /// the driver is durable, and a page goes on with its token; where it is not, nothing is.
    #[covers("capability.durable", "document.get_documents", "document.find_documents", "document.write_documents",
        "document.ensure_collections", "document.sweep_documents")]
    #[isolation(Own)]
    async fn documents_survive_a_reopen(t) {
        let def = machines(t).attribute(Attribute::new("serial", path("serial"), KeyType::I64));
        let def = def.index(IndexDef::new("one_serial").in_partition().asc("serial").unique());
        let mut docs = Docs::ensured(t, def).await?;
        for i in 0..8 {
            let more = json!({"name": format!("n{i}"), "tags": ["x"], "serial": i});
            docs.put(&at("p", &format!("d{i}")), machine("p", i, more)).await?;
        }
        docs.put_if(&at("p", "d0"), machine("p", 0, json!({"name": "new", "serial": 0})), Pre::Version(1)).await?;
        docs.hide(&at("p", "d1"), Pre::None).await?;
        docs.delete(&at("p", "d2"), Pre::None).await?;
        let end = t.clock.now().after(Duration::from_secs(60));
        docs.put_until(&at("p", "d3"), machine("p", 3, json!({"tags": ["x"]})), Pre::None, Some(end)).await?;
        let keys: Vec<_> = (0..8).map(|i| at("p", &format!("d{i}"))).collect();
        let before = docs.get_all(&keys, Deleted::Any).await?;
        let order = [OrderBy::desc(path("updated_at"))];
        let first = docs.query(Filter::eq(path("project"), "p"), &order, 2);
        let rest = FindDocuments { page: PageRequest::after(2, docs.page(&first).await?.next.unwrap()), ..first };
        let expected = docs.all(&rest).await?;
        for round in 0..2 {
            t.reopen().await?;
            docs = docs.on(&t.p);
            if !t.capabilities().has(Capability::Durable) {
                missing(docs.get(&keys[0]).await);
                missing(docs.p.documents().get_collection(&t.cx(), &docs.described()).await);
                continue;
            }
            assert_eq!(docs.get_all(&keys, Deleted::Any).await?, before);
            assert_eq!(docs.p.documents().get_collection(&t.cx(), &docs.described()).await?, docs.def);
            assert_eq!(docs.ensure(EnsureMode::Apply).await?.changes, []);
            assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, []);
            assert_eq!(docs.all(&rest).await?, expected);
            assert_eq!(docs.ids(Filter::Contains(path("tags"), "x".into()), &[]).await?, ["d3", "d4", "d5", "d6", "d7"]);
            assert_eq!(docs.ids(Filter::eq(path("name"), "new"), &[]).await?, ["d0"]);
            let taken = failed(docs.put(&at("p", "e"), machine("p", 9, json!({"serial": 1}))).await, ErrorKind::AlreadyExists);
            assert!(matches!(taken.detail(), Detail::AlreadyExists { index: Some(i), .. } if i == "one_serial"), "{taken}");
            let stale = docs.put_if(&keys[0], machine("p", 0, json!({})), Pre::Version(1)).await;
            failed(stale, ErrorKind::ConditionFailed);
            let new = at("q", &format!("e{round}"));
            assert_eq!(docs.put(&new, machine("q", 9, json!({}))).await?.version, 1);
        }
        if t.capabilities().has(Capability::Durable) {
            t.clock.advance(Duration::from_secs(60));
            assert_eq!(docs.get(&keys[3]).await?, None);
            assert_eq!(docs.sweep(t, 10).await?, 1);
            assert_eq!(docs.ids(Filter::eq(path("project"), "q"), &[]).await?, ["e0", "e1"]);
        }
    }

    /// A find, a count or a get of which any read fails is an error, and never less than there is.
    #[covers("document.find_documents!unavailable", "document.count_documents!unavailable",
        "document.get_documents!unavailable")]
    #[kind(Calm)]
    async fn a_read_that_fails_is_an_error(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        for i in 0..12_u32 {
            let project = if i % 2 == 0 { "p" } else { "q" };
            let more = json!({"name": format!("n{i}"), "tags": ["x", format!("t{}", i % 2)], "score": f64::from(i)});
            docs.put(&at(project, &format!("d{i:02}")), machine(project, 1, more)).await?;
        }
        let project = || Filter::eq(path("project"), "p");
        let name = || path("name");
        let queries = [
            docs.query(project(), &[OrderBy::desc(path("updated_at"))], 4),
            docs.query(Filter::Contains(path("tags"), "x".into()), &[], 20),
            docs.query(Filter::In(name(), vec!["n1".into(), "n2".into(), "n3".into()]), &[OrderBy::asc(name())], 5),
            docs.query(Filter::Any(vec![Filter::eq(name(), "n1"), Filter::gt(path("score"), 8.5)]), &[], 10),
            docs.query(project().and(Filter::Exists(path("score"))), &[], 3),
            FindDocuments { scan: ScanPolicy::Allow { max_documents: 50 }, ..docs.query(Filter::eq(path("free"), 1), &[], 5) },
        ];
        let keys: Vec<_> = (0..12).map(|i| at(["p", "q"][i % 2], &format!("d{i:02}"))).collect();
        for query in &queries {
            let page = docs.page(query).await?;
            let (count, got) = (docs.count(query.filter.clone(), query.scan).await?, docs.get_all(&keys, Deleted::Hide).await?);
            let mut failures = [0; 3];
            for nth in 1.. {
                let before = t.faults.injected().total();
                let fail = || {
                    t.faults.clear();
                    t.faults.script(FaultRule::read(Fault::Before(Outcome::NotApplied)).nth(nth).times(u64::MAX));
                };
                fail();
                match docs.page(query).await {
                    Ok(again) => assert_eq!(again, page, "{query:?}"),
                    Err(e) => failures[0] += u32::from(e.kind() == ErrorKind::Unavailable && e.is_retryable()),
                }
                fail();
                match docs.count(query.filter.clone(), query.scan).await {
                    Ok(again) => assert_eq!(again, count, "{query:?}"),
                    Err(e) => failures[1] += u32::from(e.kind() == ErrorKind::Unavailable && e.is_retryable()),
                }
                fail();
                match docs.get_all(&keys, Deleted::Hide).await {
                    Ok(again) => assert_eq!(again, got),
                    Err(e) => failures[2] += u32::from(e.kind() == ErrorKind::Unavailable && e.is_retryable()),
                }
                t.faults.clear();
                if t.faults.injected().total() == before {
                    break;
                }
            }
            assert!(failures.iter().all(|n| *n > 0), "{query:?}: {failures:?}");
            assert_eq!(docs.page(query).await?, page);
        }
    }
}
