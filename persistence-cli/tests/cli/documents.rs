//! `persist documents`.

use crate::support::{Place, Ran, command, persist};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

/// Jobs of teams, which pages can be read of; notes that are found by nothing but their id.
const DEFINITIONS: &str = r#"[
    {"name": "job", "id": "text", "partition": {"by": "team"},
     "attributes": [
        {"name": "state", "type": "i64", "missing": {"default": 0}},
        {"name": "updated", "path": "updated_at", "type": "time(seconds)", "missing": "reject"},
        {"name": "tag", "path": "tags", "type": "text(40)", "arity": "elements"}],
     "indexes": [
        {"name": "page", "scope": "partition", "keys": ["updated:desc"], "id_order": "ascending"},
        {"name": "by_state", "keys": ["state", "updated"]},
        {"name": "by_tag", "keys": ["tag"]}]},
    {"name": "note", "id": "uuid", "indexes": []}
]"#;

struct Store {
    place: Place,
    url: String,
}

impl Store {
    fn new(url: impl Fn(&Place) -> String) -> Self {
        let place = Place::new();
        let store = Store { url: url(&place), place };
        store.define("apply", DEFINITIONS).good();
        store
    }

    fn run(&self, verb: &str, args: &[&str]) -> Ran {
        let all: Vec<&str> = ["documents", verb, "--url", &self.url].iter().chain(args).copied().collect();
        persist(&all)
    }

    fn define(&self, verb: &str, definitions: &str) -> Ran {
        self.run(verb, &["--definitions", &self.place.file("definitions.json", definitions)])
    }

    fn of(&self, verb: &str, args: &[&str]) -> Ran {
        let all: Vec<&str> = ["--collection", "job"].iter().chain(args).copied().collect();
        self.run(verb, &all)
    }

    fn import(&self, lines: &str, args: &[&str]) -> Ran {
        let file = self.place.file("in.ndjson", lines);
        let all: Vec<&str> = [&*file, "--json"].iter().chain(args).copied().collect();
        self.of("import", &all)
    }

