//! Wrong drivers.

use async_trait::async_trait;
use bytes::Bytes;
use persistence_core::{Context, Outcome, Result};
use persistence_nosql::row::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A row as the bucket means it; its keys are tuples that begin with the section's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Shard,
    Current,
    CurrentVersion,
    RunHeader,
    TaskQueue,
    Queue,
    Ack,
    TreeVersion,
    Branch,
    Attempt,
    Other,
}

fn meaning(table: Table, key: &[u8]) -> Meaning {
    const ZERO: u8 = 0x14;
    const BYTE: u8 = 0x15;
    match (table, key) {
        (Table::Shard, [ZERO]) => Meaning::Shard,
        (Table::TaskQueues, [ZERO]) => Meaning::TaskQueue,
        (Table::Queues, [ZERO]) => Meaning::Queue,
        (Table::History, [ZERO]) => Meaning::TreeVersion,
        (Table::Shard | Table::TaskQueues | Table::Queues, [ZERO, BYTE, 1, ..]) => Meaning::Attempt,
        (Table::Shard, [BYTE, 4, ..]) => Meaning::Attempt,
        (Table::Shard, [BYTE, 1, .., ZERO]) => Meaning::Current,
        (Table::Shard, [BYTE, 1, ..]) => Meaning::CurrentVersion,
        (Table::Shard, [BYTE, 2, ..]) => Meaning::RunHeader,
        (Table::Queues, [BYTE, 2, ..]) => Meaning::Ack,
        (Table::History, [BYTE, 1, ..]) => Meaning::Branch,
        _ => Meaning::Other,
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A check is left out.
    Unchecked(Meaning),
    /// A guard is taken for presence.
    GuardIsPresence,
    /// A refused write is done all the same.
    RefusedIsDone,
    /// The first op of a refused write is done.
    RefusedIsBegun,
    /// A refusal does not tell what was found.
    RefusedWithoutRows,
    /// Of several failed checks the first looks as if it held.
    FirstFailureHidden,
    /// The parts of a write are done one after the other, the last first.
    PartByPart,
    /// The last op of a write is not done.
    LastOpLost,
    /// A write is done, and once more, unconditionally, when the next one comes.
    DoneAgainLater,
    /// A deleted range has one row too many.
    RangeTooLong,
    /// A deleted range has one row too few.
    RangeTooShort,
    /// Ranges are not deleted.
    RangeStays,
    /// Rows are not deleted.
    RowStays,
    /// Guards are not stored.
    NoGuard,
    /// A row that is replaced keeps its guard.
    OldGuard,
    /// A row that is replaced keeps its value.
    OldValue,
    /// Rows that may be collected later are gone at once.
    CollectedAtOnce,
    /// Who wrote what is not remembered.
    AttemptsForgotten,
    /// Descending is ascending.
    NeverDescending,
    /// A descending scan leaves out the row that it begins with.
    DescendsTooFar,
    /// A scan gives one row less than it should.
    ScanTooShort,
    /// A scan leaves out the row that it begins with.
    ScanBeginsAfter,
    /// A scan gives the row that it should end before.
    ScanEndsAfter,
    /// A scan is two.
    TornScan,
    /// Rows come in another order than asked for.
    RowsSwapped,
    /// A row that was replaced is read once more as it was.
    StaleRow,
    /// The last partition is not listed.
    PartitionMissing,
    /// A write without an answer is taken for done.
    UnknownIsDone,
    /// A write without an answer is taken for not done.
    UnknownIsNotDone,
}

/// A driver with a flaw.
pub(crate) struct Wrong {
    inner: Arc<dyn RowStore>,
    flaw: Flaw,
    again: Mutex<Vec<Part>>,
    stale: Mutex<HashMap<(Table, Bytes, Bytes), Row>>,
}

impl Wrong {
    pub(crate) fn new(inner: Arc<dyn RowStore>, flaw: Flaw) -> Self {
        Wrong { inner, flaw, again: Mutex::default(), stale: Mutex::default() }
    }

    /// Changes a write before it is sent.
    async fn distort(&self, cx: &Context, write: &mut Write) -> Result<()> {
        for part in &mut write.parts {
            let table = part.table;
            match self.flaw {
                Flaw::Unchecked(what) => part.checks.retain(|c| meaning(table, &c.key) != what),
                Flaw::GuardIsPresence => {
                    for c in &mut part.checks {
                        if matches!(c.condition, Condition::Guard(_)) {
                            c.condition = Condition::Present;
                        }
                    }
                }
                Flaw::LastOpLost if part.ops.len() > 1 => drop(part.ops.pop()),
                Flaw::RangeStays => part.ops.retain(|op| !matches!(op, Op::DeleteRange { .. })),
                Flaw::RowStays => part.ops.retain(|op| !matches!(op, Op::Delete { .. })),
                Flaw::AttemptsForgotten => {
                    part.ops.retain(
                        |op| !matches!(op, Op::Put { key, .. } if meaning(table, key) == Meaning::Attempt),
                    );
                }
                Flaw::CollectedAtOnce => {
                    part.ops.retain(|op| !matches!(op, Op::Put { collectable_after: Some(_), .. }));
                }
                Flaw::OldGuard | Flaw::OldValue | Flaw::StaleRow => self.look_before(cx, part).await?,
                _ => {}
            }
            part.ops.iter_mut().for_each(|op| self.distort_op(op));
        }
        write.parts.retain(|p| !(p.checks.is_empty() && p.ops.is_empty()));
        if self.flaw == Flaw::DoneAgainLater {
            let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
            again.extend(write.parts.iter().map(|p| Part { checks: Vec::new(), ..p.clone() }));
            again.retain(|p| !p.ops.is_empty());
        }
        Ok(())
    }

    fn distort_op(&self, op: &mut Op) {
        match (self.flaw, op) {
            (Flaw::NoGuard, Op::Put { row, .. }) => row.guard = Bytes::new(),
            (Flaw::RangeTooLong, Op::DeleteRange { range }) => {
                range.end = range.end.take().map(|e| after(&e))
            }
            (Flaw::RangeTooShort, Op::DeleteRange { range }) => range.start = after(&range.start),
            _ => {}
        }
    }

    async fn look_before(&self, cx: &Context, part: &mut Part) -> Result<()> {
        for op in &mut part.ops {
            let Op::Put { key, row, .. } = op else { continue };
            let keys = [key.clone()];
            let found = self.inner.get(cx, part.table, &part.partition, &keys, Level::Serial).await?;
            let Some(old) = found.into_iter().flatten().next() else { continue };
            match self.flaw {
                Flaw::OldGuard => row.guard = old.guard,
                Flaw::OldValue => row.value = old.value,
                _ => {
                    let at = (part.table, part.partition.clone(), key.clone());
                    self.stale.lock().unwrap_or_else(PoisonError::into_inner).insert(at, old);
                }
            }
        }
        Ok(())
    }

    /// Sends a write of several parts as several, the last first.
    async fn part_by_part(&self, cx: &Context, write: Write) -> Result<WriteOutcome> {
        let checks: Vec<usize> = write.parts.iter().map(|p| p.checks.len()).collect();
        let mut found: Vec<Vec<Option<Row>>> = checks.iter().map(|n| vec![None; *n]).collect();
        let mut outcome = WriteOutcome::Applied;
        for (i, part) in write.parts.into_iter().enumerate().rev() {
            if let WriteOutcome::Refused(rows) = self.inner.write(cx, part.into()).await? {
                found[i] = rows;
                outcome = WriteOutcome::Refused(Vec::new());
            }
        }
        Ok(match outcome {
            WriteOutcome::Applied => WriteOutcome::Applied,
            WriteOutcome::Refused(_) => WriteOutcome::Refused(found.into_iter().flatten().collect()),
        })
    }

    /// Does what a refused write asked for, or says something else about it.
    async fn refused(
        &self,
        cx: &Context,
        write: Write,
        mut rows: Vec<Option<Row>>,
    ) -> Result<Vec<Option<Row>>> {
        let keep = match self.flaw {
            Flaw::RefusedIsDone => usize::MAX,
            Flaw::RefusedIsBegun => 1,
            _ => 0,
        };
        for mut part in write.parts.iter().cloned() {
            part.checks.clear();
            part.ops.truncate(keep);
            if !part.ops.is_empty() {
                self.inner.write(cx, part.into()).await?;
            }
        }
        let checks = write.parts.iter().flat_map(|p| &p.checks);
        let failed: Vec<_> =
            checks.enumerate().filter(|(i, c)| !c.condition.holds(rows[*i].as_ref())).collect();
        match (self.flaw, &failed[..]) {
            (Flaw::RefusedWithoutRows, _) => rows.iter_mut().for_each(|r| *r = None),
            (Flaw::FirstFailureHidden, [(i, first), _, ..]) => {
                rows[*i] = match &first.condition {
                    Condition::Guard(g) => {
                        Some(Row { guard: g.clone(), ..rows[*i].clone().unwrap_or_default() })
                    }
                    _ => None,
                };
            }
            _ => {}
        }
        Ok(rows)
    }

    async fn do_again(&self, cx: &Context) -> Result<()> {
        let again = std::mem::take(&mut *self.again.lock().unwrap_or_else(PoisonError::into_inner));
        for part in again {
            self.inner.write(cx, part.into()).await?;
        }
        Ok(())
    }
}

fn after(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

#[async_trait]
impl RowStore for Wrong {
    fn info(&self) -> RowStoreInfo {
        self.inner.info()
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        self.inner.schema(op).await
    }

    async fn get(
        &self,
        cx: &Context,
        table: Table,
        partition: &[u8],
        keys: &[Bytes],
        level: Level,
    ) -> Result<Vec<Option<Row>>> {
        let mut rows = self.inner.get(cx, table, partition, keys, level).await?;
        if self.flaw == Flaw::RowsSwapped {
            rows.reverse();
        }
        if self.flaw == Flaw::StaleRow && level == Level::Quorum {
            let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, key) in rows.iter_mut().zip(keys) {
                let old = stale.remove(&(table, Bytes::copy_from_slice(partition), key.clone()));
                *row = old.or(row.take());
            }
        }
        Ok(rows)
    }

    async fn scan(
        &self,
        cx: &Context,
        table: Table,
        partition: &[u8],
        range: &KeyRange,
        order: Order,
        limit: usize,
        level: Level,
    ) -> Result<Vec<KeyedRow>> {
        let (mut range, mut order, mut limit) = (range.clone(), order, limit);
        match self.flaw {
            Flaw::NeverDescending => order = Order::Ascending,
            Flaw::ScanTooShort => limit = limit.max(2) - 1,
            Flaw::ScanBeginsAfter => range.start = after(&range.start),
            Flaw::ScanEndsAfter => range.end = range.end.map(|e| after(&e)),
            Flaw::TornScan if order == Order::Ascending && limit > 1 => {
                let mut rows = self.inner.scan(cx, table, partition, &range, order, 1, level).await?;
                tokio::time::sleep(Duration::from_millis(2)).await;
                if let Some(first) = rows.first() {
                    range.start = after(&first.key);
                    rows.extend(
                        self.inner.scan(cx, table, partition, &range, order, limit - 1, level).await?,
                    );
                }
                return Ok(rows);
            }
            _ => {}
        }
        let mut rows = self.inner.scan(cx, table, partition, &range, order, limit, level).await?;
        if self.flaw == Flaw::DescendsTooFar && order == Order::Descending && !rows.is_empty() {
            rows.remove(0);
        }
        Ok(rows)
    }

    async fn write(&self, cx: &Context, mut write: Write) -> Result<WriteOutcome> {
        self.do_again(cx).await?;
        let asked = write.parts.iter().map(|p| p.checks.len()).sum::<usize>();
        self.distort(cx, &mut write).await?;
        if write.parts.is_empty() {
            return Ok(WriteOutcome::Applied);
        }
        let outcome = match self.flaw {
            Flaw::PartByPart => self.part_by_part(cx, write.clone()).await,
            _ => self.inner.write(cx, write.clone()).await,
        };
        match (self.flaw, outcome) {
            (_, Ok(WriteOutcome::Refused(rows))) => {
                let mut rows = self.refused(cx, write, rows).await?;
                // A driver that leaves out a check knows nothing of its row.
                rows.resize(asked, None);
                Ok(WriteOutcome::Refused(rows))
            }
            (Flaw::UnknownIsDone, Err(e)) if e.outcome() == Outcome::MaybeApplied => {
                Ok(WriteOutcome::Applied)
            }
            (Flaw::UnknownIsNotDone, Err(e)) => Err(e.with_outcome(Outcome::NotApplied)),
            (_, outcome) => outcome,
        }
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        let mut found = self.inner.partitions(table, after, limit).await?;
        if self.flaw == Flaw::PartitionMissing && found.len() < limit {
            found.pop();
        }
        Ok(found)
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
