//! Records as documents.

use super::fields::CUSTOM;
use super::setup::{LIVE, PARTITION, Setup};
use super::{OPEN, status};
use crate::blob::Blob;
use crate::derived::encoding::{self, base64, blob};
use crate::document::{Document, DocumentId, DocumentKey};
use crate::error::{Error, Result};
use crate::history::BranchToken;
use crate::ids::{Archetype, NamespaceId, RunId, ShardId};
use crate::store::{ExecutionRef, RunKey, SearchAttribute, SearchAttributeType, VisibilityRecord};
use crate::time::Timestamp;
use crate::validate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

const ENTITY: &str = "visibility record";

/// The partition of a run.
pub(super) fn partition(setup: &Setup, namespace_id: NamespaceId, run_id: RunId) -> String {
    let of = u64::from(setup.partitions.max(1));
    nth(namespace_id, xxh3_64(run_id.0.as_bytes()) % of)
}

/// All partitions of a namespace.
pub(super) fn partitions(setup: &Setup, namespace_id: NamespaceId) -> Vec<String> {
    (0..u64::from(setup.partitions.max(1))).map(|n| nth(namespace_id, n)).collect()
}

fn nth(namespace_id: NamespaceId, n: u64) -> String {
    format!("{namespace_id}/{n}")
}

/// The document of a run.
pub(super) fn key(setup: &Setup, namespace_id: NamespaceId, run_id: RunId) -> DocumentKey {
    DocumentKey::within(partition(setup, namespace_id, run_id), run_id.0)
}

/// A record as it is stored. Its run is the document's id.
#[derive(Serialize, Deserialize)]
struct Body {
    partition: String,
    live: bool,
    version: i64,
    namespace_id: NamespaceId,
    workflow_id: String,
    workflow_type: String,
    task_queue: String,
    status: String,
    start_time: Timestamp,
    execution_time: Timestamp,
    close_time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution_duration: Option<i64>,
    history_length: i64,
    history_size_bytes: i64,
    state_transition_count: i64,
    shard_id: i32,
    archetype: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_workflow_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_run_id: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_workflow_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_run_id: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    branch: Option<Branch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memo: Option<Memo>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    search_attributes: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Branch(#[serde(with = "base64")] bytes::Bytes);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Memo(#[serde(with = "blob")] Blob);

/// The document of a record.
pub(super) fn body(partition: &str, r: &VisibilityRecord) -> Result<Value> {
    let of = |e: &Option<ExecutionRef>| e.clone().map(|e| (e.workflow_id, e.run_id)).unzip();
    let (parent_workflow_id, parent_run_id) = of(&r.parent);
    let (root_workflow_id, root_run_id) = of(&r.root);
    let custom = r.search_attributes.iter().map(|(name, value)| (name.clone(), to_json(value)));
    encoding::encode(&Body {
        partition: partition.to_owned(),
        live: true,
        version: r.version,
        namespace_id: r.run.namespace_id,
        workflow_id: r.run.workflow_id.clone(),
        workflow_type: r.workflow_type.clone(),
        task_queue: r.task_queue.clone(),
        status: status::name(r.status).to_owned(),
        start_time: r.start_time,
        execution_time: r.execution_time,
        close_time: r.close_time.unwrap_or(OPEN),
        execution_duration: r.close_time.map(|t| t.0.saturating_sub(r.execution_time.0)),
        history_length: r.history_length,
        history_size_bytes: r.history_size_bytes,
        state_transition_count: r.state_transition_count,
        shard_id: r.shard_id.0,
        archetype: r.archetype.0,
        parent_workflow_id,
        parent_run_id,
        root_workflow_id,
        root_run_id,
        branch: r.branch.as_ref().map(|b| Branch(bytes::Bytes::copy_from_slice(b.as_bytes()))),
        memo: r.memo.clone().map(Memo),
        search_attributes: custom.collect(),
    })
}

/// The document of a deletion.
pub(super) fn tombstone(partition: &str, version: i64) -> Result<Value> {
    encoding::encode(&json!({PARTITION: partition, LIVE: false, "version": version}))
}

/// Whether a document is a deletion, and its version.
pub(super) fn version(document: &Document) -> Result<(bool, i64)> {
    let live = document.body.get(LIVE).and_then(Value::as_bool);
    let version = document.body.get("version").and_then(Value::as_i64);
    match (live, version) {
        (Some(live), Some(version)) => Ok((!live, version)),
        _ => Err(Error::corrupted(format!("{ENTITY} {}", document.key), "it has no version")),
    }
}

/// The record of a document.
pub(super) fn record(setup: &Setup, document: Document) -> Result<VisibilityRecord> {
    let name = document.key.to_string();
    let broken = |problem: &str| Error::corrupted(format!("{ENTITY} {name}"), problem);
    let DocumentId::Uuid(run_id) = document.key.id else { return Err(broken("its id is no run")) };
    let b: Body = encoding::decode(ENTITY, document)?;
    let of = |workflow_id: Option<String>, run_id| {
        Some(ExecutionRef { workflow_id: workflow_id?, run_id: run_id? })
    };
    let memo = b.memo.map(|m| m.0);
    if let Some(memo) = &memo {
        memo.verify(ENTITY)?;
    }
    let mut search_attributes = BTreeMap::new();
    for (attribute, value) in b.search_attributes {
        let read = setup.attribute(&attribute).and_then(|of| from_json(of, &value));
        let read =
            read.ok_or_else(|| broken(&format!("search attribute {attribute} is not as it is registered")))?;
        search_attributes.insert(attribute, read);
    }
    Ok(VisibilityRecord {
        run: RunKey { namespace_id: b.namespace_id, workflow_id: b.workflow_id, run_id: RunId(run_id) },
        version: b.version,
        shard_id: ShardId(b.shard_id),
        archetype: Archetype(b.archetype),
        workflow_type: b.workflow_type,
        task_queue: b.task_queue,
        status: status::of_name(&b.status).ok_or_else(|| broken("its status is unknown"))?,
        start_time: b.start_time,
        execution_time: b.execution_time,
        close_time: Some(b.close_time).filter(|t| *t != OPEN),
        history_length: b.history_length,
        history_size_bytes: b.history_size_bytes,
        state_transition_count: b.state_transition_count,
        parent: of(b.parent_workflow_id, b.parent_run_id),
        root: of(b.root_workflow_id, b.root_run_id),
        branch: b.branch.map(|b| BranchToken::from_bytes(b.0)),
        memo,
        search_attributes,
    })
}

/// The search attributes that a document has, for whoever does not know all that are registered.
pub(super) fn has_unknown(setup: &Setup, document: &Document) -> bool {
    let custom = document.body.get(CUSTOM).and_then(Value::as_object);
    custom.is_some_and(|all| all.keys().any(|name| setup.attribute(name).is_none()))
}

fn to_json(value: &SearchAttribute) -> Value {
    match value {
        SearchAttribute::Keyword(text) => json!(text),
        SearchAttribute::KeywordList(texts) => json!(texts),
        SearchAttribute::Int(n) => json!(n),
        SearchAttribute::Double(n) => json!(n),
        SearchAttribute::Bool(b) => json!(b),
        SearchAttribute::Datetime(t) => json!(t.0),
    }
}

fn from_json(of: SearchAttributeType, value: &Value) -> Option<SearchAttribute> {
    Some(match of {
        SearchAttributeType::Keyword => SearchAttribute::Keyword(value.as_str()?.to_owned()),
        SearchAttributeType::KeywordList => {
            let texts = value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned));
            SearchAttribute::KeywordList(texts.collect::<Option<_>>()?)
        }
        SearchAttributeType::Int => SearchAttribute::Int(value.as_i64()?),
        SearchAttributeType::Double => SearchAttribute::Double(value.as_f64()?),
        SearchAttributeType::Bool => SearchAttribute::Bool(value.as_bool()?),
        SearchAttributeType::Datetime => SearchAttribute::Datetime(Timestamp(value.as_i64()?)),
    })
}

