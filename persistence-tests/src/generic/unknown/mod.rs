//! Unknown outcomes: an answer that is lost must not become a wrong one.

mod rival;
mod wave;
mod write;

use crate::build::execution::{Flow, Write};
use crate::build::record::*;
use crate::race::Beside;
use crate::{Case, Fault, FaultRule, Faults, Fixture, Injected};
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{Context, Error, ErrorKind, Outcome, Result, RunId};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// The cases of this module.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    [write::cases(), rival::cases(), wave::cases()].concat()
}

const MAYBE: Fault = Fault::Before(Outcome::MaybeApplied);

/// The next writes to the shards' table fail like this, one after the other.
fn script(t: &Fixture, faults: &[Fault]) {
    for fault in faults {
        t.faults.script(FaultRule::write(*fault).table("shard"));
    }
}

/// Waits until the faults that were injected are such.
async fn until(t: &Fixture, such: impl Fn(Injected) -> bool) {
    while !such(t.faults.injected()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The caller whose answers are lost while a rival's are not.
const OURS: &str = "ours";

/// A call of ours that gets no connection since its first try failed: whoever writes now comes in between.
pub(super) struct Interrupted<T> {
    call: Beside<T>,
    faults: Arc<Faults>,
}

impl<T: Send + 'static> Interrupted<T> {
    /// Begins it, with the context that it needs, and waits until its first try has failed and a second found nothing.
    async fn begin<F>(t: &Fixture, first: Fault, call: impl FnOnce(Context) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        Interrupted::begin_on(t, "shard", first, call).await
    }

    /// The same, on another table.
    pub(super) async fn begin_on<F>(
        t: &Fixture,
        table: &'static str,
        first: Fault,
        call: impl FnOnce(Context) -> F,
    ) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let before = t.faults.injected().total();
        for (fault, times) in [(first, 1), (MAYBE, u64::MAX)] {
            t.faults.script(FaultRule::write(fault).table(table).caller(OURS).times(times));
        }
        let call = Beside::run(call(t.cx().with_caller(OURS)));
        until(t, |i| i.total() >= before + 2).await;
        assert!(!call.has_ended(), "it did not try again");
        Interrupted { call, faults: t.faults.clone() }
    }

    /// Lets it through, and gives its answer.
    pub(super) async fn end(self) -> T {
        self.faults.clear();
        self.call.end().await
    }

    /// Its caller goes away; then it is let through.
    fn abandon(self) {
        drop(self.call);
        self.faults.clear();
    }
}

/// Interrupts a write.
async fn interrupted(t: &Fixture, w: &Flow, write: Arc<dyn Write>, first: Fault) -> Interrupted<Result<()>> {
    let p = w.p.clone();
    Interrupted::begin(t, first, |cx| async move { write.send(&*p, &cx).await }).await
}

/// A call that gets no answer until its deadline. The deadline is short, and longer when it passed before anything was sent.
pub(super) async fn unanswered<T: Debug, F: Future<Output = Result<T>>>(
    t: &Fixture,
    call: impl Fn(Context) -> F,
) -> Error {
    for millis in [20, 80, 320, 1280, 5120, 20_480, 60_000] {
        let before = t.faults.injected().total();
        let e = call(Context::new().with_timeout(Duration::from_millis(millis))).await.unwrap_err();
        assert!(is_transport(&e), "{e}");
        t.faults.quiet().await;
        if t.faults.injected().total() > before {
            assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e}");
            return e;
        }
        assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
    }
    panic!("nothing was sent");
}

/// What goes wrong in a call of many steps: one of its writes or reads certainly fails, and before that the answer to its first
/// write was lost, or was not.
pub(super) fn accidents(writes: u64, reads: u64) -> Vec<Vec<FaultRule>> {
    let lost = FaultRule::write(Fault::After);
    let write = |n| FaultRule::write(Fault::Before(Outcome::NotApplied)).nth(n);
    let read = |n| FaultRule::read(Fault::After).nth(n);
    let alone = (1..=writes).map(write).chain((1..=reads).map(read)).map(|rule| vec![rule]);
    let after_another = (2..=writes).map(write).chain((1..=reads).map(read)).map(|rule| vec![lost, rule]);
    alone.chain(after_another).collect()
}

/// An answer that says that it was done, or that nothing was, tells the truth: `done` is whether anything was.
#[track_caller]
pub(super) fn honest<T: Debug>(answer: &Result<T>, done: bool, what: impl Debug) {
    match answer {
        Ok(_) => assert!(done, "{what:?}: {answer:?}, and nothing was done"),
        Err(e) => {
            let outcome = e.outcome();
            assert!(
                !done || outcome == Outcome::MaybeApplied,
                "{what:?}: something was done: {outcome:?}, {e}"
            );
        }
    }
}

fn is_transport(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) && e.is_retryable()
}

