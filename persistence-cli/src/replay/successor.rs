//! The run that a closed one went on in: continued as new, retried, or the next of a schedule.
//!
//! Its own history is another file, or none; what the closing transition creates is its beginning, made as an engine makes
//! it from the closing event and the first event of the run before.

use super::convert::{Start, Successor, convert};
use super::event::{Event, Fields, Wrong};
use super::read::Text;
use crate::ids;
use persistence::RunId;

/// Attributes that the new run's first event takes over.
const INHERITED: &[&str] = &[
    "workflowType",
    "taskQueue",
    "input",
    "workflowExecutionTimeout",
    "workflowRunTimeout",
    "workflowTaskTimeout",
    "header",
    "memo",
    "searchAttributes",
];

/// The run that the event at `index` names as the next one, if it does.
pub(crate) fn of(
    events: &[Event<'_>],
    index: usize,
    start: &Start,
    run_id: RunId,
) -> Result<Option<Successor>, Wrong> {
    let (Some(first), Some(close)) = (events.first(), events.get(index)) else { return Ok(None) };
    let Some(next) = close.attributes.text("newExecutionRunId")? else { return Ok(None) };
    let next_id = ids::run_id(&next);
    if next_id == run_id {
        return Err("newExecutionRunId names the run itself".to_owned());
    }
    let text = beginning(first, close, start, run_id, &next)?;
    let export = text.export().map_err(|p| p.to_string())?;
    let conversion = Box::new(convert(&export, next_id).map_err(|p| p.to_string())?);
    Ok(Some(Successor { text, conversion }))
}

fn beginning(
    first: &Event<'_>,
    close: &Event<'_>,
    start: &Start,
    run_id: RunId,
    next: &str,
) -> Result<Text, Wrong> {
    let inherited = |name| close.attributes.raw(name).or_else(|| first.attributes.raw(name));
    let mut attributes = Object::default();
    for name in INHERITED {
        if let Some(raw) = inherited(name) {
            attributes.add(name, raw.get());
        }
    }
    attributes.add_text("originalExecutionRunId", next);
    let first_run = start.first_run_id.clone().unwrap_or_else(|| run_id.to_string());
    attributes.add_text("firstExecutionRunId", &first_run);
    attributes.add_text("continuedExecutionRunId", &run_id.to_string());
    if let Some(id) = &start.workflow_id {
        attributes.add_text("workflowId", id);
    }
    let backoff = backoff(&close.attributes)?;
    if let Some(raw) = backoff {
        attributes.add("firstWorkflowTaskBackoff", raw);
    }
    let mut events = vec![event(close, 1, "WorkflowExecutionStarted", attributes)];
    if backoff.is_none() {
        let mut attributes = Object::default();
        for (name, from) in [("taskQueue", "taskQueue"), ("startToCloseTimeout", "workflowTaskTimeout")] {
            if let Some(raw) = inherited(from) {
                attributes.add(name, raw.get());
            }
        }
        attributes.add("attempt", "1");
        events.push(event(close, 2, "WorkflowTaskScheduled", attributes));
    }
    let text = format!("{{\"events\":[{}]}}", events.join(","));
    Text::from_bytes(text.into_bytes()).map_err(|p| p.to_string())
}

/// The delay of the new run's first task as it is spelled, when there is one.
fn backoff<'a>(attributes: &Fields<'a>) -> Result<Option<&'a str>, Wrong> {
    let longer_than_nothing = attributes.duration("backoffStartInterval")?.is_some();
    Ok(attributes.raw("backoffStartInterval").filter(|_| longer_than_nothing).map(|raw| raw.get()))
}

fn event(close: &Event<'_>, id: i64, kind: &str, attributes: Object) -> String {
    let mut name = kind.to_owned();
    name[..1].make_ascii_lowercase();
    let mut event = Object::default();
    event.add_text("eventId", &id.to_string());
    event.add_text("eventTime", &crate::time::rfc3339(close.time));
    event.add_text("eventType", &close.spell_like(kind));
    event.add_text("version", &close.version.to_string());
    event.add(&format!("{name}EventAttributes"), &attributes.text());
    event.text()
}

/// A JSON object whose values are spelled already.
#[derive(Default)]
struct Object(Vec<String>);

impl Object {
    fn add(&mut self, name: &str, raw: &str) {
        self.0.push(format!("\"{name}\":{raw}"));
    }

    fn add_text(&mut self, name: &str, text: &str) {
        self.add(name, &serde_json::Value::from(text).to_string());
    }

    fn text(self) -> String {
        format!("{{{}}}", self.0.join(","))
    }
}
