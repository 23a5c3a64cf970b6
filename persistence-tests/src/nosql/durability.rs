//! What is there after closing and opening again, and who else may open.

use super::rows::{Batch, row};
use crate::nosql::RowFixture;
use persistence_core::{Capability, ErrorKind};
use persistence_nosql::row::{KeyRange, Level, Order, Table};

const T: Table = Table::Shard;

crate::cases! {
    fixture: RowFixture;
    group: "durability";

    /// With `durable` everything acknowledged is there after a reopen; without it nothing is.
    #[covers("row.close", "row.write", "capability.durable")]
    #[isolation(Own)]
    async fn reopen(t) {
        for table in Table::ALL {
            t.apply(Batch::on(*table, "p").put("stays", "g", "v").put("goes", "", "")).await;
            t.apply(Batch::on(*table, "p").if_guard("stays", "g").delete("goes").put("late", "", "w")).await;
        }
        t.reopen().await?;
        for table in Table::ALL {
            if t.has(Capability::Durable) {
                assert_eq!(t.keys(*table, b"p").await, ["late", "stays"], "{table:?}");
                assert_eq!(t.row(*table, b"p", "stays").await, Some(row("g", "v")));
                assert_eq!(t.store.partitions(*table, None, 10).await?, ["p"]);
            } else {
                assert!(t.keys(*table, b"p").await.is_empty(), "{table:?}");
            }
            // It works as before.
            t.apply(Batch::on(*table, "q").if_absent("k").put("k", "", "")).await;
        }
    }

    /// Large values, range deletes and thousands of rows survive several reopens in a row.
    #[covers("row.close", "row.write")]
    #[needs(Durable)]
    #[isolation(Own)]
    async fn reopen_much(t) {
        let keys: Vec<String> = (0..3000).map(|i| format!("k{i:05}")).collect();
        let large = vec![7; 2 << 20];
        t.fill(T, b"p", &keys).await;
        t.apply(Batch::on(T, "p").delete_range("k01000", "k02000").put("large", "", &large)).await;
        let expected = [&keys[..1000], &keys[2000..], &["large".to_owned()]].concat();
        for i in 0..3 {
            t.reopen().await?;
            assert!(t.keys(T, b"p").await == expected, "after reopen {i}");
            assert!(t.row(T, b"p", "large").await == Some(row("", &large)), "after reopen {i}");
            let written = Batch::on(T, "q").put(format!("reopen {i}"), "", "");
            t.apply(written).await;
            assert_eq!(t.keys(T, b"q").await.len(), i + 1);
        }
    }

    /// With `multi_process` a second opening sees the first one's rows at once. Without it the second is refused as
    /// `Locked`, or is another database; and the first is unharmed.
    #[covers("row.schema", "row.write", "capability.multi_process")]
    #[isolation(Own)]
    async fn opened_twice(t) {
        t.apply(Batch::on(T, "p").put("k", "g", "v")).await;
        match t.rival().await {
            Ok(rival) => {
                let (cx, all) = (t.cx(), KeyRange::all());
                let rows = rival.scan(&cx, T, b"p", &all, Order::Ascending, 10, Level::Serial).await?;
                if t.has(Capability::MultiProcess) {
                    assert_eq!(rows.len(), 1);
                    let change = Batch::on(T, "p").if_guard("k", "g").put("k", "h", "w");
                    rival.write(&t.cx(), change.into()).await?;
                    assert_eq!(t.row(T, b"p", "k").await, Some(row("h", "w")));
                } else {
                    assert!(rows.is_empty(), "two handles on one database, without `multi_process`");
                }
                rival.close().await?;
            }
            Err(e) => {
                assert!(!t.has(Capability::MultiProcess), "{e}");
                assert_eq!(e.kind(), ErrorKind::Locked, "{e}");
            }
        }
        t.apply(Batch::on(T, "p").if_present("k").put("k", "", "last")).await;
        assert_eq!(t.row(T, b"p", "k").await, Some(row("", "last")));
    }
}
