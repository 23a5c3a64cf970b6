//! Listing partitions.

use super::rows::{Batch, bytes};
use crate::nosql::RowFixture;
use bytes::Bytes;
use persistence_nosql::row::{KeyRange, Table};
use std::collections::BTreeSet;

const T: Table = Table::History;

async fn crawl(t: &RowFixture, table: Table, limit: usize) -> Vec<Bytes> {
    let mut all: Vec<Bytes> = Vec::new();
    loop {
        let page = t.store.partitions(table, all.last().map(|p| &p[..]), limit).await.unwrap();
        assert!(page.len() <= limit, "{} partitions, at most {limit} were asked for", page.len());
        if page.is_empty() {
            return all;
        }
        all.extend(page);
        assert!(all.len() < 10_000, "the crawl does not end");
    }
}

crate::cases! {
    fixture: RowFixture;
    group: "partitions";

    /// A crawl finds every partition that holds rows exactly once, with any page size, in one order.
    #[covers("row.partitions")]
    #[isolation(Own)]
    async fn complete_and_restartable(t) {
        let mut names: Vec<Bytes> = (0..40).map(|i| bytes(format!("p{i}"))).collect();
        names.extend([&[0][..], &[0, 0], &[0xff], &[0xff, 0xff], "ä".as_bytes(), b"p", b"P0"].map(bytes));
        for name in &names {
            t.fill(T, name, &["a", "b", "c"]).await;
        }
        let all = crawl(t, T, 1000).await;
        assert_eq!(all.len(), names.len());
        assert_eq!(all.iter().collect::<BTreeSet<_>>(), names.iter().collect());
        for limit in [1, 2, 7, 47] {
            assert_eq!(crawl(t, T, limit).await, all, "page size {limit}");
        }
    }

    /// Each table has its own partitions; an empty table has none.
    #[covers("row.partitions")]
    #[isolation(Own)]
    async fn by_table(t) {
        for table in Table::ALL {
            assert!(crawl(t, *table, 10).await.is_empty(), "{table:?}");
        }
        for table in Table::ALL {
            t.fill(*table, table.name().as_bytes(), &["k"]).await;
        }
        for table in Table::ALL {
            assert_eq!(crawl(t, *table, 10).await, [table.name()]);
        }
    }

    /// A partition whose rows were all deleted is not listed, and a crawl goes on from one that is gone.
    #[covers("row.partitions")]
    #[isolation(Own)]
    async fn emptied_partitions_are_gone(t) {
        let names: Vec<String> = (0..9).map(|i| format!("p{i}")).collect();
        for name in &names {
            t.fill(T, name.as_bytes(), &["a", "b"]).await;
        }
        let all = crawl(t, T, 100).await;
        t.apply(Batch::on(T, &all[3]).delete("a").delete("b")).await;
        t.apply(Batch::on(T, &all[4]).delete_rows(KeyRange::all())).await;
        let rest = t.store.partitions(T, Some(&all[3]), 100).await?;
        assert_eq!(rest, all[5..]);
        assert_eq!(crawl(t, T, 2).await, [&all[..3], &all[5..]].concat());
    }

    /// A crawl finds every partition that existed throughout, while others come and go.
    #[covers("row.partitions")]
    #[isolation(Own)]
    async fn while_others_come_and_go(t) {
        let stay: BTreeSet<Bytes> = (0..30).map(|i| bytes(format!("stay {i}"))).collect();
        for name in &stay {
            t.fill(T, name, &["k"]).await;
        }
        let (mut seen, mut last, mut n) = (Vec::new(), None::<Bytes>, 0);
        loop {
            t.fill(T, format!("new {n}").as_bytes(), &["k"]).await;
            t.apply(Batch::on(T, format!("new {}", n / 2)).delete("k")).await;
            n += 1;
            let page = t.store.partitions(T, last.as_deref(), 3).await?;
            last = page.last().cloned();
            if last.is_none() || n > 1000 {
                break;
            }
            seen.extend(page.into_iter().filter(|p| stay.contains(p)));
        }
        assert_eq!(seen.len(), stay.len(), "each once");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), stay);
    }
}
