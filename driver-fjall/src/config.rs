//! Where the data is and how it is kept: a builder, and the same as a URL.

use crate::store::Fjall;
use fjall::PersistMode;
use persistence_nosql::core::Result;
use persistence_nosql::core::connect::UrlOptions;
use std::path::PathBuf;

/// The largest value of a row, in bytes.
pub const MAX_VALUE: usize = 64 << 20;

/// Less is not worth having, and fjall refuses journals below 64 MiB.
const MIN_CACHE: u64 = 1 << 20;
const MIN_JOURNAL: u64 = 64 << 20;
const MIN_MEMTABLE: u64 = 64 << 10;

/// What is used unless set.
const CACHE: u64 = 64 << 20;
const JOURNAL: u64 = 256 << 20;
const MEMTABLE: u64 = 32 << 20;

/// What an acknowledged write has survived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncMode {
    /// `data`: acknowledged after `fdatasync`. Survives power loss. The default.
    #[default]
    Data,
    /// `full`: acknowledged after `fsync`, for file systems on which `fdatasync` is not enough.
    Full,
    /// `buffered`: acknowledged once the operating system has it. Survives the end of the process, but power
    /// loss takes the last seconds (never the middle: what is left is a prefix of what was written). Because of
    /// that the store then does *not* declare `Durable`. For tests and for data that can be made again.
    Buffered,
}

impl SyncMode {
    pub(crate) fn persist_mode(self) -> PersistMode {
        match self {
            SyncMode::Data => PersistMode::SyncData,
            SyncMode::Full => PersistMode::SyncAll,
            SyncMode::Buffered => PersistMode::Buffer,
        }
    }

    pub(crate) fn is_durable(self) -> bool {
        self != SyncMode::Buffered
    }
}

/// How to open a store. Every setting has a default.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) path: PathBuf,
    pub(crate) sync: SyncMode,
    pub(crate) cache_bytes: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) memtable_bytes: u64,
}

impl Builder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        let (sync, path) = (SyncMode::default(), path.into());
        Builder { path, sync, cache_bytes: CACHE, journal_bytes: JOURNAL, memtable_bytes: MEMTABLE }
    }

    /// From `fjall:PATH?sync=data|full|buffered&cache=64MiB&journal=256MiB&memtable=32MiB`; every option may be
    /// left out. `fjall:./data` is relative, `fjall:/var/lib/x` and `fjall:///var/lib/x` are absolute.
    pub fn from_url(url: &str) -> Result<Self> {
        const MODES: &[(&str, SyncMode)] =
            &[("data", SyncMode::Data), ("full", SyncMode::Full), ("buffered", SyncMode::Buffered)];
        let mut options = UrlOptions::parse("fjall", url)?;
        let builder = Builder::new(options.path()?)
            .with_sync(options.choice("sync", MODES)?.unwrap_or_default())
            .with_cache_bytes(options.bytes("cache")?.unwrap_or(CACHE))
            .with_journal_bytes(options.bytes("journal")?.unwrap_or(JOURNAL))
            .with_memtable_bytes(options.bytes("memtable")?.unwrap_or(MEMTABLE));
        options.finish()?;
        Ok(builder)
    }

    /// When a write is acknowledged.
    pub fn with_sync(mut self, sync: SyncMode) -> Self {
        self.sync = sync;
        self
    }

    /// The size of the block cache; at least 1 MiB, 64 MiB unless set. A quarter of the memory is a good value for a large store.
    pub fn with_cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes.max(MIN_CACHE);
        self
    }

    /// The size of all journals together beyond which memtables are flushed; at least 64 MiB, 256 MiB unless set.
    /// What is in the journals is read again at every opening (some 100 MiB a second).
    pub fn with_journal_bytes(mut self, bytes: u64) -> Self {
        self.journal_bytes = bytes.max(MIN_JOURNAL);
        self
    }

    /// The size of a table's memtable beyond which it is flushed; at least 64 KiB, 32 MiB unless set. Decided when a
    /// table is created; later values change nothing.
    pub fn with_memtable_bytes(mut self, bytes: u64) -> Self {
        self.memtable_bytes = bytes.max(MIN_MEMTABLE);
        self
    }

    /// Opens the store, and creates it where there is nothing.
    pub async fn open(self) -> Result<Fjall> {
        Fjall::open_with(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence_nosql::core::ErrorKind;
    use std::path::Path;

    #[test]
    fn a_url_says_everything() {
        let b = Builder::from_url("fjall:./data?sync=full&cache=8MiB&journal=1GiB&memtable=65536").unwrap();
        assert_eq!((b.path.as_path(), b.sync), (Path::new("./data"), SyncMode::Full));
        assert_eq!((b.cache_bytes, b.journal_bytes, b.memtable_bytes), (8 << 20, 1 << 30, 65536));
        assert_eq!(Builder::from_url("fjall:///a/b").unwrap().path, Path::new("/a/b"));
        assert_eq!(Builder::from_url("fjall:/a/b?").unwrap().path, Path::new("/a/b"));
        assert_eq!(Builder::from_url("fjall:./dätä/a b%3F").unwrap().path, Path::new("./dätä/a b?"));
    }

    #[test]
    fn a_wrong_url_is_the_callers_mistake() {
        for url in [
            "sqlite:x",
            "fjall:",
            "fjall:?sync=data",
            "fjall:%ff",
            "fjall://host/x",
            "fjall:x?sync=none",
            "fjall:x?sync",
            "fjall:x?cash=64MiB",
            "fjall:x?cache=64MB",
            "fjall:x?cache=",
            "fjall:x?cache=99999999999GiB",
        ] {
            assert_eq!(Builder::from_url(url).unwrap_err().kind(), ErrorKind::InvalidArgument, "{url}");
        }
    }
}
