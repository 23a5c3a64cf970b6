//! A writer with its shard's task queue.

use super::super::log::{Claim, Word};
use super::super::writer::Writer;
use super::Queue;
use persistence_core::{ErrorKind, RangeId, Result};
use std::time::Duration;

/// A writer as the owner of a queue, as far as it knows.
pub(in super::super) struct Owner {
    queue: Queue,
    held: Option<RangeId>,
    /// It was not told whether a takeover came in.
    doubts: bool,
}

impl Owner {
    pub(in super::super) fn new(queue: Queue) -> Self {
        Owner { queue, held: None, doubts: false }
    }

    /// Adds tasks, or takes the queue over: at first, when somebody else did, and now and then when nobody did.
    pub(in super::super) async fn step(&mut self, w: &Writer, patience: Duration, renew: bool) {
        match self.held {
            Some(range) if !renew => self.add(w, patience, range).await,
            _ => self.take_over(w, patience).await,
        }
    }

    async fn add(&mut self, w: &Writer, patience: Duration, range: RangeId) {
        let attempt = w.next_attempt();
        let result = w.p.tasks().create_tasks(&w.context(patience), &self.queue.add(attempt, range)).await;
        let rivals = w.has_rivals();
        self.told(w, self.queue.number(), (attempt, range), result, rivals).await;
    }

    async fn take_over(&mut self, w: &Writer, patience: Duration) {
        self.held = None;
        let queue = self.queue;
        let Some(found) = w.insist(|cx| async move { queue.load(&*w.p, &cx).await }).await else { return };
        let (attempt, previous) = (w.next_attempt(), found.version);
        let takeover = queue.takeover(attempt, previous);
        let result = w.p.tasks().update_task_queue(&w.context(patience), &takeover).await;
        let expected = w.has_rivals() || self.doubts;
        let claim = self.told(w, queue.takeovers(), (attempt, previous), result, expected).await;
        self.doubts |= claim == Claim::Maybe;
        if claim != Claim::Applied {
            return;
        }
        self.doubts = false;
        // What an owner does first: read what is there. Nobody can add to it any more.
        let tasks = w.insist(|cx| async move { queue.tasks(&*w.p, &cx, Some(previous)).await }).await;
        let Some(tasks) = tasks else { return };
        let tasks = tasks.into_iter().map(|(id, _)| id).collect();
        w.listener.hear(Word::Saw { run: queue.number(), range: previous, tasks });
        self.held = Some(previous + 1);
    }

    /// Takes down what became of an attempt. `losable`: somebody else may have the queue now.
    async fn told(
        &mut self,
        w: &Writer,
        run: i32,
        attempt: (i64, RangeId),
        result: Result<()>,
        losable: bool,
    ) -> Claim {
        let what = if Queue::is(run) { "add" } else { "take over" };
        if matches!(&result, Err(e) if e.kind() == ErrorKind::ConditionFailed) {
            self.held = None;
        }
        w.told(what, run, attempt, &result, losable).await
    }
}
