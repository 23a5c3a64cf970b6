//! The files of a command: each checked once before anything is written, and given its names.

use super::convert::{Conversion, Start, convert, events};
use super::read::{Problem, Text};
use crate::ids;
use persistence::RunId;
use persistence::validate::MAX_NAME_CHARS;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A good file. The text is read again when it is needed: memory does not grow with the number of files.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    fingerprint: u64,
    pub(crate) events: usize,
    pub(crate) transitions: usize,
    pub(crate) run_id: RunId,
    /// The workflow ids that the history may be stored under, the nicest first.
    pub(crate) names: Vec<String>,
}

/// A file that could not be used.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) path: PathBuf,
    pub(crate) problem: Problem,
}

/// Looks at every file.
pub(crate) fn scan(paths: &[PathBuf], mut seen: impl FnMut()) -> (Vec<Source>, Vec<Broken>) {
    let (mut sources, mut broken) = (Vec::new(), Vec::new());
    let mut bases = Vec::new();
    let mut copies = HashMap::new();
    for path in paths {
        match look(path, &mut copies) {
            Ok((base, source)) => {
                bases.push(base);
                sources.push(source);
            }
            Err(problem) => broken.push(Broken { path: path.clone(), problem }),
        }
        seen();
    }
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for base in &bases {
        *uses.entry(base).or_default() += 1;
    }
    for (base, source) in bases.iter().zip(&mut sources) {
        source.names = names(base, source.run_id, uses.get(base.as_str()) == Some(&1));
    }
    (sources, broken)
}

fn look(path: &Path, copies: &mut HashMap<(String, RunId), u64>) -> Result<(String, Source), Problem> {
    let text = Text::read(path)?;
    let export = text.export()?;
    let events = events(&export)?;
    let Some(first) = events.first() else { return Err(Problem::new("the history has no events")) };
    let start = Start::of(first).map_err(|wrong| export.problem(0, wrong))?;
    let stem = stem(path);
    let run_id = start
        .run_id
        .unwrap_or_else(|| RunId(ids::derived(&[b"history", stem.as_bytes(), first.raw.as_bytes()])));
    let base = base(start.workflow_id.as_deref().unwrap_or(&stem));
    // The same history given twice is two runs.
    let copy = copies.entry((base.clone(), run_id)).and_modify(|n| *n += 1).or_insert(0);
    let run_id = match copy {
        0 => run_id,
        n => RunId(ids::derived(&[b"copy", run_id.0.as_bytes(), &n.to_be_bytes()])),
    };
    let transitions = convert(&export, run_id)?.transitions.len();
    let source = Source {
        path: path.to_owned(),
        fingerprint: text.fingerprint(),
        events: events.len(),
        transitions,
        run_id,
        names: Vec::new(),
    };
    Ok((base, source))
}

impl Source {
    /// Reads and converts the file again, and hands both on.
    pub(crate) fn open(&self) -> Result<(Text, Conversion), Problem> {
        let text = Text::read(&self.path)?;
        if text.fingerprint() != self.fingerprint {
            return Err(Problem::new("the file changed while it was replayed"));
        }
        let conversion = convert(&text.export()?, self.run_id)?;
        Ok((text, conversion))
    }
}

/// `orders` for `a/b/orders.json.gz`.
fn stem(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.strip_suffix(".json").unwrap_or(name).to_owned()
}

/// The last group of a run id: what tells histories of one workflow id apart.
fn suffix(run_id: RunId) -> String {
    let text = run_id.to_string();
    format!("@{}", text.rsplit('-').next().unwrap_or_default())
}

fn base(name: &str) -> String {
    let room = MAX_NAME_CHARS - suffix(RunId::new()).len();
    let base: String = name.chars().filter(|c| *c != '\0').take(room).collect();
    if base.is_empty() { "history".to_owned() } else { base }
}

/// A workflow id that several files of the command have is never used as it is: which of them had it first would depend on
/// chance. One that is taken in the database gives way when it is written.
fn names(base: &str, run_id: RunId, alone: bool) -> Vec<String> {
    let own = format!("{base}{}", suffix(run_id));
    if alone { vec![base.to_owned(), own] } else { vec![own] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const EVENT: &str = r#"{"eventId":"1","eventTime":"2024-01-01T00:00:00Z","eventType":"WorkflowExecutionStarted","workflowExecutionStartedEventAttributes":{}}"#;

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn names_come_from_the_history_or_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let named = EVENT.replace(":{}", r#":{"workflowId":"order-1","originalExecutionRunId":"r1"}"#);
        let paths = [
            write(dir.path(), "a.json", &format!("{{\"events\":[{EVENT}]}}")),
            write(dir.path(), "b.json", &format!("{{\"events\":[{named}]}}")),
            write(dir.path(), "c.json", "{"),
        ];
        let (sources, broken) = scan(&paths, || ());
        assert_eq!(sources.iter().map(|s| s.names[0].as_str()).collect::<Vec<_>>(), ["a", "order-1"]);
        assert_eq!(broken.len(), 1);
        assert_eq!(broken[0].path, paths[2]);
        let (again, _) = scan(&paths, || ());
        assert_eq!(again[0].run_id, sources[0].run_id);
    }

    #[test]
    fn the_same_history_twice_is_two_runs_and_the_same_two_every_time() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("{{\"events\":[{EVENT}]}}")
            .replace(":{}", r#":{"workflowId":"w","originalExecutionRunId":"r"}"#);
        let paths = [write(dir.path(), "a.json", &text), write(dir.path(), "b.json", &text)];
        let (sources, _) = scan(&paths, || ());
        assert_ne!(sources[0].run_id, sources[1].run_id);
        assert_ne!(sources[0].names, sources[1].names);
        assert!(sources.iter().all(|s| s.names.len() == 1 && s.names[0].starts_with("w@")));
        let (again, _) = scan(&paths, || ());
        assert_eq!(again[1].names, sources[1].names);
    }

    #[test]
    fn long_and_odd_names_are_made_to_fit() {
        assert_eq!(base("\0"), "history");
        let id = RunId::new();
        let name = names(&base(&"é".repeat(300)), id, false).remove(0);
        assert_eq!(name.chars().count(), MAX_NAME_CHARS);
    }
}
