//! What was measured: a table for people, JSON for programs.

use super::engine::TRANSITION_BYTES;
use super::measure::Measured;
use crate::output;
use comfy_table::CellAlignment;
use serde_json::{Value, json};

/// One number of writers in one round.
pub(crate) struct Cell {
    pub(crate) writers: u16,
    pub(crate) log: Option<Measured>,
    pub(crate) store: Measured,
}

pub(crate) struct Report {
    database: String,
    shards: u16,
    seconds: f64,
    cells: Vec<Cell>,
}

impl Report {
    pub(crate) fn new(database: String, shards: u16, seconds: f64) -> Self {
        Report { database, shards, seconds, cells: Vec::new() }
    }

    pub(crate) fn add(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// The numbers of writers, in the order in which they were asked for.
    fn writers(&self) -> Vec<u16> {
        let mut writers = Vec::new();
        for c in &self.cells {
            if !writers.contains(&c.writers) {
                writers.push(c.writers);
            }
        }
        writers
    }

    fn median(&self, writers: u16, of: impl Fn(&Cell) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> =
            self.cells.iter().filter(|c| c.writers == writers).filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values.get(values.len().saturating_sub(1) / 2)?, values.get(values.len() / 2)?);
        Some((low + high) / 2.0)
    }

    pub(crate) fn table(&self) -> String {
        let heads =
            ["writers", "transitions/s", "p50", "p99", "plain log/s", "p50", "p99", "transitions : log"];
        let mut table = output::table(&heads);
        for writers in self.writers() {
            let rate = |m: Option<f64>| m.map_or("–".to_owned(), thousands);
            let time =
                |m: Option<f64>| m.map_or("–".to_owned(), |micros| format!("{:.2} ms", micros / 1000.0));
            let store = |q: f64| self.median(writers, |c| Some(quantile(&c.store, q)));
            let log = |q: f64| self.median(writers, |c| c.log.as_ref().map(|l| quantile(l, q)));
            table.add_row([
                writers.to_string(),
                rate(self.median(writers, |c| Some(c.store.rate()))),
                time(store(0.5)),
                time(store(0.99)),
                rate(self.median(writers, |c| c.log.as_ref().map(Measured::rate))),
                time(log(0.5)),
                time(log(0.99)),
                self.median(writers, ratio).map_or("–".to_owned(), |r| format!("{r:.2}")),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let rounds = self.cells.len() / self.writers().len().max(1);
        format!(
            "{}: {} shards, {TRANSITION_BYTES} bytes a transition and a record of the log, medians of {rounds} rounds of {} s\n{table}",
            self.database, self.shards, self.seconds
        )
    }

    pub(crate) fn json(&self) -> Value {
        let side = |m: &Measured| {
            json!({
                "per_second": m.rate(),
                "p50_ms": quantile(m, 0.5) / 1000.0,
                "p99_ms": quantile(m, 0.99) / 1000.0,
                "steps": m.steps,
            })
        };
        let cells = self.cells.iter().map(|c| {
            json!({
                "writers": c.writers,
                "transitions": side(&c.store),
                "log": c.log.as_ref().map(side),
                "ratio": ratio(c),
            })
        });
        json!({
            "database": self.database,
            "shards": self.shards,
            "bytes": TRANSITION_BYTES,
            "seconds": self.seconds,
            "measurements": cells.collect::<Vec<_>>(),
        })
    }
}

fn ratio(cell: &Cell) -> Option<f64> {
    cell.log.as_ref().map(|log| cell.store.rate() / log.rate())
}

fn quantile(m: &Measured, q: f64) -> f64 {
    f64::from(u32::try_from(m.latencies.value_at_quantile(q)).unwrap_or(u32::MAX))
}

/// `31,204`
fn thousands(rate: f64) -> String {
    let digits = format!("{rate:.0}");
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::measure::histogram;
    use super::*;
    use std::time::Duration;

    fn cell(writers: u16, log: Option<u64>, store: u64) -> Cell {
        let measured = |steps| {
            let mut latencies = histogram().unwrap();
            latencies.record(250).unwrap();
            Measured { steps, time: Duration::from_secs(1), latencies }
        };
        Cell { writers, log: log.map(measured), store: measured(store) }
    }

    #[test]
    fn a_line_shows_the_medians_of_its_writers() {
        let mut report = Report::new("memory:".to_owned(), 16, 1.0);
        for (log, store) in [(2000, 1000), (4000, 3000), (10_000, 2000)] {
            report.add(cell(1, Some(log), store));
            report.add(cell(64, None, 1_234_567));
        }
        let text = report.table();
        assert!(text.contains("2,000 │ 0.25 ms") || text.contains("2,000 ┆ 0.25 ms"), "{text}");
        assert!(text.contains("0.50") && text.contains("1,234,567") && text.contains('–'), "{text}");
        assert!(text.contains("medians of 3 rounds"));
    }
}
