//! Whether the verdict notices what it is there for.

use super::ledger::Ledger;
use super::load::{create, numbers, settle, wrong};
use super::log::{Claim, Listener, Log, Word};
use super::place::{FIRST_ATTEMPT, Place, places};
use super::queue::Queue;
use super::writer::{Manners, crew};
use crate::mutants::rows::{Flaw, Meaning, Wrong};
use crate::narrow::Narrow;
use crate::{Faults, Faulty};
use driver_memory::Memory;
use persistence_core::document::write::{Action, Pre};
use persistence_core::layer::{Call, Effect, Layer, Layered, Op};
use persistence_core::store::WriteDocuments;
use persistence_core::{AttemptId, Capability, Context, Env, Error, Outcome, Persistence, Result};
use persistence_nosql::row::RowStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Loses the answer of every eighth write, and says this of it.
struct Forgetful {
    says: Outcome,
    writes: AtomicUsize,
}

impl Layer for Forgetful {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        op: &'a Op,
        call: C,
    ) -> Result<T> {
        let result = call(cx.clone()).await?;
        if op.effect == Effect::Read || self.writes.fetch_add(1, Relaxed) % 8 != 7 {
            return Ok(result);
        }
        Err(Error::unavailable("write", "the answer is lost").with_outcome(self.says))
    }
}

async fn memory() -> Arc<dyn Persistence> {
    persistence_nosql::open(Arc::new(Memory::new()), Env::default()).await.unwrap()
}

/// One writer makes some transitions, through a layer if there is one.
async fn load(p: &Arc<dyn Persistence>, says: Option<Outcome>) -> (Vec<Place>, Arc<Log>) {
    // The first shard of four has one writer and one run.
    let place = places().into_iter().find(|p| p.shard() % 4 == 0).unwrap();
    create(&**p, &[place]).await.unwrap();
    let p = match says {
        Some(says) => Layered::wrap(p.clone(), Forgetful { says, writes: AtomicUsize::new(0) }),
        None => p.clone(),
    };
    let log = Arc::new(Log::new(numbers(&[place])));
    let stop = CancellationToken::new();
    let manners =
        Manners { patience: Duration::from_secs(60), hasty: 0, seed: 1, first_attempt: FIRST_ATTEMPT };
    let listener: Arc<dyn Listener> = log.clone();
    let writer = crew(&p, &[place], &manners, &listener, &stop).pop().unwrap();
    let mut writing = tokio::spawn(writer.run());
    let one = [place];
    tokio::select! {
        () = log.progress_of_each(numbers(&one), 20) => {}
        // One that has been lied to ends by itself.
        ended = &mut writing => {
            ended.unwrap();
            return (vec![place], log);
        }
    }
    stop.cancel();
    writing.await.unwrap();
    (vec![place], log)
}

/// What the verdict is if something was told in another way.
async fn told(
    p: &dyn Persistence,
    places: &[Place],
    log: &Log,
    change: impl Fn(&mut Vec<Word>),
) -> Vec<String> {
    let mut words = log.words();
    change(&mut words);
    let other = Log::new(numbers(places));
    words.into_iter().for_each(|w| other.hear(w));
    wrong(p, places, &other, 0).await.unwrap()
}

/// The fifth thing said of a run.
fn fifth(words: &mut [Word], of: i32) -> (usize, &mut Word) {
    let said = |w: &&mut Word| matches!(w, Word::Said { run, .. } if *run == of);
    let mut all = words.iter_mut().enumerate().filter(|(_, w)| said(w));
    all.nth(4).unwrap()
}

fn claims(of: i32, says: Claim) -> impl Fn(&mut Vec<Word>) {
    move |words| {
        if let (_, Word::Said { claim, .. }) = fifth(words, of) {
            *claim = says;
        }
    }
}

