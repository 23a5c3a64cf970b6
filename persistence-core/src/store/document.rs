//! Collections of JSON documents with declared indexes.

use super::request::requests;
use crate::document::definition::identifier;
use crate::document::plan::OrderBy;
use crate::document::write::DocumentWrite;
use crate::document::{CollectionDef, Direction, Document, DocumentKey, Filter};
use crate::error::{Error, Result};
use crate::ids::AttemptId;
use crate::page::{PageRequest, PageToken};
use crate::time::Timestamp;
use crate::validate;
use serde::{Deserialize, Serialize};

/// See [`DocumentStore::ensure_collections`].
#[derive(Clone, Debug, PartialEq)]
pub struct EnsureCollections {
    /// The collections as they should be.
    pub definitions: Vec<CollectionDef>,
    /// Whether to change anything.
    pub mode: EnsureMode,
}

/// What to do about collections that are not as they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnsureMode {
    /// Tell what would be done.
    Plan,
    /// Do it. What there is goes by its name; where everything is there, nothing is sent but reads.
    Apply,
    /// Tell what is not as it should be in the database itself, too.
    Verify,
    /// Do it, and make anew what somebody made otherwise under its name, where the database keeps columns and indexes itself. An
    /// index is not there meanwhile.
    Repair,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// The changes, in order; none when everything was as it should be.
    pub changes: Vec<CollectionChange>,
}

/// One change of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionChange {
    /// The collection.
    pub collection: String,
    /// What was done, or would be, in words.
    pub what: String,
}

/// See [`DocumentStore::get_collection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetCollection {
    /// The collection.
    pub collection: String,
}

/// See [`DocumentStore::get_documents`].
#[derive(Clone, Debug, PartialEq)]
pub struct GetDocuments {
    /// The collection.
    pub collection: String,
    /// The documents.
    pub keys: Vec<DocumentKey>,
    /// Whether those are given that were deleted softly.
    pub deleted: Deleted,
}

/// Whether documents that were deleted softly are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum Deleted {
    /// They are not.
    #[default]
    Hide,
    /// Only they are.
    Only,
    /// As all others.
    Any,
}

/// See [`DocumentStore::write_documents`].
#[derive(Clone, Debug, PartialEq)]
pub struct WriteDocuments {
    /// The writes, of distinct documents; at least one.
    pub writes: Vec<DocumentWrite>,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// What became of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The document as this write left it, whatever others did since; none where it left none, and for a check.
    pub document: Option<Document>,
    /// Whether anything was changed.
    pub changed: bool,
}

/// Whether a query may read documents that no condition chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum ScanPolicy {
    /// It may not; it fails with `Unindexed`, which names the indexes to declare, or says what no index can decide.
    #[default]
    Forbid,
    /// It may look at so many.
    Allow {
        /// Documents; 0 is `InvalidArgument`.
        max_documents: u32,
    },
}

impl ScanPolicy {
    /// How many documents may be looked at: what is allowed, or what is usual. None at all would end every page before it begins.
    pub(crate) fn budget(self, usual: usize) -> Result<usize> {
        match self {
            ScanPolicy::Forbid => Ok(usual),
            ScanPolicy::Allow { max_documents: 0 } => {
                Err(Error::invalid("scan.max_documents", "must be at least 1"))
            }
            ScanPolicy::Allow { max_documents } => Ok(max_documents as usize),
        }
    }
}

/// See [`DocumentStore::find_documents`].
#[derive(Clone, Debug, PartialEq)]
pub struct FindDocuments {
    /// The collection.
    pub collection: String,
    /// What must hold.
    pub filter: Filter,
    /// The order, before ids.
    pub order: Vec<OrderBy>,
    /// The direction of ids; by default that of the order's last key, and ascending without one.
    pub id_order: Option<Direction>,
    /// How much, and from where.
    pub page: PageRequest,
    /// Whether documents are seen that were deleted softly.
    pub deleted: Deleted,
    /// Whether documents may be read that no condition chose.
    pub scan: ScanPolicy,
    /// The index to use, by name; none for the best.
    pub hint: Option<String>,
}

impl FindDocuments {
    /// The first page, in the order of ids.
    pub fn new(collection: impl Into<String>, filter: Filter, size: u32) -> Self {
        FindDocuments {
            collection: collection.into(),
            filter,
            order: Vec::new(),
            id_order: None,
            page: PageRequest::first(size),
            deleted: Deleted::Hide,
            scan: ScanPolicy::Forbid,
            hint: None,
        }
    }
}

