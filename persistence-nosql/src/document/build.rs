//! Entries of documents that are there already: writing those that are missing, removing those of retired indexes, comparing.

use super::batch::{Entry, New};
use super::catalogue::{Collection, StoredIndex};
use super::fetch::CONCURRENCY;
use super::keys::{IndexRef, Place};
use super::record::{Stored, components};
use crate::bucket::{Bucket, delete_range};
use crate::codec::decode;
use crate::core::document::DocumentKey;
use crate::core::{Context, Result};
use crate::keys::{prefix, successor};
use crate::row::*;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Documents that are read at once.
const WINDOW: usize = 128;

/// What is done with all documents of a collection.
enum Task<'a> {
    /// The entries of this index are written where they are missing.
    Reindex(u32),
    /// The rows of this index in their partitions are removed.
    Remove(IndexRef<'a>),
    /// Entries are compared with documents.
    Compare(&'a Mutex<Drift>),
}

/// What was found to be wrong, by index: entries that are missing, and entries of nothing.
#[derive(Default)]
struct Drift(BTreeMap<u32, (u64, u64)>);

impl Bucket {
    /// Writes the entries of an index that documents lack, and makes it ready. Goes on where an earlier call was interrupted.
    pub(super) async fn build(&self, cx: &Context, name: &str, number: u32) -> Result<()> {
        let collection = self.collection(cx, name).await?;
        self.walk(cx, &collection, &Task::Reindex(number)).await?;
        self.make_ready(cx, name, number).await
    }

    /// Removes the rows of an index that nobody uses any more.
    pub(super) async fn remove_retired(&self, cx: &Context, name: &str, index: &StoredIndex) -> Result<()> {
        let collection = self.collection(cx, name).await?;
        let of = collection.declared.index_ref(index);
        if of.local {
            self.walk(cx, &collection, &Task::Remove(of)).await?;
        } else {
            let ops = vec![Op::DeleteRange { range: KeyRange::all() }];
            let partition = of.own_partition(collection.def());
            let part = Part { table: Table::DocumentIndex, partition, checks: Vec::new(), ops };
            self.settle_unconditional(cx, &part.into()).await?;
        }
        self.redeclare(cx, name, |d| d.retired.retain(|i| i.number != index.number)).await
    }

    /// What is wrong with the entries of a collection, in words.
    pub(super) async fn verified(&self, cx: &Context, collection: &Arc<Collection>) -> Result<Vec<String>> {
        let drift = Mutex::new(Drift::default());
        self.walk(cx, collection, &Task::Compare(&drift)).await?;
        let drift = drift.into_inner().unwrap_or_else(PoisonError::into_inner);
        let named = |number: u32| {
            let declared = collection.declared.indexes.iter().find(|i| i.number == number);
            declared.map_or("of the store itself", |i| &i.index.name).to_owned()
        };
        let mut found = Vec::new();
        for (number, (missing, stray)) in drift.0 {
            if missing > 0 {
                found.push(format!("index {} lacks {missing} entries", named(number)));
            }
            if stray > 0 {
                found.push(format!("index {} has {stray} entries of no document", named(number)));
            }
        }
        Ok(found)
    }

    async fn walk(&self, cx: &Context, collection: &Arc<Collection>, task: &Task<'_>) -> Result<()> {
        let mut after = None;
        loop {
            let (partitions, next) = self.partitions_of(cx, collection, after).await?;
            let work: Vec<_> =
                partitions.iter().map(|p| self.walk_partition(cx, collection, p, task)).collect();
            stream::iter(work).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn walk_partition(
        &self,
        cx: &Context,
        collection: &Arc<Collection>,
        partition: &Bytes,
        task: &Task<'_>,
    ) -> Result<()> {
        if let Task::Remove(index) = task {
            let ops = index.rows(collection.def()).into_iter().filter_map(delete_range).collect();
            let partition = partition.clone();
            let part = Part { table: Table::Documents, partition, checks: Vec::new(), ops };
            return self.settle_unconditional(cx, &part.into()).await;
        }
        let mut after: Option<Bytes> = None;
        loop {
            let some = self.in_partition(cx, collection, partition, after.as_ref(), WINDOW).await?;
            let work: Vec<_> = some.iter().map(|(_, s)| self.visit(cx, collection, s, task)).collect();
            // Partitions are walked side by side as well.
            stream::iter(work).buffer_unordered(CONCURRENCY / 4).try_collect::<()>().await?;
            match some.last() {
                Some((key, _)) if some.len() == WINDOW => after = Some(key.clone()),
                _ => break,
            }
        }
        match task {
            Task::Compare(drift) => self.strays(cx, collection, partition, drift).await,
            _ => Ok(()),
        }
    }

    async fn visit(
        &self,
        cx: &Context,
        collection: &Arc<Collection>,
        stored: &Stored,
        task: &Task<'_>,
    ) -> Result<()> {
        match task {
            Task::Reindex(number) => {
                let lacks = |s: &Stored| s.record.stamps(*number).is_none();
                if lacks(stored) {
                    self.change(cx, collection, &stored.document.key, New::Reindexed, lacks).await?;
                }
                Ok(())
            }
            Task::Compare(drift) => self.compare(cx, collection, stored, drift).await,
            Task::Remove(_) => Ok(()),
        }
    }

    /// Counts the entries that a document should have and has not.
    async fn compare(
        &self,
        cx: &Context,
        collection: &Collection,
        stored: &Stored,
        drift: &Mutex<Drift>,
    ) -> Result<()> {
        let (def, key) = (collection.def(), &stored.document.key);
        let mut expected: Vec<(u32, Place)> = Vec::new();
        let mut missing: Vec<u32> = Vec::new();
        let pending =
            |number: u32| collection.declared.indexes.iter().any(|i| i.number == number && !i.ready);
        for index in collection.declared.all().filter(|i| !pending(i.number)) {
            let Some(entries) = stored.entries(def, index) else {
                missing.push(index.number);
                continue;
            };
            for (c, stamp) in entries {
                let place = index.entry(def, &c, key, (!index.local).then_some(stamp))?;
                expected.push((index.number, place));
                if index.index.unique && !(index.index.live_only && stored.document.deleted.is_some()) {
                    expected.push((index.number, index.unique(def, &c, key)?));
                }
            }
        }
        let rows = self.fetch(cx, expected.iter().map(|(_, p)| p.clone()), Level::Serial).await?;
        missing.extend(expected.iter().filter(|(_, p)| rows.at(p).is_none()).map(|(n, _)| *n));
        if missing.is_empty() {
            return Ok(());
        }
        // A document that was changed meanwhile has other entries.
        let again = self.stored(cx, collection, std::slice::from_ref(key), Level::Serial).await?;
        if again.into_iter().flatten().any(|s| s.guard == stored.guard) {
            let mut drift = drift.lock().unwrap_or_else(PoisonError::into_inner);
            missing.into_iter().for_each(|n| drift.0.entry(n).or_default().0 += 1);
        }
        Ok(())
    }

    /// Counts the entries in a partition that no document has.
    async fn strays(
        &self,
        cx: &Context,
        collection: &Collection,
        partition: &Bytes,
        drift: &Mutex<Drift>,
    ) -> Result<()> {
        let def = collection.def();
        for index in collection.declared.all().filter(|i| i.local) {
            let section = index.entries(def);
            let mut range = prefix(section.clone());
            loop {
                let rows = self.rows(cx, Table::Documents, partition, &range, WINDOW, Level::Serial).await?;
                let key = |r: &KeyedRow| decode::<Entry>("index entry", &r.row.value).map(|e| e.key);
                let keys: Vec<DocumentKey> = rows.iter().map(key).collect::<Result<_>>()?;
                let found = self.stored(cx, collection, &keys, Level::Serial).await?;
                for (r, s) in rows.iter().zip(&found) {
                    let place =
                        Place { table: Table::Documents, partition: partition.clone(), key: r.key.clone() };
                    let of = |s: &Stored| -> Result<bool> {
                        let has = |c: &Bytes| Ok(index.entry(def, c, &s.document.key, None)? == place);
                        let all = components(def, index, &s.document);
                        all.iter().map(has).try_fold(false, |any, one: Result<bool>| Ok(any | one?))
                    };
                    if s.as_ref().map(of).transpose()?.unwrap_or(false) {
                        continue;
                    }
                    // It may have gone with the document's last change.
                    if self.fetch(cx, [place.clone()], Level::Serial).await?.at(&place).is_some() {
                        let mut drift = drift.lock().unwrap_or_else(PoisonError::into_inner);
                        drift.0.entry(index.number).or_default().1 += 1;
                    }
                }
                match rows.last() {
                    Some(last) if rows.len() == WINDOW => range.start = successor(&last.key),
                    _ => break,
                }
            }
        }
        Ok(())
    }
}
