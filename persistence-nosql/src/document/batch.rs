//! What a change of documents means for rows: the documents', their entries', and what unique indexes keep.

use super::catalogue::Collection;
use super::keys::{self, IndexRef, Place};
use super::record::{Record, Stored, components};
use crate::bucket::{check, put};
use crate::codec::encode;
use crate::core::document::{Document, DocumentKey};
use crate::core::error::Detail;
use crate::core::store::Deleted;
use crate::core::{AttemptId, Env, Error, Result, Timestamp};
use crate::row::*;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// A document of a write.
pub(super) struct Target {
    pub(super) collection: Arc<Collection>,
    pub(super) key: DocumentKey,
    /// What was read.
    pub(super) old: Option<Stored>,
    pub(super) new: New,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum New {
    /// It stays as it is, which is checked.
    Kept,
    /// It is this.
    Stored(Document),
    /// It gets the entries that it lacks.
    Reindexed,
    /// It is gone.
    Removed,
}

/// The value of an entry.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) key: DocumentKey,
    /// When it was written.
    pub(super) written: Timestamp,
    /// Of its document, so that a count need not read that. Of an entry that is never put again it was so once.
    pub(super) seen: Seen,
}

/// What decides who sees a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    deleted: bool,
    expires: Option<Timestamp>,
}

impl Seen {
    pub(super) fn new(deleted: Option<Timestamp>, expires: Option<Timestamp>) -> Self {
        Seen { deleted: deleted.is_some(), expires }
    }

    fn of(document: &Document) -> Self {
        Seen::new(document.deleted, document.expires)
    }

    /// Whether those who ask for these see it.
    pub(super) fn is_shown(self, deleted: Deleted, now: Timestamp) -> bool {
        let shown = match deleted {
            Deleted::Hide => !self.deleted,
            Deleted::Only => self.deleted,
            Deleted::Any => true,
        };
        shown && self.expires.is_none_or(|t| t > now)
    }
}

/// A row of a unique index that a document needs for itself.
pub(super) struct Claim {
    pub(super) index: String,
    /// Of indexes in the order of their declaration the first is told of.
    pub(super) declared: Option<usize>,
    pub(super) key: DocumentKey,
    pub(super) collection: Arc<Collection>,
}

/// The rows of one write.
#[derive(Default)]
pub(super) struct Batch {
    /// Whether all of it is one write, whatever partitions there are.
    crosses: bool,
    checks: BTreeMap<Place, Condition>,
    ops: BTreeMap<Place, Op>,
    /// Rows of unique indexes that must be free.
    pub(super) claims: BTreeMap<Place, Claim>,
    /// Rows of unique indexes that become free.
    pub(super) released: BTreeSet<Place>,
}

impl Batch {
    /// The rows of all targets together.
    pub(super) fn new(
        targets: &[Target],
        attempt: Option<AttemptId>,
        crosses: bool,
        env: &Env,
    ) -> Result<Self> {
        let mut batch = Batch { crosses, ..Batch::default() };
        for target in targets {
            batch.add(target, attempt, env)?;
        }
        for (place, claim) in &batch.claims {
            // What another document of this write gives up is free: the checks of the documents see to it.
            if !batch.released.contains(place) {
                batch.checks.insert(place.clone(), Condition::Absent);
            }
            let row = Row { guard: Bytes::new(), value: encode(&claim.key) };
            batch.ops.insert(place.clone(), put(place.key.clone(), row.guard, row.value));
        }
        Ok(batch)
    }

