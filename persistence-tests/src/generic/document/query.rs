//! Queries: what an index answers, and what is said where there is none.

use crate::build::document::*;
use crate::build::expect::{failed, invalid};
use persistence_core::document::plan::OrderBy;
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{Detail, ErrorKind, Timestamp};
use serde_json::json;

async fn seeded(t: &crate::Fixture) -> persistence_core::Result<Docs> {
    let docs = Docs::ensured(t, machines(t)).await?;
    for i in 0..12_i32 {
        let project = if i % 2 == 0 { "p" } else { "q" };
        let more = json!({
            "name": format!("app-{i}"), "kind": i % 3, "score": f64::from(i) / 2.0, "enabled": i % 4 == 0,
            "tags": [format!("t{}", i % 3), "all"], "labels": {"env": (if i < 6 { "dev" } else { "prd" })},
            "services": {"a": {"resource": format!("r{}", i % 5)}},
        });
        docs.put(&at(project, &format!("d{i:02}")), machine(project, i64::from(100 - i), more)).await?;
    }
    Ok(docs)
}

crate::cases! {
    group: "document";

    /// Each kind of condition on what is declared is answered by an index, and finds what it should.
    #[covers("document.find_documents", "document.explain_documents")]
    async fn declared_conditions_need_no_scan(t) {
        let docs = seeded(t).await?;
        let project = || Filter::eq(path("project"), "p");
        let label = |v: &str| Filter::HasEntry(path("labels"), "env".to_owned(), v.to_owned());
        let newest = || vec![OrderBy::desc(path("updated_at"))];
        for (filter, order, index, wanted) in [
            (Filter::eq(path("name"), "app-3"), vec![], "by_name", "d03"),
            (Filter::Prefix(path("name"), "app-1".to_owned()), vec![OrderBy::asc(path("name"))], "by_name", "d01 d10 d11"),
            (Filter::In(path("name"), vec!["app-9".into(), "app-2".into(), "x".into()]), vec![], "by_name", "d02 d09"),
            (Filter::ge(path("score"), 4.5).and(Filter::lt(path("score"), 5.5)), vec![OrderBy::asc(path("score"))], "by_score", "d09 d10"),
            (Filter::Contains(path("tags"), "t1".into()), newest(), "by_tag", "d01 d04 d07 d10"),
            (Filter::Contains(path("services.*.resource"), "r4".into()), vec![], "by_resource", "d04 d09"),
            (project().and(label("prd")), vec![], "by_label", "d06 d08 d10"),
            (project(), newest(), "page", "d00 d02 d04 d06 d08 d10"),
            (project().and(Filter::eq(path("kind"), 0)), newest(), "by_kind", "d00 d06"),
            (project().and(Filter::In(path("kind"), vec![0.into(), 2.into()])), newest(), "by_kind", "d00 d02 d06 d08"),
            (project().and(Filter::gt(path("updated_at"), Timestamp(95_000))), newest(), "page", "d00 d02 d04"),
            (Filter::eq(path("enabled"), true).and(Filter::eq(path("sync.state"), 0)), vec![], "by_state", "d00 d04 d08"),
            (Filter::id("d05"), vec![], "by_id", "d05"),
            (Filter::Exists(path("name")), vec![OrderBy::asc(path("name"))], "by_name", "d00 d01 d10 d11 d02 d03 d04 d05 d06 d07 d08 d09"),
            (Filter::everything(), vec![], "by_id", "d00 d01 d02 d03 d04 d05 d06 d07 d08 d09 d10 d11"),
        ] {
            let query = FindDocuments { id_order: Some(Direction::Ascending), ..docs.query(filter, &order, 5) };
            let explained = docs.explain(&query).await?;
            assert!(!explained.scan, "{query:?}");
            assert_eq!(explained.accesses.len(), 1);
            assert_eq!(explained.accesses[0].index.as_deref(), Some(index), "{query:?}: {explained:?}");
            let ids: Vec<_> = docs.all(&query).await?.into_iter().map(|d| d.key.id.to_string()).collect();
            assert_eq!(ids.join(" "), wanted, "{query:?}");
            assert_eq!(docs.count(query.filter.clone(), ScanPolicy::Forbid).await?, ids.len() as u64);
        }
    }

    /// An index that decides more than the one that has the order is read first, and sorted, if it finds few; and what is found does
    /// not depend on which one it was, from the first page to the last.
    #[covers("document.find_documents", "document.explain_documents")]
    async fn few_are_sorted_rather_than_looked_for(t) {
        let docs = seeded(t).await?;
        let kind = Filter::eq(path("project"), "p").and(Filter::eq(path("kind"), 0));
        let named = Filter::Prefix(path("name"), "app-".to_owned());
        for (filter, order, native, wanted) in [
            (kind.clone(), vec![], None, "d00 d06"),
            (kind.and(named), vec![OrderBy::desc(path("updated_at"))], Some("by_kind"), "d00 d06"),
            (Filter::eq(path("project"), "q").and(Filter::eq(path("kind"), 1)), vec![], None, "d01 d07"),
        ] {
            let query = FindDocuments { id_order: Some(Direction::Ascending), ..docs.query(filter, &order, 1) };
            let explained = docs.explain(&query).await?;
            let narrow = explained.narrow.as_ref().and_then(|a| a.index.as_deref());
            assert_eq!(narrow, native.is_none().then_some("by_kind"), "{query:?}: {explained:?}");
            assert_eq!(explained.accesses[0].index.as_deref(), native);
            // More than are allowed are looked for in the order of the answer.
            for scan in [ScanPolicy::Forbid, ScanPolicy::Allow { max_documents: 2 }, ScanPolicy::Allow { max_documents: 1 }] {
                let query = FindDocuments { scan, ..query.clone() };
                let ids: Vec<_> = docs.all(&query).await?.into_iter().map(|d| d.key.id.to_string()).collect();
                assert_eq!(ids.join(" "), wanted, "{query:?}");
            }
            let first = docs.page(&query).await?;
            let looked_at = if narrow.is_some() { 2 } else { 1 };
            assert_eq!((first.documents.len(), first.examined), (1, looked_at), "{query:?}");
        }
    }

    /// Where no index chooses the documents the query fails with the index to declare, unless it may scan; the scan ends at
    /// what was allowed.
    #[covers(
        "document.find_documents!unindexed",
        "document.count_documents!unindexed",
        "document.find_documents!resource_exhausted"
    )]
    async fn an_unindexed_query_names_the_index(t) {
        let docs = seeded(t).await?;
        for (filter, order, needed) in [
            (Filter::eq(path("free"), 1), vec![], "free"),
            (Filter::eq(path("kind"), 1), vec![], "kind"),
            (Filter::ne(path("name"), "x"), vec![], "no index can decide name != "),
            (Filter::IsNull(path("name")), vec![], "no index can decide name is null"),
            (Filter::everything(), vec![OrderBy::desc(path("sync.state"))], "sync.state desc"),
        ] {
            let query = docs.query(filter.clone(), &order, 5);
            let e = failed(docs.page(&query).await, ErrorKind::Unindexed);
            assert!(matches!(e.detail(), Detail::Unindexed { advice, .. } if advice.contains(needed)), "{e}");
            assert!(docs.explain(&query).await?.scan);
            let scan = ScanPolicy::Allow { max_documents: 100 };
            let found = docs.all(&FindDocuments { scan, ..query.clone() }).await?;
            assert_eq!(docs.count(filter.clone(), scan).await?, found.len() as u64);
            if order.is_empty() {
                failed(docs.count(filter, ScanPolicy::Forbid).await, ErrorKind::Unindexed);
            }
            let few = FindDocuments { scan: ScanPolicy::Allow { max_documents: 3 }, ..query };
            match docs.page(&few).await {
                Ok(page) => assert!(page.examined <= 3 && page.budget_exhausted && page.next.is_some(), "{page:?}"),
                Err(e) => assert_eq!(e.kind(), ErrorKind::ResourceExhausted, "{e}"),
            }
        }
    }

    /// Empty lists find nothing, or everything that has a value; alternatives find each document once; long lists are found
    /// whole, longer ones are invalid.
    #[covers("document.find_documents", "document.find_documents!invalid_argument")]
    async fn lists_and_alternatives(t) {
        let docs = seeded(t).await?;
        let name = || path("name");
        assert_eq!(docs.ids(Filter::In(name(), vec![]), &[]).await?, [""; 0]);
        assert_eq!(docs.ids(Filter::Any(vec![]), &[]).await?, [""; 0]);
        assert_eq!(docs.ids(Filter::ContainsAny(path("tags"), vec![]), &[]).await?, [""; 0]);
        let project = || Filter::eq(path("project"), "p");
        assert_eq!(docs.ids(project().and(Filter::NotIn(name(), vec![])), &[]).await?.len(), 6);
        assert_eq!(docs.ids(project().and(Filter::ContainsAll(path("tags"), vec![])), &[]).await?.len(), 6);
        let any = Filter::Any(vec![
            Filter::eq(name(), "app-1"),
            Filter::Contains(path("tags"), "t1".into()),
            Filter::id("d01"),
            Filter::id("d00"),
        ]);
        assert_eq!(docs.ids(any.clone(), &[]).await?, ["d00", "d01", "d04", "d07", "d10"]);
        assert!(!docs.explain(&docs.query(any, &[], 5)).await?.scan);
        let tags = Filter::ContainsAny(path("tags"), vec!["t0".into(), "t1".into(), "all".into()]);
        assert_eq!(docs.ids(tags, &[]).await?.len(), 12, "each once");
        let names = |n: i32| (0..n).map(|i| Scalar::Str(format!("app-{i}"))).collect::<Vec<_>>();
        assert_eq!(docs.ids(Filter::In(name(), names(1000)), &[]).await?.len(), 12);
        invalid(docs.ids(Filter::In(name(), names(1001)), &[]).await);
    }

    /// Constants of another type than is declared, orders by what may be missing, and unknown hints are refused.
    #[covers("document.find_documents!invalid_argument")]
    async fn wrong_queries_are_invalid(t) {
        let docs = seeded(t).await?;
        for filter in [
            Filter::eq(path("name"), 1),
            Filter::eq(path("kind"), "1"),
            Filter::eq(path("kind"), 1.5),
            Filter::eq(path("score"), f64::NAN),
            Filter::eq(path("enabled"), 0),
            Filter::eq(path("updated_at"), 5),
            Filter::eq(path("free"), Timestamp(5)),
            Filter::eq(path("owner"), "x"),
            Filter::Contains(path("tags"), 1.into()),
            Filter::In(path("kind"), vec![1.into(), "1".into()]),
            Filter::Prefix(path("kind"), "1".to_owned()),
        ] {
            invalid(docs.page(&docs.query(filter, &[], 5)).await);
        }
        for order in [
            vec![OrderBy::asc(path("name"))],
            vec![OrderBy::asc(path("free"))],
            vec![OrderBy::asc(path("tags"))],
            vec![OrderBy::asc(path("kind")), OrderBy::desc(path("kind"))],
        ] {
            invalid(docs.page(&docs.query(Filter::eq(path("project"), "p"), &order, 5)).await);
        }
        let hint = |name: &str| FindDocuments { hint: Some(name.to_owned()), ..docs.query(Filter::id("d01"), &[], 5) };
        assert_eq!(docs.all(&hint("by_id")).await?.len(), 1);
        let e = failed(docs.page(&hint("nope")).await, ErrorKind::InvalidArgument);
        assert!(e.to_string().contains("it has page, by_kind, mixed, by_name"), "{e}");
        invalid(docs.explain(&hint("nope")).await);
        let e = failed(docs.page(&hint("by_name")).await, ErrorKind::Unindexed);
        assert!(e.to_string().contains("ask without a hint"), "{e}");
    }
}