#[tokio::test]
async fn an_honest_store_is_believed_and_lies_about_it_are_noticed() {
    let p = memory().await;
    let (places, log) = load(&p, None).await;
    assert_eq!(wrong(&*p, &places, &log, 0).await.unwrap(), [""; 0]);
    let queue = Queue::of(&places[0]);
    let ledger = Ledger::of(&places[0]);
    let found = [(places[0].number, "it made"), (queue.number(), "it added"), (ledger.number(), "it made")];
    for (run, made) in found {
        assert_eq!(told(&*p, &places, &log, claims(run, Claim::Maybe)).await, [""; 0]);
        let denied = told(&*p, &places, &log, claims(run, Claim::NotApplied)).await;
        assert!(denied[0].contains(&format!("was said to be NotApplied; {made} Some(")), "{denied:?}");
        let unanswered = told(&*p, &places, &log, |words| {
            let (at, _) = fifth(words, run);
            words.remove(at);
        });
        assert!(unanswered.await[0].contains("without an answer"));
        let more = Word::Said { run, attempt: 99_999, expected: 7, claim: Claim::Applied };
        let lost = told(&*p, &places, &log, |words| words.push(more.clone())).await;
        assert!(lost[0].contains("attempt 99999") && lost[0].contains(&format!("{made} None")), "{lost:?}");
    }
}

#[tokio::test]
async fn two_owners_of_a_queue_are_noticed() {
    let p = memory().await;
    let (places, log) = load(&p, None).await;
    let run = Queue::of(&places[0]).takeovers();
    let twice = Word::Said { run, attempt: 99_999, expected: 1, claim: Claim::Applied };
    let found = told(&*p, &places, &log, |words| words.push(twice.clone())).await;
    assert!(found[0].contains("were all told that they have range id 2"), "{found:?}");
    let none = told(&*p, &places, &log, |words| {
        words.retain(|w| !matches!(w, Word::Said { run: r, .. } if *r == run));
    });
    assert!(none.await[0].contains("were taken by nobody"));
}

#[tokio::test]
async fn tasks_that_come_after_the_next_owner_or_only_in_part_are_noticed() {
    let p = memory().await;
    let (places, log) = load(&p, None).await;
    let queue = Queue::of(&places[0]);
    // A fence that does not hold: a task of a range id that the owner of the next one has read.
    let mut late = queue.add(FIRST_ATTEMPT + 90_000, 1);
    late.range_id = queue.load(&*p, &Context::new()).await.unwrap().version;
    p.tasks().create_tasks(&Context::new(), &late).await.unwrap();
    let found = wrong(&*p, &places, &log, 0).await.unwrap();
    assert!(
        found
            .iter()
            .any(|w| w.contains("of range id 1 its next owner saw [] that are gone, and did not see [1")),
        "{found:?}"
    );
    // One of three.
    let mut torn = queue.add(FIRST_ATTEMPT + 90_003, late.range_id);
    torn.tasks.truncate(1);

    p.tasks().create_tasks(&Context::new(), &torn).await.unwrap();
    let found = wrong(&*p, &places, &log, 0).await.unwrap();
    assert!(found.iter().any(|w| w.contains("tasks of attempt 90011 only {0} are there")), "{found:?}");
}

#[tokio::test]
async fn a_transition_that_is_applied_twice_is_noticed() {
    let p = memory().await;
    let (places, log) = load(&p, None).await;
    let stored = places[0].load(&*p, &Context::new()).await.unwrap();
    let again = places[0].transition(stored.version, stored.attempt, stored.attempt);
    // The node of the repeat would refer to itself; the state is what is doubled here.
    let again = persistence_core::store::UpdateExecution { history: Vec::new(), ..again };
    p.executions().update_execution(&Context::new(), &again).await.unwrap();
    let twice = wrong(&*p, &places, &log, 0).await.unwrap();
    assert!(twice[0].contains("nobody made versions"), "{twice:?}");
}

#[tokio::test]
async fn a_store_that_loses_answers_must_say_so() {
    let p = memory().await;
    let (places, log) = load(&p, Some(Outcome::MaybeApplied)).await;
    assert!(log.count(Claim::Maybe) > 0);
    assert_eq!(wrong(&*p, &places, &log, 0).await.unwrap(), [""; 0]);

    let p = memory().await;
    let (places, log) = load(&p, Some(Outcome::NotApplied)).await;
    let found = wrong(&*p, &places, &log, 0).await.unwrap();
    assert!(found.iter().any(|w| w.contains("ended with")), "the writer: {found:?}");
    assert!(found.iter().any(|w| w.contains("was said to be NotApplied")), "the verdict: {found:?}");
}

