//! The documents of one derived store: collections that change together, made when they are first missed.

use super::encoding;
use crate::context::Context;
use crate::document::tries::Tries;
use crate::document::write::{Action, DocumentWrite, Pre};
use crate::document::{CollectionDef, Document, DocumentKey, Filter, IdKind};
use crate::error::{Detail, Error, Outcome, Result};
use crate::ids::AttemptId;
use crate::page::Page;
use crate::store::*;
use crate::time::Timestamp;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::timeout_at;

/// How often a step is tried while others come first.
const TRIES: u32 = 100;
/// The id of the reserved document whose version is the version of its group.
const VERSION: &str = "version";
/// The longest document. A blob grows by a third when it is written as text.
const MAX_BYTES: u32 = 4 << 20;

/// What is stored in documents of one collection.
pub(super) trait Stored: Serialize + DeserializeOwned + Send {
    /// The collection.
    const COLLECTION: &'static str;
    /// What errors call it.
    const ENTITY: &'static str;
}

/// Something stored, and the version of its document.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub(super) value: T,
    pub(super) version: i64,
}

/// A collection of a derived store.
pub(super) fn collection<T: Stored>(id: IdKind) -> CollectionDef {
    CollectionDef::new(T::COLLECTION, id).max_bytes(MAX_BYTES)
}

/// The collection of the reserved document that counts the changes of a group.
pub(super) fn counter(group: &str) -> CollectionDef {
    CollectionDef::new(counter_of(group), IdKind::Text).in_one_partition().group(group)
}

fn counter_of(group: &str) -> String {
    format!("{group}_version")
}

/// The collections of one store.
pub(super) struct Family {
    documents: Arc<dyn DocumentStore>,
    group: &'static str,
    definitions: fn() -> Vec<CollectionDef>,
    ensured: Mutex<bool>,
}

impl Family {
    pub(super) fn new(
        documents: &Arc<dyn DocumentStore>,
        group: &'static str,
        definitions: fn() -> Vec<CollectionDef>,
    ) -> Self {
        Family { documents: documents.clone(), group, definitions, ensured: Mutex::new(false) }
    }

