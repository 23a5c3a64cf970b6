//! The fields that queries name: what they are called, where they are in a document, and what they hold.

use super::setup::Setup;
use crate::document::Path;
use crate::store::SearchAttributeType;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Status,
    /// The run's own id, which is the document's.
    Run,
    /// Milliseconds; an attribute.
    Time,
    /// When the run closed: open runs have [`super::OPEN`].
    Close,
    /// Milliseconds; no attribute, so that it is compared as a number.
    Millis,
    Whole,
    Number,
    Bool,
    List,
}

impl From<SearchAttributeType> for Kind {
    fn from(of: SearchAttributeType) -> Self {
        match of {
            SearchAttributeType::Keyword => Kind::Text,
            SearchAttributeType::KeywordList => Kind::List,
            SearchAttributeType::Int => Kind::Whole,
            SearchAttributeType::Double => Kind::Number,
            SearchAttributeType::Bool => Kind::Bool,
            SearchAttributeType::Datetime => Kind::Time,
        }
    }
}

/// A field of a query.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) path: Path,
    pub(super) kind: Kind,
    /// Whether an index begins with it.
    pub(super) indexed: bool,
    /// Whether records may lack it.
    pub(super) optional: bool,
}

/// The member with the start time.
pub(super) const START: &str = "start_time";
/// The member with the close time.
pub(super) const CLOSE: &str = "close_time";
/// The member with the status.
pub(super) const STATUS: &str = "status";

/// The built-in fields: name, member of the document, what it holds, whether it is indexed, whether it may be missing.
pub(super) const FIELDS: [(&str, &str, Kind, bool, bool); 17] = [
    ("WorkflowId", "workflow_id", Kind::Text, true, false),
    ("RunId", "run_id", Kind::Run, false, false),
    ("WorkflowType", "workflow_type", Kind::Text, true, false),
    ("StartTime", START, Kind::Time, true, false),
    ("CloseTime", CLOSE, Kind::Close, true, false),
    ("ExecutionStatus", STATUS, Kind::Status, true, false),
    ("ExecutionTime", "execution_time", Kind::Millis, false, false),
    ("ExecutionDuration", "execution_duration", Kind::Whole, false, true),
    ("TaskQueue", "task_queue", Kind::Text, false, false),
    ("HistoryLength", "history_length", Kind::Whole, false, false),
    ("HistorySizeBytes", "history_size_bytes", Kind::Whole, false, false),
    ("StateTransitionCount", "state_transition_count", Kind::Whole, false, false),
    ("ParentWorkflowId", "parent_workflow_id", Kind::Text, false, true),
    ("ParentRunId", "parent_run_id", Kind::Text, false, true),
    ("RootWorkflowId", "root_workflow_id", Kind::Text, false, true),
    ("RootRunId", "root_run_id", Kind::Text, false, true),
    ("ShardId", "shard_id", Kind::Whole, false, false),
];

/// A member of a document that is not part of its search attributes.
pub(super) fn member(name: &str) -> Path {
    path(name)
}

/// A search attribute: its name was checked when it was registered.
pub(super) fn custom(name: &str) -> Path {
    path(&format!("{CUSTOM}.{name}"))
}

/// The member that holds the search attributes.
pub(super) const CUSTOM: &str = "search_attributes";

fn path(text: &str) -> Path {
    text.parse().expect("letters, digits, _ and dots are a path")
}

/// The field of this name.
pub(super) fn field(setup: &Setup, name: &str) -> Option<Field> {
    if let Some((_, member, kind, indexed, optional)) = FIELDS.iter().find(|f| f.0 == name) {
        return Some(Field { path: path(member), kind: *kind, indexed: *indexed, optional: *optional });
    }
    let of = setup.attribute(name)?;
    Some(Field { path: custom(name), kind: of.into(), indexed: true, optional: true })
}
