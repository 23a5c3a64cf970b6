//! Visibility: what runs there are and were, to be searched.

use super::request::requests;
use super::{ExecutionStatus, RunKey, ScanPolicy};
use crate::blob::Blob;
use crate::history::BranchToken;
use crate::ids::{Archetype, NamespaceId, RunId, ShardId};
use crate::page::{Page, PageRequest, PageToken};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What is known of a run at some time. The newest version is kept, in whatever order they come.
#[derive(Clone, Debug, PartialEq)]
pub struct VisibilityRecord {
    /// The run.
    pub run: RunKey,
    /// The version: the id of the visibility task that it comes from, larger for what is newer.
    pub version: i64,
    /// The shard of the run, from 1: where retention finds it.
    pub shard_id: ShardId,
    /// The kind of execution.
    pub archetype: Archetype,
    /// The type of the workflow: 1 to 255 characters without U+0000.
    pub workflow_type: String,
    /// The task queue; may be empty.
    pub task_queue: String,
    /// How the run stands.
    pub status: ExecutionStatus,
    /// When it started.
    pub start_time: Timestamp,
    /// When its first task was or will be due; the start time, unless that was put off.
    pub execution_time: Timestamp,
    /// When it closed; exactly the runs that stand as closed have one.
    pub close_time: Option<Timestamp>,
    /// Events.
    pub history_length: i64,
    /// Bytes of events.
    pub history_size_bytes: i64,
    /// State transitions.
    pub state_transition_count: i64,
    /// The run that started it.
    pub parent: Option<ExecutionRef>,
    /// The first of all that led to it.
    pub root: Option<ExecutionRef>,
    /// The branch of its history, where the engine knows it: retention deletes it.
    pub branch: Option<BranchToken>,
    /// What the engine keeps with it.
    pub memo: Option<Blob>,
    /// Values of registered search attributes.
    pub search_attributes: BTreeMap<String, SearchAttribute>,
}

/// Another execution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExecutionRef {
    /// The workflow id.
    pub workflow_id: String,
    /// The run.
    pub run_id: RunId,
}

/// The value of a search attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SearchAttribute {
    /// Text of at most 255 characters.
    Keyword(String),
    /// Several of them.
    KeywordList(Vec<String>),
    /// A whole number.
    Int(i64),
    /// A number; finite.
    Double(f64),
    /// A boolean.
    Bool(bool),
    /// A time.
    Datetime(Timestamp),
}

/// The type of a search attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SearchAttributeType {
    /// Text, compared by bytes.
    Keyword,
    /// Several texts, found by one of them.
    KeywordList,
    /// A whole number of 64 bits.
    Int,
    /// A number.
    Double,
    /// A boolean.
    Bool,
    /// A time.
    Datetime,
}

impl fmt::Display for SearchAttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SearchAttributeType::Keyword => "a keyword",
            SearchAttributeType::KeywordList => "a list of keywords",
            SearchAttributeType::Int => "a whole number",
            SearchAttributeType::Double => "a number",
            SearchAttributeType::Bool => "a boolean",
            SearchAttributeType::Datetime => "a time",
        })
    }
}

impl SearchAttribute {
    /// Its type.
    pub fn ty(&self) -> SearchAttributeType {
        match self {
            SearchAttribute::Keyword(_) => SearchAttributeType::Keyword,
            SearchAttribute::KeywordList(_) => SearchAttributeType::KeywordList,
            SearchAttribute::Int(_) => SearchAttributeType::Int,
            SearchAttribute::Double(_) => SearchAttributeType::Double,
            SearchAttribute::Bool(_) => SearchAttributeType::Bool,
            SearchAttribute::Datetime(_) => SearchAttributeType::Datetime,
        }
    }
}

/// See [`VisibilityStore::record_started`], [`VisibilityStore::record_closed`] and [`VisibilityStore::upsert_visibility`].
#[derive(Clone, Debug, PartialEq)]
pub struct RecordVisibility {
    /// The record.
    pub record: VisibilityRecord,
}

/// See [`VisibilityStore::delete_visibility`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteVisibility {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The run.
    pub run_id: RunId,
    /// Records of this version and older ones are deleted, and do not come back; `i64::MAX` for all.
    pub version: i64,
    /// For how long they do not come back; at least 1 ms.
    pub remember: Duration,
}

impl DeleteVisibility {
    /// For how long a deletion is remembered, unless somebody knows better: longer than a task is ever under way.
    pub const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

    /// Deletes all there is of a run, remembered for [`DeleteVisibility::REMEMBER`].
    pub fn all(namespace_id: NamespaceId, run_id: RunId) -> Self {
        DeleteVisibility { namespace_id, run_id, version: i64::MAX, remember: Self::REMEMBER }
    }
}

/// See [`VisibilityStore::get_visibility`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetVisibility {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// The run.
    pub run_id: RunId,
}

/// See [`VisibilityStore::list_visibility`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListVisibility {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// What is asked for, in the language of [`crate::derived::visibility::query`]; empty for everything.
    pub query: String,
    /// How much, and from where.
    pub page: PageRequest,
    /// Whether records may be read that no index chose, and how many in one call.
    pub scan: ScanPolicy,
}

