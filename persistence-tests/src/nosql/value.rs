//! What is put is what is read, byte by byte.

use super::rows::{Batch, row};
use persistence_nosql::row::{KeyRange, MAX_GUARD, MAX_KEY, Table};

const T: Table = Table::Shard;

crate::cases! {
    fixture: crate::nosql::RowFixture;
    group: "value";

    /// A row with an empty guard and an empty value is a row: present, not absent.
    #[covers("row.write", "row.get")]
    async fn empty_is_not_absent(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("k", "", "")).await;
        assert_eq!(t.row(T, &p, "k").await, Some(row("", "")));
        assert_eq!(t.refuse(Batch::on(T, &p).if_absent("k").put("k", "x", "x")).await, [Some(row("", ""))]);
        t.apply(Batch::on(T, &p).if_present("k").if_guard("k", "").put("k", "g", "")).await;
        assert_eq!(t.row(T, &p, "k").await, Some(row("g", "")));
    }

    /// Guards up to the longest are kept and compared to their last byte.
    #[covers("row.write", "row.get")]
    async fn longest_guard(t) {
        let p = t.partition();
        let guard = vec![0xff; MAX_GUARD];
        let mut other = guard.clone();
        other[MAX_GUARD - 1] = 0xfe;
        t.apply(Batch::on(T, &p).put("k", &guard, "v")).await;
        assert_eq!(t.row(T, &p, "k").await, Some(row(&guard, "v")));
        t.refuse(Batch::on(T, &p).if_guard("k", &other).delete("k")).await;
        t.refuse(Batch::on(T, &p).if_guard("k", &guard[1..]).delete("k")).await;
        t.apply(Batch::on(T, &p).if_guard("k", &guard).delete("k")).await;
    }

    /// Every byte survives in keys, partitions, guards and values.
    #[covers("row.write", "row.get", "row.scan")]
    async fn every_byte(t) {
        let all: Vec<u8> = (0..=255).collect();
        let p = [&t.partition()[..], &all].concat();
        let mut batch = Batch::on(T, &p).put(&all, &all[192..], &all);
        for b in &all {
            batch = batch.put([*b], [*b], [*b, 0, *b]);
        }
        t.apply(batch).await;
        assert_eq!(t.row(T, &p, &all).await, Some(row(&all[192..], &all)));
        let rows = t.range(T, &p, &KeyRange::all()).await;
        assert_eq!(rows.len(), 257);
        for b in &all {
            let expected = row([*b], [*b, 0, *b]);
            assert_eq!(t.row(T, &p, [*b]).await, Some(expected), "key {b:#04x}");
        }
    }

    /// Keys that only look alike are different keys.
    #[covers("row.write", "row.get")]
    async fn similar_keys_are_distinct(t) {
        let p = t.partition();
        let keys = ["a", "A", "a ", " a", "a\0", "\0a", "a\0\0", "ä", "a\u{308}", "%", "_", "'", "\"", "\\", "a'b"];
        t.fill(T, &p, &keys).await;
        for k in keys {
            assert_eq!(t.row(T, &p, k).await, Some(row("", k)), "{k:?}");
        }
        assert_eq!(t.range(T, &p, &KeyRange::all()).await.len(), keys.len());
    }

    /// A value of several megabytes is one value.
    #[covers("row.write", "row.get", "row.scan")]
    async fn megabytes(t) {
        let p = t.partition();
        let mut value = vec![0; 3 << 20];
        t.rng().fill(&mut value);
        t.apply(Batch::on(T, &p).put("before", "", "b").put("large", "g", &value).put("later", "", "l")).await;
        assert!(t.row(T, &p, "large").await == Some(row("g", &value)), "the value read is another one");
        let rows = t.range(T, &p, &KeyRange::all()).await;
        assert_eq!(rows.len(), 3);
        assert!(rows[1].row.value == value, "the value scanned is another one");
    }

    /// Keys and partitions may be as long as the contract says.
    #[covers("row.write", "row.get", "row.scan")]
    async fn longest_key(t) {
        let mut p = t.partition().to_vec();
        p.resize(MAX_KEY, b'p');
        let long = vec![0xff; MAX_KEY];
        let last = [&long[..MAX_KEY - 1], &[0xfe]].concat();
        t.apply(Batch::on(T, &p).put(&long, "g", "long").put(&last, "", "last").put("k", "", "k")).await;
        assert_eq!(t.row(T, &p, &long).await, Some(row("g", "long")));
        assert_eq!(t.row(T, &p, &last).await, Some(row("", "last")));
        let rows = t.range(T, &p, &KeyRange::all()).await;
        let keys: Vec<_> = rows.iter().map(|r| &r.key[..]).collect();
        assert_eq!(keys, [b"k", &last[..], &long]);
        t.apply(Batch::on(T, &p).if_guard(&long, "g").delete(&long)).await;
        assert_eq!(t.row(T, &p, &long).await, None);
    }

    /// A put replaces guard and value; nothing of the old row shines through.
    #[covers("row.write", "row.get")]
    async fn put_replaces(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("k", "old guard", "old value")).await;
        t.apply(Batch::on(T, &p).put("k", "", "new")).await;
        assert_eq!(t.row(T, &p, "k").await, Some(row("", "new")));
        t.apply(Batch::on(T, &p).put("k", "g", "")).await;
        assert_eq!(t.row(T, &p, "k").await, Some(row("g", "")));
    }
}
