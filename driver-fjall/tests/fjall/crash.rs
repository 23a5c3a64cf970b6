//! A writer process is killed; what it said was written is there.

use crate::support::*;
use crate::{Case, child};
use libtest_mimic::Failed;
use persistence_nosql::row::RowStore;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

pub(crate) const CASES: &[(&str, Case)] = &[
    ("nothing_acknowledged_is_lost_when_the_process_is_killed", killed_while_writing),
    ("a_creation_that_is_killed_can_be_repeated", killed_while_creating),
];

/// How often the writer of one store is killed.
const LIVES: usize = 10;

pub(crate) fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    println!("seed {now}");
    u64::from(now)
}

pub(crate) fn kills() -> usize {
    std::env::var("PERSISTENCE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(10)
}

/// The last acknowledged write of every writer.
pub(crate) fn acknowledged(lines: &str) -> HashMap<u32, u32> {
    let mut acks = HashMap::new();
    for line in lines.lines() {
        // The last line may be cut off.
        if let ["ack", w, n] = line.split(' ').collect::<Vec<_>>()[..]
            && let (Ok(w), Ok(n)) = (w.parse(), n.parse())
        {
            acks.insert(w, n);
        }
    }
    acks
}

/// Opens what a writer left, and checks it against what it said. Returns the last write of every writer that is there.
pub(crate) fn verify(
    path: &Path,
    acks: &HashMap<u32, u32>,
    writers: u32,
) -> Result<HashMap<u32, u32>, Failed> {
    run(async {
        let store = open(path).await?;
        let mut found = HashMap::new();
        for w in 0..writers {
            let acked = acks.get(&w).copied().unwrap_or(0);
            let there = child::last(&store, w).await?;
            assert!(there >= acked, "writer {w}: {acked} was acknowledged, {there} is there");
            assert!(there <= acked + 1, "writer {w}: {there} is there, {acked} was the last answered");
            found.insert(w, there);
        }
        store.close().await?;
        Ok(found)
    })
}

fn killed_while_writing() -> Result<(), Failed> {
    let mut random = Random(seed());
    // Every writer reads all that the ones before it have written, so a store has but a few lives.
    for killed in (0..kills()).step_by(LIVES) {
        let dir = dir();
        let mut there = HashMap::new();
        for _ in killed..kills().min(killed + LIVES) {
            there = kill_a_writer(dir.path(), &mut random, there)?;
        }
    }
    Ok(())
}

/// Goes on from what is `there`, acknowledged or not. Returns what is there after that.
fn kill_a_writer(
    path: &Path,
    random: &mut Random,
    there: HashMap<u32, u32>,
) -> Result<HashMap<u32, u32>, Failed> {
    let mut acks = there;
    acks.extend(acknowledged(&said_before_its_end("write", path, random)?));
    verify(path, &acks, 8)
}

/// What a process in this role says between being ready and being killed, some time after that.
pub(crate) fn said_before_its_end(role: &str, path: &Path, random: &mut Random) -> Result<String, Failed> {
    let mut writer = child::command(role, path, &[]).spawn()?;
    let mut lines = BufReader::new(writer.stdout.take().ok_or("no stdout")?);
    let mut ready = String::new();
    lines.read_line(&mut ready)?;
    assert_eq!(ready, "ready\n");
    let reader = std::thread::spawn(move || {
        let mut rest = String::new();
        lines.read_to_string(&mut rest).map(|_| rest)
    });
    sleep(Duration::from_micros(random.below(150_000) as u64));
    writer.kill()?;
    writer.wait()?;
    Ok(reader.join().map_err(|_| "the reader panicked")??)
}

fn killed_while_creating() -> Result<(), Failed> {
    let mut random = Random(seed());
    for _ in 0..kills() {
        let dir = dir();
        let path = dir.path().join("new");
        let mut writer = child::command("write-some", &path, &[]).spawn()?;
        sleep(Duration::from_micros(random.below(40_000) as u64));
        writer.kill()?;
        writer.wait()?;
        run(async {
            let store = open(&path).await?;
            write(&store, vec![put("k", "v")]).await?;
            store.close().await
        })?;
    }
    Ok(())
}
