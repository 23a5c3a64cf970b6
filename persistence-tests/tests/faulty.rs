//! The faulty driver: it fails as told, counts it, and the bucket above it tells the truth all the same.

#![allow(clippy::unwrap_used)]

use driver_memory::Memory;
use persistence_nosql::row::{RowStore, Table, Write, WriteOutcome};
use persistence_tests::core::store::{GetOrCreateShard, GetShard, UpdateShard};
use persistence_tests::core::{
    AttemptId, Blob, Context, Env, ErrorKind, Outcome, Persistence, Result, ShardId,
};
use persistence_tests::nosql::rows::{self, Batch};
use persistence_tests::{Fault, FaultRule, Faults, Faulty, Injected};
use std::sync::Arc;
use std::time::{Duration, Instant};

const T: Table = Table::Shard;

fn faulty(faults: Faults) -> (Arc<Faulty>, Arc<Faults>, Arc<Memory>) {
    let (faults, memory) = (Arc::new(faults), Arc::new(Memory::new()));
    (Arc::new(Faulty::new(memory.clone(), faults.clone())), faults, memory)
}

fn cx() -> Context {
    Context::new().with_timeout(Duration::from_secs(10))
}

async fn has(store: &dyn RowStore, key: &str) -> Result<bool> {
    let level = persistence_nosql::row::Level::Serial;
    Ok(store.get(&cx(), T, b"p", &[rows::bytes(key)], level).await?[0].is_some())
}

fn create(key: &str, value: &str) -> Write {
    Batch::on(T, "p").if_absent(key).put(key, "", value).into()
}

#[tokio::test]
async fn before_sends_nothing_and_says_what_it_was_told_to() {
    let (store, faults, memory) = faulty(Faults::none());
    for outcome in [Outcome::NotApplied, Outcome::MaybeApplied] {
        faults.script(FaultRule::write(Fault::Before(outcome)));
        let e = store.write(&cx(), create("k", "")).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, outcome));
        assert!(!has(&*memory, "k").await.unwrap());
    }
    assert_eq!(store.write(&cx(), create("k", "")).await.unwrap(), WriteOutcome::Applied);
    assert_eq!(faults.injected(), Injected { before: 2, ..Injected::default() });
}

#[tokio::test]
async fn after_applies_and_loses_the_answer() {
    let (store, faults, memory) = faulty(Faults::none());
    faults.script(FaultRule::write(Fault::After));
    let e = store.write(&cx(), create("k", "")).await.unwrap_err();
    assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::MaybeApplied));
    assert!(has(&*memory, "k").await.unwrap());
    assert_eq!(faults.injected().after, 1);
}

#[tokio::test]
async fn late_writes_arrive_when_released() {
    let (store, faults, memory) = faulty(Faults::none());
    faults.script(FaultRule::write(Fault::Late).times(2));
    for key in ["a", "b"] {
        let e = store.write(&cx(), create(key, "late")).await.unwrap_err();
        assert_eq!(e.outcome(), Outcome::MaybeApplied);
    }
    // Someone else was faster with one of them.
    store.write(&cx(), create("b", "now")).await.unwrap();
    assert!(!has(&*memory, "a").await.unwrap());
    faults.release().await;
    assert!(has(&*memory, "a").await.unwrap());
    assert_eq!(
        faults.injected(),
        Injected { late: 2, late_applied: 1, late_refused: 1, ..Injected::default() }
    );
}

#[tokio::test]
async fn a_cut_lasts_as_long_as_it_was_told_or_until_the_deadline() {
    let (store, faults, memory) = faulty(Faults::none());
    let brief = Some(Duration::from_millis(20));
    let minute = Duration::from_secs(60);
    for (after, limit, kind) in
        [(brief, minute, ErrorKind::Unavailable), (None, Duration::from_millis(80), ErrorKind::Timeout)]
    {
        faults.script(FaultRule::write(Fault::Cut(after)));
        faults.script(FaultRule::read(Fault::Cut(after)));
        let cx = || Context::new().with_timeout(limit);
        let begun = Instant::now();
        let e = store.write(&cx(), create("k", "")).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (kind, Outcome::MaybeApplied));
        assert!(begun.elapsed() >= Duration::from_millis(20));
        let all = persistence_nosql::row::KeyRange::all();
        let (order, level) =
            (persistence_nosql::row::Order::Ascending, persistence_nosql::row::Level::Serial);
        let e = store.scan(&cx(), T, b"p", &all, order, 1, level).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (kind, Outcome::NotApplied));
    }
    assert!(!has(&*memory, "k").await.unwrap());
    assert_eq!(faults.injected().cut, 4);
}

