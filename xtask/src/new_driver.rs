//! `cargo xtask new-driver`: a crate that compiles, whose every primitive answers `Unsupported`, with the suite wired in.

use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use std::fs;
use std::path::{Component, Path, PathBuf};
use toml_edit::DocumentMut;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the driver is called: its crate is driver-NAME, its URLs are NAME:…
    name: String,
    /// The bucket that it belongs to
    #[arg(long, value_enum)]
    kind: Kind,
    /// The directory of the crate, here or in another repository [default: driver-NAME in this workspace]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Partitions of ordered rows with conditional batches
    Nosql,
}

/// The files of a NoSQL driver called acme. They are Rust as it stands, so that the name is all there is to replace.
const NOSQL: &[(&str, &str)] = &[
    ("src/connect.rs", include_str!("../templates/nosql/src/connect.rs")),
    ("src/lib.rs", include_str!("../templates/nosql/src/lib.rs")),
    ("src/store.rs", include_str!("../templates/nosql/src/store.rs")),
    ("tests/conformance.rs", include_str!("../templates/nosql/tests/conformance.rs")),
    ("README.md", include_str!("../templates/nosql/README.md")),
];
const IN_WORKSPACE: &str = include_str!("../templates/nosql/workspace.toml");
const STANDALONE: &str = include_str!("../templates/nosql/standalone.toml");

pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<()> {
    let name = Name::new(&args.name)?;
    let Kind::Nosql = args.kind;
    let dir = match &args.path {
        Some(dir) => normal(&std::path::absolute(dir)?),
        None => ws.root.join(name.package()),
    };
    // What git ignores belongs to nobody's workspace.
    let inside = dir.starts_with(&ws.root) && !dir.starts_with(&ws.target);
    write(ws, &name, &dir, inside)?;
    if inside {
        let member = dir.strip_prefix(&ws.root)?.display().to_string();
        let manifest = ws.root.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
        fs::write(&manifest, with_member(&text, &member)?).with_context(|| manifest.display().to_string())?;
    }
    let test = if inside { format!("cargo test -p {}", name.package()) } else { "cargo test".to_owned() };
    println!("wrote {}", dir.display());
    println!(
        "Now: `{test}` tells what is missing. Begin with src/store.rs; docs/writing-a-driver.md is the way from there."
    );
    Ok(())
}

/// Writes the files of the crate. Nothing is overwritten.
pub(crate) fn write(ws: &Workspace, name: &Name, dir: &Path, inside: bool) -> Result<()> {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is there already, and not empty", dir.display());
    }
    let manifest = if inside { IN_WORKSPACE.to_owned() } else { standalone(ws, dir)? };
    let files = NOSQL.iter().map(|(path, text)| (*path, (*text).to_owned()));
    for (path, text) in files.chain([("Cargo.toml", manifest)]) {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        fs::write(&path, name.fill(&text)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The manifest of another workspace with the driver in it, to try it in. It has this one's profiles, so that what is
/// built already need not be built again.
pub(crate) fn other_workspace(ws: &Workspace, name: &Name) -> Result<String> {
    let mut doc = DocumentMut::new();
    doc["workspace"]["resolver"] = toml_edit::value("3");
    doc["workspace"]["members"] = toml_edit::value(toml_edit::Array::from_iter([name.package()]));
    doc["profile"] = manifest(ws)?["profile"].clone();
    Ok(doc.to_string())
}

fn manifest(ws: &Workspace) -> Result<DocumentMut> {
    let path = ws.root.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.parse().with_context(|| path.display().to_string())
}

fn standalone(ws: &Workspace, dir: &Path) -> Result<String> {
    let nosql = ws.package("persistence-nosql").context("there is no persistence-nosql")?;
    let manifest = manifest(ws)?;
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().context("no rust-version")?;
    let path = relative(dir, &ws.root).display().to_string();
    Ok(STANDALONE
        .replace("{{rust-version}}", rust)
        .replace("{{version}}", &nosql.version)
        .replace("{{path}}", &path))
}

/// The name of a driver, in the spellings that its crate needs.
#[derive(Debug)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let name = name.strip_prefix("driver-").unwrap_or(name);
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let ok = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.split('-').all(|word| !word.is_empty() && word.chars().all(letters));
        ensure!(
            ok,
            "{name:?} is no name for a driver: small letters, digits and single hyphens, a letter first"
        );
        Ok(Name(name.to_owned()))
    }

    pub(crate) fn package(&self) -> String {
        format!("driver-{}", self.0)
    }

    fn type_name(&self) -> String {
        let word = |w: &str| w[..1].to_uppercase() + &w[1..];
        self.0.split('-').map(word).collect()
    }

    fn fill(&self, text: &str) -> String {
        text.replace("driver_acme", &self.package().replace('-', "_"))
            .replace("Acme", &self.type_name())
            .replace("acme", &self.0)
    }
}

/// The manifest of the workspace with one member more, as it was otherwise.
fn with_member(text: &str, member: &str) -> Result<String> {
    let mut doc: DocumentMut = text.parse().context("Cargo.toml")?;
    let members =
        doc["workspace"]["members"].as_array_mut().context("the workspace has no list of members")?;
    if members.iter().all(|m| m.as_str() != Some(member)) {
        let at = members.iter().position(|m| m.as_str().is_some_and(|m| m > member)).unwrap_or(members.len());
        // Laid out as the others: the first may stand on the line of the bracket, the last is like the rest.
        let like = members.iter().last().map(|m| m.decor().clone()).unwrap_or_default();
        let mut value = toml_edit::Value::from(member);
        match members.get_mut(0).filter(|_| at == 0) {
            Some(first) => *value.decor_mut() = std::mem::replace(first.decor_mut(), like),
            None => *value.decor_mut() = like,
        }
        members.insert_formatted(at, value);
    }
    Ok(doc.to_string())
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}

/// The way from one directory to another, both absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_three_spellings() {
        let name = Name::new("driver-dynamo-db2").unwrap();
        assert_eq!(
            name.fill("driver-acme driver_acme Acme acme:"),
            "driver-dynamo-db2 driver_dynamo_db2 DynamoDb2 dynamo-db2:"
        );
        for bad in ["", "driver-", "Dynamo", "a--b", "-a", "a_b", "2a", "a/b"] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_member_is_added_once_in_its_place() {
        let one_line = "[workspace] # all\nmembers = [\"a\", \"c\"]\n";
        let more = with_member(one_line, "b").unwrap();
        assert_eq!(more, "[workspace] # all\nmembers = [\"a\", \"b\", \"c\"]\n");
        assert_eq!(with_member(&more, "b").unwrap(), more);
        let first = with_member(&more, "A").unwrap();
        assert_eq!(first, "[workspace] # all\nmembers = [\"A\", \"a\", \"b\", \"c\"]\n");
        let lines = "[workspace]\nmembers = [\n    \"a\",\n    \"c\",\n]\n";
        let more = with_member(lines, "d").unwrap();
        assert_eq!(more, "[workspace]\nmembers = [\n    \"a\",\n    \"c\",\n    \"d\",\n]\n");
    }

    #[test]
    fn paths_lead_back() {
        assert_eq!(relative(Path::new("/w/other/driver-x"), Path::new("/w/main")), Path::new("../../main"));
        assert_eq!(normal(Path::new("/w/./a/../b")), Path::new("/w/b"));
    }

    #[test]
    fn the_glue_stays_short() {
        let (_, glue) = NOSQL.iter().find(|(path, _)| path.ends_with("conformance.rs")).unwrap();
        assert!(glue.lines().count() <= 25);
    }
}
