//! Documents: collections of JSON with declared indexes. Schemaless to write, indexed to read.
//!
//! | module | what |
//! |---|---|
//! | [`collection`] | documents as values of a Rust type |
//! | [`update`] | changing a document as one atomic step |
//! | [`definition`] | what a collection declares |
//! | [`path`], [`scalar`] | where values are in a document, and how they compare |
//! | [`value`] | checking a document; its attributes; the tuples of its index entries |
//! | [`limits`] | how much may be declared, the same on every database |
//! | [`filter`] | conditions, decided in one place for all drivers |
//! | [`plan`] | which index answers a query, and what of it |
//! | [`needed`] | what to declare so that a query is answered that no index answers |
//! | [`find`] | running a plan on whatever can read index entries: pages, order, budgets |
//! | [`mod@write`] | what a write does to a document, as a pure function |
//! | [`tells`] | what became of a write whose answer was lost |

pub(crate) mod alternatives;
pub mod collection;
mod conditions;
pub mod definition;
pub mod filter;
pub mod find;
mod form;
mod guess;
pub mod limits;
pub mod needed;
mod page;
pub mod path;
pub mod plan;
pub mod scalar;
mod shown;
pub mod tells;
pub(crate) mod tries;
mod undecided;
pub mod update;
pub mod value;
pub mod write;

pub(crate) use conditions::prefix as prefix_range;
pub use definition::{
    Arity, Attribute, CollectionDef, Direction, IdKind, IndexDef, IndexKey, Missing, Partitioning, Scope,
};
pub use filter::Filter;
pub use path::Path;
pub use scalar::{KeyType, Scalar, TimeUnit};

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use uuid::Uuid;

/// A document's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums)]
pub enum DocumentId {
    /// Of a collection of UUIDs; ordered by bytes.
    Uuid(Uuid),
    /// Of a collection of names; ordered by bytes.
    Text(String),
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DocumentId::Uuid(id) => id.fmt(f),
            DocumentId::Text(id) => id.fmt(f),
        }
    }
}

impl From<Uuid> for DocumentId {
    fn from(id: Uuid) -> Self {
        DocumentId::Uuid(id)
    }
}

impl From<&str> for DocumentId {
    fn from(id: &str) -> Self {
        DocumentId::Text(id.to_owned())
    }
}

impl From<String> for DocumentId {
    fn from(id: String) -> Self {
        DocumentId::Text(id)
    }
}

/// What names a document in its collection. Ordered by id, then by partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DocumentKey {
    /// The text that its collection is partitioned by; none where it is not.
    pub partition: Option<String>,
    /// Its id, unique in the partition.
    pub id: DocumentId,
}

impl DocumentKey {
    /// A document of a collection that is not partitioned by a value.
    pub fn new(id: impl Into<DocumentId>) -> Self {
        DocumentKey { partition: None, id: id.into() }
    }

    /// A document of a partition.
    pub fn within(partition: impl Into<String>, id: impl Into<DocumentId>) -> Self {
        DocumentKey { partition: Some(partition.into()), id: id.into() }
    }
}

impl Ord for DocumentKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.id.cmp(&other.id).then_with(|| self.partition.cmp(&other.partition))
    }
}

impl PartialOrd for DocumentKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.partition {
            Some(partition) => write!(f, "{partition} / {}", self.id),
            None => self.id.fmt(f),
        }
    }
}

/// A stored document. `Debug` shows the size of its body only: programs log what they ask and get.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// Its key.
    pub key: DocumentKey,
    /// Its version: 1 when it is created, one more with every write.
    pub version: i64,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last written.
    pub updated: Timestamp,
    /// When it was deleted softly; none while it lives.
    pub deleted: Option<Timestamp>,
    /// From when on nobody sees it any more.
    pub expires: Option<Timestamp>,
    /// What it holds: an object. The order of members and the way numbers are written are not kept.
    pub body: Value,
}

impl Document {
    /// Whether it has expired by then.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|t| t <= now)
    }
}
