//! Stored values as people and programs read them.

use crate::time::rfc3339;
use persistence::store::{CurrentRecord, HistoryTask, Item, ItemId, MutableState, RunRecord, Shard};
use persistence::{Blob, Encoding};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A blob as JSON: itself if it is JSON, else its encoding and bytes.
pub(crate) fn blob(blob: &Blob) -> Value {
    raw(blob).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_else(|| opaque(blob))
}

/// A JSON blob exactly as it is spelled.
pub(crate) fn raw(blob: &Blob) -> Option<Box<RawValue>> {
    (blob.encoding == Encoding::JSON).then(|| serde_json::from_slice(&blob.data).ok()).flatten()
}

pub(crate) fn opaque(blob: &Blob) -> Value {
    let hex: String = blob.data.iter().map(|b| format!("{b:02x}")).collect();
    json!({"encoding": blob.encoding.0, "bytes": blob.len(), "hex": hex})
}

pub(crate) fn current(record: &CurrentRecord) -> Value {
    json!({
        "run_id": record.run_id.to_string(),
        "state": record.state.to_string(),
        "status": record.status.to_string(),
        "start_time": rfc3339(record.start_time),
        "last_write_version": record.last_write_version,
        "create_request_id": record.create_request_id,
        "execution_state": blob(&record.execution_state),
    })
}

pub(crate) fn run(record: &RunRecord, version: i64) -> Value {
    json!({
        "state": record.state.to_string(),
        "status": record.status.to_string(),
        "start_time": rfc3339(record.start_time),
        "next_event_id": record.next_event_id,
        "record_version": version,
        "last_write_version": record.last_write_version,
        "create_request_id": record.create_request_id,
        "info": blob(&record.info),
        "execution_state": blob(&record.execution_state),
    })
}

pub(crate) fn state(state: &MutableState) -> Value {
    let mut value = run(&state.record, state.record_version);
    value["pending_items"] = json!(state.items.len());
    value["buffered_events"] = state.buffered_events.iter().map(blob).collect();
    value
}

pub(crate) fn item(item: &Item) -> Value {
    let id = match item.key.id() {
        ItemId::Number(n) => json!(n),
        ItemId::Name(name) => json!(name),
    };
    json!({"kind": item.key.kind().name(), "id": id, "value": blob(&item.value)})
}

pub(crate) fn task(category: &str, task: &HistoryTask) -> Value {
    json!({
        "category": category,
        "task_id": task.key.task_id,
        "fire_time": (task.key.fire_time != persistence::Timestamp::EPOCH).then(|| rfc3339(task.key.fire_time)),
        "payload": blob(&task.payload),
    })
}

pub(crate) fn shard(shard: &Shard) -> Value {
    json!({
        "shard": shard.shard_id.0,
        "range_id": shard.range_id,
        "updated_at": rfc3339(shard.updated_at),
        "info": blob(&shard.info),
    })
}

/// A value in a cell of a table: strings without their quotes, control characters escaped.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect(),
        other => other.to_string(),
    }
}

/// An object as a table of two columns.
pub(crate) fn fields(value: &Value) -> String {
    let mut table = crate::output::table(&[]);
    for (name, value) in value.as_object().into_iter().flatten() {
        let text = match value {
            // Blobs with structure get a line for each of their fields.
            Value::Object(_) => serde_json::to_string_pretty(value).unwrap_or_default(),
            _ => cell(value),
        };
        table.add_row([name.replace('_', " "), text]);
    }
    table.to_string()
}

/// Objects as the rows of a table with these fields as columns.
pub(crate) fn rows(columns: &[&str], values: &[Value]) -> String {
    let headings: Vec<String> = columns.iter().map(|c| c.replace('_', " ")).collect();
    let mut table = crate::output::table(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for value in values {
        table.add_row(columns.iter().map(|c| cell(&value[*c])));
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_shown_as_what_they_are() {
        assert_eq!(blob(&Blob::json("{\"b\":1,\"a\":2}")).to_string(), "{\"b\":1,\"a\":2}");
        assert_eq!(blob(&Blob::json("{"))["hex"], "7b");
        assert_eq!(blob(&Blob::new(Encoding::PROTO3, vec![0xff]))["encoding"], 1);
    }

    #[test]
    fn a_cell_cannot_move_the_cursor() {
        assert_eq!(cell(&json!("a\u{1b}[2Jb\n")), "a\\u{1b}[2Jb\\n");
    }
}
