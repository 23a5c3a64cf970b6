//! Writing documents: read, decide, write on condition that what was read is still so; again, if it is not.

use super::batch::{Batch, New, Parts, Target, Writes, taken};
use super::catalogue::Collection;
use super::earlier::Earlier;
use super::fetch::CONCURRENCY;
use super::keys;
use super::record::Stored;
use crate::bucket::{Bucket, Settled, Tries};
use crate::codec::decode;
use crate::core::document::DocumentKey;
use crate::core::document::write::{Action, Change, DocumentWrite, check, check_changes, decide};
use crate::core::store::{WriteDocuments, Written};
use crate::core::{AttemptId, Capability, Context, Error, Outcome, Result, Timestamp};
use crate::row::*;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::HashSet;
use std::sync::Arc;

impl Bucket {
    pub(super) async fn write_all(&self, cx: &Context, req: &WriteDocuments) -> Result<Vec<Written>> {
        let (mut tries, mut earlier) = (Tries::new(cx), Earlier::default());
        loop {
            {
                let _writing = self.documents.writing().await;
                if let Some(written) = self.try_write(cx, req, &mut earlier).await? {
                    return Ok(written);
                }
            }
            if !tries.again().await {
                let e = Error::timeout("document.write_documents");
                return Err(e.with_outcome(earlier.outcome()));
            }
        }
    }

    /// One try; none where what was read had changed when it was to be written.
    async fn try_write(
        &self,
        cx: &Context,
        req: &WriteDocuments,
        earlier: &mut Earlier,
    ) -> Result<Option<Vec<Written>>> {
        let collections = self.collections(cx, &req.writes).await.map_err(|e| earlier.told(e))?;
        self.check_writes(&req.writes, &collections)?;
        let found = self.targets(cx, &req.writes, collections).await.map_err(|e| earlier.told(e))?;
        let Some(mut targets) = found else { return Ok(None) };
        let now = self.env.clock.now();
        if let Some(written) = earlier.done(req, &targets, now)? {
            self.send_plain(cx, &earlier.after).await;
            return Ok(Some(written));
        }
        decide_all(&req.writes, &mut targets, now)?;
        let asked = targets.len();
        let batch = match self.resolved(cx, &mut targets, Some(req.attempt)).await {
            // Conditions of documents come first: whoever took the key may have changed one of these before.
            Err(e) if e.is_conflict() => {
                let unchanged = self.are_unchanged(cx, &targets[..asked]).await;
                if !unchanged.map_err(|e| earlier.told(e))? {
                    return Ok(None);
                }
                return Err(e);
            }
            batch => batch.map_err(|e| earlier.told(e))?,
        };
        let Some(batch) = batch else { return Ok(None) };
        let answer = || targets[..asked].iter().zip(&req.writes).map(|(t, w)| written(w, t, now)).collect();
        if batch.is_idle() {
            return Ok(Some(answer()));
        }
        if !self.is_known_for_sure(&targets) {
            return Ok(None);
        }
        let writes = self.fenced(batch, &targets);
        match self.send_rows(cx, &writes).await.map_err(|e| if earlier.unknown { maybe(e) } else { e })? {
            Settled::Applied => Ok(Some(answer())),
            Settled::Refused { unknown, rows } => {
                if unknown {
                    if writes.was_done(&targets, &rows, req.attempt)? {
                        self.send_plain(cx, &writes.after).await;
                        return Ok(Some(answer()));
                    }
                    let answers = answer();
                    earlier.doubts(targets, answers, writes.after);
                }
                Ok(None)
            }
        }
    }

    async fn collections(&self, cx: &Context, writes: &[DocumentWrite]) -> Result<Vec<Arc<Collection>>> {
        let mut found = Vec::with_capacity(writes.len());
        for w in writes {
            found.push(self.collection(cx, &w.collection).await?);
        }
        Ok(found)
    }

