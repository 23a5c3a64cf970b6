//! The contract, and the engine's pitfalls while it runs.

use crate::support::*;
use crate::{Case, child};
use driver_fjall::{Fjall, SyncMode};
use libtest_mimic::Failed;
use persistence_nosql::core::{Capability, Context, ErrorKind, Outcome};
use persistence_nosql::row::{
    Condition, KeyRange, Level, MAX_GUARD, MAX_KEY, Op, Order, Row, RowStore, SchemaOp, Table, Write,
    WriteOutcome,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) const CASES: &[(&str, Case)] = &[
    ("rows_come_back_in_order", rows_come_back_in_order),
    ("checks_refuse_with_the_rows_seen", checks_refuse_with_the_rows_seen),
    ("a_write_spans_tables_and_partitions", a_write_spans_tables_and_partitions),
    ("partitions_are_listed_page_by_page", partitions_are_listed_page_by_page),
    ("illegal_keys_are_refused_and_harm_nothing", illegal_keys_are_refused_and_harm_nothing),
    ("the_largest_keys_work", the_largest_keys_work),
    ("the_journal_is_not_compressed", the_journal_is_not_compressed),
    ("a_second_handle_is_locked_out", a_second_handle_is_locked_out),
    ("a_second_process_is_locked_out", a_second_process_is_locked_out),
    ("closing_drains_and_unlocks_at_once", closing_drains_and_unlocks_at_once),
    ("a_closed_store_says_so", a_closed_store_says_so),
    ("only_synced_modes_are_durable", only_synced_modes_are_durable),
    ("a_deadline_that_has_passed_applies_nothing", a_deadline_that_has_passed_applies_nothing),
    (
        "a_scan_is_one_snapshot_while_memtables_are_flushed",
        a_scan_is_one_snapshot_while_memtables_are_flushed,
    ),
    ("everything_survives_flushes_and_journal_rotation", everything_survives_flushes_and_journal_rotation),
];

fn rows_come_back_in_order() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        let keys: [&[u8]; 6] = [b"\0", b"a", b"a\0", b"a\xff", b"b", b"\xff\xff"];
        for key in keys.iter().rev() {
            write(&store, vec![put(key, key)]).await?;
        }
        // Neighbours that must not show.
        write_parts(&store, vec![part(Table::Shard, "o", vec![], vec![put("a", "o")])]).await?;
        write_parts(&store, vec![part(Table::Shard, "pp", vec![], vec![put("a", "pp")])]).await?;
        let found: Vec<_> = scan(&store, Table::Shard, "p").await?.into_iter().map(|r| r.key).collect();
        assert_eq!(found, keys);
        let cx = Context::new();
        let range = KeyRange::new("a", "b");
        let some = store.scan(&cx, Table::Shard, b"p", &range, Order::Descending, 2, Level::Quorum).await?;
        assert_eq!(some.iter().map(|r| &*r.key).collect::<Vec<_>>(), [&b"a\xff"[..], b"a\0"]);
        let none = KeyRange::new("b", "a");
        assert!(
            store.scan(&cx, Table::Shard, b"p", &none, Order::Ascending, 9, Level::Serial).await?.is_empty()
        );
        // More keys than are read inline.
        let many: Vec<_> = (0..40).map(|i| if i % 2 == 0 { bytes("a") } else { bytes("z") }).collect();
        let rows = store.get(&cx, Table::Shard, b"p", &many, Level::Serial).await?;
        assert!(rows.iter().enumerate().all(|(i, r)| r.is_some() == (i % 2 == 0)));
        store.close().await?;
        Ok(())
    })
}

fn checks_refuse_with_the_rows_seen() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        write(&store, vec![put("a", "1"), put("b", "2")]).await?;
        let checks = vec![
            check("a", Condition::Guard(bytes("g"))),
            check("b", Condition::Guard(bytes("other"))),
            check("c", Condition::Absent),
        ];
        let ops = vec![put("c", "3"), Op::DeleteRange { range: KeyRange::all() }];
        let refused: Write = part(Table::Shard, "p", checks.clone(), ops.clone()).into();
        let answer = store.write(&Context::new(), refused).await?;
        assert_eq!(answer, WriteOutcome::Refused(vec![Some(row("1")), Some(row("2")), None]));
        assert_eq!(scan(&store, Table::Shard, "p").await?.len(), 2);
        let mut checks = checks;
        checks[1].condition = Condition::Present;
        let applied: Write = part(Table::Shard, "p", checks, vec![put("c", "3")]).into();
        assert_eq!(store.write(&Context::new(), applied).await?, WriteOutcome::Applied);
        store.close().await?;
        Ok(())
    })
}

