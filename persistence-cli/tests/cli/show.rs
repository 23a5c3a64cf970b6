//! `persist show` and `persist caps`.

use crate::support::{Place, Ran, SAMPLE, history, persist, raw_events};
use serde_json::{Value, json};

struct Shop {
    place: Place,
    url: String,
}

impl Shop {
    fn new(files: &[(&str, String)]) -> Self {
        let place = Place::new();
        let url = place.url();
        let files: Vec<String> = files.iter().map(|(name, text)| place.file(name, text)).collect();
        let mut args: Vec<&str> = vec!["replay"];
        args.extend(files.iter().map(String::as_str));
        args.extend(["--url", &url]);
        persist(&args).good();
        Shop { place, url }
    }

    fn show(&self, args: &[&str]) -> Ran {
        let all: Vec<&str> = ["show", "--url", &self.url].iter().chain(args).copied().collect();
        persist(&all)
    }

    fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().chain(&["--json"]).copied().collect();
        self.show(&args).good().json()
    }
}

#[test]
fn a_workflow_is_shown_with_everything_that_is_pending() {
    let shop = Shop::new(&[("w.json", history("w", 4))]);
    let shown = shop.json(&["--workflow", "w"]);
    assert_eq!(shown["current"]["status"], "running");
    assert_eq!(shown["current"]["run_id"], shown["state"]["run_id"]);
    assert_eq!(
        (&shown["state"]["next_event_id"], &shown["state"]["record_version"]),
        (&json!(26), &json!(5))
    );
    let kinds: Vec<_> =
        shown["items"].as_array().unwrap().iter().map(|i| i["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["activity", "activity", "timer", "timer", "timer", "timer"]);
    assert_eq!(shop.json(&["current", "--workflow", "w"]), shown["current"]);
    assert_eq!(shop.json(&["state", "--workflow", "w"]), shown["state"]);
    assert_eq!(shop.json(&["items", "--workflow", "w"]), shown["items"]);
    let run = shown["state"]["run_id"].as_str().unwrap().to_owned();
    assert_eq!(shop.json(&["--workflow", "w", "--run", &run]), shown);
    let text = shop.show(&["--workflow", "w"]).good().out;
    for part in ["current record", "mutable state", "pending items", "\"started_event_id\":5", &run] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn history_is_read_in_pages_from_both_ends() {
    let shop = Shop::new(&[("order.json", SAMPLE.to_owned())]);
    let ids = |newest_first: bool| {
        let mut ids = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut args = vec!["history", "--workflow", "order-20417", "--limit", "3"];
            args.extend(newest_first.then_some("--newest-first"));
            args.extend(token.iter().flat_map(|t| ["--page", t]));
            let page = shop.json(&args);
            let batches = page["batches"].as_array().unwrap();
            assert!(batches.len() <= 3);
            ids.extend(batches.iter().map(|b| b["first_event_id"].as_i64().unwrap()));
            match page["next"].as_str() {
                Some(next) => token = Some(next.to_owned()),
                None => return ids,
            }
        }
    };
    let forward = ids(false);
    assert_eq!(forward, [1, 3, 8, 15, 20, 27, 34, 38, 43, 48]);
    assert_eq!(ids(true), forward.into_iter().rev().collect::<Vec<_>>());
    let text =
        shop.show(&["history", "--workflow", "order-20417", "--newest-first", "--limit", "1"]).good().out;
    let first_row = text.lines().find(|l| l.contains("EVENT_TYPE")).unwrap();
    assert!(first_row.contains("52") && first_row.contains("WORKFLOW_EXECUTION_COMPLETED"), "{text}");
    assert!(text.contains("more: --page "));
    assert_eq!(raw_events(SAMPLE).len(), 52);
}

#[test]
fn a_run_that_went_on_is_shown_with_the_next_one() {
    let text = SAMPLE
        .replace("EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED", "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW");
    let close = "\"workflowExecutionCompletedEventAttributes\": {";
    let next = "0f0e0d0c-0b0a-4908-8706-050403020100";
    let text = text.replace(
        close,
        &format!(
            "\"workflowExecutionContinuedAsNewEventAttributes\": {{\n\"newExecutionRunId\": \"{next}\","
        ),
    );
    let shop = Shop::new(&[("order.json", text)]);
    let current = shop.json(&["current", "--workflow", "order-20417"]);
    assert_eq!((&current["run_id"], &current["status"]), (&json!(next), &json!("running")));
    let old = "0195565f-2a4c-7d1e-8f0b-3c6a9e51d774";
    let state = shop.json(&["state", "--workflow", "order-20417", "--run", old]);
    assert_eq!((&state["state"], &state["status"]), (&json!("completed"), &json!("continued_as_new")));
    let history = shop.json(&["history", "--workflow", "order-20417"]);
    assert_eq!(history["batches"][0]["events"][0]["eventType"], "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED");
    assert_eq!(shop.json(&[])["executions"].as_array().unwrap().len(), 2);
}

#[test]
fn lists_of_shards_runs_and_tasks() {
    let shop = Shop::new(&[("a.json", history("a", 3)), ("b.json", history("b", 3))]);
    let executions = shop.json(&[])["executions"].clone();
    let mut names: Vec<_> =
        executions.as_array().unwrap().iter().map(|e| e["workflow_id"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
    let shards = shop.json(&["shards"]);
    assert!(shards.as_array().unwrap().iter().all(|s| s["range_id"] == 1 && s["info"]["shards"] == 16));

    let shard = executions[0]["shard"].to_string();
    let tasks = shop.json(&["tasks", "--shard", &shard, "--category", "timer", "--limit", "1000"]);
    let tasks = tasks["tasks"].as_array().unwrap();
    assert!(tasks.iter().all(|t| t["category"] == "timer" && t["fire_time"].is_string()));
    assert!(tasks.iter().any(|t| t["payload"]["type"] == "user_timer"));
    let times: Vec<_> = tasks.iter().map(|t| t["fire_time"].as_str().unwrap()).collect();
    assert!(times.is_sorted());

    let first = shop.json(&["tasks", "--shard", &shard, "--category", "transfer", "--limit", "2"]);
    let token = first["next"][0]["page"].as_str().unwrap().to_owned();
    let second =
        shop.json(&["tasks", "--shard", &shard, "--category", "transfer", "--limit", "2", "--page", &token]);
    assert!(first["tasks"][1]["task_id"].as_i64() < second["tasks"][0]["task_id"].as_i64());
    shop.show(&["tasks", "--shard", &shard, "--category", "timer", "--page", &token])
        .failed(&["another query"]);
    shop.show(&["tasks", "--page", &token, "--category", "timer"]).failed(&["--page needs the --shard"]);
}

#[test]
fn what_is_not_there_is_said_in_one_line() {
    let shop = Shop::new(&[("a.json", history("a", 1))]);
    for (args, part) in [
        (&["--workflow", "b"][..], "not found"),
        (&["--workflow", "a", "--run", "0f0e0d0c-0b0a-4908-8706-050403020100"], "not found"),
        (&["--workflow", "a", "--namespace", "0f0e0d0c-0b0a-4908-8706-050403020100"], "not found"),
        (&["--workflow", "a", "--shard", "99"], "shard 99"),
        (&["history"], "--workflow"),
        (&["history", "--workflow", "a", "--page", "zz"], "not a token"),
        (&["--workflow", ""], "must not be empty"),
    ] {
        let ran = shop.show(args).failed(&[part]);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert_eq!(ran.out, "");
    }
    assert!(shop.place.path().exists());
}

#[test]
fn capabilities_are_listed_with_what_they_mean() {
    let caps = persist(&["caps", "--url", "memory:", "--json"]).good().json();
    assert_eq!(caps["driver"], "memory");
    let durable = &caps["capabilities"][0];
    assert_eq!((&durable["name"], &durable["declared"]), (&json!("durable"), &json!(false)));
    assert!(persist(&["caps", "--url", "memory:"]).good().out.contains("survive the end of the process"));
}
