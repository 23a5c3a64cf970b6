//! `fjall:PATH` as a URL.

use crate::Fjall;
use async_trait::async_trait;
use persistence_nosql::core::connect::Connector;
use persistence_nosql::core::{Env, Persistence, Result};
use std::sync::Arc;
use url::Url;

/// Answers `fjall:PATH`; see [`Builder::from_url`](crate::Builder::from_url) for the options.
pub fn connector() -> impl Connector + 'static {
    FjallConnector
}

struct FjallConnector;

#[async_trait]
impl Connector for FjallConnector {
    fn scheme(&self) -> &'static str {
        "fjall"
    }

    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>> {
        let store = Fjall::open(url.as_str()).await?;
        persistence_nosql::open(Arc::new(store), env.clone()).await
    }
}
