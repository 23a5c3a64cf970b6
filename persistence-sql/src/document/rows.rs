//! Documents as rows, and values as they are bound.

use crate::core::document::{
    CollectionDef, Document, DocumentId, DocumentKey, IdKind, KeyType, Partitioning, Scalar,
};
use crate::core::{Error, Result, Timestamp};
use crate::dialect::Json;
use crate::value::{Kind, SqlRow, Value};

/// Whether documents have a partition of their own to be named.
pub(super) fn is_partitioned(def: &CollectionDef) -> bool {
    matches!(def.partition, Partitioning::By(_))
}

/// The columns of the key.
pub(super) fn key_columns(def: &CollectionDef) -> &'static [&'static str] {
    if is_partitioned(def) { &["partition_key", "id"] } else { &["id"] }
}

fn id_kind(def: &CollectionDef) -> Kind {
    if def.id == IdKind::Uuid { Kind::Uuid } else { Kind::Text }
}

/// The kinds of the key's columns.
pub(super) fn key_kinds(def: &CollectionDef) -> Vec<Kind> {
    if is_partitioned(def) { vec![Kind::Text, id_kind(def)] } else { vec![id_kind(def)] }
}

/// What a document is read from, after its key.
pub(super) const REST: &[&str] = &["data", "version", "created_at", "updated_at", "deleted_at", "expires_at"];
const REST_KINDS: &[Kind] = &[Kind::Text, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int];

/// The kinds of a document's columns, id first.
pub(super) fn kinds_within(def: &CollectionDef) -> Vec<Kind> {
    [&[id_kind(def)], REST_KINDS].concat()
}

/// A document's columns, key first.
pub(super) fn columns(json: Json, def: &CollectionDef) -> String {
    let name = |c: &&'static str| if *c == "data" && json == Json::Postgres { "data::text" } else { *c };
    let columns: Vec<&str> = key_columns(def).iter().chain(REST).map(name).collect();
    columns.join(", ")
}

/// The kinds of a document's columns, key first.
pub(super) fn kinds(def: &CollectionDef) -> Vec<Kind> {
    [&*key_kinds(def), REST_KINDS].concat()
}

/// A key that was read.
pub(super) fn key(def: &CollectionDef, row: &mut SqlRow) -> Result<DocumentKey> {
    let partition = if is_partitioned(def) { Some(row.text()?) } else { None };
    Ok(DocumentKey { partition, id: id(def, row)? })
}

fn id(def: &CollectionDef, row: &mut SqlRow) -> Result<DocumentId> {
    Ok(match id_kind(def) {
        Kind::Uuid => DocumentId::Uuid(row.uuid()?),
        _ => DocumentId::Text(row.text()?),
    })
}

/// A document that was read, key first.
pub(super) fn document(def: &CollectionDef, row: &mut SqlRow) -> Result<Document> {
    let key = key(def, row)?;
    keyed(def, key, row)
}

/// A document that was read within a partition, id first.
pub(super) fn document_within(def: &CollectionDef, partition: &str, row: &mut SqlRow) -> Result<Document> {
    let key = DocumentKey { partition: Some(partition.to_owned()), id: id(def, row)? };
    keyed(def, key, row)
}

fn keyed(def: &CollectionDef, key: DocumentKey, row: &mut SqlRow) -> Result<Document> {
    let text = row.text()?;
    let body = serde_json::from_str(&text).map_err(|e| {
        Error::corrupted(format!("document {} {key}", def.name), "is not JSON").with_source(e)
    })?;
    Ok(Document {
        key,
        body,
        version: row.int()?,
        created: Timestamp(row.int()?),
        updated: Timestamp(row.int()?),
        deleted: row.opt_int()?.map(Timestamp),
        expires: row.opt_int()?.map(Timestamp),
    })
}

/// An id to bind.
pub(super) fn id_value(id: &DocumentId) -> Value {
    match id {
        DocumentId::Uuid(id) => Value::Uuid(*id),
        DocumentId::Text(id) => Value::Text(id.clone()),
    }
}

/// A key to bind.
pub(super) fn key_values(key: &DocumentKey) -> Vec<Value> {
    let partition = key.partition.as_deref().map(Value::from);
    partition.into_iter().chain([id_value(&key.id)]).collect()
}

/// A value of an attribute to bind.
pub(super) fn scalar(v: &Scalar) -> Value {
    match v {
        Scalar::Bool(b) => Value::Int((*b).into()),
        Scalar::I64(i) => Value::Int(*i),
        Scalar::F64(f) => Value::Float(*f),
        Scalar::Str(s) => Value::Text(s.clone()),
        Scalar::Uuid(id) => Value::Uuid(*id),
        Scalar::Time(t) => Value::Int(t.0),
    }
}

/// How values of a type are bound.
pub(super) fn kind_of(ty: KeyType) -> Kind {
    match ty {
        KeyType::F64 => Kind::Float,
        KeyType::Str { .. } => Kind::Text,
        KeyType::Uuid => Kind::Uuid,
        _ => Kind::Int,
    }
}
