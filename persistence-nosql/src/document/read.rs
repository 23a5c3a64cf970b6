//! Reading documents: by key, and through indexes for core's engine.

use super::catalogue::Collection;
use super::fetch::CONCURRENCY;
use super::keys::{self, IndexRef};
use super::record::{Stored, components};
use super::seek::{Candidate, Seeks, What, what};
use crate::bucket::Bucket;
use crate::core::document::find::{DocumentSource, Finder, Start};
use crate::core::document::plan::Access;
use crate::core::document::{CollectionDef, Document, DocumentKey, Partitioning};
use crate::core::store::*;
use crate::core::{Context, Result, Timestamp};
use crate::keys::{prefix, successor};
use crate::row::*;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::time::Duration;

/// Partitions listed, and rows of one read, at once by what walks through all of a collection.
const WINDOW: usize = 256;

/// Entries that are counted at once.
const COUNTED: usize = 1000;

/// How old an entry must be before a reader deletes it as a leftover. No write takes that long.
const SAFETY_AGE: Duration = Duration::from_secs(3600);
/// The most leftovers that one read deletes.
const CLEANED: usize = 32;

/// A collection as core's engine reads it.
struct Source<'a> {
    bucket: &'a Bucket,
    collection: Arc<Collection>,
}

impl Bucket {
    pub(super) async fn get_all(&self, cx: &Context, req: &GetDocuments) -> Result<Vec<Option<Document>>> {
        let collection = self.collection(cx, &req.collection).await?;
        req.keys.iter().try_for_each(|k| collection.def().check_key(k))?;
        let found = self.stored(cx, &collection, &req.keys, Level::Quorum).await?;
        let now = self.env.clock.now();
        let shown = |d: &Document| {
            let deleted = match req.deleted {
                Deleted::Hide => d.deleted.is_none(),
                Deleted::Only => d.deleted.is_some(),
                Deleted::Any => true,
            };
            deleted && !d.is_expired(now)
        };
        Ok(found.into_iter().map(|s| s.map(|s| s.document).filter(shown)).collect())
    }

    /// Hands a collection to core's engine.
    async fn finding(&self, cx: &Context, name: &str) -> Result<Source<'_>> {
        Ok(Source { bucket: self, collection: self.collection(cx, name).await? })
    }

    pub(super) async fn find(&self, cx: &Context, req: &FindDocuments) -> Result<DocumentPage> {
        req.page.checked_size()?;
        let source = self.finding(cx, &req.collection).await?;
        source.finder(&source.ready(), self.env.clock.now()).find(cx, req).await
    }

    pub(super) async fn count_found(&self, cx: &Context, req: &CountDocuments) -> Result<u64> {
        let source = self.finding(cx, &req.collection).await?;
        source.finder(&source.ready(), self.env.clock.now()).count(cx, req).await
    }

    pub(super) async fn explain(&self, cx: &Context, req: &FindDocuments) -> Result<Explain> {
        // As it is now, as `get_collection` tells it.
        self.reread_collection(cx, &req.collection).await?;
        let source = self.finding(cx, &req.collection).await?;
        source.finder(&source.ready(), self.env.clock.now()).explain(req)
    }

    /// The documents of one partition after a key, as they are stored, in the order of ids.
    pub(super) async fn in_partition(
        &self,
        cx: &Context,
        collection: &Collection,
        partition: &Bytes,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Stored)>> {
        let section = keys::documents(collection.def());
        let mut range = prefix(section.clone());
        if let Some(after) = after {
            range.start = successor(after);
        }
        let rows = self.rows(cx, Table::Documents, partition, &range, limit, Level::Serial).await?;
        let of = keys::read_partition(collection.def(), partition)?;
        let read = |r: KeyedRow| {
            let id = keys::read_id(r.key.get(section.len()..).unwrap_or_default())?;
            let stored = Stored::read(&DocumentKey { partition: of.clone(), id }, &r.row)?;
            Ok((r.key, stored))
        };
        rows.into_iter().map(read).collect()
    }

    /// Partitions that may hold documents of a collection, and where the list goes on.
    pub(super) async fn partitions_of(
        &self,
        cx: &Context,
        collection: &Collection,
        after: Option<Bytes>,
    ) -> Result<(Vec<Bytes>, Option<Bytes>)> {
        let ours = keys::partitions(collection.def());
        if collection.def().partition == Partitioning::Constant {
            return Ok((vec![ours], None));
        }
        let listed = self.driver.list_partitions(cx, Table::Documents, after.as_deref(), WINDOW).await?;
        let next = if listed.len() == WINDOW { listed.last().cloned() } else { None };
        Ok((listed.into_iter().filter(|p| p.starts_with(&ours)).collect(), next))
    }
}

