//! Nobody sees half a write.

use super::rows::Batch;
use crate::fixture::{CALL_LIMIT, call};
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

/// How many steps of the other side at least make a race.
const FEW: usize = 3;

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
            let (store, p, done) = (t.store.clone(), p.clone(), done.clone());
            async move {
                let mut n = 0;
                while !done.load(SeqCst) {
                    n += 1;
                    store.write(&call(), generation(&p, n).into()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut scanners = Vec::new();
        for order in [Order::Ascending, Order::Descending] {
            let (store, p) = (t.store.clone(), p.clone());
            scanners.push(Beside::run(async move {
                let mut seen = BTreeSet::new();
                let begun = Instant::now();
                for level in [Level::Serial, Level::Quorum].into_iter().cycle() {
                    let rows = store.scan(&call(), T, &p, &KeyRange::all(), order, 1000, level).await.unwrap();
                    assert_eq!(rows.len(), ROWS + 1, "rows of more than one write, or of less");
                    let guards: BTreeSet<_> = rows.iter().map(|r| r.row.guard.clone()).collect();
                    assert_eq!(guards.len(), 1, "one scan saw the writes {guards:?}");
                    seen.extend(guards);
                    // On a slow machine a few have to do, however long they take.
                    let enough = if begun.elapsed() < Duration::from_secs(15) { 50 } else { FEW };
                    if seen.len() >= enough || begun.elapsed() > CALL_LIMIT {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                seen.len()
            }));
        }
        for scanner in scanners {
            let seen = scanner.end().await;
            assert!(seen >= FEW, "only {seen} writes fell between the scans: it was no race");
        }
        done.store(true, SeqCst);
        writer.end().await;
    }

    /// A refused write leaves no trace that a concurrent reader could see.
    #[covers("row.scan", "row.write")]
    async fn refused_writes_are_never_seen(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("a", "right", "").put("b", "", "")).await;
        let raced = Arc::new(AtomicBool::new(false));
        let refused = Beside::run({
            let (store, p, raced) = (t.store.clone(), p.clone(), raced.clone());
            async move {
                let mut i = 0;
                while i < 300 || !raced.load(SeqCst) {
                    i += 1;
                    let batch = Batch::on(T, &p).put("new", "", i.to_string()).delete("b").if_guard("a", "wrong");
                    let outcome = store.write(&call(), batch.into()).await.unwrap();
                    assert_ne!(outcome, persistence_nosql::row::WriteOutcome::Applied);
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut scans = 0;
        while !refused.has_ended() {
            assert_eq!(t.keys(T, &p).await, ["a", "b"]);
            scans += 1;
            raced.store(scans >= FEW, SeqCst);
            tokio::task::yield_now().await;
        }
        refused.end().await;
        assert!(scans >= FEW, "only {scans} scans fell between the writes: it was no race");
    }
}
