use super::super::definition::{Attribute, Direction, IdKind, IndexDef};
use super::super::plan::OrderBy;
use super::super::scalar::{KeyType, Scalar};
use super::super::{DocumentKey, Path};
use super::*;
use crate::error::ErrorKind;
use crate::page::PageRequest;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::{Bound, RangeBounds};
use std::sync::Mutex;

fn path(p: &str) -> Path {
    p.parse().unwrap()
}

fn def() -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    CollectionDef::new("c", IdKind::Text)
        .partition_by(path("project"))
        .attribute(Attribute::new("kind", path("kind"), KeyType::I64).default_value(0))
        .attribute(Attribute::new("rank", path("rank"), KeyType::I64).required())
        .attribute(Attribute::new("tag", path("tags"), text).elements())
        .index(IndexDef::new("page").in_partition().desc("rank").id(Direction::Ascending))
        .index(IndexDef::new("by_kind").in_partition().asc("kind").asc("rank"))
        .index(IndexDef::new("by_tag").asc("tag").desc("rank").id(Direction::Ascending))
}

/// An entry of an index: its keys, and whose it is, by place.
type Entry = (Vec<Scalar>, usize);

/// Documents in memory, as a bucket has them; and how much was read at once, each time.
struct Table {
    def: CollectionDef,
    documents: Vec<Document>,
    /// By index.
    entries: Vec<Vec<Entry>>,
    reads: Mutex<Vec<usize>>,
    /// Whether a position is given again, as where a database rounds the key.
    rounds: bool,
    /// How many documents are read at once in any order.
    at_once: usize,
}

impl Table {
    /// Documents `d00000`, …, each of which is made from its number.
    fn of(count: usize, body: impl Fn(usize) -> Value) -> Table {
        let document = |i: usize| {
            let body = body(i);
            let key = DocumentKey::within(body["project"].as_str().unwrap(), format!("d{i:05}"));
            let at = Timestamp::EPOCH;
            Document { key, version: 1, created: at, updated: at, deleted: None, expires: None, body }
        };
        let (def, documents) = (def(), (0..count).map(document).collect::<Vec<_>>());
        let mut entries = vec![Vec::new(); def.indexes.len()];
        for (i, d) in documents.iter().enumerate() {
            let values = def.stored_values(&d.body);
            for (entries, index) in entries.iter_mut().zip(&def.indexes) {
                entries.extend(index.tuples(&values).into_iter().map(|keys| (keys, i)));
            }
        }
        Table { def, documents, entries, reads: Mutex::default(), rounds: false, at_once: 0 }
    }

    fn entries(&self, access: &Access) -> Vec<(&[Scalar], &Document)> {
        let among = |d: &Document| {
            let partition = d.key.partition.as_ref();
            access.ids.contains(&d.key.id)
                && access.partitions.as_ref().is_none_or(|all| partition.is_some_and(|p| all.contains(p)))
        };
        let Some(index) = access.index else {
            return self.documents.iter().filter(|d| among(d)).map(|d| (&[] as &[_], d)).collect();
        };
        let entry = |(keys, i): &'_ Entry| {
            let (first, rest) = keys.split_at(access.equal.len());
            let equal = first.iter().zip(&access.equal).all(|(key, values)| values.contains(key));
            let fits = equal && rest.first().is_none_or(|key| within(&access.range, key));
            fits && among(&self.documents[*i])
        };
        let fitting = self.entries[index].iter().filter(|e| entry(e));
        fitting.map(|(keys, i)| (&keys[access.equal.len()..], &self.documents[*i])).collect()
    }

    /// The order of entries.
    fn compare(
        &self,
        access: &Access,
        a: (&[Scalar], &DocumentKey),
        b: (&[Scalar], &DocumentKey),
    ) -> Ordering {
        let directed =
            |o: Ordering, d| if (d == Direction::Descending) != access.reverse { o.reverse() } else { o };
        let index = access.index.map(|i| &self.def.indexes[i]);
        let keys = index.map_or(&[] as &[_], |index| &index.keys[access.equal.len()..]);
        let by_keys = keys
            .iter()
            .zip(a.0.iter().zip(b.0))
            .map(|(k, (a, b))| directed(a.compare(b).unwrap(), k.direction));
        let by_id = directed(a.1.cmp(b.1), index.map_or(Direction::Ascending, |index| index.id_order));
        by_keys.fold(Ordering::Equal, Ordering::then).then(by_id)
    }

    fn reads(&self) -> Vec<usize> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    async fn find(&self, req: &FindDocuments) -> Result<DocumentPage> {
        self.finder().find(&Context::new(), req).await
    }

    async fn count(&self, filter: Filter, scan: ScanPolicy) -> Result<u64> {
        let req = CountDocuments { collection: "c".to_owned(), filter, deleted: Deleted::Hide, scan };
        self.finder().count(&Context::new(), &req).await
    }

    fn finder(&self) -> Finder<'_> {
        Finder { source: self, def: &self.def, ready: &|_| true, now: Timestamp::EPOCH }
    }

    /// The numbers of all documents of a query, page by page; pages are short only where their budget ends.
    async fn all(&self, mut req: FindDocuments) -> Vec<usize> {
        let mut found = Vec::new();
        loop {
            let page = self.find(&req).await.unwrap();
            let full = page.documents.len() == req.page.size as usize;
            assert!(full || page.budget_exhausted || page.next.is_none());
            found.extend(page.documents.iter().map(|d| d.key.id.to_string()[1..].parse::<usize>().unwrap()));
            let Some(token) = page.next else { return found };
            req.page = PageRequest::after(req.page.size, token);
        }
    }
}

