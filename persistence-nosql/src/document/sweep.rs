//! Removing expired documents.

use super::batch::{Entry, New, Target};
use super::catalogue::Collection;
use super::keys::stamp;
use super::record::Stored;
use crate::bucket::{Bucket, Settled, Tries, in_doubt};
use crate::codec::decode;
use crate::core::document::{DocumentKey, Scalar};
use crate::core::store::SweepDocuments;
use crate::core::{Context, Error, Outcome, Result};
use crate::keys::successor;
use crate::row::*;
use std::sync::Arc;

/// Entries that are read at once.
const WINDOW: usize = 256;

impl Bucket {
    pub(super) async fn sweep(&self, cx: &Context, req: &SweepDocuments) -> Result<u64> {
        let mut removed = 0;
        let swept = self.sweep_collection(cx, req, &mut removed).await;
        // What was removed before stays so.
        swept.map_err(|e| in_doubt(removed > 0, e))?;
        Ok(removed)
    }

    async fn sweep_collection(&self, cx: &Context, req: &SweepDocuments, removed: &mut u64) -> Result<()> {
        let collection = self.collection(cx, &req.collection).await?;
        let before = req.before.min(self.env.clock.now());
        let index = collection.declared.by_expiry();
        let (partition, section) = (index.own_partition(collection.def()), index.entries(collection.def()));
        let mut end = Vec::from(section.clone());
        end.extend_from_slice(&index.components(&[Scalar::Time(before)]));
        end.push(0xff);
        let mut range = KeyRange { start: section, end: Some(end.into()) };
        loop {
            let rows = self.rows(cx, Table::DocumentIndex, &partition, &range, WINDOW, Level::Quorum).await?;
            for KeyedRow { key, row } in &rows {
                let Entry { key: document, .. } = decode("index entry", &row.value)?;
                let is_of = |s: &Stored| {
                    let stamps = s.record.stamps(index.number).unwrap_or_default();
                    stamp(key).is_some_and(|stamp| stamps.contains(&stamp))
                };
                let expired = |s: &Stored| s.document.is_expired(before) && is_of(s);
                *removed += u64::from(self.change(cx, &collection, &document, New::Removed, expired).await?);
                if *removed == u64::from(req.limit) {
                    return Ok(());
                }
            }
            match rows.last() {
                Some(last) if rows.len() == WINDOW => range.start = successor(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// Removes or reindexes one document as long as it is there and something holds of it. Whether it was done.
    pub(super) async fn change(
        &self,
        cx: &Context,
        collection: &Arc<Collection>,
        key: &DocumentKey,
        new: New,
        wanted: impl Fn(&Stored) -> bool,
    ) -> Result<bool> {
        let (mut tries, mut unknown) = (Tries::new(cx), false);
        loop {
            let tried = {
                let _writing = self.documents.writing().await;
                self.try_change(cx, collection, key, &new, &wanted, &mut unknown).await
            };
            if let Some(done) = tried.map_err(|e| in_doubt(unknown, e))? {
                return Ok(done);
            }
            if !tries.again().await {
                let e = Error::timeout("document.change").with_outcome(Outcome::NotApplied);
                return Err(in_doubt(unknown, e));
            }
        }
    }

    /// One try; none where something changed meanwhile.
    async fn try_change(
        &self,
        cx: &Context,
        collection: &Arc<Collection>,
        key: &DocumentKey,
        new: &New,
        wanted: impl Fn(&Stored) -> bool,
        unknown: &mut bool,
    ) -> Result<Option<bool>> {
        // As it is now: others may have begun to write entries that this one must write, or delete, as well.
        let collection = self.collection(cx, &collection.def().name).await?;
        let found = self.stored(cx, &collection, std::slice::from_ref(key), Level::Serial).await?;
        let Some(old) = found.into_iter().next().flatten().filter(wanted) else {
            // A first try without an answer may have done it.
            return Ok(Some(*unknown));
        };
        let target = Target { collection, key: key.clone(), old: Some(old), new: new.clone() };
        let mut targets = vec![target];
        let batch = self.resolved(cx, &mut targets, None).await?;
        let Some(batch) = batch.filter(|_| self.is_known_for_sure(&targets)) else { return Ok(None) };
        let writes = self.fenced(batch, &targets);
        match self.send_rows(cx, &writes).await? {
            Settled::Applied => Ok(Some(true)),
            Settled::Refused { unknown: now, .. } => {
                *unknown |= now;
                Ok(None)
            }
        }
    }
}
