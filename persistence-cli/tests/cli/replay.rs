//! `persist replay` on good, odd and broken files.

use crate::support::{Place, SAMPLE, history, persist, raw_events};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_sample_is_verified_on_embedded_databases() {
    let place = Place::new();
    let sqlite = format!("sqlite:{}", place.path().join("db.sqlite").display());
    for url in ["memory:", &place.url(), "sqlite::memory:", &sqlite] {
        let ran = persist(&["replay", &place.sample(), "--url", url, "--json"]).good();
        let report = ran.json();
        assert_eq!(report["ok"], true);
        assert_eq!((&report["histories"], &report["verified"]), (&json!(1), &json!(1)));
        assert_eq!((&report["events"], &report["transitions"]), (&json!(52), &json!(10)));
        assert_eq!((&report["written"], &report["differences"]), (&json!(10), &json!(0)));
        assert!(report["p50_ms"].as_f64().unwrap() > 0.0);
    }
    let table = persist(&["replay", &place.sample(), "--url", "memory:"]).good();
    for row in ["histories", "events", "transitions/s", "p50", "p99", "1 of 1"] {
        assert!(table.out.contains(row), "{}", table.out);
    }
    assert_eq!(table.err, "", "no progress bar where there is no terminal");
}

#[test]
fn running_it_again_writes_nothing_and_verifies() {
    let place = Place::new();
    let args = ["replay", &place.sample(), "--url", &place.url(), "--json"];
    assert_eq!(persist(&args).good().json()["written"], 10);
    let again = persist(&args).good().json();
    assert_eq!((&again["written"], &again["verified"]), (&json!(0), &json!(1)));
}

#[test]
fn broken_files_are_named_with_their_place_and_the_others_go_through() {
    let place = Place::new();
    let good = place.sample();
    let packed = gzip(SAMPLE);
    let gap = SAMPLE.replacen("\"eventId\": \"9\"", "\"eventId\": \"10\"", 1);
    let wrong_type = SAMPLE.replacen("\"eventType\": \"EVENT_TYPE_TIMER_FIRED\"", "\"eventType\": 7", 1);
    let no_timer = SAMPLE.replacen("\"startToFireTimeout\": \"900s\"", "\"startToFireTimeout\": \"soon\"", 1);
    let mut flipped = packed.clone();
    flipped[packed.len() / 2] ^= 0xff;
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("cut.json.gz", packed[..packed.len() / 2].to_vec(), &["bytes of text", "gzip"]),
        ("flipped.json.gz", flipped, &["bytes of text"]),
        ("text.json", b"hello\n".to_vec(), &["line 1, column 1", "not a history in JSON"]),
        ("cut.json", SAMPLE.as_bytes()[..5000].to_vec(), &["line ", "EOF"]),
        ("empty.json", Vec::new(), &["EOF"]),
        ("latin.json", b"{\n\"events\": [\"\xe9\"]}".to_vec(), &["line 2, column 13", "not UTF-8"]),
        ("other.json", b"{\"history\": []}".to_vec(), &["no \"events\" array"]),
        ("none.json", b"{\"events\": []}".to_vec(), &["no events"]),
        ("numbers.json", b"{\"events\": [1]}".to_vec(), &["line 1, column 13", "events[0]", "object"]),
        ("gap.json", gap.into_bytes(), &["events[8]", "eventId 10 where 9 is expected", "line "]),
        ("type.json", wrong_type.into_bytes(), &["events[37]", "eventType must be a string, not 7"]),
        ("timer.json", no_timer.into_bytes(), &["events[13]", "startToFireTimeout must be a duration"]),
        ("deep.json", [b"{\"events\":".to_vec(), vec![b'['; 100_000]].concat(), &["line 1"]),
    ];
    let mut args = vec!["replay".to_owned(), good];
    args.extend(cases.iter().map(|(name, bytes, _)| place.file(name, bytes)));
    args.push(place.path().join("absent.json").display().to_string());
    args.extend(["--url", "memory:", "--json"].map(String::from));
    let ran =
        persist(&args.iter().map(String::as_str).collect::<Vec<_>>()).failed(&["absent.json: No such file"]);
    for (name, _, parts) in &cases {
        let line = ran.err.lines().find(|l| l.contains(&format!("/{name}: ")));
        let line = line.unwrap_or_else(|| panic!("{name} is not in {}", ran.err));
        assert!(parts.iter().all(|p| line.contains(p)), "{name}: {parts:?} not all in: {line}");
    }
    assert_eq!(ran.err.lines().count(), cases.len() + 1, "one line each: {}", ran.err);
    let report = ran.json();
    assert_eq!((&report["ok"], &report["verified"]), (&json!(false), &json!(1)));
    assert_eq!(report["broken"].as_array().unwrap().len(), cases.len() + 1);
}

