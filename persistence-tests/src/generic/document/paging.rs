//! Pages of documents.

use crate::build::document::*;
use crate::build::expect::{failed, invalid};
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::Pre;
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, PageRequest, PageToken};
use serde_json::json;
use std::collections::BTreeSet;

crate::cases! {
    group: "document";

    /// Pages over many equal keys, in mixed directions, give every document once, in order, whatever their size.
    #[covers("P9", "document.find_documents")]
    #[kind(Calm)]
    async fn ties_are_paged_exactly(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        for i in 0..60 {
            docs.put(&at("p", &format!("d{i:02}")), machine("p", i % 2, json!({"kind": i % 3}))).await?;
        }
        let project = || Filter::eq(path("project"), "p");
        let orders = [
            vec![OrderBy::desc(path("updated_at"))],
            vec![OrderBy::asc(path("updated_at"))],
            vec![OrderBy::desc(path("updated_at")), OrderBy::asc(path("kind"))],
            vec![OrderBy::asc(path("updated_at")), OrderBy::desc(path("kind"))],
            vec![OrderBy::asc(path("kind")), OrderBy::desc(path("updated_at"))],
            vec![OrderBy::asc(path("kind")), OrderBy::asc(path("updated_at"))],
        ];
        for order in orders {
            for id_order in [None, Some(Direction::Ascending), Some(Direction::Descending)] {
                let mut first: Option<Vec<String>> = None;
                for size in [1, 7, 20, 60, 61] {
                    let query = FindDocuments { id_order, ..docs.query(project(), &order, size) };
                    let found = docs.all(&query).await?;
                    let ids: Vec<_> = found.iter().map(|d| d.key.id.to_string()).collect();
                    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 60, "{order:?} by {size}");
                    assert_eq!(first.get_or_insert_with(|| ids.clone()), &ids, "{order:?} by {size}");
                }
            }
        }
    }

    /// Documents of one id in several partitions are each found once, whichever alternatives find them.
    #[covers("P9", "document.find_documents")]
    #[kind(Calm)]
    async fn ids_of_several_partitions_are_paged_exactly(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let mut wanted = Vec::new();
        for (i, project) in (0..5).flat_map(|i| [(i, "p"), (i, "q"), (i, "r")]) {
            let key = at(project, &format!("d{i}"));
            docs.put(&key, machine(project, i, json!({"sync": {"state": 1}}))).await?;
            wanted.push(key);
        }
        let one = |project: &str| Filter::eq(path("project"), project);
        let odd = |project| one(project).and(Filter::eq(path("sync.state"), 1));
        let filters = [
            Filter::Any(vec![odd("q"), one("p"), one("r")]),
            Filter::Any(vec![one("q"), odd("p"), odd("r")]),
            Filter::Any(vec![odd("p"), odd("q"), odd("r")]),
        ];
        for id_order in [Direction::Ascending, Direction::Descending] {
            for (filter, size) in filters.iter().flat_map(|f| [1, 2, 3, 4, 20].map(|size| (f, size))) {
                let query = FindDocuments { id_order: Some(id_order), ..docs.query(filter.clone(), &[], size) };
                let found: Vec<_> = docs.all(&query).await?.into_iter().map(|d| d.key).collect();
                assert_eq!(found, wanted, "{filter:?} by {size}");
            }
            wanted.reverse();
        }
    }

    /// A token is there exactly when there is more; one that is damaged, or of another query, collection or order, is refused.
    #[covers("P9", "document.find_documents!invalid_token", "document.find_documents!invalid_argument")]
    async fn tokens_are_exact(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        for i in 0..4 {
            docs.put(&at("p", &format!("d{i}")), machine("p", i, json!({}))).await?;
        }
        let order = [OrderBy::desc(path("updated_at"))];
        let query = docs.query(Filter::eq(path("project"), "p"), &order, 4);
        assert_eq!(docs.page(&query).await?.next, None, "exactly full, and nothing after it");
        let token = docs.page(&FindDocuments { page: PageRequest::first(3), ..query.clone() }).await?.next.unwrap();
        docs.delete(&at("p", "d0"), Pre::None).await?;
        let after = |query: FindDocuments, token: PageToken| FindDocuments { page: PageRequest::after(3, token), ..query };
        let last = docs.page(&after(query.clone(), token.clone())).await?;
        assert_eq!((last.documents.len(), last.next), (0, None), "what was there is gone meanwhile");
        let others = [
            docs.query(Filter::eq(path("project"), "q"), &order, 4),
            docs.query(Filter::eq(path("project"), "p"), &[], 4),
            docs.query(Filter::eq(path("project"), "p"), &[OrderBy::asc(path("updated_at"))], 4),
            FindDocuments { deleted: Deleted::Any, ..query.clone() },
            FindDocuments { id_order: Some(Direction::Ascending), ..query.clone() },
        ];
        for other in others {
            failed(docs.page(&after(other, token.clone())).await, ErrorKind::InvalidToken);
        }
        for i in 0..token.as_bytes().len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[i] ^= 1;
            failed(docs.page(&after(query.clone(), PageToken::from_bytes(bytes))).await, ErrorKind::InvalidToken);
        }
        invalid(docs.page(&FindDocuments { page: PageRequest::first(0), ..query }).await);
    }

    /// Documents that stay are paged exactly once, whatever is written and deleted around them meanwhile.
    #[covers("P9", "document.find_documents")]
    async fn what_stays_is_paged_once(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        let stays = |i: i64| format!("stay{i:02}");
        for i in 0..15 {
            docs.put(&at("p", &stays(i)), machine("p", i, json!({}))).await?;
            docs.put(&at("p", &format!("go{i:02}")), machine("p", i, json!({}))).await?;
        }
        let mut query = docs.query(Filter::eq(path("project"), "p"), &[OrderBy::desc(path("updated_at"))], 4);
        let (mut seen, mut i) = (Vec::new(), 0);
        loop {
            let page = docs.page(&query).await?;
            seen.extend(page.documents.iter().map(|d| d.key.id.to_string()).filter(|id| id.starts_with("stay")));
            let Some(token) = page.next else { break };
            query.page = PageRequest::after(4, token);
            docs.delete(&at("p", &format!("go{i:02}")), Pre::None).await?;
            docs.put(&at("p", &format!("new{i:02}")), machine("p", 14 - i, json!({}))).await?;
            i += 1;
        }
        assert_eq!(seen, (0..15).rev().map(stays).collect::<Vec<_>>());
    }

    /// Conditions that no index decides make pages short at most where the budget ends; then the crawl goes on from there.
    #[covers("P9", "document.find_documents")]
    #[kind(Calm)]
    async fn residual_conditions_are_paged_exactly(t) {
        let docs = Docs::ensured(t, machines(t)).await?;
        for i in 0..30 {
            docs.put(&at("p", &format!("d{i:02}")), machine("p", i, json!({"free": i % 10}))).await?;
        }
        let filter = Filter::eq(path("project"), "p").and(Filter::eq(path("free"), 3));
        let order = [OrderBy::desc(path("updated_at"))];
        // As the index has them, so that nothing is to be sorted.
        let id_order = Some(Direction::Ascending);
        let query = FindDocuments { id_order, ..docs.query(filter, &order, 2) };
        let plain = docs.all(&query).await?;
        let ids = |docs: &[Document]| docs.iter().map(|d| d.key.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(&plain), ["d23", "d13", "d03"]);
        let scan = ScanPolicy::Allow { max_documents: 4 };
        let mut query = FindDocuments { scan, ..query };
        let (mut found, mut pages) = (Vec::new(), 0);
        loop {
            let page = docs.page(&query).await?;
            assert!(page.examined <= 4);
            found.extend(page.documents);
            pages += 1;
            let Some(token) = page.next else { break };
            query.page = PageRequest::after(2, token);
        }
        assert_eq!(found, plain);
        assert!(pages >= 7, "{pages} pages of at most 4 documents looked at");
    }
}
