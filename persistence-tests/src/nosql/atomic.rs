//! Writes of more than one partition: all or nothing, or a clear no.

use super::rows::{Batch, row};
use crate::nosql::RowFixture;
use persistence_core::{Capability, ErrorKind, Outcome};
use persistence_nosql::row::{Table, Write, WriteOutcome};

const A: Table = Table::Shard;
const B: Table = Table::History;

crate::cases! {
    fixture: RowFixture;
    group: "atomic";

    /// With `cross_partition` a write of many parts takes effect in all of them; without it the answer is `Unsupported`
    /// and nothing is changed.
    #[covers("row.write", "row.write!unsupported", "capability.cross_partition")]
    async fn many_parts(t) {
        let (p, q) = (t.partition(), t.partition());
        let write = || Batch::on(A, &p).if_absent("k").put("k", "g", "a").and(Batch::on(B, &q).put("k", "", "b"));
        if t.has(Capability::CrossPartition) {
            t.apply(write()).await;
            assert_eq!(t.row(A, &p, "k").await, Some(row("g", "a")));
            assert_eq!(t.row(B, &q, "k").await, Some(row("", "b")));
            // The same partition of two tables, and two partitions of one table, are different places too.
            t.apply(Batch::on(A, &p).delete("k").and(Batch::on(B, &p).put("k", "", "c"))).await;
            t.apply(Batch::on(B, &p).delete("k").and(Batch::on(B, &q).if_present("k").delete("k"))).await;
        } else {
            let e = t.write(write()).await.unwrap_err();
            assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unsupported, Outcome::NotApplied));
        }
        assert_eq!(t.row(A, &p, "k").await, None);
        assert_eq!(t.row(B, &q, "k").await, None);
    }

    /// One check that does not hold, in any part, refuses all parts; the answer tells the rows of every check, part by
    /// part.
    #[covers("row.write")]
    #[needs(CrossPartition)]
    async fn one_check_refuses_all(t) {
        let (p, q, r) = (t.partition(), t.partition(), t.partition());
        t.apply(Batch::on(A, &p).put("k", "gp", "p")).await;
        t.apply(Batch::on(A, &q).put("k", "gq", "q")).await;
        for wrong in 0..3 {
            let guard = |i: usize, right: &'static str| if i == wrong { "wrong" } else { right };
            let mut write = Batch::on(A, &p)
                .if_absent("new")
                .if_guard("k", guard(0, "gp"))
                .put("new", "", "")
                .and(Batch::on(A, &q).if_guard("k", guard(1, "gq")).delete("k"));
            let last = if wrong == 2 { Batch::on(B, &r).if_present("x") } else { Batch::on(B, &r).if_absent("x") };
            write.parts.extend(Write::from(last.put("x", "", "")).parts);
            let rows = t.refuse(write).await;
            assert_eq!(rows, [None, Some(row("gp", "p")), Some(row("gq", "q")), None], "wrong in part {wrong}");
            assert_eq!(t.keys(A, &p).await, ["k"]);
            assert_eq!(t.keys(A, &q).await, ["k"]);
            assert!(t.keys(B, &r).await.is_empty());
        }
    }

    /// Of two writers that each take both of two rows in different partitions, exactly one gets both.
    #[covers("row.write")]
    #[needs(CrossPartition)]
    async fn no_half_wins(t) {
        let (p, q) = (t.partition(), t.partition());
        for round in 0..20 {
            let racers = crate::race::race(6, |i, line| {
                let (first, second) = if i % 2 == 0 { (&p, &q) } else { (&q, &p) };
                let take = |at| Batch::on(A, at).if_absent("k").put("k", i.to_string(), "");
                let write = take(first).and(take(second));
                let (store, cx) = (t.store.clone(), t.cx());
                async move {
                    line.wait().await;
                    store.write(&cx, write).await.unwrap() == WriteOutcome::Applied
                }
            });
            let won = racers.await;
            assert_eq!(won.iter().filter(|w| **w).count(), 1, "round {round}: {won:?}");
            let winner = won.iter().position(|w| *w).unwrap().to_string();
            assert_eq!(t.row(A, &p, "k").await, Some(row(&winner, "")));
            assert_eq!(t.row(A, &q, "k").await, Some(row(&winner, "")));
            t.apply(Batch::on(A, &p).delete("k").and(Batch::on(A, &q).delete("k"))).await;
        }
    }

    /// History nodes can commit with the state only where a write may span partitions.
    #[covers("row.write", "capability.atomic_history")]
    async fn atomic_history_needs_it(t) {
        assert!(!t.has(Capability::AtomicHistory) || t.has(Capability::CrossPartition));
    }
}
