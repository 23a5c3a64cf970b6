//! `kill -9` in the middle, and two processes at one directory.

use crate::support::{Place, command, history, persist};
use serde_json::json;
use std::cmp::Ordering;
use std::process::Stdio;
use std::time::{Duration, Instant};

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
    let started = Instant::now();
    let mut locked = None;
    while locked.is_none()
        && first.try_wait().unwrap().is_none()
        && started.elapsed() < Duration::from_secs(20)
    {
        if place.path().join("db").exists() {
            let asked = Instant::now();
            let second = persist(&["show", "--url", &url]);
            locked = (second.code == Some(1)).then_some((second, asked.elapsed()));
        }
    }
    let (second, took) = locked.unwrap_or_else(|| panic!("the second process was never refused"));
    second.failed(&["is locked by another process"]);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stdout));
}
