//! Where the data is and how it is kept: a builder, and the same as a URL.

use crate::store::Fjall;
use fjall::PersistMode;
use persistence_nosql::core::{Error, Result};
use std::path::PathBuf;

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
    /// left out. The path is taken as it is: `fjall:./data` is relative, `fjall:/var/lib/x` and
    /// `fjall:///var/lib/x` are absolute. A path with a question mark needs [`Fjall::builder`].
    pub fn from_url(url: &str) -> Result<Self> {
        let rest =
            url.strip_prefix("fjall:").ok_or_else(|| Error::invalid("url", "must begin with fjall:"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = match path.strip_prefix("//") {
            Some(absolute) if absolute.starts_with('/') => absolute,
            Some(_) => {
                return Err(Error::invalid("url", "names a host; write fjall:///PATH or fjall:./PATH"));
            }
            None => path,
        };
        if path.is_empty() {
            return Err(Error::invalid("url", "has no path"));
        }
        let mut builder = Builder::new(path);
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            builder = match name {
                "sync" => builder.with_sync(match value {
                    "data" => SyncMode::Data,
                    "full" => SyncMode::Full,
                    "buffered" => SyncMode::Buffered,
                    _ => return Err(Error::invalid("url", "sync must be data, full or buffered")),
                }),
                "cache" => builder.with_cache_bytes(size(name, value)?),
                "journal" => builder.with_journal_bytes(size(name, value)?),
                "memtable" => builder.with_memtable_bytes(size(name, value)?),
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
fn size(name: &str, text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match &text[digits.len()..] {
        "" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    };
    shift
        .and_then(|s| digits.parse::<u64>().ok()?.checked_mul(1 << s))
        .ok_or_else(|| Error::invalid("url", format!("{name} must be a size such as 64MiB")))
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
    }

    #[test]
    fn a_wrong_url_is_the_callers_mistake() {
        for url in [
            "sqlite:x",
            "fjall:",
            "fjall:?sync=data",
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
