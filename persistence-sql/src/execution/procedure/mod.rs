//! A wave as one call of a stored procedure, in one round trip. For MySQL, which has no statement that writes to many tables.
//!
//! There are two procedures. The one for waves does what [`super::statement`] does: it locks the shard, the current records and
//! the runs, each list in the order of its keys, judges, writes, and tells what it found of refused plans. The one for a single
//! plan of the usual kind looks at nothing first: conditions are those of its updates, which see the locked row. Where one of them
//! finds no row nothing is applied, and the plan goes to the other procedure, which tells why. It takes a third less of the server.
//!
//! A procedure's name ends with the hash of its text, so that programs of several versions work on one database.

mod pack;

use super::Answers;
use super::found::Looked;
use super::rows::{WaveRows, action, fence_of, requires};
use super::statement::{COLUMNS, answers, written};
use crate::bucket::Tried;
use crate::core::transition::TransitionPlan;
use crate::core::{Result, ShardId, Timestamp};
use crate::naming::Naming;
use crate::tx::Tx;
use crate::value::{Kind, Value};
use pack::Bytes;
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

/// A procedure that transitions call.
#[derive(Debug)]
pub struct Procedure {
    /// Its name, which no other text has, without the prefix of the user's choice.
    name: String,
    text: &'static str,
    parameters: usize,
    /// The call of every transition, without `CALL` and the prefix.
    call: String,
}

impl Procedure {
    fn new(kind: &str, text: &'static str, parameters: usize) -> Self {
        let name = format!("persist_apply_{kind}_{:016x}", hash(text));
        let call = format!("{name}({})", vec!["?"; parameters].join(", "));
        Procedure { name, text, parameters, call }
    }

    /// What creates it: one statement.
    pub fn create(&self, naming: &Naming) -> String {
        naming.render(self.text).replace("{name}", &naming.table(&self.name))
    }

    /// A call that does nothing, by which to find out whether one may call it.
    pub fn probe(&self, naming: &Naming) -> String {
        format!("CALL {}({})", naming.table(&self.name), vec!["NULL"; self.parameters].join(", "))
    }

