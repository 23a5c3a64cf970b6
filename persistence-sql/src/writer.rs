//! One writer for databases that allow one: transactions that wait at the same time share a commit.

use crate::bucket::{Sent, Tried};
use crate::core::commit::{BatchEngine, GroupCommitter};
use crate::core::transition::Touching;
use crate::core::{Context, Error, Outcome, Result};
use crate::execution::{Answers, WaveOf, transact};
use crate::tx::Tx;
use crate::work::Work;
use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The most plans of several jobs that are applied with the same statements: more rows make them no cheaper, and a statement is
/// kept for each number of rows that is a power of two.
const MAX_MERGED: usize = 64;

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

    /// The plans that it applies, if that is all that it does and somebody waits for it.
    fn wave(&self) -> Option<WaveOf<'_>>;

    /// Before its plans are applied together with others'.
    fn begin(&self, tx: &mut Tx);

    /// Keeps the result of work whose plans were applied together with others'.
    fn applied(&mut self, answers: Answers);

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

impl<T> Job<T> {
    /// Whether nobody waits for it any more.
    fn is_forgone(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

#[async_trait]
impl<T: Send + 'static> AnyJob for Job<T> {
    async fn run(&mut self, tx: &mut Tx) -> Result<()> {
        tx.dirty = false;
        if self.is_forgone() {
            // Its deadline passed while it waited: it was never begun, and whoever asked has been told.
            return Ok(());
        }
        tx.conn.serve(&self.cx);
        let result = match self.work.run(tx, self.tried).await {
            // What fails only now is still this work's failure.
            Ok(done) => tx.flush().await.map(|()| done),
            Err(e) => Err(e),
        };
        // A refusal before the first write leaves the shared transaction as it was.
        let broken = result.as_ref().err().filter(|_| tx.dirty).cloned();
        self.result = Some(result);
        broken.map_or(Ok(()), Err)
    }

    fn wave(&self) -> Option<WaveOf<'_>> {
        self.work.wave().filter(|_| !self.is_forgone()).map(|wave| wave.plans(self.tried))
    }

    fn begin(&self, tx: &mut Tx) {
        tx.conn.serve(&self.cx);
    }

    fn applied(&mut self, answers: Answers) {
        self.result = self.work.wave().map(|wave| Ok((wave.result)(answers, self.tried)));
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
        let mut rest = &mut *jobs;
        while !rest.is_empty() {
            let alike = alike(rest);
            let (next, later) = rest.split_at_mut(alike.max(1));
            let done = match next {
                [job] => job.run(tx).await,
                waves => merged(tx, waves).await,
            };
            if let Err(e) = done {
                let _ = tx.conn.rollback().await;
                return Err(e.with_outcome(Outcome::NotApplied));
            }
            rest = later;
        }
        if !jobs.iter().all(|job| job.send()) {
            let _ = tx.conn.rollback().await;
            return Err(Error::timeout("write").with_outcome(Outcome::NotApplied));
        }
        tx.conn.commit().await
    }
}

/// How many jobs from the first on only apply plans, and touch nothing in common.
fn alike(jobs: &[Box<dyn AnyJob>]) -> usize {
    let (mut touching, mut plans) = (Touching::default(), 0);
    for (n, job) in jobs.iter().enumerate() {
        let Some(wave) = job.wave() else { return n };
        plans += wave.plans.len();
        if plans > MAX_MERGED || !wave.plans.into_iter().all(|plan| touching.add(plan)) {
            return n;
        }
    }
    jobs.len()
}

/// Applies the plans of jobs with as many statements as those of one need.
async fn merged(tx: &mut Tx, jobs: &mut [Box<dyn AnyJob>]) -> Result<()> {
    tx.dirty = false;
    jobs.iter().for_each(|job| job.begin(tx));
    let answers = {
        // A job may be given up meanwhile: then its wave is done for nobody.
        let waves: Vec<WaveOf<'_>> = jobs.iter().map(|job| job.wave().unwrap_or_default()).collect();
        transact(tx, &waves).await?
    };
    tx.flush().await?;
    jobs.iter_mut().zip(answers).for_each(|(job, answers)| job.applied(answers));
    Ok(())
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
