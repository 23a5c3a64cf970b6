//! Documents: a table for each collection, with a column for each attribute of one value, which the database computes from the
//! document, and plain indexes over those columns.
//!
//! | module | what |
//! |---|---|
//! | `names`, `columns`, `ddl` | what collections consist of, in each database's words |
//! | `catalogue`, `inspect`, `ensure`, `build`, `verify` | what is declared, what is there, and making one of the other |
//! | `look` | documents by key |
//! | `access`, `count`, `shape`, `order`, `source` | finds, one query for each access that the planner chose; its text, rendered once |
//! | `write`, `at_once`, `earlier`, `put` | writes; whether an earlier try was done |
//! | `entries`, `unique`, `absence` | the entries of attributes of several values, unique keys, absences |

mod absence;
mod access;
mod at_once;
mod build;
mod catalogue;
mod columns;
mod count;
mod ddl;
mod earlier;
mod ensure;
mod entries;
mod inspect;
mod look;
mod names;
mod order;
mod put;
mod rows;
mod shape;
mod source;
mod sweep;
mod unique;
mod verify;
mod write;

pub(crate) use catalogue::Collections;

use crate::bucket::Bucket;
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
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.ensure(&cx, req).await }).await
    }

    async fn get_collection(&self, cx: &Context, req: &GetCollection) -> Result<CollectionDef> {
        let _inside = self.bucket.gate.enter()?;
        // As it is now: others may have changed it a moment ago.
        self.bucket.collections.forget(&req.collection);
        Ok(self.bucket.collection(cx, &req.collection).await?.def.clone())
    }

    async fn get_documents(&self, cx: &Context, req: &GetDocuments) -> Result<Vec<Option<Document>>> {
        let _inside = self.bucket.gate.enter()?;
        self.bucket.get(cx, req).await
    }

    async fn write_documents(&self, cx: &Context, req: &WriteDocuments) -> Result<Vec<Written>> {
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.write_all(&cx, req).await }).await
    }

    async fn find_documents(&self, cx: &Context, req: &FindDocuments) -> Result<DocumentPage> {
        let _inside = self.bucket.gate.enter()?;
        self.bucket.find(cx, req).await
    }

    async fn count_documents(&self, cx: &Context, req: &CountDocuments) -> Result<u64> {
        let _inside = self.bucket.gate.enter()?;
        self.bucket.count_found(cx, req).await
    }

    async fn explain_documents(&self, cx: &Context, req: &FindDocuments) -> Result<Explain> {
        let _inside = self.bucket.gate.enter()?;
        // As it is now, as `get_collection` tells it.
        self.bucket.collections.forget(&req.collection);
        self.bucket.explain(cx, req).await
    }

    async fn sweep_documents(&self, cx: &Context, req: &SweepDocuments) -> Result<u64> {
        if req.limit == 0 {
            return Err(Error::invalid("limit", "must be at least 1"));
        }
        let (bucket, cx, req) = (self.bucket.clone(), cx.clone(), req.clone());
        self.bucket.gate.run(async move { bucket.sweep_collection(&cx, &req).await }).await
    }
}
