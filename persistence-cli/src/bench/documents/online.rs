//! Indexes that are added while writers write: how long the longest write waits, and whether any fails.

use super::Documents;
use super::ask::{Ask, Asked};
use super::corpus::{Corpus, definition};
use super::gate;
use super::library::Library;
use super::load::load;
use crate::bench::measure::histogram;
use crate::bench::report::{load_average, quantile_of, thousands};
use crate::output;
use anyhow::{Context as _, Result, ensure};
use comfy_table::CellAlignment;
use hdrhistogram::Histogram;
use persistence::document::write::Pre;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Before, while and after the indexes are added.
const PHASES: [&str; 3] = ["before", "while", "after"];
const END: usize = PHASES.len();
/// Documents that are looked for by the new index at the end.
const LOOKED_FOR: u64 = 500;

/// What writes came to in one phase: that in which each ended.
struct Phase {
    took: Duration,
    latencies: Histogram<u64>,
    failed: Vec<String>,
}

pub(super) struct Online {
    database: String,
    documents: u64,
    writers: u16,
    phases: Vec<Phase>,
    load: [Option<String>; 2],
}

struct Shared {
    phase: AtomicUsize,
    made: AtomicU64,
}

pub(super) async fn run(args: &Documents, library: &Library) -> Result<Online> {
    let corpus = args.corpus();
    let writers = args.writers.iter().copied().find(|n| *n > 1).unwrap_or(1);
    library.ensure(definition(&library.collection, false)?).await?;
    load(library, corpus).await?;
    let begun = load_average();
    let shared = Arc::new(Shared { phase: AtomicUsize::new(0), made: AtomicU64::new(corpus.documents) });
    let write = |w| tokio::spawn(write(library.clone(), corpus, (w, writers), Arc::clone(&shared)));
    let tasks: Vec<_> = (0..writers).map(write).collect();
    let mut took = Vec::new();
    let time = Duration::from_secs_f64(args.seconds * 6.0);
    tokio::time::sleep(time).await;
    took.push(time);
    shared.phase.store(1, SeqCst);
    output::complain("adding four indexes");
    let began = Instant::now();
    let ensured = library.ensure(definition(&library.collection, true)?).await;
    took.push(began.elapsed());
    shared.phase.store(2, SeqCst);
    if ensured.is_ok() {
        tokio::time::sleep(time).await;
    }
    took.push(time);
    shared.phase.store(END, SeqCst);
    let mut phases = Vec::new();
    for took in took {
        phases.push(Phase { took, latencies: histogram()?, failed: Vec::new() });
    }
    let mut changed = BTreeMap::new();
    for task in tasks {
        let (own, versions) = task.await.context("a writer panicked")??;
        for (phase, own) in phases.iter_mut().zip(own) {
            phase.latencies.add(own.latencies).context("adding histograms")?;
            phase.failed.extend(own.failed);
        }
        changed.extend(versions);
    }
    ensured?;
    look(library, &changed).await?;
    let load = [begun, load_average()];
    let database = output::database(library.db.info());
    Ok(Online { database, documents: corpus.documents, writers, phases, load })
}

/// What a writer came to, and the documents that it wrote last, with their changes.
type Own = (Vec<Phase>, BTreeMap<u64, u64>);

