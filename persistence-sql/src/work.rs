//! What a transaction is to do.

use crate::bucket::Tried;
use crate::core::transition::TransitionPlan;
use crate::core::{Result, Timestamp};
use crate::execution::{Answers, WaveOf};
use crate::tx::Tx;
use futures_util::future::BoxFuture;
use std::sync::Arc;

type Run<T> = dyn for<'t> Fn(&'t mut Tx, Tried) -> BoxFuture<'t, Result<T>> + Send + Sync;

/// The work of a transaction: may be run more than once, each time from the beginning.
pub(crate) struct Work<T> {
    run: Arc<Run<T>>,
    wave: Option<Wave<T>>,
}

/// The plans that the work applies, where it does nothing else: then it can be done together with that of others.
pub(crate) struct Wave<T> {
    pub(crate) plans: Arc<Vec<TransitionPlan>>,
    /// Which of the plans.
    pub(crate) sent: Arc<Vec<usize>>,
    pub(crate) now: Timestamp,
    /// What the work gives when the plans were answered.
    pub(crate) result: fn(Answers, Tried) -> T,
}

/// Work from a closure, whose signature this fixes.
pub(crate) fn work<T, F>(f: F) -> Work<T>
where
    F: for<'t> Fn(&'t mut Tx, Tried) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
{
    Work { run: Arc::new(f), wave: None }
}

impl<T> Work<T> {
    /// Says that the work is to apply these plans.
    pub(crate) fn of(mut self, wave: Wave<T>) -> Self {
        self.wave = Some(wave);
        self
    }

    pub(crate) fn run<'t>(&self, tx: &'t mut Tx, tried: Tried) -> BoxFuture<'t, Result<T>> {
        (self.run)(tx, tried)
    }

    pub(crate) fn wave(&self) -> Option<&Wave<T>> {
        self.wave.as_ref()
    }
}

impl<T> Wave<T> {
    pub(crate) fn plans(&self, tried: Tried) -> WaveOf<'_> {
        let plans = self.sent.iter().filter_map(|&i| self.plans.get(i)).collect();
        WaveOf { plans, tried, now: self.now }
    }
}

impl<T> Clone for Wave<T> {
    fn clone(&self) -> Self {
        let (plans, sent) = (Arc::clone(&self.plans), Arc::clone(&self.sent));
        Wave { plans, sent, now: self.now, result: self.result }
    }
}

impl<T> Clone for Work<T> {
    fn clone(&self) -> Self {
        Work { run: Arc::clone(&self.run), wave: self.wave.clone() }
    }
}
