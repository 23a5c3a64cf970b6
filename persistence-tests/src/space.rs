//! Where the data of a run, or of one case, lives.

use crate::Isolation;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// A fresh place for one database: a name for servers, a directory for embedded engines. The same place is opened again
/// when a case reopens its database.
#[derive(Clone, Debug)]
pub struct Space(Arc<Inner>, Variant);

/// How a SQL driver is opened there.
#[derive(Clone, Copy, Debug, Default)]
struct Variant {
    prefix: &'static str,
    uncached: bool,
}

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
        Space(Arc::new(inner), Variant::default())
    }

    /// Whether all cases of the run use it, or one.
    pub fn isolation(&self) -> Isolation {
        self.0.isolation
    }

    /// The same place for tables of other names.
    pub(crate) fn beside(&self, prefix: &'static str) -> Self {
        Space(self.0.clone(), Variant { prefix, ..self.1 })
    }

    /// The same place for drivers without prepared statements.
    pub(crate) fn uncached(&self) -> Self {
        Space(self.0.clone(), Variant { uncached: true, ..self.1 })
    }

    /// How many prepared statements the connections of a SQL driver keep.
    pub fn statement_cache(&self) -> usize {
        if self.1.uncached { 0 } else { 256 }
    }

    /// What the tables of a SQL driver are called: in the database that is shared they have a prefix, and a schema if there are
    /// `schemas`, so that a run shows both that names can be chosen and that they need not be.
    ///
    /// # Panics
    ///
    /// Never: the names are good.
    pub fn tables(&self, schemas: bool) -> persistence_sql::SchemaSettings {
        let shared = self.0.isolation == Isolation::Shared;
        let prefix = if shared && self.1.prefix.is_empty() { "shared_" } else { self.1.prefix };
        let schema = (shared && schemas).then_some("Shared_1");
        let naming = persistence_sql::Naming::default().with_schema(schema);
        persistence_sql::SchemaSettings::named(naming.and_then(|n| n.with_prefix(prefix)).unwrap())
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
