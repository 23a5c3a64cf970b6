//! Visibility: records of runs as documents, found by declared indexes.
//!
//! | module | what |
//! |---|---|
//! | [`query`] | the language of queries: reading, checking, and what it means for documents |
//! | `fields` | what queries may name |
//! | `setup` | the collections: partitions, search attributes |
//! | `record` | records and deletions as documents |
//! | `keep` | writing: the newest version wins |
//! | `search` | reading |
//!
//! A document is a record, or remembers that there is none any more, until it expires. Every index begins with which of both it
//! is, so that queries never see a deletion.

mod fields;
mod keep;
pub mod query;
mod record;
mod search;
mod setup;
mod status;

pub use setup::{DEFAULT_PARTITIONS, MAX_PARTITIONS, MAX_SEARCH_ATTRIBUTES, Setup};

use super::Derived;
use crate::context::Context;
use crate::document::CollectionDef;
use crate::env::Env;
use crate::error::Result;
use crate::ids::NamespaceId;
use crate::page::Page;
use crate::store::*;
use crate::time::Timestamp;
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// The close time of open runs, later than any other: the last second of the year 9999.
pub(crate) const OPEN: Timestamp = Timestamp(253_402_300_799_000);

/// The store on some documents.
pub(super) struct Visibility {
    documents: Arc<dyn DocumentStore>,
    env: Env,
    /// What was set up, as last seen. Attributes are only added, so what is in it stays true.
    known: Mutex<Option<Arc<Setup>>>,
    /// Namespaces that are known to have records.
    namespaces: Mutex<HashSet<NamespaceId>>,
    /// One sets up at a time.
    setting_up: tokio::sync::Mutex<()>,
}

impl Visibility {
    pub(super) fn new(documents: &Arc<dyn DocumentStore>, env: Env) -> Self {
        Visibility {
            documents: documents.clone(),
            env,
            known: Mutex::default(),
            namespaces: Mutex::default(),
            setting_up: tokio::sync::Mutex::default(),
        }
    }
}

/// The collection that says what was set up. That of the records is made as it says, by whoever sets up: it has an index for every
/// search attribute.
pub(super) fn definitions() -> Vec<CollectionDef> {
    vec![setup::setup()]
}

#[async_trait]
impl VisibilityStore for Derived {
    async fn record_started(&self, cx: &Context, req: &RecordVisibility) -> Result<()> {
        self.visibility.keep(cx, &req.record, Some(false)).await
    }

    async fn record_closed(&self, cx: &Context, req: &RecordVisibility) -> Result<()> {
        self.visibility.keep(cx, &req.record, Some(true)).await
    }

    async fn upsert_visibility(&self, cx: &Context, req: &RecordVisibility) -> Result<()> {
        self.visibility.keep(cx, &req.record, None).await
    }

    async fn delete_visibility(&self, cx: &Context, req: &DeleteVisibility) -> Result<()> {
        self.visibility.delete(cx, req).await
    }

    async fn get_visibility(&self, cx: &Context, req: &GetVisibility) -> Result<VisibilityRecord> {
        self.visibility.get(cx, req).await
    }

    async fn list_visibility(&self, cx: &Context, req: &ListVisibility) -> Result<VisibilityPage> {
        self.visibility.list(cx, req).await
    }

    async fn count_visibility(&self, cx: &Context, req: &CountVisibility) -> Result<VisibilityCount> {
        self.visibility.count(cx, req).await
    }

    async fn set_up_visibility(&self, cx: &Context, req: &SetUpVisibility) -> Result<VisibilitySetup> {
        Ok(self.visibility.set_up(cx, req).await?.told())
    }

    async fn get_visibility_setup(&self, cx: &Context, _: &GetVisibilitySetup) -> Result<VisibilitySetup> {
        Ok(self.visibility.read_setup(cx).await?.told())
    }

    async fn list_visibility_namespaces(
        &self,
        cx: &Context,
        req: &ListVisibilityNamespaces,
    ) -> Result<Page<NamespaceId>> {
        self.visibility.list_namespaces(cx, req).await
    }

    async fn sweep_visibility(&self, cx: &Context, req: &SweepVisibility) -> Result<u64> {
        self.visibility.sweep(cx, req).await
    }
}
