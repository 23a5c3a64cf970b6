//! Documents as values of a Rust type: the definition next to the type, and atomic read-modify-write.

use super::definition::CollectionDef;
use super::filter::Filter;
use super::shown::unfit;
use super::update::update_document;
use super::write::{Action, DocumentWrite, Pre};
use super::{Document, DocumentKey};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ids::AttemptId;
use crate::page::{PageRequest, PageToken};
use crate::persistence::Persistence;
use crate::store::*;
use crate::time::Timestamp;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;
use std::sync::Arc;

mod many;

pub use super::update::{DEFAULT_TRIES, Update};
pub use many::Changed;

/// A type whose values are documents of one collection.
pub trait Documented: Serialize + DeserializeOwned + Send + Sync {
    /// What its collection declares.
    fn definition() -> CollectionDef;

    /// The key of this value.
    fn key(&self) -> DocumentKey;
}

/// The documents of one type.
///
/// ```
/// use persistence_core::document::collection::{Collection, Documented, Update};
/// use persistence_core::document::*;
/// use persistence_core::{Context, Persistence, Result};
/// use std::sync::Arc;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Robot {
///     name: String,
///     zone: String,
///     battery: i64,
/// }
///
/// impl Documented for Robot {
///     fn definition() -> CollectionDef {
///         let text = |name: &str| Attribute::new(name, name.parse().expect("a path"), KeyType::Str { max: 100 });
///         CollectionDef::new("robot", IdKind::Text)
///             .attribute(text("zone").required())
///             .index(IndexDef::new("by_zone").asc("zone"))
///     }
///
///     fn key(&self) -> DocumentKey {
///         DocumentKey::new(&*self.name)
///     }
/// }
///
/// async fn drain(db: Arc<dyn Persistence>) -> Result<()> {
///     let (cx, robots) = (Context::new(), Collection::<Robot>::new(db));
///     robots.ensure(&cx).await?;
///     robots.create(&cx, &Robot { name: "r2".to_owned(), zone: "north".to_owned(), battery: 9 }).await?;
///     let drain = |r: &mut Robot| {
///         r.battery -= 1;
///         Ok(Update::Write)
///     };
///     let drained = robots.update(&cx, &DocumentKey::new("r2"), drain).await?;
///     assert_eq!(drained.value.battery, 8);
///     let north = robots.find(&cx, &robots.query(Filter::eq("zone".parse()?, "north"), 10)).await?;
///     assert_eq!(north.documents[0].version, 2);
///     Ok(())
/// }
/// ```
pub struct Collection<T> {
    db: Arc<dyn Persistence>,
    name: String,
    tries: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Collection { db: self.db.clone(), name: self.name.clone(), tries: self.tries, of: PhantomData }
    }
}

/// A value with what the store knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T> {
    /// The value.
    pub value: T,
    /// The document's key.
    pub key: DocumentKey,
    /// Its version.
    pub version: i64,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last written.
    pub updated: Timestamp,
    /// When it was deleted softly; none while it lives.
    pub deleted: Option<Timestamp>,
    /// From when on nobody sees it.
    pub expires: Option<Timestamp>,
}

/// One page of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// The values, in the query's order.
    pub documents: Vec<Stored<T>>,
    /// Where the next page begins; none when there is nothing more.
    pub next: Option<PageToken>,
    /// The page may be short: see [`DocumentPage::budget_exhausted`].
    pub budget_exhausted: bool,
}

impl<T: Documented> Collection<T> {
    /// The collection on a database. Nothing is sent.
    pub fn new(db: Arc<dyn Persistence>) -> Self {
        Collection { db, name: T::definition().name, tries: DEFAULT_TRIES, of: PhantomData }
    }

    /// The same collection, with updates that are tried so often.
    #[must_use]
    pub fn with_tries(mut self, tries: u32) -> Self {
        self.tries = tries.max(1);
        self
    }

