//! History tasks: what each event gives a shard to do.

use super::event::{Event, Wrong};
use super::items::Items;
use persistence::Timestamp;
use persistence::store::{ItemKey, TaskCategory};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long a closed run is kept: exports do not say.
const RETENTION: Duration = Duration::from_hours(72);

/// The last time that a timer task may have, 9999-12-31T23:59:59.999Z: no range of tasks reaches the very last one there is.
const LAST: Timestamp = Timestamp(253_402_300_799_999);

/// A task without its id, which the shard gives when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) category: TaskCategory,
    /// The epoch for immediate categories.
    pub(crate) fire_time: Timestamp,
    /// What to do, as fields of the payload.
    pub(crate) payload: Map<String, Value>,
}

/// Makes tasks from events; remembers what later events refer to.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    task_timeout: Option<Duration>,
    made: Vec<Task>,
}

impl Tasks {
    /// The tasks since the last call.
    pub(crate) fn take(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.made)
    }

    fn add(&mut self, category: TaskCategory, fire: Timestamp, kind: &str, event: &Event<'_>, more: Value) {
        let mut payload = Map::new();
        payload.insert("type".to_owned(), json!(kind));
        payload.insert("event_id".to_owned(), json!(event.id));
        if let Value::Object(more) = more {
            payload.extend(more);
        }
        self.made.push(Task { category, fire_time: fire, payload });
    }

    fn transfer(&mut self, kind: &str, event: &Event<'_>, more: Value) {
        self.add(TaskCategory::TRANSFER, Timestamp::EPOCH, kind, event, more);
    }

    fn visibility(&mut self, kind: &str, event: &Event<'_>) {
        self.add(TaskCategory::VISIBILITY, Timestamp::EPOCH, kind, event, Value::Null);
    }

    /// A timer task, if there is a time after which it fires.
    fn timer(&mut self, kind: &str, event: &Event<'_>, after: Option<Duration>, more: Value) {
        if let Some(after) = after {
            let fire = event.time.after(after).clamp(Timestamp::EPOCH, LAST);
            self.add(TaskCategory::TIMER, fire, kind, event, more);
        }
    }

    /// Follows one event. `items` are those after the event.
    pub(crate) fn follow(&mut self, event: &Event<'_>, items: &Items) -> Result<(), Wrong> {
        let a = &event.attributes;
        match event.kind.as_str() {
            "WorkflowExecutionStarted" => {
                self.visibility("start_execution", event);
                let timeout = a.duration("workflowRunTimeout")?;
                self.timer("workflow_run_timeout", event, timeout, Value::Null);
                let timeout = a.duration("workflowExecutionTimeout")?;
                self.timer("workflow_execution_timeout", event, timeout, Value::Null);
                let backoff = a.duration("firstWorkflowTaskBackoff")?;
                self.timer("workflow_task_backoff", event, backoff, Value::Null);
            }
            "WorkflowTaskScheduled" => {
                self.task_timeout = a.duration("startToCloseTimeout")?;
                self.transfer("workflow_task", event, json!({"task_queue": a.text_in("taskQueue", "name")?}));
            }
            "WorkflowTaskStarted" => {
                self.timer("workflow_task_timeout", event, self.task_timeout, Value::Null);
            }
            "ActivityTaskScheduled" => {
                self.transfer("activity_task", event, json!({"task_queue": a.text_in("taskQueue", "name")?}));
                let timeouts = [a.duration("scheduleToStartTimeout")?, a.duration("scheduleToCloseTimeout")?];
                self.timer("activity_timeout", event, timeouts.into_iter().flatten().min(), Value::Null);
            }
            "ActivityTaskStarted" => {
                let scheduled = a.need_number("scheduledEventId")?;
                let item = items.get(&ItemKey::Activity(scheduled));
                let millis = |name: &str| item.and_then(|i| i[name].as_u64()).map(Duration::from_millis);
                let timeouts = [millis("start_to_close_timeout_ms"), millis("heartbeat_timeout_ms")];
                let first = timeouts.into_iter().flatten().min();
                self.timer("activity_timeout", event, first, json!({"scheduled_event_id": scheduled}));
            }
            "TimerStarted" => {
                let after = a.duration("startToFireTimeout")?.unwrap_or_default();
                self.timer("user_timer", event, Some(after), json!({"timer_id": a.text("timerId")?}));
            }
            "StartChildWorkflowExecutionInitiated" => {
                self.transfer("start_child_execution", event, json!({"target": a.text("workflowId")?}));
            }
            "RequestCancelExternalWorkflowExecutionInitiated" => {
                let target = a.text_in("workflowExecution", "workflowId")?;
                self.transfer("cancel_execution", event, json!({"target": target}));
            }
            "SignalExternalWorkflowExecutionInitiated" => {
                let target = a.text_in("workflowExecution", "workflowId")?;
                self.transfer("signal_execution", event, json!({"target": target}));
            }
            "UpsertWorkflowSearchAttributes" | "WorkflowPropertiesModified" => {
                self.visibility("upsert_execution", event);
            }
            _ => {}
        }
        Ok(())
    }

    /// The run was closed by this event.
    pub(crate) fn closed(&mut self, event: &Event<'_>) {
        self.transfer("close_execution", event, Value::Null);
        self.visibility("close_execution", event);
        self.timer("delete_history_event", event, Some(RETENTION), Value::Null);
    }
}