/// Checks what needs no database.
pub(super) fn check(r: &VisibilityRecord) -> Result<()> {
    validate::run_key(&r.run)?;
    validate::shard(r.shard_id)?;
    validate::archetype(r.archetype)?;
    validate::name("workflow_type", &r.workflow_type)?;
    if !r.task_queue.is_empty() {
        validate::name("task_queue", &r.task_queue)?;
    }
    for other in r.parent.iter().chain(&r.root) {
        validate::name("workflow_id", &other.workflow_id)?;
    }
    let counts = [r.history_length, r.history_size_bytes, r.state_transition_count];
    if counts.iter().any(|n| *n < 0) {
        return Err(Error::invalid("record", "lengths and counts must not be negative"));
    }
    if r.close_time.is_some() != status::is_closed(r.status) {
        return Err(Error::invalid("record.close_time", "exactly runs that stand as closed have one"));
    }
    if r.close_time.is_some_and(|t| t >= OPEN) {
        return Err(Error::invalid("record.close_time", "must be before the end of the year 9999"));
    }
    for (name, value) in &r.search_attributes {
        let texts: &[String] = match value {
            SearchAttribute::Keyword(text) => std::slice::from_ref(text),
            SearchAttribute::KeywordList(texts) => texts,
            SearchAttribute::Double(n) if !n.is_finite() => {
                return Err(Error::invalid("search_attributes", format!("{name} must be finite")));
            }
            _ => &[],
        };
        for text in texts.iter().filter(|t| !t.is_empty()) {
            validate::name("search_attributes", text)?;
        }
    }
    Ok(())
}

/// Checks the search attributes against those that are registered.
pub(super) fn check_attributes(setup: &Setup, r: &VisibilityRecord) -> Result<()> {
    for (name, value) in &r.search_attributes {
        match setup.attribute(name) {
            Some(of) if of == value.ty() => {}
            Some(of) => {
                let rule = format!("{name} is registered as {of}, not as {}", value.ty());
                return Err(Error::invalid("search_attributes", rule));
            }
            None => return Err(Error::invalid("search_attributes", format!("{name} is not registered"))),
        }
    }
    Ok(())
}
