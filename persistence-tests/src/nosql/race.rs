//! Conditional writes are linearizable.

use super::rows::{Batch, bytes, row};
use crate::fixture::call;
use crate::nosql::RowFixture;
use crate::race::{Overlap, race};
use persistence_nosql::row::{Level, Table, WriteOutcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const T: Table = Table::Shard;
const WRITERS: usize = 8;

crate::cases! {
    fixture: RowFixture;
    group: "race";

    /// Of many writers on one guard exactly one wins each round, and the losers are shown the winner's row.
    #[covers("row.write")]
    async fn one_winner(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("k", "0", "begin")).await;
        for round in 0..25 {
            let (before, after) = (round.to_string(), (round + 1).to_string());
            let racers = race(WRITERS, |i, line| {
                let batch = Batch::on(T, &p).if_guard("k", &before).put("k", &after, i.to_string());
                let (store, cx) = (t.store.clone(), t.cx());
                async move {
                    line.wait().await;
                    store.write(&cx, batch.into()).await.unwrap()
                }
            });
            let outcomes = racers.await;
            let won: Vec<_> = (0..WRITERS).filter(|i| outcomes[*i] == WriteOutcome::Applied).collect();
            assert_eq!(won.len(), 1, "round {round}: winners {won:?}");
            let winner = row(&after, won[0].to_string());
            let lost = WriteOutcome::Refused(vec![Some(winner.clone())]);
            assert_eq!(outcomes.iter().filter(|o| **o == lost).count(), WRITERS - 1, "round {round}: {outcomes:?}");
            assert_eq!(t.row(T, &p, "k").await, Some(winner));
        }
    }

    /// Of many creators of one row exactly one wins, also where a row was deleted just before.
    #[covers("row.write")]
    async fn one_creator(t) {
        let p = t.partition();
        for round in 0..15 {
            let racers = race(WRITERS, |i, line| {
                let batch = Batch::on(T, &p).if_absent("k").put("k", i.to_string(), "").put(format!("own {i}"), "", "");
                let (store, cx) = (t.store.clone(), t.cx());
                async move {
                    line.wait().await;
                    store.write(&cx, batch.into()).await.unwrap()
                }
            });
            let outcomes = racers.await;
            let won: Vec<_> = (0..WRITERS).filter(|i| outcomes[*i] == WriteOutcome::Applied).collect();
            assert_eq!(won.len(), 1, "round {round}: winners {won:?}");
            assert_eq!(t.keys(T, &p).await, ["k".to_owned(), format!("own {}", won[0])], "round {round}");
            t.apply(Batch::on(T, &p).if_guard("k", won[0].to_string()).delete("k").delete_range("own ", "own!")).await;
        }
    }

    /// No increment by compare-and-set is lost: 8 writers, 100 increments each, 800 in the end.
    #[covers("row.write", "row.get")]
    async fn increments(t) {
        let p = t.partition();
        t.apply(Batch::on(T, &p).put("n", "0", "0")).await;
        let (lost, overlap) = (Arc::new(AtomicU64::new(0)), Overlap::new());
        let writers = race(WRITERS, |_, line| {
            let (store, p) = (t.store.clone(), p.clone());
            let (lost, overlap) = (lost.clone(), overlap.clone());
            async move {
                line.wait().await;
                for _ in 0..100 {
                    // Each call has its time. An increment may take that of all others: who has won reads while they are refused, and
                    // may be back before them.
                    let mut found = store.get(&call(), T, &p, &[bytes("n")], Level::Serial).await.unwrap().remove(0);
                    loop {
                        let inside = overlap.enter();
                        // Others may come between reading and writing: that is what a compare-and-set is for.
                        tokio::task::yield_now().await;
                        let old = found.unwrap();
                        let n: u64 = str::from_utf8(&old.value).unwrap().parse().unwrap();
                        let next = (n + 1).to_string();
                        let batch = Batch::on(T, &p).if_guard("n", &old.guard).put("n", &next, &next);
                        let outcome = store.write(&call(), batch.into()).await.unwrap();
                        drop(inside);
                        match outcome {
                            WriteOutcome::Applied => break,
                            // The row that refused it is the one to go on from: no second read.
                            WriteOutcome::Refused(mut rows) => found = rows.remove(0),
                        }
                        lost.fetch_add(1, SeqCst);
                    }
                }
            }
        });
        writers.await;
        assert_eq!(t.row(T, &p, "n").await, Some(row("800", "800")));
        assert!(overlap.max() > 1 && lost.load(SeqCst) > 0, "the writers came one after the other");
    }

    /// Writers on different rows of one partition, and on different partitions, do not refuse each other.
    #[covers("row.write")]
    async fn strangers_do_not_conflict(t) {
        let p = t.partition();
        let writers = race(WRITERS, |i, line| {
            let store = t.store.clone();
            let p = if i % 2 == 0 { p.clone() } else { bytes([&p[..], i.to_string().as_bytes()].concat()) };
            async move {
                line.wait().await;
                for n in 0..20 {
                    let key = format!("{i}");
                    let batch = Batch::on(T, &p);
                    let batch = if n == 0 { batch.if_absent(&key) } else { batch.if_guard(&key, (n - 1).to_string()) };
                    let batch = batch.put(&key, n.to_string(), "");
                    assert_eq!(store.write(&call(), batch.into()).await.unwrap(), WriteOutcome::Applied, "{i}: {n}");
                }
            }
        });
        writers.await;
        assert_eq!(t.keys(T, &p).await, ["0", "2", "4", "6"]);
    }
}
