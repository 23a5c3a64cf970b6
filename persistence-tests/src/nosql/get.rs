//! Reading rows by their keys.

use super::rows::{bytes, row};
use persistence_nosql::row::{Level, Table};

const T: Table = Table::History;

crate::cases! {
    fixture: crate::nosql::RowFixture;
    group: "get";

    /// Rows come in the order asked, with a gap where there is no row; at both levels.
    #[covers("row.get")]
    async fn order_and_absence(t) {
        let p = t.partition();
        t.fill(T, &p, &["a", "b", "c"]).await;
        let keys = ["c", "nothing", "a", "b", "z"].map(bytes);
        let expected = [Some(row("", "c")), None, Some(row("", "a")), Some(row("", "b")), None];
        for level in [Level::Serial, Level::Quorum] {
            assert_eq!(t.store.get(&t.cx(), T, &p, &keys, level).await?, expected, "{level:?}");
        }
    }

    /// A partition that was never written has no rows; no keys give no rows.
    #[covers("row.get")]
    async fn nothing_there(t) {
        let p = t.partition();
        assert_eq!(t.store.get(&t.cx(), T, &p, &[bytes("k")], Level::Serial).await?, [None]);
        assert_eq!(t.store.get(&t.cx(), T, &p, &[], Level::Serial).await?, []);
    }

    /// Many keys in one call, present and absent.
    #[covers("row.get")]
    async fn many_keys(t) {
        let p = t.partition();
        let keys: Vec<String> = (0..500).map(|i| format!("k{i:04}")).collect();
        t.fill(T, &p, &keys.iter().step_by(2).collect::<Vec<_>>()).await;
        let asked: Vec<_> = keys.iter().rev().map(bytes).collect();
        let rows = t.store.get(&t.cx(), T, &p, &asked, Level::Quorum).await?;
        assert_eq!(rows.len(), 500);
        for (i, found) in rows.iter().rev().enumerate() {
            assert_eq!(*found, (i % 2 == 0).then(|| row("", &keys[i])), "{}", keys[i]);
        }
    }

    /// An acknowledged write is seen by the next read, at both levels, by get and by scan.
    #[covers("row.get", "row.scan", "row.write")]
    async fn reads_its_writes(t) {
        let p = t.partition();
        for i in 0..50 {
            let value = i.to_string();
            t.apply(super::rows::Batch::on(T, &p).put("k", "", &value)).await;
            for level in [Level::Serial, Level::Quorum] {
                let got = t.store.get(&t.cx(), T, &p, &[bytes("k")], level).await?;
                assert_eq!(got, [Some(row("", &value))], "{level:?}");
            }
            assert_eq!(t.range(T, &p, &persistence_nosql::row::KeyRange::all()).await[0].row, row("", &value));
        }
    }
}
