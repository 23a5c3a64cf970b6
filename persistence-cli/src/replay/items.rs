//! Pending items: what each event adds to, changes in and takes from the maps of the mutable state.

use super::event::{Event, Fields, Wrong};
use crate::ids;
use persistence::store::ItemKey;
use persistence::{RunId, validate};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The pending items of a run, and what changed since the last transition.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pending: BTreeMap<ItemKey, Value>,
    upserts: BTreeSet<ItemKey>,
    deletes: BTreeSet<ItemKey>,
}

/// What one transition does to the items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ItemChanges {
    pub(crate) upserts: BTreeMap<ItemKey, Value>,
    pub(crate) deletes: BTreeSet<ItemKey>,
}

impl Items {
    pub(crate) fn pending(&self) -> &BTreeMap<ItemKey, Value> {
        &self.pending
    }

    pub(crate) fn get(&self, key: &ItemKey) -> Option<&Value> {
        self.pending.get(key)
    }

    /// The changes since the last call.
    pub(crate) fn take_changes(&mut self) -> ItemChanges {
        let upserts = std::mem::take(&mut self.upserts);
        let upserts =
            upserts.into_iter().filter_map(|k| self.pending.get(&k).map(|v| (k, v.clone()))).collect();
        ItemChanges { upserts, deletes: std::mem::take(&mut self.deletes) }
    }

    fn put(&mut self, key: ItemKey, value: Value) {
        self.deletes.remove(&key);
        self.upserts.insert(key.clone());
        self.pending.insert(key, value);
    }

    /// An item that is not there changes nothing: the event that made it may be of a type not known here.
    fn set(&mut self, key: ItemKey, field: &str, value: Value) {
        if let Some(item) = self.pending.get_mut(&key) {
            item[field] = value;
            self.upserts.insert(key);
        }
    }

    fn remove(&mut self, key: ItemKey) {
        self.upserts.remove(&key);
        self.pending.remove(&key);
        self.deletes.insert(key);
    }

