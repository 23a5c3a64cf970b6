//! One owner after the other.

use super::{add, complete, created, get, refused, tasks};
use crate::build::task::{classic, delete, queue, update};
use persistence_core::store::TaskPosition;

crate::cases! {
    group: "task";

    /// Who takes a queue over shuts the owner before out, of everything that is fenced, and finds its tasks.
    #[covers("P17", "task.update_task_queue", "task.create_tasks!condition_failed", "task.delete_task_queue!condition_failed")]
    async fn a_new_owner_shuts_the_old_one_out(t) {
        let key = created(t, 1).await?;
        add(t, &key, 1, &[classic(1)]).await?;
        let heir = t.another().await?;
        heir.tasks().update_task_queue(&t.cx(), &update(&key, 1, 2, None)).await?;
        refused(add(t, &key, 1, &[classic(2)]).await, Some(1), Some(2));
        refused(t.p.tasks().update_task_queue(&t.cx(), &update(&key, 1, 3, None)).await, Some(1), Some(2));
        refused(t.p.tasks().update_task_queue(&t.cx(), &update(&key, 1, 1, None)).await, Some(1), Some(2));
        refused(t.p.tasks().delete_task_queue(&t.cx(), &delete(&key, 1)).await, Some(1), Some(2));
        heir.tasks().create_tasks(&t.cx(), &crate::build::task::add(&key, 2, &[classic(3)])).await?;
        assert_eq!(tasks(t, &key).await?, [classic(1), classic(3)]);
        assert_eq!(get(t, &key).await?, queue(&key, 2, None));
        // Completing is not fenced.
        assert_eq!(complete(t, &key, TaskPosition::classic(2), Some(9)).await?, Some(1));
        heir.close().await?;
    }

    /// Everything is there after closing and opening again.
    #[covers("capability.durable", "task.create_task_queue", "task.create_tasks", "task.complete_tasks_less_than")]
    #[needs(Durable)]
    #[isolation(Own)]
    async fn task_queues_survive_a_reopen(t) {
        let (key, gone) = (created(t, 1).await?, created(t, 4).await?);
        add(t, &key, 1, &[classic(1), classic(2), classic(3)]).await?;
        t.p.tasks().update_task_queue(&t.cx(), &update(&key, 1, 2, None)).await?;
        complete(t, &key, TaskPosition::classic(2), Some(5)).await?;
        t.p.tasks().delete_task_queue(&t.cx(), &delete(&gone, 4)).await?;
        t.reopen().await?;
        assert_eq!(get(t, &key).await?, queue(&key, 2, None));
        assert_eq!(tasks(t, &key).await?, [classic(2), classic(3)]);
        crate::build::expect::missing(get(t, &gone).await);
        refused(add(t, &key, 1, &[classic(9)]).await, Some(1), Some(2));
        add(t, &key, 2, &[classic(4)]).await?;
    }
}