    fn add(&mut self, target: &Target, attempt: Option<AttemptId>, env: &Env) -> Result<()> {
        let (declared, def) = (&target.collection.declared, target.collection.def());
        let place = keys::document(def, &target.key);
        let guard = target.old.as_ref().map(|s| Condition::Guard(s.guard.clone()));
        self.checks.insert(place.clone(), guard.unwrap_or(Condition::Absent));
        let (old, new) = match (&target.old, &target.new) {
            (_, New::Kept) | (None, New::Removed | New::Reindexed) => return Ok(()),
            (Some(old), New::Reindexed) => (Some(old), Some(&old.document)),
            (old, New::Removed) => (old.as_ref(), None),
            (old, New::Stored(document)) => (old.as_ref(), Some(document)),
        };
        let mut entries = Vec::new();
        for index in declared.all() {
            let stamps = self.index(target, index, old, new, env)?;
            entries.extend(new.is_some().then_some((index.number, stamps)));
        }
        let op = match (new, attempt, old) {
            (None, _, _) => Op::Delete { key: place.key.clone() },
            (Some(new), Some(attempt), old) => {
                let record = Record::new(new, old.map(|s| &s.record), attempt, entries)?;
                put_row(&place, record.row(env.ids.next()))
            }
            (Some(_), None, Some(old)) => put_row(&place, old.record.reindexed(entries).row(env.ids.next())),
            (Some(_), None, None) => return Err(Error::corrupted("document", "written by nobody")),
        };
        self.ops.insert(place, op);
        Ok(())
    }

    /// The entries of one index; gives their stamps.
    fn index(
        &mut self,
        target: &Target,
        index: IndexRef<'_>,
        old: Option<&Stored>,
        new: Option<&Document>,
        env: &Env,
    ) -> Result<Vec<Uuid>> {
        let def = target.collection.def();
        let before = old.and_then(|s| s.entries(def, index)).unwrap_or_default();
        let after = new.map(|d| components(def, index, d)).unwrap_or_default();
        let stamp = |s: Uuid| (!index.local).then_some(s);
        // Who sees it is part of entries that commit with their document.
        let seen = new.map(Seen::of);
        let same = !(index.local || self.crosses) || old.map(|s| Seen::of(&s.document)) == seen;
        let mut stamps = Vec::new();
        for c in &after {
            let kept = before.iter().find(|(b, _)| b == c).map(|(_, stamp)| *stamp);
            // A row that was deleted is never put again, nor, where it does not commit with its document, one put twice: each entry has a stamp
            // of its own.
            let of_entry = kept.unwrap_or_else(|| if index.local { Uuid::nil() } else { env.ids.next() });
            let place = index.entry(def, c, &target.key, stamp(of_entry))?;
            if let Some(seen) = seen.filter(|_| kept.is_none() || !same) {
                let entry = Entry { key: target.key.clone(), written: env.clock.now(), seen };
                let op = put(place.key.clone(), Bytes::new(), encode(&entry));
                self.ops.insert(place, op);
            }
            stamps.push(of_entry);
        }
        let gone = before.iter().filter(|(b, _)| !after.contains(b));
        for (c, of_entry) in gone {
            let place = index.entry(def, c, &target.key, stamp(*of_entry))?;
            self.ops.insert(place.clone(), Op::Delete { key: place.key });
        }
        if index.index.unique {
            let holds = |d: &Document| !(index.index.live_only && d.deleted.is_some());
            let held: &[_] = if old.is_some_and(|s| holds(&s.document)) { &before } else { &[] };
            let wanted: &[_] = if new.is_some_and(holds) { &after } else { &[] };
            self.unique(target, index, held, wanted)?;
        }
        Ok(if index.local { Vec::new() } else { stamps })
    }

    fn unique(
        &mut self,
        target: &Target,
        index: IndexRef<'_>,
        held: &[(Bytes, Uuid)],
        wanted: &[Bytes],
    ) -> Result<()> {
        let def = target.collection.def();
        for (c, _) in held.iter().filter(|(c, _)| !wanted.contains(c)) {
            let place = index.unique(def, c, &target.key)?;
            self.ops.insert(place.clone(), Op::Delete { key: place.key.clone() });
            self.released.insert(place);
        }
        for c in wanted.iter().filter(|c| !held.iter().any(|(h, _)| h == *c)) {
            let place = index.unique(def, c, &target.key)?;
            let claim = Claim {
                index: index.index.name.clone(),
                declared: def.indexes.iter().position(|i| i.name == index.index.name),
                key: target.key.clone(),
                collection: target.collection.clone(),
            };
            if let Some(other) = self.claims.insert(place, claim) {
                return Err(taken(&other));
            }
        }
        Ok(())
    }