fn within(range: &(Bound<Scalar>, Bound<Scalar>), key: &Scalar) -> bool {
    let low = match &range.0 {
        Bound::Included(low) => key.compare(low).unwrap().is_ge(),
        Bound::Excluded(low) => key.compare(low).unwrap().is_gt(),
        Bound::Unbounded => true,
    };
    low && match &range.1 {
        Bound::Included(high) => key.compare(high).unwrap().is_le(),
        Bound::Excluded(high) => key.compare(high).unwrap().is_lt(),
        Bound::Unbounded => true,
    }
}

#[async_trait]
impl DocumentSource for Table {
    fn at_once(&self) -> usize {
        self.at_once
    }

    async fn read(
        &self,
        _: &Context,
        def: &CollectionDef,
        access: &Access,
        start: Start<'_>,
        limit: usize,
    ) -> Result<Vec<Document>> {
        self.reads.lock().unwrap().push(limit);
        let mut entries = self.entries(access);
        assert!(!access.is_crawl(def) || start == Start::Anywhere, "a crawl does not go on");
        if start == Start::Anywhere {
            entries.reverse();
        } else {
            entries.sort_by(|a, b| self.compare(access, (a.0, &a.1.key), (b.0, &b.1.key)));
        }
        if let Start::After(after) = start {
            let after = (&*after.keys, &after.key);
            entries.retain(|(keys, d)| {
                self.compare(access, (keys, &d.key), after).is_ge()
                    && (self.rounds || (*keys, &d.key) != after)
            });
        }
        Ok(entries.into_iter().take(limit).map(|(_, d)| d.clone()).collect())
    }

    async fn count(
        &self,
        _: &Context,
        _: &CollectionDef,
        _: &Access,
        _: Deleted,
        _: Timestamp,
    ) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// Documents of one partition in which the rank falls, so that no order of it is that of ids.
fn falling(count: usize) -> Table {
    Table::of(
        count,
        move |i| json!({"project": "p", "rank": count - i, "kind": i % 10, "tags": [format!("t{}", i % 3), "all"]}),
    )
}

fn query(filter: Filter, order: &[OrderBy], size: u32) -> FindDocuments {
    FindDocuments { order: order.to_vec(), ..FindDocuments::new("c", filter, size) }
}

fn project() -> Filter {
    Filter::eq(path("project"), "p")
}

fn allow(max_documents: u32) -> ScanPolicy {
    ScanPolicy::Allow { max_documents }
}

#[tokio::test]
async fn what_is_sorted_is_read_chunk_by_chunk_or_at_once() {
    for (at_once, pages, count) in
        [(0, &[1000; 6][..], &[1000; 3][..]), (MAX_SORTED, &[10_001; 2], &[10_001])]
    {
        let table = Table { at_once, ..falling(2500) };
        // The index has ids the other way round.
        let order = [OrderBy::desc(path("rank"))];
        let req = FindDocuments { id_order: Some(Direction::Descending), ..query(project(), &order, 2400) };
        assert!(table.finder().explain(&req).unwrap().accesses.len() == 1);
        assert!(!table.finder().explain(&req).unwrap().order_from_index);
        assert_eq!(table.all(req).await, (0..2500).collect::<Vec<_>>());
        assert_eq!(table.reads(), pages, "two pages");
        let some = project().and(Filter::ne(path("kind"), 3));
        assert_eq!(table.count(some, ScanPolicy::Forbid).await.unwrap(), 2250);
        assert_eq!(table.reads(), count);
    }
}

#[tokio::test]
async fn a_crawl_is_read_at_once() {
    let table = Table::of(2500, |i| json!({"project": format!("p{}", i % 7), "rank": i}));
    let from = Filter::Id(Bound::Included("d00100".into()), Bound::Unbounded);
    for (filter, wanted) in
        [(from, 100..2500), (Filter::id("d00042"), 42..43), (Filter::everything(), 0..2500)]
    {
        for order in [vec![], vec![OrderBy::asc(path("rank"))]] {
            let req = query(filter.clone(), &order, 2000);
            assert_eq!(table.find(&req).await.unwrap_err().kind(), ErrorKind::Unindexed, "{filter:?}");
            let req = FindDocuments { scan: allow(2500), ..req };
            table.reads();
            assert_eq!(table.all(req.clone()).await, wanted.clone().collect::<Vec<_>>());
            assert!(table.reads().iter().all(|limit| *limit == 2501));
            let e = table.find(&FindDocuments { scan: allow(2499), ..req }).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::ResourceExhausted);
        }
        assert_eq!(table.count(filter.clone(), allow(2500)).await.unwrap(), wanted.len() as u64);
        assert_eq!(
            table.count(filter.clone(), allow(2499)).await.unwrap_err().kind(),
            ErrorKind::ResourceExhausted
        );
        assert_eq!(table.count(filter, ScanPolicy::Forbid).await.unwrap_err().kind(), ErrorKind::Unindexed);
    }
}

