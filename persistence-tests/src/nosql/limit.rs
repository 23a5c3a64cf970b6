//! What the bucket promises never to send is refused, not obeyed, and harms nothing.

use super::rows::{Batch, bytes};
use crate::nosql::RowFixture;
use persistence_core::{Error, ErrorKind, Outcome};
use persistence_nosql::row::{KeyRange, Level, MAX_GUARD, MAX_KEY, Order, Table, Write};

const T: Table = Table::Shard;

fn refused(e: &Error) {
    assert!(matches!(e.kind(), ErrorKind::InvalidArgument | ErrorKind::TooLarge), "{e}");
    assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
}

crate::cases! {
    fixture: RowFixture;
    group: "limit";

    /// A write with an empty or over-long key, partition or guard is `InvalidArgument` or `TooLarge`: nothing of it is
    /// applied, and the driver works on.
    #[covers("row.write", "row.write!invalid_argument", "row.write!too_large")]
    async fn bad_writes(t) {
        let p = t.partition();
        let (long, huge) = (vec![b'k'; MAX_KEY + 1], vec![b'k'; 70_000]);
        let on = || Batch::on(T, &p).put("good", "", "");
        for key in [&b""[..], &long, &huge] {
            let bad: [Write; 5] = [
                on().put(key, "", "v").into(),
                on().delete(key).into(),
                on().if_absent(key).into(),
                on().if_present(key).into(),
                Batch::on(T, key).put("good", "", "v").into(),
            ];
            for write in bad {
                refused(&t.write(write).await.unwrap_err());
            }
        }
        refused(&t.write(on().put("k", vec![0; MAX_GUARD + 1], "v")).await.unwrap_err());
        refused(&t.write(Write { parts: Vec::new(), unordered: false }).await.unwrap_err());
        assert!(t.keys(T, &p).await.is_empty());
        t.apply(on()).await;
        assert_eq!(t.keys(T, &p).await, ["good"]);
    }

    /// A read with an empty or over-long partition or key is `InvalidArgument` or `TooLarge`, and the driver works on.
    #[covers("row.get", "row.scan", "row.get!invalid_argument", "row.scan!invalid_argument")]
    async fn bad_reads(t) {
        let p = t.partition();
        let long = vec![b'k'; MAX_KEY + 1];
        let all = KeyRange::all();
        for name in [&b""[..], &long] {
            let keys = [bytes("good"), bytes(name)];
            refused(&t.store.get(&t.cx(), T, &p, &keys, Level::Serial).await.unwrap_err());
            refused(&t.store.get(&t.cx(), T, name, &keys[..1], Level::Serial).await.unwrap_err());
            let scan = t.store.scan(&t.cx(), T, name, &all, Order::Ascending, 1, Level::Serial).await;
            refused(&scan.unwrap_err());
        }
        t.fill(T, &p, &["good"]).await;
        assert_eq!(t.keys(T, &p).await, ["good"]);
    }
}
