//! Where the data of a run, or of one case, lives.

use crate::Isolation;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// A fresh place for one database: a name for servers, a directory for embedded engines. The same place is opened again
/// when a case reopens its database.
#[derive(Clone, Debug)]
pub struct Space(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    isolation: Isolation,
    name: String,
    dir: OnceLock<TempDir>,
    keep: AtomicBool,
}

impl Space {
    /// A new place.
    pub fn new(isolation: Isolation) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Relaxed);
        // The process and a random part: many runs may share one server.
        let name = format!("pt_{:x}_{:04x}_{n}", std::process::id(), fastrand::u16(..));
        let inner = Inner { isolation, name, dir: OnceLock::new(), keep: AtomicBool::new(false) };
        Space(Arc::new(inner))
    }

    /// Whether all cases of the run use it, or one.
    pub fn isolation(&self) -> Isolation {
        self.0.isolation
    }

    /// A name that no other place has: small letters, digits and `_`, at most 32 characters.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A directory of its own, made at the first call, deleted at the end unless a case failed in it.
    ///
    /// # Panics
    ///
    /// When the directory cannot be made.
    pub fn dir(&self) -> &Path {
        self.0.dir.get_or_init(|| TempDir::with_prefix(format!("{}_", self.0.name)).unwrap()).path()
    }

    /// Keeps the directory, if there is one, and tells where it is.
    pub(crate) fn keep(&self) -> String {
        self.0.keep.store(true, Relaxed);
        match self.0.dir.get() {
            Some(dir) => dir.path().display().to_string(),
            None => self.0.name.clone(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(dir) = self.dir.get_mut() {
            dir.disable_cleanup(self.keep.load(Relaxed));
        }
    }
}
