//! One writer for databases that allow one: transactions that wait at the same time share a commit.

use crate::bucket::{Sent, Tried, Work};
use crate::core::commit::{BatchEngine, GroupCommitter};
use crate::core::{Context, Error, Outcome, Result};
use crate::tx::Tx;
use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The connection that writes, behind the group committer.
pub(crate) struct Writer {
    /// None only while it is dropped.
    tx: Option<Tx>,
    runtime: Handle,
}

/// Work of some caller, and where its answer goes.
#[async_trait]
pub(crate) trait AnyJob: Send {
    /// Runs the work and keeps its result. Fails only where the transaction cannot go on.
    async fn run(&mut self, tx: &mut Tx) -> Result<()>;

    /// Whether the work refused: judged, perhaps, on what others of the transaction wrote.
    fn refused(&self) -> bool;

    /// Before the commit; false if the caller was told that nothing is done.
    fn send(&self) -> bool;

    /// Answers the caller: with the kept result if the commit succeeded.
    fn answer(&mut self, committed: Result<()>);
}

pub(crate) struct Job<T> {
    cx: Context,
    work: Work<T>,
    tried: Tried,
    sent: Sent,
    result: Option<Result<T>>,
    reply: Option<oneshot::Sender<Result<T>>>,
}

impl<T: Send + 'static> Job<T> {
    pub(crate) async fn submit(
        writer: &GroupCommitter<Writer>,
        cx: &Context,
        work: Work<T>,
        tried: Tried,
        sent: Sent,
    ) -> Result<T> {
        let (reply, wait) = oneshot::channel();
        let job = Job { cx: cx.clone(), work, tried, sent, result: None, reply: Some(reply) };
        writer.submit(Box::new(job)).await?;
        wait.await.unwrap_or_else(|_| Err(Error::unavailable("write", "the writer went away")))
    }
}

#[async_trait]
impl<T: Send + 'static> AnyJob for Job<T> {
    async fn run(&mut self, tx: &mut Tx) -> Result<()> {
        tx.dirty = false;
        if self.reply.as_ref().is_none_or(oneshot::Sender::is_closed) {
            // Its deadline passed while it waited: it was never begun, and whoever asked has been told.
            return Ok(());
        }
        tx.conn.serve(&self.cx);
        let result = match (self.work)(tx, self.tried).await {
            // What fails only now is still this work's failure.
            Ok(done) => tx.flush().await.map(|()| done),
            Err(e) => Err(e),
        };
        // A refusal before the first write leaves the shared transaction as it was.
        let broken = result.as_ref().err().filter(|_| tx.dirty).cloned();
        self.result = Some(result);
        broken.map_or(Ok(()), Err)
    }

    fn refused(&self) -> bool {
        self.result.as_ref().is_some_and(Result::is_err)
    }

    fn send(&self) -> bool {
        self.result.is_none() || self.sent.send()
    }

    fn answer(&mut self, committed: Result<()>) {
        let Some(reply) = self.reply.take() else { return };
        let not_run = || Err(Error::unavailable("write", "it was not run").with_outcome(Outcome::NotApplied));
        let result = committed.and_then(|()| self.result.take().unwrap_or_else(not_run));
        // Whoever no longer waits has dropped the wait.
        let _ = reply.send(result);
    }
}

impl Writer {
    pub(crate) fn new(tx: Tx) -> Self {
        Writer { tx: Some(tx), runtime: Handle::current() }
    }

    /// Runs jobs in one transaction. The error says that none of them was applied, or that nobody knows.
    async fn together(tx: &mut Tx, jobs: &mut [Box<dyn AnyJob>]) -> Result<()> {
        // What was put off and failed with its transaction is not this one's.
        tx.later = Some(Vec::new());
        tx.conn.begin(true).await?;
        for job in jobs.iter_mut() {
            if let Err(e) = job.run(tx).await {
                let _ = tx.conn.rollback().await;
                return Err(e.with_outcome(Outcome::NotApplied));
            }
        }
        if !jobs.iter().all(|job| job.send()) {
            let _ = tx.conn.rollback().await;
            return Err(Error::timeout("write").with_outcome(Outcome::NotApplied));
        }
        tx.conn.commit().await
    }
}

impl BatchEngine for Writer {
    type Op = Box<dyn AnyJob>;
    type Answer = ();

    fn apply(&mut self, mut jobs: Vec<Box<dyn AnyJob>>) -> Vec<()> {
        let runtime = self.runtime.clone();
        let Some(tx) = &mut self.tx else { return Vec::new() };
        runtime.block_on(async {
            let alone = jobs.len() == 1;
            let done = Self::together(tx, &mut jobs).await;
            for job in &mut jobs {
                match &done {
                    // Nothing was committed: each has a transaction of its own. So has what was refused, perhaps because of
                    // writes that nobody knows to be there.
                    Err(e) if !alone && (e.outcome() == Outcome::NotApplied || job.refused()) => {
                        let done = Self::together(tx, std::slice::from_mut(job)).await;
                        job.answer(done);
                    }
                    done => job.answer(done.clone()),
                }
            }
        });
        jobs.iter().map(|_| ()).collect()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The pool takes its connection back in a task of the runtime, which this thread is not a part of.
        let _inside = self.runtime.enter();
        self.tx = None;
    }
}