fn a_write_spans_tables_and_partitions() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        let both = |condition| {
            vec![
                part(Table::Shard, "s", vec![], vec![put("k", "1")]),
                part(Table::History, "h", vec![check("k", condition)], vec![put("k", "1")]),
            ]
        };
        let refused =
            store.write(&Context::new(), Write { parts: both(Condition::Present), unordered: false }).await?;
        assert_eq!(refused, WriteOutcome::Refused(vec![None]));
        assert_eq!(get(&store, Table::Shard, "s", "k").await?, None);
        write_parts(&store, both(Condition::Absent)).await?;
        assert!(get(&store, Table::Shard, "s", "k").await?.is_some());
        assert!(get(&store, Table::History, "h", "k").await?.is_some());
        store.close().await?;
        Ok(())
    })
}

fn partitions_are_listed_page_by_page() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        let mut names: Vec<Vec<u8>> =
            vec![b"a".into(), b"b".into(), b"\xff".into(), b"aa".into(), vec![0xff; 300]];
        for name in &names {
            let ops = (0..5).map(|i| put([i], "v")).collect();
            let parts = vec![persistence_nosql::row::Part {
                table: Table::Queues,
                partition: bytes(name),
                checks: vec![],
                ops,
            }];
            write_parts(&store, parts).await?;
        }
        let mut found = Vec::new();
        loop {
            let after = found.last().map(|p: &bytes::Bytes| p.to_vec());
            let page = store.partitions(Table::Queues, after.as_deref(), 2).await?;
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        found.sort();
        names.sort();
        assert_eq!(found, names);
        store.close().await?;
        Ok(())
    })
}

fn illegal_keys_are_refused_and_harm_nothing() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        let long = vec![b'k'; MAX_KEY + 1];
        let guarded = |n| Op::Put {
            key: bytes("k"),
            row: Row { guard: vec![b'g'; n].into(), value: bytes("v") },
            collectable_after: None,
        };
        let in_p = |op: Op| part(Table::Shard, "p", vec![], vec![op]);
        let big = vec![0; driver_fjall::MAX_VALUE + 1];
        for (parts, kind) in [
            (vec![in_p(put("", "v"))], ErrorKind::InvalidArgument),
            (vec![in_p(Op::Delete { key: bytes("") })], ErrorKind::InvalidArgument),
            (
                vec![part(Table::Shard, "p", vec![check("", Condition::Absent)], vec![])],
                ErrorKind::InvalidArgument,
            ),
            (vec![part(Table::Shard, "", vec![], vec![put("k", "v")])], ErrorKind::InvalidArgument),
            (vec![], ErrorKind::InvalidArgument),
            (vec![in_p(put(&long, "v"))], ErrorKind::TooLarge),
            (vec![in_p(put(vec![b'k'; 65_536], "v"))], ErrorKind::TooLarge),
            (vec![in_p(guarded(MAX_GUARD + 1))], ErrorKind::TooLarge),
            (vec![in_p(put("k", big))], ErrorKind::TooLarge),
        ] {
            let e =
                store.write(&Context::new(), Write { parts, unordered: false }).await.expect_err("refused");
            assert_eq!((e.kind(), e.outcome()), (kind, Outcome::NotApplied), "{e}");
        }
        assert_eq!(
            get(&store, Table::Shard, "p", "").await.expect_err("refused").kind(),
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            get(&store, Table::Shard, "", "k").await.expect_err("refused").kind(),
            ErrorKind::InvalidArgument
        );
        // The ends of ranges reach the engine too.
        for n in [MAX_KEY + 1, 70_000] {
            for range in [KeyRange::new("", vec![b'k'; n]), KeyRange::new(vec![b'k'; n], vec![b'l'; n])] {
                let e = write(&store, vec![Op::DeleteRange { range: range.clone() }]).await;
                assert_eq!(e.expect_err("refused").kind(), ErrorKind::TooLarge);
                let cx = Context::new();
                let e = store.scan(&cx, Table::Shard, b"p", &range, Order::Ascending, 1, Level::Serial).await;
                assert_eq!(e.expect_err("refused").kind(), ErrorKind::TooLarge);
            }
            let e = store.partitions(Table::Shard, Some(&vec![b'p'; n]), 1).await;
            assert_eq!(e.expect_err("refused").kind(), ErrorKind::TooLarge);
        }
        write(&store, vec![put("k", "v"), guarded(MAX_GUARD)]).await?;
        store.close().await?;
        let store = open(dir.path()).await?;
        assert_eq!(scan(&store, Table::Shard, "p").await?.len(), 1);
        store.close().await?;
        Ok(())
    })
}

