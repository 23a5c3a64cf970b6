//! Who logs in at a server: what drivers of servers have in common, whatever their bucket.

use crate::error::{Error, Result};
use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::sync::Arc;

/// A text that no `Debug` shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Who logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The user, unless the driver has a usual one.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

/// Gives the login of each new connection: for passwords that are tokens and change. Closures that give such a future are one.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Called for each new connection, before it is made.
    async fn login(&self) -> Result<Login>;
}

#[async_trait]
impl<F, L> Credentials for F
where
    F: Fn() -> L + Send + Sync,
    L: Future<Output = Result<Login>> + Send,
{
    async fn login(&self) -> Result<Login> {
        self().await
    }
}

/// Credentials, if there are some in place of the URL's.
#[derive(Clone, Default)]
pub struct Hook(pub Option<Arc<dyn Credentials>>);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "credentials" } else { "none" })
    }
}

/// A part of a URL as it was before it was percent-encoded.
pub fn decoded(text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(Into::into).map_err(|_| Error::invalid("url", "has a part that is not UTF-8"))
}
