//! `acme:…` as a URL.

use crate::{Acme, SCHEME};
use async_trait::async_trait;
use persistence_nosql::core::connect::Connector;
use persistence_nosql::core::{Env, Persistence, Result};
use std::sync::Arc;
use url::Url;

/// Answers the driver's URLs. An application adds it to its registry: `persistence::registry().with(connector())`.
pub fn connector() -> impl Connector + 'static {
    AcmeConnector
}

struct AcmeConnector;

#[async_trait]
impl Connector for AcmeConnector {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>> {
        // Options of the URL are read here. One that is not known is `Error::invalid("url", …)`: an option that is
        // silently ignored is one that its user believes in.
        let store = Acme::open(url.path()).await?;
        persistence_nosql::open(Arc::new(store), env.clone()).await
    }
}
