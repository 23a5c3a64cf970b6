//! The parts that run as processes of their own: this binary, started again with a role.

use crate::support::*;
use driver_fjall::Fjall;
use persistence_nosql::core::{Outcome, Result};
use persistence_nosql::row::{RowStore, Table};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

const ROLE: &str = "DRIVER_FJALL_TEST_ROLE";
const PATH: &str = "DRIVER_FJALL_TEST_PATH";

pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// How to start this binary in a role, after the words of `wrapper` (a tracer), if any.
pub(crate) fn command(role: &str, path: &Path, wrapper: &[&str]) -> Command {
    let exe = std::env::current_exe().expect("this binary");
    let mut command = match wrapper {
        [] => Command::new(exe),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(exe);
            command
        }
    };
    command.env(ROLE, role).env(PATH, path).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// What a role prints. It must end by itself, and not by a crash.
pub(crate) fn output(role: &str, path: &Path, wrapper: &[&str]) -> String {
    let done = command(role, path, wrapper).output().expect("a process");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{role} ended with {}: {text}", done.status);
    text
}

pub(crate) fn run(role: &str) -> ExitCode {
    // What panics inside the engine is caught by the driver, and told as an error.
    std::panic::set_hook(Box::new(|_| {}));
    let path = PathBuf::from(std::env::var(PATH).expect("a path"));
    crate::support::run(async {
        match role {
            "open" => say_open(&path).await,
            "read" => say_read(&path).await,
            "write" => write_for_ever(&path, 8, u32::MAX).await,
            "documents" => crate::documents::write_for_ever(&path).await,
            "write-some" => write_for_ever(&path, 64, 20).await,
            "write-one-by-one" => write_for_ever(&path, 1, 60).await,
            _ => panic!("no role {role}"),
        }
    });
    ExitCode::SUCCESS
}

/// One call, so that a line is never cut in two and never held back.
pub(crate) fn say(line: String) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).expect("stdout");
}

async fn say_open(path: &Path) {
    match open(path).await {
        Ok(store) => {
            say("opened".to_owned());
            store.close().await.expect("closed");
        }
        Err(e) => say(e.kind().name().to_owned()),
    }
}

/// The number of rows of every table, or the kind of the error that says that it cannot be told.
async fn say_read(path: &Path) {
    let count = async {
        let store = open(path).await?;
        let mut rows = 0;
        for table in Table::ALL {
            for partition in store.partitions(*table, None, usize::MAX).await? {
                rows +=
                    scan(&store, *table, std::str::from_utf8(&partition).unwrap_or_default()).await?.len();
            }
        }
        store.close().await?;
        Ok::<_, persistence_nosql::core::Error>(rows)
    };
    match count.await {
        Ok(rows) => say(format!("rows {rows}")),
        Err(e) => say(format!("{} {e}", e.kind().name())),
    }
}

/// What the journal, and its trace, show of write `n` of a writer.
pub(crate) fn marker(writer: u32, n: u32) -> String {
    format!("<{writer}:{n}>")
}

/// Each writer counts up three rows in two tables. `ack` and `err` lines tell what came of it.
async fn write_for_ever(path: &Path, writers: u32, times: u32) {
    let store = Arc::new(open(path).await.expect("opened"));
    say("ready".to_owned());
    let tasks: Vec<_> = (0..writers)
        .map(|w| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let begin = last(&store, w).await.expect("whole");
                for n in (begin + 1..).take(times as usize) {
                    match step(&store, w, n).await {
                        Ok(()) => say(format!("ack {w} {n}")),
                        Err(e) => {
                            let maybe = e.outcome() == Outcome::MaybeApplied;
                            say(format!("err {w} {n} {} {maybe}", e.kind().name()));
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer");
    }
}

async fn step(store: &Fjall, w: u32, n: u32) -> Result<()> {
    let partition = format!("w{w}");
    let value = format!("{}{}", marker(w, n), "x".repeat(200));
    let parts = vec![
        part(Table::Shard, &partition, vec![], vec![put("a", &value), put("b", &value)]),
        part(Table::History, &partition, vec![], vec![put("c", &value), put(n.to_be_bytes(), "")]),
    ];
    write_parts(store, parts).await
}

/// The last write of a writer that is there; fails where one is half there, or an earlier one is missing.
pub(crate) async fn last(store: &Fjall, w: u32) -> Result<u32> {
    let partition = format!("w{w}");
    let a = get(store, Table::Shard, &partition, "a").await?;
    let b = get(store, Table::Shard, &partition, "b").await?;
    let c = get(store, Table::History, &partition, "c").await?;
    assert!(a == b && b == c, "writer {w}: half a write");
    let steps = scan(store, Table::History, &partition).await?.len().saturating_sub(1);
    let steps = u32::try_from(steps).expect("few");
    let expected = (steps > 0).then(|| row(format!("{}{}", marker(w, steps), "x".repeat(200))));
    assert_eq!(a, expected, "writer {w}: {steps} steps");
    Ok(steps)
}
