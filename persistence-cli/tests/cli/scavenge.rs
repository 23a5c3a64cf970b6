//! `persist scavenge`.

use crate::support::{Place, SAMPLE, history, persist};
use persistence::document::Filter;
use persistence::document::write::{Action, DocumentWrite, Pre};
use persistence::store::*;
use persistence::{Archetype, AttemptId, Context, NamespaceId, Persistence, RunId, ShardId, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Something that was replayed, as visibility knows it.
fn record(run: &Value, close: Option<i64>) -> VisibilityRecord {
    let text = |name: &str| run[name].as_str().unwrap().to_owned();
    let status = if close.is_some() { ExecutionStatus::Completed } else { ExecutionStatus::Running };
    VisibilityRecord {
        run: RunKey {
            namespace_id: text("namespace_id").parse::<NamespaceId>().unwrap(),
            workflow_id: text("workflow_id"),
            run_id: text("run_id").parse::<RunId>().unwrap(),
        },
        version: 1,
        shard_id: ShardId(i32::try_from(run["shard"].as_i64().unwrap()).unwrap()),
        archetype: Archetype::WORKFLOW,
        workflow_type: "t".to_owned(),
        task_queue: "q".to_owned(),
        status,
        start_time: Timestamp(0),
        execution_time: Timestamp(0),
        close_time: close.map(Timestamp),
        history_length: 0,
        history_size_bytes: 0,
        state_transition_count: 0,
        parent: None,
        root: None,
        branch: None,
        memo: None,
        search_attributes: BTreeMap::new(),
    }
}

/// Does something to the database.
fn on(url: &str, work: impl AsyncFnOnce(&dyn Persistence)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = persistence::connect(url).await.unwrap();
        work(&*db).await;
        db.close().await.unwrap();
    });
}

/// Writes down what visibility knows of it.
fn keep(url: &str, records: Vec<VisibilityRecord>) {
    on(url, async |db| {
        for record in records {
            let req = RecordVisibility { record };
            db.visibility().upsert_visibility(&Context::new(), &req).await.unwrap();
        }
    });
}

