//! Writes: one batch in one partition, conditional unless the bucket needs no order.

use crate::error::{Doing, classify};
use crate::statement::{Effect, Form, Test};
use crate::store::{Open, unreadable};
use bytes::Bytes;
use persistence_nosql::core::{Context, Error, Outcome, Result, Timestamp};
use persistence_nosql::row::{Check, Condition, Op, Part, Row, WriteOutcome};
use scylla::response::query_result::QueryResult;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::{CqlValue, Row as Answer};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A key that the bucket never uses: where a write asks that has no row of its own to ask.
const RESERVED: Bytes = Bytes::new();

/// How long after its time a row is collected: clocks differ, and what goes too early is lost.
const GRACE: Duration = Duration::from_secs(3600);

/// The longest time to live. Cassandra ends at some date of its own; what should live longer is left to the bucket's sweep.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

impl Open {
    /// Writes a part in the order that Paxos gives to the writes of a partition.
    pub(crate) async fn write_in_order(&self, cx: &Context, part: &Part) -> Result<WriteOutcome> {
        let statements = Statements::of(part, true);
        let batch = self.batch(part, &statements).await?;
        let _turn = self.lanes.enter(cx, part.table, &part.partition).await?;
        let answer = self.session.batch(&batch, &statements.args).await.map_err(failed)?;
        decode(part, answer).map_err(|e| e.with_outcome(Outcome::MaybeApplied))
    }

    /// Writes a part with a time of its own, which is later than that of every earlier one of this process.
    pub(crate) async fn write_unordered(&self, part: &Part) -> Result<WriteOutcome> {
        let statements = Statements::of(part, false);
        let mut batch = self.batch(part, &statements).await?;
        batch.set_timestamp(Some(next_timestamp()));
        self.session.batch(&batch, &statements.args).await.map_err(failed)?;
        Ok(WriteOutcome::Applied)
    }

    /// The batch, ready to be sent.
    async fn batch(&self, part: &Part, statements: &Statements) -> Result<Batch> {
        let blobs = statements.args.iter().flatten().filter_map(CqlValue::as_blob);
        let (size, limit) = (blobs.map(|b| b.len() as u64).sum(), self.settings.max_write_size);
        if size > limit {
            return Err(Error::too_large("write", size, limit));
        }
        let mut batch = Batch::new(BatchType::Unlogged);
        for form in &statements.forms {
            batch.append_statement(self.statement(part.table, *form).await?);
        }
        Ok(batch)
    }
}

fn failed(e: scylla::errors::ExecutionError) -> Error {
    classify(Doing::Write("write"), e)
}

/// A batch as statements.
#[derive(Default)]
struct Statements {
    forms: Vec<Form>,
    args: Vec<Vec<CqlValue>>,
}

impl Statements {
    /// Everything that a part asks and does. In a conditional batch everything has one timestamp, and at one timestamp a
    /// deletion wins over a value: so a row that is put is named once, with what is asked of it, or else only in deletions of a
    /// column that it does not have. A range may cover a row that is asked, because both only delete.
    fn of(part: &Part, in_order: bool) -> Self {
        let mut asked: Vec<Option<&Check>> = part.checks.iter().map(Some).collect();
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        for (i, check) in part.checks.iter().enumerate() {
            places.entry(&check.key).or_insert(i);
        }
        let mut statements = Statements::default();
        // Without checks, one row that is changed anyway makes the batch conditional.
        let mut anything = in_order && part.checks.is_empty();
        let partition = || blob(&part.partition);
        for op in &part.ops {
            let (key, effect, mut args) = match op {
                Op::Put { key, row, collectable_after } => {
                    let row = [blob(&row.guard), blob(&row.value)];
                    match collectable_after.and_then(time_to_live) {
                        Some(ttl) => {
                            (key, Effect::PutFor, [CqlValue::Int(ttl)].into_iter().chain(row).collect())
                        }
                        None => (key, Effect::Put, Vec::from(row)),
                    }
                }
                Op::Delete { key } => (key, Effect::Delete, Vec::new()),
                Op::DeleteRange { range } => {
                    let args = [partition(), blob(&range.start)].into_iter();
                    let form = Form::DeleteRange { ends: range.end.is_some() };
                    statements.push(form, args.chain(range.end.as_ref().map(blob)).collect());
                    continue;
                }
            };
            args.extend([partition(), blob(key)]);
            let test = match places.get(&**key).and_then(|&i| asked[i].take()) {
                Some(check) => ask(check, &mut args),
                None if std::mem::take(&mut anything) => Test::Anything,
                None => Test::None,
            };
            statements.push(Form::Change(effect, test), args);
        }
        for check in asked.into_iter().flatten() {
            let mut args = vec![partition(), blob(&check.key)];
            let test = ask(check, &mut args);
            statements.push(Form::Change(Effect::Nothing, test), args);
        }
        if anything {
            let args = vec![partition(), blob(&RESERVED)];
            statements.push(Form::Change(Effect::Nothing, Test::Anything), args);
        }
        statements
    }

    fn push(&mut self, form: Form, args: Vec<CqlValue>) {
        self.forms.push(form);
        self.args.push(args);
    }
}

/// Bytes as a value.
pub(crate) fn blob(bytes: impl AsRef<[u8]>) -> CqlValue {
    CqlValue::Blob(bytes.as_ref().to_vec())
}

