//! Races that prove that they were races.

use crate::guard;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::Barrier;
use tokio_util::task::AbortOnDropHandle;

/// Counts how many are inside at once. A race case asserts on it: a race in which the racers came one after the other
/// proves nothing.
#[derive(Clone, Debug, Default)]
pub struct Overlap(Arc<(AtomicUsize, AtomicUsize)>);

/// Someone who is inside, until dropped.
#[derive(Debug)]
pub struct Inside(Overlap);

impl Overlap {
    /// Nobody yet.
    pub fn new() -> Self {
        Overlap::default()
    }

    /// Goes inside.
    pub fn enter(&self) -> Inside {
        let now = self.0.0.fetch_add(1, SeqCst) + 1;
        self.0.1.fetch_max(now, SeqCst);
        Inside(self.clone())
    }

    /// The most that were inside at once.
    pub fn max(&self) -> usize {
        self.0.1.load(SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, SeqCst);
    }
}

/// Runs `n` racers at once, each in a task of its own, and gives what they return, in their order. Each gets its number
/// and the start line, at which it waits after it has read what it needs and before it writes. So every racer has read
/// before any writes: they overlap by construction, and `race` sees to it that all were there.
///
/// # Panics
///
/// When a racer panics, or never came to the start line.
pub async fn race<T, F>(n: usize, racer: impl Fn(usize, StartLine) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let line = StartLine { barrier: Arc::new(Barrier::new(n)), passed: Arc::default() };
    let tasks: Vec<_> = (0..n).map(|i| Beside::run(racer(i, line.clone()))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.end().await);
    }
    assert_eq!(line.passed.load(SeqCst), n, "not all racers were at the start line");
    results
}

/// Something that goes on beside the case. Ends with it at the latest.
#[derive(Debug)]
pub struct Beside<T>(AbortOnDropHandle<Result<T, String>>);

impl<T: Send + 'static> Beside<T> {
    /// Begins.
    pub fn run(work: impl Future<Output = T> + Send + 'static) -> Self {
        Beside(AbortOnDropHandle::new(tokio::spawn(guard::catch(work))))
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When it panicked, with what it said.
    pub async fn end(self) -> T {
        match self.0.await.unwrap() {
            Ok(result) => result,
            Err(said) => panic!("{said}"),
        }
    }
}

/// Where racers wait for each other.
#[derive(Clone, Debug)]
pub struct StartLine {
    barrier: Arc<Barrier>,
    passed: Arc<AtomicUsize>,
}

impl StartLine {
    /// Waits until all are here.
    pub async fn wait(&self) {
        self.barrier.wait().await;
        self.passed.fetch_add(1, SeqCst);
    }
}
