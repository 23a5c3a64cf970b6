//! From a history to the writes that an engine makes while it comes about. Pure: no store, no clock, no randomness.

use super::batch::batches;
use super::event::{Event, Wrong};
use super::items::{ItemChanges, Items};
use super::read::{Export, Problem, Text};
use super::successor;
use super::tasks::{Task, Tasks};
use crate::ids;
use persistence::history::MAX_NODE_BYTES;
use persistence::store::{ExecutionState, ExecutionStatus, ItemKey};
use persistence::{RunId, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// A history as transitions, and what must be stored after the last of them.
#[derive(Debug)]
pub(crate) struct Conversion {
    pub(crate) start: Start,
    pub(crate) run_id: RunId,
    /// At least one: the first creates the run.
    pub(crate) transitions: Vec<Transition>,
    pub(crate) items: BTreeMap<ItemKey, Value>,
    /// The run that this one went on in; created by the last transition.
    pub(crate) successor: Option<Successor>,
}

/// What the first event says of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) workflow_id: Option<String>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) first_run_id: Option<String>,
    pub(crate) workflow_type: Option<String>,
    pub(crate) task_queue: Option<String>,
    pub(crate) time: Timestamp,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    /// The events of its history node, as a range of the export's.
    pub(crate) events: Range<usize>,
    pub(crate) first_event_id: i64,
    pub(crate) facts: Facts,
    pub(crate) items: ItemChanges,
    pub(crate) tasks: Vec<Task>,
}

/// Where the run stands after a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) state: ExecutionState,
    pub(crate) status: ExecutionStatus,
    pub(crate) next_event_id: i64,
    pub(crate) version: i64,
}

/// A run whose own history is not at hand, with the events that an engine would begin it with.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) text: Text,
    pub(crate) conversion: Box<Conversion>,
}

impl Start {
    /// Reads the first event, which every history must begin with.
    pub(crate) fn of(event: &Event<'_>) -> Result<Start, Wrong> {
        if event.kind != "WorkflowExecutionStarted" {
            return Err(format!(
                "a history begins with WorkflowExecutionStarted, not with {}",
                event.spelled
            ));
        }
        let a = &event.attributes;
        Ok(Start {
            workflow_id: a.text("workflowId")?,
            run_id: a.text("originalExecutionRunId")?.map(|id| ids::run_id(&id)),
            first_run_id: a.text("firstExecutionRunId")?,
            workflow_type: a.text_in("workflowType", "name")?,
            task_queue: a.text_in("taskQueue", "name")?,
            time: event.time,
        })
    }
}

/// The events of an export; each must be one.
pub(crate) fn events<'a>(export: &Export<'a>) -> Result<Vec<Event<'a>>, Problem> {
    let mut out: Vec<Event<'a>> = Vec::with_capacity(export.events.len());
    for (index, raw) in export.events.iter().enumerate() {
        let event = Event::parse(raw).map_err(|wrong| export.problem(index, wrong))?;
        let expected = out.last().map_or(1, |before| before.id + 1);
        if event.id != expected {
            let what = format!(
                "eventId {} where {expected} is expected: events are missing or out of order",
                event.id
            );
            return Err(export.problem(index, what));
        }
        if event.raw.len() + 2 > MAX_NODE_BYTES {
            let what = format!("{} bytes, a history node holds at most {MAX_NODE_BYTES}", event.raw.len());
            return Err(export.problem(index, what));
        }
        out.push(event);
    }
    Ok(out)
}

/// Converts a history whose run gets this id.
pub(crate) fn convert(export: &Export<'_>, run_id: RunId) -> Result<Conversion, Problem> {
    let events = events(export)?;
    let Some(first) = events.first() else { return Err(Problem::new("the history has no events")) };
    let start = Start::of(first).map_err(|wrong| export.problem(0, wrong))?;
    let mut run =
        Run { run_id, items: Items::default(), tasks: Tasks::default(), facts: Facts::new(), closed: None };
    let mut transitions = Vec::new();
    for range in batches(&events) {
        for index in range.clone() {
            run.follow(&events[index]).map_err(|wrong| {
                export.problem(index, format!("{} {}: {wrong}", events[index].spelled, events[index].id))
            })?;
        }
        transitions.push(Transition {
            first_event_id: events[range.start].id,
            events: range,
            facts: run.facts,
            items: run.items.take_changes(),
            tasks: run.tasks.take(),
        });
    }
    let successor = match run.closed {
        Some(index) => successor::of(&events, index, &start, run_id).map_err(|w| export.problem(index, w))?,
        None => None,
    };
    Ok(Conversion { start, run_id, transitions, items: run.items.pending().clone(), successor })
}

struct Run {
    run_id: RunId,
    items: Items,
    tasks: Tasks,
    facts: Facts,
    /// The index of the event that closed the run.
    closed: Option<usize>,
}

impl Facts {
    fn new() -> Self {
        Facts {
            state: ExecutionState::Created,
            status: ExecutionStatus::Running,
            next_event_id: 1,
            version: 0,
        }
    }
}

impl Run {
    fn follow(&mut self, event: &Event<'_>) -> Result<(), Wrong> {
        if let Some(index) = self.closed {
            return Err(format!("the run was closed by event {}", index + 1));
        }
        let facts = &mut self.facts;
        facts.next_event_id = event.id + 1;
        facts.version = facts.version.max(event.version);
        self.items.follow(self.run_id, event)?;
        self.tasks.follow(event, &self.items)?;
        match event.kind.as_str() {
            "WorkflowExecutionStarted" if event.id != 1 => return Err("the run has begun already".to_owned()),
            "WorkflowTaskScheduled" => facts.state = ExecutionState::Running,
            "WorkflowExecutionPaused" => {
                (facts.state, facts.status) = (ExecutionState::Running, ExecutionStatus::Paused);
            }
            "WorkflowExecutionUnpaused" => facts.status = ExecutionStatus::Running,
            kind => {
                if let Some(status) = closing(kind) {
                    (facts.state, facts.status) = (ExecutionState::Completed, status);
                    self.closed = usize::try_from(event.id - 1).ok();
                    self.tasks.closed(event);
                }
            }
        }
        Ok(())
    }
}

fn closing(kind: &str) -> Option<ExecutionStatus> {
    Some(match kind {
        "WorkflowExecutionCompleted" => ExecutionStatus::Completed,
        "WorkflowExecutionFailed" => ExecutionStatus::Failed,
        "WorkflowExecutionCanceled" => ExecutionStatus::Canceled,
        "WorkflowExecutionTerminated" => ExecutionStatus::Terminated,
        "WorkflowExecutionTimedOut" => ExecutionStatus::TimedOut,
        "WorkflowExecutionContinuedAsNew" => ExecutionStatus::ContinuedAsNew,
        _ => return None,
    })
}
