//! Decides a batch of writes in order and commits it once.

use crate::errors;
use crate::home::Record;
use crate::keys::{bounds, encode, encode_row};
use crate::tables::{COMMIT_KEY, Tables};
use bytes::Bytes;
use fjall::{OwnedWriteBatch, PersistMode, Snapshot};
use persistence_nosql::core::commit::BatchEngine;
use persistence_nosql::core::embedded::StateFile;
use persistence_nosql::core::{Error, Outcome, Result};
use persistence_nosql::row::{Op, Row, Table, Write, WriteOutcome};
use std::collections::HashMap;
use std::ops::RangeBounds;

/// The one step that makes a batch durable; apart, so that tests can make it fail.
pub(crate) type Commit = Box<dyn FnMut(OwnedWriteBatch) -> fjall::Result<()> + Send>;

/// The writer behind the group committer: the only one that writes to the database.
pub(crate) struct Engine {
    pub(crate) tables: Tables,
    pub(crate) persist: PersistMode,
    /// Where each commit is noted after its sync; none when commits are not synced.
    pub(crate) synced: Option<StateFile>,
    /// The last commit that is there.
    pub(crate) last: u64,
    /// A commit failed: what is on disk is unknown, and a second success would mean nothing.
    pub(crate) broken: bool,
    pub(crate) commit: Commit,
}

/// What becomes of full keys: a row, or none. One entry a key, the last one wins: all items of a fjall batch have one
/// sequence number, and nothing says which of two for one key would be seen.
type Pending = HashMap<(Table, Bytes), Option<Row>>;
type Effects = Vec<((Table, Bytes), Option<Row>)>;

impl BatchEngine for Engine {
    type Op = Write;
    type Answer = Result<WriteOutcome>;

    fn apply(&mut self, ops: Vec<Write>) -> Vec<Result<WriteOutcome>> {
        if self.broken {
            return ops.iter().map(|_| Err(errors::broken("write", &self.tables.location))).collect();
        }
        let at = self.tables.snapshot();
        let mut pending = Pending::default();
        let mut answers: Vec<_> = ops.into_iter().map(|w| self.decide(&at, w, &mut pending)).collect();
        // Not held while the commit may wait for a flush, which it would keep from dropping old versions.
        drop(at);
        if !pending.is_empty()
            && let Err(e) = self.write(pending)
        {
            self.broken = true;
            answers.iter_mut().for_each(|answer| fail(answer, &e));
        }
        answers
    }
}

impl Engine {
    /// Judges a write against the database and what is pending, and adds what it does to the latter.
    fn decide(&self, at: &Snapshot, write: Write, pending: &mut Pending) -> Result<WriteOutcome> {
        let (mut rows, mut all) = (Vec::new(), true);
        for part in &write.parts {
            for check in &part.checks {
                let key = (part.table, encode(&part.partition, &check.key));
                let row = match pending.get(&key) {
                    Some(row) => row.clone(),
                    None => self.tables.get(at, part.table, &key.1)?,
                };
                all &= check.condition.holds(row.as_ref());
                rows.push(row);
            }
        }
        if !all {
            return Ok(WriteOutcome::Refused(rows));
        }
        // Gathered first: an error must leave nothing of this write behind.
        let effects = self.effects(at, write, pending)?;
        pending.extend(effects);
        Ok(WriteOutcome::Applied)
    }

    /// What a write does, in order. A range takes what is stored and what is pending.
    fn effects(&self, at: &Snapshot, write: Write, pending: &Pending) -> Result<Effects> {
        let mut effects = Effects::new();
        for part in write.parts {
            let (table, partition) = (part.table, part.partition);
            for op in part.ops {
                match op {
                    // Nothing is collected by itself here; the bucket's sweep deletes what has expired.
                    Op::Put { key, row, collectable_after: _ } => {
                        effects.push(((table, encode(&partition, &key)), Some(row)));
                    }
                    Op::Delete { key } => effects.push(((table, encode(&partition, &key)), None)),
                    Op::DeleteRange { range } if range.is_empty() => {}
                    Op::DeleteRange { range } => {
                        let range = bounds(&partition, &range);
                        let mut keys = self.tables.keys(at, table, range.clone())?;
                        let known = pending.keys().chain(effects.iter().map(|(key, _)| key));
                        let covered = known.filter(|(t, key)| *t == table && range.contains(key));
                        keys.extend(covered.map(|(_, key)| key.clone()));
                        effects.extend(keys.into_iter().map(|key| ((table, key), None)));
                    }
                }
            }
        }
        Ok(effects)
    }

    /// Writes everything that is pending as one batch, and shows it to readers once it is on disk.
    fn write(&mut self, pending: Pending) -> Result<()> {
        let next = self.last + 1;
        let batch = OwnedWriteBatch::with_capacity(self.tables.db.clone(), pending.len() + 1);
        let mut batch = batch.durability(Some(self.persist));
        // First, where the check of the journal looks for it.
        batch.insert(&self.tables.meta, COMMIT_KEY, next.to_le_bytes());
        // In order of key: neighbours take the same way through the memtable while it is in the processor's cache.
        let mut pending: Vec<_> = pending.into_iter().collect();
        pending.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for ((table, key), row) in pending {
            let keyspace = self.tables.keyspace(table)?;
            match row {
                Some(row) => batch.insert(keyspace, key, encode_row(&row)),
                None => batch.remove(keyspace, key),
            }
        }
        (self.commit)(batch).map_err(|e| errors::commit(&self.tables.location, e))?;
        self.last = next;
        if let Some(state) = &self.synced {
            // A failure costs nothing but a lower bound that stays lower.
            let _ = Record { each: true, floor: next }.write(state);
        }
        self.tables.advance();
        Ok(())
    }
}

/// Turns an answer into what it is worth after the commit failed.
fn fail(answer: &mut Result<WriteOutcome>, e: &Error) {
    match answer {
        Ok(WriteOutcome::Applied) => *answer = Err(e.clone()),
        // Judged on writes of this batch that may never have been: certain is only that it did nothing.
        Ok(WriteOutcome::Refused(_)) => *answer = Err(e.clone().with_outcome(Outcome::NotApplied)),
        Err(_) => {}
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
