//! Reading rows in order.

use super::rows::{Batch, bytes};
use crate::nosql::RowFixture;
use bytes::Bytes;
use persistence_nosql::row::{KeyRange, Order, Table};
use std::collections::BTreeSet;

const T: Table = Table::TaskQueues;

/// Keys that sort differently where bytes are signed, text is collated, or lengths count.
fn awkward() -> Vec<Bytes> {
    let binary: [&[u8]; 9] =
        [&[0], &[0, 0], &[0, 255], &[127], &[127, 0], &[128], &[255], &[255, 0], &[255, 255]];
    let text = ["a", "aa", "ab", "a b", "A", "B", "b", "ä", "z", "Z", "10", "9", "é", "e", "~"];
    binary.into_iter().map(bytes).chain(text.into_iter().map(bytes)).collect()
}

async fn keys(t: &RowFixture, p: &[u8], range: &KeyRange, order: Order, limit: usize) -> Vec<Bytes> {
    t.scan(T, p, range, order, limit).await.into_iter().map(|r| r.key).collect()
}

crate::cases! {
    fixture: RowFixture;
    group: "scan";

    /// Rows are ordered by their keys' bytes, unsigned, shorter prefix first; descending is the reverse.
    #[covers("row.scan")]
    async fn byte_order(t) {
        let p = t.partition();
        let mut expected = awkward();
        t.rng().shuffle(&mut expected);
        t.fill(T, &p, &expected).await;
        expected.sort();
        assert_eq!(keys(t, &p, &KeyRange::all(), Order::Ascending, 1000).await, expected);
        expected.reverse();
        assert_eq!(keys(t, &p, &KeyRange::all(), Order::Descending, 1000).await, expected);
    }

    /// A range includes its start and excludes its end, whether or not there are rows; in both orders, with any limit.
    #[covers("row.scan")]
    async fn bounds_and_limits(t) {
        let p = t.partition();
        let all = awkward();
        // Every other key is there, so that bounds fall on rows and between them.
        let there: BTreeSet<Bytes> = all.iter().step_by(2).cloned().collect();
        t.fill(T, &p, &there.iter().collect::<Vec<_>>()).await;
        let mut rng = t.rng();
        for _ in 0..60 {
            let range = KeyRange {
                start: rng.choice(&all).filter(|_| rng.u8(..) > 30).cloned().unwrap_or_default(),
                end: rng.choice(&all).filter(|_| rng.u8(..) > 30).cloned(),
            };
            let limit = rng.usize(1..8);
            let inside = there.iter().filter(|k| range.contains(k)).cloned();
            let ascending: Vec<_> = inside.clone().take(limit).collect();
            let descending: Vec<_> = inside.rev().take(limit).collect();
            assert_eq!(keys(t, &p, &range, Order::Ascending, limit).await, ascending, "{range:?} limit {limit}");
            assert_eq!(keys(t, &p, &range, Order::Descending, limit).await, descending, "{range:?} limit {limit}");
        }
    }

    /// Fewer rows than the limit mean that there are no more; exactly the limit is given when there are as many.
    #[covers("row.scan")]
    async fn limit_is_exact(t) {
        let p = t.partition();
        t.fill(T, &p, &["a", "b", "c", "d", "e"]).await;
        for limit in [1, 4, 5, 6, 1000] {
            for order in [Order::Ascending, Order::Descending] {
                assert_eq!(keys(t, &p, &KeyRange::all(), order, limit).await.len(), limit.min(5), "{order:?}");
            }
        }
        assert_eq!(keys(t, &p, &KeyRange::all(), Order::Descending, 2).await, ["e", "d"]);
    }

    /// A range in which no key can lie gives no rows, also when its end is before its start.
    #[covers("row.scan")]
    async fn empty_range(t) {
        let p = t.partition();
        t.fill(T, &p, &["a", "b", "c"]).await;
        for (start, end) in [("b", "b"), ("c", "a"), ("", "")] {
            for order in [Order::Ascending, Order::Descending] {
                assert_eq!(keys(t, &p, &KeyRange::new(start, end), order, 10).await, [""; 0], "[{start}, {end})");
            }
        }
    }

    /// A partition that was never written has no rows.
    #[covers("row.scan")]
    async fn missing_partition(t) {
        let p = t.partition();
        for order in [Order::Ascending, Order::Descending] {
            assert!(keys(t, &p, &KeyRange::all(), order, 10).await.is_empty());
        }
    }

    /// Partitions are apart, also when one's name begins with the other's; and so are tables.
    #[covers("row.scan", "row.get", "row.write")]
    async fn partitions_and_tables_are_apart(t) {
        let p = t.partition();
        let names: Vec<Vec<u8>> =
            [&b""[..], b"\0", b"\0\0", b"a", b"aa", b"\xff"].iter().map(|s| [&p[..], s].concat()).collect();
        for (i, name) in names.iter().enumerate() {
            for table in Table::ALL {
                let value = format!("{} {i}", table.name());
                t.apply(Batch::on(*table, name).if_absent("k").put("k", "", &value)).await;
            }
        }
        for (i, name) in names.iter().enumerate() {
            for table in Table::ALL {
                let rows = t.range(*table, name, &KeyRange::all()).await;
                assert_eq!(rows.len(), 1, "{name:?} in {table:?}");
                assert_eq!(rows[0].row.value, format!("{} {i}", table.name()));
            }
        }
        t.apply(Batch::on(T, &names[0]).delete_rows(KeyRange::all())).await;
        assert!(t.range(T, &names[0], &KeyRange::all()).await.is_empty());
        for name in &names[1..] {
            assert_eq!(t.range(T, name, &KeyRange::all()).await.len(), 1, "{name:?}");
        }
        assert_eq!(t.range(Table::Queues, &names[0], &KeyRange::all()).await.len(), 1);
    }

    /// A scan larger than a page of the database's own protocol is whole; and pages by a start key add up to it.
    #[covers("row.scan")]
    async fn many_rows(t) {
        let p = t.partition();
        let expected: Vec<String> = (0..6000).map(|i| format!("key {i:06}")).collect();
        t.fill(T, &p, &expected).await;
        assert_eq!(keys(t, &p, &KeyRange::all(), Order::Ascending, 100_000).await, expected);
        let mut paged: Vec<Bytes> = Vec::new();
        loop {
            // The next possible key after the last one.
            let start = paged.last().map_or(Bytes::new(), |k| bytes([&k[..], &[0]].concat()));
            let page = keys(t, &p, &KeyRange { start, end: None }, Order::Ascending, 997).await;
            let done = page.len() < 997;
            paged.extend(page);
            if done {
                break;
            }
        }
        assert_eq!(paged, expected);
    }
}
