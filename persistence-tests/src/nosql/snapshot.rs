//! Nobody sees half a write.

use super::rows::Batch;
use crate::nosql::RowFixture;
use crate::race::Beside;
use persistence_nosql::row::{KeyRange, Level, Order, Table};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

const T: Table = Table::Shard;

/// Enough rows that a scan which is not a snapshot meets a write.
const ROWS: usize = 60;

fn generation(p: &[u8], n: u64) -> Batch {
    // Large enough that a database reads the rows in pieces; the key that comes and goes with each generation
    // is seen when a scan mixes two.
    let value = format!("{n}{}", ".".repeat(500));
    let rows = (0..ROWS).fold(Batch::on(T, p), |b, i| b.put(format!("k{i:03}"), n.to_string(), &value));
    rows.delete(format!("m{}", (n + 1) % 2)).put(format!("m{}", n % 2), n.to_string(), "")
}

crate::cases! {
    fixture: RowFixture;
    group: "snapshot";

    /// A scan is one snapshot: while writers replace all rows at once, every scan sees rows of one write only.
    #[covers("row.scan", "row.write", "P8")]
    async fn scans_see_whole_writes(t) {
        let p = t.partition();
        t.apply(generation(&p, 0)).await;
        let done = Arc::new(AtomicBool::new(false));
        let writer = Beside::run({
            let (store, cx, p, done) = (t.store.clone(), t.cx(), p.clone(), done.clone());
            async move {
                let mut n = 0;
                while !done.load(SeqCst) {
                    n += 1;
                    store.write(&cx, generation(&p, n).into()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut scanners = Vec::new();
        for order in [Order::Ascending, Order::Descending] {
            let (store, p) = (t.store.clone(), p.clone());
            let cx = t.cx();
            scanners.push(Beside::run(async move {
                let mut seen = BTreeSet::new();
                let begun = Instant::now();
                for level in [Level::Serial, Level::Quorum].into_iter().cycle() {
                    let rows = store.scan(&cx, T, &p, &KeyRange::all(), order, 1000, level).await.unwrap();
                    assert_eq!(rows.len(), ROWS + 1, "rows of more than one write, or of less");
                    let guards: BTreeSet<_> = rows.iter().map(|r| r.row.guard.clone()).collect();
                    assert_eq!(guards.len(), 1, "one scan saw the writes {guards:?}");
                    seen.extend(guards);
                    if seen.len() >= 50 || begun.elapsed() > Duration::from_secs(15) {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                seen.len()
            }));
        }
        for scanner in scanners {
            let seen = scanner.end().await;
            assert!(seen >= 3, "only {seen} writes fell between the scans: it was no race");
        }
        done.store(true, SeqCst);
        writer.end().await;
    }

    /// A refused write leaves no trace that a concurrent reader could see.
    #[covers("row.scan", "row.write")]
    async fn refused_writes_are_never_seen(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("a", "right", "").put("b", "", "")).await;
        let refused = Beside::run({
            let (store, cx, p) = (t.store.clone(), t.cx(), p.clone());
            async move {
                for i in 0..300 {
                    let batch = Batch::on(T, &p).put("new", "", i.to_string()).delete("b").if_guard("a", "wrong");
                    let outcome = store.write(&cx, batch.into()).await.unwrap();
                    assert_ne!(outcome, persistence_nosql::row::WriteOutcome::Applied);
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut scans = 0;
        while !refused.has_ended() {
            assert_eq!(t.keys(T, &p).await, ["a", "b"]);
            scans += 1;
            tokio::task::yield_now().await;
        }
        refused.end().await;
        assert!(scans >= 3, "only {scans} scans fell between the writes: it was no race");
    }
}
