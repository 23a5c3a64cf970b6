//! Settings, from a URL or by the builder.

use crate::store::Postgres;
use persistence_sql::core::{Error, Result};
use sqlx::postgres::PgConnectOptions;
use std::fmt;
use std::time::Duration;
use url::Url;

/// What every session is set to. The planner takes a generic plan for dear, because it does not know how short the arrays of a
/// transition are, and plans each anew (1.0 ms, where running it takes 0.3 ms); and a plan made while a table was small would
/// go on reading all of it when it is large. Every statement here finds its rows by a key.
const SESSION: [(&str, &str); 2] = [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];

/// Settings of a database.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(crate) connect: PgConnectOptions,
    pub(crate) pool_size: u32,
    pub(crate) acquire_timeout: Duration,
}

impl Builder {
    /// From a URL: see [`Builder::from_url`].
    pub fn new(url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|e| Error::invalid("url", e.to_string()))?;
        Builder::from_url(&url)
    }

    /// From `postgres://user:password@host:port/database?option=value`. Options of our own are `pool_size` and
    /// `acquire_timeout_ms`; those that `sqlx` knows (`sslmode`, `sslrootcert`, `application_name`, …) go to it.
    pub fn from_url(url: &Url) -> Result<Self> {
        let (mut pool_size, mut acquire_timeout) = (16, Duration::from_secs(10));
        let mut theirs = url.clone();
        theirs.set_query(None);
        let mut rest = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in url.query_pairs() {
            let number =
                || value.parse().map_err(|_| Error::invalid("url", format!("option {name} has a bad value")));
            match &*name {
                "pool_size" => pool_size = number()?,
                "acquire_timeout_ms" => acquire_timeout = Duration::from_millis(number()?.into()),
                _ => {
                    rest.append_pair(&name, &value);
                }
            }
        }
        let rest = rest.finish();
        theirs.set_query((!rest.is_empty()).then_some(&rest));
        // The cause may quote the URL, and with it the password.
        let connect: PgConnectOptions =
            theirs.as_str().parse().map_err(|_| Error::invalid("url", "it does not name a database"))?;
        Ok(Builder { connect: connect.options(SESSION), pool_size, acquire_timeout })
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
    pub async fn open(self) -> Result<Postgres> {
        Postgres::open_with(self).await
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
