//! Settings, from a URL or by the builder.

use crate::store::Sqlite;
use persistence_sql::core::{Error, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// When a commit is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// Before it is acknowledged.
    #[default]
    Full,
    /// At the next checkpoint: the last commits may be lost with power, never with the process.
    Normal,
}

/// Settings of a database.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    /// None: in memory.
    pub(crate) path: Option<PathBuf>,
    pub(crate) readers: u32,
    pub(crate) busy_timeout: Duration,
    pub(crate) synchronous: Synchronous,
}

impl Builder {
    /// A database in this file, created if it is missing.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Builder { path: Some(path.into()), ..Builder::memory() }
    }

    /// A database in memory that lives as long as its handle.
    pub fn memory() -> Self {
        Builder {
            path: None,
            readers: 8,
            busy_timeout: Duration::from_secs(5),
            synchronous: Synchronous::Full,
        }
    }

    /// The most connections that read at once; at least 1.
    pub fn with_readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// How long to wait for another process's write.
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// When a commit is on disk.
    pub fn with_synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// From `sqlite:path?option=value` or `sqlite::memory:`.
    pub fn from_url(url: &Url) -> Result<Self> {
        let path = url.path();
        let mut builder = match path {
            ":memory:" => Builder::memory(),
            "" => return Err(Error::invalid("url", "name a file, sqlite:data.db, or sqlite::memory:")),
            path => Builder::file(percent_decoded(path)?),
        };
        for (name, value) in url.query_pairs() {
            let bad = || Error::invalid("url", format!("option {name} has a bad value"));
            match &*name {
                "readers" => builder = builder.with_readers(value.parse().map_err(|_| bad())?),
                "busy_timeout_ms" => {
                    builder.busy_timeout = Duration::from_millis(value.parse().map_err(|_| bad())?);
                }
                "synchronous" => {
                    builder.synchronous = match &*value {
                        "full" => Synchronous::Full,
                        "normal" => Synchronous::Normal,
                        _ => return Err(bad()),
                    }
                }
                other => {
                    let rule =
                        format!("unknown option {other}; there are readers, busy_timeout_ms, synchronous");
                    return Err(Error::invalid("url", rule));
                }
            }
        }
        Ok(builder)
    }

    /// Opens the database.
    pub async fn open(self) -> Result<Sqlite> {
        Sqlite::open_with(self).await
    }

    pub(crate) fn location(&self) -> String {
        self.path.as_deref().map_or_else(|| ":memory:".to_owned(), |p: &Path| p.display().to_string())
    }

    pub(crate) fn connect_options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .create_if_missing(true)
            .busy_timeout(self.busy_timeout)
            .synchronous(match self.synchronous {
                Synchronous::Full => SqliteSynchronous::Full,
                Synchronous::Normal => SqliteSynchronous::Normal,
            })
            .pragma("cache_size", "-16384")
            .pragma("wal_autocheckpoint", "8000")
            .statement_cache_capacity(256);
        match &self.path {
            Some(path) => options.filename(path).journal_mode(SqliteJournalMode::Wal),
            // SQLite's own shared memory file system: connections of this process see one database, with its usual locks.
            None => options
                .filename(format!("/{}", uuid::Uuid::now_v7().simple()))
                .vfs("memdb")
                .journal_mode(SqliteJournalMode::Memory),
        }
    }
}

fn percent_decoded(path: &str) -> Result<PathBuf> {
    // What a query string may hold, a path may as well.
    let encoded = format!("p={}", path.replace('+', "%2B"));
    let decoded = url::form_urlencoded::parse(encoded.as_bytes()).next().map(|(_, v)| v.into_owned());
    decoded.map(PathBuf::from).ok_or_else(|| Error::invalid("url", "the path cannot be read"))
}
