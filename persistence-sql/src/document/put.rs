//! Documents as they are put and removed, with the entries that are tables of their own.

use super::access::{body_mark, keyed};
use super::rows::{key_columns, key_values};
use super::{entries, names};
use crate::core::Result;
use crate::core::document::{CollectionDef, Document, DocumentKey};
use crate::dialect::Json;
use crate::tx::{Tx, chunks};
use crate::value::Value;
use std::collections::BTreeMap;

/// Removes the row of a document.
pub(super) async fn remove(tx: &mut Tx, def: &CollectionDef, key: &DocumentKey) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE {}", names::table(&def.name), keyed(tx.dialect, def, 1));
    tx.execute(&sql, key_values(key)).await.map(drop)
}

/// The columns of a document beside its key, of which the last one are its attempts.
fn values(d: &Document, column: Vec<u8>) -> Vec<Value> {
    vec![
        Value::Text(d.body.to_string()),
        d.version.into(),
        d.created.0.into(),
        d.updated.0.into(),
        Value::opt(d.deleted.map(|t| t.0)),
        Value::opt(d.expires.map(|t| t.0)),
        column.into(),
    ]
}

/// Replaces the row of a document.
pub(super) async fn replace(tx: &mut Tx, def: &CollectionDef, d: &Document, column: Vec<u8>) -> Result<()> {
    let mut values = values(d, column);
    values.extend(key_values(&d.key));
    let key: Vec<String> = key_columns(def).iter().map(|c| format!("{c} = ?")).collect();
    let sql = format!(
        "UPDATE {} SET data = {}, version = ?, created_at = ?, updated_at = ?, deleted_at = ?, expires_at = ?, \
         attempts = ? WHERE {}",
        names::table(&def.name),
        body_mark(tx.dialect.json),
        key.join(" AND ")
    );
    tx.execute(&sql, values).await.map(drop)
}

/// New documents, several in each statement.
#[derive(Default)]
pub(super) struct Inserts(BTreeMap<(String, String), Vec<Vec<Value>>>);

/// The most documents of a statement: they may be long.
const DOCUMENTS: usize = 32;

impl Inserts {
    pub(super) fn add(&mut self, json: Json, def: &CollectionDef, d: &Document, column: Vec<u8>) {
        let key = key_columns(def);
        let insert = format!(
            "INSERT INTO {} ({}, data, version, created_at, updated_at, deleted_at, expires_at, attempts)",
            names::table(&def.name),
            key.join(", ")
        );
        let tuple = format!("({}{}, ?, ?, ?, ?, ?, ?)", "?, ".repeat(key.len()), body_mark(json));
        let row = key_values(&d.key).into_iter().chain(values(d, column)).collect();
        self.0.entry((insert, tuple)).or_default().push(row);
    }

    pub(super) async fn send(self, tx: &mut Tx) -> Result<()> {
        for ((insert, tuple), rows) in self.0 {
            for rows in chunks(rows, DOCUMENTS) {
                let sql = format!("{insert} VALUES {}", vec![&*tuple; rows.len()].join(", "));
                tx.execute(&sql, rows.into_iter().flatten().collect()).await?;
            }
        }
        Ok(())
    }
}

/// Removes documents that are there, with all of their entries.
pub(super) async fn remove_all(tx: &mut Tx, def: &CollectionDef, documents: &[Document]) -> Result<()> {
    for document in documents {
        remove(tx, def, &document.key).await?;
        entries::follow(tx, def, Some(document), None).await?;
    }
    Ok(())
}
