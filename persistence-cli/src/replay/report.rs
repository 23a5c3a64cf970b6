//! What a replay came to: a table for people, JSON for programs.

use super::source::Broken;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// One file that was replayed.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) path: PathBuf,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) shard_id: i32,
    pub(crate) events: usize,
    pub(crate) transitions: usize,
    pub(crate) written: usize,
    /// What is stored and should not be, or the other way round.
    pub(crate) differences: Vec<String>,
}

/// A whole replay.
pub(crate) struct Report {
    /// The driver and where its data is.
    pub(crate) database: String,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) broken: Vec<Broken>,
    /// Files that were good, but could not be written or read back.
    pub(crate) failed: Vec<(PathBuf, String)>,
    pub(crate) writing: Duration,
    pub(crate) verifying: Duration,
    pub(crate) latencies: Histogram<u64>,
}

impl Report {
    pub(crate) fn is_good(&self) -> bool {
        self.broken.is_empty()
            && self.failed.is_empty()
            && self.differences() == 0
            && !self.outcomes.is_empty()
    }

    fn differences(&self) -> usize {
        self.outcomes.iter().map(|o| o.differences.len()).sum()
    }

    fn verified(&self) -> usize {
        self.outcomes.iter().filter(|o| o.differences.is_empty()).count()
    }

    fn sum(&self, of: impl Fn(&Outcome) -> usize) -> usize {
        self.outcomes.iter().map(of).sum()
    }

    fn rate(&self) -> f64 {
        let seconds = self.writing.as_secs_f64();
        let written = u32::try_from(self.sum(|o| o.written)).unwrap_or(u32::MAX);
        if seconds > 0.0 { f64::from(written) / seconds } else { 0.0 }
    }

    /// The summary, for people.
    pub(crate) fn table(&self) -> String {
        let written = self.sum(|o| o.written);
        let there = self.sum(|o| o.transitions) - written;
        let millis = |q| format!("{:.2} ms", self.quantile(q) / 1000.0);
        let timed = |text: String| if written > 0 { text } else { "–".to_owned() };
        let verified = format!("{} of {}", self.verified(), self.outcomes.len() + self.failed.len());
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        for (what, value) in [
            ("database", self.database.clone()),
            ("histories", self.outcomes.len().to_string()),
            ("events", self.sum(|o| o.events).to_string()),
            ("transitions", self.sum(|o| o.transitions).to_string()),
            ("  written now", written.to_string()),
            ("  there already", there.to_string()),
            ("transitions/s", timed(format!("{:.0}", self.rate()))),
            ("p50", timed(millis(0.5))),
            ("p99", timed(millis(0.99))),
            ("verified", verified),
            ("differences", self.differences().to_string()),
        ] {
            table.add_row([what.to_owned(), value]);
        }
        if !self.broken.is_empty() {
            table.add_row(["broken files".to_owned(), self.broken.len().to_string()]);
        }
        if !self.failed.is_empty() {
            table.add_row(["failed".to_owned(), self.failed.len().to_string()]);
        }
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }

    /// What went wrong, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut out = Vec::new();
        for broken in &self.broken {
            out.push(format!("{}: {}", broken.path.display(), broken.problem));
        }
        for (path, what) in &self.failed {
            out.push(format!("{}: {what}", path.display()));
        }
        for o in &self.outcomes {
            for difference in &o.differences {
                let path = o.path.display();
                out.push(format!("{path}: workflow {:?}, run {}: {difference}", o.workflow_id, o.run_id));
            }
        }
        out
    }

    fn quantile(&self, q: f64) -> f64 {
        let micros = self.latencies.value_at_quantile(q);
        f64::from(u32::try_from(micros).unwrap_or(u32::MAX))
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let written = self.sum(|o| o.written);
        let files: Vec<Value> = self
            .outcomes
            .iter()
            .map(|o| {
                json!({
                    "file": o.path.display().to_string(),
                    "workflow_id": o.workflow_id,
                    "run_id": o.run_id,
                    "shard": o.shard_id,
                    "events": o.events,
                    "transitions": o.transitions,
                    "written": o.written,
                    "differences": o.differences,
                })
            })
            .collect();
        let broken = self.broken.iter().map(|b| {
            json!({
                "file": b.path.display().to_string(),
                "line": b.problem.at.map(|at| at.0),
                "column": b.problem.at.map(|at| at.1),
                "problem": b.problem.what,
            })
        });
        let failed = self
            .failed
            .iter()
            .map(|(path, what)| json!({"file": path.display().to_string(), "problem": what}));
        json!({
            "database": self.database,
            "ok": self.is_good(),
            "histories": self.outcomes.len(),
            "events": self.sum(|o| o.events),
            "transitions": self.sum(|o| o.transitions),
            "written": written,
            "seconds_writing": self.writing.as_secs_f64(),
            "seconds_verifying": self.verifying.as_secs_f64(),
            "transitions_per_second": self.rate(),
            "p50_ms": self.quantile(0.5) / 1000.0,
            "p99_ms": self.quantile(0.99) / 1000.0,
            "verified": self.verified(),
            "differences": self.differences(),
            "files": files,
            "broken": broken.collect::<Vec<_>>(),
            "failed": failed.collect::<Vec<_>>(),
        })
    }
}
