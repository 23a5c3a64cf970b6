//! The task queue of a shard: its writers own it in turns, add tasks with the range id that they hold, and lose it to each other.
//! A range id is an owner's for as long as nobody took the queue over, so nothing may come into its range afterwards.

mod check;
mod owner;

pub(super) use check::check;
pub(super) use owner::Owner;

use super::place::{LANES, Mark, Place, one_of_each_shard};
use persistence_core::store::*;
use persistence_core::{AttemptId, Context, NamespaceId, PageRequest, Persistence, RangeId, Result};
use uuid::Uuid;

/// The range id with which a queue is made.
const FIRST_RANGE: RangeId = 1;

/// Where a range's tasks begin: above it are the attempt, and which of its tasks.
const RANGE_BITS: u32 = 40;

/// The most tasks that one attempt adds, rounded up to a power of two.
const MOST: i64 = 4;

/// A task queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    shard: i32,
    namespace: Uuid,
}

impl Queue {
    /// The queue of a run's shard.
    pub(super) fn of(place: &Place) -> Self {
        Queue { shard: place.shard(), namespace: place.namespace }
    }

    /// The queues of these runs.
    pub(super) fn all(places: &[Place]) -> impl Iterator<Item = (Queue, &Place)> {
        one_of_each_shard(places).map(|place| (Queue::of(place), place))
    }

    /// Its number in the log, beside those of its shard's runs: what was said of adding tasks.
    pub(super) fn number(&self) -> i32 {
        (self.shard + 1) * LANES - 1
    }

    /// The same for taking it over.
    pub(super) fn takeovers(&self) -> i32 {
        self.number() - 1
    }

    /// Whether a number in a log is of adding tasks.
    pub(super) fn is(number: i32) -> bool {
        number % LANES == LANES - 1
    }

    fn key(&self) -> TaskQueueKey {
        let (namespace_id, name) = (NamespaceId(self.namespace), format!("outage-{}", self.shard));
        TaskQueueKey { namespace_id, name, task_type: 1 }
    }

    fn mark(&self, attempt: i64, range: RangeId) -> Mark {
        Mark { run: self.number(), attempt, version: range }
    }

    /// Makes it.
    pub(super) async fn create(&self, p: &dyn Persistence) -> Result<()> {
        let create = CreateTaskQueue {
            key: self.key(),
            range_id: FIRST_RANGE,
            info: self.mark(0, FIRST_RANGE).blob(),
            expires_at: None,
            attempt: AttemptId::new(),
        };
        p.tasks().create_task_queue(&Context::new(), &create).await
    }

    /// The range id as it is stored, and who took it.
    pub(super) async fn load(&self, p: &dyn Persistence, cx: &Context) -> Result<Mark> {
        let queue = p.tasks().get_task_queue(cx, &GetTaskQueue { key: self.key() }).await?;
        let mark = Mark::of(&queue.info)?;
        if mark.version == queue.range_id { Ok(mark) } else { Err(super::place::torn("queue")) }
    }

    /// Takes it over from whoever has this range id.
    fn takeover(&self, attempt: i64, previous: RangeId) -> UpdateTaskQueue {
        UpdateTaskQueue {
            key: self.key(),
            previous_range_id: previous,
            range_id: previous + 1,
            info: self.mark(attempt, previous + 1).blob(),
            expires_at: None,
            attempt: AttemptId::new(),
        }
    }

    /// Adds the tasks of an attempt.
    pub(super) fn add(&self, attempt: i64, range: RangeId) -> CreateTasks {
        let task = |n| QueuedTask {
            subqueue: 0,
            position: TaskPosition::classic(id(range, attempt, n)),
            payload: self.mark(attempt, range).blob(),
            expires_at: None,
        };
        let tasks = (0..tasks_of(attempt)).map(task).collect();
        CreateTasks { key: self.key(), range_id: range, tasks, update_info: None }
    }

    /// Its tasks, or those of one range id.
    async fn tasks(
        &self,
        p: &dyn Persistence,
        cx: &Context,
        range: Option<RangeId>,
    ) -> Result<Vec<(i64, Mark)>> {
        let at = |range| TaskPosition::classic(id(range, 0, 0));
        let (min, max) = match range {
            Some(range) => (at(range), Some(at(range + 1))),
            None => (TaskPosition::MIN, None),
        };
        let (mut page, mut all) = (PageRequest::first(1000), Vec::new());
        loop {
            let request = GetTasks { key: self.key(), subqueue: 0, min, max, page };
            let found = p.tasks().get_tasks(cx, &request).await?;
            for task in found.items {
                all.push((task.position.task_id, Mark::of(&task.payload)?));
            }
            match found.next {
                Some(token) => page = PageRequest::after(1000, token),
                None => return Ok(all),
            }
        }
    }
}

/// How many tasks an attempt adds.
fn tasks_of(attempt: i64) -> i64 {
    1 + attempt.rem_euclid(MOST - 1)
}

/// The id of one of the tasks of an attempt.
fn id(range: RangeId, attempt: i64, n: i64) -> i64 {
    (range << RANGE_BITS) + attempt * MOST + n
}
