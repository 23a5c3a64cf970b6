//! Comparing the rows of indexes with the documents, while others write.

use super::batch::Entry;
use super::build::Task;
use super::catalogue::Collection;
use super::keys::{IndexRef, Place};
use super::record::Stored;
use crate::bucket::Bucket;
use crate::codec::decode;
use crate::core::document::DocumentKey;
use crate::core::{Context, Result};
use crate::keys::successor;
use crate::row::*;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that are looked at at once.
const WINDOW: usize = 128;

/// What was found to be wrong, by index: entries that are missing, and entries of nothing. A row of a unique index counts as one.
#[derive(Default)]
pub(super) struct Drift(Mutex<BTreeMap<u32, (u64, u64)>>);

impl Drift {
    fn add(&self, number: u32, missing: u64, stray: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = all.entry(number).or_default();
        *of = (of.0 + missing, of.1 + stray);
    }
}

/// A row that a document should have.
struct Expected {
    number: u32,
    place: Place,
    /// Whether it says whose it is, and nothing else: a row of a unique index.
    unique: bool,
}

/// Whether a unique index has rows of a document.
fn holds(index: IndexRef<'_>, stored: &Stored) -> bool {
    index.index.unique && !(index.index.live_only && stored.document.deleted.is_some())
}

impl Bucket {
    /// What is wrong with the entries of a collection, in words.
    pub(super) async fn verified(&self, cx: &Context, collection: &Arc<Collection>) -> Result<Vec<String>> {
        let drift = Drift::default();
        self.walk(cx, collection, &Task::Compare(&drift)).await?;
        // Where writes do not span partitions, one that came to no end leaves entries of nothing, and readers remove them: nothing is wrong.
        for index in collection.declared.all().filter(|i| !i.local && self.crosses_partitions()) {
            let partition = index.own_partition(collection.def());
            self.strays(cx, collection, index, &partition, &drift).await?;
        }
        let named = |number: u32| {
            let declared = collection.declared.indexes.iter().find(|i| i.number == number);
            declared.map_or("of the store itself", |i| &i.index.name).to_owned()
        };
        let mut found = Vec::new();
        for (number, (missing, stray)) in drift.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if missing > 0 {
                found.push(format!("index {} lacks {missing} entries", named(number)));
            }
            if stray > 0 {
                found.push(format!("index {} has {stray} entries of no document", named(number)));
            }
        }
        Ok(found)
    }

    /// Counts the entries that a document should have and has not, or that another one has.
    pub(super) async fn compare(
        &self,
        cx: &Context,
        collection: &Collection,
        stored: &Stored,
        drift: &Drift,
    ) -> Result<()> {
        let (def, key) = (collection.def(), &stored.document.key);
        let (mut expected, mut missing) = (Vec::new(), Vec::new());
        let pending =
            |number: u32| collection.declared.indexes.iter().any(|i| i.number == number && !i.ready);
        for index in collection.declared.all().filter(|i| !pending(i.number)) {
            let number = index.number;
            let Some(entries) = stored.entries(def, index) else {
                missing.push(number);
                continue;
            };
            for (c, stamp) in entries {
                let place = index.entry(def, &c, key, (!index.local).then_some(stamp))?;
                expected.push(Expected { number, place, unique: false });
                if holds(index, stored) {
                    let place = index.unique(def, &c, key)?;
                    expected.push(Expected { number, place, unique: true });
                }
            }
        }
        let rows = self.fetch(cx, expected.iter().map(|e| e.place.clone()), Level::Serial).await?;
        for e in &expected {
            let is_so = match rows.at(&e.place) {
                Some(row) if e.unique => decode::<DocumentKey>("unique key", &row.value)? == *key,
                row => row.is_some(),
            };
            if !is_so {
                missing.push(e.number);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        // A document that was changed meanwhile has other entries.
        let again = self.stored(cx, collection, std::slice::from_ref(key), Level::Serial).await?;
        if again.into_iter().flatten().any(|s| s.guard == stored.guard) {
            missing.into_iter().for_each(|n| drift.add(n, 1, 0));
        }
        Ok(())
    }

    /// Counts the rows of local indexes in a partition that no document has.
    pub(super) async fn strays_of(
        &self,
        cx: &Context,
        collection: &Collection,
        partition: &Bytes,
        drift: &Drift,
    ) -> Result<()> {
        for index in collection.declared.all().filter(|i| i.local) {
            self.strays(cx, collection, index, partition, drift).await?;
        }
        Ok(())
    }

    /// Counts the rows of an index in a partition that no document has.
    async fn strays(
        &self,
        cx: &Context,
        collection: &Collection,
        index: IndexRef<'_>,
        partition: &Bytes,
        drift: &Drift,
    ) -> Result<()> {
        let [entries, unique] = index.rows(collection.def());
        let unique = index.index.unique.then_some((unique, true));
        for (mut range, unique) in [Some((entries, false)), unique].into_iter().flatten() {
            let table = if index.local { Table::Documents } else { Table::DocumentIndex };
            loop {
                let rows = self.rows(cx, table, partition, &range, WINDOW, Level::Serial).await?;
                let place = |key: &Bytes| Place { table, partition: partition.clone(), key: key.clone() };
                let (mut places, mut keys) = (Vec::new(), Vec::new());
                for KeyedRow { key, row } in &rows {
                    keys.push(if unique {
                        decode("unique key", &row.value)?
                    } else {
                        decode::<Entry>("index entry", &row.value)?.key
                    });
                    places.push(place(key));
                }
                let strays = self.of_nothing(cx, collection, index, &places, &keys).await?;
                if strays > 0 {
                    drift.add(index.number, 0, strays);
                }
                match rows.last() {
                    Some(last) if rows.len() == WINDOW => range.start = successor(&last.key),
                    _ => break,
                }
            }
        }
        Ok(())
    }

    /// How many of these rows are there and not those of the documents that they name.
    async fn of_nothing(
        &self,
        cx: &Context,
        collection: &Collection,
        index: IndexRef<'_>,
        places: &[Place],
        keys: &[DocumentKey],
    ) -> Result<u64> {
        let found = self.stored(cx, collection, keys, Level::Serial).await?;
        let mut strays = 0;
        for ((place, key), stored) in places.iter().zip(keys).zip(&found) {
            if has(collection, index, stored.as_ref(), place)? {
                continue;
            }
            // It may have gone with the document's last change, or come with it.
            if self.fetch(cx, [place.clone()], Level::Serial).await?.at(place).is_some() {
                let again = self.stored(cx, collection, std::slice::from_ref(key), Level::Serial).await?;
                strays +=
                    u64::from(!has(collection, index, again.into_iter().flatten().next().as_ref(), place)?);
            }
        }
        Ok(strays)
    }
}

/// Whether this row of an index is one of the document's.
fn has(collection: &Collection, index: IndexRef<'_>, stored: Option<&Stored>, place: &Place) -> Result<bool> {
    let (def, Some(stored)) = (collection.def(), stored) else { return Ok(false) };
    let key = &stored.document.key;
    for (c, stamp) in stored.entries(def, index).unwrap_or_default() {
        let entry = index.entry(def, &c, key, (!index.local).then_some(stamp))?;
        if entry == *place || (holds(index, stored) && index.unique(def, &c, key)? == *place) {
            return Ok(true);
        }
    }
    Ok(false)
}
