//! The entries of indexes with an attribute of several values, where they are a table of their own: written in the transaction that
//! writes the document.

use super::names;
use super::rows::{is_partitioned, key_columns, key_values, scalar};
use crate::core::Result;
use crate::core::document::{CollectionDef, Document, IndexDef};
use crate::dialect::{Dialect, Json, Upsert};
use crate::tx::{Tx, chunks};
use crate::value::{Kind, Value};

/// The most rows of a statement.
const ROWS: usize = 256;

/// The indexes whose entries are tables.
pub(super) fn tables(json: Json, def: &CollectionDef) -> impl Iterator<Item = &IndexDef> {
    let own = json != Json::Postgres;
    def.indexes.iter().filter(move |i| own && names::several(def, i).is_some())
}

/// The columns of a table of entries, those of the document's key first.
pub(super) fn columns(def: &CollectionDef, index: &IndexDef) -> Vec<String> {
    let keys = index.keys.iter().filter_map(|k| def.attribute_named(&k.attribute)).map(names::column);
    key_columns(def).iter().map(|c| (*c).to_owned()).chain(keys).collect()
}

/// The rows of a document.
pub(super) fn rows(def: &CollectionDef, index: &IndexDef, doc: Option<&Document>) -> Vec<Vec<Value>> {
    let Some(doc) = doc else { return Vec::new() };
    let tuples = index.tuples(&def.stored_values(&doc.body));
    let row = |tuple: Vec<_>| key_values(&doc.key).into_iter().chain(tuple.iter().map(scalar)).collect();
    tuples.into_iter().map(row).collect()
}

/// Adds rows; those that are there stay.
pub(super) async fn add(
    tx: &mut Tx,
    def: &CollectionDef,
    index: &IndexDef,
    rows: Vec<Vec<Value>>,
) -> Result<()> {
    let (columns, table) = (columns(def, index), names::entries(def, index));
    let nothing = match tx.dialect.upsert {
        Upsert::OnConflict => " ON CONFLICT DO NOTHING",
        Upsert::OnDuplicateKey => " ON DUPLICATE KEY UPDATE id = id",
    };
    for chunk in chunks(rows, ROWS) {
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES {}{nothing}",
            columns.join(", "),
            Dialect::tuples(columns.len(), chunk.len())
        );
        tx.execute(&sql, chunk.iter().flatten().cloned().collect()).await?;
    }
    Ok(())
}

/// How many of these rows are there.
pub(super) async fn found(
    tx: &mut Tx,
    def: &CollectionDef,
    index: &IndexDef,
    rows: Vec<Vec<Value>>,
) -> Result<usize> {
    let (columns, table) = (columns(def, index), names::entries(def, index));
    let columns: Vec<&str> = columns.iter().map(|c| &**c).collect();
    let mut found = 0;
    for chunk in chunks(rows, ROWS) {
        let sql = format!("SELECT count(*) FROM {table} WHERE {}", tx.dialect.key_in(&columns, chunk.len()));
        let args = chunk.into_iter().flatten().collect();
        let mut rows = tx.query("documents", &sql, args, &[Kind::Int]).await?;
        found += rows.pop().map(|mut row| row.int()).transpose()?.unwrap_or(0);
    }
    Ok(usize::try_from(found).unwrap_or(0))
}

async fn remove(tx: &mut Tx, def: &CollectionDef, index: &IndexDef, rows: Vec<Vec<Value>>) -> Result<()> {
    let (columns, table) = (columns(def, index), names::entries(def, index));
    // In the order of the key, so that it is entered from the left.
    let first = usize::from(is_partitioned(def));
    let place: Vec<usize> = (0..first).chain(first + 1..columns.len()).chain([first]).collect();
    let names: Vec<&str> = place.iter().map(|&i| &*columns[i]).collect();
    for chunk in chunks(rows, ROWS) {
        let sql = format!("DELETE FROM {table} WHERE {}", tx.dialect.key_in(&names, chunk.len()));
        let args = chunk.iter().flat_map(|row| place.iter().map(|&i| row[i].clone())).collect();
        tx.execute(&sql, args).await?;
    }
    Ok(())
}

/// A document as it was and as it is.
pub(super) type Followed<'a> = (&'a CollectionDef, Option<&'a Document>, Option<&'a Document>);

/// Makes the entries of a document follow it.
pub(super) async fn follow(
    tx: &mut Tx,
    def: &CollectionDef,
    before: Option<&Document>,
    after: Option<&Document>,
) -> Result<()> {
    follow_all(tx, &[(def, before, after)]).await
}

/// Makes the entries of documents follow them, those of an index together.
pub(super) async fn follow_all(tx: &mut Tx, documents: &[Followed<'_>]) -> Result<()> {
    let mut done: Vec<&str> = Vec::new();
    for (def, ..) in documents {
        if done.contains(&&*def.name) {
            continue;
        }
        done.push(&def.name);
        let of_collection = || documents.iter().filter(|d| d.0.name == def.name);
        for index in tables(tx.dialect.json, def) {
            let (mut gone, mut added) = (Vec::new(), Vec::new());
            for (_, before, after) in of_collection() {
                let (old, new) = (rows(def, index, *before), rows(def, index, *after));
                gone.extend(old.iter().filter(|row| !new.contains(row)).cloned());
                added.extend(new.into_iter().filter(|row| !old.contains(row)));
            }
            remove(tx, def, index, gone).await?;
            add(tx, def, index, added).await?;
        }
    }
    Ok(())
}