impl Source<'_> {
    fn ready(&self) -> impl Fn(usize) -> bool + Sync + use<> {
        let ready: Vec<bool> = self.collection.declared.indexes.iter().map(|i| i.ready).collect();
        move |place| ready.get(place).is_some_and(|r| *r)
    }

    fn finder<'s>(&'s self, ready: &'s (dyn Fn(usize) -> bool + Sync), now: Timestamp) -> Finder<'s> {
        Finder { source: self, def: self.collection.def(), ready, now }
    }

    /// Documents of all partitions, in no order.
    async fn crawl(&self, cx: &Context, limit: usize) -> Result<Vec<Document>> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (partitions, next) = self.bucket.partitions_of(cx, &self.collection, after).await?;
            let one = |partition: Bytes| async move {
                let mut found = Vec::new();
                let mut after: Option<Bytes> = None;
                loop {
                    let some = self
                        .bucket
                        .in_partition(cx, &self.collection, &partition, after.as_ref(), WINDOW.min(limit))
                        .await?;
                    let end = some.len() < WINDOW.min(limit);
                    after = some.last().map(|(key, _)| key.clone());
                    found.extend(some.into_iter().map(|(_, s)| s.document));
                    if end || found.len() >= limit {
                        return Ok::<_, crate::core::Error>(found);
                    }
                }
            };
            let reads: Vec<_> = partitions.into_iter().map(one).collect();
            let mut reads = stream::iter(reads).buffered(CONCURRENCY);
            while let Some(some) = reads.try_next().await? {
                found.extend(some);
                if found.len() >= limit {
                    found.truncate(limit);
                    return Ok(found);
                }
            }
            after = next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// The documents of candidates, those left out that do not fit.
    async fn documents(
        &self,
        cx: &Context,
        access: &Access,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Document>> {
        let what = what(&self.collection, access);
        let What::Entries(index) = what else {
            return candidates.iter().map(|c| Stored::read(&c.key, &c.row.row).map(|s| s.document)).collect();
        };
        let keys: Vec<DocumentKey> = candidates.iter().map(|c| c.key.clone()).collect();
        let stored = self.bucket.stored(cx, &self.collection, &keys, Level::Quorum).await?;
        let fits = |candidate: &Candidate, stored: &Stored| {
            if index.local {
                return components(self.collection.def(), index, &stored.document)
                    .contains(&candidate.components);
            }
            let stamp = keys::stamp(&candidate.row.key);
            let stamps = stored.record.stamps(index.number).unwrap_or_default();
            stamp.is_some_and(|stamp| stamps.contains(&stamp))
        };
        let (mut found, mut leftovers) = (Vec::new(), Vec::new());
        for (candidate, stored) in candidates.iter().zip(stored) {
            match stored.filter(|s| fits(candidate, s)) {
                Some(s) => found.push(s.document),
                None => leftovers.push(candidate),
            }
        }
        if !index.local {
            self.clean(cx, index, &leftovers).await;
        }
        Ok(found)
    }

    /// Deletes entries that no document has and that no write will make anybody's any more. What fails is left for the next reader.
    async fn clean(&self, cx: &Context, index: IndexRef<'_>, leftovers: &[&Candidate]) {
        let before = self.bucket.env.clock.now().before(SAFETY_AGE);
        let old = leftovers.iter().filter(|c| c.written < before).take(CLEANED);
        let ops: Vec<Op> = old.map(|c| Op::Delete { key: c.row.key.clone() }).collect();
        if !ops.is_empty() {
            let partition = index.own_partition(self.collection.def());
            let part = Part { table: Table::DocumentIndex, partition, checks: Vec::new(), ops };
            let _ = self.bucket.driver.write(cx, Write { parts: vec![part], unordered: true }).await;
        }
    }
}

#[async_trait]
impl DocumentSource for Source<'_> {
    async fn read(
        &self,
        cx: &Context,
        _: &CollectionDef,
        access: &Access,
        start: Start<'_>,
        limit: usize,
    ) -> Result<Vec<Document>> {
        let by = matches!(self.collection.def().partition, Partitioning::By(_));
        if by && access.index.is_none() && access.partitions.is_none() {
            return self.crawl(cx, limit).await;
        }
        let mut seeks = Seeks::new(self.bucket, &self.collection, access, start.position(), limit);
        let mut found: Vec<Document> = Vec::new();
        while found.len() < limit {
            let wanted = limit - found.len();
            let candidates = seeks.next(cx, wanted).await?;
            let end = candidates.len() < wanted;
            for document in self.documents(cx, access, candidates).await? {
                // Several values of one document may have been asked for.
                if found.last().is_none_or(|last| last.key != document.key) {
                    found.push(document);
                }
            }
            if end {
                break;
            }
        }
        Ok(found)
    }

    async fn count(
        &self,
        cx: &Context,
        _: &CollectionDef,
        access: &Access,
        deleted: Deleted,
        now: Timestamp,
    ) -> Result<Option<u64>> {
        let by = matches!(self.collection.def().partition, Partitioning::By(_));
        let of_all = by && access.index.is_none() && access.partitions.is_none();
        // Entries that do not commit with their document tell nothing of it.
        let apart = match what(&self.collection, access) {
            What::Entries(index) => !index.local && !self.bucket.crosses_partitions(),
            What::Documents => false,
        };
        if of_all || apart {
            return Ok(None);
        }
        let mut seeks = Seeks::new(self.bucket, &self.collection, access, None, COUNTED);
        let (mut count, mut last) = (0, None);
        loop {
            let candidates = seeks.next(cx, COUNTED).await?;
            let end = candidates.len() < COUNTED;
            for candidate in candidates {
                // Several values of one document may have been asked for.
                let again = last.as_ref() == Some(&candidate.key);
                count += u64::from(!again && candidate.seen.is_shown(deleted, now));
                last = Some(candidate.key);
            }
            if end {
                return Ok(Some(count));
            }
        }
    }
}
