//! Effects.

use super::rows::{Batch, bytes, row};
use crate::nosql::RowFixture;
use persistence_core::Timestamp;
use persistence_nosql::row::{KeyRange, Table};
use std::time::{Duration, SystemTime};

const T: Table = Table::Queues;

crate::cases! {
    fixture: RowFixture;
    group: "op";

    /// A write without checks is always applied.
    #[covers("row.write")]
    async fn unconditional(t) {
        let p = t.partition();
        for i in 0..3 {
            t.apply(Batch::on(T, &p).put("k", "", i.to_string())).await;
        }
        assert_eq!(t.row(T, &p, "k").await, Some(row("", "2")));
    }

    /// Deleting what is not there is a success, of a row and of a range.
    #[covers("row.write")]
    async fn delete_nothing(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).delete("k")).await;
        t.apply(Batch::on(T, &p).delete_range("a", "z")).await;
        t.apply(Batch::on(T, &p).delete_rows(KeyRange::all())).await;
        assert!(t.keys(T, &p).await.is_empty());
    }

    /// A range delete takes its start, leaves its end, and touches nothing around.
    #[covers("row.write")]
    async fn delete_range_bounds(t) {
        let p = t.partition();
        t.fill(T, &p, &["a", "b", "b\0", "b\u{7f}", "c", "c\0", "d"]).await;
        t.apply(Batch::on(T, &p).delete_range("b", "c")).await;
        assert_eq!(t.keys(T, &p).await, ["a", "c", "c\0", "d"]);
        t.apply(Batch::on(T, &p).delete_range("c", "c\0")).await;
        assert_eq!(t.keys(T, &p).await, ["a", "c\0", "d"]);
        t.apply(Batch::on(T, &p).delete_rows(KeyRange { start: bytes("b"), end: None })).await;
        assert_eq!(t.keys(T, &p).await, ["a"]);
        t.apply(Batch::on(T, &p).delete_rows(KeyRange::all())).await;
        assert!(t.keys(T, &p).await.is_empty());
    }

    /// Range deletes reach the smallest and the largest keys.
    #[covers("row.write")]
    async fn delete_range_extremes(t) {
        let p = t.partition();
        let keys: [&[u8]; 4] = [&[0], &[0, 0], &[0xff; 100], &[0xff; 200]];
        t.fill(T, &p, &keys).await;
        t.apply(Batch::on(T, &p).delete_rows(KeyRange::new("", [0, 0].as_slice().to_vec()))).await;
        let rest = t.range(T, &p, &KeyRange::all()).await;
        assert_eq!(rest.iter().map(|r| &r.key[..]).collect::<Vec<_>>(), keys[1..]);
        t.apply(Batch::on(T, &p).delete_rows(KeyRange { start: bytes([0xff; 100]), end: None })).await;
        let rest = t.range(T, &p, &KeyRange::all()).await;
        assert_eq!(rest.iter().map(|r| &r.key[..]).collect::<Vec<_>>(), keys[1..2]);
    }

    /// Puts, deletes and range deletes of one write all take effect, several of each.
    #[covers("row.write")]
    async fn any_mix(t) {
        let p = t.partition();
        t.fill(T, &p, &["a", "b", "c1", "c2", "d", "e1", "e2", "f"]).await;
        let batch = Batch::on(T, &p).delete("a").put("b", "g", "new").delete_range("c", "d");
        t.apply(batch.delete_range("e", "f").delete("missing").put("g", "", "new").put("h", "", "new")).await;
        assert_eq!(t.keys(T, &p).await, ["b", "d", "f", "g", "h"]);
        assert_eq!(t.row(T, &p, "b").await, Some(row("g", "new")));
        assert_eq!(t.row(T, &p, "d").await, Some(row("", "d")));
    }

    /// A range delete in the same write as a put next to the range: the put stays.
    #[covers("row.write")]
    async fn put_beside_a_range(t) {
        let p = t.partition();
        t.fill(T, &p, &["k1", "k2", "k3"]).await;
        t.apply(Batch::on(T, &p).delete_range("k1", "k3").put("k0", "", "new").put("k3", "", "new")).await;
        assert_eq!(t.keys(T, &p).await, ["k0", "k3"]);
        assert_eq!(t.row(T, &p, "k3").await, Some(row("", "new")));
    }

    /// What was deleted can be put again, at once, one way or the other, many times over.
    #[covers("row.write", "row.get")]
    async fn put_after_delete(t) {
        let p = t.partition();
        for i in 0..20 {
            let value = i.to_string();
            t.apply(Batch::on(T, &p).if_absent("k").put("k", "g", &value)).await;
            assert_eq!(t.row(T, &p, "k").await, Some(row("g", &value)));
            let gone = Batch::on(T, &p).if_guard("k", "g");
            t.apply(if i % 2 == 0 { gone.delete("k") } else { gone.delete_range("k", "l") }).await;
            assert_eq!(t.row(T, &p, "k").await, None);
        }
    }

    /// Until its time has come a collectable row is a row like any other; a later put takes the time away.
    #[covers("row.write", "row.get", "P18")]
    async fn collectable_later(t) {
        let p = t.partition();
        let now = Timestamp::from(SystemTime::now());
        let until = |seconds| now.after(Duration::from_secs(seconds));
        t.apply(Batch::on(T, &p).put_until("day", "v", until(86_400)).put_until("ever", "v", Timestamp::MAX)).await;
        t.apply(Batch::on(T, &p).if_guard("day", "").put_until("soon", "v", until(2))).await;
        assert_eq!(t.keys(T, &p).await, ["day", "ever", "soon"]);
        t.apply(Batch::on(T, &p).put("soon", "", "w")).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(t.row(T, &p, "soon").await, Some(row("", "w")));
        assert_eq!(t.row(T, &p, "day").await, Some(row("", "v")));
    }

    /// A row whose time is past already may be collected, and is no error.
    #[covers("row.write", "P18")]
    async fn collectable_already(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("stays", "", "v").put_until("k", "v", Timestamp(1))).await;
        let keys = t.keys(T, &p).await;
        assert!(keys == ["stays"] || keys == ["k", "stays"], "{keys:?}");
        t.apply(Batch::on(T, &p).put("k", "", "w")).await;
        assert_eq!(t.row(T, &p, "k").await, Some(row("", "w")));
    }

    /// As many ops as the driver says that one write should carry are one write.
    #[covers("row.write")]
    async fn as_many_as_it_says(t) {
        let p = t.partition();
        let n = t.store.info().max_write_ops.min(5_000);
        assert!(n >= 100, "a transition with its items and tasks is one write; {n} ops are too few");
        let keys: Vec<String> = (0..n).map(|i| format!("k{i:05}")).collect();
        t.apply(keys.iter().fold(Batch::on(T, &p), |b, k| b.put(k, "", ""))).await;
        assert_eq!(t.keys(T, &p).await, keys);
        t.apply(keys.iter().fold(Batch::on(T, &p), |b, k| b.delete(k))).await;
        assert!(t.keys(T, &p).await.is_empty());
    }
}