/// What the whole crew makes of a store behind a network that loses answers and delivers requests late.
async fn crew_on(
    sound: Arc<dyn RowStore>,
    around: impl Fn(Arc<dyn RowStore>) -> Arc<dyn RowStore>,
) -> Vec<String> {
    let places = places();
    let direct = persistence_nosql::open(sound.clone(), Env::default()).await.unwrap();
    create(&*direct, &places).await.unwrap();
    let p = persistence_nosql::open(around(sound), Env::default()).await.unwrap();
    let (log, stop) = (Arc::new(Log::new(numbers(&places))), CancellationToken::new());
    let manners =
        Manners { patience: Duration::from_secs(60), hasty: 4, seed: 1, first_attempt: FIRST_ATTEMPT };
    let listener: Arc<dyn Listener> = log.clone();
    let mut writers = tokio::task::JoinSet::new();
    for writer in crew(&p, &places, &manners, &listener, &stop) {
        writers.spawn(writer.run());
    }
    tokio::select! {
        () = log.progress(3_000) => {}
        // One that has been lied to ends by itself.
        Some(_) = writers.join_next() => {}
    }
    stop.cancel();
    while writers.join_next().await.is_some() {}
    assert!(log.count(Claim::Applied) > 0, "{}", log.summary());
    // What a broken driver left may be too broken for this.
    let _ = settle(&*direct, &places, &log).await;
    wrong(&*direct, &places, &log, 0).await.unwrap_or_else(|e| vec![e.to_string()])
}

fn flaky(store: Arc<dyn RowStore>) -> Arc<dyn RowStore> {
    Arc::new(Faulty::new(store, Arc::new(Faults::random(7, 0.2, 0.0))))
}

fn narrow() -> Arc<dyn RowStore> {
    Arc::new(Narrow::without(
        Arc::new(Memory::new()),
        &[Capability::CrossPartition, Capability::AtomicHistory],
    ))
}

fn with(flaw: Flaw) -> impl Fn(Arc<dyn RowStore>) -> Arc<dyn RowStore> {
    move |store| Arc::new(Wrong::new(store, flaw))
}

#[tokio::test]
async fn a_sound_driver_stands_a_flaky_network() {
    assert_eq!(crew_on(Arc::new(Memory::new()), flaky).await, [""; 0]);
    assert_eq!(crew_on(narrow(), flaky).await, [""; 0]);
}

#[tokio::test]
async fn broken_drivers_are_noticed() {
    let below = |flaw| crew_on(narrow(), move |store| flaky(with(flaw)(store)));
    let above = |flaw| crew_on(narrow(), move |store| with(flaw)(flaky(store)));
    let says = |found: &[String], what: &str| assert!(found.iter().any(|w| w.contains(what)), "{found:?}");
    says(&below(Flaw::AttemptsForgotten).await, "was said to be NotApplied; it made Some");
    says(&above(Flaw::UnknownIsNotDone).await, "was said to be NotApplied; it");
    says(&above(Flaw::UnknownIsDone).await, "was said to be Applied; it");
    for flaw in [Flaw::LastOpLost, Flaw::DoneAgainLater, Flaw::Unchecked(Meaning::TaskQueue)] {
        assert_ne!(below(flaw).await, [""; 0], "{flaw:?}");
    }
}

#[tokio::test]
async fn entries_of_a_ledger_that_are_gone_or_too_many_are_noticed() {
    let p = memory().await;
    let (places, log) = load(&p, None).await;
    let ledger = Ledger::of(&places[0]);
    let latest = ledger.load(&*p, &Context::new()).await.unwrap();
    let write = |action| {
        let mut write = ledger.write(latest.attempt, latest.version).writes.remove(1);
        (write.pre, write.action) = (Pre::Present, action);
        WriteDocuments { writes: vec![write], attempt: AttemptId::new() }
    };
    p.documents().write_documents(&Context::new(), &write(Action::Delete)).await.unwrap();
    let found = wrong(&*p, &places, &log, 0).await.unwrap();
    assert!(found.iter().any(|w| w.contains("the entries are of versions")), "{found:?}");
    assert!(found.iter().any(|w| w.contains("was said to be Applied; it made None")), "{found:?}");
    // The entry of a version that is not the latest one.
    let early = ledger.write(FIRST_ATTEMPT + 90_000, latest.version).writes.remove(1);
    let early = WriteDocuments { writes: vec![early], attempt: AttemptId::new() };
    p.documents().write_documents(&Context::new(), &early).await.unwrap();
    let found = wrong(&*p, &places, &log, 0).await.unwrap();
    assert!(found.iter().any(|w| w.contains("is its last entry")), "{found:?}");
}
