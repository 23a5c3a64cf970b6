//! Documents: what a collection declares, documents with their index entries, and reading them for core's engine.
//!
//! | module | what |
//! |---|---|
//! | `catalogue`, `ensure`, `build` | what is declared and stored of it; bringing it about |
//! | `keys`, `encode` | partitions and keys; values as bytes in order |
//! | `record` | a document as it is stored |
//! | `batch`, `write`, `earlier` | what a change means for rows; doing it; whether it was done already |
//! | `fetch`, `seek`, `read` | rows from many partitions; places of an index, merged; documents |
//! | `sweep` | removing what expired |

mod batch;
mod build;
mod catalogue;
mod earlier;
mod encode;
mod ensure;
mod fetch;
mod keys;
mod read;
mod record;
mod seek;
mod sweep;
mod write;

pub(crate) use catalogue::Catalogue;

use crate::bucket::Bucket;
use crate::core::document::definition::identifier;
use crate::core::document::{CollectionDef, Document};
use crate::core::store::*;
use crate::core::{Context, Error, Result};
use async_trait::async_trait;
use std::sync::Arc;

/// The documents of a bucket.
pub(crate) struct Documents {
    pub(crate) bucket: Arc<Bucket>,
}

#[async_trait]
impl DocumentStore for Documents {
    async fn ensure_collections(&self, cx: &Context, req: &EnsureCollections) -> Result<Ensured> {
        ensure::validate(&self.bucket, req)?;
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.ensure_collections(&cx, &req).await }).await
    }

    async fn get_collection(&self, cx: &Context, req: &GetCollection) -> Result<CollectionDef> {
        identifier(&req.collection)?;
        let _inside = self.bucket.gate.enter()?;
        // As it is now: others may have changed it a moment ago.
        let found = self.bucket.reread_collection(cx, &req.collection).await?;
        found.map(|c| c.def().clone()).ok_or_else(|| Error::not_found("collection", &*req.collection))
    }

    async fn get_documents(&self, cx: &Context, req: &GetDocuments) -> Result<Vec<Option<Document>>> {
        let _inside = self.bucket.gate.enter()?;
        self.bucket.get_documents(cx, req).await
    }

    async fn write_documents(&self, cx: &Context, req: &WriteDocuments) -> Result<Vec<Written>> {
        write::validate(req)?;
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.write_documents(&cx, &req).await }).await
    }

    async fn find_documents(&self, cx: &Context, req: &FindDocuments) -> Result<DocumentPage> {
        let _inside = self.bucket.gate.enter()?;
        self.bucket.find_documents(cx, req).await
    }

    async fn count_documents(&self, cx: &Context, req: &CountDocuments) -> Result<u64> {
        let _inside = self.bucket.gate.enter()?;
        self.bucket.count_documents(cx, req).await
    }

    async fn explain_documents(&self, cx: &Context, req: &FindDocuments) -> Result<Explain> {
        let _inside = self.bucket.gate.enter()?;
        self.bucket.explain_documents(cx, req).await
    }

    async fn sweep_documents(&self, cx: &Context, req: &SweepDocuments) -> Result<u64> {
        identifier(&req.collection)?;
        if req.limit == 0 {
            return Err(Error::invalid("limit", "must be at least 1"));
        }
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.sweep_documents(&cx, &req).await }).await
    }
}
