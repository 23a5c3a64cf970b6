//! Settings, from a URL or by the builder.

use crate::store::Mysql;
use persistence_sql::core::{Error, Result};
use sqlx::mysql::MySqlConnectOptions;
use std::fmt;
use std::time::Duration;
use url::Url;

/// Settings of a database.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(crate) connect: MySqlConnectOptions,
    pub(crate) pool_size: u32,
    pub(crate) acquire_timeout: Duration,
}

impl Builder {
    /// From a URL: see [`Builder::from_url`].
    pub fn new(url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|e| Error::invalid("url", e.to_string()))?;
        Builder::from_url(&url)
    }

    /// From `mysql://user:password@host:port/database?option=value`.
    ///
    /// | option | meaning | default |
    /// |---|---|---|
    /// | `pool_size` | the most connections | 16 |
    /// | `acquire_timeout_ms` | how long to wait for one when the caller set no deadline | 10000 |
    /// | `ssl-mode` | `disabled`, `preferred`, `required`, `verify_ca` or `verify_identity` | `preferred` |
    /// | `ssl-ca`, `ssl-cert`, `ssl-key` | files: the authority, the client's certificate and key | none |
    /// | `socket` | a Unix socket instead of host and port | none |
    /// | `statement-cache-capacity` | prepared statements that a connection keeps; 0: none | 256 |
    pub fn from_url(url: &Url) -> Result<Self> {
        let (mut pool_size, mut acquire_timeout) = (16, Duration::from_secs(10));
        let mut theirs = url.clone();
        theirs.set_query(None);
        let mut rest = url::form_urlencoded::Serializer::new(String::new());
        rest.append_pair("statement-cache-capacity", "256");
        for (name, value) in url.query_pairs() {
            let number =
                || value.parse().map_err(|_| Error::invalid("url", format!("option {name} has a bad value")));
            match &*name {
                "pool_size" => pool_size = number()?,
                "acquire_timeout_ms" => acquire_timeout = Duration::from_millis(number()?.into()),
                "ssl-mode" | "ssl-ca" | "ssl-cert" | "ssl-key" | "socket" | "statement-cache-capacity" => {
                    rest.append_pair(&name, &value);
                }
                other => return Err(Error::invalid("url", format!("unknown option {other}"))),
            }
        }
        theirs.set_query(Some(&rest.finish()));
        // The cause may quote the URL, and with it the password.
        let connect: MySqlConnectOptions =
            theirs.as_str().parse().map_err(|_| Error::invalid("url", "it does not name a database"))?;
        // What the session is, the pool says in one statement of its own.
        let connect =
            connect.pipes_as_concat(false).no_engine_substitution(false).timezone(None).set_names(false);
        Ok(Builder { connect, pool_size, acquire_timeout })
    }

    /// The most connections; at least 1.
    pub fn with_pool_size(mut self, connections: u32) -> Self {
        self.pool_size = connections.max(1);
        self
    }

    /// How long to wait for a connection when the caller set no deadline.
    pub fn with_acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Connects.
    pub async fn open(self) -> Result<Mysql> {
        Mysql::open_with(self).await
    }

    pub(crate) fn location(&self) -> String {
        let c = &self.connect;
        format!("{}:{}/{}", c.get_host(), c.get_port(), c.get_database().unwrap_or_default())
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the password.
        f.debug_struct("Builder")
            .field("location", &self.location())
            .field("pool_size", &self.pool_size)
            .finish()
    }
}
