//! Group commit: many callers, one writer thread, one sync for all that wait.
//!
//! An embedded database makes a write durable with one `fdatasync` at a time. The [`GroupCommitter`] stands
//! in front of it: whoever wants to write queues an op and awaits the answer, and the writer thread hands
//! *everything that arrived during the last sync* to the engine as one batch. There is no timer, so a lone
//! writer pays for nothing but its own sync; under load the batches grow by themselves.
//!
//! It knows no database: an engine is a [`BatchEngine`].

use crate::error::{Detail, Error, Outcome, Result};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What applies a batch. Lives on the committer's thread, and is dropped there.
pub trait BatchEngine: Send + 'static {
    /// What a caller asks for.
    type Op: Send + 'static;
    /// What a caller gets.
    type Answer: Send + 'static;

    /// Applies the ops in order and makes them durable; returns one answer for each, in the same order.
    ///
    /// It is the engine that knows what a failure means, so a failure is an answer. A panic, or another
    /// number of answers than ops, ends the committer: see [`GroupCommitter::submit`].
    fn apply(&mut self, ops: Vec<Self::Op>) -> Vec<Self::Answer>;
}

/// How a committer gathers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CommitOptions {
    /// The most ops in one batch.
    pub max_batch: usize,
    /// The most ops that wait; more are refused with `ResourceExhausted`, so that callers who give up and
    /// come back while a disk hangs cannot fill the memory.
    pub max_queue: usize,
}

impl Default for CommitOptions {
    fn default() -> Self {
        CommitOptions { max_batch: 512, max_queue: 16 * 1024 }
    }
}

impl CommitOptions {
    /// The same options with this batch size, at least 1.
    #[must_use]
    pub fn with_max_batch(mut self, ops: usize) -> Self {
        self.max_batch = ops.max(1);
        self
    }

    /// The same options with this length of the queue, at least 1.
    #[must_use]
    pub fn with_max_queue(mut self, ops: usize) -> Self {
        self.max_queue = ops.max(1);
        self
    }
}

/// After a sync that took longer than this, the writer lingers for those who were just answered.
const SLOW_SYNC: Duration = Duration::from_micros(400);
/// How often the lingering writer looks.
const LINGER_STEP: Duration = Duration::from_micros(20);

type Reply<A> = oneshot::Sender<Result<A>>;
type Waiting<E> = VecDeque<(<E as BatchEngine>::Op, Reply<<E as BatchEngine>::Answer>)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    /// The engine panicked: what it holds can no longer be trusted.
    Failed,
}

struct Queue<E: BatchEngine> {
    waiting: Waiting<E>,
    state: State,
}

struct Shared<E: BatchEngine> {
    queue: Mutex<Queue<E>>,
    arrived: Condvar,
    resource: String,
    options: CommitOptions,
}

impl<E: BatchEngine> Shared<E> {
    fn lock(&self) -> MutexGuard<'_, Queue<E>> {
        // Nothing panics while it holds the lock, and the queue is whole between any two statements.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, outcome: Outcome) -> Error {
        Error::unavailable("commit", format!("the writer of {} failed; reopen it", self.resource))
            .with_outcome(outcome)
    }
}

/// A queue and the one thread that writes. See the module.
pub struct GroupCommitter<E: BatchEngine> {
    shared: Arc<Shared<E>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl<E: BatchEngine> GroupCommitter<E> {
    /// Starts the writer thread. `resource` names the database in errors.
    pub fn start(resource: impl Into<String>, engine: E, options: CommitOptions) -> Result<Self> {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), state: State::Open });
        let shared = Arc::new(Shared { queue, arrived: Condvar::new(), resource: resource.into(), options });
        let theirs = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || run(&theirs, engine))
            .map_err(|e| {
                Error::unavailable("start the writer thread", e.to_string())
                    .with_outcome(Outcome::NotApplied)
                    .with_source(e)
            })?;
        Ok(GroupCommitter { shared, writer: Mutex::new(Some(writer)) })
    }

    /// Queues an op, at once, and returns the wait for its answer. Ops are applied in the order of these calls.
    /// Dropping the wait does not take the op back.
    ///
    /// Fails with `Closed` after [`close`](Self::close), with `ResourceExhausted` when the queue is full, and with
    /// `Unavailable` when the engine panicked: `MaybeApplied` for the ops of that batch, `NotApplied` for all others.
    pub fn submit(&self, op: E::Op) -> impl Future<Output = Result<E::Answer>> + Send + use<E> {
        let queued = self.enqueue(op);
        async move {
            let (wait, lost) = queued?;
            // The writer answers everybody before it ends, so this is a bug in it; still not a hang.
            wait.await.unwrap_or_else(|_| Err(lost.failed(Outcome::MaybeApplied)))
        }
    }

    #[allow(clippy::type_complexity)]
    fn enqueue(&self, op: E::Op) -> Result<(oneshot::Receiver<Result<E::Answer>>, Arc<Shared<E>>)> {
        let shared = &self.shared;
        let mut queue = shared.lock();
        match queue.state {
            State::Open => {}
            State::Closed => return Err(Error::closed(shared.resource.clone())),
            State::Failed => return Err(shared.failed(Outcome::NotApplied)),
        }
        if queue.waiting.len() >= shared.options.max_queue {
            return Err(Error::new(Detail::ResourceExhausted {
                cause: format!("commit queue of {} ops", shared.options.max_queue),
                scope: shared.resource.clone(),
                retry_after: None,
            }));
        }
        let (reply, wait) = oneshot::channel();
        queue.waiting.push_back((op, reply));
        // The writer sleeps only on an empty queue, so only the first to arrive has to wake it.
        let first = queue.waiting.len() == 1;
        drop(queue);
        if first {
            shared.arrived.notify_one();
        }
        Ok((wait, Arc::clone(shared)))
    }

    /// Refuses new ops, applies those that wait, then drops the engine and ends the thread. Returns when that is
    /// done: it blocks, for a few syncs. The second call finds nothing to do.
    pub fn close(&self) {
        {
            let mut queue = self.shared.lock();
            if queue.state == State::Open {
                queue.state = State::Closed;
            }
        }
        self.shared.arrived.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // The thread catches the engine's panics itself, and they have been told to the waiters.
            let _ = writer.join();
        }
    }
}

