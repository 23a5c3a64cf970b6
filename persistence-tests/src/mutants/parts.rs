//! A database of which some stores are others.

use async_trait::async_trait;
use persistence_core::derived::{Derived, DerivedStores};
use persistence_core::store::*;
use persistence_core::{DriverInfo, Env, Persistence, Result};
use std::sync::Arc;

/// How it closes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Closing {
    AsItIs,
    /// Not at all.
    Never,
    /// Without waiting for what is under way.
    AtOnce,
}

/// A database with other stores in place of some of its own.
pub(super) struct Parts {
    inner: Arc<dyn Persistence>,
    tasks: Option<Box<dyn TaskStore>>,
    documents: Option<(Arc<dyn DocumentStore>, Derived)>,
    closing: Closing,
}

impl Parts {
    pub(super) fn of(inner: Arc<dyn Persistence>) -> Self {
        Parts { inner, tasks: None, documents: None, closing: Closing::AsItIs }
    }

    pub(super) fn tasks(self, tasks: impl TaskStore + 'static) -> Self {
        Parts { tasks: Some(Box::new(tasks)), ..self }
    }

    /// With the derived stores on them, as a bucket makes them.
    pub(super) fn documents(self, documents: impl DocumentStore + 'static, env: Env) -> Self {
        let documents: Arc<dyn DocumentStore> = Arc::new(documents);
        let derived = Derived::new(&documents, env);
        Parts { documents: Some((documents, derived)), ..self }
    }

    pub(super) fn closing(self, closing: Closing) -> Self {
        Parts { closing, ..self }
    }
}

#[async_trait]
impl Persistence for Parts {
    fn info(&self) -> &DriverInfo {
        self.inner.info()
    }

    fn shards(&self) -> &dyn ShardStore {
        self.inner.shards()
    }

    fn executions(&self) -> &dyn ExecutionStore {
        self.inner.executions()
    }

    fn history(&self) -> &dyn HistoryStore {
        self.inner.history()
    }

    fn tasks(&self) -> &dyn TaskStore {
        self.tasks.as_deref().unwrap_or_else(|| self.inner.tasks())
    }

    fn queues(&self) -> &dyn QueueStore {
        self.inner.queues()
    }

    fn documents(&self) -> &dyn DocumentStore {
        self.documents.as_ref().map_or_else(|| self.inner.documents(), |d| &*d.0)
    }

    fn derived(&self) -> &dyn DerivedStores {
        self.documents.as_ref().map_or_else(|| self.inner.derived(), |d| &d.1)
    }

    fn maintenance(&self) -> &dyn MaintenanceStore {
        self.inner.maintenance()
    }

    async fn close(&self) -> Result<()> {
        match self.closing {
            Closing::AsItIs => self.inner.close().await,
            Closing::Never => Ok(()),
            Closing::AtOnce => {
                let inner = self.inner.clone();
                tokio::spawn(async move { inner.close().await });
                tokio::task::yield_now().await;
                Ok(())
            }
        }
    }
}
