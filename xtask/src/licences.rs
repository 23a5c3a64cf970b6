//! deny.toml without cargo-deny: licences, bans and sources of every dependency. Advisories need cargo-deny's database.

use crate::command::{self, cargo};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};
use std::collections::BTreeSet;
use toml_edit::{DocumentMut, Item};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    version: String,
    license: Option<String>,
    /// None for crates of the workspace.
    source: Option<String>,
}

struct Policy {
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
    registries: BTreeSet<String>,
}

pub(crate) fn run(ws: &Workspace) -> Result<()> {
    let path = ws.root.join("deny.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let policy = Policy::read(&text).context("deny.toml")?;
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--all-features"]).current_dir(&ws.root);
    let all: Metadata = serde_json::from_str(&command::output(&mut metadata)?).context("cargo metadata")?;
    let foreign: Vec<_> = all.packages.iter().filter(|d| d.source.is_some()).collect();
    let problems: Vec<_> = foreign.iter().filter_map(|d| policy.refuses(d)).collect();
    let used: BTreeSet<_> = foreign.iter().flat_map(|d| named(d.license.as_deref())).collect();
    for licence in policy.licences.difference(&used) {
        println!("warning: deny.toml allows {licence}, which no dependency has");
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    println!("{} dependencies keep to deny.toml", foreign.len());
    advisories(ws)
}

/// Runs cargo-deny where it is installed.
fn advisories(ws: &Workspace) -> Result<()> {
    let mut version = cargo();
    if version.args(["deny", "--version"]).output().is_ok_and(|out| out.status.success()) {
        return command::run(cargo().args(["deny", "check"]).current_dir(&ws.root));
    }
    println!("cargo-deny is not installed: advisories are not checked");
    Ok(())
}

impl Policy {
    fn read(text: &str) -> Result<Self> {
        let doc: DocumentMut = text.parse()?;
        let policy = Policy {
            licences: strings(&doc, "licenses", "allow"),
            banned: strings(&doc, "bans", "deny"),
            registries: strings(&doc, "sources", "allow-registry"),
        };
        for (name, list) in
            [("licenses.allow", &policy.licences), ("sources.allow-registry", &policy.registries)]
        {
            if list.is_empty() {
                bail!("{name} is empty");
            }
        }
        Ok(policy)
    }

    /// Why a dependency may not be used.
    fn refuses(&self, d: &Dependency) -> Option<String> {
        let Dependency { name, version, .. } = d;
        let source = d.source.as_deref().unwrap_or_default();
        if !source.strip_prefix("registry+").is_some_and(|registry| self.registries.contains(registry)) {
            return Some(format!("{name} {version} comes from {source}"));
        }
        if self.banned.contains(name) {
            return Some(format!("{name} {version} is banned"));
        }
        let Some(licence) = &d.license else { return Some(format!("{name} {version} names no licence")) };
        match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(e) if e.evaluate(|l| self.licences.contains(&short(l))) => None,
            Ok(_) => Some(format!("{name} {version} is under {licence}")),
            Err(e) => Some(format!("{name} {version}: {licence}: {}", e.reason)),
        }
    }
}

/// `MIT`, or `Apache-2.0 WITH LLVM-exception`.
fn short(licence: &LicenseReq) -> String {
    licence.to_string()
}

/// Every licence that an expression names.
fn named(expression: Option<&str>) -> Vec<String> {
    let parsed = expression.and_then(|e| Expression::parse_mode(e, ParseMode::LAX).ok());
    parsed.iter().flat_map(Expression::requirements).map(|r| short(&r.req)).collect()
}

/// The strings of an array, or the `crate` of each of its tables.
fn strings(doc: &DocumentMut, table: &str, key: &str) -> BTreeSet<String> {
    let array = doc.get(table).and_then(|t| t.get(key)).and_then(Item::as_array);
    let values = array.into_iter().flatten();
    let name = |v: &toml_edit::Value| {
        v.as_str().or_else(|| v.as_inline_table()?.get("crate")?.as_str()).map(str::to_owned)
    };
    values.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        [bans]
        deny = [{ crate = "bad", reason = "is bad" }]
        [sources]
        allow-registry = ["https://example.org/index"]
    "#;

    fn dependency(name: &str, license: &str, source: &str) -> Dependency {
        let (license, source) = (Some(license.to_owned()), Some(source.to_owned()));
        Dependency { name: name.to_owned(), version: "1.0.0".to_owned(), license, source }
    }

    #[test]
    fn a_dependency_keeps_to_all_of_the_policy() {
        let policy = Policy::read(POLICY).unwrap();
        let home = "registry+https://example.org/index";
        let ok = |licence| policy.refuses(&dependency("good", licence, home)).is_none();
        assert!(ok("MIT") && ok("MIT/Apache-2.0") && ok("GPL-3.0-only OR MIT"));
        assert!(ok("Apache-2.0 WITH LLVM-exception OR GPL-2.0"));
        assert!(!ok("GPL-3.0-only") && !ok("MIT AND GPL-3.0-only") && !ok("Whatever"));
        assert!(policy.refuses(&dependency("bad", "MIT", home)).is_some());
        assert!(policy.refuses(&dependency("good", "MIT", "git+https://example.org/index")).is_some());
        assert!(policy.refuses(&Dependency { license: None, ..dependency("good", "", home) }).is_some());
    }

    #[test]
    fn a_policy_that_allows_nothing_is_a_mistake() {
        assert!(Policy::read("[licenses]\nallow = []").is_err());
        assert!(Policy::read("").is_err());
    }
}
