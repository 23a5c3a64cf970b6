//! Setting up.

use super::rows::{Batch, row};
use crate::nosql::RowFixture;
use persistence_nosql::row::{SchemaOp, Table};

crate::cases! {
    fixture: RowFixture;
    group: "schema";

    /// Setting up creates what is missing and tells the version; looking changes nothing.
    #[covers("row.schema")]
    #[isolation(Own)]
    async fn set_up(t) {
        let store = t.bare().await?;
        let before = store.schema(SchemaOp::Status).await?;
        assert_eq!(store.schema(SchemaOp::Status).await?, before);
        assert!(before.found.is_none_or(|v| v == before.current), "{before:?}");
        let after = store.schema(SchemaOp::Setup).await?;
        assert_eq!((after.found, after.current), (Some(before.current), before.current));
        assert_eq!(store.schema(SchemaOp::Status).await?, after);
        for table in Table::ALL {
            store.write(&t.cx(), super::rows::put(*table, "p", "k", "v")).await?;
        }
        store.close().await?;
    }

    /// Setting up twice is harmless and loses nothing.
    #[covers("row.schema")]
    #[isolation(Own)]
    async fn twice(t) {
        t.apply(Batch::on(Table::Shard, "p").put("k", "g", "v")).await;
        let first = t.store.schema(SchemaOp::Setup).await?;
        assert_eq!(t.store.schema(SchemaOp::Setup).await?, first);
        assert_eq!(t.row(Table::Shard, b"p", "k").await, Some(row("g", "v")));
    }

    /// Setting up by several at once is harmless.
    #[covers("row.schema")]
    #[isolation(Own)]
    async fn at_once(t) {
        let store = t.bare().await?;
        let racers = crate::race::race(4, |_, line| {
            let store = store.clone();
            async move {
                line.wait().await;
                store.schema(SchemaOp::Setup).await
            }
        });
        for status in racers.await {
            let status = status?;
            assert_eq!(status.found, Some(status.current));
        }
        store.write(&t.cx(), super::rows::put(Table::Queues, "p", "k", "v")).await?;
        store.close().await?;
    }

    /// A driver names itself and its data, the same as long as the handle lives.
    #[covers("row.info")]
    async fn info_is_constant(t) {
        let info = t.store.info();
        assert!(!info.driver.is_empty() && !info.location.is_empty());
        t.apply(Batch::on(Table::Shard, t.partition()).put("k", "", "")).await;
        assert_eq!(t.store.info(), info);
    }
}