    /// Whether it does nothing, and what it checks is one row that was just read.
    pub(super) fn is_idle(&self) -> bool {
        self.ops.is_empty() && self.checks.len() <= 1
    }

    /// Checks that the collections are as they are known.
    pub(super) fn fence(&mut self, targets: &[Target]) {
        self.checks.extend(targets.iter().map(|t| t.collection.unchanged()));
    }

    /// As writes: atomically as one, where writes may span partitions; else the entries that come before, what is conditional, and
    /// the entries that go after. However many rows they are: core bounds what one call changes.
    pub(super) fn writes(self) -> Writes {
        let (crosses, mut writes) = (self.crosses, Writes::default());
        let mut main = Parts::default();
        for (Place { table, partition, key }, condition) in self.checks {
            main.at(table, partition).checks.push(check(key, condition));
        }
        for (Place { table, partition, .. }, op) in self.ops {
            let parts = match (&op, table) {
                (Op::Put { .. }, Table::DocumentIndex) if !crosses => &mut writes.before,
                (_, Table::DocumentIndex) if !crosses => &mut writes.after,
                _ => &mut main,
            };
            parts.at(table, partition).ops.push(op);
        }
        writes.main = main.0.into_values().collect();
        writes
    }
}

/// Rows as they are sent.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) before: Parts,
    pub(super) main: Vec<Part>,
    pub(super) after: Parts,
}

impl Writes {
    /// Whether the rows that a refusal shows were written by an attempt.
    pub(super) fn was_done(
        &self,
        targets: &[Target],
        rows: &[Option<Row>],
        attempt: AttemptId,
    ) -> Result<bool> {
        let checks = self.main.iter().flat_map(|p| p.checks.iter().map(move |c| (p, c)));
        for ((part, check), row) in checks.zip(rows) {
            let is_of = |t: &&Target| {
                let place = keys::document(t.collection.def(), &t.key);
                place.partition == part.partition && place.key == check.key && place.table == part.table
            };
            let (Some(row), Some(target)) = (row, targets.iter().find(is_of)) else { continue };
            if Stored::read(&target.key, row)?.record.remembers(attempt) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Parts by partition.
#[derive(Default)]
pub(super) struct Parts(BTreeMap<(Table, Bytes), Part>);

impl Parts {
    fn at(&mut self, table: Table, partition: Bytes) -> &mut Part {
        let empty = Part { table, partition: partition.clone(), checks: Vec::new(), ops: Vec::new() };
        self.0.entry((table, partition)).or_insert(empty)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Part> {
        self.0.values()
    }

    /// The same rows, deleted.
    pub(super) fn undone(&self) -> Parts {
        let delete = |op: &Op| match op {
            Op::Put { key, .. } => Some(Op::Delete { key: key.clone() }),
            _ => None,
        };
        let undo = |(at, part): (&(Table, Bytes), &Part)| {
            (at.clone(), Part { ops: part.ops.iter().filter_map(delete).collect(), ..part.clone() })
        };
        Parts(self.0.iter().map(undo).collect())
    }
}

fn put_row(place: &Place, row: Row) -> Op {
    put(place.key.clone(), row.guard, row.value)
}

/// Another document has what a unique index lets only one have.
pub(super) fn taken(claim: &Claim) -> Error {
    Error::new(Detail::AlreadyExists {
        entity: "document",
        key: format!("{} {}", claim.collection.def().name, claim.key),
        index: Some(claim.index.clone()),
    })
}