#[test]
fn spellings_and_unknown_events_are_kept_byte_by_byte() {
    let place = Place::new();
    let unknown = r#"{ "eventId" : 53, "eventTime":"2026-03-05T00:00:00Z",
        "eventType": "SomethingNobodyKnows", "x": 1.50, "y": [1e3, "\u0041é"], "y": null }"#;
    let open = SAMPLE.replace("EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED", "EVENT_TYPE_NEW_IN_2031");
    let text = open.trim_end().strip_suffix("\n  ]\n}").unwrap().to_owned() + ",\n" + unknown + "]}";
    let text = text.replace("EVENT_TYPE_WORKFLOW_TASK_STARTED", "WorkflowTaskStarted");
    let file = place.file("odd.json.not-really", gzip(&text));
    persist(&["replay", &file, "--url", &place.url()]).good();
    let args =
        ["show", "history", "--workflow", "order-20417", "--url", &place.url(), "--json", "--limit", "1000"];
    let shown = persist(&args).good();
    let expected = raw_events(&text);
    assert_eq!(expected.last().unwrap(), unknown);
    assert!(shown.out.contains(unknown), "the JSON of show has the event as it was");
    let events: usize = shown.json()["batches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["events"].as_array().unwrap().len())
        .sum();
    assert_eq!(events, expected.len());
}

#[test]
fn one_byte_that_differs_is_found() {
    let place = Place::new();
    let file = place.sample();
    let args = ["replay", &file, "--url", &place.url()];
    persist(&args).good();
    place.file("order.json", SAMPLE.replacen("orders-worker-2", "orders-worker-3", 1));
    let ran = persist(&args).failed(&["order.json: workflow \"order-20417\"", "event 3 differs from byte"]);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.out.contains("0 of 1"), "{}", ran.out);
}

#[test]
fn a_history_that_grew_goes_on_and_one_that_shrank_is_told() {
    let place = Place::new();
    let file = place.file("w.json", history("w", 4));
    let args = ["replay", &file, "--url", &place.url(), "--json"];
    assert_eq!(persist(&args).good().json()["written"], 5);
    place.file("w.json", history("w", 6));
    assert_eq!(persist(&args).good().json()["written"], 2);
    place.file("w.json", history("w", 2));
    persist(&args).failed(&["the stored run ends before event 38, which is not the end of a transition"]);
}

#[test]
fn histories_of_one_workflow_id_stay_apart() {
    let place = Place::new();
    let (a, b) = (place.file("a.json", history("same", 2)), place.file("b.json", history("same", 3)));
    let copy = place.file("copy.json", history("same", 2));
    let args = ["replay", &a, &b, &copy, &a, "--url", &place.url(), "--json"];
    let report = persist(&args).good().json();
    assert_eq!(report["verified"], 4);
    let mut names: Vec<_> =
        report["files"].as_array().unwrap().iter().map(|f| f["workflow_id"].to_string()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4);
    assert_eq!(persist(&args).good().json()["written"], 0);
    // One after the other: the second finds the plain name taken.
    let one = Place::new();
    let alone = |file: &str| {
        persist(&["replay", file, "--url", &one.url(), "--json"]).good().json()["files"][0].clone()
    };
    assert_eq!(alone(&a)["workflow_id"], "same");
    let second = alone(&b)["workflow_id"].clone();
    assert!(second.as_str().unwrap().starts_with("same@"));
    assert_eq!(alone(&b)["workflow_id"], second);
    assert_eq!(alone(&a)["written"], 0);
}

#[test]
fn shards_and_concurrency_change_nothing_about_the_result() {
    let place = Place::new();
    let files: Vec<String> =
        (0..8).map(|n| place.file(&format!("{n}.json"), history(&format!("w{n}"), 4))).collect();
    for (shards, concurrency) in [("1", "1"), ("1", "8"), ("200", "3")] {
        let mut args: Vec<&str> = vec!["replay"];
        args.extend(files.iter().map(String::as_str));
        args.extend(["--url", "memory:", "--json", "--shards", shards, "--concurrency", concurrency]);
        assert_eq!(persist(&args).good().json()["verified"], 8);
    }
}

#[test]
fn a_command_line_that_cannot_be_understood_exits_with_2() {
    for args in [
        &["replay", "--url", "memory:"][..],
        &["replay", "x.json"],
        &["replay", "x.json", "--url", "memory:", "--shards", "0"],
        &["show", "--url", "memory:", "--namespace", "n"],
        &["nothing"],
    ] {
        assert_eq!(persist(args).code, Some(2), "{args:?}");
    }
    let e =
        persist(&["caps", "--url", "redis://me:secret@host/db"]).failed(&["unknown scheme redis:", "fjall:"]);
    assert!(!e.err.contains("secret"));
    assert_eq!(e.err.lines().count(), 1);
}

#[test]
fn a_server_that_is_not_there_is_told_without_the_password() {
    // Nothing listens on port 1.
    let url = "postgresql://me:secret@127.0.0.1:1/db?acquire_timeout=200ms";
    let e = persist(&["caps", "--url", url]).failed(&["127.0.0.1:1"]);
    assert!(!e.err.contains("secret"), "{}", e.err);
}
