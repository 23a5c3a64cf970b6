//! Which events commit together.
//!
//! The first transition creates the run: everything up to the first workflow task scheduled (only the first event when no
//! task was ever scheduled). Each later one ends with a completed workflow task and the commands that it made; what
//! arrived before that task completed (activity results, signals, fired timers) is part of it. What follows the last
//! completed task is one more transition. Batches that would be large are cut earlier.

use super::event::Event;
use std::ops::Range;

/// A batch is cut before it grows beyond this many bytes; engines keep well below the limit of a node, too.
const BATCH_BYTES: usize = 1 << 20;

/// Events that a worker's commands make without naming the completed task in their attributes.
const UNNAMED_COMMANDS: &[&str] = &[
    "WorkflowExecutionUpdateAccepted",
    "WorkflowExecutionUpdateCompleted",
    "WorkflowExecutionUpdateRejected",
];

/// The batches, in order, as ranges of the events.
pub(crate) fn batches(events: &[Event<'_>]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let first = events.iter().position(|e| e.kind == "WorkflowTaskScheduled").unwrap_or(0) + 1;
    let mut start = 0;
    let mut end = first.min(events.len());
    while start < events.len() {
        cut(events, start..end, &mut out);
        start = end;
        end = end_of_batch(events, start);
    }
    out
}

fn end_of_batch(events: &[Event<'_>], start: usize) -> usize {
    let rest = events.get(start..).unwrap_or_default();
    let Some(completed) = rest.iter().position(|e| e.kind == "WorkflowTaskCompleted") else {
        return events.len();
    };
    let task = start + completed;
    let commands = events[task + 1..].iter().take_while(|e| is_command_of(e, events[task].id)).count();
    task + 1 + commands
}

/// Unknown types are judged by the same attribute as known ones.
fn is_command_of(event: &Event<'_>, completed_id: i64) -> bool {
    match event.attributes.number("workflowTaskCompletedEventId") {
        Ok(Some(id)) => id == completed_id,
        _ => UNNAMED_COMMANDS.contains(&event.kind.as_str()),
    }
}

fn cut(events: &[Event<'_>], range: Range<usize>, out: &mut Vec<Range<usize>>) {
    let mut start = range.start;
    let mut bytes = 0;
    for i in range.clone() {
        let size = events[i].raw.len() + 1;
        if i > start && bytes + size > BATCH_BYTES {
            out.push(start..i);
            (start, bytes) = (i, 0);
        }
        bytes += size;
    }
    if start < range.end {
        out.push(start..range.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn ends(kinds: &[(&str, Option<i64>)], padding: usize) -> Vec<Range<usize>> {
        let raws: Vec<Box<RawValue>> = (1..)
            .zip(kinds)
            .map(|(id, (kind, task))| {
                let task = task.map(|t| format!("\"workflowTaskCompletedEventId\":\"{t}\"")).unwrap_or_default();
                let pad = "x".repeat(padding);
                let json = format!(
                    "{{\"eventId\":{id},\"eventTime\":1,\"eventType\":\"{kind}\",\"pad\":\"{pad}\",\"someEventAttributes\":{{{task}}}}}"
                );
                serde_json::from_str(&json).unwrap()
            })
            .collect();
        let events: Vec<Event<'_>> = raws.iter().map(|r| Event::parse(r).unwrap()).collect();
        batches(&events)
    }

    const SCHEDULED: (&str, Option<i64>) = ("WorkflowTaskScheduled", None);
    const STARTED: (&str, Option<i64>) = ("WorkflowTaskStarted", None);
    const COMPLETED: (&str, Option<i64>) = ("WorkflowTaskCompleted", None);
    const BEGIN: (&str, Option<i64>) = ("WorkflowExecutionStarted", None);
    const SIGNALED: (&str, Option<i64>) = ("WorkflowExecutionSignaled", None);

    #[test]
    fn commands_stay_with_their_task_and_arrivals_wait_for_the_next() {
        let kinds = [
            BEGIN,
            SCHEDULED,
            STARTED,
            COMPLETED,
            ("TimerStarted", Some(4)),
            ("BrandNewCommand", Some(4)),
            ("WorkflowExecutionUpdateAccepted", None),
            SIGNALED,
            SCHEDULED,
            STARTED,
            COMPLETED,
            ("TimerFired", None),
        ];
        assert_eq!(ends(&kinds, 0), [0..2, 2..7, 7..11, 11..12]);
    }

    #[test]
    fn a_signal_that_started_the_run_is_part_of_its_creation() {
        assert_eq!(ends(&[BEGIN, SIGNALED, SCHEDULED, STARTED], 0), [0..3, 3..4]);
    }

    #[test]
    fn a_run_without_a_task_is_created_by_its_first_event() {
        assert_eq!(ends(&[BEGIN, SIGNALED, ("WorkflowExecutionTerminated", None)], 0), [0..1, 1..3]);
        assert_eq!(ends(&[BEGIN], 0), vec![0..1; 1]);
    }

    #[test]
    fn large_batches_are_cut_between_events() {
        let kinds = [BEGIN, SCHEDULED, SIGNALED, SIGNALED, SIGNALED];
        assert_eq!(ends(&kinds, BATCH_BYTES / 2), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(ends(&kinds, BATCH_BYTES / 3), [0..2, 2..4, 4..5]);
    }
}
