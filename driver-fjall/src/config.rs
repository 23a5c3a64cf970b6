//! Where the data is and how it is kept: a builder, and the same as a URL.

use crate::store::Fjall;
use fjall::PersistMode;
use percent_encoding::percent_decode_str;
use persistence_nosql::core::{Error, Result};
use std::path::PathBuf;
use url::Url;

/// The largest value of a row, in bytes.
pub const MAX_VALUE: usize = 64 << 20;

/// Less is not worth having, and fjall refuses journals below 64 MiB.
const MIN_CACHE: u64 = 1 << 20;
const MIN_JOURNAL: u64 = 64 << 20;

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
        Builder {
            path: path.into(),
            sync: SyncMode::default(),
            cache_bytes: 64 << 20,
            journal_bytes: 256 << 20,
            memtable_bytes: 32 << 20,
        }
    }

    /// From `fjall:PATH?sync=data|full|buffered&cache=64MiB&journal=256MiB&memtable=32MiB`; every option may be
    /// left out. `fjall:./data` is relative, `fjall:/var/lib/x` and `fjall:///var/lib/x` are absolute.
    pub fn from_url(url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|e| Error::invalid("url", e.to_string()))?;
        let path = percent_decode_str(url.path()).decode_utf8();
        let path = path.map_err(|_| Error::invalid("url", "the path is not UTF-8"))?;
        if url.scheme() != "fjall" || url.host_str().is_some_and(|h| !h.is_empty()) || path.is_empty() {
            return Err(Error::invalid("url", "must be fjall:./PATH or fjall:///PATH"));
        }
        let mut builder = Builder::new(&*path);
        for (name, value) in url.query_pairs() {
            builder = match (&*name, &*value) {
                ("sync", "data") => builder.with_sync(SyncMode::Data),
                ("sync", "full") => builder.with_sync(SyncMode::Full),
                ("sync", "buffered") => builder.with_sync(SyncMode::Buffered),
                ("sync", _) => return Err(Error::invalid("url", "sync must be data, full or buffered")),
                ("cache", size) => builder.with_cache_bytes(bytes(size)?),
                ("journal", size) => builder.with_journal_bytes(bytes(size)?),
                ("memtable", size) => builder.with_memtable_bytes(bytes(size)?),
                _ => {
                    let rule = format!("has no option {name:?}; there are sync, cache, journal and memtable");
                    return Err(Error::invalid("url", rule));
                }
            };
        }
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
        self.memtable_bytes = bytes.max(64 << 10);
        self
    }

    /// Opens the store, and creates it where there is nothing.
    pub async fn open(self) -> Result<Fjall> {
        Fjall::open_with(self).await
    }
}

/// `4096`, `64KiB`, `64MiB`, `1GiB`.
fn bytes(size: &str) -> Result<u64> {
    let (digits, unit) = size.split_at(size.find(|c: char| !c.is_ascii_digit()).unwrap_or(size.len()));
    let unit = ["", "KiB", "MiB", "GiB"].iter().position(|u| *u == unit);
    unit.and_then(|u| digits.parse::<u64>().ok()?.checked_mul(1 << (10 * u)))
        .ok_or_else(|| Error::invalid("url", format!("{size:?} is not a size such as 64MiB")))
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
