//! Whether the verdict notices what it is there for.

use super::fixture::{places, wrong};
use super::log::{Claim, Listener, Log, Word};
use super::writer::{FIRST_ATTEMPT, Manners, Place, crew};
use driver_memory::Memory;
use persistence_core::layer::{Call, Effect, Layer, Layered, Op};
use persistence_core::{Context, Env, Error, Outcome, Persistence, Result};
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
    place.create(&**p).await.unwrap();
    let p = match says {
        Some(says) => Layered::wrap(p.clone(), Forgetful { says, writes: AtomicUsize::new(0) }),
        None => p.clone(),
    };
    let log = Arc::new(Log::new([place.number].into_iter()));
    let stop = CancellationToken::new();
    let manners =
        Manners { patience: Duration::from_secs(60), hasty: 0, seed: 1, first_attempt: FIRST_ATTEMPT };
    let listener: Arc<dyn Listener> = log.clone();
    let writer = crew(&p, &[place], &manners, &listener, &stop).pop().unwrap();
    let mut writing = tokio::spawn(writer.run());
    tokio::select! {
        () = log.progress(40) => {}
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

/// What the verdict is if one attempt was told of in another way.
async fn told(
    p: &dyn Persistence,
    places: &[Place],
    log: &Log,
    change: impl Fn(&mut Vec<Word>),
) -> Vec<String> {
    let run = places[0].number;
    let word =
        |(&attempt, &(expected, claim)): (&i64, &(i64, Claim))| Word::Said { run, attempt, expected, claim };
    let mut words: Vec<_> = log.claims(run).iter().map(word).collect();
    change(&mut words);
    let other = Log::new([run].into_iter());
    words.into_iter().for_each(|w| other.hear(w));
    wrong(p, places, &other, 0).await.unwrap()
}

fn claims(says: Claim) -> impl Fn(&mut Vec<Word>) {
    move |words| {
        if let Some(Word::Said { claim, .. }) = words.get_mut(5) {
            *claim = says;
        }
    }
}

#[tokio::test]
async fn an_honest_store_is_believed_and_lies_about_it_are_noticed() {
    let p = memory().await;
    let (places, log) = load(&p, None).await;
    assert_eq!(wrong(&*p, &places, &log, 0).await.unwrap(), [""; 0]);
    assert_eq!(told(&*p, &places, &log, claims(Claim::Maybe)).await, [""; 0]);

    let denied = told(&*p, &places, &log, claims(Claim::NotApplied)).await;
    assert!(denied[0].contains("was said to be NotApplied; it made Some("), "{denied:?}");
    let unanswered = told(&*p, &places, &log, |words| drop(words.remove(5))).await;
    assert!(unanswered[0].contains("applied without an answer"), "{unanswered:?}");
    let run = places[0].number;
    let more = Word::Said { run, attempt: 999, expected: 7, claim: Claim::Applied };
    let lost = told(&*p, &places, &log, |words| words.push(more.clone())).await;
    assert!(lost[0].contains("attempt 999") && lost[0].contains("it made None"), "{lost:?}");
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