/// Changes documents that no other writer changes, and makes new ones now and then.
async fn write(
    library: Library,
    corpus: Corpus,
    (writer, writers): (u16, u16),
    shared: Arc<Shared>,
) -> Result<Own> {
    let mut phases = Vec::new();
    for _ in PHASES {
        phases.push(Phase { took: Duration::ZERO, latencies: histogram()?, failed: Vec::new() });
    }
    let (mut changed, mut writes) = (BTreeMap::new(), 0_u64);
    let of_each = (corpus.documents / u64::from(writers)).max(1);
    loop {
        writes += 1;
        let create = writes.is_multiple_of(10);
        let n = if create {
            shared.made.fetch_add(1, SeqCst)
        } else {
            (writes.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % of_each * u64::from(writers)
                + u64::from(writer)
        };
        let changes = changed.get(&n).map_or(u64::from(!create), |c| c + 1);
        let doc = Corpus::document(n, changes);
        let pre = match create {
            true => Pre::Absent,
            false => Pre::Version(i64::try_from(changes)?),
        };
        let began = Instant::now();
        let done = library.write(vec![library.put(doc, pre)]).await;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let failed = done.map_err(|e| format!("{e:#}")).err();
        if failed.is_none() {
            changed.insert(n, changes);
        }
        let Some(phase) = phases.get_mut(shared.phase.load(SeqCst)) else { return Ok((phases, changed)) };
        phase.latencies.saturating_record(micros);
        phase.failed.extend(failed);
    }
}

/// That documents written while the indexes were built are found by them.
async fn look(library: &Library, changed: &BTreeMap<u64, u64>) -> Result<()> {
    let step = (changed.len() as u64 / LOOKED_FOR).max(1);
    for (n, changes) in changed.iter().step_by(usize::try_from(step)?) {
        let ask = Ask::Name(Corpus::name(*n));
        library.explain(&ask, None).await?;
        let found = library.ask(ask.of_library(&library.collection, None)?).await?;
        let expected = Corpus::document(*n, *changes).body;
        ensure!(
            found.documents.len() == 1 && found.documents[0].body["updated_at"] == expected["updated_at"],
            "document {n} is not found by its new index as it was written"
        );
    }
    let tag = Corpus::tag(7);
    let asked = Ask::Tag(tag.clone()).of_library(&library.collection, None)?;
    ensure!(matches!(asked, Asked::Find(_)), "a tag is found");
    ensure!(library.ask(asked).await?.count > 0, "nothing has {tag}");
    Ok(())
}

impl Online {
    pub(super) fn table(&self) -> String {
        let heads = ["phase", "seconds", "writes/s", "failed", "p50", "p99", "longest"];
        let mut table = output::table(&heads);
        for (name, phase) in PHASES.iter().zip(&self.phases) {
            let ms = |micros: f64| format!("{:.2} ms", micros / 1000.0);
            table.add_row([
                (*name).to_owned(),
                format!("{:.2}", phase.took.as_secs_f64()),
                thousands(phase.rate()),
                phase.failed.len().to_string(),
                ms(quantile_of(&phase.latencies, 0.5)),
                ms(quantile_of(&phase.latencies, 0.99)),
                ms(quantile_of(&phase.latencies, 1.0)),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let [begun, ended] = self.load.each_ref().map(|l| l.as_deref().unwrap_or("?"));
        let errors = self.phases.iter().flat_map(|p| &p.failed).take(5);
        let errors: String = errors.map(|e| format!("\nfailed: {e}")).collect();
        format!(
            "{}: four indexes added to {} documents of 800 bytes under {} writers, load average {begun} to {ended}{errors}\n{table}",
            self.database,
            thousands(f64::from(u32::try_from(self.documents).unwrap_or(u32::MAX))),
            self.writers,
        )
    }

    /// What is not reached.
    pub(super) fn misses(&self) -> Vec<String> {
        let phases = PHASES.iter().zip(&self.phases);
        phases
            .flat_map(|(name, p)| gate::writes(name, p.failed.len(), quantile_of(&p.latencies, 1.0)))
            .collect()
    }

    pub(super) fn json(&self) -> Value {
        let phases = PHASES.iter().zip(&self.phases).map(|(name, phase)| {
            json!({
                "phase": name,
                "seconds": phase.took.as_secs_f64(),
                "writes": phase.latencies.len(),
                "failed": phase.failed.len(),
                "errors": phase.failed.iter().take(5).collect::<Vec<_>>(),
                "p50_ms": quantile_of(&phase.latencies, 0.5) / 1000.0,
                "p99_ms": quantile_of(&phase.latencies, 0.99) / 1000.0,
                "longest_ms": quantile_of(&phase.latencies, 1.0) / 1000.0,
            })
        });
        json!({
            "database": self.database,
            "documents": self.documents,
            "writers": self.writers,
            "load": self.load,
            "phases": phases.collect::<Vec<_>>(),
        })
    }
}

impl Phase {
    fn rate(&self) -> f64 {
        let writes = f64::from(u32::try_from(self.latencies.len()).unwrap_or(u32::MAX));
        writes / self.took.as_secs_f64()
    }
}
