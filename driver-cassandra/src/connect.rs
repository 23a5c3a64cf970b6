//! `cassandra://…` as a URL.

use crate::Builder;
use crate::schema;
use async_trait::async_trait;
use persistence_nosql::core::connect::Connector;
use persistence_nosql::core::schema::{SchemaOp, SchemaStatus};
use persistence_nosql::core::{Env, Persistence, Result};
use std::sync::Arc;
use url::Url;

/// Answers `cassandra:` URLs.
pub fn connector() -> impl Connector + 'static {
    CassandraConnector
}

struct CassandraConnector;

#[async_trait]
impl Connector for CassandraConnector {
    fn scheme(&self) -> &'static str {
        crate::SCHEME
    }

    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>> {
        let store = Builder::from_url(url)?.open().await?;
        persistence_nosql::open(Arc::new(store), env.clone()).await
    }

    async fn schema(&self, url: &Url, op: SchemaOp) -> Result<SchemaStatus> {
        let open = Builder::from_url(url)?.open().await?.opened()?;
        schema::run(&open.session, &open.settings, op).await
    }
}