    fn call(&self, naming: &Naming) -> String {
        format!("CALL {}", naming.table(&self.call))
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

static ONE: LazyLock<Procedure> = LazyLock::new(|| Procedure::new("one", include_str!("one.sql"), 27));
static WAVE: LazyLock<Procedure> = LazyLock::new(|| Procedure::new("wave", include_str!("wave.sql"), 13));

/// The procedures that [`Transitions::Procedure`](crate::dialect::Transitions::Procedure) calls, for the driver to create.
pub fn procedures() -> [&'static Procedure; 2] {
    [&ONE, &WAVE]
}

/// Applies plans of one shard; `None` for those whose rows moved.
pub(super) async fn apply(
    tx: &mut Tx,
    plans: &[&TransitionPlan],
    tried: Tried,
    now: Timestamp,
) -> Result<Answers> {
    let Some(shard_id) = plans.first().map(|p| p.shard_id) else { return Ok(Vec::new()) };
    let table = written(plans);
    let rows = WaveRows::of(plans, now, &Looked::default());
    let naming = Arc::clone(&tx.naming);
    // After an unknown outcome it is most likely that somebody has to be told why not.
    if plans.len() == 1
        && !tried.unknown
        && let Some(args) = one(shard_id, fence_of(plans), &rows)
        && tx.call(table, &ONE.call(&naming), args, &[Kind::Int]).await?.is_empty()
    {
        return Ok(vec![Some(Ok(()))]);
    }
    let args = wave(shard_id, fence_of(plans), rows);
    answers(plans, tx.call(table, &WAVE.call(&naming), args, COLUMNS).await?, tried)
}

/// Whether a plan can be applied by procedure: not if its current record is to be put whether it is there or not.
pub(super) fn knows(plan: &TransitionPlan) -> bool {
    use crate::core::transition::{CurrentCheck::NotRun, CurrentWrite::Put};
    !plan.current.as_ref().is_some_and(|c| matches!((&c.check, &c.write), (NotRun(_), Put(_))))
}

fn count(rows: &[Vec<Value>]) -> Value {
    Value::Int(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}

/// The arguments for one plan; none if it is not of the usual kind: one run at most, and a current record that is created or
/// replaced.
fn one(shard_id: ShardId, fence: Option<i64>, rows: &WaveRows) -> Option<Vec<Value>> {
    const CURRENT: [Kind; 8] = {
        use Kind::{Bytes, Int, Uuid};
        [Int, Int, Uuid, Int, Uuid, Int, Int, Bytes]
    };
    const RUN: [Kind; 8] = {
        use Kind::{Bytes, Int, Uuid};
        [Int, Uuid, Int, Int, Int, Bytes, Uuid, Bytes]
    };
    let is = |v: Option<&Value>, of: &[i64]| matches!(v, Some(Value::Int(i)) if of.contains(i));
    let (current, run) = match (&*rows.currents, &*rows.runs) {
        ([], []) => (None, None),
        ([], [run]) => (None, Some(run)),
        // Of one workflow, as core makes them.
        ([current], [run]) if current[1..3] == run[1..3] => (Some(current), Some(run)),
        _ => return None,
    };
    let usual = current.is_none_or(|c| {
        is(c.get(4), &[requires::ABSENT, requires::RUN, requires::REUSABLE])
            && is(c.get(7), &[action::CREATE])
    }) && run.is_none_or(|r| is(r.get(4), &[action::PUT, action::CREATE]));
    if !usual {
        return None;
    }
    let mut args = vec![shard_id.0.into(), Value::opt(fence)];
    match run {
        // Namespace and workflow id, which a current record shares.
        Some(r) => args.extend(r.iter().skip(1).take(2).cloned()),
        None => args.extend([Uuid::nil().into(), "".into()]),
    }
    match current.map(|c| &c[..]) {
        Some([_, _, _, archetype, requires, required_run, required_version, _, rest @ ..]) => {
            args.extend([requires, archetype, required_run, required_version].map(Value::clone));
            args.extend(rest.iter().cloned());
        }
        _ => args.extend(CURRENT.map(Value::Null)),
    }
    match run.map(|r| &r[..]) {
        Some([_, _, _, run_id, action, rest @ ..]) => {
            args.extend([action, run_id].map(Value::clone));
            args.extend(rest.iter().cloned());
        }
        _ => args.extend(RUN.map(Value::Null)),
    }
    args.push(pack::rows(rows));
    let lists = [&rows.clears, &rows.delete_items, &rows.put_items, &rows.tasks, &rows.nodes, &rows.branches];
    args.extend(lists.map(|l| count(l)));
    Some(args)
}

/// What a wave does to current records and runs, as bits: then the other statements need not run.
fn does(rows: &WaveRows) -> i64 {
    let bit = |v: &Value, action: i64, bit: i64| if *v == action.into() { bit } else { 0 };
    let current = |c: &Vec<Value>| {
        let create = if c[4] == requires::ABSENT.into() { 1 } else { 2 };
        bit(&c[7], action::CREATE, create) | bit(&c[7], action::DELETE, 4)
    };
    let run = |r: &Vec<Value>| {
        bit(&r[4], action::CREATE, 8) | bit(&r[4], action::PUT, 16) | bit(&r[4], action::DELETE, 32)
    };
    rows.currents.iter().map(current).chain(rows.runs.iter().map(run)).fold(0, |a, b| a | b)
}

/// The arguments for a wave.
fn wave(shard_id: ShardId, fence: Option<i64>, rows: WaveRows) -> Vec<Value> {
    let fenced = rows.plans.iter().filter(|p| p[1] == 1.into());
    let fenced = fenced.map(|p| pack::text_of(&p[0])).collect::<Vec<_>>().join(",");
    let mut args = vec![shard_id.0.into(), Value::opt(fence), Value::Text(fenced), does(&rows).into()];
    let mut bytes = Bytes::default();
    let lists: Vec<Value> = rows.lists().into_iter().skip(1).map(|(_, rows)| bytes.list(&rows)).collect();
    args.push(bytes.into());
    args.extend(lists);
    args
}
