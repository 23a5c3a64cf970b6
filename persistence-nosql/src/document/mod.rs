//! Documents.

use crate::bucket::NoSql;
use crate::core::document::Document;
use crate::core::store::*;
use crate::core::{Context, Error, Result};
use async_trait::async_trait;

fn missing<T>() -> Result<T> {
    Err(Error::unsupported_primitive("documents", "any"))
}

#[async_trait]
impl DocumentStore for NoSql {
    async fn ensure_collections(&self, _cx: &Context, _req: &EnsureCollections) -> Result<Ensured> {
        missing()
    }

    async fn get_documents(&self, _cx: &Context, _req: &GetDocuments) -> Result<Vec<Option<Document>>> {
        missing()
    }

    async fn write_documents(&self, _cx: &Context, _req: &WriteDocuments) -> Result<Vec<Written>> {
        missing()
    }

    async fn find_documents(&self, _cx: &Context, _req: &FindDocuments) -> Result<DocumentPage> {
        missing()
    }

    async fn count_documents(&self, _cx: &Context, _req: &CountDocuments) -> Result<u64> {
        missing()
    }

    async fn explain_documents(&self, _cx: &Context, _req: &FindDocuments) -> Result<Explain> {
        missing()
    }

    async fn sweep_documents(&self, _cx: &Context, _req: &SweepDocuments) -> Result<u64> {
        missing()
    }
}
