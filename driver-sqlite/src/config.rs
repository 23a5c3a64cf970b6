//! Settings, from a URL or by the builder.

use crate::store::Sqlite;
use persistence_sql::SchemaSettings;
use persistence_sql::core::Result;
use persistence_sql::core::connect::UrlOptions;
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
    pub(crate) create: bool,
    pub(crate) readers: u32,
    pub(crate) busy_timeout: Duration,
    pub(crate) synchronous: Synchronous,
    pub(crate) statement_cache: usize,
    pub(crate) schema: SchemaSettings,
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
            create: true,
            readers: 8,
            busy_timeout: Duration::from_secs(5),
            synchronous: Synchronous::Full,
            statement_cache: 256,
            schema: SchemaSettings::default(),
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

    /// How many prepared statements each connection keeps; 0 for none.
    pub fn with_statement_cache(mut self, statements: usize) -> Self {
        self.statement_cache = statements;
        self
    }

    /// What the tables are called, and who sets them up.
    pub fn with_schema(mut self, schema: SchemaSettings) -> Self {
        self.schema = schema;
        self
    }

    /// From `sqlite:path?option=value` or `sqlite::memory:`.
    pub fn from_url(url: &Url) -> Result<Self> {
        let mut options = UrlOptions::new(url)?;
        let mut builder = match url.path() {
            ":memory:" => Builder::memory(),
            _ => Builder::file(options.path()?),
        };
        if let Some(readers) = options.integer("readers", 1..=1024)? {
            builder.readers = u32::try_from(readers).unwrap_or(1);
        }
        if let Some(timeout) = options.duration("busy_timeout")? {
            builder.busy_timeout = timeout;
        }
        if let Some(statements) = options.integer("statement_cache", 0..=65_536)? {
            builder.statement_cache = usize::try_from(statements).unwrap_or(0);
        }
        let modes = [("full", Synchronous::Full), ("normal", Synchronous::Normal)];
        builder.synchronous = options.choice("synchronous", &modes)?.unwrap_or_default();
        builder.schema = SchemaSettings::take(&mut options, false)?;
        options.finish()?;
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
            .create_if_missing(self.create)
            .busy_timeout(self.busy_timeout)
            .synchronous(match self.synchronous {
                Synchronous::Full => SqliteSynchronous::Full,
                Synchronous::Normal => SqliteSynchronous::Normal,
            })
            .pragma("cache_size", "-16384")
            .pragma("wal_autocheckpoint", "8000")
            // Statements of several rows keep what they would have to undo, which is in a file otherwise.
            .pragma("temp_store", "MEMORY")
            .statement_cache_capacity(self.statement_cache);
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
