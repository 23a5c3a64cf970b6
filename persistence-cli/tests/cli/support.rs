//! Running the binary, and histories to run it on.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const SAMPLE: &str = include_str!("../../../examples/order-workflow.json");

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {:?} {:?}", self.out, self.err))
    }

    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    /// Failed, with a message that has all of these.
    pub(crate) fn failed(self, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{}\n{}", self.out, self.err);
        assert!(parts.iter().all(|p| self.err.contains(p)), "{parts:?} not all in: {}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_persist"));
    command.args(args);
    command
}

pub(crate) fn persist(args: &[&str]) -> Ran {
    let Output { status, stdout, stderr } = command(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// A directory of its own for each test.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("fjall:{}", self.path().join("db").display())
    }

    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.path().join(name);
        fs::write(&path, contents).unwrap();
        path.display().to_string()
    }

    pub(crate) fn sample(&self) -> String {
        self.file("order.json", SAMPLE)
    }
}

/// The raw text of each event.
pub(crate) fn raw_events(text: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Export {
        events: Vec<Box<serde_json::value::RawValue>>,
    }
    let export: Export = serde_json::from_str(text).unwrap();
    export.events.iter().map(|e| e.get().to_owned()).collect()
}

/// A history of `tasks` completed workflow tasks, each with an activity and a timer; left open, with items pending.
pub(crate) fn history(workflow_id: &str, tasks: usize) -> String {
    let mut events = Vec::new();
    let mut add = |kind: &str, attributes: Value| {
        let id = events.len() + 1;
        let name = format!("{}{}EventAttributes", kind[..1].to_lowercase(), &kind[1..]);
        let time = format!("2024-01-01T00:{:02}:{:02}Z", id / 60 % 60, id % 60);
        events.push(
            json!({"eventId": id.to_string(), "eventTime": time, "eventType": kind, (name): attributes}),
        );
        id.to_string()
    };
    add("WorkflowExecutionStarted", json!({"workflowId": workflow_id, "taskQueue": {"name": "q"}}));
    for n in 0..tasks {
        let scheduled =
            add("WorkflowTaskScheduled", json!({"taskQueue": {"name": "q"}, "startToCloseTimeout": "10s"}));
        add("WorkflowTaskStarted", json!({"scheduledEventId": scheduled}));
        let completed = add("WorkflowTaskCompleted", json!({"scheduledEventId": scheduled}));
        let timer = json!({"timerId": n.to_string(), "startToFireTimeout": "60s", "workflowTaskCompletedEventId": completed});
        add("TimerStarted", timer);
        let activity =
            json!({"activityId": "a", "taskQueue": {"name": "q"}, "workflowTaskCompletedEventId": completed});
        let activity = add("ActivityTaskScheduled", activity);
        if n % 2 == 0 {
            add("ActivityTaskStarted", json!({"scheduledEventId": activity}));
            add("ActivityTaskCompleted", json!({"scheduledEventId": activity, "result": "x".repeat(300)}));
        }
    }
    json!({"events": events}).to_string()
}