    /// Makes the collection and its indexes as declared.
    pub async fn ensure(&self, cx: &Context) -> Result<Ensured> {
        let req = EnsureCollections { definitions: vec![T::definition()], mode: EnsureMode::Apply };
        self.store().ensure_collections(cx, &req).await
    }

    fn store(&self) -> &dyn DocumentStore {
        self.db.documents()
    }

    /// The value of a key; none where there is none.
    pub async fn get(&self, cx: &Context, key: &DocumentKey) -> Result<Option<Stored<T>>> {
        self.documents(cx, vec![key.clone()]).await?.pop().flatten().map(|d| self.typed(d)).transpose()
    }

    /// The values of keys, in their order; none where there is none.
    pub async fn get_many(&self, cx: &Context, keys: &[DocumentKey]) -> Result<Vec<Option<Stored<T>>>> {
        let found = self.documents(cx, keys.to_vec()).await?;
        found.into_iter().map(|d| d.map(|d| self.typed(d)).transpose()).collect()
    }

    async fn documents(&self, cx: &Context, keys: Vec<DocumentKey>) -> Result<Vec<Option<Document>>> {
        let req = GetDocuments { collection: self.name.clone(), keys, deleted: Deleted::Hide };
        self.store().get_documents(cx, &req).await
    }

    /// Stores a value that is not there yet; else `AlreadyExists`.
    pub async fn create(&self, cx: &Context, value: &T) -> Result<Stored<T>> {
        self.put(cx, value, Pre::Absent).await
    }

    /// Stores a value if a condition holds.
    pub async fn put(&self, cx: &Context, value: &T, pre: Pre) -> Result<Stored<T>> {
        self.put_until(cx, value, pre, None).await
    }

    /// Stores a value that nobody sees any more from then on.
    pub async fn put_until(
        &self,
        cx: &Context,
        value: &T,
        pre: Pre,
        expires: Option<Timestamp>,
    ) -> Result<Stored<T>> {
        let mut put = self.putting(value, pre)?;
        if let Action::Put { expires: until, .. } = &mut put.action {
            *until = expires;
        }
        let written = self.read(self.write(cx, put).await?)?;
        written.ok_or_else(|| Error::corrupted(&*self.name, "no answer"))
    }

    /// Hides a document. False when there was none.
    pub async fn soft_delete(&self, cx: &Context, key: &DocumentKey, pre: Pre) -> Result<bool> {
        Ok(self.write(cx, self.one(key, pre, Action::SoftDelete)).await?.changed)
    }

    /// Removes a document. False when there was none.
    pub async fn delete(&self, cx: &Context, key: &DocumentKey, pre: Pre) -> Result<bool> {
        Ok(self.write(cx, self.deleting(key, pre)).await?.changed)
    }

    async fn write(&self, cx: &Context, write: DocumentWrite) -> Result<Written> {
        let mut written = self.together(cx, vec![write]).await?;
        written.pop().ok_or_else(|| Error::corrupted(&*self.name, "no answer"))
    }

    fn one(&self, key: &DocumentKey, pre: Pre, action: Action) -> DocumentWrite {
        DocumentWrite { collection: self.name.clone(), key: key.clone(), pre, action }
    }

    /// The write that stores a value, for [`together`](Self::together).
    pub fn putting(&self, value: &T, pre: Pre) -> Result<DocumentWrite> {
        let body = serde_json::to_value(value).map_err(unwritable)?;
        Ok(self.one(&value.key(), pre, Action::Put { body, expires: None }))
    }

    /// The write that removes a document, for [`together`](Self::together).
    pub fn deleting(&self, key: &DocumentKey, pre: Pre) -> DocumentWrite {
        self.one(key, pre, Action::Delete)
    }

    /// The write that changes nothing and requires something of a document, for [`together`](Self::together).
    pub fn checking(&self, key: &DocumentKey, pre: Pre) -> DocumentWrite {
        self.one(key, pre, Action::Check)
    }

