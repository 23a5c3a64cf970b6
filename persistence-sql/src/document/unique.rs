//! Unique indexes: which one refused, and who holds its keys.

use super::put::remove_all;
use super::rows::{document, is_partitioned, kinds, scalar};
use super::source::TABLE;
use super::{names, rows};
use crate::core::document::{CollectionDef, Document, DocumentKey, IndexDef, Scalar, Scope};
use crate::core::{Detail, Error, Result, Timestamp};
use crate::dialect::Json;
use crate::reject::cause;
use crate::tx::Tx;
use crate::value::Value;

fn columns(def: &CollectionDef, index: &IndexDef) -> Vec<String> {
    let keys = index.keys.iter().filter_map(|k| def.attribute_named(&k.attribute)).map(names::column);
    let scoped = is_partitioned(def) && index.scope == Scope::Partition;
    scoped.then(|| "partition_key".to_owned()).into_iter().chain(keys).collect()
}

/// The unique index that a refusal is of; none where it is of the key, or of another table.
pub(super) fn violated<'d>(json: Json, def: &'d CollectionDef, e: &Error) -> Option<&'d IndexDef> {
    let said = cause(e)?;
    // SQLite names the columns; they come last, as the names of the others do, so that no value is taken for a name.
    let named =
        said.rsplit_once("constraint failed: ").map(|(_, columns)| columns).filter(|_| json == Json::Sqlite);
    let table = names::table(&def.name);
    let is = |index: &IndexDef| match named {
        Some(list) => {
            let found: Vec<&str> = list.split(", ").filter_map(|c| c.rsplit('.').next()).collect();
            list.contains(&table) && columns(def, index) == found
        }
        None => {
            let last = |open: &str, close: &str| {
                let end = said.rfind(close)?;
                Some(&said[said[..end].rfind(open)? + open.len()..end])
            };
            let name = last("constraint \"", "\"").or_else(|| last("for key '", "'")).unwrap_or_default();
            let name = name.rsplit('.').next().unwrap_or(name);
            name.ends_with(&names::index(def, index)) || name.ends_with(&names::live_index(def, index))
        }
    };
    def.indexes.iter().filter(|i| i.unique).find(|i| is(i))
}

/// What a document holds in the unique indexes: the index, the partition where each has its own, the values.
pub(super) fn keys<'d>(
    def: &'d CollectionDef,
    d: &'d Document,
) -> Vec<(&'d str, Option<&'d str>, Vec<Scalar>)> {
    let values = def.stored_values(&d.body);
    let partition = |index: &IndexDef| d.key.partition.as_deref().filter(|_| index.scope == Scope::Partition);
    let unique = def.indexes.iter().filter(|i| i.unique && !(i.live_only && d.deleted.is_some()));
    unique.flat_map(|i| i.tuples(&values).into_iter().map(|tuple| (&*i.name, partition(i), tuple))).collect()
}

/// What the caller is told.
pub(super) fn taken(def: &CollectionDef, d: &Document, index: &IndexDef) -> Error {
    Error::new(Detail::AlreadyExists {
        entity: "document",
        key: format!("{} {}", def.name, d.key),
        index: Some(index.name.clone()),
    })
}

/// Looks who holds the unique keys of a document that is to be stored: removes those that have expired, and refuses for the first
/// index of which another holds them. `leaves` tells who gives up its keys in the same write.
pub(super) async fn settle(
    tx: &mut Tx,
    def: &CollectionDef,
    d: &Document,
    now: Timestamp,
    leaves: &(dyn Fn(&DocumentKey) -> bool + Sync),
) -> Result<()> {
    let values = def.stored_values(&d.body);
    for index in def.indexes.iter().filter(|i| i.unique) {
        let columns = columns(def, index);
        for tuple in index.tuples(&values) {
            let scoped = columns.len() > tuple.len();
            let partition = d.key.partition.as_deref().filter(|_| scoped).map(Value::from);
            let args = partition.into_iter().chain(tuple.iter().map(scalar)).collect();
            let equal: Vec<String> = columns.iter().map(|c| format!("{c} = ?")).collect();
            let living = if index.live_only { " AND deleted_at IS NULL" } else { "" };
            let sql = format!(
                "SELECT {} FROM {} WHERE {}{living}{}",
                rows::columns(tx.dialect.json, def),
                names::table(&def.name),
                equal.join(" AND "),
                tx.dialect.for_update
            );
            let found = tx.query(TABLE, &sql, args, &kinds(def)).await?;
            let holders: Vec<Document> =
                found.into_iter().map(|mut row| document(def, &mut row)).collect::<Result<_>>()?;
            let (expired, others): (Vec<_>, Vec<_>) = holders
                .into_iter()
                .filter(|holder| holder.key != d.key && !leaves(&holder.key))
                .partition(|holder| holder.is_expired(now));
            if !others.is_empty() {
                return Err(taken(def, d, index));
            }
            remove_all(tx, def, &expired).await?;
        }
    }
    Ok(())
}
