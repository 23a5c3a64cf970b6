//! No statement without a test: every statement in the sources is one that the suite was seen to send to a database.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Where the suite writes what it saw.
const SEEN: [&str; 3] = ["driver-mysql", "driver-postgres", "driver-sqlite"];

/// Sent by no store: setting up, health checks.
const ELSEWHERE: [&str; 2] = ["migrate.rs", "health.rs"];

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") && !ELSEWHERE.iter().any(|e| path.ends_with(e))
        {
            out.push(path);
        }
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The constants of a source that are SQL.
fn statements(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("const ") {
        let Some((name, rest)) = source[at + 6..].split_once(": &str = \"") else { continue };
        if !name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
            continue;
        }
        // No statement holds a quote.
        let text = rest.split_once('"').unwrap().0.replace("\\\n", "").replace(r"\\", r"\");
        if ["SELECT ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| text.trim_start().starts_with(verb))
        {
            found.push((name.to_owned(), words(&text)));
        }
    }
    found
}

/// Up to where databases differ: a comparison of rows, or a list of keys.
fn common(statement: &str) -> &str {
    let end = [") > (", ") >= (", ") < (", ") <= (", "{"].iter().filter_map(|op| statement.find(op)).min();
    let cut = &statement[..end.unwrap_or(statement.len())];
    if end.is_some() { cut.rsplit_once('(').map_or(cut, |(before, _)| before) } else { cut }
}

#[test]
fn every_statement_was_sent_by_the_suite() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |driver| {
        let text = fs::read_to_string(root.join(format!("../{driver}/tests/statements.sql"))).unwrap();
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
        text.join("\n").split(";\n").map(words).collect::<Vec<_>>()
    };
    let seen: Vec<(&str, Vec<String>)> = SEEN.into_iter().map(|driver| (driver, read(driver))).collect();
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let (mut checked, mut missing) = (0, Vec::new());
    for file in files {
        for (name, statement) in statements(&fs::read_to_string(&file).unwrap()) {
            checked += 1;
            let start = common(&statement).trim_end();
            if !seen.iter().any(|(_, all)| all.iter().any(|s| s.starts_with(start))) {
                missing.push(format!("{}: {name}: {statement}", file.display()));
            }
        }
    }
    assert!(checked > 25, "only {checked} statements were found in the sources");
    assert!(missing.is_empty(), "no case sends\n{}", missing.join("\n"));
}