fn the_largest_keys_work() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        let (partition, key) = ("p".repeat(MAX_KEY), vec![0xff; MAX_KEY]);
        write_parts(&store, vec![part(Table::Shard, &partition, vec![], vec![put(&key, "v")])]).await?;
        assert!(get(&store, Table::Shard, &partition, &key).await?.is_some());
        assert_eq!(scan(&store, Table::Shard, &partition).await?[0].key, key);
        store.close().await?;
        Ok(())
    })
}

fn the_journal_is_not_compressed() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        let before = used(&journal(dir.path()));
        write(&store, vec![put("k", vec![7; 100_000])]).await?;
        assert!(used(&journal(dir.path())) - before > 100_000, "compressed");
        store.close().await?;
        Ok(())
    })
}

fn a_second_handle_is_locked_out() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        write(&store, vec![put("k", "1")]).await?;
        let before = files(dir.path());
        let e = open(dir.path()).await.expect_err("locked");
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Locked, Outcome::NotApplied));
        assert_eq!(files(dir.path()), before, "the second one wrote");
        write(&store, vec![put("k", "2")]).await?;
        assert_eq!(get(&store, Table::Shard, "p", "k").await?, Some(row("2")));
        store.close().await?;
        Ok(())
    })
}

fn a_second_process_is_locked_out() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        write(&store, vec![put("k", "1")]).await?;
        assert_eq!(child::output("open", dir.path(), &[]).trim(), "locked");
        write(&store, vec![put("k", "2")]).await?;
        store.close().await?;
        assert_eq!(child::output("open", dir.path(), &[]).trim(), "opened");
        Ok(())
    })
}

fn closing_drains_and_unlocks_at_once() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        for round in 0..10u32 {
            let store = Arc::new(open(dir.path()).await?);
            let writers: Vec<_> = (0..16u32)
                .map(|w| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move {
                        let ops = vec![put(format!("{round}-{w}"), "v")];
                        write(&store, ops).await.map(|()| true).or_else(|e| match e.kind() {
                            ErrorKind::Closed => Ok(false),
                            _ => Err(e),
                        })
                    })
                })
                .collect();
            tokio::task::yield_now().await;
            store.close().await?;
            let again = open(dir.path()).await?;
            for (w, writer) in writers.into_iter().enumerate() {
                let there = get(&again, Table::Shard, "p", format!("{round}-{w}")).await?.is_some();
                assert_eq!(writer.await??, there, "a write was lost, or happened after all");
            }
            again.close().await?;
        }
        Ok(())
    })
}

fn a_closed_store_says_so() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = Fjall::open(&format!("fjall:{}?sync=full", dir.path().display())).await?;
        assert_eq!(store.schema(SchemaOp::Status).await?.found, Some(1));
        store.close().await?;
        store.close().await?;
        assert_eq!(write(&store, vec![put("k", "v")]).await.expect_err("closed").kind(), ErrorKind::Closed);
        assert_eq!(scan(&store, Table::Shard, "p").await.expect_err("closed").kind(), ErrorKind::Closed);
        assert_eq!(store.schema(SchemaOp::Setup).await.expect_err("closed").kind(), ErrorKind::Closed);
        Ok(())
    })
}

