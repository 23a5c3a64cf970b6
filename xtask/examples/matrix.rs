//! Puts the reports of conformance tests together: `matrix DIRECTORY [FILE.html|FILE.json|FILE.xml]…`.
//!
//! Not an example of anything: `cargo xtask conformance` runs it. It is one because examples are built with the
//! dev-dependencies, so that `cargo xtask` itself starts without the crates under test.

use persistence_tests::Report;
use persistence_tests::coverage;
use std::error::Error;
use std::io::IsTerminal as _;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let dir = args.next().ok_or("which directory?")?;
    let report = Report::merge(&dir)?;
    println!("\n{}", report.matrix(std::io::stdout().is_terminal()));
    println!("{}\n", coverage_line());
    for path in args {
        let text = match path.extension().and_then(|e| e.to_str()) {
            Some("html") => report.html(),
            Some("json") => report.json(),
            Some("xml") => report.junit(),
            _ => return Err(format!("{}: neither html, json nor xml", path.display()).into()),
        };
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

/// How much of what the suite must cover has a case.
fn coverage_line() -> String {
    let cells = coverage::table();
    let missing: Vec<_> = cells.iter().filter(|c| c.is_missing()).map(|c| c.cell.as_str()).collect();
    let outside = cells.iter().filter(|c| c.out_of_scope.is_some()).count();
    let covered = cells.len() - missing.len() - outside;
    let mut line =
        format!("coverage: {covered} of {} cells have a case, {outside} out of scope", cells.len());
    if !missing.is_empty() {
        line += &format!("; without one: {}", missing.join(", "));
    }
    line
}
