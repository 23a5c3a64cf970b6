//! Conditions.

use super::rows::{Batch, row};
use crate::nosql::RowFixture;
use persistence_nosql::row::Table;

const T: Table = Table::Shard;

crate::cases! {
    fixture: RowFixture;
    group: "check";

    /// Absent holds exactly when there is no row.
    #[covers("row.write")]
    async fn absent(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).if_absent("k").put("k", "g", "1")).await;
        assert_eq!(t.refuse(Batch::on(T, &p).if_absent("k").put("k", "g", "2")).await, [Some(row("g", "1"))]);
        assert_eq!(t.row(T, &p, "k").await, Some(row("g", "1")));
        t.apply(Batch::on(T, &p).delete("k")).await;
        t.apply(Batch::on(T, &p).if_absent("k").put("k", "g", "3")).await;
    }

    /// Present holds exactly when there is a row, whatever is in it.
    #[covers("row.write")]
    async fn present(t) {
        let p = t.partition();
        assert_eq!(t.refuse(Batch::on(T, &p).if_present("k").put("k", "", "1")).await, [None]);
        assert_eq!(t.row(T, &p, "k").await, None);
        for guard in ["", "g"] {
            t.apply(Batch::on(T, &p).put("k", guard, "")).await;
            t.apply(Batch::on(T, &p).if_present("k").put("other", "", guard)).await;
        }
        t.apply(Batch::on(T, &p).delete("k")).await;
        assert_eq!(t.refuse(Batch::on(T, &p).if_present("k").delete("other")).await, [None]);
        assert!(t.row(T, &p, "other").await.is_some());
    }

    /// A guard is compared exactly: not a prefix, not a longer one, never with a row that is not there.
    #[covers("row.write")]
    async fn guard(t) {
        let p = t.partition();
        assert_eq!(t.refuse(Batch::on(T, &p).if_guard("k", "").put("k", "", "")).await, [None]);
        t.apply(Batch::on(T, &p).put("k", "guard", "v")).await;
        for other in ["", "g", "guar", "guard\0", "guarD", "guards"] {
            let found = t.refuse(Batch::on(T, &p).if_guard("k", other).put("k", other, "lost")).await;
            assert_eq!(found, [Some(row("guard", "v"))], "{other:?}");
        }
        t.apply(Batch::on(T, &p).if_guard("k", "guard").put("k", "next", "w")).await;
        t.refuse(Batch::on(T, &p).if_guard("k", "guard").put("k", "next", "again")).await;
        assert_eq!(t.row(T, &p, "k").await, Some(row("next", "w")));
    }

    /// All kinds of checks go together in one write with all kinds of ops; each of them alone can refuse it.
    #[covers("row.write")]
    async fn any_mix(t) {
        let p = t.partition();
        let begin = Batch::on(T, &p).put("guarded", "g1", "1").put("present", "x", "2").put("doomed", "", "3");
        t.apply(begin.put("range/a", "", "4").put("range/b", "", "5")).await;
        let ops = |b: Batch| {
            let b = b.put("guarded", "g2", "new").put("created", "", "new").delete("doomed");
            b.delete_range("range/", "range0").put("free", "", "new")
        };
        let before = t.keys(T, &p).await;
        let wrong = [
            Batch::on(T, &p).if_guard("guarded", "g0").if_absent("created").if_present("present"),
            Batch::on(T, &p).if_guard("guarded", "g1").if_absent("present").if_present("present2"),
            Batch::on(T, &p).if_guard("guarded", "g1").if_absent("created").if_present("nothing"),
            Batch::on(T, &p).if_absent("created").if_present("present").if_guard("guarded", "g2"),
        ];
        for batch in wrong {
            t.refuse(ops(batch)).await;
            assert_eq!(t.keys(T, &p).await, before, "nothing of a refused write is there");
            assert_eq!(t.row(T, &p, "guarded").await, Some(row("g1", "1")));
        }
        let right = Batch::on(T, &p).if_guard("guarded", "g1").if_absent("created").if_present("present");
        t.apply(ops(right)).await;
        assert_eq!(t.keys(T, &p).await, ["created", "free", "guarded", "present"]);
        assert_eq!(t.row(T, &p, "guarded").await, Some(row("g2", "new")));
    }

    /// A refusal tells the row of every check in the order of the checks: those that held, those that did not, and none
    /// where there is no row.
    #[covers("row.write")]
    async fn refusal_tells_every_row(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("a", "ga", "va").put("b", "gb", "vb").put("c", "gc", "vc")).await;
        let checks = Batch::on(T, &p).if_present("c").if_absent("nothing").if_guard("a", "ga").if_guard("b", "no");
        let found = t.refuse(checks.if_present("missing").put("new", "", "")).await;
        let expected = [Some(row("gc", "vc")), None, Some(row("ga", "va")), Some(row("gb", "vb")), None];
        assert_eq!(found, expected);
    }

    /// Checks see the rows as they were before the write, also when the same write changes them.
    #[covers("row.write")]
    async fn checks_come_before_ops(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).if_absent("k").put("k", "1", "")).await;
        t.apply(Batch::on(T, &p).if_guard("k", "1").put("k", "2", "")).await;
        t.apply(Batch::on(T, &p).if_present("k").delete("k")).await;
        t.apply(Batch::on(T, &p).put("r1", "", "").put("r2", "", "")).await;
        t.apply(Batch::on(T, &p).if_present("r1").if_present("r2").delete_range("r", "s")).await;
        // What the write would make true does not help it.
        t.refuse(Batch::on(T, &p).if_present("k").put("k", "", "")).await;
        t.refuse(Batch::on(T, &p).if_guard("k", "3").put("k", "3", "")).await;
        t.apply(Batch::on(T, &p).put("k", "3", "")).await;
        t.refuse(Batch::on(T, &p).if_absent("k").delete("k")).await;
        assert_eq!(t.keys(T, &p).await, ["k"]);
    }

    /// A write of checks alone changes nothing; it tells whether they hold.
    #[covers("row.write")]
    async fn checks_alone(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).if_absent("k")).await;
        assert_eq!(t.refuse(Batch::on(T, &p).if_present("k")).await, [None]);
        t.apply(Batch::on(T, &p).put("k", "g", "v")).await;
        t.apply(Batch::on(T, &p).if_guard("k", "g").if_absent("other")).await;
        assert_eq!(t.refuse(Batch::on(T, &p).if_guard("k", "h")).await, [Some(row("g", "v"))]);
        assert_eq!(t.keys(T, &p).await, ["k"]);
    }

    /// Conditions that hold apply the write, also when it changes nothing.
    #[covers("row.write", "P21")]
    async fn no_change_is_applied(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("k", "g", "v")).await;
        t.apply(Batch::on(T, &p).if_guard("k", "g").put("k", "g", "v")).await;
        t.apply(Batch::on(T, &p).if_guard("k", "g").delete("nothing").delete_range("x", "y")).await;
        assert_eq!(t.row(T, &p, "k").await, Some(row("g", "v")));
    }

    /// Many checks in one write, of which the last does not hold.
    #[covers("row.write")]
    async fn many_checks(t) {
        let p = t.partition();
        let n = t.store.info().max_write_ops.min(200) / 2;
        let keys: Vec<String> = (0..n).map(|i| format!("k{i:03}")).collect();
        t.fill(T, &p, &keys).await;
        let all = keys.iter().fold(Batch::on(T, &p), |b, k| b.if_guard(k, ""));
        let last = all.clone().if_present("missing").put("new", "", "");
        let found = t.refuse(last).await;
        assert_eq!(found.len(), n + 1);
        assert!(found[..n].iter().zip(&keys).all(|(r, k)| *r == Some(row("", k))));
        assert_eq!(found[n], None);
        t.apply(all.if_absent("missing").put("new", "", "")).await;
        assert!(t.row(T, &p, "new").await.is_some());
    }
}
