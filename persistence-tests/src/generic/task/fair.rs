//! Fair queues: tasks by pass and id.

use super::{add, complete, created, read};
use crate::build::task::{all, between, classic, fair};
use persistence_core::PageRequest;
use persistence_core::store::*;

const ORDER: [(i64, i64); 12] = [
    (0, 7),
    (1, -5),
    (1, 1),
    (1, 900),
    (2, 2),
    (2, 3),
    (3, i64::MIN),
    (3, 4),
    (255, 1),
    (256, 0),
    (i64::MAX, 1),
    (i64::MAX, i64::MAX),
];

fn places(tasks: &[QueuedTask]) -> Vec<(i64, i64)> {
    tasks.iter().map(|t| (t.position.pass, t.position.task_id)).collect()
}

crate::cases! {
    group: "task";

    /// Fair tasks come by pass, then by id, whatever the page size, and a range may begin and end inside a pass.
    #[covers("P9", "P17", "task.get_tasks", "task.create_tasks")]
    async fn fair_tasks_come_by_pass(t) {
        let key = created(t, 1).await?;
        let mut shuffled = ORDER;
        t.rng().shuffle(&mut shuffled);
        add(t, &key, 1, &shuffled.map(|(pass, id)| fair(pass, id))).await?;
        for size in [1, 2, 5, 11, 12, 13] {
            assert_eq!(places(&read(t, &all(&key, PageRequest::first(1)), size).await?), ORDER, "pages of {size}");
            let some = between(&key, TaskPosition::fair(1, 1), TaskPosition::fair(3, 4), PageRequest::first(1));
            assert_eq!(places(&read(t, &some, size).await?), ORDER[2..7]);
        }
        for (i, (pass, id)) in ORDER.into_iter().enumerate() {
            let from = GetTasks { min: TaskPosition::fair(pass, id), ..all(&key, PageRequest::first(1)) };
            assert_eq!(places(&read(t, &from, 3).await?), ORDER[i..]);
        }
    }

    /// Tasks of the same id in two passes are two tasks.
    #[covers("P7", "P17", "task.create_tasks")]
    async fn a_pass_is_part_of_the_key(t) {
        let key = created(t, 1).await?;
        add(t, &key, 1, &[classic(5), fair(1, 5), fair(2, 5)]).await?;
        add(t, &key, 1, &[fair(1, 5)]).await?;
        assert_eq!(places(&read(t, &all(&key, PageRequest::first(1)), 2).await?), [(0, 5), (1, 5), (2, 5)]);
    }

    /// Completing goes by pass, then by id, and counts over passes.
    #[covers("P17", "task.complete_tasks_less_than")]
    async fn completing_goes_by_pass(t) {
        let key = created(t, 1).await?;
        add(t, &key, 1, &ORDER.map(|(pass, id)| fair(pass, id))).await?;
        let mut gone = 0;
        for (max, limit, count) in [
            ((1, 1), Some(9), Some(2)),
            ((2, 3), Some(2), Some(2)),
            ((2, 3), Some(2), Some(1)),
            ((2, 3), Some(2), Some(0)),
            ((3, 4), None, None),
            ((i64::MAX, i64::MAX), Some(100), Some(4)),
        ] {
            let done = complete(t, &key, TaskPosition::fair(max.0, max.1), limit).await?;
            assert_eq!(done, count, "below {max:?}");
            gone += count.unwrap_or(2);
            let left = places(&read(t, &all(&key, PageRequest::first(1)), 100).await?);
            assert_eq!(left, ORDER[usize::try_from(gone).unwrap()..]);
        }
    }
}