#[tokio::test]
async fn a_script_chooses_by_table_and_number() {
    let (store, faults, _) = faulty(Faults::none());
    faults.script(FaultRule::write(Fault::After).table("history").nth(2).times(2));
    let mut failed = Vec::new();
    for i in 0..6 {
        for table in [Table::Shard, Table::History] {
            if store.write(&cx(), rows::put(table, "p", "k", "v")).await.is_err() {
                failed.push((table, i));
            }
        }
    }
    assert_eq!(failed, [(Table::History, 1), (Table::History, 2)]);
    faults.script(FaultRule::read(Fault::After).times(u64::MAX));
    for _ in 0..3 {
        assert!(has(&*store, "k").await.is_err());
    }
    faults.clear();
    assert!(has(&*store, "k").await.is_ok());
}

#[tokio::test]
async fn random_faults_repeat_with_their_seed() {
    let run = async |seed| {
        let (store, faults, _) = faulty(Faults::random(seed, 0.4, 0.2));
        let mut seen = Vec::new();
        for i in 0..200 {
            seen.push(store.write(&cx(), rows::put(T, &format!("p{i}"), "k", "v")).await.is_err());
            seen.push(has(&*store, "k").await.is_err());
        }
        (seen, faults.injected().total())
    };
    let (first, other) = (run(7).await, run(8).await);
    assert_eq!(first, run(7).await);
    assert_ne!(first, other);
    assert!(first.1 > 50, "{} faults", first.1);
}

/// A handle on the bucket over a faulty driver, and a shard in it.
async fn shard(faults: Faults) -> (Arc<dyn Persistence>, Arc<Faults>) {
    let (store, faults, _) = faulty(faults);
    let p = persistence_nosql::open(store, Env::default()).await.unwrap();
    let create =
        GetOrCreateShard { shard_id: ShardId(1), initial_range_id: 1, initial_info: Blob::json("1") };
    p.shards().get_or_create_shard(&cx(), &create).await.unwrap();
    (p, faults)
}

fn update(from: i64, info: &str) -> UpdateShard {
    UpdateShard {
        shard_id: ShardId(1),
        previous_range_id: from,
        range_id: from + 1,
        info: Blob::json(info.to_owned()),
        attempt: AttemptId::new(),
    }
}

#[tokio::test]
async fn above_a_lost_answer_the_bucket_says_what_became_of_the_write() {
    let (p, faults) = shard(Faults::none()).await;
    for (i, fault) in
        [Fault::After, Fault::Before(Outcome::MaybeApplied), Fault::Late].into_iter().enumerate()
    {
        let range = i64::try_from(i).unwrap() + 1;
        faults.script(FaultRule::write(fault));
        p.shards().update_shard(&cx(), &update(range, "2")).await.unwrap();
        let now = p.shards().get_shard(&cx(), &GetShard { shard_id: ShardId(1) }).await.unwrap();
        assert_eq!(now.range_id, range + 1, "{fault:?}");
    }
    faults.release().await;
    let injected = faults.injected();
    assert_eq!(
        (injected.late_applied, injected.late_refused),
        (0, 1),
        "the late write must find its place taken"
    );
    let now = p.shards().get_shard(&cx(), &GetShard { shard_id: ShardId(1) }).await.unwrap();
    assert_eq!(now.range_id, 4);
}

#[tokio::test]
async fn without_any_answer_the_bucket_says_that_it_does_not_know() {
    let (p, faults) = shard(Faults::none()).await;
    faults.script(FaultRule::write(Fault::After).times(u64::MAX));
    // Long enough that something is sent.
    let brief = Context::new().with_timeout(Duration::from_secs(2));
    let e = p.shards().update_shard(&brief, &update(1, "2")).await.unwrap_err();
    assert!(matches!(e.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{e}");
    assert_eq!(e.outcome(), Outcome::MaybeApplied);
}
