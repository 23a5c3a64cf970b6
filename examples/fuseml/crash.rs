//! A process that is killed while it writes: what it was told is stored is there afterwards, whole.

use crate::kinds::*;
use crate::registry::Registry;
use persistence::document::DocumentKey;
use persistence::document::write::Pre;
use persistence::{Capability, ErrorKind, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// The argument that makes this program the one that is killed.
pub(crate) const WRITER: &str = "--writer";
/// It writes so many documents in turn.
const RUNNABLES: u32 = 7;
/// It is killed after so many acknowledged writes.
const WRITES: usize = 150;

/// A runnable with everything that one has, as it is in some round.
fn runnable(n: u32, round: u32) -> Runnable {
    let columns =
        (0..n + round % 5).map(|c| Column { name: format!("column-{c}"), datatype: "float".to_owned() });
    let inputs = [
        ("epochs", Input::Parameter { datatype: "int".to_owned(), default: json!(round), optional: true }),
        ("rate", Input::Parameter { datatype: "float".to_owned(), default: json!(0.5), optional: false }),
        ("code", Input::Codeset { functions: vec!["train".to_owned(), format!("round-{round}")] }),
        ("data", Input::Dataset { format: "csv".to_owned(), columns: columns.collect() }),
    ];
    let model = Input::Model {
        formats: vec!["sklearn".to_owned(), "onnx".to_owned()],
        pretrained: round.is_multiple_of(2),
    };
    Runnable {
        id: format!("crash-{n}"),
        kind: "trainer".to_owned(),
        description: "ä \"quoted\" text\nof two lines".to_owned(),
        container: Container {
            image: format!("ghcr.io/fuseml/trainer:{round}"),
            env: [("ROUND".to_owned(), round.to_string())].into(),
            entrypoint: vec!["run".to_owned()],
            args: vec![],
        },
        inputs: inputs.into_iter().map(|(name, input)| (name.to_owned(), input)).collect(),
        outputs: [("model".to_owned(), model)].into(),
        labels: [("library".to_owned(), "sklearn".to_owned()), ("round".to_owned(), round.to_string())]
            .into(),
    }
}

/// Writes until it is killed, and says what it was told is stored.
pub(crate) async fn write_forever(url: &str) -> Result<()> {
    let db = persistence::connect(url).await?;
    let registry = Registry::open(&db).await?;
    let mut out = std::io::stdout();
    for round in 1.. {
        for n in 0..RUNNABLES {
            registry.runnables.put(&registry.cx, &runnable(n, round), Pre::None).await?;
            // Without a reader there is nobody left who would kill it.
            if writeln!(out, "{n} {round}").and_then(|()| out.flush()).is_err() {
                return db.close().await;
            }
        }
    }
    db.close().await
}

/// Kills a writer in the middle, opens the database again, and compares.
pub(crate) async fn kill_and_reopen(url: &str) -> Result<()> {
    let program = std::env::current_exe().expect("a program knows where it is");
    let mut writer = Command::new(program)
        .args([WRITER, url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started once more");
    let mut said = BufReader::new(writer.stdout.take().expect("its output is a pipe")).lines();
    let read = |line: String| {
        let (n, round) = line.split_once(' ')?;
        Some((n.parse().ok()?, round.parse().ok()?))
    };
    let lines = said.by_ref().take(WRITES).map_while(std::io::Result::ok);
    let mut told: BTreeMap<u32, u32> = lines.filter_map(read).collect();
    let second = open_once_more(url).await;
    // SIGKILL: nothing is flushed, nothing is closed.
    writer.kill().expect("it still runs");
    writer.wait().expect("it was killed");
    told.extend(said.map_while(std::io::Result::ok).filter_map(read));
    println!("{}", second?);

    let db = persistence::connect(url).await?;
    let registry = Registry::open(&db).await?;
    assert_eq!(told.len(), RUNNABLES as usize, "it wrote all of them before it was killed");
    for (n, round) in told {
        let key = DocumentKey::new(format!("crash-{n}"));
        let stored =
            registry.runnables.get(&registry.cx, &key).await?.expect("what was acknowledged is there");
        // It may have written once more than it could say.
        let expected = [runnable(n, round), runnable(n, round + 1)];
        assert!(expected.contains(&stored.value), "round {round} was acknowledged, found {:?}", stored.value);
        let label = registry.ids(&registry.runnables, label("round", &stored.value.labels["round"])).await?;
        assert!(label.contains(&stored.value.id), "its index has it as it is");
    }
    println!("killed after {WRITES} acknowledged writes, opened again: every document is as it was written");
    db.close().await
}

/// While another process has it open, an embedded database is not opened.
async fn open_once_more(url: &str) -> Result<String> {
    match persistence::connect(url).await {
        Ok(db) => {
            assert!(db.info().capabilities.has(Capability::MultiProcess), "two processes have it open");
            db.close().await?;
            Ok("a second process may open it".to_owned())
        }
        Err(e) if e.kind() == ErrorKind::Locked => Ok(format!("a second opener is told: {e}")),
        Err(e) => Err(e),
    }
}

pub(crate) fn label(key: &str, value: &str) -> persistence::document::Filter {
    let labels = "Labels".parse().expect("a path that is written right");
    persistence::document::Filter::HasEntry(labels, key.to_owned(), value.to_owned())
}
