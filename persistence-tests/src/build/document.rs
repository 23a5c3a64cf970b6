//! Collections, documents, and the requests for them.

use crate::Fixture;
use crate::fixture::call;
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Clock, Context, Outcome, PageRequest, Persistence, Result, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// A path that is written right.
///
/// # Panics
///
/// When it is not.
pub fn path(text: &str) -> Path {
    text.parse().unwrap()
}

/// A collection name that no other case uses.
pub fn collection_name(t: &Fixture) -> String {
    t.name("c").replace('-', "_")
}

/// A definition with everything in it, in partitions by `project`:
///
/// | attribute | path | |
/// |---|---|---|
/// | name | name | text of 40 bytes |
/// | kind | kind | whole number, 0 by default |
/// | score | score | number |
/// | enabled | enabled | boolean, false by default |
/// | updated | updated_at | seconds, required |
/// | owner | owner | UUID |
/// | state | sync.state | whole number, 0 by default |
/// | tag | tags | elements |
/// | resource | services.*.resource | elements |
/// | label | labels | entries |
pub fn machines(t: &Fixture) -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    CollectionDef::new(collection_name(t), IdKind::Text)
        .partition_by(path("project"))
        .attribute(Attribute::new("name", path("name"), text))
        .attribute(Attribute::new("kind", path("kind"), KeyType::I64).default_value(0))
        .attribute(Attribute::new("score", path("score"), KeyType::F64))
        .attribute(Attribute::new("enabled", path("enabled"), KeyType::Bool).default_value(false))
        .attribute(Attribute::new("updated", path("updated_at"), KeyType::Time(TimeUnit::Seconds)).required())
        .attribute(Attribute::new("owner", path("owner"), KeyType::Uuid))
        .attribute(Attribute::new("state", path("sync.state"), KeyType::I64).default_value(0))
        .attribute(Attribute::new("tag", path("tags"), text).elements())
        .attribute(Attribute::new("resource", path("services.*.resource"), text).elements())
        .attribute(Attribute::new("label", path("labels"), text).entries())
        .index(IndexDef::new("page").in_partition().desc("updated").id(Direction::Ascending))
        .index(IndexDef::new("by_kind").in_partition().asc("kind").desc("updated").id(Direction::Ascending))
        .index(IndexDef::new("mixed").in_partition().desc("updated").asc("kind"))
        .index(IndexDef::new("by_name").asc("name"))
        .index(IndexDef::new("by_score").asc("score"))
        .index(IndexDef::new("by_owner").asc("owner").desc("updated"))
        .index(IndexDef::new("by_state").asc("enabled").asc("state"))
        .index(IndexDef::new("by_tag").asc("tag").desc("updated"))
        .index(IndexDef::new("by_resource").asc("resource"))
        .index(IndexDef::new("by_label").in_partition().asc("label"))
        .index(IndexDef::new("by_id"))
}