    fn export(&self) -> Vec<Value> {
        let out = self.of("export", &[]).good().out;
        out.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    fn ids(&self, args: &[&str]) -> Vec<String> {
        let all: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
        let found = self.of("find", &all).good().json();
        let documents = found["documents"].as_array().unwrap().iter();
        documents.map(|d| d["key"]["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn fjall(place: &Place) -> String {
    place.url()
}

fn sqlite(place: &Place) -> String {
    // A process that imports may hold the lock for as long as the disk is slow.
    format!("sqlite:{}?busy_timeout=60s", place.path().join("data.db").display())
}

/// Two teams, 40 jobs.
fn jobs() -> String {
    let line = |n: i64| {
        let team = if n % 4 == 0 { "red" } else { "blue" };
        let job = json!({"team": team, "name": format!("job-{n:02}"), "state": n % 3, "updated_at": 1000 + n, "tags": [format!("t{}", n % 5)]});
        format!("{job}\n")
    };
    (0..40).map(line).collect()
}

#[test]
fn collections_are_planned_applied_and_verified() {
    for url in [fjall, sqlite] {
        let place = Place::new();
        let store = Store { url: url(&place), place };
        let plan = store.define("plan", DEFINITIONS);
        assert_eq!(plan.code, Some(1), "{}", plan.err);
        assert!(plan.out.contains("what apply would do") && plan.out.contains("job"), "{}", plan.out);
        store.of("find", &[]).failed(&["collection not found: job"]);
        assert_eq!(store.define("verify", DEFINITIONS).code, Some(1));
        assert!(store.define("apply", DEFINITIONS).good().out.contains("done"));
        for verb in ["plan", "verify", "apply"] {
            assert_eq!(store.define(verb, DEFINITIONS).good().out, "collections: 2, all as declared\n");
        }
        let file = store.place.file("definitions.json", DEFINITIONS);
        let json = store.run("plan", &["--definitions", &file, "--json"]).good().json();
        assert_eq!(json, json!({"changes": []}));

        // Another index is a change, and its absence drift.
        let other = DEFINITIONS.replace("\"indexes\": []", "\"indexes\": [{\"name\": \"all\"}]");
        let verified = store.define("verify", &other);
        assert_eq!(verified.code, Some(1));
        assert!(
            verified.out.contains("what is not as declared") && verified.out.contains("note"),
            "{}",
            verified.out
        );
        store.define("apply", &other).good();
        store.define("verify", &other).good();
    }
}

#[test]
fn broken_definitions_are_told_with_file_line_and_field() {
    let store = Store::new(fjall);
    let unknown = DEFINITIONS.replace("\"scope\": \"partition\"", "\"scop\": \"partition\"");
    let cases = [
        (DEFINITIONS.replace("text(40)", "string"), &["line 6: [0].attributes[2].type", "time(seconds)"][..]),
        (unknown, &["line 8: [0].indexes[0].scop: no such field"]),
        (
            DEFINITIONS.replace("\"state\", \"updated\"", "\"size\""),
            &["line 2: [0], collection job", "attribute size is not declared"],
        ),
        ("{".to_owned(), &["line 1", "array of definitions"]),
    ];
    for (text, parts) in cases {
        let e = store.define("plan", &text).failed(parts);
        assert!(e.err.contains("definitions.json") && e.err.lines().count() == 1, "{}", e.err);
    }
    store.run("plan", &["--definitions", "nowhere.json"]).failed(&["nowhere.json"]);
}

#[test]
fn an_export_is_imported_elsewhere_and_exports_the_same() {
    let (from, to) = (Store::new(sqlite), Store::new(fjall));
    let imported = from.import(&jobs(), &["--id", "name"]).good().json();
    assert_eq!(imported, json!({"written": 40, "replaced": 0, "skipped": 0, "failed": []}));
    let exported = from.export();
    assert_eq!(exported.len(), 40);
    let (line, key) =
        (&exported[0], |l: &Value| (l["body"]["state"].clone(), l["body"]["updated_at"].clone()));
    assert_eq!((&line["key"], &line["version"]), (&json!({"partition": "red", "id": "job-00"}), &json!(1)));
    assert!(
        exported.iter().map(|l| key(l).0.as_i64()).is_sorted(),
        "in the order of an index that has them all"
    );

    let file = from.place.path().join("out.ndjson").display().to_string();
    assert_eq!(from.of("export", &["--output", &file]).good().out, "");
    let again = to.of("import", &[&file]).good();
    assert!(again.out.contains("versions and times begin anew"), "{}", again.out);
    let bodies = |lines: Vec<Value>| {
        lines.into_iter().map(|l| (l["key"].clone(), l["body"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(bodies(to.export()), bodies(exported));

    // A part, from standard input; expiry is kept.
    let part = from.of("export", &["--where", "team=red", "--where", "state=1"]).good().out;
    assert_eq!(part.lines().count(), 3);
    let with_expiry = part.replace(",\"body\"", ",\"expires\":\"2999-12-31T23:59:59.250Z\",\"body\"");
    let target = Store::new(fjall);
    let mut child = command(&["documents", "import", "--url", &target.url, "--collection", "job"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(with_expiry.as_bytes()).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let restored = target.export();
    assert_eq!(restored.len(), 3);
    assert!(restored.iter().all(|l| l["expires"] == "2999-12-31T23:59:59.250Z"), "{restored:?}");
}

#[test]
fn conflicts_are_skipped_replaced_or_stop_the_import() {
    for url in [fjall, sqlite] {
        let store = Store::new(url);
        store.import(&jobs(), &["--id", "name", "--batch", "7", "--concurrency", "2"]).good();
        let newer = jobs().replace("\"state\":1", "\"state\":2");
        let stopped =
            store.import(&newer, &["--id", "name"]).failed(&["in.ndjson: line 1: ", "already exists"]);
        assert_eq!(stopped.json()["written"], 0);
        let skipped = store.import(&newer, &["--id", "name", "--on-conflict", "skip"]).good().json();
        assert_eq!((&skipped["written"], &skipped["skipped"]), (&json!(0), &json!(40)));
        assert_eq!(store.ids(&["--where", "state=1"]).len(), 13);
        let replaced = store.import(&newer, &["--id", "name", "--on-conflict", "replace"]).good().json();
        assert_eq!((&replaced["written"], &replaced["replaced"]), (&json!(0), &json!(40)));
        assert_eq!(store.ids(&["--where", "state=1"]), [""; 0]);

        // The later line of one document wins.
        let twice = "{\"team\":\"red\",\"name\":\"x\",\"updated_at\":1,\"state\":7}\n{\"team\":\"red\",\"name\":\"x\",\"updated_at\":2,\"state\":8}\n";
        let both = store.import(twice, &["--id", "name", "--on-conflict", "replace"]).good().json();
        assert_eq!((&both["written"], &both["replaced"]), (&json!(1), &json!(1)));
        assert_eq!(store.ids(&["--where", "state=8"]), ["x"]);
    }
}

#[test]
fn a_bad_line_is_named_and_the_rest_is_imported_another_time() {
    let store = Store::new(fjall);
    let lines: Vec<String> = jobs().lines().map(str::to_owned).collect();
    let broken = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line.to_owned();
        lines.join("\n")
    };
    for (line, parts) in [
        ("{\"team\": \"red\"", &["line 31: ", "EOF"][..]),
        ("{\"team\": \"red\", \"name\": 7}", &["line 31: ", "name is no text"]),
        ("{\"team\": \"red\", \"name\": \"z\"}", &["line 31: ", "updated_at is missing"]),
        (
            "{\"team\": \"red\", \"name\": \"z\", \"updated_at\": \"now\"}",
            &["line 31: ", "updated_at must be"],
        ),
    ] {
        let ran = store.import(&broken(30, line), &["--id", "name", "--on-conflict", "skip"]).failed(parts);
        assert_eq!(ran.json()["failed"].as_array().unwrap().len(), 1);
    }
    let done = store.import(&jobs(), &["--id", "name", "--on-conflict", "skip"]).good().json();
    assert_eq!(done["written"].as_u64().unwrap() + done["skipped"].as_u64().unwrap(), 40);
    assert_eq!(store.export().len(), 40);
    store.import(&jobs(), &[]).failed(&["line 1: ", "--id PATH"]);
    store.run("import", &["--collection", "nothing", "/dev/null"]).failed(&["collection not found: nothing"]);
}

#[test]
fn an_import_that_was_killed_is_completed() {
    let store = Store::new(sqlite);
    let mut child =
        command(&["documents", "import", "--url", &store.url, "--collection", "job", "--id", "name"])
            .args(["--batch", "2", "--concurrency", "2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
    // Its input does not end, so neither does it.
    let lines = jobs();
    let mut input = child.stdin.take().unwrap();
    let half: String = lines.lines().take(20).map(|line| format!("{line}\n")).collect();
    input.write_all(half.as_bytes()).unwrap();
    let some = (0..1000).any(|_| !store.ids(&["--where", "team=blue", "--limit", "1"]).is_empty());
    assert!(some, "nothing was written");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(input);
    let before = store.export().len();
    let rest = store.import(&lines, &["--id", "name", "--on-conflict", "skip"]).good().json();
    assert_eq!((&rest["skipped"], &rest["written"]), (&json!(before), &json!(40 - before)));
    assert!((1..=20).contains(&before), "{before}");
    assert_eq!(store.export().len(), 40);
}

#[test]
fn documents_are_found_by_index_in_order_and_pages() {
    for url in [fjall, sqlite] {
        let store = Store::new(url);
        store.import(&jobs(), &["--id", "name"]).good();
        let newest = [
            "--where",
            "team=red",
            "--where",
            "updated_at>=1970-01-01T00:17:00Z",
            "--order",
            "updated_at:desc",
        ];
        assert_eq!(store.ids(&newest), ["job-36", "job-32", "job-28", "job-24", "job-20"]);
        assert_eq!(store.ids(&["--where", "tags has t3", "--limit", "2"]), ["job-03", "job-08"]);
        assert_eq!(store.ids(&["--where", "team=blue", "--where", "@id=job-01"]), ["job-01"]);
        assert_eq!(
            store.ids(&["--where", r#"{"in": ["state", [1, 2]]}"#, "--where", "tags has t0"]).len(),
            5
        );

        let page = |token: Option<&str>| {
            let mut args =
                vec!["--where", "team=red", "--order", "updated_at:desc", "--limit", "4", "--json"];
            args.extend(token.iter().flat_map(|t| ["--page", t]));
            store.of("find", &args).good().json()
        };
        let (mut ids, mut token) = (Vec::new(), None);
        loop {
            let found = page(token.as_deref());
            ids.extend(
                found["documents"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|d| d["body"]["updated_at"].as_i64().unwrap()),
            );
            let Some(next) = found["next"].as_str() else { break };
            token = Some(next.to_owned());
        }
        assert_eq!(ids, (0..10).rev().map(|n| 1000 + 4 * n).collect::<Vec<_>>());
        let text = store.of("find", &["--where", "team=red", "--limit", "1"]).good().out;
        assert!(text.contains("red / job-00") && text.contains("more: --page "), "{text}");
    }
}

#[test]
fn explain_tells_the_index_and_refuses_scans() {
    for url in [fjall, sqlite] {
        let store = Store::new(url);
        store.import(&jobs(), &["--id", "name"]).good();
        let explain = |args: &[&str]| {
            let all: Vec<&str> = ["--explain", "--json"].iter().chain(args).copied().collect();
            store.of("find", &all)
        };
        let by_state = explain(&["--where", "state=1", "--where", "updated_at>5", "--order", "updated_at"])
            .good()
            .json();
        let access = json!({"index": "by_state", "partitions": null, "equal": ["state"], "range": "updated", "ids": false, "residual": false});
        assert_eq!(
            by_state,
            json!({"narrow": null, "accesses": [access], "order_from_index": true, "scan": false})
        );
        let residual = explain(&["--where", "team=red", "--where", "extra=5", "--order", "updated_at:desc"])
            .good()
            .json();
        assert_eq!(
            (&residual["accesses"][0]["index"], &residual["accesses"][0]["residual"]),
            (&json!("page"), &json!(true))
        );
        assert_eq!(residual["accesses"][0]["partitions"], 1);

        let refused =
            explain(&["--where", "extra=5"]).failed(&["declare an index of job", "extra", "--scan"]);
        assert_eq!(refused.json()["scan"], true);
        store.of("find", &["--where", "extra=5"]).failed(&["declare an index of job"]);
        assert_eq!(explain(&["--where", "extra=5", "--scan", "100"]).good().json()["scan"], true);
        assert_eq!(store.ids(&["--where", "name=job-07", "--scan", "100"]), ["job-07"]);
        store.of("find", &["--where", "name=job-07", "--scan", "10"]).failed(&["exhausted"]);
        let text = store.of("find", &["--explain", "--where", "tags has t1"]).good().out;
        assert!(
            text.contains("by_tag") && text.contains("scan: no") && text.contains("order: from the index"),
            "{text}"
        );
        store.of("find", &["--where", "state=x"]).failed(&["--where \"state=x\"", "is not a whole number"]);
    }
}
