//! The sizes that were agreed, and what they are. Counted in lines of code, without tests and comments.

use crate::source::{self, FileSize, Tests};
use crate::workspace::{CONFORMANCE, Package, Workspace};
use anyhow::{Context as _, Result, bail};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

/// A bucket: the crate of a family of drivers.
struct Bucket {
    package: &'static str,
    /// The traits that a driver implements, and how many methods they may have together.
    traits: &'static [&'static str],
    methods: usize,
    /// How long a driver may be.
    driver: usize,
}

const BUCKETS: &[Bucket] = &[
    Bucket { package: "persistence-nosql", traits: &["RowStore"], methods: 8, driver: 900 },
    Bucket { package: "persistence-sql", traits: &["SqlDriver", "SqlConnection"], methods: 18, driver: 700 },
];

/// The driver that people read first, and how long it may be.
const MODEL: (&str, usize) = ("driver-memory", 600);
const GLUE: usize = 25;
const FILE_SOFT: usize = 400;
const FILE_HARD: usize = 800;

/// One line of the table.
struct Line {
    what: String,
    size: usize,
    at_most: usize,
}

pub(crate) fn run(ws: &Workspace) -> Result<()> {
    let mut lines = Vec::new();
    for bucket in BUCKETS {
        if let Some(package) = ws.package(bucket.package) {
            lines.push(methods(bucket, package)?);
        }
    }
    for (_, driver) in ws.drivers() {
        lines.extend(driver_lines(ws, driver)?);
    }
    let files = all_files(ws)?;
    let largest = files.first().context("there is no source file")?;
    lines.push(Line {
        what: format!("the largest file, {}", relative(ws, largest)),
        size: largest.lines,
        at_most: FILE_HARD,
    });
    println!("{}", table(&lines));
    for file in files.iter().filter(|f| f.lines > FILE_SOFT) {
        println!(
            "warning: {} has {} lines of code; split what is more than one idea",
            relative(ws, file),
            file.lines
        );
    }
    let over: Vec<_> = lines.iter().filter(|l| l.size > l.at_most).map(|l| l.what.as_str()).collect();
    if !over.is_empty() {
        bail!("over budget: {}", over.join("; "));
    }
    Ok(())
}

fn methods(bucket: &Bucket, package: &Package) -> Result<Line> {
    let mut size = 0;
    for name in bucket.traits {
        size += source::methods(&package.dir().join("src"), name)?
            .with_context(|| format!("{} has no trait {name}", bucket.package))?;
    }
    let what = format!("methods of a {} driver ({})", bucket.package, bucket.traits.join(", "));
    Ok(Line { what, size, at_most: bucket.methods })
}

/// The driver with the helper crates that it needs, and its glue.
fn driver_lines(ws: &Workspace, driver: &Package) -> Result<Vec<Line>> {
    let bucket = BUCKETS
        .iter()
        .find(|b| driver.dependencies().any(|d| d == b.package))
        .with_context(|| format!("{} depends on no bucket", driver.name))?;
    let helpers =
        driver.dependencies().filter(|d| !d.starts_with("persistence-")).filter_map(|d| ws.package(d));
    let mut size = 0;
    for package in helpers.chain([driver]) {
        size += total(&source::sizes(&package.dir().join("src"), Tests::Skipped)?);
    }
    let at_most = if driver.name == MODEL.0 { MODEL.1 } else { bucket.driver };
    let mut lines = vec![Line { what: driver.name.clone(), size, at_most }];
    let tests = source::sizes(&driver.dir().join("tests"), Tests::Counted)?;
    let glue = tests.iter().find(|f| f.path.file_stem().is_some_and(|s| s == CONFORMANCE));
    if let Some(glue) = glue {
        let what = format!("{}: glue to run the suite", driver.name);
        lines.push(Line { what, size: glue.lines, at_most: GLUE });
    }
    Ok(lines)
}

fn total(files: &[FileSize]) -> usize {
    files.iter().map(|f| f.lines).sum()
}

/// Every file of every crate, the largest first.
fn all_files(ws: &Workspace) -> Result<Vec<FileSize>> {
    let mut files = Vec::new();
    for package in &ws.packages {
        files.extend(source::sizes(&package.dir().join("src"), Tests::Skipped)?);
        for dir in ["tests", "examples", "benches"] {
            files.extend(source::sizes(&package.dir().join(dir), Tests::Counted)?);
        }
    }
    files.sort_by_key(|f| std::cmp::Reverse(f.lines));
    Ok(files)
}

fn relative(ws: &Workspace, file: &FileSize) -> String {
    file.path.strip_prefix(&ws.root).unwrap_or(&file.path).display().to_string()
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["what", "is", "at most", ""]);
    for l in lines {
        let verdict = if l.size > l.at_most { "OVER" } else { "ok" };
        table.add_row([l.what.clone(), l.size.to_string(), l.at_most.to_string(), verdict.to_owned()]);
    }
    for column in [1, 2] {
        if let Some(c) = table.column_mut(column) {
            c.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
