//! `kill -9` in the middle, and two processes at one directory.

use crate::support::{Place, command, history, persist};
use serde_json::json;
use std::cmp::Ordering;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const HISTORIES: usize = 24;
const TASKS: usize = 60;

/// How many transitions are stored: every run's record version counts its own.
fn stored(url: &str) -> u64 {
    let shown = persist(&["show", "--url", url, "--json", "--limit", "1000"]).good().json();
    let versions = shown["executions"].as_array().map(Vec::as_slice).unwrap_or_default();
    versions.iter().filter_map(|e| e["record_version"].as_u64()).sum()
}

#[test]
fn killed_and_run_again_it_completes_and_nothing_is_doubled() {
    let place = Place::new();
    let files: Vec<String> =
        (0..HISTORIES).map(|n| place.file(&format!("{n}.json"), history(&format!("w{n}"), TASKS))).collect();
    let url = place.url();
    let mut args: Vec<&str> = vec!["replay"];
    args.extend(files.iter().map(String::as_str));
    args.extend(["--url", &url, "--json", "--concurrency", "4"]);
    let total = u64::try_from(HISTORIES * (TASKS + 1)).unwrap();

    // How long reading the files and opening takes is the machine's business: wait longer until something was written.
    let mut wait = Duration::from_millis(50);
    let (mut before, mut kills) = (0, 0);
    while kills < 3 && wait < Duration::from_secs(20) {
        let mut child = command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        let now = stored(&url);
        match now.cmp(&before) {
            Ordering::Equal => wait += Duration::from_millis(20),
            Ordering::Greater => {
                kills += u32::from(now < total);
                wait += Duration::from_millis(150);
            }
            Ordering::Less => panic!("{now} transitions are stored where {before} were before"),
        }
        before = now;
        if now == total {
            break;
        }
    }
    assert!(kills > 0, "no process was killed while it wrote: {before} of {total}");
    let report = persist(&args).good().json();
    assert_eq!((&report["transitions"], &report["written"]), (&json!(total), &json!(total - before)));
    assert_eq!((&report["verified"], &report["differences"]), (&json!(HISTORIES), &json!(0)));
    let again = persist(&args).good().json();
    assert_eq!((&again["written"], &again["verified"]), (&json!(0), &json!(HISTORIES)));
    eprintln!("killed {kills} times while writing; {before} of {total} transitions were kept");
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|s| s.success()), "kill {name} failed");
}

#[test]
fn a_second_process_is_told_that_the_database_is_locked_and_the_first_goes_on() {
    let place = Place::new();
    let files: Vec<String> =
        (0..8).map(|n| place.file(&format!("{n}.json"), history(&format!("w{n}"), 200))).collect();
    let url = place.url();
    let mut args: Vec<&str> = vec!["replay"];
    args.extend(files.iter().map(String::as_str));
    args.extend(["--url", &url, "--json"]);
    let mut first = command(&args).stdout(Stdio::piped()).spawn().unwrap();
    // It makes one file before it has the lock, and all others after that.
    let files = || std::fs::read_dir(place.path().join("db")).map_or(0, Iterator::count);
    while files() < 2 {
        assert_eq!(first.try_wait().unwrap(), None, "it has ended without a database");
        std::thread::sleep(Duration::from_millis(1));
    }
    // It stands still until the second one has been told, however slow that is.
    signal(&first, "-STOP");
    let second = persist(&["show", "--url", &url]);
    signal(&first, "-CONT");
    second.failed(&["is locked by another process"]);
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stdout));
}