/// A machine that a partition may hold, with more members.
pub fn machine(project: &str, updated_at: i64, more: Value) -> Value {
    let mut body = json!({"project": project, "updated_at": updated_at});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// A collection under a case.
#[derive(Clone)]
pub struct Docs {
    /// The handle.
    pub p: Arc<dyn Persistence>,
    /// The collection's definition.
    pub def: CollectionDef,
}

impl Docs {
    /// The collection, which is not made yet.
    pub fn declared(t: &Fixture, def: CollectionDef) -> Docs {
        Docs { p: t.p.clone(), def }
    }

    /// Makes the collection.
    pub async fn ensured(t: &Fixture, def: CollectionDef) -> Result<Docs> {
        let docs = Docs::declared(t, def);
        docs.ensure(EnsureMode::Apply).await?;
        Ok(docs)
    }

    /// The same collection on another handle.
    #[must_use]
    pub fn on(&self, p: &Arc<dyn Persistence>) -> Docs {
        Docs { p: p.clone(), ..self.clone() }
    }

    /// What ensuring the definition does, or would do.
    pub async fn ensure(&self, mode: EnsureMode) -> Result<Ensured> {
        self.ensure_by(&call(), mode).await
    }

    /// The same, as long as the context lives.
    pub async fn ensure_by(&self, cx: &Context, mode: EnsureMode) -> Result<Ensured> {
        let req = EnsureCollections { definitions: vec![self.def.clone()], mode };
        self.p.documents().ensure_collections(cx, &req).await
    }

    /// Asks what the collection is.
    pub fn described(&self) -> GetCollection {
        GetCollection { collection: self.def.name.clone() }
    }

    /// A write of one document.
    pub fn one(&self, key: &DocumentKey, pre: Pre, action: Action) -> DocumentWrite {
        DocumentWrite { collection: self.def.name.clone(), key: key.clone(), pre, action }
    }

    /// Writes documents.
    pub async fn write(&self, writes: Vec<DocumentWrite>) -> Result<Vec<Written>> {
        let req = WriteDocuments { writes, attempt: AttemptId::new() };
        self.p.documents().write_documents(&call(), &req).await
    }

    async fn write_one(&self, key: &DocumentKey, pre: Pre, action: Action) -> Result<Written> {
        let mut written = self.write(vec![self.one(key, pre, action)]).await?;
        assert_eq!(written.len(), 1, "one answer a write");
        Ok(written.remove(0))
    }

    /// Puts a document.
    pub async fn put_if(&self, key: &DocumentKey, body: Value, pre: Pre) -> Result<Document> {
        self.put_until(key, body, pre, None).await
    }

    /// Puts a document, whatever is there.
    pub async fn put(&self, key: &DocumentKey, body: Value) -> Result<Document> {
        self.put_if(key, body, Pre::None).await
    }

    /// Puts a document that expires.
    ///
    /// # Panics
    ///
    /// When the answer is no document.
    pub async fn put_until(
        &self,
        key: &DocumentKey,
        body: Value,
        pre: Pre,
        expires: Option<Timestamp>,
    ) -> Result<Document> {
        let written = self.write_one(key, pre, Action::Put { body, expires }).await?;
        assert!(written.changed, "a put changes");
        Ok(written.document.expect("a put answers with the document"))
    }

    /// Deletes a document softly.
    pub async fn hide(&self, key: &DocumentKey, pre: Pre) -> Result<bool> {
        Ok(self.write_one(key, pre, Action::SoftDelete).await?.changed)
    }

    /// Deletes a document.
    pub async fn delete(&self, key: &DocumentKey, pre: Pre) -> Result<bool> {
        Ok(self.write_one(key, pre, Action::Delete).await?.changed)
    }

    /// Deletes a document that nobody else deletes: where the answer is lost, that it is gone tells that this call did it.
    pub async fn remove(&self, key: &DocumentKey, pre: Pre) -> Result<bool> {
        match self.delete(key, pre).await {
            Err(e) if e.outcome() == Outcome::MaybeApplied => {
                let left = self.get_all(std::slice::from_ref(key), Deleted::Any).await?;
                if left == [None] { Ok(true) } else { Err(e) }
            }
            done => done,
        }
    }

    /// Documents by key.
    pub async fn get_all(&self, keys: &[DocumentKey], deleted: Deleted) -> Result<Vec<Option<Document>>> {
        self.p.documents().get_documents(&call(), &self.getting(keys, deleted)).await
    }

    /// Reads documents by key.
    pub fn getting(&self, keys: &[DocumentKey], deleted: Deleted) -> GetDocuments {
        GetDocuments { collection: self.def.name.clone(), keys: keys.to_vec(), deleted }
    }

    /// A document by key.
    pub async fn get(&self, key: &DocumentKey) -> Result<Option<Document>> {
        Ok(self.get_all(std::slice::from_ref(key), Deleted::Hide).await?.pop().flatten())
    }

    /// A query.
    pub fn query(&self, filter: Filter, order: &[OrderBy], size: u32) -> FindDocuments {
        FindDocuments { order: order.to_vec(), ..FindDocuments::new(&*self.def.name, filter, size) }
    }

    /// One page.
    pub async fn page(&self, query: &FindDocuments) -> Result<DocumentPage> {
        self.p.documents().find_documents(&call(), query).await
    }

    /// Every document of a query, in pages of its size.
    ///
    /// # Panics
    ///
    /// When pages are not as pages must be.
    pub async fn all(&self, query: &FindDocuments) -> Result<Vec<Document>> {
        let (mut query, mut found) = (query.clone(), Vec::new());
        loop {
            let page = self.page(&query).await?;
            assert!(page.documents.len() <= query.page.size as usize, "a page is too long");
            let full = page.documents.len() == query.page.size as usize;
            assert!(
                page.next.is_none() || full || page.budget_exhausted,
                "a short page says that there is more"
            );
            found.extend(page.documents);
            assert!(found.len() < 100_000, "a crawl without an end");
            let Some(token) = page.next else { return Ok(found) };
            query.page = PageRequest::after(query.page.size, token);
        }
    }

    /// The ids of every document of a query, in order.
    pub async fn ids(&self, filter: Filter, order: &[OrderBy]) -> Result<Vec<String>> {
        let found = self.all(&self.query(filter, order, 7)).await?;
        Ok(found.into_iter().map(|d| d.key.id.to_string()).collect())
    }

    /// How many documents a filter holds of.
    pub async fn count(&self, filter: Filter, scan: ScanPolicy) -> Result<u64> {
        let req = CountDocuments { collection: self.def.name.clone(), filter, deleted: Deleted::Hide, scan };
        self.p.documents().count_documents(&call(), &req).await
    }

    /// How a query is answered.
    pub async fn explain(&self, query: &FindDocuments) -> Result<Explain> {
        self.p.documents().explain_documents(&call(), query).await
    }

    /// Removes what has expired by now.
    pub async fn sweep(&self, t: &Fixture, limit: u32) -> Result<u64> {
        self.p.documents().sweep_documents(&call(), &self.sweeping(t, limit)).await
    }

    /// Removes what has expired by now.
    pub fn sweeping(&self, t: &Fixture, limit: u32) -> SweepDocuments {
        SweepDocuments { collection: self.def.name.clone(), limit, before: t.clock.now() }
    }
}

/// A filter with its constants, which `Debug` leaves out.
pub fn shown(filter: &Filter) -> String {
    serde_json::to_string(filter).unwrap_or_default()
}

/// The key of a machine.
pub fn at(project: &str, id: &str) -> DocumentKey {
    DocumentKey::within(project, id)
}
