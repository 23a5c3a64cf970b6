//! The rules of conversion, on the sample and on small histories made for one rule each.

use super::convert::{Conversion, convert};
use super::read::{Problem, Text};
use crate::ids::run_id;
use persistence::store::{ExecutionState, ExecutionStatus, ItemKey, TaskCategory};
use persistence::{RunId, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SAMPLE: &str = include_str!("../../../examples/order-workflow.json");

fn run() -> RunId {
    run_id("the run")
}

fn converted(text: &str) -> Result<Conversion, Problem> {
    Text::from_bytes(text.into())?.export().and_then(|export| convert(&export, run()))
}

/// A history of these events, one second apart, numbered from 1.
fn history(events: &[(&str, Value)]) -> String {
    let event = |(i, (kind, attributes)): (usize, &(&str, Value))| {
        let name = format!("{}{}EventAttributes", kind[..1].to_lowercase(), &kind[1..]);
        let time = format!("1970-01-01T00:00:{:02}Z", i + 1);
        json!({"eventId": (i + 1).to_string(), "eventTime": time, "eventType": kind, (name): attributes})
    };
    let events: Vec<Value> = events.iter().enumerate().map(event).collect();
    json!({"events": events}).to_string()
}

/// The beginning that every history has, then these events. The first of them is event 5, after the completed task 4.
fn after_first_task(events: &[(&str, Value)]) -> Result<Conversion, Problem> {
    let start =
        json!({"workflowType": {"name": "W"}, "taskQueue": {"name": "q"}, "firstExecutionRunId": "first"});
    let mut all = vec![
        ("WorkflowExecutionStarted", start),
        ("WorkflowTaskScheduled", json!({"taskQueue": {"name": "q"}, "startToCloseTimeout": "10s"})),
        ("WorkflowTaskStarted", json!({"scheduledEventId": "2"})),
        ("WorkflowTaskCompleted", json!({"scheduledEventId": "2"})),
    ];
    all.extend(events.iter().cloned());
    converted(&history(&all))
}

fn last_items(events: &[(&str, Value)]) -> BTreeMap<ItemKey, Value> {
    after_first_task(events).unwrap().items
}

fn kinds(conversion: &Conversion, transition: usize, category: TaskCategory) -> Vec<String> {
    let tasks = conversion.transitions[transition].tasks.iter().filter(|t| t.category == category);
    tasks.map(|t| t.payload["type"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_sample_becomes_one_create_and_an_update_for_each_completed_task() {
    let c = converted(SAMPLE).unwrap();
    let ranges: Vec<_> = c.transitions.iter().map(|t| (t.events.start + 1, t.events.end)).collect();
    assert_eq!(
        ranges,
        [(1, 2), (3, 7), (8, 14), (15, 19), (20, 26), (27, 33), (34, 37), (38, 42), (43, 47), (48, 52)]
    );
    assert_eq!(c.transitions[0].facts.state, ExecutionState::Running);
    let last = c.transitions.last().unwrap().facts;
    assert_eq!((last.state, last.status), (ExecutionState::Completed, ExecutionStatus::Completed));
    assert_eq!(last.next_event_id, 53);
    assert!(c.successor.is_none());
    assert_eq!(kinds(&c, 0, TaskCategory::VISIBILITY), ["start_execution"]);
    assert_eq!(
        kinds(&c, 2, TaskCategory::TIMER),
        ["activity_timeout", "workflow_task_timeout", "activity_timeout", "user_timer"]
    );
    assert_eq!(kinds(&c, 9, TaskCategory::TRANSFER), ["workflow_task", "close_execution"]);
}

#[test]
fn following_the_changes_leads_to_the_pending_items() {
    let c = converted(SAMPLE).unwrap();
    let mut items = BTreeMap::new();
    let mut most = 0;
    for t in &c.transitions {
        assert!(t.items.upserts.keys().all(|k| !t.items.deletes.contains(k)));
        items.extend(t.items.upserts.clone());
        items.retain(|k, _| !t.items.deletes.contains(k));
        most = most.max(items.len());
    }
    assert_eq!(items, c.items);
    assert!(most >= 4, "child, timer, signal and signal request at once: {most}");
    assert!(matches!(c.items.keys().collect::<Vec<_>>()[..], [ItemKey::SignalRequested(_)]));
}

#[test]
fn an_activity_is_pending_until_it_closes() {
    let scheduled = (
        "ActivityTaskScheduled",
        json!({
            "activityId": "a", "taskQueue": {"name": "q"}, "scheduleToStartTimeout": "60s", "startToCloseTimeout": "5s",
            "workflowTaskCompletedEventId": "4"
        }),
    );
    let started = ("ActivityTaskStarted", json!({"scheduledEventId": "5", "attempt": 3}));
    let items = last_items(&[scheduled.clone(), started.clone()]);
    let item = &items[&ItemKey::Activity(5)];
    assert_eq!((&item["started_event_id"], &item["attempt"]), (&json!(6), &json!(3)));
    for end in ["Completed", "Failed", "TimedOut", "Canceled"] {
        let kind = format!("ActivityTask{end}");
        let end = (kind.as_str(), json!({"scheduledEventId": "5", "startedEventId": "6"}));
        let c = after_first_task(&[scheduled.clone(), started.clone(), end]).unwrap();
        assert!(c.items.is_empty(), "{kind}");
        let last = c.transitions.last().unwrap();
        assert!(last.items.deletes.contains(&ItemKey::Activity(5)) && last.items.upserts.is_empty());
        let fires: Vec<_> = last.tasks.iter().map(|t| t.fire_time).collect();
        assert_eq!(fires, [Timestamp(6_000 + 5_000)], "the start-to-close timeout of the scheduled activity");
    }
}

#[test]
fn a_timer_id_may_be_used_again() {
    let start = (
        "TimerStarted",
        json!({"timerId": "t", "startToFireTimeout": "30s", "workflowTaskCompletedEventId": "4"}),
    );
    let cancel = ("TimerCanceled", json!({"timerId": "t", "workflowTaskCompletedEventId": "4"}));
    let c = after_first_task(&[start.clone(), cancel, start]).unwrap();
    assert_eq!(c.items[&ItemKey::Timer("t".into())]["started_event_id"], 7);
    let changes = &c.transitions[1].items;
    assert_eq!((changes.upserts.len(), changes.deletes.len()), (1, 0));
    assert_eq!(c.items[&ItemKey::Timer("t".into())]["fire_time_ms"], 37_000);
}

#[test]
fn a_timer_for_all_eternity_still_fires_within_reach() {
    let start = ("TimerStarted", json!({"timerId": "t", "startToFireTimeout": "99999999999999h"}));
    let c = after_first_task(&[start]).unwrap();
    let fires = c.transitions[1..].iter().flat_map(|t| &t.tasks).map(|t| t.fire_time).max();
    assert!(fires.is_some_and(|t| t < Timestamp::MAX));
}

#[test]
fn other_items_are_pending_until_answered() {
    let pairs = [
        ("StartChildWorkflowExecutionInitiated", "StartChildWorkflowExecutionFailed", ItemKey::Child(5)),
        ("StartChildWorkflowExecutionInitiated", "ChildWorkflowExecutionTerminated", ItemKey::Child(5)),
        (
            "RequestCancelExternalWorkflowExecutionInitiated",
            "ExternalWorkflowExecutionCancelRequested",
            ItemKey::RequestCancel(5),
        ),
        (
            "SignalExternalWorkflowExecutionInitiated",
            "SignalExternalWorkflowExecutionFailed",
            ItemKey::Signal(5),
        ),
    ];
    for (begin, end, key) in pairs {
        let begin = (begin, json!({"workflowTaskCompletedEventId": "4", "workflowId": "other"}));
        assert_eq!(last_items(std::slice::from_ref(&begin)).keys().collect::<Vec<_>>(), [&key]);
        assert!(last_items(&[begin, (end, json!({"initiatedEventId": "5"}))]).is_empty(), "{end}");
    }
    let update = [("WorkflowExecutionUpdateAccepted", json!({"protocolInstanceId": "u"}))];
    assert_eq!(last_items(&update)[&ItemKey::Node("update/5".into())]["update_id"], "u");
}

#[test]
fn signals_are_remembered_by_request_id() {
    let signals = [
        ("WorkflowExecutionSignaled", json!({"signalName": "s", "requestId": "r1"})),
        ("WorkflowExecutionSignaled", json!({"signalName": "s"})),
    ];
    let items = last_items(&signals);
    assert_eq!(items.len(), 2);
    assert!(items.contains_key(&ItemKey::SignalRequested("r1".into())));
    assert_eq!(items, last_items(&signals), "an id that is made up is made up the same again");
}

#[test]
fn continuing_as_new_begins_the_next_run() {
    let new = json!({
        "newExecutionRunId": "67e55044-10b1-426f-9247-bb680e5fe0c8", "workflowType": {"name": "W2"},
        "taskQueue": {"name": "q2"}, "workflowTaskCompletedEventId": "4", "input": {"n": 1.50}
    });
    let c = after_first_task(&[("WorkflowExecutionContinuedAsNew", new)]).unwrap();
    assert_eq!(c.transitions.last().unwrap().facts.status, ExecutionStatus::ContinuedAsNew);
    let next = c.successor.unwrap().conversion;
    assert_eq!(next.run_id.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
    assert_eq!(
        (next.start.workflow_type.as_deref(), next.start.task_queue.as_deref()),
        (Some("W2"), Some("q2"))
    );
    assert_eq!(next.start.first_run_id.as_deref(), Some("first"));
    assert_eq!(next.transitions.len(), 1);
    let facts = next.transitions[0].facts;
    assert_eq!((facts.state, facts.next_event_id), (ExecutionState::Running, 3));
    assert_eq!(kinds(&next, 0, TaskCategory::TRANSFER), ["workflow_task"]);
}

#[test]
fn a_run_that_goes_on_later_has_no_task_yet() {
    let failed = json!({"newExecutionRunId": "r2", "backoffStartInterval": "5s"});
    let c = after_first_task(&[("WorkflowExecutionContinuedAsNew", failed)]).unwrap();
    let next = c.successor.unwrap().conversion;
    assert_eq!(next.transitions[0].facts.state, ExecutionState::Created);
    assert_eq!(kinds(&next, 0, TaskCategory::TIMER), ["workflow_task_backoff"]);
}

#[test]
fn unknown_events_are_part_of_the_history_and_change_nothing() {
    let c = after_first_task(&[("SomethingNew", json!({"timerId": 5}))]).unwrap();
    assert_eq!(c.transitions.last().unwrap().facts.next_event_id, 6);
    assert!(c.items.is_empty());
}

#[test]
fn both_spellings_convert_alike() {
    let mut short = SAMPLE.to_owned();
    for (long, name) in [
        ("ACTIVITY_TASK_SCHEDULED", "ActivityTaskScheduled"),
        ("WORKFLOW_TASK_COMPLETED", "WorkflowTaskCompleted"),
        ("TIMER_FIRED", "TimerFired"),
    ] {
        short = short.replace(&format!("EVENT_TYPE_{long}"), name);
    }
    assert_ne!(short, SAMPLE);
    let (a, b) = (converted(SAMPLE).unwrap(), converted(&short).unwrap());
    assert_eq!((a.transitions, a.items), (b.transitions, b.items));
}

#[test]
fn what_is_wrong_with_a_history_is_said_with_its_place() {
    let problem = |text: &str| converted(text).unwrap_err().to_string();
    let begin = ("WorkflowExecutionStarted", json!({}));
    let timer = ("TimerFired", json!({}));
    let text = history(&[begin.clone(), timer.clone()]);
    let column = text.find("},{").unwrap() + "},{".len();
    assert_eq!(
        problem(&text),
        format!("line 1, column {column}: events[1]: TimerFired 2: timerId is missing")
    );
    let text = history(&[begin.clone(), timer.clone()]).replace("\"2\"", "4");
    assert!(problem(&text).contains("events[1]: eventId 4 where 2 is expected"));
    assert!(problem(&history(std::slice::from_ref(&timer))).contains("begins with WorkflowExecutionStarted"));
    let closed = ("WorkflowExecutionTerminated", json!({}));
    assert!(problem(&history(&[begin.clone(), closed, timer])).contains("closed by event 2"));
    assert!(problem(&history(&[begin.clone(), begin.clone()])).contains("begun already"));
    let long = ("TimerStarted", json!({"timerId": "t".repeat(256)}));
    assert!(problem(&history(&[begin.clone(), long])).contains("at most 255"));
    let again = json!({"newExecutionRunId": run().to_string()});
    let itself = [begin, ("WorkflowExecutionContinuedAsNew", again)];
    assert!(problem(&history(&itself)).contains("names the run itself"));
}

#[test]
fn large_histories_commit_in_parts() {
    let signal = ("WorkflowExecutionSignaled", json!({"signalName": "s", "input": "x".repeat(600_000)}));
    let c = after_first_task(&[signal.clone(), signal.clone(), signal]).unwrap();
    assert_eq!(c.transitions.len(), 5);
    let too_large = ("WorkflowExecutionSignaled", json!({"signalName": "s", "input": "x".repeat(4 << 20)}));
    assert!(after_first_task(&[too_large]).unwrap_err().to_string().contains("at most 4194304"));
}