impl<E: BatchEngine> Drop for GroupCommitter<E> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<E: BatchEngine> fmt::Debug for GroupCommitter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCommitter")
            .field("resource", &self.shared.resource)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// The writer thread.
fn run<E: BatchEngine>(shared: &Shared<E>, mut engine: E) {
    let (mut took, mut answered) = (Duration::ZERO, 0);
    while let Some(batch) = next_batch(shared, took, answered) {
        let (ops, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let begun = Instant::now();
        let answers = catch_unwind(AssertUnwindSafe(|| engine.apply(ops)));
        (took, answered) = (begun.elapsed(), replies.len());
        match answers {
            Ok(answers) if answers.len() == answered => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    // Whoever no longer waits has dropped the wait.
                    let _ = reply.send(Ok(answer));
                }
            }
            _ => {
                fail(shared, replies);
                // An engine that panicked in `apply` may panic again while it is dropped.
                let _ = catch_unwind(AssertUnwindSafe(move || drop(engine)));
                return;
            }
        }
    }
}

/// Waits for ops and takes them; none when the committer is closed and drained.
fn next_batch<E: BatchEngine>(shared: &Shared<E>, took: Duration, answered: usize) -> Option<Waiting<E>> {
    let max = shared.options.max_batch;
    let mut queue = shared.lock();
    if took > SLOW_SYNC && answered > 1 {
        // Those who were just answered are about to come back. A batch without them would make them wait for
        // two slow syncs, so an eighth of one is well spent; a lone writer never gets here.
        let (want, begun) = ((queue.waiting.len() + answered).min(max), Instant::now());
        while queue.waiting.len() < want && queue.state == State::Open {
            let Some(left) = (took / 8).checked_sub(begun.elapsed()) else { break };
            drop(queue);
            std::thread::sleep(left.min(LINGER_STEP));
            queue = shared.lock();
        }
    }
    while queue.waiting.is_empty() {
        if queue.state != State::Open {
            return None;
        }
        queue = shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    if queue.waiting.len() <= max {
        return Some(std::mem::take(&mut queue.waiting));
    }
    let rest = queue.waiting.split_off(max);
    Some(std::mem::replace(&mut queue.waiting, rest))
}

/// Answers everybody after the engine panicked, and refuses whoever comes later.
fn fail<E: BatchEngine>(shared: &Shared<E>, batch: Vec<Reply<E::Answer>>) {
    let rest = {
        let mut queue = shared.lock();
        queue.state = State::Failed;
        std::mem::take(&mut queue.waiting)
    };
    for reply in batch {
        let _ = reply.send(Err(shared.failed(Outcome::MaybeApplied)));
    }
    for (_, reply) in rest {
        let _ = reply.send(Err(shared.failed(Outcome::NotApplied)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::mpsc;

    /// Tells the batches it got, and takes each only when the test lets it.
    struct Gate {
        begun: mpsc::Sender<Vec<u32>>,
        go: mpsc::Receiver<()>,
    }

    impl BatchEngine for Gate {
        type Op = u32;
        type Answer = u32;

        fn apply(&mut self, ops: Vec<u32>) -> Vec<u32> {
            self.begun.send(ops.clone()).unwrap();
            self.go.recv().unwrap();
            assert!(!ops.contains(&666), "an engine's bug");
            let short = usize::from(ops.contains(&667));
            ops.iter().skip(short).map(|n| n * 10).collect()
        }
    }

    fn gate(options: CommitOptions) -> (GroupCommitter<Gate>, mpsc::Receiver<Vec<u32>>, mpsc::Sender<()>) {
        let (begun, batches) = mpsc::channel();
        let (open, go) = mpsc::channel();
        (GroupCommitter::start("test", Gate { begun, go }, options).unwrap(), batches, open)
    }

    #[tokio::test]
    async fn what_arrives_during_a_sync_is_the_next_batch_in_order() {
        let (c, batches, open) = gate(CommitOptions::default());
        let first = c.submit(1);
        assert_eq!(batches.recv().unwrap(), [1]);
        let rest: Vec<_> = (2..6).map(|n| c.submit(n)).collect();
        open.send(()).unwrap();
        assert_eq!(first.await.unwrap(), 10);
        assert_eq!(batches.recv().unwrap(), [2, 3, 4, 5]);
        open.send(()).unwrap();
        for (n, answer) in (2..6).zip(rest) {
            assert_eq!(answer.await.unwrap(), n * 10);
        }
    }

    #[tokio::test]
    async fn a_batch_has_a_largest_size_and_so_has_the_queue() {
        let (c, batches, open) = gate(CommitOptions::default().with_max_batch(2).with_max_queue(3));
        let waits: Vec<_> = std::iter::once(c.submit(1))
            .chain({
                assert_eq!(batches.recv().unwrap(), [1]);
                (2..5).map(|n| c.submit(n)).collect::<Vec<_>>()
            })
            .collect();
        let e = c.submit(5).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::ResourceExhausted, Outcome::NotApplied));
        for _ in 0..3 {
            open.send(()).unwrap();
        }
        for wait in waits {
            wait.await.unwrap();
        }
        assert_eq!((batches.recv().unwrap(), batches.recv().unwrap()), (vec![2, 3], vec![4]));
    }

    #[tokio::test]
    async fn closing_applies_what_waits_and_refuses_the_rest() {
        let (c, batches, open) = gate(CommitOptions::default());
        let c = Arc::new(c);
        let first = c.submit(1);
        assert_eq!(batches.recv().unwrap(), [1]);
        let second = c.submit(2);
        let closing = std::thread::spawn({
            let c = Arc::clone(&c);
            move || c.close()
        });
        open.send(()).unwrap();
        open.send(()).unwrap();
        closing.join().unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (10, 20));
        assert_eq!(c.submit(3).await.unwrap_err().kind(), ErrorKind::Closed);
        c.close();
    }

    #[tokio::test]
    async fn dropping_the_wait_does_not_take_the_op_back() {
        let (c, batches, open) = gate(CommitOptions::default());
        drop(c.submit(1));
        assert_eq!(batches.recv().unwrap(), [1]);
        open.send(()).unwrap();
        c.close();
    }

    #[tokio::test]
    async fn a_panic_of_the_engine_answers_everybody() {
        for bad in [666, 667] {
            let (c, batches, open) = gate(CommitOptions::default());
            let first = c.submit(bad);
            batches.recv().unwrap();
            let second = c.submit(2);
            open.send(()).unwrap();
            let first = first.await.unwrap_err();
            let second = second.await.unwrap_err();
            let third = c.submit(3).await.unwrap_err();
            assert_eq!((first.kind(), first.outcome()), (ErrorKind::Unavailable, Outcome::MaybeApplied));
            assert_eq!((second.kind(), second.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
            assert_eq!((third.kind(), third.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
            c.close();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_writers_share_the_syncs() {
        struct Slow(Arc<Mutex<usize>>);
        impl BatchEngine for Slow {
            type Op = u32;
            type Answer = u32;
            fn apply(&mut self, ops: Vec<u32>) -> Vec<u32> {
                *self.0.lock().unwrap() += 1;
                std::thread::sleep(Duration::from_millis(1));
                ops
            }
        }
        let batches = Arc::new(Mutex::new(0));
        let c = Arc::new(
            GroupCommitter::start("test", Slow(Arc::clone(&batches)), CommitOptions::default()).unwrap(),
        );
        let writers: Vec<_> = (0..32)
            .map(|w| {
                let c = Arc::clone(&c);
                tokio::spawn(async move {
                    for i in 0..10 {
                        assert_eq!(c.submit(w * 10 + i).await.unwrap(), w * 10 + i);
                    }
                })
            })
            .collect();
        for w in writers {
            w.await.unwrap();
        }
        assert!(*batches.lock().unwrap() < 320, "every op had a sync of its own");
    }
}