    fn check_writes(&self, writes: &[DocumentWrite], collections: &[Arc<Collection>]) -> Result<()> {
        let mut partitions = HashSet::new();
        for (w, c) in writes.iter().zip(collections) {
            check(c.def(), w)?;
            partitions.insert(keys::partition(c.def(), &w.key));
        }
        if partitions.len() > 1 && !self.crosses_partitions() {
            return Err(Error::unsupported(Capability::CrossPartition, self.info.driver));
        }
        Ok(())
    }

    /// The documents as they are. None where one has entries of an index that is not known here: the definition is looked at again.
    async fn targets(
        &self,
        cx: &Context,
        writes: &[DocumentWrite],
        collections: Vec<Arc<Collection>>,
    ) -> Result<Option<Vec<Target>>> {
        let places = writes.iter().zip(&collections).map(|(w, c)| keys::document(c.def(), &w.key));
        let rows = self.fetch(cx, places, Level::Serial).await?;
        let mut targets = Vec::with_capacity(writes.len());
        for (w, collection) in writes.iter().zip(collections) {
            let row = rows.at(&keys::document(collection.def(), &w.key));
            let old = row.map(|r| Stored::read(&w.key, r)).transpose()?;
            let entries = old.as_ref().map(|s| &*s.record.entries).unwrap_or_default();
            if entries.iter().any(|(number, _)| collection.declared.is_unheard_of(*number)) {
                self.reread_collection(cx, &w.collection).await?;
                return Ok(None);
            }
            targets.push(Target { collection, key: w.key.clone(), old, new: New::Kept });
        }
        Ok(Some(targets))
    }

    /// Whether documents are as they were read.
    async fn are_unchanged(&self, cx: &Context, targets: &[Target]) -> Result<bool> {
        let place = |t: &Target| keys::document(t.collection.def(), &t.key);
        let rows = self.fetch(cx, targets.iter().map(place), Level::Serial).await.map_err(unsent)?;
        let same = |t: &Target| rows.at(&place(t)).map(|r| &r.guard) == t.old.as_ref().map(|s| &s.guard);
        Ok(targets.iter().all(same))
    }

    /// The rows to write, once it is known that what unique indexes must have free is so. A holder that has expired is removed
    /// by the same write. None where something changed meanwhile.
    pub(super) async fn resolved(
        &self,
        cx: &Context,
        targets: &mut Vec<Target>,
        attempt: Option<AttemptId>,
    ) -> Result<Option<Batch>> {
        loop {
            let batch = Batch::new(targets, attempt, self.crosses_partitions(), &self.env)?;
            let held: Vec<_> =
                batch.claims.keys().filter(|place| !batch.released.contains(place)).cloned().collect();
            if held.is_empty() {
                return Ok(Some(batch));
            }
            let rows = self.fetch(cx, held.iter().cloned(), Level::Serial).await.map_err(unsent)?;
            let mut expired = Vec::new();
            let mut claims: Vec<_> = batch.claims.iter().collect();
            claims.sort_by_key(|(_, claim)| claim.declared);
            for (place, claim) in claims {
                let Some(row) = rows.at(place).filter(|_| !batch.released.contains(place)) else { continue };
                let holder: DocumentKey = decode("unique row", &row.value)?;
                let same =
                    |t: &Target| t.key == holder && t.collection.def().name == claim.collection.def().name;
                if targets.iter().any(|t| same(t) && t.new != New::Kept) {
                    return Err(taken(claim));
                }
                let stored = self
                    .stored(cx, &claim.collection, std::slice::from_ref(&holder), Level::Serial)
                    .await
                    .map_err(unsent)?;
                match stored.into_iter().next().flatten() {
                    Some(s) if s.document.is_expired(self.env.clock.now()) => {
                        expired.push((claim.collection.clone(), holder, s));
                    }
                    Some(_) => return Err(taken(claim)),
                    // It has just gone.
                    None => return Ok(None),
                }
            }
            if expired.is_empty() {
                return Ok(Some(batch));
            }
            for (collection, key, old) in expired {
                let same = |t: &&mut Target| t.key == key && t.collection.def().name == collection.def().name;
                match targets.iter_mut().find(same) {
                    Some(kept) => kept.new = New::Removed,
                    None => targets.push(Target { collection, key, old: Some(old), new: New::Removed }),
                }
            }
        }
    }

