//! Reading everything back, and comparing it with what the history says must be there.

use super::convert::Conversion;
use super::read::Text;
use super::request::{Replay, Target, item, last_transaction};
use super::retry::again;
use super::write::{current_key, found};
use anyhow::{Context as _, Result, anyhow};
use persistence::store::{
    GetCurrentExecution, GetExecution, HistoryBatch, Item, MutableState, ReadHistoryBranch, RunRecord,
};
use persistence::{Context, PageRequest, Persistence};
use serde_json::value::RawValue;

const PAGE: u32 = 100;

/// Compares a history, and the run that it went on in, with what is stored. Returns what differs, in words.
pub(crate) async fn verify(
    db: &dyn Persistence,
    cx: &Context,
    target: &Target,
    text: &Text,
    conversion: &Conversion,
) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    let mut current = verify_run(db, cx, target, text, conversion, &mut differences).await?;
    let mut current_run = target.run.run_id;
    if let Some(successor) = &conversion.successor {
        let next = &successor.conversion;
        let mut of_next = Vec::new();
        current_run = next.run_id;
        current =
            verify_run(db, cx, &target.sibling(next.run_id), &successor.text, next, &mut of_next).await?;
        differences.extend(of_next.into_iter().map(|d| format!("next run {}: {d}", next.run_id)));
    }
    let Some(current) = current else { return Ok(differences) };
    let get = GetCurrentExecution { shard_id: target.shard_id, key: current_key(target) };
    let stored = found(again(|| db.executions().get_current_execution(cx, &get)).await);
    match stored.context("reading the current record")? {
        Some(stored) if stored == current.current(current_run) => {}
        Some(stored) => differences.push(format!(
            "current record: run {} is {} / {}, expected run {current_run} {} / {}",
            stored.run_id, stored.state, stored.status, current.state, current.status
        )),
        None => differences.push("there is no current record".to_owned()),
    }
    Ok(differences)
}

/// One run: mutable state and history. Returns the record that must be stored, if the run is there at all.
async fn verify_run(
    db: &dyn Persistence,
    cx: &Context,
    target: &Target,
    text: &Text,
    conversion: &Conversion,
    out: &mut Vec<String>,
) -> Result<Option<RunRecord>> {
    let export = text.export().map_err(|p| anyhow!("{p}"))?;
    let replay = Replay { target: target.clone(), export: &export, conversion };
    let get = GetExecution { shard_id: target.shard_id, run: target.run.clone() };
    let state = found(again(|| db.executions().get_execution(cx, &get)).await);
    let Some(state) = state.context("reading the mutable state")? else {
        out.push("the run is not there".to_owned());
        return Ok(None);
    };
    let batches = read_history(db, cx, target, &state).await?;
    compare_history(&replay, &batches, out);
    let Some(last) = conversion.transitions.last() else { return Ok(None) };
    // Transaction ids are the writer's choice; the record must name the one that the last node has.
    let transaction = batches.last().map(|b| b.header.transaction_id);
    let expected = replay.record(last, transaction.unwrap_or_default());
    compare_record(&state, &expected, conversion.transitions.len(), out);
    if last_transaction(&state.record) != transaction {
        out.push("mutable state: does not name the transaction of its last history node".to_owned());
    }
    compare_items(&state.items, conversion, out);
    if !state.buffered_events.is_empty() {
        out.push(format!("{} buffered batches, expected none", state.buffered_events.len()));
    }
    Ok(Some(expected))
}

async fn read_history(
    db: &dyn Persistence,
    cx: &Context,
    target: &Target,
    state: &MutableState,
) -> Result<Vec<HistoryBatch>> {
    let mut batches = Vec::new();
    let mut page = PageRequest::first(PAGE);
    loop {
        let read = ReadHistoryBranch {
            shard_id: target.shard_id,
            branch: target.branch(),
            min: 1,
            max: state.record.next_event_id,
            page,
        };
        let answer = found(again(|| db.history().read_history_branch(cx, &read)).await);
        let Some(answer) = answer.context("reading the history")? else { return Ok(batches) };
        batches.extend(answer.items);
        match answer.next {
            Some(token) => page = PageRequest::after(PAGE, token),
            None => return Ok(batches),
        }
    }
}

