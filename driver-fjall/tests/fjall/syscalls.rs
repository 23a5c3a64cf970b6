//! What the operating system is asked for, seen by strace: the order of syncs and answers, and failing syncs.

use crate::child::{self, marker};
use crate::crash::{acknowledged, verify};
use crate::support::*;
use libtest_mimic::{Completion, Failed, Trial};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::process::{Command, Stdio};

type Case = fn() -> Result<(), Failed>;

const CASES: &[(&str, Case)] = &[
    ("every_answer_comes_after_a_sync_that_covers_it", answers_after_syncs),
    ("a_failed_sync_ends_all_writing", || failing("fdatasync:error=EIO:when=20", "unavailable")),
    ("syncs_that_keep_failing_end_all_writing", || failing("fdatasync:error=EIO:when=20+", "unavailable")),
    ("a_full_disk_is_told_as_such", || failing("write:error=ENOSPC:when=20+", "resource_exhausted")),
];

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let can_trace = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    CASES.iter().map(move |(name, case)| {
        Trial::ignorable_test(*name, move || {
            if can_trace {
                case().map(|()| Completion::Completed)
            } else {
                Ok(Completion::ignored_with("strace is not installed, or may not trace"))
            }
        })
    })
}

fn answers_after_syncs() -> Result<(), Failed> {
    let dir = dir();
    let (store, trace) = (dir.path().join("store"), dir.path().join("trace"));
    let trace_arg = trace.display().to_string();
    let wrapper =
        ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", "trace=write,fdatasync,fsync", "-o", &trace_arg];
    let said = child::output("write-some", &store, &wrapper);
    let trace = fs::read_to_string(&trace)?;
    let seen = Trace::of(&trace)?;
    assert_eq!(said.lines().filter(|l| l.starts_with("ack")).count(), 64 * 20);
    assert_eq!(seen.answers, 64 * 20, "answers in the trace");
    println!("{} answers, {} syncs of the journal", seen.answers, seen.syncs);
    assert!(seen.syncs > 0 && seen.syncs < seen.answers, "{} syncs for {} writes", seen.syncs, seen.answers);
    verify(&store, &acknowledged(&said), 64)?;
    Ok(())
}

#[derive(Default)]
struct Trace {
    /// What was written to the journal, and how much of it a sync has covered.
    journal: Vec<u8>,
    synced: usize,
    /// The markers of the writes in what was synced.
    covered: HashSet<String>,
    answers: usize,
    syncs: usize,
}

impl Trace {
    /// Replays a trace, and fails at the first answer to a write that no sync had covered.
    fn of(trace: &str) -> Result<Trace, Failed> {
        let mut seen = Trace::default();
        // What was in the journal when the sync began that a thread is waiting for.
        let mut syncing = HashMap::new();
        for line in trace.lines() {
            let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
            let call = call.trim_start();
            let name = call.trim_start_matches("<... ").split(['(', ' ']).next().unwrap_or_default();
            let begins = !call.starts_with("<...");
            match name {
                "write" if begins => seen.write(call)?,
                "fdatasync" | "fsync" => {
                    if begins && on_journal(call) {
                        syncing.insert(thread, seen.journal.len());
                    }
                    if call.ends_with("= 0")
                        && let Some(covered) = syncing.remove(thread)
                    {
                        seen.sync(covered);
                    }
                }
                _ => {}
            }
        }
        Ok(seen)
    }

    /// Notes every marker, `<writer:n>`, that the sync has covered.
    fn sync(&mut self, upto: usize) {
        self.syncs += 1;
        let fresh = &self.journal[self.synced.min(upto)..upto];
        for (at, _) in fresh.iter().enumerate().filter(|(_, b)| **b == b'<') {
            let text = fresh[at..].split_inclusive(|b| *b == b'>').next().unwrap_or_default();
            if text.len() < 30 {
                self.covered.insert(String::from_utf8_lossy(text).into_owned());
            }
        }
        self.synced = self.synced.max(upto);
    }

    fn write(&mut self, call: &str) -> Result<(), Failed> {
        let data = unhex(call.split('"').nth(1).unwrap_or_default())?;
        if on_journal(call) {
            self.journal.extend(data);
        } else if let Some(ack) = std::str::from_utf8(&data).ok().and_then(|t| t.trim().strip_prefix("ack "))
        {
            let (w, n) = ack.split_once(' ').ok_or("not an answer")?;
            let marker = marker(w.parse()?, n.parse()?);
            let found = self.covered.contains(&marker);
            assert!(found, "{ack} was answered before a sync covered it");
            self.answers += 1;
        }
        Ok(())
    }
}

/// Whether the call is on a journal. With `-xx` most versions of strace print paths in hexadecimal as well.
fn on_journal(call: &str) -> bool {
    let file = call.split('"').next().unwrap_or_default();
    file.contains(".jnl>") || file.contains(r"\x2e\x6a\x6e\x6c>")
}

fn unhex(text: &str) -> Result<Vec<u8>, Failed> {
    text.split("\\x").skip(1).map(|b| Ok(u8::from_str_radix(b, 16)?)).collect()
}

/// One writer, whose twentieth sync (or all from then on) fails.
fn failing(fault: &str, kind: &str) -> Result<(), Failed> {
    let dir = dir();
    let store = dir.path().join("store");
    run(async { persistence_nosql::row::RowStore::close(&open(&store).await?).await })?;
    let (journal, inject) = (journal(&store).display().to_string(), format!("inject={fault}"));
    let wrapper = ["strace", "-f", "-o", "/dev/null", "-P", &journal, "-e", &inject];
    let said = child::output("write-one-by-one", &store, &wrapper);
    let acks = said.lines().filter(|l| l.starts_with("ack")).count();
    let errors: Vec<_> = said.lines().filter(|l| l.starts_with("err")).collect();
    assert!((1..60).contains(&acks), "{acks} acknowledged: {said}");
    assert_eq!(acks + errors.len(), 60);
    assert!(errors[0].ends_with(&format!("{kind} true")), "{}", errors[0]);
    assert!(errors[1..].iter().all(|e| e.ends_with("unavailable false")), "{errors:?}");
    let last = said.lines().position(|l| l.starts_with("err")).ok_or("no error")?;
    assert!(said.lines().skip(last).all(|l| l.starts_with("err")), "written after a failure");
    verify(&store, &acknowledged(&said), 1)?;
    Ok(())
}
