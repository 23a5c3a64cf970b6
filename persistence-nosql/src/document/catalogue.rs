//! What collections there are: the definitions as stored, which say what every writer writes and what readers may read.

use super::batch::Target;
use super::keys::{self, IndexRef, Place};
use crate::bucket::{Bucket, Settled, check, in_doubt, put};
use crate::codec::{guard, guard_number};
use crate::core::document::{Attribute, CollectionDef, IndexDef, Partitioning, Scope};
use crate::core::{Capability, Context, Error, Result};
use crate::row::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{RwLock, RwLockReadGuard};

/// The number of the index by expiry that every collection has.
pub(super) const EXPIRY: u32 = 0;
/// The number of the index by id that a collection has whose documents are by themselves.
pub(super) const IDS: u32 = 1;
const FIRST_NUMBER: u32 = 16;

/// How long a definition is used without looking at it again, where other processes may change it.
const LEASE: Duration = Duration::from_secs(2);
/// How long a write may take that was begun at the lease's end.
const GRACE: Duration = Duration::from_secs(1);

/// A collection as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Declared {
    pub(super) definition: CollectionDef,
    /// As in the definition, in its order.
    pub(super) indexes: Vec<StoredIndex>,
    /// Indexes that are no longer declared and whose entries are to be removed.
    pub(super) retired: Vec<StoredIndex>,
    /// The number of the next new index. None is used twice.
    next_number: u32,
}

/// An index as it is stored. Its number stands for everything that decides which entries a document has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredIndex {
    pub(super) number: u32,
    pub(super) ready: bool,
    pub(super) index: IndexDef,
    /// The attributes that its keys are of.
    attributes: Vec<Attribute>,
}

/// A collection that is known.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) declared: Declared,
    version: i64,
    /// When it was looked at for the last time.
    read: Mutex<Instant>,
}

/// The collections that this process knows.
#[derive(Default)]
pub(crate) struct Catalogue {
    known: std::sync::RwLock<HashMap<String, Arc<Collection>>>,
    /// Held by whoever writes documents, and by whoever changes what they write: after a change no write is under way that knows
    /// nothing of it.
    fence: RwLock<()>,
}

static BY_EXPIRY: LazyLock<IndexDef> = LazyLock::new(|| IndexDef::new("expiry").asc("expires"));
static BY_ID: LazyLock<IndexDef> = LazyLock::new(|| IndexDef::new("id"));

impl Declared {
    /// A new collection: there is nothing to build.
    pub(super) fn new(definition: CollectionDef) -> Self {
        let mut declared =
            Declared { definition, indexes: Vec::new(), retired: Vec::new(), next_number: FIRST_NUMBER };
        declared.indexes =
            declared.definition.indexes.clone().iter().map(|i| declared.number(i, true)).collect();
        declared
    }

    /// What it becomes with another definition. Indexes that stay as they are keep their numbers.
    pub(super) fn redefined(&self, definition: &CollectionDef) -> Self {
        let mut next = Declared { definition: definition.clone(), ..self.clone() };
        let mut old = std::mem::take(&mut next.indexes);
        for index in &definition.indexes {
            let wanted = attributes(definition, index);
            let same = old.iter().position(|o| o.index == *index && o.attributes == wanted);
            let stored = match same {
                Some(place) => old.remove(place),
                None => next.number(index, false),
            };
            next.indexes.push(stored);
        }
        next.retired.extend(old);
        next
    }

    fn number(&mut self, index: &IndexDef, ready: bool) -> StoredIndex {
        let number = self.next_number;
        self.next_number += 1;
        StoredIndex { number, ready, index: index.clone(), attributes: attributes(&self.definition, index) }
    }

    /// The declared index at this place.
    pub(super) fn index_ref<'a>(&self, index: &'a StoredIndex) -> IndexRef<'a> {
        let local =
            index.index.scope == Scope::Partition || self.definition.partition == Partitioning::Constant;
        IndexRef { number: index.number, index: &index.index, local }
    }

    /// The index by expiry.
    pub(super) fn by_expiry(&self) -> IndexRef<'static> {
        IndexRef { number: EXPIRY, index: &BY_EXPIRY, local: false }
    }

    /// The index by id of documents by themselves.
    pub(super) fn by_id(&self) -> IndexRef<'static> {
        IndexRef { number: IDS, index: &BY_ID, local: false }
    }

    /// Every index that documents have entries in.
    pub(super) fn all(&self) -> impl Iterator<Item = IndexRef<'_>> {
        let spread = self.definition.partition == Partitioning::Spread;
        let implicit = [Some(self.by_expiry()), spread.then(|| self.by_id())];
        implicit.into_iter().flatten().chain(self.indexes.iter().map(|i| self.index_ref(i)))
    }

    /// Whether documents cannot have entries of an index with this number as far as is known here.
    pub(super) fn is_unheard_of(&self, number: u32) -> bool {
        number >= self.next_number
    }
}