fn compare_history(replay: &Replay<'_>, stored: &[HistoryBatch], out: &mut Vec<String>) {
    let expected = &replay.conversion.transitions;
    if stored.len() != expected.len() {
        out.push(format!("history: {} batches, expected {}", stored.len(), expected.len()));
    }
    let mut previous = 0;
    for (batch, transition) in stored.iter().zip(expected) {
        let header = batch.header;
        let count = i64::try_from(transition.events.len()).unwrap_or(i64::MAX);
        let first = transition.first_event_id;
        if (header.first_event_id, header.event_count) != (first, count) {
            let (at, n) = (header.first_event_id, header.event_count);
            out.push(format!("history: a batch of {n} events at {at}, expected {count} at {first}"));
        }
        if header.previous_transaction_id != previous || header.transaction_id <= previous {
            out.push(format!("history: the batch at event {first} does not follow the one before"));
        }
        previous = header.transaction_id;
        if let Err(e) = batch.events.verify("history batch") {
            out.push(e.to_string());
        }
        let events = replay.events(transition);
        if batch.events != events {
            out.push(first_difference(first, &events.data, &batch.events.data));
        }
    }
}

/// Names the first event whose bytes differ.
fn first_difference(first_event_id: i64, expected: &[u8], stored: &[u8]) -> String {
    let parse = |bytes| serde_json::from_slice::<Vec<&RawValue>>(bytes);
    if let (Ok(expected), Ok(stored)) = (parse(expected), parse(stored)) {
        for (id, (e, s)) in (first_event_id..).zip(expected.iter().zip(&stored)) {
            if e.get() != s.get() {
                let at = e.get().bytes().zip(s.get().bytes()).take_while(|(e, s)| e == s).count();
                return format!("history: event {id} differs from byte {at} on");
            }
        }
    }
    let at = expected.iter().zip(stored).take_while(|(e, s)| e == s).count();
    format!("history: the batch at event {first_event_id} differs from byte {at} on")
}

fn compare_record(state: &MutableState, expected: &RunRecord, transitions: usize, out: &mut Vec<String>) {
    let stored = &state.record;
    let mut compare = |what: &str, stored: &dyn ToString, expected: &dyn ToString| {
        let (stored, expected) = (stored.to_string(), expected.to_string());
        if stored != expected {
            out.push(format!("mutable state: {what} is {stored}, expected {expected}"));
        }
    };
    compare("record version", &state.record_version, &transitions);
    compare("state", &stored.state, &expected.state);
    compare("status", &stored.status, &expected.status);
    compare("next event id", &stored.next_event_id, &expected.next_event_id);
    compare("last write version", &stored.last_write_version, &expected.last_write_version);
    compare("start time", &stored.start_time, &expected.start_time);
    compare("create request id", &stored.create_request_id, &expected.create_request_id);
    for (what, stored, expected) in [
        ("info", &stored.info, &expected.info),
        ("execution state", &stored.execution_state, &expected.execution_state),
    ] {
        if stored != expected {
            out.push(format!("mutable state: the {what} differs"));
        }
    }
}

fn compare_items(stored: &[Item], conversion: &Conversion, out: &mut Vec<String>) {
    let expected: Vec<Item> = conversion.items.iter().map(|(k, v)| item(k.clone(), v)).collect();
    for e in &expected {
        match stored.iter().find(|s| s.key == e.key) {
            None => out.push(format!("pending items: {:?} is missing", e.key)),
            Some(s) if s.value != e.value => out.push(format!("pending items: {:?} differs", e.key)),
            Some(_) => {}
        }
    }
    for s in stored.iter().filter(|s| !conversion.items.contains_key(&s.key)) {
        out.push(format!("pending items: {:?} should not be there", s.key));
    }
    if stored.len() == expected.len() && !stored.iter().zip(&expected).all(|(s, e)| s.key == e.key) {
        out.push("pending items: not in the order of their keys".to_owned());
    }
}
