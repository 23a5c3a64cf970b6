//! The parts of the README that are generated: what each driver can do, as its own code declares it.

use crate::command::{self, cargo};
use crate::conformance::{REPORT_DIR, Report, driver_reports, fresh_dir};
use crate::workspace::{CONFORMANCE, Workspace};
use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::fs;

const BEGIN: &str = "<!-- drivers: written by `cargo xtask docs` -->";
const END: &str = "<!-- end of drivers -->";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail if something would change
    #[arg(long)]
    check: bool,
}

#[derive(Deserialize)]
struct Driver {
    driver: String,
    capabilities: Vec<Capability>,
    /// Why it did not run, and so declared nothing.
    skipped: Option<String>,
}

#[derive(Deserialize)]
struct Capability {
    name: String,
    summary: String,
    declared: bool,
}

pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<()> {
    let dir = fresh_dir(ws)?;
    // A run without a case still reports what the driver declares.
    let mut ask = cargo();
    ask.args(["test", "--quiet", "--workspace", "--test", CONFORMANCE, "--", "--exact", "no such case"]);
    command::output(ask.current_dir(&ws.root).env(REPORT_DIR, dir))?;
    update(ws, args.check)
}

/// Fails if the README is not what the last reports say it should be.
pub(crate) fn check(ws: &Workspace) -> Result<()> {
    update(ws, true)
}

fn update(ws: &Workspace, check: bool) -> Result<()> {
    let path = ws.root.join("README.md");
    let old = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let drivers = drivers(ws)?;
    if let Some(d) = drivers.iter().find(|d| d.skipped.is_some()) {
        ensure!(check, "what {} declares is not known: it was skipped", d.driver);
        println!("README.md is not checked: {} was skipped", d.driver);
        return Ok(());
    }
    let new = replaced(&old, &table(&drivers))?;
    if old == new {
        println!("README.md is up to date");
        return Ok(());
    }
    if check {
        bail!("README.md does not say what the drivers declare; run `cargo xtask docs`");
    }
    fs::write(&path, new).with_context(|| path.display().to_string())?;
    println!("README.md was updated");
    Ok(())
}

fn drivers(ws: &Workspace) -> Result<Vec<Driver>> {
    let dir = driver_reports(ws);
    let mut drivers = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json") {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let report: Report<Driver> =
                serde_json::from_str(&text).with_context(|| path.display().to_string())?;
            drivers.extend(report.drivers);
        }
    }
    ensure!(!drivers.is_empty(), "no driver wrote a report to {}", dir.display());
    drivers.sort_by(|a, b| a.driver.cmp(&b.driver));
    Ok(drivers)
}

fn table(drivers: &[Driver]) -> String {
    let heads: Vec<_> = drivers.iter().map(|d| format!("`{}`", d.driver)).collect();
    let mut text = format!(
        "| capability | what it means | {} |\n|---|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for (i, c) in drivers.first().map(|d| d.capabilities.as_slice()).unwrap_or_default().iter().enumerate() {
        let declares =
            |d: &Driver| if d.capabilities.get(i).is_some_and(|c| c.declared) { "yes" } else { "–" };
        let cells: Vec<_> = drivers.iter().map(declares).collect();
        text += &format!("| `{}` | {} | {} |\n", c.name, c.summary, cells.join(" | "));
    }
    text
}

/// The text with another table between the markers.
fn replaced(text: &str, table: &str) -> Result<String> {
    let markers = || format!("README.md has no part between {BEGIN} and {END}");
    let (before, rest) = text.split_once(BEGIN).with_context(markers)?;
    let (_, after) = rest.split_once(END).with_context(markers)?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replaced(&text, "| new |\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n\n| new |\n\n{END}\nb\n"));
        assert_eq!(replaced(&new, "| new |\n").unwrap(), new);
        assert!(replaced("a", "").is_err());
    }

    #[test]
    fn one_column_a_driver() {
        let driver = |name: &str, declared| Driver {
            driver: name.to_owned(),
            capabilities: vec![Capability {
                name: "durable".to_owned(),
                summary: "stays".to_owned(),
                declared,
            }],
            skipped: None,
        };
        let text = table(&[driver("a", true), driver("b", false)]);
        assert_eq!(
            text,
            "| capability | what it means | `a` | `b` |\n|---|---|---|---|\n| `durable` | stays | yes | – |\n"
        );
    }
}
