//! Documents: what a collection declares, documents with their index entries, and reading them for core's engine.
//!
//! | module | what |
//! |---|---|
//! | `catalogue`, `ensure`, `build` | what is declared and stored of it; bringing it about |
//! | `verify` | comparing the rows of indexes with the documents |
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
mod verify;
mod write;

pub(crate) use catalogue::Catalogue;

use crate::bucket::Bucket;
use crate::core::document::{CollectionDef, Document};
use crate::core::store::*;
use crate::core::{Context, Error, Result};
use async_trait::async_trait;

#[async_trait]
impl DocumentStore for Bucket {
    async fn ensure_collections(&self, cx: &Context, req: &EnsureCollections) -> Result<Ensured> {
        self.ensure(cx, req).await
    }

    async fn get_collection(&self, cx: &Context, req: &GetCollection) -> Result<CollectionDef> {
        // As it is now: others may have changed it a moment ago.
        let found = self.reread_collection(cx, &req.collection).await?;
        found.map(|c| c.def().clone()).ok_or_else(|| Error::not_found("collection", &*req.collection))
    }

    async fn get_documents(&self, cx: &Context, req: &GetDocuments) -> Result<Vec<Option<Document>>> {
        self.get_all(cx, req).await
    }

    async fn write_documents(&self, cx: &Context, req: &WriteDocuments) -> Result<Vec<Written>> {
        self.write_all(cx, req).await
    }

    async fn find_documents(&self, cx: &Context, req: &FindDocuments) -> Result<DocumentPage> {
        self.find(cx, req).await
    }

    async fn count_documents(&self, cx: &Context, req: &CountDocuments) -> Result<u64> {
        self.count_found(cx, req).await
    }

    async fn explain_documents(&self, cx: &Context, req: &FindDocuments) -> Result<Explain> {
        self.explain(cx, req).await
    }

    async fn sweep_documents(&self, cx: &Context, req: &SweepDocuments) -> Result<u64> {
        self.sweep(cx, req).await
    }
}
