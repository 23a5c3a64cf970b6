//! What was measured: a table for people, JSON for programs.

use super::engine::TRANSITION_BYTES;
use super::groups::Grouping;
use super::measure::Measured;
use crate::output;
use comfy_table::CellAlignment;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// One number of writers in one round.
pub(crate) struct Cell {
    pub(crate) writers: u16,
    /// What the store is compared with.
    pub(crate) raw: Option<Measured>,
    /// The same in one write, where `raw` has two.
    pub(crate) whole: Option<Measured>,
    pub(crate) store: Option<Measured>,
    groups: Vec<Grouped>,
}

/// As many workflows, several of which share a call.
struct Grouped {
    grouping: Grouping,
    store: Option<Measured>,
    raw: Option<Measured>,
}

impl Cell {
    pub(crate) fn new(writers: u16) -> Self {
        Cell { writers, raw: None, whole: None, store: None, groups: Vec::new() }
    }

    fn grouped(&mut self, grouping: Grouping) -> &mut Grouped {
        let at = self.groups.iter().position(|g| g.grouping == grouping).unwrap_or_else(|| {
            self.groups.push(Grouped { grouping, store: None, raw: None });
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }

    /// What the store came to in groups.
    pub(crate) fn add(&mut self, grouping: Grouping, measured: Option<Measured>) {
        self.grouped(grouping).store = measured;
    }

    /// What it is compared with came to in groups.
    pub(crate) fn add_raw(&mut self, grouping: Grouping, measured: Option<Measured>) {
        self.grouped(grouping).raw = measured;
    }

    fn of(&self, grouping: Grouping) -> Option<&Grouped> {
        self.groups.iter().find(|g| g.grouping == grouping)
    }

    fn single(&self) -> Option<f64> {
        rate(&self.store)
    }

    /// The store compared with this.
    fn ratio(&self, with: &Option<Measured>) -> Option<f64> {
        Some(self.single()? / rate(with)?)
    }
}

fn rate(measured: &Option<Measured>) -> Option<f64> {
    measured.as_ref().map(Measured::rate)
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
        Report { database, rival, shards, rounds, seconds, load: [load_average(), None], cells: Vec::new() }
    }

    pub(crate) fn add(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// After the last measurement.
    pub(crate) fn end(&mut self) {
        self.load[1] = load_average();
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

    /// All ways of grouping, in the order in which they were asked for.
    fn groupings(&self) -> Vec<Grouping> {
        let mut all = Vec::new();
        for g in self.cells.iter().flat_map(|c| &c.groups) {
            if !all.contains(&g.grouping) {
                all.push(g.grouping);
            }
        }
        // Rounds go there and back.
        all.sort();
        all
    }

    /// A head for each column, and what is in it.
    fn columns(&self) -> Vec<(String, Column)> {
        let rival = self.rival;
        let mut columns: Vec<(String, Column)> = vec![
            (format!("transitions : {rival}"), Column::share(|c| c.ratio(&c.raw))),
            ("transitions/s".to_owned(), Column::rate(Cell::single)),
            ("p50".to_owned(), Column::time(|c| quantile(c.store.as_ref()?, 0.5).into())),
            ("p99".to_owned(), Column::time(|c| quantile(c.store.as_ref()?, 0.99).into())),
            (format!("{rival}/s"), Column::rate(|c| rate(&c.raw))),
            ("p50".to_owned(), Column::time(|c| quantile(c.raw.as_ref()?, 0.5).into())),
            ("p99".to_owned(), Column::time(|c| quantile(c.raw.as_ref()?, 0.99).into())),
        ];
        if self.cells.iter().any(|c| c.whole.is_some()) {
            columns.push(("transitions : one batch".to_owned(), Column::share(|c| c.ratio(&c.whole))));
            columns.push(("one batch/s".to_owned(), Column::rate(|c| rate(&c.whole))));
        }
        for g in self.groupings() {
            let gain = Column::share(move |c| Some(rate(&c.of(g)?.store)? / c.single()?));
            columns.push((format!("{g} : single"), gain));
            columns.push((format!("in {g}/s"), Column::rate(move |c| rate(&c.of(g)?.store))));
            if self.cells.iter().any(|c| c.of(g).is_some_and(|of| of.raw.is_some())) {
                let ratio = Column::share(move |c| Some(rate(&c.of(g)?.store)? / rate(&c.of(g)?.raw)?));
                columns.push((format!("{g} : {rival}"), ratio));
            }
        }
        columns
    }

    pub(crate) fn table(&self) -> String {
        let columns = self.columns();
        let heads: Vec<&str> =
            ["writers"].into_iter().chain(columns.iter().map(|(head, _)| &**head)).collect();
        let mut table = output::table(&heads);
        for writers in self.writers() {
            let cells = columns.iter().map(|(_, column)| match self.median(writers, &column.of) {
                Some(value) => (column.show)(value),
                None => "–".to_owned(),
            });
            table.add_row([writers.to_string()].into_iter().chain(cells));
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
            let groups = c.groups.iter().map(|g| {
                json!({
                    "what": g.grouping.to_string(),
                    "gain": rate(&g.store).zip(c.single()).map(|(groups, single)| groups / single),
                    "transitions": g.store.as_ref().map(side),
                    "rival": g.raw.as_ref().map(side),
                })
            });
            json!({
                "writers": c.writers,
                "ratio": c.ratio(&c.raw),
                "transitions": c.store.as_ref().map(side),
                "rival": c.raw.as_ref().map(side),
                "rival_in_one_write": c.whole.as_ref().map(side),
                "groups": groups.collect::<Vec<_>>(),
            })
        });
        json!({
            "database": self.database,
            "rival": self.rival,
            "shards": self.shards,
            "bytes": TRANSITION_BYTES,
            "seconds": self.seconds,
            "load": self.load,
            "measurements": cells.collect::<Vec<_>>(),
        })
    }
}

/// What is looked at of a cell; none where it was not measured.
type Figure = dyn Fn(&Cell) -> Option<f64>;

/// A column of the table: what of a cell, and how it is shown.
struct Column {
    of: Box<Figure>,
    show: fn(f64) -> String,
}

impl Column {
    fn share(of: impl Fn(&Cell) -> Option<f64> + 'static) -> Self {
        Column { of: Box::new(of), show: |r| format!("{r:.2}") }
    }

    fn rate(of: impl Fn(&Cell) -> Option<f64> + 'static) -> Self {
        Column { of: Box::new(of), show: thousands }
    }

    fn time(of: impl Fn(&Cell) -> Option<f64> + 'static) -> Self {
        Column { of: Box::new(of), show: |micros| format!("{:.2} ms", micros / 1000.0) }
    }
}

/// The load average of the last minute, where the system tells it.
pub(super) fn load_average() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next().map(str::to_owned)
}

pub(super) fn quantile(m: &Measured, q: f64) -> f64 {
    quantile_of(&m.latencies, q)
}

pub(super) fn quantile_of(latencies: &Histogram<u64>, q: f64) -> f64 {
    f64::from(u32::try_from(latencies.value_at_quantile(q)).unwrap_or(u32::MAX))
}

/// `31,204`
pub(super) fn thousands(rate: f64) -> String {
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
        let mut cell = Cell::new(writers);
        (cell.raw, cell.store) = (raw.map(measured), Some(measured(store)));
        cell.add(Grouping::Of(16), (writers > 1).then(|| measured(2 * store)));
        cell
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