/// One page of documents.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentPage {
    /// The documents, in the query's order.
    pub documents: Vec<Document>,
    /// Where the next page begins; none when there is nothing more.
    pub next: Option<PageToken>,
    /// The call looked at as many documents as it may: the page is short, perhaps empty, and there may be more.
    pub budget_exhausted: bool,
    /// Documents looked at.
    pub examined: u64,
}

/// How a query is answered, the same on every driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    /// What is read first, and sorted, if it finds at most 1,000 documents: an index that decides more than the one that has the
    /// order. Only if it finds more are the others read.
    pub narrow: Option<ExplainedAccess>,
    /// What is read; several for alternatives.
    pub accesses: Vec<ExplainedAccess>,
    /// Whether the order comes from the index; else everything is read and sorted.
    pub order_from_index: bool,
    /// Whether documents are read that no condition chose.
    pub scan: bool,
}

/// One read of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedAccess {
    /// The index; none for the order of ids.
    pub index: Option<String>,
    /// How many partitions; none for all.
    pub partitions: Option<usize>,
    /// The attributes that are given by equality or a list.
    pub equal: Vec<String>,
    /// The attribute that is given by a range.
    pub range: Option<String>,
    /// Whether a range of ids is given.
    pub ids: bool,
    /// Whether some conditions are decided on the documents that are found.
    pub residual: bool,
}

/// See [`DocumentStore::count_documents`].
#[derive(Clone, Debug, PartialEq)]
pub struct CountDocuments {
    /// The collection.
    pub collection: String,
    /// What must hold.
    pub filter: Filter,
    /// Whether documents are seen that were deleted softly.
    pub deleted: Deleted,
    /// Whether documents may be read that no condition chose.
    pub scan: ScanPolicy,
}

/// See [`DocumentStore::sweep_documents`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepDocuments {
    /// The collection.
    pub collection: String,
    /// At most this many documents are removed; 0 is `InvalidArgument`.
    pub limit: u32,
    /// What expired before then is removed; never later than now.
    pub before: Timestamp,
}

requests! {
    sharded: ;
    unsharded:
        EnsureCollections => |r| validate::definitions(&r.definitions),
        GetCollection => |r| identifier(&r.collection),
        GetDocuments => |r| identifier(&r.collection),
        WriteDocuments => |r| validate::writes(&r.writes),
        FindDocuments => |r| identifier(&r.collection),
        CountDocuments => |r| identifier(&r.collection),
        SweepDocuments => |r| {
            identifier(&r.collection)?;
            validate::limit(r.limit)
        },
}

store! {
    /// Collections of documents.
    ///
    /// Every operation but `ensure_collections` must return `NotFound` for a collection that was never ensured. What indexes
    /// there are is what was ensured last, by whomever.
    pub trait DocumentStore via documents named "document" behind a front {
        /// Makes collections and their indexes as they are declared. Idempotent; safe beside other writers and other calls of
        /// itself; a call that was interrupted is completed by the next one.
        idempotent fn ensure_collections(EnsureCollections) -> Ensured;

        /// A collection as it was ensured last, by whomever.
        read fn get_collection(GetCollection) -> CollectionDef;

        /// Documents by key, in the order asked; none where there is none, or where it is hidden.
        read fn get_documents(GetDocuments) -> Vec<Option<Document>>;

        /// Writes documents, all or none. Documents of one partition of one group may be written together on every driver;
        /// others only with capability `cross_partition`. Where an answer was lost and nothing stored is left that tells, an error must
        /// say `MaybeApplied`: of a document that was there before and was deleted meanwhile, and of a removal in a call with conditions.
        write fn write_documents(WriteDocuments) -> Vec<Written>;

        /// One page of a query.
        read fn find_documents(FindDocuments) -> DocumentPage;

        /// How many documents a filter holds of.
        read fn count_documents(CountDocuments) -> u64;

        /// How a query would be answered by the indexes that there are now; no document is read.
        read fn explain_documents(FindDocuments) -> Explain;

        /// Removes expired documents. Returns how many.
        idempotent fn sweep_documents(SweepDocuments) -> u64;
    }
}