    /// Calls the document store; again, once the collections were made, if one was missing.
    async fn call<'a, T>(
        &'a self,
        cx: &'a Context,
        call: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync,
    ) -> Result<T> {
        match call().await {
            Err(e) if is_missing_collection(&e) => {}
            result => return result,
        }
        // Whatever became of the collections, the call itself did nothing so far.
        self.ensure(cx).await.map_err(|e| e.with_outcome(Outcome::NotApplied))?;
        call().await
    }

    /// Makes the collections, once for all callers of this process.
    async fn ensure(&self, cx: &Context) -> Result<()> {
        // Whoever makes them may have more time than this caller.
        let lock = self.ensured.lock();
        let mut ensured = match cx.deadline() {
            Some(deadline) => timeout_at(deadline.into(), lock)
                .await
                .map_err(|_| Error::timeout("document.ensure_collections"))?,
            None => lock.await,
        };
        if !*ensured {
            let req = EnsureCollections { definitions: (self.definitions)(), mode: EnsureMode::Apply };
            self.documents.ensure_collections(cx, &req).await?;
            *ensured = true;
        }
        Ok(())
    }

    async fn documents(
        &self,
        cx: &Context,
        collection: &str,
        keys: Vec<DocumentKey>,
    ) -> Result<Vec<Option<Document>>> {
        let req = GetDocuments { collection: collection.to_owned(), keys, deleted: Deleted::Hide };
        self.call(cx, || self.documents.get_documents(cx, &req)).await
    }

    /// What is stored under these keys, in their order.
    pub(super) async fn get_all<T: Stored>(
        &self,
        cx: &Context,
        keys: Vec<DocumentKey>,
    ) -> Result<Vec<Option<Held<T>>>> {
        let found = self.documents(cx, T::COLLECTION, keys).await?;
        found.into_iter().map(|d| d.map(held).transpose()).collect()
    }

    /// What is stored under a key.
    pub(super) async fn get<T: Stored>(&self, cx: &Context, key: DocumentKey) -> Result<Option<Held<T>>> {
        Ok(self.get_all(cx, vec![key]).await?.pop().flatten())
    }

    /// The version of the group: how often it was changed; 0 before the first time.
    pub(super) async fn version(&self, cx: &Context) -> Result<i64> {
        let found = self.documents(cx, &counter_of(self.group), vec![DocumentKey::new(VERSION)]).await?;
        Ok(found.into_iter().flatten().next().map_or(0, |d| d.version))
    }

    /// One page of what is stored. Its query has an index for all its conditions, so that its pages are full.
    pub(super) async fn find<T: Stored>(&self, cx: &Context, query: &FindDocuments) -> Result<Page<Held<T>>> {
        let page = self.call(cx, || self.documents.find_documents(cx, query)).await?;
        let items = page.documents.into_iter().map(held).collect::<Result<_>>()?;
        Ok(Page { items, next: page.next })
    }

    /// How many documents a filter holds of.
    pub(super) async fn count_found(&self, cx: &Context, collection: &str, filter: Filter) -> Result<u64> {
        let (deleted, scan) = (Deleted::Hide, ScanPolicy::Forbid);
        let req = CountDocuments { collection: collection.to_owned(), filter, deleted, scan };
        self.call(cx, || self.documents.count_documents(cx, &req)).await
    }

    /// Removes documents that have expired.
    pub(super) async fn sweep(
        &self,
        cx: &Context,
        collection: &str,
        limit: u32,
        before: Timestamp,
    ) -> Result<u64> {
        let req = SweepDocuments { collection: collection.to_owned(), limit, before };
        self.call(cx, || self.documents.sweep_documents(cx, &req)).await
    }

    /// Does a write that has no conditions.
    pub(super) async fn write_once(
        &self,
        cx: &Context,
        write: DocumentWrite,
        attempt: AttemptId,
    ) -> Result<()> {
        let req = WriteDocuments { writes: vec![write], attempt };
        self.call(cx, || self.documents.write_documents(cx, &req)).await.map(drop)
    }

    /// Writes documents if what they were decided on is still so. None when it is not, and the step is to begin again.
    pub(super) async fn write(
        &self,
        cx: &Context,
        tries: &mut Tries,
        writes: Vec<DocumentWrite>,
        attempt: AttemptId,
    ) -> Result<Option<Vec<Written>>> {
        let req = WriteDocuments { writes, attempt };
        match self.call(cx, || self.documents.write_documents(cx, &req)).await {
            Err(e) if e.is_conflict() && taken_index(&e).is_none() => {
                tries.again(self.too_many_writers()).await.map(|()| None)
            }
            result => result.map(Some),
        }
    }

    fn too_many_writers(&self) -> Error {
        let cause = format!("{TRIES} tries beside other writers");
        Error::new(Detail::ResourceExhausted { cause, scope: self.group.to_owned(), retry_after: None })
    }

    /// The tries of one step.
    pub(super) fn tries(&self) -> Tries {
        Tries::new(TRIES)
    }

    /// Counts a change of the group that had this version.
    pub(super) fn count(&self, version: i64) -> Result<DocumentWrite> {
        Ok(DocumentWrite {
            collection: counter_of(self.group),
            key: DocumentKey::new(VERSION),
            pre: at_version(version),
            action: Action::Put { body: encoding::encode(&serde_json::json!({}))?, expires: None },
        })
    }
}

/// A document of this version, 0 for none.
pub(super) fn at_version(version: i64) -> Pre {
    if version == 0 { Pre::Absent } else { Pre::Version(version) }
}

/// Stores a value if a condition holds.
pub(super) fn put<T: Stored>(
    key: DocumentKey,
    value: &T,
    pre: Pre,
    expires: Option<Timestamp>,
) -> Result<DocumentWrite> {
    let action = Action::Put { body: encoding::encode(value)?, expires };
    Ok(DocumentWrite { collection: T::COLLECTION.to_owned(), key, pre, action })
}

/// Removes a value if a condition holds.
pub(super) fn delete<T: Stored>(key: DocumentKey, pre: Pre) -> DocumentWrite {
    DocumentWrite { collection: T::COLLECTION.to_owned(), key, pre, action: Action::Delete }
}

fn held<T: Stored>(document: Document) -> Result<Held<T>> {
    let version = document.version;
    Ok(Held { value: encoding::decode(T::ENTITY, document)?, version })
}

/// The unique index that refused a write.
pub(super) fn taken_index(e: &Error) -> Option<&str> {
    match e.detail() {
        Detail::AlreadyExists { index, .. } => index.as_deref(),
        _ => None,
    }
}

pub(super) fn is_missing_collection(e: &Error) -> bool {
    matches!(e.detail(), Detail::NotFound { entity: "collection", .. })
}
