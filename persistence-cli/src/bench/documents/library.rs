//! The library's side.

use super::ask::{Ask, Asked};
use super::corpus::Doc;
use super::hand::{Row, Rows};
use anyhow::{Context as _, Result, bail, ensure};
use persistence::document::write::{Action, DocumentWrite, Pre};
use persistence::document::{CollectionDef, Document, DocumentId};
use persistence::store::*;
use persistence::{AttemptId, Capability, Context, Persistence};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A database, and a collection in it that no other run has.
#[derive(Clone)]
pub(super) struct Library {
    pub(super) db: Arc<dyn Persistence>,
    pub(super) collection: Arc<str>,
    cx: Context,
}

impl Library {
    pub(super) fn new(db: Arc<dyn Persistence>) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
        let collection = format!("bench_{:x}", now.as_millis()).into();
        Ok(Library { db, collection, cx: Context::new().with_caller("persist bench") })
    }

    /// Whether documents of all partitions may be written together.
    pub(super) fn spans(&self) -> bool {
        self.db.info().capabilities.has(Capability::CrossPartition)
    }

    pub(super) async fn ensure(&self, definition: CollectionDef) -> Result<()> {
        let ensure = EnsureCollections { definitions: vec![definition], mode: EnsureMode::Apply };
        self.db.documents().ensure_collections(&self.cx, &ensure).await.context("ensuring the collection")?;
        Ok(())
    }

    pub(super) async fn ask(&self, asked: Asked) -> Result<Rows> {
        let documents = self.db.documents();
        let found = match asked {
            Asked::Get(key) => {
                let (collection, keys) = (self.collection.to_string(), vec![key]);
                let get = GetDocuments { collection, keys, deleted: Deleted::Hide };
                documents.get_documents(&self.cx, &get).await?.into_iter().flatten().collect()
            }
            Asked::Find(find) => documents.find_documents(&self.cx, &find).await?.documents,
            Asked::Count(FindDocuments { collection, filter, deleted, scan, .. }) => {
                let count = CountDocuments { collection, filter, deleted, scan };
                let count = documents.count_documents(&self.cx, &count).await?;
                return Ok(Rows { count, ..Rows::default() });
            }
        };
        let id = |id| match id {
            DocumentId::Uuid(id) => Ok(id),
            DocumentId::Text(_) => bail!("an id that nobody wrote"),
        };
        let row = |d: Document| {
            let (created, updated) = (d.created.0, d.updated.0);
            Ok(Row { id: id(d.key.id)?, body: d.body, version: d.version, created, updated })
        };
        let found: Vec<_> = found.into_iter().map(row).collect::<Result<_>>()?;
        Ok(Rows { count: found.len() as u64, documents: found })
    }

    /// A page as it is, with its token.
    pub(super) async fn page(&self, find: &FindDocuments) -> Result<DocumentPage> {
        Ok(self.db.documents().find_documents(&self.cx, find).await?)
    }

    /// How a query is answered, in words: by its index, and never by a scan; or by a scan and nothing else.
    pub(super) async fn explain(&self, ask: &Ask, scan: Option<u32>) -> Result<String> {
        let (Asked::Find(find) | Asked::Count(find)) = ask.of_library(&self.collection, scan)? else {
            return Ok("key".to_owned());
        };
        let explained = self.db.documents().explain_documents(&self.cx, &find).await?;
        ensure!(explained.scan == scan.is_some(), "scan={} of {ask:?}: {explained:?}", explained.scan);
        let of = |a: &ExplainedAccess| a.index.clone().unwrap_or_else(|| "partition".to_owned());
        Ok(explained.accesses.iter().map(of).collect::<Vec<_>>().join(" + "))
    }

    /// Several documents that are new.
    pub(super) async fn load(&self, documents: Vec<Doc>) -> Result<()> {
        let writes = documents.into_iter().map(|doc| self.put(doc, Pre::Absent)).collect();
        self.write(writes).await
    }

    pub(super) fn put(&self, doc: Doc, pre: Pre) -> DocumentWrite {
        let (key, action) = (doc.key(), Action::Put { body: doc.body, expires: None });
        DocumentWrite { collection: self.collection.to_string(), key, pre, action }
    }

    pub(super) async fn write(&self, writes: Vec<DocumentWrite>) -> Result<()> {
        let write = WriteDocuments { writes, attempt: AttemptId::new() };
        self.db.documents().write_documents(&self.cx, &write).await?;
        Ok(())
    }
}