impl ListVisibility {
    /// The first page of a query that an index answers.
    pub fn new(namespace_id: NamespaceId, query: impl Into<String>, size: u32) -> Self {
        ListVisibility {
            namespace_id,
            query: query.into(),
            page: PageRequest::first(size),
            scan: ScanPolicy::Forbid,
        }
    }
}

/// One page of records.
#[derive(Clone, Debug, PartialEq)]
pub struct VisibilityPage {
    /// The records, in the query's order.
    pub records: Vec<VisibilityRecord>,
    /// Where the next page begins; none when there is nothing more.
    pub next: Option<PageToken>,
    /// The call looked at as many records as it may: the page is short, perhaps empty, and there may be more.
    pub budget_exhausted: bool,
}

/// See [`VisibilityStore::count_visibility`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountVisibility {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// What is counted; see [`ListVisibility::query`].
    pub query: String,
    /// Whether records may be read that no index chose, and how many.
    pub scan: ScanPolicy,
}

/// How many records there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VisibilityCount {
    /// All of them.
    pub count: u64,
    /// By status, of which there are some; empty unless the query groups.
    pub groups: BTreeMap<ExecutionStatus, u64>,
}

/// See [`VisibilityStore::set_up_visibility`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetUpVisibility {
    /// Partitions of each namespace, 1 to 64; none for whatever it is, which is 4 where nobody chose. It never changes.
    pub partitions: Option<u16>,
    /// Search attributes to register: a letter, then up to 63 letters, digits and `_`. There are 40 at most.
    pub search_attributes: BTreeMap<String, SearchAttributeType>,
}

/// See [`VisibilityStore::get_visibility_setup`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetVisibilitySetup {}

/// What the store is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisibilitySetup {
    /// Partitions of each namespace.
    pub partitions: u16,
    /// The registered search attributes.
    pub search_attributes: BTreeMap<String, SearchAttributeType>,
}

/// See [`VisibilityStore::list_visibility_namespaces`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListVisibilityNamespaces {
    /// How much, and from where.
    pub page: PageRequest,
}

/// See [`VisibilityStore::sweep_visibility`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepVisibility {
    /// At most this many deletions are forgotten; 0 is `InvalidArgument`.
    pub limit: u32,
}

requests! {
    sharded: ;
    unsharded: RecordVisibility, DeleteVisibility, GetVisibility, ListVisibility, CountVisibility, SetUpVisibility,
        GetVisibilitySetup, ListVisibilityNamespaces, SweepVisibility
}

store! {
    /// Records of runs, to be searched.
    ///
    /// *Key columns*: namespace, run. *Versions*: of a run's records and deletions the newest counts, in whatever order they
    /// come; an older one is dropped silently, and so is a record of the same version.
    ///
    /// *Consistency*: what was acknowledged is found. Nothing is atomic with the run itself.
    ///
    /// *Order*: by close time, newest first, open runs before all; then by start time, newest first; then by run id.
    /// `ORDER BY` an indexed field: then by close time and start time, newest first where the field ascends and oldest first
    /// where it descends.
    ///
    /// *Indexes*: close time, start time, workflow type, workflow id, status, and every search attribute. A query must have a
    /// condition that one of them decides; the others are decided on the records that it finds, at most 10,000 a call unless
    /// [`ScanPolicy::Allow`] says otherwise.
    pub trait VisibilityStore via visibility named "visibility" {
        /// Keeps the record of a run that started. Must return `InvalidArgument` if it stands as closed.
        idempotent fn record_started(RecordVisibility) -> ();

        /// Keeps the record of a run that closed. Must return `InvalidArgument` if it does not stand as closed.
        idempotent fn record_closed(RecordVisibility) -> ();

        /// Keeps the record of a run.
        idempotent fn upsert_visibility(RecordVisibility) -> ();

        /// Deletes a run's record. What is older does not come back while the deletion is remembered, also when there was no
        /// record yet.
        idempotent fn delete_visibility(DeleteVisibility) -> ();

        /// A run's record. Must return `NotFound` if there is none.
        read fn get_visibility(GetVisibility) -> VisibilityRecord;

        /// One page of a query. Must return `InvalidArgument` with the place if it cannot be understood, `Unindexed` if no index
        /// decides any of it.
        read fn list_visibility(ListVisibility) -> VisibilityPage;

        /// How many records a query finds, by status with `GROUP BY ExecutionStatus`. Errors as for listing.
        read fn count_visibility(CountVisibility) -> VisibilityCount;

        /// Registers search attributes, each with an index that is built while everything goes on. Must return
        /// `AlreadyExists` if one is registered with another type, `ConditionFailed` for another number of partitions, `TooLarge`
        /// for too many attributes.
        idempotent fn set_up_visibility(SetUpVisibility) -> VisibilitySetup;

        /// What the store is made of.
        read fn get_visibility_setup(GetVisibilitySetup) -> VisibilitySetup;

        /// The namespaces that ever had a record, by id.
        read fn list_visibility_namespaces(ListVisibilityNamespaces) -> Page<NamespaceId>;

        /// Forgets deletions whose time has come. Returns how many.
        idempotent fn sweep_visibility(SweepVisibility) -> u64;
    }
}