    /// A batch as writes.
    pub(super) fn fenced(&self, mut batch: Batch, targets: &[Target]) -> Writes {
        if self.crosses_partitions() {
            batch.fence(targets);
        }
        batch.writes()
    }

    /// Sends everything. New entries go first and are invisible until their document has their stamps; old ones go last.
    pub(super) async fn send_rows(&self, cx: &Context, writes: &Writes) -> Result<Settled> {
        let put = |part| async move {
            // The documents' write was not attempted, whatever became of the entries: they are leftovers at most.
            self.settle_unconditional(cx, &stamped(part)).await.map_err(unsent)
        };
        let puts: Vec<_> = writes.before.iter().map(put).collect();
        stream::iter(puts).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        let settled = match self.settle(cx, &Write { parts: writes.main.clone(), unordered: false }).await {
            Err(e) if e.outcome() == Outcome::NotApplied => {
                self.send_plain(cx, &writes.before.undone()).await;
                return Err(e);
            }
            settled => settled?,
        };
        match settled {
            Settled::Applied => self.send_plain(cx, &writes.after).await,
            // Of a write without an answer nobody knows yet whether its entries are in use.
            Settled::Refused { unknown: false, .. } => self.send_plain(cx, &writes.before.undone()).await,
            Settled::Refused { .. } => {}
        }
        Ok(settled)
    }

    /// Deletes entries that no document has any more. What fails is left: readers skip it.
    async fn send_plain(&self, cx: &Context, parts: &Parts) {
        let delete = |part| async move { self.settle_unconditional(cx, &stamped(part)).await };
        let deletes: Vec<_> = parts.iter().map(delete).collect();
        stream::iter(deletes).buffer_unordered(CONCURRENCY).for_each(|_| async {}).await;
    }
}

/// What becomes of each target.
fn decide_all(writes: &[DocumentWrite], targets: &mut [Target], now: Timestamp) -> Result<()> {
    let mut changes = Vec::with_capacity(targets.len());
    for (w, t) in writes.iter().zip(&*targets) {
        changes.push(decide(t.collection.def(), w, t.old.as_ref().map(|s| &s.document), now)?);
    }
    let all = targets.iter().zip(&changes);
    check_changes(all.map(|(t, change)| (t.collection.def(), t.old.as_ref().map(|s| &s.document), change)))?;
    for (target, change) in targets.iter_mut().zip(changes) {
        target.new = match change {
            Change::Keep => New::Kept,
            Change::Store(document) => New::Stored(document),
            Change::Remove => New::Removed,
        };
    }
    Ok(())
}

/// A write of entries with stamps: what it puts is put by nobody else, and what it deletes is never put again.
fn stamped(part: &Part) -> Write {
    Write { parts: vec![part.clone()], unordered: true }
}

fn maybe(e: Error) -> Error {
    e.with_outcome(Outcome::MaybeApplied)
}

fn unsent(e: Error) -> Error {
    e.with_outcome(Outcome::NotApplied)
}

/// What became of a document by this write.
fn written(w: &DocumentWrite, t: &Target, now: Timestamp) -> Written {
    let there = || t.old.as_ref().map(|s| &s.document).filter(|d| !d.is_expired(now));
    match &t.new {
        New::Stored(document) => Written { document: Some(document.clone()), changed: true },
        // What had expired was not there.
        New::Removed => Written { document: None, changed: there().is_some() },
        _ => Written { changed: false, ..as_it_is(w, t, now) },
    }
}

/// A document after a write that was done before.
pub(super) fn as_it_is(w: &DocumentWrite, t: &Target, now: Timestamp) -> Written {
    let document = t.old.as_ref().map(|s| &s.document).filter(|d| !d.is_expired(now));
    match w.action {
        Action::Check => Written { document: None, changed: false },
        Action::Delete => Written { document: None, changed: true },
        _ => Written { document: document.cloned(), changed: true },
    }
}