fn only_synced_modes_are_durable() -> Result<(), Failed> {
    run(async {
        for (mode, durable) in [(SyncMode::Data, true), (SyncMode::Full, true), (SyncMode::Buffered, false)] {
            let dir = dir();
            let store = Fjall::builder(dir.path()).with_sync(mode).open().await?;
            let info = store.info();
            assert_eq!(info.capabilities.has(Capability::Durable), durable);
            assert!(info.capabilities.has(Capability::CrossPartition));
            assert!(!info.capabilities.has(Capability::MultiProcess));
            write(&store, vec![put("k", "v")]).await?;
            store.close().await?;
            let store = open(dir.path()).await?;
            assert!(get(&store, Table::Shard, "p", "k").await?.is_some());
            store.close().await?;
        }
        Ok(())
    })
}

fn a_deadline_that_has_passed_applies_nothing() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = open(dir.path()).await?;
        let cx = Context::new().with_timeout(Duration::ZERO);
        let late: Write = part(Table::Shard, "p", vec![], vec![put("k", "v")]).into();
        let e = store.write(&cx, late).await.expect_err("too late");
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Timeout, Outcome::NotApplied));
        assert_eq!(get(&store, Table::Shard, "p", "k").await?, None);
        store.close().await?;
        Ok(())
    })
}

/// Background work of the engine makes numbers visible that belong to a batch which is still being synced; see `tables`.
fn a_scan_is_one_snapshot_while_memtables_are_flushed() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let store = Arc::new(Fjall::builder(dir.path()).with_memtable_bytes(64 << 10).open().await?);
        let (done, raced) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let filler = tokio::spawn({
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            async move {
                let mut i = 0u32;
                while !done.load(Ordering::Relaxed) {
                    let parts =
                        vec![part(Table::Queues, "q", vec![], vec![put(i.to_be_bytes(), vec![1; 20_000])])];
                    write_parts(&store, parts).await?;
                    i = (i + 1) % 64;
                }
                Ok::<_, persistence_nosql::core::Error>(())
            }
        });
        let writer = tokio::spawn({
            let (store, done, raced) = (Arc::clone(&store), Arc::clone(&done), Arc::clone(&raced));
            async move {
                let mut n = 0u32;
                while n < 300 || !raced.load(Ordering::Relaxed) {
                    n += 1;
                    let ops = (0..200u32).map(|k| put(k.to_be_bytes(), n.to_be_bytes())).collect();
                    write(&store, ops).await?;
                }
                done.store(true, Ordering::Relaxed);
                Ok::<_, persistence_nosql::core::Error>(())
            }
        });
        let mut scans = 0;
        while !done.load(Ordering::Relaxed) && !writer.is_finished() {
            let rows = scan(&store, Table::Shard, "p").await?;
            assert!(rows.windows(2).all(|w| w[0].row == w[1].row), "a part of a write shows");
            scans += 1;
            raced.store(scans > 10, Ordering::Relaxed);
        }
        writer.await??;
        filler.await??;
        assert!(scans > 10, "{scans} scans");
        store.close().await?;
        Ok(())
    })
}

/// More than a journal holds, so that several are begun, replayed and removed.
fn everything_survives_flushes_and_journal_rotation() -> Result<(), Failed> {
    run(async {
        let dir = dir();
        let small = || Fjall::builder(dir.path()).with_journal_bytes(64 << 20).with_memtable_bytes(16 << 20);
        let mut random = Random(7);
        for round in 0..2u32 {
            let store = small().with_sync(SyncMode::Buffered).open().await?;
            for i in 0..1200u32 {
                let ops = vec![put((round * 1200 + i).to_be_bytes(), random.bytes(64_000))];
                let table = if i % 3 == 0 { Table::History } else { Table::Shard };
                write_parts(&store, vec![part(table, "p", vec![], ops)]).await?;
            }
            // Not closed: what is dropped is what a caller forgot to close.
            drop(store);
            let store = small().open().await?;
            let rows =
                scan(&store, Table::Shard, "p").await?.len() + scan(&store, Table::History, "p").await?.len();
            assert_eq!(rows, (round as usize + 1) * 1200);
            // It goes in the background, when all that it holds is in tables.
            while round == 1 && dir.path().join("0.jnl").exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            store.close().await?;
        }
        Ok(())
    })
}
