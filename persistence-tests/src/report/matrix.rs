//! The driver × store matrix, for a terminal.

use super::{Counts, Report, Status};
use comfy_table::{Cell, CellAlignment, Color, Table, presets};

impl Report {
    /// One table a suite: a line a driver, a column a store; then what failed, the waivers and the problems.
    pub fn matrix(&self, color: bool) -> String {
        let mut out = String::new();
        for suite in self.suites() {
            out += &format!("{suite}\n{}\n\n", self.suite_table(&suite, color));
        }
        for d in &self.drivers {
            if let Some(reason) = &d.skipped {
                out += &format!("SKIPPED  {}: {reason}\n", d.driver);
            }
            for c in &d.cases {
                if let Status::Failed { message } = &c.status {
                    let first = message.lines().next().unwrap_or_default();
                    out += &format!("failed   {}/{}/{}: {first}\n", d.driver, c.suite, c.id);
                }
            }
            for w in &d.waivers {
                out += &format!("waived   {}/{}: {}\n", d.driver, w.case, w.reason);
            }
            for p in &d.problems {
                out += &format!("problem  {}: {p}\n", d.driver);
            }
        }
        for (suite, id) in self.ignored_everywhere() {
            out += &format!("nowhere  {suite}/{id} ran on no driver\n");
        }
        out
    }

    fn suite_table(&self, suite: &str, color: bool) -> Table {
        let groups = self.groups(suite);
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        if color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let heads = ["driver"].into_iter().chain(groups.iter().map(String::as_str)).chain(["seconds"]);
        table.set_header(heads);
        for d in &self.drivers {
            let cases = || d.cases.iter().filter(|c| c.suite == suite);
            // What did not run belongs to the suite of all drivers; whether it has others, nobody told.
            if d.skipped.is_some() && suite == "generic" {
                table.add_row([Cell::new(&d.driver), Cell::new("SKIPPED").fg(Color::Yellow)]);
            }
            if cases().next().is_none() {
                continue;
            }
            let mut line = vec![Cell::new(&d.driver)];
            for g in &groups {
                line.push(cell(Counts::of(cases().filter(|c| c.group() == g))));
            }
            let seconds: f64 = cases().map(|c| c.seconds).sum();
            line.push(Cell::new(format!("{seconds:.1}")).set_alignment(CellAlignment::Right));
            table.add_row(line);
        }
        table
    }
}

/// `12` when all passed; what did not pass, with its number, otherwise.
pub(super) fn summary(n: Counts) -> String {
    if n.total() == 0 {
        return "–".to_owned();
    }
    let mut parts = vec![n.passed.to_string()];
    for (count, what) in [(n.failed, "failed"), (n.waived, "waived"), (n.ignored, "ignored")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

fn cell(n: Counts) -> Cell {
    let mark = if n.total() == 0 {
        Color::DarkGrey
    } else if n.failed > 0 {
        Color::Red
    } else if n.ignored + n.waived > 0 {
        Color::Yellow
    } else {
        Color::Green
    };
    Cell::new(summary(n)).fg(mark)
}
