//! Standard output and standard error. A reader that goes away early (`| head`) is no failure.

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use persistence::DriverInfo;
use serde::Serialize;
use std::io::{self, ErrorKind, Write};

fn line(out: &mut impl Write, text: &str) -> Result<()> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// A line or a table on standard output.
pub(crate) fn text(text: &str) -> Result<()> {
    line(&mut io::stdout().lock(), text)
}

/// JSON on standard output, indented.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    text(&serde_json::to_string_pretty(value)?)
}

/// A line on standard error. When even that is gone there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    line(&mut io::stderr().lock(), text).ok();
}

/// A table with these headings, as wide as the terminal at most.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if !headings.is_empty() {
        table.set_header(headings);
    }
    table
}

/// Where the data is, as its URL begins.
pub(crate) fn database(info: &DriverInfo) -> String {
    let scheme = format!("{}:", info.driver);
    if info.location.starts_with(&scheme) { info.location.clone() } else { scheme + &info.location }
}
