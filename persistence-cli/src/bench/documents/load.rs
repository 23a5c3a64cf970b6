//! Loading all documents, on both sides.

use super::corpus::{Corpus, Doc};
use super::hand::Any;
use super::library::Library;
use crate::output;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Documents of one write.
const BATCH: usize = 100;
/// Writes at once.
const CONCURRENCY: usize = 8;
/// The same where a write has the documents of one partition only.
const SINGLE_CONCURRENCY: usize = 64;
/// Documents of one statement by hand.
const BY_HAND: u64 = 500;

/// The numbers of all documents, in groups that can be written together.
fn batches(corpus: Corpus, spans: bool) -> Vec<Vec<u64>> {
    let all: Vec<u64> = (0..corpus.documents).collect();
    if spans {
        return all.chunks(BATCH).map(<[u64]>::to_vec).collect();
    }
    let mut partitions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for n in all {
        partitions.entry(Corpus::project(n)).or_default().push(n);
    }
    // Of all partitions in turn, so that those beside each other are of different ones.
    let mut batches: Vec<(usize, Vec<u64>)> = Vec::new();
    for of in partitions.into_values() {
        batches.extend(of.chunks(BATCH / 4).map(<[u64]>::to_vec).enumerate());
    }
    batches.sort_by_key(|b| b.0);
    batches.into_iter().map(|b| b.1).collect()
}

fn documents(numbers: &[u64]) -> Vec<Doc> {
    numbers.iter().map(|n| Corpus::document(*n, 0)).collect()
}

/// The library's documents; how long it took.
pub(super) async fn load(library: &Library, corpus: Corpus) -> Result<Duration> {
    output::complain(&format!("loading {} documents", corpus.documents));
    let spans = library.spans();
    let (batches, next) = (Arc::new(batches(corpus, spans)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let concurrency = if spans { CONCURRENCY } else { SINGLE_CONCURRENCY };
    let work = |_| {
        let (library, batches, next) = (library.clone(), Arc::clone(&batches), Arc::clone(&next));
        tokio::spawn(async move {
            while let Some(batch) = batches.get(next.fetch_add(1, Relaxed)) {
                library.load(documents(batch)).await.context("loading documents")?;
            }
            Ok::<_, anyhow::Error>(())
        })
    };
    let tasks: Vec<_> = (0..concurrency).map(work).collect();
    for task in tasks {
        task.await.context("a loader panicked")??;
    }
    Ok(began.elapsed())
}

/// The same by hand.
pub(super) async fn load_by_hand(hand: &mut Any, corpus: Corpus) -> Result<Duration> {
    output::complain("loading them by hand");
    let began = Instant::now();
    let mut from = 0;
    while from < corpus.documents {
        let to = (from + BY_HAND).min(corpus.documents);
        let numbers: Vec<u64> = (from..to).collect();
        hand.load(&documents(&numbers)).await.context("loading documents by hand")?;
        from = to;
    }
    Ok(began.elapsed())
}
