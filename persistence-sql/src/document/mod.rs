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
mod made;
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
use crate::core::{Context, Result};
use async_trait::async_trait;

#[async_trait]
impl DocumentStore for Bucket {
    async fn ensure_collections(&self, cx: &Context, req: &EnsureCollections) -> Result<Ensured> {
        self.ensure(cx, req).await
    }

    async fn get_collection(&self, cx: &Context, req: &GetCollection) -> Result<CollectionDef> {
        // As it is now: others may have changed it a moment ago.
        self.collections.forget(&req.collection);
        Ok(self.collection(cx, &req.collection).await?.def.clone())
    }

    async fn get_documents(&self, cx: &Context, req: &GetDocuments) -> Result<Vec<Option<Document>>> {
        self.get(cx, req).await
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
        // As it is now, as `get_collection` tells it.
        self.collections.forget(&req.collection);
        self.explain(cx, req).await
    }

    async fn sweep_documents(&self, cx: &Context, req: &SweepDocuments) -> Result<u64> {
        self.sweep_collection(cx, req).await
    }
}
