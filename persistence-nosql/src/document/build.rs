//! Entries of documents that are there already: writing those that are missing, removing those of retired indexes; the walk through all
//! documents, also for those that compare.

use super::batch::New;
use super::catalogue::{Collection, StoredIndex};
use super::fetch::CONCURRENCY;
use super::keys::IndexRef;
use super::record::Stored;
use super::verify::Drift;
use crate::bucket::{Bucket, delete_range};
use crate::core::{Context, Result};
use crate::row::*;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;

/// Documents that are read at once.
const WINDOW: usize = 128;

/// What is done with all documents of a collection.
pub(super) enum Task<'a> {
    /// The entries of this index are written where they are missing.
    Reindex(u32),
    /// The rows of this index in their partitions are removed.
    Remove(IndexRef<'a>),
    /// Entries are compared with documents.
    Compare(&'a Drift),
}

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

    pub(super) async fn walk(
        &self,
        cx: &Context,
        collection: &Arc<Collection>,
        task: &Task<'_>,
    ) -> Result<()> {
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
            Task::Compare(drift) => self.strays_of(cx, collection, partition, drift).await,
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
}
