//! Documents by key.

use super::absence::SHARE;
use super::access::keyed;
use super::names;
use super::rows::{self, key_columns, key_kinds, kinds};
use super::source::TABLE;
use crate::core::Result;
use crate::core::document::{CollectionDef, Document};
use crate::dialect::Json;
use crate::tx::{Statement, Tx};
use crate::value::{Kind, Value};

/// The most keys of a statement.
const KEYS: usize = 256;

/// Documents by key, each with its attempts; `suffix` is what locks them, `share` the lock of those who insert. Who locks gives the
/// keys in their order: on PostgreSQL they are locked in the order in which they are given.
pub(super) async fn select(
    tx: &mut Tx,
    def: &CollectionDef,
    keys: Vec<Vec<Value>>,
    suffix: &str,
    share: Option<Value>,
) -> Result<Vec<(Document, Vec<u8>)>> {
    let (kinds, mut found) = ([kinds(def), vec![Kind::Bytes]].concat(), Vec::new());
    for chunk in keys.chunks(KEYS) {
        let (sql, args) = match chunk {
            [_, _, ..] if tx.dialect.json == Json::Postgres => each(def, chunk, suffix, share.clone()),
            _ => together(tx, def, chunk.to_vec(), suffix, share.clone()),
        };
        for mut row in tx.query(TABLE, &sql, args, &kinds).await? {
            let document = rows::document(def, &mut row)?;
            found.push((document, row.bytes()?.into()));
        }
    }
    Ok(found)
}

fn sharing(share: Option<&Value>) -> &'static str {
    if share.is_some() { SHARE } else { "" }
}

/// One list of keys.
fn together(
    tx: &Tx,
    def: &CollectionDef,
    mut keys: Vec<Vec<Value>>,
    suffix: &str,
    share: Option<Value>,
) -> Statement {
    // Up to a power of two with the last key again, which finds nothing twice.
    if let Some(last) = keys.last().cloned() {
        keys.resize(keys.len().next_power_of_two(), last);
    }
    // Of few rows MySQL would read all, and lock those of other writers.
    let by_key = if tx.dialect.json == Json::Mysql { " FORCE INDEX (PRIMARY)" } else { "" };
    let sql = format!(
        "SELECT {}, attempts FROM {}{by_key} WHERE {}{} ORDER BY {}{suffix}",
        rows::columns(tx.dialect.json, def),
        names::table(&def.name),
        keyed(tx.dialect, def, keys.len()),
        sharing(share.as_ref()),
        key_columns(def).join(", ")
    );
    (sql, keys.into_iter().flatten().chain(share).collect())
}

/// Of PostgreSQL: one key after the other, by the primary key. For a list of them it plans to read all of a table that is small or
/// new, and keeps to that plan while the table grows.
fn each(def: &CollectionDef, keys: &[Vec<Value>], suffix: &str, share: Option<Value>) -> Statement {
    let columns = key_columns(def);
    let list = |(i, kind): (usize, Kind)| Value::List(kind, keys.iter().map(|k| k[i].clone()).collect());
    let lists = key_kinds(def).into_iter().enumerate().map(list);
    let is: Vec<String> = columns.iter().map(|c| format!("t.{c} = k.{c}")).collect();
    let names = columns.join(", ");
    let read: Vec<String> =
        rows::columns(Json::Postgres, def).split(", ").map(|c| format!("d.{c}")).collect();
    let sql = format!(
        "SELECT {}, d.attempts FROM unnest({}) AS k ({names}) \
         CROSS JOIN LATERAL (SELECT t.* FROM {} AS t WHERE {}{suffix}) AS d WHERE TRUE{}",
        read.join(", "),
        vec!["?"; columns.len()].join(", "),
        names::table(&def.name),
        is.join(" AND "),
        sharing(share.as_ref()),
    );
    (sql, lists.chain(share).collect())
}