#[test]
fn what_closed_goes_with_its_history_and_orphans_are_reported() {
    let place = Place::new();
    let url = place.url();
    let (done, open) = (place.file("done.json", SAMPLE), place.file("open.json", history("open", 2)));
    persist(&["replay", &done, &open, "--url", &url]).good();
    let list = persist(&["show", "--url", &url, "--json"]).good().json();
    let all = list["executions"].as_array().unwrap();
    let find = |id: &str| all.iter().find(|e| e["workflow_id"] == id).unwrap();
    let mut gone = find("open").clone();
    gone["run_id"] = json!("0f0e0d0c-0b0a-4908-8706-050403020100");
    keep(
        &url,
        vec![record(find("order-20417"), Some(1000)), record(find("open"), None), record(&gone, None)],
    );

    let scavenge = |args: &[&str]| {
        let all: Vec<&str> = ["scavenge", "--url", &url].iter().chain(args).copied().collect();
        persist(&all)
    };
    let before = "1970-01-01T00:00:01Z";
    let none = scavenge(&["--closed-before", before, "--json"]).good().json();
    assert_eq!((&none["examined"], &none["deleted"]), (&json!(0), &json!(0)), "it closed then, not before");
    let before = ["--closed-before", "1970-01-01T00:00:02Z"];
    let dry = scavenge(&[&before[..], &["--dry-run", "--json"]].concat()).good().json();
    let none =
        json!({"histories": 2, "branches_deleted": 0, "nodes_deleted": 0, "deletions_forgotten": null});
    assert_eq!((&dry["deleted"], &dry["leftovers"]), (&json!(1), &none), "they have their runs still");
    persist(&["show", "--workflow", "order-20417", "--url", &url]).good();

    let real =
        scavenge(&[&before[..], &["--limit", "1", "--safety-age", "0", "--json"]].concat()).good().json();
    assert_eq!((&real["namespaces"], &real["examined"], &real["deleted"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(
        real["leftovers"]["branches_deleted"], 1,
        "the record names no branch: it is found without its run"
    );
    assert_eq!(real["records_without_run"][0]["run_id"], gone["run_id"]);
    assert_eq!(real["records_without_run"].as_array().unwrap().len(), 1);
    persist(&["show", "--workflow", "order-20417", "--url", &url]).failed(&["not found"]);
    persist(&["show", "--workflow", "open", "--url", &url]).good();

    let text = scavenge(&["--dry-run"]).good().out;
    for row in ["runs to delete", "branches without a run", "0 to delete, of 1 histories"] {
        assert!(text.contains(row), "{row} is not in {text}");
    }
    let text = scavenge(&before).good().out;
    for row in ["runs deleted", "records without a run", "1 of 2"] {
        assert!(text.contains(row), "{row} is not in {text}");
    }
    let other = ["--namespace", "0f0e0d0c-0b0a-4908-8706-050403020100", "--json"];
    assert_eq!(scavenge(&other).good().json()["records"], 0);
    let bad = scavenge(&["--closed-before", "yesterday"]);
    assert_eq!(bad.code, Some(2));
    assert!(bad.err.contains("not a time as 2026-01-01T00:00:00Z"), "{}", bad.err);
}

#[test]
fn orphans_are_reported_before_they_are_deleted() {
    let place = Place::new();
    let url = place.url();
    let (done, open) = (place.file("done.json", SAMPLE), place.file("open.json", history("open", 2)));
    persist(&["replay", &done, &open, "--url", &url]).good();
    let list = persist(&["show", "--url", &url, "--json"]).good().json();
    let gone = record(
        list["executions"].as_array().unwrap().iter().find(|e| e["workflow_id"] == "open").unwrap(),
        None,
    );
    on(&url, async |db| {
        let delete = DeleteExecution { shard_id: gone.shard_id, range_id: None, run: gone.run.clone() };
        db.executions().delete_execution(&Context::new(), &delete).await.unwrap();
    });
    let scavenge = |more: &[&str]| {
        let args = ["scavenge", "--url", &url, "--safety-age", "0", "--json"];
        persist(&[&args[..], more].concat()).good().json()["leftovers"].clone()
    };
    for _ in 0..2 {
        let dry = scavenge(&["--dry-run"]);
        assert_eq!((&dry["histories"], &dry["branches_deleted"]), (&json!(2), &json!(1)));
    }
    assert_eq!(scavenge(&[])["branches_deleted"], 1);
    assert_eq!(scavenge(&["--dry-run"])["branches_deleted"], 0);
}

#[test]
fn what_was_done_before_an_error_is_told() {
    let place = Place::new();
    let url = place.url();
    persist(&["replay", &place.sample(), "--url", &url]).good();
    let list = persist(&["show", "--url", &url, "--json"]).good().json();
    let done = record(&list["executions"][0], Some(1000));
    let mut broken = record(&list["executions"][0], Some(1500));
    broken.run.run_id = "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap();
    let (run, cx) = (broken.run.run_id, Context::new());
    keep(&url, vec![done, broken]);
    on(&url, async |db| {
        let (collection, scan) = ("sys_visibility".to_owned(), ScanPolicy::Allow { max_documents: 100 });
        let find = FindDocuments { scan, ..FindDocuments::new(&*collection, Filter::id(run.0), 1) };
        let mut found = db.documents().find_documents(&cx, &find).await.unwrap().documents.remove(0);
        found.body["archetype"] = json!("nonsense");
        let action = Action::Put { body: found.body, expires: None };
        let writes = vec![DocumentWrite { collection, key: found.key, pre: Pre::None, action }];
        let req = WriteDocuments { writes, attempt: AttemptId::new() };
        db.documents().write_documents(&cx, &req).await.unwrap();
    });
    let args = ["scavenge", "--url", &url, "--closed-before", "1970-01-01T00:00:02Z", "--limit", "1"];
    let failed = persist(&[&args[..], &["--json"]].concat()).failed(&["corrupted", "nonsense"]);
    let report = failed.json();
    assert_eq!((&report["examined"], &report["deleted"]), (&json!(1), &json!(1)), "the run before it");
    assert!(report["ended_early"].as_str().unwrap().contains("nonsense"), "{report}");
    let text = persist(&args).failed(&["corrupted", "nonsense"]).out;
    assert!(text.contains("ended early"), "{text}");
}
