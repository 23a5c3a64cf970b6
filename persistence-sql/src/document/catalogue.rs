//! What collections there are: a row each, known for a moment.

use super::names;
use super::shape::Shape;
use crate::bucket::Bucket;
use crate::core::document::CollectionDef;
use crate::core::{Context, Error, Result};
use crate::rendered::Rendered;
use crate::value::{Kind, SqlRow, Value};
use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a definition is believed: others may change it.
const LEASE: Duration = Duration::from_secs(1);

const SELECT: &str = "\
    SELECT definition, ready, revision
      FROM document_collections
     WHERE name = ?";

const COLUMNS: &[Kind] = &[Kind::Text, Kind::Text, Kind::Int];

pub(super) const INSERT: &str = "\
    INSERT INTO document_collections (name, definition, ready, revision)
    VALUES (?, ?, ?, ?)";

pub(super) const UPDATE: &str = "\
    UPDATE document_collections
       SET definition = ?, ready = ?, revision = ?
     WHERE name = ?";

/// A collection as it was ensured last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Collection {
    pub(super) def: CollectionDef,
    /// The names of the indexes that may be read.
    pub(super) ready: BTreeSet<String>,
    /// How often one of these changed.
    pub(super) revision: i64,
}

/// A collection as it is known: what every query asks of it was found out once.
pub(crate) struct Known {
    collection: Collection,
    /// Which indexes may be read, by their places.
    readable: Vec<bool>,
    /// The texts of its queries.
    pub(super) texts: Rendered<Shape>,
}

impl Deref for Known {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        &self.collection
    }
}

impl Known {
    fn new(collection: Collection) -> Self {
        let ready = |i| collection.ready.contains(&names::index(&collection.def, i));
        let readable = collection.def.indexes.iter().map(ready).collect();
        Known { collection, readable, texts: Rendered::new() }
    }

    /// Whether an index may be read, by its place.
    pub(super) fn is_ready(&self, index: usize) -> bool {
        self.readable.get(index).is_some_and(|readable| *readable)
    }
}

impl Collection {
    fn read(row: &mut SqlRow) -> Result<Self> {
        let damaged = |e| Error::corrupted("document_collections", "unreadable definition").with_source(e);
        let (def, ready) = (row.text()?, row.text()?);
        Ok(Collection {
            def: serde_json::from_str(&def).map_err(damaged)?,
            ready: serde_json::from_str(&ready).map_err(damaged)?,
            revision: row.int()?,
        })
    }

    /// Its row, but for the name.
    pub(super) fn row(&self) -> Vec<Value> {
        // Plain data: it cannot fail.
        let text = |json: serde_json::Result<String>| Value::Text(json.unwrap_or_default());
        vec![
            text(serde_json::to_string(&self.def)),
            text(serde_json::to_string(&self.ready)),
            self.revision.into(),
        ]
    }
}

/// The collections that are known.
#[derive(Default)]
pub(crate) struct Collections(Mutex<HashMap<String, (Instant, Arc<Known>)>>);

impl Collections {
    fn known(&self) -> MutexGuard<'_, HashMap<String, (Instant, Arc<Known>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, name: &str) {
        self.known().remove(name);
    }
}

/// The row of a collection.
pub(super) async fn load(tx: &mut crate::tx::Tx, name: &str) -> Result<Option<Collection>> {
    let mut rows = tx.query("document_collections", SELECT, vec![name.into()], COLUMNS).await?;
    rows.pop().map(|mut row| Collection::read(&mut row)).transpose()
}

impl Bucket {
    /// A collection, as it is or was a moment ago; `NotFound` if there is none.
    pub(super) async fn collection(&self, cx: &Context, name: &str) -> Result<Arc<Known>> {
        if let Some((at, known)) = self.collections.known().get(name)
            && at.elapsed() < LEASE
        {
            return Ok(Arc::clone(known));
        }
        let began = Instant::now();
        let mut rows = self.query(cx, "document_collections", SELECT, vec![name.into()], COLUMNS).await?;
        let Some(mut row) = rows.pop() else {
            self.collections.forget(name);
            return Err(Error::not_found("collection", name));
        };
        let found = Collection::read(&mut row)?;
        let mut all = self.collections.known();
        let known = match all.get(name) {
            Some((_, known)) if known.collection == found => Arc::clone(known),
            _ => Arc::new(Known::new(found)),
        };
        all.insert(name.to_owned(), (began, Arc::clone(&known)));
        Ok(known)
    }

    /// The collection anew, if it is not as it was known any more.
    pub(super) async fn changed(&self, cx: &Context, known: &Known) -> Option<Arc<Known>> {
        self.collections.forget(&known.def.name);
        let now = self.collection(cx, &known.def.name).await.ok()?;
        (now.revision != known.revision).then_some(now)
    }
}
