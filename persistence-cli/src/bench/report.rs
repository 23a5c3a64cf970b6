//! What was measured: a table for people, JSON for programs.

use super::engine::{GROUP, TRANSITION_BYTES};
use super::measure::Measured;
use crate::output;
use comfy_table::CellAlignment;
use serde_json::{Value, json};

/// One number of writers in one round.
pub(crate) struct Cell {
    pub(crate) writers: u16,
    /// What the store is compared with.
    pub(crate) raw: Option<Measured>,
    pub(crate) store: Measured,
    /// As many workflows, in groups that are applied with one call each.
    pub(crate) groups: Option<Measured>,
}

pub(crate) struct Report {
    database: String,
    rival: &'static str,
    shards: u16,
    rounds: u16,
    seconds: f64,
    load: [Option<String>; 2],
    cells: Vec<Cell>,
}

impl Report {
    pub(crate) fn new(
        database: String,
        rival: &'static str,
        [shards, rounds]: [u16; 2],
        seconds: f64,
    ) -> Self {
        Report { database, rival, shards, rounds, seconds, load: [load(), None], cells: Vec::new() }
    }

    pub(crate) fn add(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// After the last measurement.
    pub(crate) fn end(&mut self) {
        self.load[1] = load();
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
        let to_rival = format!("transitions : {}", self.rival);
        let rival = format!("{}/s", self.rival);
        let groups = format!("in groups of {GROUP}/s");
        let heads = [
            "writers",
            &to_rival,
            "transitions/s",
            "p50",
            "p99",
            &rival,
            "p50",
            "p99",
            "groups : single",
            &groups,
        ];
        let mut table = output::table(&heads);
        for writers in self.writers() {
            let median = |of: fn(&Cell) -> Option<f64>| self.median(writers, of);
            let rate = |m: Option<f64>| m.map_or("–".to_owned(), thousands);
            let share = |m: Option<f64>| m.map_or("–".to_owned(), |r| format!("{r:.2}"));
            let time =
                |m: Option<f64>| m.map_or("–".to_owned(), |micros| format!("{:.2} ms", micros / 1000.0));
            table.add_row([
                writers.to_string(),
                share(median(ratio)),
                rate(median(|c| Some(c.store.rate()))),
                time(median(|c| Some(quantile(&c.store, 0.5)))),
                time(median(|c| Some(quantile(&c.store, 0.99)))),
                rate(median(|c| c.raw.as_ref().map(Measured::rate))),
                time(median(|c| c.raw.as_ref().map(|raw| quantile(raw, 0.5)))),
                time(median(|c| c.raw.as_ref().map(|raw| quantile(raw, 0.99)))),
                share(median(gain)),
                rate(median(|c| c.groups.as_ref().map(Measured::rate))),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let [begun, ended] = self.load.each_ref().map(|l| l.as_deref().unwrap_or("?"));
        format!(
            "{}: {} shards, {TRANSITION_BYTES} bytes a transition, medians of {} rounds of {} s, load average {begun} to {ended}\n{table}",
            self.database, self.shards, self.rounds, self.seconds
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
                "ratio": ratio(c),
                "transitions": side(&c.store),
                "rival": c.raw.as_ref().map(side),
                "gain_of_groups": gain(c),
                "groups": c.groups.as_ref().map(side),
            })
        });
        json!({
            "database": self.database,
            "rival": self.rival,
            "shards": self.shards,
            "bytes": TRANSITION_BYTES,
            "group": GROUP,
            "seconds": self.seconds,
            "load": self.load,
            "measurements": cells.collect::<Vec<_>>(),
        })
    }
}

/// The load average of the last minute, where the system tells it.
fn load() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next().map(str::to_owned)
}

fn ratio(cell: &Cell) -> Option<f64> {
    cell.raw.as_ref().map(|raw| cell.store.rate() / raw.rate())
}

fn gain(cell: &Cell) -> Option<f64> {
    cell.groups.as_ref().map(|groups| groups.rate() / cell.store.rate())
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

    fn cell(writers: u16, raw: Option<u64>, store: u64) -> Cell {
        let measured = |steps| {
            let mut latencies = histogram().unwrap();
            latencies.record(250).unwrap();
            Measured { steps, time: Duration::from_secs(1), latencies }
        };
        let groups = (writers > 1).then(|| measured(2 * store));
        Cell { writers, raw: raw.map(measured), store: measured(store), groups }
    }

    #[test]
    fn a_line_shows_the_medians_of_its_writers() {
        let mut report = Report::new("memory:".to_owned(), "plain log", [16, 3], 1.0);
        for (raw, store) in [(2000, 1000), (4000, 3000), (10_000, 2000)] {
            report.add(cell(1, Some(raw), store));
            report.add(cell(64, None, 1_234_567));
        }
        let text = report.table();
        let squeezed: String = text.split_whitespace().collect();
        assert!(squeezed.contains("0.50┆2,000┆0.25ms┆0.25ms┆4,000┆0.25ms┆0.25ms┆–┆–"), "{text}");
        assert!(squeezed.contains("–┆1,234,567┆0.25ms┆0.25ms┆–┆–┆–┆2.00┆2,469,134"), "{text}");
        assert!(text.contains("medians of 3 rounds") && text.contains("transitions : plain log"), "{text}");
    }
}