#[tokio::test]
async fn so_many_are_sorted_and_no_more() {
    for (count, fits) in [(MAX_SORTED, true), (MAX_SORTED + 1, false)] {
        let table = falling(count);
        let order = [OrderBy::desc(path("rank"))];
        let req = FindDocuments { id_order: Some(Direction::Descending), ..query(project(), &order, 3) };
        let page = table.find(&req).await;
        match page {
            Ok(page) => assert!(fits && page.next.is_some() && page.examined == count as u64),
            Err(e) => assert!(!fits && e.kind() == ErrorKind::ResourceExhausted, "{e}"),
        }
        let counted = table.count(project().and(Filter::Exists(path("rank"))), ScanPolicy::Forbid).await;
        assert_eq!(counted.is_ok(), fits);
    }
}

#[tokio::test]
async fn what_suits_nowhere_ends_at_the_budget() {
    let table = falling(BUDGET + 500);
    // No condition that an index decides: one of two that holds of one document.
    let rare = |rank: i64, size: u32| {
        let one = Filter::eq(path("rank"), rank).and(Filter::Exists(path("kind")));
        let either = Filter::Any(vec![Filter::eq(path("free"), 1), one]);
        let id_order = Some(Direction::Ascending);
        FindDocuments { id_order, ..query(project().and(either), &[OrderBy::desc(path("rank"))], size) }
    };
    let page = table.find(&rare(0, 1)).await.unwrap();
    assert_eq!((page.documents.len(), page.budget_exhausted, page.examined), (0, true, BUDGET as u64));
    let reads = table.reads();
    assert_eq!(reads[..4], [2, 4, 8, 16]);
    assert!(reads.len() < 25 && reads.iter().all(|limit| *limit <= 1000), "{reads:?}");
    let rest = FindDocuments { page: PageRequest::after(1, page.next.unwrap()), ..rare(0, 1) };
    let page = table.find(&rest).await.unwrap();
    assert_eq!(
        (page.documents.len(), page.next, page.budget_exhausted, page.examined),
        (0, None, false, 500)
    );
    // The last one of all, on pages of any size and with any budget.
    for (size, scan) in
        [(1, ScanPolicy::Forbid), (2000, ScanPolicy::Forbid), (1, allow(999)), (5, allow(20_000))]
    {
        assert_eq!(table.all(FindDocuments { scan, ..rare(1, size) }).await, [BUDGET + 499]);
    }
}

