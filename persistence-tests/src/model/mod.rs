//! The model: a plain picture of every store, written from the contract, that random sequences of operations are run
//! against beside the driver. Every answer and every error is compared, and at the end everything that can be read.
//!
//! `PERSISTENCE_TESTS_MODEL` is the number of sequences (default 40), `PERSISTENCE_TESTS_SEED` repeats them. A sequence that
//! differs is shrunk, and told as a list of operations.

mod call;
mod history;
mod op;
mod queues;
mod script;
mod script_more;
mod transition;
mod world;

use crate::{Fixture, guard};
use call::{Answer, Call, Refusal, Reply};
use op::Op;
use persistence_core::{Capability, Clock, ErrorKind, Outcome};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use script::Script;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use world::World;

/// The number of sequences.
const SEQUENCES: &str = "PERSISTENCE_TESTS_MODEL";

/// How many operations a sequence has, about.
const LENGTH: usize = 60;

/// No new sequence begins after this long, and shrinking ends after twice as long: a case has its limit.
const ENOUGH: Duration = Duration::from_secs(20);

/// A sequence to run, and where its result goes.
type Ask = (Vec<Op>, oneshot::Sender<Result<(), String>>);

crate::cases! {
    group: "model";

    /// Any sequence of operations gives the answers, and leaves the state, that the contract says.
    #[covers(
        "P7",
        "P9",
        "P14",
        "P15",
        "P16",
        "P17",
        "P18",
        "P20",
        "P21",
        "P22",
        "P23",
        "execution.apply",
        "execution.create_execution",
        "execution.update_execution",
        "execution.conflict_resolve_execution",
        "execution.set_execution",
        "history.fork_history_branch",
        "history.delete_history_branch",
        "history.trim_history_branch",
        "task.create_tasks",
        "queue.enqueue",
        "maintenance.scavenge",
        "maintenance.sweep_expired"
    )]
    #[isolation(Own)]
    async fn sequences_do_what_the_contract_says(t) {
        let wanted = std::env::var(SEQUENCES).ok().and_then(|n| n.parse().ok()).unwrap_or(40);
        let (ask, mut asked) = mpsc::channel::<Ask>(1);
        let seed = t.seed;
        // The source of sequences lives on a thread of its own: it is no friend of tasks that move.
        let source = std::thread::spawn(move || search(seed, wanted, &ask));
        while let Some((ops, told)) = asked.recv().await {
            let result = guard::catch(compare(t, &ops)).await.and_then(|r| r);
            let _ = told.send(result);
        }
        let found = source.join().unwrap();
        if let Some((number, ops, difference)) = found {
            let list: Vec<_> = ops.iter().enumerate().map(|(i, op)| format!("  {i:2} {op:?}")).collect();
            panic!("sequence {number} differs: {difference}\n{}", list.join("\n"));
        }
    }
}

/// Draws sequences, and shrinks the first that differs.
fn search(seed: u64, wanted: u64, ask: &mpsc::Sender<Ask>) -> Option<(u64, Vec<Op>, String)> {
    let run = |ops: Vec<Op>| {
        let (told, answer) = oneshot::channel();
        ask.blocking_send((ops, told)).ok()?;
        answer.blocking_recv().ok()?.err()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (strategy, began) = (op::sequence(LENGTH), Instant::now());
    for number in 0..wanted {
        if began.elapsed() > ENOUGH {
            break;
        }
        let Ok(mut tree) = strategy.new_tree(&mut runner) else { continue };
        let Some(mut difference) = run(tree.current()) else { continue };
        let mut smallest = tree.current();
        let mut smaller = tree.simplify();
        while smaller && began.elapsed() < 2 * ENOUGH {
            smaller = match run(tree.current()) {
                Some(d) => {
                    (difference, smallest) = (d, tree.current());
                    tree.simplify()
                }
                None => tree.complicate(),
            };
        }
        return Some((number, smallest, difference));
    }
    None
}

/// Runs a sequence on the driver and on the model.
async fn compare(t: &mut Fixture, ops: &[Op]) -> Result<(), String> {
    let atomic = t.capabilities().has(Capability::AtomicHistory);
    let durable = t.capabilities().has(Capability::Durable);
    let (mut script, mut world) = (Script::new(t, atomic), World::default());
    for (i, op) in ops.iter().enumerate() {
        match op {
            Op::Wait(seconds) => t.clock.advance(Duration::from_secs(seconds.unsigned_abs())),
            Op::Reopen if durable => t.reopen().await.map_err(|e| e.to_string())?,
            _ => {}
        }
        let same = step(t, &mut script, &mut world, op).await.map_err(|d| format!("at {i}: {d}"))?;
        if !same {
            return Ok(());
        }
    }
    for op in script.everything() {
        step(t, &mut script, &mut world, &op).await.map_err(|d| format!("at the end: {d}"))?;
    }
    Ok(())
}

/// One operation on both. False when the driver honestly cannot tell whether it did it: what follows cannot be told either.
async fn step(t: &Fixture, script: &mut Script, world: &mut World, op: &Op) -> Result<bool, String> {
    let now = t.clock.now();
    let Some(call) = script.call(world, now, op) else { return Ok(true) };
    let expected = world.answer(now, &call);
    let got = call.send(&*t.p, &t.cx()).await;
    let unsure = got.as_ref().is_err_and(|e| e.outcome() == Outcome::MaybeApplied);
    let got = got.map_err(Refusal::from);
    if let Ok(Answer::Branch(branch)) = &got {
        script.forked(op, branch.clone());
    }
    if expected == got || (t.faults.is_random() && excused(&call, &expected, &got)) {
        return Ok(true);
    }
    if t.faults.is_random() && unsure {
        return Ok(false);
    }
    Err(format!("{op:?}\n  must give {expected:?}\n  but gives {got:?}\n  for {call:?}"))
}

/// Under faults a delete that finds nothing may take itself for the one that did it.
fn excused(call: &Call, expected: &Reply, got: &Reply) -> bool {
    let gone = |e: &Refusal| e.kind == ErrorKind::ConditionFailed;
    matches!(call, Call::DeleteTaskQueue(_)) && *got == Ok(Answer::Done) && expected.as_ref().is_err_and(gone)
}
