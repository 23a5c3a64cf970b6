//! `memory:` as a URL.

use crate::{Memory, SCHEME};
use async_trait::async_trait;
use persistence_nosql::core::connect::Connector;
use persistence_nosql::core::{Env, Error, Persistence, Result};
use std::sync::Arc;
use url::Url;

/// Answers `memory:`; every connection is a new, empty database.
pub fn connector() -> impl Connector + 'static {
    MemoryConnector
}

struct MemoryConnector;

#[async_trait]
impl Connector for MemoryConnector {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>> {
        if url.as_str() != "memory:" {
            return Err(Error::invalid("url", "memory: has no path and no options"));
        }
        persistence_nosql::open(Arc::new(Memory::new()), env.clone()).await
    }
}
