//! URL schemes and the drivers that answer them.

mod login;
mod options;

pub use login::{Credentials, Hook, Login, Secret, decoded};
pub use options::UrlOptions;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::persistence::Persistence;
use crate::schema::{SchemaOp, SchemaStatus};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use url::Url;

/// Makes handles from URLs of one scheme. Drivers offer one; registration is explicit.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The scheme, without the colon.
    fn scheme(&self) -> &'static str;

    /// Connects. Unknown options of the URL are `InvalidArgument`; no error shows a password.
    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>>;

    /// Sets up, upgrades or inspects the schema, without opening the stores. Databases that set themselves up have none to
    /// manage, and say so with `InvalidArgument`.
    async fn schema(&self, _url: &Url, _op: SchemaOp) -> Result<SchemaStatus> {
        let rule = format!(
            "a {}: database sets itself up when it is opened; it has no schema to manage",
            self.scheme()
        );
        Err(Error::invalid("url", rule))
    }
}

/// The schemes that a program knows.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn Connector>>);

impl Registry {
    /// No schemes.
    pub fn new() -> Self {
        Registry::default()
    }

    /// The same registry with one more scheme; one that is there is replaced.
    #[must_use]
    pub fn with(mut self, connector: impl Connector + 'static) -> Self {
        self.0.insert(connector.scheme(), Arc::new(connector));
        self
    }

    /// The same registry with another name of a scheme that it has; without that scheme nothing changes.
    #[must_use]
    pub fn with_alias(mut self, alias: &'static str, scheme: &str) -> Self {
        if let Some(connector) = self.0.get(scheme) {
            self.0.insert(alias, connector.clone());
        }
        self
    }

    /// The known schemes, in order.
    pub fn schemes(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }

    /// Connects to a URL, `scheme:rest?option=value`.
    pub async fn connect(&self, url: &str, env: &Env) -> Result<Arc<dyn Persistence>> {
        let (url, connector) = self.find(url)?;
        connector.connect(&url, env).await
    }

    /// Sets up, upgrades or inspects the schema of the database that a URL names.
    pub async fn schema(&self, url: &str, op: SchemaOp) -> Result<SchemaStatus> {
        let (url, connector) = self.find(url)?;
        connector.schema(&url, op).await
    }

    fn find(&self, url: &str) -> Result<(Url, &Arc<dyn Connector>)> {
        // The URL itself stays out of the message: it may hold a password.
        let url = Url::parse(url)
            .map_err(|e| Error::invalid("url", format!("{e}; expected scheme:rest?option=value")))?;
        let Some(connector) = self.0.get(url.scheme()) else {
            let known: Vec<_> = self.schemes().map(|s| format!("{s}:")).collect();
            let rule = format!("unknown scheme {}:, this program knows {}", url.scheme(), known.join(", "));
            return Err(Error::invalid("url", rule));
        };
        Ok((url, connector))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.schemes()).finish()
    }
}
