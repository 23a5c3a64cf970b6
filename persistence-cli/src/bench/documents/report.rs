//! What was measured: a table for people, JSON for programs.

use super::Documents;
use super::corpus::Corpus;
use super::gate;
use crate::bench::measure::Measured;
use crate::bench::report::{load_average, quantile, thousands};
use crate::output;
use comfy_table::CellAlignment;
use serde_json::{Value, json};
use std::time::Duration;

/// One kind of query or write, in all rounds.
pub(super) struct Line {
    name: String,
    /// How it is answered; empty for writes.
    pub(super) index: String,
    rounds: Vec<(Measured, Option<Measured>)>,
    pub(super) unindexed: Vec<Duration>,
}

/// How long the documents took.
pub(super) struct Loaded {
    pub(super) took: Duration,
    pub(super) by_hand: Option<Duration>,
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().saturating_sub(1) / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

impl Line {
    pub(super) fn new(name: String) -> Self {
        Line { name, index: String::new(), rounds: Vec::new(), unindexed: Vec::new() }
    }

    pub(super) fn add(&mut self, ours: Measured, by_hand: Option<Measured>) {
        self.rounds.push((ours, by_hand));
    }

    fn median(&self, of: impl Fn(&(Measured, Option<Measured>)) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().filter_map(of).collect())
    }

    fn rate(&self) -> Option<f64> {
        self.median(|r| Some(r.0.rate()))
    }

    /// Milliseconds.
    fn p50(&self) -> Option<f64> {
        self.median(|r| Some(quantile(&r.0, 0.5) / 1000.0))
    }

    fn p99(&self) -> Option<f64> {
        self.median(|r| Some(quantile(&r.0, 0.99) / 1000.0))
    }

    fn by_hand(&self) -> Option<f64> {
        self.median(|r| Some(quantile(r.1.as_ref()?, 0.5) / 1000.0))
    }

    /// Throughput, ours to that by hand: the median of the rounds' ratios. A query is asked by one client, whose throughput is that of
    /// the median: one page that was not in memory would say more than a thousand that were.
    fn ratio(&self) -> Option<f64> {
        self.median(|r| {
            let by_hand = r.1.as_ref()?;
            if !self.index.is_empty() {
                return Some(quantile(by_hand, 0.5) / quantile(&r.0, 0.5));
            }
            (by_hand.rate() > 0.0).then(|| r.0.rate() / by_hand.rate())
        })
    }

    fn unindexed(&self) -> Option<f64> {
        median(self.unindexed.iter().map(|t| t.as_secs_f64() * 1000.0).collect())
    }

    /// How many times faster than without an index.
    fn gain(&self) -> Option<f64> {
        Some(self.unindexed()? / self.p50()?)
    }
}

pub(super) struct Report {
    database: String,
    documents: u64,
    rounds: u16,
    seconds: f64,
    pub(super) loaded: Option<Loaded>,
    pub(super) lines: Vec<Line>,
    load: [Option<String>; 2],
}

impl Report {
    pub(super) fn new(database: String, corpus: Corpus, args: &Documents) -> Self {
        Report {
            database,
            documents: corpus.documents,
            rounds: args.rounds,
            seconds: args.seconds,
            loaded: None,
            lines: Vec::new(),
            load: [load_average(), None],
        }
    }

    /// After the last measurement.
    pub(super) fn end(&mut self) {
        self.load[1] = load_average();
    }

    /// The page far from the first, compared with the first.
    fn deep(&self) -> Option<f64> {
        let mut pages = self.lines.iter().filter(|l| l.name.contains("page"));
        let first = pages.next()?.p50()?;
        Some(pages.next()?.p50()? / first)
    }

    /// What is not reached, of queries.
    pub(super) fn misses(&self) -> Vec<String> {
        let queries = self.lines.iter().filter(|l| !l.index.is_empty());
        let missed = queries.flat_map(|l| gate::query(&l.name, l.gain(), l.ratio()));
        missed.chain(gate::deep(self.deep())).collect()
    }

    fn per_second(&self, took: Duration) -> f64 {
        f64::from(u32::try_from(self.documents).unwrap_or(u32::MAX)) / took.as_secs_f64()
    }

    pub(super) fn table(&self) -> String {
        let heads = [
            "what",
            "index",
            "without index : with",
            "ours : by hand",
            "p50",
            "p99",
            "per second",
            "by hand p50",
            "without index",
        ];
        let mut table = output::table(&heads);
        let ms = |v: Option<f64>| v.map_or_else(dash, |v| format!("{v:.2} ms"));
        for l in &self.lines {
            table.add_row([
                l.name.clone(),
                l.index.clone(),
                l.gain().map_or_else(dash, thousands),
                l.ratio().map_or_else(dash, |r| format!("{r:.2}")),
                ms(l.p50()),
                ms(l.p99()),
                l.rate().map_or_else(dash, thousands),
                ms(l.by_hand()),
                ms(l.unindexed()),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let [begun, ended] = self.load.each_ref().map(|l| l.as_deref().unwrap_or("?"));
        let mut head = format!(
            "{}: {} documents of 800 bytes, scan=false for all by index, medians of {} rounds of {} s, load average {begun} to {ended}",
            self.database,
            thousands(f64::from(u32::try_from(self.documents).unwrap_or(u32::MAX))),
            self.rounds,
            self.seconds
        );
        if let Some(loaded) = &self.loaded {
            head.push_str(&format!("\nloaded: {} documents/s", thousands(self.per_second(loaded.took))));
            if let Some(by_hand) = loaded.by_hand {
                let ratio = by_hand.as_secs_f64() / loaded.took.as_secs_f64();
                let rate = thousands(self.per_second(by_hand));
                head.push_str(&format!(", by hand {rate}, ours : by hand {ratio:.2}"));
            }
        }
        if let Some(deep) = self.deep() {
            head.push_str(&format!(
                "\nthe page far from the first takes {deep:.2} times as long as the first"
            ));
        }
        format!("{head}\n{table}")
    }

    pub(super) fn json(&self) -> Value {
        let lines = self.lines.iter().map(|l| {
            json!({
                "what": l.name,
                "index": l.index,
                "gain": l.gain(),
                "ratio": l.ratio(),
                "p50_ms": l.p50(),
                "p99_ms": l.p99(),
                "per_second": l.rate(),
                "steps": l.rounds.iter().map(|r| r.0.steps).collect::<Vec<_>>(),
                "by_hand_p50_ms": l.by_hand(),
                "unindexed_ms": l.unindexed(),
            })
        });
        json!({
            "database": self.database,
            "documents": self.documents,
            "seconds": self.seconds,
            "load_seconds": self.loaded.as_ref().map(|l| l.took.as_secs_f64()),
            "by_hand_load_seconds": self.loaded.as_ref().and_then(|l| l.by_hand).map(|t| t.as_secs_f64()),
            "deep_page_to_first": self.deep(),
            "load": self.load,
            "measurements": lines.collect::<Vec<_>>(),
        })
    }
}

fn dash() -> String {
    "–".to_owned()
}
