//! Listing the runs of a shard, and reading while others write.

use super::crawl::{check_tokens, crawl, crawl_by};
use crate::build::execution::{Flow, Write};
use crate::build::record::*;
use crate::race::{Beside, Overlap};
use futures_util::future::BoxFuture;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{Page, PageRequest, Persistence, Result, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Reads pages of the runs of a shard.
fn lister<'a>(
    w: &'a Flow,
    shard_id: ShardId,
) -> impl Fn(PageRequest) -> BoxFuture<'a, Result<Page<ListedExecution>>> {
    move |page| {
        Box::pin(async move {
            w.p.executions().list_executions(&w.cx(), &ListExecutions { shard_id, page }).await
        })
    }
}

fn listed(w: &Flow, s: &Snapshot) -> ListedExecution {
    ListedExecution { run: w.run_key(s.run_id), record: s.record.clone(), record_version: s.record_version }
}

crate::cases! {
    group: "execution";

    /// Runs of every kind are listed with their records and versions, not current records: page by page, each once.
    #[covers("execution.list_executions", "P9")]
    async fn list_in_order(t) {
        let w = Flow::new(t).await?;
        assert_eq!(crawl_by([1, 100], lister(&w, w.shard_id)).await?, []);
        let mut all = Vec::new();
        let prefix = t.name("list");
        for (i, name) in ["b", "a", "a ", "A", "á", "aa", "\u{10FFFF}", "\u{FFFF}", "z"].iter().enumerate() {
            let namespace_id = if i % 2 == 0 { w.namespace_id } else { t.namespace() };
            let w = Flow { namespace_id, ..w.named(format!("{prefix}{name}")) };
            all.push(listed(&w, &w.begin(t, Running).await?));
            all.push(listed(&w, &w.zombie(t).await?));
            let other = w.kind(40);
            all.push(listed(&w, &other.begin(t, Completed).await?));
            let change = mutation(all[3 * i].run.run_id, 1, Running);
            w.send(&w.update_current(&change)).await?;
            (all[3 * i].record, all[3 * i].record_version) = (change.record, 2);
        }
        // By namespace, then by the bytes of the workflow id, then by run.
        let order = |e: &ListedExecution| (e.run.namespace_id, e.run.workflow_id.clone().into_bytes(), e.run.run_id);
        all.sort_by_key(order);
        assert_eq!(crawl_by([1, 2, 5, 26, 27, 28, 1000, u32::MAX], lister(&w, w.shard_id)).await?, all);
    }

    /// One workflow and one execution of another kind: pages of one give exactly two.
    #[covers("execution.list_executions")]
    async fn list_one_by_one(t) {
        let w = Flow::new(t).await?;
        let one = listed(&w, &w.begin(t, Running).await?);
        let other = w.sibling(t).kind(3);
        let two = listed(&other, &other.begin(t, Running).await?);
        let read = lister(&w, w.shard_id);
        let first = read(PageRequest::first(1)).await?;
        assert_eq!(first.items.len(), 1);
        let second = read(PageRequest::after(1, first.next.unwrap())).await?;
        assert_eq!(second.next, None, "there is nothing beyond");
        let found = [first.items, second.items].concat();
        assert!(found.contains(&one) && found.contains(&two), "{found:?}");
        // A page that ends with the last run has no token either.
        assert_eq!(read(PageRequest::first(2)).await?.next, None);
    }

    /// Tokens fit their own shard only; damaged ones, those of other reads, and a page size of 0 are refused.
    #[covers("P9", "P24", "execution.list_executions!invalid_token", "execution.list_executions!invalid_argument")]
    async fn list_tokens(t) {
        let (w, other) = (Flow::new(t).await?, Flow::new(t).await?);
        for w in [&w, &other] {
            w.begin(t, Running).await?;
            w.zombie(t).await?;
            w.send(&w.add_tasks(&[immediate(TaskCategory::TRANSFER, 1), immediate(TaskCategory::TRANSFER, 2)])).await?;
        }
        let own = lister(&w, w.shard_id)(PageRequest::first(1)).await?.next.unwrap();
        let foreign = lister(&w, other.shard_id)(PageRequest::first(1)).await?.next.unwrap();
        let tasks = GetHistoryTasks {
            shard_id: w.shard_id,
            category: TaskCategory::TRANSFER,
            min: TaskKey::immediate(0),
            max: TaskKey::immediate(10),
            page: PageRequest::first(1),
        };
        let tasks = w.p.executions().get_history_tasks(&w.cx(), &tasks).await?.next.unwrap();
        check_tokens(&own, &[foreign, tasks], lister(&w, w.shard_id)).await?;
    }

    /// A crawl beside writers that create, update and delete neither skips nor repeats a run that was there throughout.
    #[covers("execution.list_executions", "P9")]
    async fn list_beside_writers(t) {
        let w = Flow::new(t).await?;
        let stays = |i: usize| w.named(format!("stays {i:02}"));
        let comes = |i: usize| w.named(format!("stays {i:02} and goes"));
        let mut there = BTreeSet::new();
        for i in 0..12 {
            there.insert(w.run_key(stays(i).begin(t, Running).await?.run_id).run_id);
        }
        let (done, overlap, changes) = (Arc::new(AtomicBool::new(false)), Overlap::new(), Arc::new(AtomicU64::new(0)));
        let writers: Vec<_> = (0..2usize).map(|me| {
            let flows: Vec<_> = (0..12).filter(|i| i % 2 == me).map(comes).collect();
            let (done, overlap, changes) = (done.clone(), overlap.clone(), changes.clone());
            Beside::run(async move {
                while !done.load(SeqCst) {
                    for w in &flows {
                        let _inside = overlap.enter();
                        let run = snapshot(persistence_core::RunId::new(), Completed);
                        w.send(&w.create(CreateMode::BypassCurrent, &run)).await.unwrap();
                        w.send(&w.delete(run.run_id)).await.unwrap();
                        changes.fetch_add(1, SeqCst);
                        tokio::task::yield_now().await;
                    }
                }
            })
        }).collect();
        let mut rounds = 0;
        // Until the list was crawled often while it changed often.
        while rounds < 10 || changes.load(SeqCst) < 50 {
            let inside = overlap.enter();
            let mut seen: BTreeMap<_, u32> = BTreeMap::new();
            let mut page = PageRequest::first(1 + rounds % 4);
            loop {
                let got = lister(&w, w.shard_id)(page.clone()).await?;
                assert!(got.items.len() <= page.size as usize);
                for e in got.items {
                    *seen.entry(e.run.run_id).or_default() += 1;
                }
                match got.next {
                    Some(token) => page = PageRequest::after(page.size, token),
                    None => break,
                }
            }
            drop(inside);
            assert!(there.iter().all(|r| seen.get(r) == Some(&1)), "a run was skipped or repeated: {seen:?}");
            assert!(seen.values().all(|n| *n == 1), "a run was repeated: {seen:?}");
            rounds += 1;
            tokio::task::yield_now().await;
        }
        done.store(true, SeqCst);
        for writer in writers {
            writer.end().await;
        }
        assert!(overlap.max() > 1, "nothing was written during a crawl");
    }

    /// A crawl goes on where it was when the run that its token names is deleted.
    #[covers("execution.list_executions", "P9")]
    async fn list_after_the_run_of_the_token_is_gone(t) {
        let w = Flow::new(t).await?;
        let mut runs = Vec::new();
        for i in 0..6 {
            let w = w.named(format!("w{i}"));
            runs.push((w.clone(), w.begin(t, Running).await?));
        }
        let read = lister(&w, w.shard_id);
        let first = read(PageRequest::first(3)).await?;
        for (w, run) in &runs[1..4] {
            w.send(&w.delete(run.run_id)).await?;
        }
        let rest = read(PageRequest::after(10, first.next.unwrap())).await?;
        let want: Vec<_> = runs[4..].iter().map(|(w, s)| listed(w, s)).collect();
        assert_eq!((rest.items, rest.next), (want, None));
        assert_eq!(crawl(2, &read).await?.len(), 3);
    }

    /// A read of a run is one snapshot: while writers replace everything in it at once, every read sees one version only.
    #[covers("P8", "execution.get_execution", "execution.set_execution", "execution.update_execution")]
    async fn reads_are_never_torn(t) {
        let w = Flow::new(t).await?;
        let run_id = t.run();
        // Everything that is written at a version tells that version.
        let of = |v: i64| persistence_core::Blob::json(format!("{v}{}", ".".repeat(300))).with_checksum();
        let items_of = move |v: i64| -> Vec<Item> {
            let keys = (0..20).flat_map(|n| if (n + v) % 3 == 0 { Vec::new() } else { keys(n) });
            keys.map(|key| Item { key, value: of(v) }).collect()
        };
        let snapshot_of = move |v: i64, stored: i64| {
            let mut s = Snapshot { record_version: stored, items: items_of(v), ..snapshot(run_id, Running) };
            (s.record.next_event_id, s.record.info, s.record.execution_state) = (v, of(v), of(v));
            s
        };
        w.send(&w.brand_new(&snapshot_of(1, 1))).await?;
        let (done, overlap) = (Arc::new(AtomicBool::new(false)), Overlap::new());
        let writer = Beside::run({
            let (w, done, overlap) = (w.clone(), done.clone(), overlap.clone());
            async move {
                let mut version = 1;
                while !done.load(SeqCst) {
                    let _inside = overlap.enter();
                    let next = snapshot_of(version + 1, version);
                    if version % 4 == 0 {
                        let old = keys_gone(&items_of(version), &next.items);
                        let change = Mutation {
                            record: next.record,
                            upsert_items: next.items,
                            delete_items: old,
                            clear_buffered_events: true,
                            buffered_events: Some(of(version + 1)),
                            ..mutation(run_id, version, Running)
                        };
                        w.send(&w.update_current(&change)).await.unwrap();
                    } else {
                        w.send(&w.set(&next)).await.unwrap();
                    }
                    version += 1;
                    tokio::task::yield_now().await;
                }
                version
            }
        });
        let readers: Vec<_> = (0..3).map(|_| {
            let (w, overlap) = (w.clone(), overlap.clone());
            Beside::run(async move {
                let mut seen = BTreeSet::new();
                let mut reads = 0;
                // Until enough different versions were met.
                while reads < 100 || seen.len() < 8 {
                    let _inside = overlap.enter();
                    let s = w.load(run_id).await.unwrap();
                    let v = s.record_version;
                    assert_eq!((s.record.next_event_id, &s.record.info), (v, &of(v)), "the record is of another version");
                    let mut want = items_of(v);
                    want.sort_by(|a, b| a.key.cmp(&b.key));
                    assert!(s.items == want, "items of another version than {v}");
                    let buffered = if v % 4 == 1 && v > 1 { vec![of(v)] } else { Vec::new() };
                    assert!(s.buffered_events == buffered, "buffered events of another version than {v}");
                    assert!(seen.last().is_none_or(|last| *last <= v), "{v} was read after {seen:?}");
                    seen.insert(v);
                    reads += 1;
                    // On a database without waits nobody else would come in.
                    tokio::task::yield_now().await;
                }
            })
        }).collect();
        for reader in readers {
            reader.end().await;
        }
        done.store(true, SeqCst);
        let last = writer.end().await;
        assert_eq!(w.load(run_id).await?.record_version, last);
        assert!(overlap.max() > 1, "nothing was written during a read");
    }

    /// The current record is read as one: its run, state and contents are of one write.
    #[covers("P8", "execution.get_current_execution")]
    async fn current_record_is_never_torn(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        let (done, overlap) = (Arc::new(AtomicBool::new(false)), Overlap::new());
        let writer = Beside::run({
            let (w, run, done, overlap) = (w.clone(), run.run_id, done.clone(), overlap.clone());
            async move {
                let mut version = 1;
                while !done.load(SeqCst) {
                    let _inside = overlap.enter();
                    let mut change = mutation(run, version, Running);
                    change.record.create_request_id = change.record.last_write_version.to_string();
                    w.send(&w.update_current(&change)).await.unwrap();
                    version += 1;
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut seen = BTreeSet::new();
        while seen.len() < 10 {
            let _inside = overlap.enter();
            let current = w.current().await?;
            assert_eq!(current.run_id, run.run_id);
            if current.create_request_id != run.record.create_request_id {
                assert_eq!(current.create_request_id, current.last_write_version.to_string());
            }
            seen.insert(current.last_write_version);
            tokio::task::yield_now().await;
        }
        done.store(true, SeqCst);
        writer.end().await;
        assert!(overlap.max() > 1, "nothing was written during a read");
    }

    /// What a handle has acknowledged every other handle sees.
    #[covers("execution.get_execution", "execution.get_current_execution")]
    async fn writes_are_seen_through_every_handle(t) {
        let w = Flow::new(t).await?;
        let other: Arc<dyn Persistence> = t.another().await?;
        let handles = [w.clone(), w.over(other.clone())];
        let run = w.begin(t, Running).await?;
        let mut state = created(&run);
        for version in 1..20 {
            let (writer, reader) = if version % 2 == 0 { (&handles[0], &handles[1]) } else { (&handles[1], &handles[0]) };
            let change = Mutation { upsert_items: items(version), ..mutation(run.run_id, version, Running) };
            w.update_current(&change).send(&*writer.p, &w.cx()).await?;
            state = mutated(&state, &change);
            assert_eq!(reader.load(run.run_id).await?, state);
            assert_eq!(reader.current().await?, change.record.current(run.run_id));
        }
        other.close().await?;
    }
}

fn keys_gone(before: &[Item], after: &[Item]) -> Vec<ItemKey> {
    let kept: BTreeSet<_> = after.iter().map(|i| &i.key).collect();
    before.iter().map(|i| i.key.clone()).filter(|k| !kept.contains(k)).collect()
}