/// A write, and what is to be read before and after it.
struct Trial {
    w: Flow,
    write: Arc<dyn Write>,
    /// The runs that take part, as they are before and after.
    runs: Vec<(RunId, Option<MutableState>, MutableState)>,
    current: Option<CurrentRecord>,
}

impl Trial {
    /// Whether the write was done, exactly once.
    async fn assert_done(&self, what: &str) -> Result<()> {
        for (run, _, after) in &self.runs {
            assert_eq!(self.w.load(*run).await?, *after, "{} {what}", self.write.operation());
        }
        if let Some(current) = &self.current {
            assert_eq!(self.w.current().await?, *current, "{} {what}", self.write.operation());
        }
        Ok(())
    }

    /// Whether the write was not done at all.
    async fn assert_not_done(&self, what: &str) {
        for (run, before, _) in &self.runs {
            assert_eq!(self.w.load(*run).await.ok(), *before, "{} {what}", self.write.operation());
        }
    }
}

/// One write of every kind, each on a workflow id of its own, all of which will succeed.
async fn trials(t: &Fixture) -> Result<Vec<Trial>> {
    let base = Flow::new(t).await?;
    let mut trials = Vec::new();
    let task = |n| vec![immediate(TaskCategory::TRANSFER, n)];

    let (w, new) = (base.sibling(t), Snapshot { tasks: task(1), ..snapshot(t.run(), Running) });
    let write: Arc<dyn Write> = Arc::new(w.brand_new(&new));
    let current = Some(new.record.current(new.run_id));
    trials.push(Trial { w, write, runs: vec![(new.run_id, None, created(&new))], current });

    let w = base.sibling(t);
    let new = snapshot(t.run(), Zombie);
    let write = Arc::new(w.create(CreateMode::BypassCurrent, &new));
    trials.push(Trial { w, write, runs: vec![(new.run_id, None, created(&new))], current: None });

    let w = base.sibling(t);
    let (old, new) = (w.begin(t, Completed).await?, snapshot(t.run(), Running));
    let write = Arc::new(w.reuse(&old, &new));
    let current = Some(new.record.current(new.run_id));
    trials.push(Trial { w, write, runs: vec![(new.run_id, None, created(&new))], current });

    let w = base.sibling(t);
    let run = w.begin(t, Running).await?;
    let change = Mutation {
        upsert_items: items(3),
        delete_items: keys(1),
        buffered_events: Some(blob("buffered")),
        tasks: task(2),
        ..mutation(run.run_id, 1, Running)
    };
    let write = Arc::new(w.update_current(&change));
    let runs = vec![(run.run_id, Some(created(&run)), mutated(&created(&run), &change))];
    trials.push(Trial { w, write, runs, current: Some(change.record.current(run.run_id)) });

    let w = base.sibling(t);
    let zombie = w.zombie(t).await?;
    let change = mutation(zombie.run_id, 1, Zombie);
    let write = Arc::new(w.update(UpdateMode::BypassCurrent, &change));
    let runs = vec![(zombie.run_id, Some(created(&zombie)), mutated(&created(&zombie), &change))];
    trials.push(Trial { w, write, runs, current: None });

    let w = base.sibling(t);
    let run = w.begin(t, Running).await?;
    let (end, next) = (mutation(run.run_id, 1, Completed), snapshot(t.run(), Created));
    let mut update = w.update_current(&end);
    update.new_run = Some(next.clone());
    let runs = vec![
        (run.run_id, Some(created(&run)), mutated(&created(&run), &end)),
        (next.run_id, None, created(&next)),
    ];
    let current = Some(next.record.current(next.run_id));
    trials.push(Trial { w, write: Arc::new(update), runs, current });

    let w = base.sibling(t);
    let (run, zombie) = (w.begin(t, Running).await?, w.zombie(t).await?);
    let (reset, new) = (snapshot(zombie.run_id, Completed), snapshot(t.run(), Running));
    let suppress = mutation(run.run_id, 1, Zombie);
    let mut resolve = w.resolve(ConflictResolveMode::UpdateCurrent, &reset);
    (resolve.current, resolve.new_run) = (Some(suppress.clone()), Some(new.clone()));
    let runs = vec![
        (run.run_id, Some(created(&run)), mutated(&created(&run), &suppress)),
        (zombie.run_id, Some(created(&zombie)), replaced(&reset)),
        (new.run_id, None, created(&new)),
    ];
    let current = Some(new.record.current(new.run_id));
    trials.push(Trial { w, write: Arc::new(resolve), runs, current });

    let w = base.sibling(t);
    let run = w.begin(t, Running).await?;
    let new = Snapshot { items: items(9), ..snapshot(run.run_id, Running) };
    let write = Arc::new(w.set(&new));
    let runs = vec![(run.run_id, Some(created(&run)), replaced(&new))];
    trials.push(Trial { w, write, runs, current: Some(run.record.current(run.run_id)) });
    Ok(trials)
}
