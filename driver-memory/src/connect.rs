//! `memory:` as a URL.

use crate::Memory;
use async_trait::async_trait;
use persistence_nosql::core::connect::{Connector, UrlOptions};
use persistence_nosql::core::{Env, Error, Persistence, Result};
use std::sync::Arc;
use url::Url;

/// Answers `memory:`, each time with a new database. An application adds it to its registry in one line; so it would
/// add yours.
pub fn connector() -> impl Connector + 'static {
    MemoryConnector
}

struct MemoryConnector;

#[async_trait]
impl Connector for MemoryConnector {
    fn scheme(&self) -> &'static str {
        crate::SCHEME
    }

    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>> {
        if !matches!(url.path(), "" | "/") || url.has_host() {
            return Err(Error::invalid("url", "memory: has no path"));
        }
        // An option that is silently ignored is one that its user believes in. Yours are taken here, one by one.
        UrlOptions::new(url)?.finish()?;
        // The bucket makes all stores of the few primitives.
        persistence_nosql::open(Arc::new(Memory::new()), env.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence_nosql::core::connect::Registry;

    #[tokio::test]
    async fn only_the_bare_scheme_connects() {
        let registry = Registry::new().with(connector());
        assert!(registry.connect("memory:", &Env::default()).await.is_ok());
        for url in ["memory:name", "memory:?size=1", "memory://host"] {
            assert!(registry.connect(url, &Env::default()).await.is_err(), "{url}");
        }
    }
}