fn ask(check: &Check, args: &mut Vec<CqlValue>) -> Test {
    match &check.condition {
        Condition::Absent => Test::Absent,
        Condition::Present => Test::Present,
        Condition::Guard(guard) => {
            args.push(blob(guard));
            Test::Guard
        }
    }
}

/// Seconds to live, for what may be collected after a time; none where it is far away.
fn time_to_live(after: Timestamp) -> Option<i32> {
    let now = Timestamp::from(SystemTime::now());
    let left = Duration::from_millis(u64::try_from(after.0.saturating_sub(now.0)).unwrap_or(0));
    let ttl = left.saturating_add(GRACE);
    if ttl > LONGEST { None } else { i32::try_from(ttl.as_secs()).ok() }
}

/// Microseconds, never the same twice, never back.
fn next_timestamp() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    let next = |last: i64| now.max(last.saturating_add(1));
    next(LAST.fetch_update(Relaxed, Relaxed, |last| Some(next(last))).unwrap_or_default())
}

/// What the answer to a conditional batch says: whether it was applied and, if not, the rows of its conditions that there are.
fn decode(part: &Part, answer: QueryResult) -> Result<WriteOutcome> {
    let answer = answer.into_rows_result().map_err(|e| unreadable("write", e))?;
    let place = |name: &str| answer.column_specs().get_by_name(name).map(|(i, _)| i);
    let Some(applied) = place("[applied]") else {
        return Err(unreadable("write", "it does not say whether the batch was applied"));
    };
    let columns = [place("key"), place("guard"), place("value")];
    let mut rows = HashMap::new();
    for row in answer.rows::<Answer>().map_err(|e| unreadable("write", e))? {
        let mut row = row.map_err(|e| unreadable("write", e))?.columns;
        if matches!(row[applied], Some(CqlValue::Boolean(true))) {
            return Ok(WriteOutcome::Applied);
        }
        let mut bytes = |i: Option<usize>| match i.and_then(|i| row[i].take()) {
            Some(CqlValue::Blob(b)) => Some(b),
            _ => None,
        };
        if let [Some(key), Some(guard), Some(value)] = columns.map(&mut bytes) {
            rows.insert(key, Row { guard: guard.into(), value: value.into() });
        }
    }
    Ok(WriteOutcome::Refused(part.checks.iter().map(|c| rows.get(&*c.key).cloned()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence_nosql::row::{KeyRange, Table};

    fn put(key: &'static str, until: Option<Timestamp>) -> Op {
        Op::Put { key: key.into(), row: Row::default(), collectable_after: until }
    }

    fn check(key: &'static str, condition: Condition) -> Check {
        Check { key: key.into(), condition }
    }

    fn forms(checks: Vec<Check>, ops: Vec<Op>, in_order: bool) -> Vec<Form> {
        let part = Part { table: Table::Shard, partition: "p".into(), checks, ops };
        let Statements { forms, args } = Statements::of(&part, in_order);
        for (form, args) in forms.iter().zip(&args) {
            assert_eq!(form.cql("t").matches('?').count(), args.len(), "{form:?}");
        }
        forms
    }

    #[test]
    fn a_row_that_is_asked_and_changed_is_one_statement() {
        let guard = Condition::Guard("g".into());
        let checks = vec![check("a", Condition::Absent), check("b", guard), check("c", Condition::Present)];
        let range = Op::DeleteRange { range: KeyRange::new("x", "y") };
        let ops = vec![put("b", None), range, Op::Delete { key: "c".into() }, put("d", Some(Timestamp(1)))];
        let expected = [
            Form::Change(Effect::Put, Test::Guard),
            Form::DeleteRange { ends: true },
            Form::Change(Effect::Delete, Test::Present),
            Form::Change(Effect::PutFor, Test::None),
            Form::Change(Effect::Nothing, Test::Absent),
        ];
        assert_eq!(forms(checks, ops, true), expected);
    }

    #[test]
    fn what_asks_nothing_is_conditional_all_the_same_unless_it_needs_no_order() {
        let two = || vec![put("a", None), put("b", None)];
        let (plain, anything) =
            (Form::Change(Effect::Put, Test::None), Form::Change(Effect::Put, Test::Anything));
        assert_eq!(forms(Vec::new(), two(), true), [anything, plain]);
        assert_eq!(forms(Vec::new(), two(), false), [plain, plain]);
        let range = vec![Op::DeleteRange { range: KeyRange::all() }];
        let reserved = Form::Change(Effect::Nothing, Test::Anything);
        assert_eq!(forms(Vec::new(), range, true), [Form::DeleteRange { ends: false }, reserved]);
    }

    #[test]
    fn time_to_live_is_never_shorter_and_not_for_ever() {
        let now = Timestamp::from(SystemTime::now());
        let ttl = |after: Duration| time_to_live(now.after(after)).map(i64::from);
        let grace = i64::try_from(GRACE.as_secs()).unwrap();
        assert!(ttl(Duration::from_secs(100)).is_some_and(|t| (grace + 90..=grace + 100).contains(&t)));
        assert_eq!(time_to_live(Timestamp(1)).map(i64::from), Some(grace));
        assert_eq!((ttl(LONGEST), time_to_live(Timestamp::MAX)), (None, None));
    }

    #[test]
    fn timestamps_grow() {
        let stamps: Vec<i64> = (0..10_000).map(|_| next_timestamp()).collect();
        assert!(stamps.windows(2).all(|w| w[0] < w[1]));
    }
}