#[tokio::test]
async fn nothing_may_not_be_allowed() {
    let table = falling(5);
    for filter in [Filter::everything(), project()] {
        let req = FindDocuments { scan: allow(0), ..query(filter.clone(), &[], 5) };
        assert_eq!(table.find(&req).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(table.finder().explain(&req).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(table.count(filter, allow(0)).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    for n in 1..=6 {
        let found = table.all(FindDocuments { scan: allow(n), ..query(project(), &[], 2) }).await;
        assert_eq!(found, [0, 1, 2, 3, 4], "with {n} a page");
    }
}

#[tokio::test]
async fn few_are_sorted_and_many_are_not() {
    for (few, count) in [(true, FEW), (false, FEW + 1)] {
        let table = Table::of(count * 2, |i| json!({"project": "p", "rank": i, "kind": i % 2}));
        let filter = project().and(Filter::eq(path("kind"), 1));
        let req = query(filter, &[], 700);
        assert!(table.finder().explain(&req).unwrap().narrow.is_some());
        let page = table.find(&req).await.unwrap();
        assert_eq!(page.examined == FEW as u64, few, "{} of {count}", page.examined);
        table.reads();
        assert_eq!(table.all(req).await, (0..count).map(|i| 2 * i + 1).collect::<Vec<_>>());
        let tried = table.reads().iter().filter(|limit| **limit == FEW + 1).count();
        assert_eq!(tried, if few { 2 } else { 1 }, "the token says that there are many");
    }
}

#[tokio::test]
async fn what_several_branches_find_is_there_once() {
    let table = falling(3000);
    let either = Filter::Any(vec![
        Filter::Contains(path("tags"), "t0".into()),
        Filter::Contains(path("tags"), "t1".into()).and(Filter::ge(path("kind"), 5)),
        Filter::ContainsAny(path("tags"), vec!["t0".into(), "all".into()]).and(Filter::eq(path("kind"), 7)),
    ]);
    let suits = |i: &usize| i.is_multiple_of(3) || (i % 3 == 1 && i % 10 >= 5) || i % 10 == 7;
    let wanted: Vec<usize> = (0..3000).filter(suits).collect();
    let newest = [OrderBy::desc(path("rank"))];
    for (order, ids) in [(&newest[..], Some(Direction::Ascending)), (&newest, None), (&[], None)] {
        for size in [1, 999, 5000] {
            if size == 1 && !(order.len() == 1 && ids.is_some()) {
                // Each page of these is sorted anew.
                continue;
            }
            let req = FindDocuments { id_order: ids, ..query(either.clone(), order, size) };
            let explained = table.finder().explain(&req).unwrap();
            assert_eq!((explained.accesses.len(), explained.order_from_index), (3, ids.is_some()));
            if size == 1 {
                let req = FindDocuments { page: PageRequest::first(1), ..req };
                assert_eq!(table.find(&req).await.unwrap().documents.len(), 1);
                continue;
            }
            assert_eq!(table.all(req).await, wanted, "{order:?} by {size}");
        }
    }
    assert_eq!(table.count(either, ScanPolicy::Forbid).await.unwrap(), wanted.len() as u64);
}

/// Documents older than a declaration may lack what it requires: no index has them, so no answer in that order does.
#[tokio::test]
async fn what_lacks_the_order_is_not_in_it() {
    let table = Table::of(900, |i| match i % 3 {
        0 => json!({"project": "p", "rank": 900 - i, "kind": 4}),
        1 => json!({"project": "p", "rank": "last", "kind": 4}),
        _ => json!({"project": "p", "kind": 4}),
    });
    let wanted: Vec<usize> = (0..900).step_by(3).collect();
    let order = [OrderBy::desc(path("rank"))];
    let kind = project().and(Filter::eq(path("kind"), 4));
    let free = project().and(Filter::IsNull(path("free")));
    let mut ways = BTreeSet::new();
    for filter in [project(), kind, free, Filter::everything()] {
        for id_order in [None, Some(Direction::Ascending), Some(Direction::Descending)] {
            let req = FindDocuments { id_order, scan: allow(1000), ..query(filter.clone(), &order, 70) };
            let e = table.finder().explain(&req).unwrap();
            ways.insert((e.order_from_index, e.narrow.is_some(), e.scan));
            assert_eq!(table.all(req).await, wanted, "{filter:?} {id_order:?}");
        }
    }
    assert_eq!(
        ways,
        BTreeSet::from([
            (true, false, false),
            (true, true, false),
            (false, false, false),
            (false, false, true)
        ])
    );
    // In the order of ids they are there.
    assert_eq!(table.all(query(project(), &[], 500)).await, (0..900).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_key_that_is_rounded_ends_no_crawl_and_is_there_once() {
    let table = Table { rounds: true, ..falling(30) };
    for (size, scan) in [(1, ScanPolicy::Forbid), (1, allow(1)), (2, allow(1)), (7, allow(3))] {
        let order = [OrderBy::desc(path("rank"))];
        let id_order = Some(Direction::Ascending);
        let req = FindDocuments { id_order, scan, ..query(project(), &order, size) };
        assert_eq!(table.all(req).await, (0..30).collect::<Vec<_>>(), "{size} a page");
    }
}