fn attributes(def: &CollectionDef, index: &IndexDef) -> Vec<Attribute> {
    index.keys.iter().filter_map(|k| def.attribute_named(&k.attribute)).cloned().collect()
}

impl Collection {
    pub(super) fn def(&self) -> &CollectionDef {
        &self.declared.definition
    }

    fn age(&self) -> Duration {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// That it still is as it is known. In every write where writes may span partitions: nothing is written then by what is no
    /// longer so.
    pub(super) fn unchanged(&self) -> (Place, Condition) {
        let place = Place {
            table: Table::Documents,
            partition: keys::catalogue(),
            key: keys::declared(&self.def().name),
        };
        (place, Condition::Guard(guard(self.version)))
    }
}

impl Catalogue {
    fn known(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Arc<Collection>>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, found: Arc<Collection>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let name = found.def().name.clone();
        // A read may have been overtaken by a change.
        if known.get(&name).is_none_or(|k| k.version <= found.version) {
            known.insert(name, found);
        }
    }

    /// Entered by a writer before it looks at definitions, and left when its write has ended.
    pub(super) async fn writing(&self) -> RwLockReadGuard<'_, ()> {
        self.fence.read().await
    }
}

impl Bucket {
    fn shares(&self) -> bool {
        self.info.capabilities.has(Capability::MultiProcess)
    }

    /// A collection as it is; where other processes may change it, as it was at most a lease ago.
    pub(super) async fn collection(&self, cx: &Context, name: &str) -> Result<Arc<Collection>> {
        let known = self.documents.known().get(name).cloned();
        if let Some(known) = known.filter(|known| self.shares() && known.age() < LEASE) {
            return Ok(known);
        }
        let found = self.reread_collection(cx, name).await?;
        found.ok_or_else(|| Error::not_found("collection", name))
    }

    /// A collection as it is; none where it was never declared.
    pub(super) async fn reread_collection(
        &self,
        cx: &Context,
        name: &str,
    ) -> Result<Option<Arc<Collection>>> {
        // The lease begins before the read: what changes after it is noticed by whoever waits for the lease.
        let read = Instant::now();
        let row = self
            .get_row(cx, Table::Documents, &keys::catalogue(), keys::declared(name), Level::Serial)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let version = guard_number("collection", &row.guard)?;
        let known = self.documents.known().get(name).filter(|known| known.version == version).cloned();
        if let Some(known) = known {
            *known.read.lock().unwrap_or_else(PoisonError::into_inner) = read;
            return Ok(Some(known));
        }
        let declared = serde_json::from_slice(&row.value)
            .map_err(|e| Error::corrupted("collection", format!("{name}: unreadable definition: {e}")))?;
        let found = Arc::new(Collection { declared, version, read: Mutex::new(read) });
        self.documents.learn(found.clone());
        Ok(Some(found))
    }

    /// Stores what a collection is from now on, if it still is what was seen. When this returns true, no writer of this process is
    /// under way that knows nothing of it. `begun` becomes true once it was stored, or may have been.
    pub(super) async fn declare(
        &self,
        cx: &Context,
        seen: Option<&Collection>,
        declared: &Declared,
        begun: &mut bool,
    ) -> Result<bool> {
        let name = &declared.definition.name;
        let condition = seen.map_or(Condition::Absent, |c| Condition::Guard(guard(c.version)));
        let version = seen.map_or(1, |c| c.version + 1);
        let value = serde_json::to_vec(declared)
            .map_err(|e| Error::invalid("definition", format!("cannot be stored: {e}")))?;
        let part = Part {
            table: Table::Documents,
            partition: keys::catalogue(),
            checks: vec![check(keys::declared(name), condition)],
            ops: vec![put(keys::declared(name), guard(version), value.into())],
        };
        let _alone = self.documents.fence.write().await;
        let settled = self.settle(cx, &part.into()).await.map_err(|e| in_doubt(*begun, e))?;
        *begun |= !matches!(settled, Settled::Refused { unknown: false, .. });
        // Whatever became of it: what is stored is the truth, and a repeat that was refused may be our own.
        let stored = self.reread_collection(cx, name).await.map_err(|e| in_doubt(*begun, e))?;
        let ours = stored.is_some_and(|s| s.version == version && s.declared == *declared);
        Ok(ours || matches!(settled, Settled::Applied))
    }

    /// Whether the definitions of what is to be written have not become old while it was prepared.
    pub(super) fn is_known_for_sure(&self, targets: &[Target]) -> bool {
        !self.shares() || targets.iter().all(|t| t.collection.age() < LEASE)
    }

    /// Waits until every writer, of whatever process, knows what was declared before.
    pub(super) async fn known_by_all(&self) {
        if self.shares() {
            tokio::time::sleep(LEASE + GRACE).await;
        }
    }
}
