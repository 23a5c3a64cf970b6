//! A process that is killed while it writes: what it was told is stored is there afterwards, whole.

use crate::registry::Registry;
use crate::rounds::{self, Round};
use persistence::document::collection::Collection;
use persistence::document::write::Pre;
use persistence::document::{DocumentKey, Filter};
use persistence::{Capability, ErrorKind, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// The argument that makes this program the one that is killed.
pub(crate) const WRITER: &str = "--writer";
/// It writes so many documents of each kind in turn.
const DOCUMENTS: u32 = 3;
/// It is killed after so many acknowledged writes.
const WRITES: usize = 150;

/// What was acknowledged: the last round of each document, by kind and number.
type Told = BTreeMap<(String, u32), u32>;

/// Writes until it is killed, and says what it was told is stored.
pub(crate) async fn write_forever(url: &str) -> Result<()> {
    let db = persistence::connect(url).await?;
    let r = Registry::open(&db).await?;
    for round in 1.. {
        for n in 0..DOCUMENTS {
            // Without a reader there is nobody left who would kill it.
            let heard = write(&r, &r.applications, n, round).await?
                && write(&r, &r.workflows, n, round).await?
                && write(&r, &r.extensions, n, round).await?
                && write(&r, &r.runnables, n, round).await?;
            if !heard {
                return db.close().await;
            }
        }
    }
    db.close().await
}

/// Writes a document as it is in a round, says so, and tells whether anybody listens.
async fn write<T: Round>(r: &Registry, of: &Collection<T>, n: u32, round: u32) -> Result<bool> {
    of.put(&r.cx, &T::in_round(n, round), Pre::None).await?;
    let mut out = std::io::stdout();
    Ok(writeln!(out, "{} {n} {round}", T::KIND).and_then(|()| out.flush()).is_ok())
}

/// Kills a writer in the middle, opens the database again, and compares.
pub(crate) async fn kill_and_reopen(url: &str) -> Result<()> {
    let told = kill(url).await?;
    let db = persistence::connect(url).await?;
    // Before anybody ensures the collections again, which would mend what is broken.
    assert_eq!(Registry::drift(&db).await?, [], "all is as declared, also after the kill");
    let r = Registry::open(&db).await?;
    assert_eq!(told.len(), DOCUMENTS as usize * 4, "it wrote all of them before it was killed");
    let ahead = compare(&r, &r.applications, &told).await?
        + compare(&r, &r.workflows, &told).await?
        + compare(&r, &r.extensions, &told).await?
        + compare(&r, &r.runnables, &told).await?;
    assert!(ahead <= 1, "{ahead} documents are as nobody acknowledged; it wrote one at a time");
    println!("killed after {WRITES} acknowledged writes, opened again: every document is as it was written");
    println!("each of the four kinds is also found by its indexes, and verifying finds nothing");
    db.close().await
}

/// Kills a writer in the middle. Gives what it was told.
async fn kill(url: &str) -> Result<Told> {
    let program = std::env::current_exe().expect("a program knows where it is");
    let mut writer = Command::new(program)
        .args([WRITER, url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started once more");
    let mut said = BufReader::new(writer.stdout.take().expect("its output is a pipe")).lines();
    let lines = said.by_ref().take(WRITES).map_while(std::io::Result::ok);
    let mut told: Told = lines.filter_map(heard).collect();
    let second = open_once_more(url).await;
    // SIGKILL: nothing is flushed, nothing is closed.
    writer.kill().expect("it still runs");
    writer.wait().expect("it was killed");
    told.extend(said.map_while(std::io::Result::ok).filter_map(heard));
    println!("{}", second?);
    Ok(told)
}

/// A line of the writer's, unless it was cut.
fn heard(line: String) -> Option<((String, u32), u32)> {
    let mut words = line.split(' ');
    let document = (words.next()?.to_owned(), words.next()?.parse().ok()?);
    Some((document, words.next()?.parse().ok()?))
}

/// Compares the documents of a kind with what was acknowledged. Gives how many of them are one round further: a write may be done
/// before its writer could say so.
async fn compare<T: Round + PartialEq + fmt::Debug>(
    r: &Registry,
    of: &Collection<T>,
    told: &Told,
) -> Result<usize> {
    let mut ahead = 0;
    for n in 0..DOCUMENTS {
        let acknowledged = told[&(T::KIND.to_owned(), n)];
        let (found, by_index) = settled(r, of, n, acknowledged).await?;
        let round = if found == T::in_round(n, acknowledged) { acknowledged } else { acknowledged + 1 };
        assert_eq!(found, T::in_round(n, round), "round {acknowledged} was acknowledged");
        // Every index has it as it is, and none as it was or will be.
        let expected: Vec<u32> = T::found_by(n, round).iter().map(|_| round).collect();
        assert_eq!(by_index, expected, "{} is in its indexes as it is", rounds::name(n));
        ahead += usize::from(round > acknowledged);
    }
    Ok(ahead)
}

/// A document, and for each of its indexes the rounds that it is found as. A server may do the last write of a client only after
/// the client has died: then it is looked at again.
async fn settled<T: Round>(
    r: &Registry,
    of: &Collection<T>,
    n: u32,
    acknowledged: u32,
) -> Result<(T, Vec<u32>)> {
    let key = DocumentKey::new(rounds::name(n));
    let there = "what was acknowledged is there";
    loop {
        let before = of.get(&r.cx, &key).await?.expect(there);
        let mut found_as = Vec::new();
        for index in 0..T::found_by(n, acknowledged).len() {
            for round in acknowledged.saturating_sub(1)..=acknowledged + 2 {
                let filter: Filter = T::found_by(n, round).swap_remove(index);
                let ids = r.ids(of, filter).await?;
                found_as.extend(ids.contains(&rounds::name(n)).then_some(round));
            }
        }
        let after = of.get(&r.cx, &key).await?.expect(there);
        if before.version == after.version {
            return Ok((after.value, found_as));
        }
    }
}

/// Removes what a killed writer of an earlier run left.
pub(crate) async fn clear(r: &Registry) -> Result<()> {
    for n in 0..DOCUMENTS {
        let key = DocumentKey::new(rounds::name(n));
        r.applications.delete(&r.cx, &key, Pre::None).await?;
        r.workflows.delete(&r.cx, &key, Pre::None).await?;
        r.extensions.delete(&r.cx, &key, Pre::None).await?;
        r.runnables.delete(&r.cx, &key, Pre::None).await?;
    }
    Ok(())
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