    /// Does writes of this collection and of others on the same database, all or none: within one partition of one group on every
    /// driver, else with capability `cross_partition`. The answers are in the order of the writes; see [`read`](Self::read).
    pub async fn together(&self, cx: &Context, writes: Vec<DocumentWrite>) -> Result<Vec<Written>> {
        self.store().write_documents(cx, &WriteDocuments { writes, attempt: AttemptId::new() }).await
    }

    /// The value of an answer to a write of this collection.
    pub fn read(&self, written: Written) -> Result<Option<Stored<T>>> {
        written.document.map(|d| self.typed(d)).transpose()
    }

    /// Changes a document as one atomic step: see [`update_document`]. `InvalidArgument` when its key is another after that.
    pub async fn update(
        &self,
        cx: &Context,
        key: &DocumentKey,
        mut change: impl FnMut(&mut T) -> Result<Update> + Send,
    ) -> Result<Stored<T>> {
        let changed = update_document(self.store(), cx, &self.name, key, self.tries, |body| {
            let mut value = self.value(key, body.clone())?;
            if change(&mut value)? == Update::NoChange {
                return Ok(Update::NoChange);
            }
            if value.key() != *key {
                return Err(moved());
            }
            *body = serde_json::to_value(&value).map_err(unwritable)?;
            Ok(Update::Write)
        });
        self.typed(changed.await?)
    }

    /// A query of the first page, in the order of ids.
    pub fn query(&self, filter: Filter, size: u32) -> FindDocuments {
        FindDocuments::new(&*self.name, filter, size)
    }

    /// One page of a query.
    pub async fn find(&self, cx: &Context, query: &FindDocuments) -> Result<Found<T>> {
        let page = self.store().find_documents(cx, query).await?;
        let documents = page.documents.into_iter().map(|d| self.typed(d)).collect::<Result<_>>()?;
        Ok(Found { documents, next: page.next, budget_exhausted: page.budget_exhausted })
    }

    /// Every value of a query, read in pages. Ends with the first error.
    pub fn stream(
        &self,
        cx: &Context,
        query: FindDocuments,
    ) -> impl Stream<Item = Result<Stored<T>>> + Send + use<T> {
        let (all, cx) = (self.clone(), cx.clone());
        let pages = stream::try_unfold(Some(query), move |query| {
            let (all, cx) = (all.clone(), cx.clone());
            async move {
                let Some(mut query) = query else { return Ok(None) };
                let page = all.find(&cx, &query).await?;
                let next = page.next.map(|token| {
                    query.page = PageRequest::after(query.page.size, token);
                    query
                });
                Ok(Some((stream::iter(page.documents.into_iter().map(Ok)), next)))
            }
        });
        futures_util::TryStreamExt::try_flatten(pages)
    }

    /// How a query would be answered; nothing is read.
    pub async fn explain(&self, cx: &Context, query: &FindDocuments) -> Result<Explain> {
        self.store().explain_documents(cx, query).await
    }

    /// How many documents a filter holds of.
    pub async fn count(&self, cx: &Context, filter: Filter) -> Result<u64> {
        let req = CountDocuments {
            collection: self.name.clone(),
            filter,
            deleted: Deleted::Hide,
            scan: ScanPolicy::Forbid,
        };
        self.store().count_documents(cx, &req).await
    }

    fn value(&self, key: &DocumentKey, body: Value) -> Result<T> {
        serde_json::from_value(body).map_err(|e| Error::corrupted(format!("{} {key}", self.name), unfit(&e)))
    }

    fn typed(&self, d: Document) -> Result<Stored<T>> {
        let Document { key, version, created, updated, deleted, expires, body } = d;
        let value = self.value(&key, body)?;
        Ok(Stored { value, key, version, created, updated, deleted, expires })
    }
}

fn moved() -> Error {
    Error::invalid("key", "a document's key never changes")
}

fn unwritable(e: serde_json::Error) -> Error {
    Error::invalid("value", format!("cannot be written as JSON: {e}"))
}
