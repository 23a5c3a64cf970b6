//! How rows travel to a procedure. For a wave, each list is a JSON array of arrays, which one statement joins, and what JSON
//! cannot hold lies in one byte string, by position. For one plan, rows lie one after the other in a byte string, for a loop:
//! numbers as twenty digits, lengths as ten, because casting digits is the quickest of MySQL's ways to read a number.

use super::super::rows::WaveRows;
use crate::value::{Kind, Value};
use std::fmt::Write;

/// The bytes of a wave's values.
#[derive(Default)]
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    /// Where bytes are, from 1.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let at = self.0.len() + 1;
        self.0.extend(bytes);
        at
    }

    /// A list as JSON; NULL if it is empty. Ids are a position, bytes are a position and a length.
    pub(super) fn list(&mut self, rows: &[Vec<Value>]) -> Value {
        if rows.is_empty() {
            return Value::Null(Kind::Text);
        }
        let mut json = String::with_capacity(64 * rows.len());
        for row in rows {
            json.push_str(if json.is_empty() { "[[" } else { "],[" });
            for (i, value) in row.iter().enumerate() {
                if i > 0 {
                    json.push(',');
                }
                self.value(&mut json, value);
            }
        }
        json.push_str("]]");
        Value::Text(json)
    }

    fn value(&mut self, json: &mut String, value: &Value) {
        let _ = match value {
            Value::Int(v) => write!(json, "{v}"),
            Value::Text(v) => return quote(json, v),
            Value::Uuid(v) => write!(json, "{}", self.put(v.as_bytes())),
            Value::Bytes(v) => write!(json, "{},{}", self.put(v), v.len()),
            _ => write!(json, "null"),
        };
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Value::from(bytes.0)
    }
}

/// A JSON string.
fn quote(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

/// A number's digits.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Int(v) => v.to_string(),
        _ => String::new(),
    }
}

/// The lists of one plan whose rows all belong to one run, one row after the other: clears, deletes, puts, tasks, nodes, branches.
pub(super) fn rows(rows: &WaveRows) -> Value {
    let mut out = Vec::new();
    // The plan's number and the run's key are not repeated.
    let lists = [
        (4, &rows.clears),
        (4, &rows.delete_items),
        (4, &rows.put_items),
        (1, &rows.tasks),
        (1, &rows.nodes),
        (1, &rows.branches),
    ];
    for (skip, list) in lists {
        list.iter().flat_map(|row| row.iter().skip(skip)).for_each(|value| put(&mut out, value));
    }
    out.into()
}

fn put(out: &mut Vec<u8>, value: &Value) {
    let with_length = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.extend(format!("{:010}", bytes.len()).as_bytes());
        out.extend(bytes);
    };
    match value {
        Value::Int(v) => out.extend(format!("{v:020}").as_bytes()),
        Value::Uuid(v) => out.extend(v.as_bytes()),
        Value::Text(v) => with_length(out, v.as_bytes()),
        Value::Bytes(v) => with_length(out, v),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_list_is_json_and_bytes() {
        let mut bytes = Bytes::default();
        let row = |n: i64, text: &str| {
            vec![n.into(), Value::from(text), Uuid::nil().into(), Value::from(b"abc".to_vec())]
        };
        let list = bytes.list(&[row(i64::MIN, "a\"\\\u{1}é"), row(2, " ")]);
        let json = "[[-9223372036854775808,\"a\\\"\\\\\\u0001é\",1,17,3],[2,\" \",20,36,3]]";
        assert_eq!(list, Value::from(json));
        assert_eq!(bytes.0.len(), 38);
        assert_eq!(bytes.list(&[]), Value::Null(Kind::Text));
    }

    #[test]
    fn numbers_have_twenty_digits() {
        let mut out = Vec::new();
        for v in [0, -1, i64::MIN, i64::MAX] {
            put(&mut out, &v.into());
        }
        put(&mut out, &"é".into());
        let text = "00000000000000000000-0000000000000000001-922337203685477580809223372036854775807";
        assert_eq!(out, format!("{text}0000000002é").as_bytes());
    }
}
