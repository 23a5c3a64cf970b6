//! Decides a batch of writes in order and commits it once.

use crate::errors;
use crate::home::Recorder;
use crate::keys::{encode, encode_row};
use crate::tables::{COMMIT_KEY, Tables};
use bytes::Bytes;
use fjall::{OwnedWriteBatch, PersistMode, Snapshot};
use persistence_nosql::core::commit::BatchEngine;
use persistence_nosql::core::{Error, Outcome, Result};
use persistence_nosql::row::{Op, Part, Row, Table, Write, WriteOutcome};
use std::collections::HashMap;
use std::ops::RangeBounds;
use std::path::PathBuf;

/// The one step that makes a batch durable; apart, so that tests can make it fail.
pub(crate) trait Commit: Send + 'static {
    fn commit(&mut self, batch: OwnedWriteBatch) -> fjall::Result<()>;
}

/// As it is done.
pub(crate) struct ToDisk;

impl Commit for ToDisk {
    fn commit(&mut self, batch: OwnedWriteBatch) -> fjall::Result<()> {
        batch.commit()
    }
}

/// The writer behind the group committer: the only one that writes to the database.
pub(crate) struct Engine<C> {
    pub(crate) tables: Tables,
    pub(crate) location: PathBuf,
    pub(crate) persist: PersistMode,
    pub(crate) recorder: Recorder,
    /// The last commit that is there.
    pub(crate) commit: u64,
    /// A commit failed: what is on disk is unknown, and a second success would mean nothing.
    pub(crate) broken: bool,
    pub(crate) to: C,
}

/// What the batch has decided so far. One entry a key, the last one wins: all items of a fjall batch have one sequence
/// number, and nothing says which of two for one key would be seen.
#[derive(Default)]
struct Pending(HashMap<(Table, Bytes), Option<Row>>);

impl<C: Commit> BatchEngine for Engine<C> {
    type Op = Write;
    type Answer = Result<WriteOutcome>;

    fn apply(&mut self, ops: Vec<Write>) -> Vec<Result<WriteOutcome>> {
        if self.broken {
            return ops.iter().map(|_| Err(errors::broken(&self.location))).collect();
        }
        let at = self.tables.snapshot();
        let mut pending = Pending::default();
        let mut answers: Vec<_> = ops.into_iter().map(|w| self.decide(&at, w, &mut pending)).collect();
        // Not held while the commit may wait for a flush, which it would keep from dropping old versions.
        drop(at);
        if !pending.0.is_empty()
            && let Err(e) = self.write(pending)
        {
            self.broken = true;
            for answer in &mut answers {
                self.fail(answer, &e);
            }
        }
        answers
    }
}

impl<C: Commit> Engine<C> {
    /// Judges a write against the database and what is pending, and adds what it does to the latter.
    fn decide(&self, at: &Snapshot, write: Write, pending: &mut Pending) -> Result<WriteOutcome> {
        let (mut rows, mut all) = (Vec::new(), true);
        for part in &write.parts {
            for check in &part.checks {
                let key = encode(&part.partition, &check.key);
                let row = match pending.0.get(&(part.table, key.clone())) {
                    Some(row) => row.clone(),
                    None => self.tables.get(at, part.table, &key, &self.location)?,
                };
                all &= check.condition.holds(row.as_ref());
                rows.push(row);
            }
        }
        if !all {
            return Ok(WriteOutcome::Refused(rows));
        }
        // All reading comes before the first effect: an error must leave nothing of this write behind.
        let ranges = self.ranges(at, &write)?;
        let mut ranges = ranges.into_iter();
        for part in write.parts {
            pending.apply(part, &mut ranges);
        }
        Ok(WriteOutcome::Applied)
    }

    /// The stored keys of every range that the write deletes, in order.
    fn ranges(&self, at: &Snapshot, write: &Write) -> Result<Vec<Vec<Bytes>>> {
        let mut found = Vec::new();
        for part in &write.parts {
            for op in &part.ops {
                if let Op::DeleteRange { range } = op
                    && !range.is_empty()
                {
                    found.push(self.tables.keys(at, part.table, &part.partition, range, &self.location)?);
                }
            }
        }
        Ok(found)
    }

    /// Writes everything that is pending as one batch, and shows it to readers once it is on disk.
    fn write(&mut self, pending: Pending) -> Result<()> {
        let next = self.commit + 1;
        let batch = OwnedWriteBatch::with_capacity(self.tables.db.clone(), pending.0.len() + 1);
        let mut batch = batch.durability(Some(self.persist));
        // First, where the check of the journal looks for it.
        batch.insert(&self.tables.meta, COMMIT_KEY, next.to_le_bytes());
        for ((table, key), row) in pending.0 {
            let keyspace = self.tables.keyspace(table)?;
            match row {
                Some(row) => batch.insert(keyspace, key, encode_row(&row)),
                None => batch.remove(keyspace, key),
            }
        }
        self.to.commit(batch).map_err(|e| errors::commit(&self.location, e))?;
        self.commit = next;
        self.recorder.synced(next);
        self.tables.advance();
        Ok(())
    }

    /// Turns an answer into what it is worth after the commit failed.
    fn fail(&self, answer: &mut Result<WriteOutcome>, e: &Error) {
        *answer = match answer {
            Ok(WriteOutcome::Applied) => Err(Error::new(e.detail().clone()).with_outcome(e.outcome())),
            // Judged on writes of this batch that may never have been: certain is only that it did nothing.
            Ok(WriteOutcome::Refused(_)) => {
                Err(Error::new(e.detail().clone()).with_outcome(Outcome::NotApplied))
            }
            Err(_) => return,
        };
    }
}

impl Pending {
    fn apply(&mut self, part: Part, ranges: &mut impl Iterator<Item = Vec<Bytes>>) {
        let Part { table, partition, ops, .. } = part;
        for op in ops {
            match op {
                // Nothing is collected by itself here; the bucket's sweep deletes what has expired.
                Op::Put { key, row, collectable_after: _ } => {
                    self.0.insert((table, encode(&partition, &key)), Some(row));
                }
                Op::Delete { key } => {
                    self.0.insert((table, encode(&partition, &key)), None);
                }
                Op::DeleteRange { range } if range.is_empty() => {}
                Op::DeleteRange { range } => {
                    let bounds = crate::keys::bounds(&partition, &range);
                    for ((t, key), row) in &mut self.0 {
                        if *t == table && bounds.contains(key) {
                            *row = None;
                        }
                    }
                    let stored = ranges.next().unwrap_or_default();
                    self.0.extend(stored.into_iter().map(|key| ((table, key), None)));
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