    /// Follows one event.
    pub(crate) fn follow(&mut self, run_id: RunId, event: &Event<'_>) -> Result<(), Wrong> {
        let a = &event.attributes;
        match event.kind.as_str() {
            "ActivityTaskScheduled" => {
                self.put(ItemKey::Activity(event.id), activity(event)?);
            }
            "ActivityTaskStarted" => {
                let key = ItemKey::Activity(a.need_number("scheduledEventId")?);
                self.set(key.clone(), "started_event_id", json!(event.id));
                self.set(key, "attempt", json!(a.number("attempt")?.unwrap_or(1)));
            }
            "ActivityTaskCancelRequested" => {
                let key = ItemKey::Activity(a.need_number("scheduledEventId")?);
                self.set(key, "cancel_requested", json!(true));
            }
            "ActivityTaskCompleted"
            | "ActivityTaskFailed"
            | "ActivityTaskTimedOut"
            | "ActivityTaskCanceled" => {
                self.remove(ItemKey::Activity(a.need_number("scheduledEventId")?));
            }
            "TimerStarted" => {
                let fires = a.duration("startToFireTimeout")?.unwrap_or_default();
                let fires = event.time.after(fires).0;
                self.put(timer(a)?, json!({"started_event_id": event.id, "fire_time_ms": fires}));
            }
            "TimerFired" | "TimerCanceled" => self.remove(timer(a)?),
            "StartChildWorkflowExecutionInitiated" => {
                let value = json!({
                    "initiated_event_id": event.id,
                    "workflow_id": a.text("workflowId")?,
                    "workflow_type": a.text_in("workflowType", "name")?,
                });
                self.put(ItemKey::Child(event.id), value);
            }
            "ChildWorkflowExecutionStarted" => {
                let key = ItemKey::Child(a.need_number("initiatedEventId")?);
                self.set(key.clone(), "started_event_id", json!(event.id));
                self.set(key, "run_id", json!(a.text_in("workflowExecution", "runId")?));
            }
            "StartChildWorkflowExecutionFailed"
            | "ChildWorkflowExecutionCompleted"
            | "ChildWorkflowExecutionFailed"
            | "ChildWorkflowExecutionCanceled"
            | "ChildWorkflowExecutionTimedOut"
            | "ChildWorkflowExecutionTerminated" => {
                self.remove(ItemKey::Child(a.need_number("initiatedEventId")?));
            }
            "RequestCancelExternalWorkflowExecutionInitiated" => {
                self.put(ItemKey::RequestCancel(event.id), external(event)?);
            }
            "RequestCancelExternalWorkflowExecutionFailed" | "ExternalWorkflowExecutionCancelRequested" => {
                self.remove(ItemKey::RequestCancel(a.need_number("initiatedEventId")?));
            }
            "SignalExternalWorkflowExecutionInitiated" => {
                let mut value = external(event)?;
                value["signal_name"] = json!(a.text("signalName")?);
                self.put(ItemKey::Signal(event.id), value);
            }
            "SignalExternalWorkflowExecutionFailed" | "ExternalWorkflowExecutionSignaled" => {
                self.remove(ItemKey::Signal(a.need_number("initiatedEventId")?));
            }
            "WorkflowExecutionSignaled" => {
                let id = match a.text("requestId")? {
                    Some(id) => id,
                    // Most exports leave the request id out; an engine has one for each signal.
                    None => {
                        ids::derived(&[b"signal", run_id.0.as_bytes(), &event.id.to_be_bytes()]).to_string()
                    }
                };
                named("requestId", &id)?;
                self.put(ItemKey::SignalRequested(id), json!({"event_id": event.id}));
            }
            "WorkflowExecutionUpdateAccepted" => {
                let value =
                    json!({"accepted_event_id": event.id, "update_id": a.text("protocolInstanceId")?});
                self.put(update(event.id), value);
            }
            "WorkflowExecutionUpdateCompleted" => self.remove(update(a.need_number("acceptedEventId")?)),
            _ => {}
        }
        Ok(())
    }
}

/// Updates have no map of their own: they are nodes of the component tree.
fn update(accepted_event_id: i64) -> ItemKey {
    ItemKey::Node(format!("update/{accepted_event_id}"))
}

fn timer(attributes: &Fields<'_>) -> Result<ItemKey, Wrong> {
    let id = attributes.need_text("timerId")?;
    named("timerId", &id)?;
    Ok(ItemKey::Timer(id))
}

fn named(field: &'static str, name: &str) -> Result<(), Wrong> {
    validate::name(field, name).map_err(|e| e.to_string())
}

fn activity(event: &Event<'_>) -> Result<Value, Wrong> {
    let a = &event.attributes;
    let millis = |name| Ok::<_, Wrong>(a.duration(name)?.map(|d| d.as_millis().min(u128::from(u64::MAX))));
    let as_u64 = |m: Option<u128>| m.and_then(|m| u64::try_from(m).ok());
    Ok(json!({
        "scheduled_event_id": event.id,
        "activity_id": a.text("activityId")?,
        "activity_type": a.text_in("activityType", "name")?,
        "task_queue": a.text_in("taskQueue", "name")?,
        "scheduled_time_ms": event.time.0,
        "schedule_to_start_timeout_ms": as_u64(millis("scheduleToStartTimeout")?),
        "schedule_to_close_timeout_ms": as_u64(millis("scheduleToCloseTimeout")?),
        "start_to_close_timeout_ms": as_u64(millis("startToCloseTimeout")?),
        "heartbeat_timeout_ms": as_u64(millis("heartbeatTimeout")?),
    }))
}

fn external(event: &Event<'_>) -> Result<Value, Wrong> {
    let a = &event.attributes;
    Ok(json!({
        "initiated_event_id": event.id,
        "workflow_id": a.text_in("workflowExecution", "workflowId")?,
        "run_id": a.text_in("workflowExecution", "runId")?,
    }))
}
