use super::*;
use std::sync::atomic::AtomicU32;

/// Makes numbers.
#[derive(Default)]
struct Numbers {
    made: AtomicU32,
    closed: AtomicU32,
    /// How many more are refused.
    refusals: AtomicU32,
    passing: bool,
}

#[async_trait]
impl Maker for Arc<Numbers> {
    type Conn = u32;

    async fn connect(&self) -> std::result::Result<u32, Refused> {
        let refuse = self.refusals.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok();
        if refuse {
            let error = Error::unavailable("connect", "no").with_outcome(Outcome::NotApplied);
            return Err(Refused { error, passing: self.passing });
        }
        Ok(self.made.fetch_add(1, Relaxed))
    }

    async fn close(&self, _: u32) {
        self.closed.fetch_add(1, Relaxed);
    }
}

fn pool(numbers: Numbers, size: u32) -> (Arc<Numbers>, Pool<Arc<Numbers>>) {
    let numbers = Arc::new(numbers);
    let settings = PoolSettings {
        location: "db".to_owned(),
        size,
        acquire_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(60),
        idle_timeout: None,
        max_lifetime: None,
    };
    (numbers.clone(), Pool::new(numbers, settings))
}

fn soon() -> Context {
    Context::new().with_timeout(Duration::from_millis(20))
}

#[tokio::test]
async fn connections_are_used_again_the_last_one_first() {
    let (numbers, pool) = pool(Numbers::default(), 3);
    let (mut a, mut b) =
        (pool.acquire(&Context::new()).await.unwrap(), pool.acquire(&Context::new()).await.unwrap());
    assert_eq!((*a.get().unwrap(), *b.get().unwrap(), a.is_untried()), (0, 1, false));
    assert_eq!((pool.status().idle, pool.status().in_use), (0, 2));
    a.give_back();
    b.give_back();
    let mut again = pool.acquire(&Context::new()).await.unwrap();
    assert_eq!((*again.get().unwrap(), again.is_untried()), (1, true));
    again.answered();
    assert!(!again.is_untried());
    let status = pool.status();
    assert_eq!((status.idle, status.in_use, status.acquired, status.connected), (1, 1, 3, 2));
    drop(again);
    assert_eq!(pool.status().idle, 1);
    assert_eq!(numbers.made.load(Relaxed), 2);
}

#[tokio::test]
async fn a_full_pool_is_exhausted_by_the_deadline_and_says_what_to_do() {
    let (_, pool) = pool(Numbers::default(), 1);
    let held = pool.acquire(&Context::new()).await.unwrap();
    let e = pool.acquire(&soon()).await.map(drop).unwrap_err();
    assert_eq!((e.kind(), e.outcome()), (ErrorKind::ResourceExhausted, Outcome::NotApplied));
    assert!(e.to_string().contains("all 1 connections") && e.to_string().contains("raise pool_size"), "{e}");
    assert_eq!(pool.status().waiting, 0);
    held.give_back();
    pool.acquire(&Context::new()).await.unwrap();
}

#[tokio::test]
async fn a_broken_connection_is_replaced_until_one_is_new() {
    let (_, pool) = pool(Numbers::default(), 2);
    let two = (pool.acquire(&Context::new()).await.unwrap(), pool.acquire(&Context::new()).await.unwrap());
    two.0.give_back();
    two.1.give_back();
    let mut held = pool.acquire(&Context::new()).await.unwrap();
    held.replace().await.unwrap();
    assert!(held.is_untried(), "the other idle one");
    held.replace().await.unwrap();
    assert_eq!((*held.get().unwrap(), held.is_untried()), (2, false));
    assert_eq!((pool.status().stale, pool.status().connected), (2, 3));
}

#[tokio::test]
async fn passing_refusals_are_waited_out_and_others_told_at_once() {
    let refusals = || AtomicU32::new(3);
    let (numbers, pool_) = pool(Numbers { refusals: refusals(), passing: true, ..Numbers::default() }, 1);
    pool_.acquire(&Context::new()).await.unwrap();
    assert_eq!((pool_.status().refused, numbers.made.load(Relaxed)), (3, 1));
    let (numbers, pool_) = pool(Numbers { refusals: refusals(), ..Numbers::default() }, 1);
    let e = pool_.acquire(&Context::new()).await.map(drop).unwrap_err();
    assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
    assert_eq!((pool_.status().refused, numbers.made.load(Relaxed)), (1, 0));
}

#[tokio::test]
async fn closing_waits_for_what_is_in_use_and_ends_all() {
    let (numbers, pool) = pool(Numbers::default(), 2);
    let (held, idle) =
        (pool.acquire(&Context::new()).await.unwrap(), pool.acquire(&Context::new()).await.unwrap());
    idle.give_back();
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    tokio::task::yield_now().await;
    let e = pool.acquire(&Context::new()).await.map(drop).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Closed);
    assert!(!closing.is_finished());
    held.give_back();
    closing.await.unwrap();
    assert_eq!((numbers.made.load(Relaxed), numbers.closed.load(Relaxed)), (2, 2));
    assert_eq!(pool.acquire(&Context::new()).await.map(drop).unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_ended_though_nobody_uses_the_pool() {
    let numbers = Arc::new(Numbers::default());
    let settings = PoolSettings {
        idle_timeout: Some(Duration::ZERO),
        ..pool(Numbers::default(), 2).1.0.settings.clone()
    };
    let pool = Pool::new(numbers.clone(), settings);
    pool.acquire(&Context::new()).await.unwrap().give_back();
    while pool.status().idle > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(numbers.closed.load(Relaxed), 1);
}
