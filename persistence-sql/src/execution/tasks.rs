//! History tasks: reads and deletes. Adding them is a transition.

use crate::bucket::{Bucket, work};
use crate::core::codec::decode;
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{Blob, Context, Page, RangeId, Result, ShardId, Timestamp};
use crate::shard::hold;
use crate::tx::Tx;
use crate::value::{Kind, Value};

const SELECT: &str = "\
    SELECT fire_time, task_id, payload
      FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time, task_id) >= (?, ?) AND (fire_time, task_id) < (?, ?)
     ORDER BY fire_time, task_id
     LIMIT ?";

const SELECT_AFTER: &str = "\
    SELECT fire_time, task_id, payload
      FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time, task_id) > (?, ?) AND (fire_time, task_id) < (?, ?)
     ORDER BY fire_time, task_id
     LIMIT ?";

const DELETE: &str = "\
    DELETE FROM history_tasks
     WHERE shard_id = ? AND category = ? AND fire_time = ? AND task_id = ?";

const DELETE_RANGE: &str = "\
    DELETE FROM history_tasks
     WHERE shard_id = ? AND category = ?
       AND (fire_time, task_id) >= (?, ?) AND (fire_time, task_id) < (?, ?)";

fn key(k: TaskKey) -> [Value; 2] {
    [k.fire_time.0.into(), k.task_id.into()]
}

impl Bucket {
    pub(super) async fn history_tasks(
        &self,
        cx: &Context,
        req: &GetHistoryTasks,
    ) -> Result<Page<HistoryTask>> {
        let size = req.page.checked_size()?;
        let query =
            QueryId::new("execution.get_history_tasks", &(req.shard_id, req.category.id, req.min, req.max));
        let after: Option<TaskKey> = query.position(req.page.token.as_ref())?;
        let sql = if after.is_some() { SELECT_AFTER } else { SELECT };
        let mut args = vec![req.shard_id.0.into(), req.category.id.into()];
        args.extend(key(after.unwrap_or(req.min)));
        args.extend(key(req.max));
        args.push(Value::Int(i64::from(req.page.size) + 1));
        let mut tasks = Vec::new();
        for mut row in
            self.query(cx, "history_tasks", sql, args, &[Kind::Int, Kind::Int, Kind::Bytes]).await?
        {
            let key = TaskKey { fire_time: Timestamp(row.int()?), task_id: row.int()? };
            let payload: Blob = decode("history task", &row.bytes()?)?;
            payload.verify("history task")?;
            tasks.push(HistoryTask { category: req.category, key, payload });
        }
        Ok(Page::cut(tasks, size, |last| query.token(&last.key)))
    }

    pub(super) async fn complete_task(&self, cx: &Context, req: &CompleteHistoryTask) -> Result<()> {
        let args = [req.shard_id.0.into(), req.category.id.into()].into_iter().chain(key(req.key)).collect();
        self.delete_tasks(cx, req.shard_id, req.range_id, DELETE, args).await
    }

    pub(super) async fn complete_tasks(&self, cx: &Context, req: &RangeCompleteHistoryTasks) -> Result<()> {
        let args = [req.shard_id.0.into(), req.category.id.into()].into_iter();
        let args = args.chain(key(req.min)).chain(key(req.max)).collect();
        self.delete_tasks(cx, req.shard_id, req.range_id, DELETE_RANGE, args).await
    }

    async fn delete_tasks(
        &self,
        cx: &Context,
        shard_id: ShardId,
        range_id: Option<RangeId>,
        sql: &'static str,
        args: Vec<Value>,
    ) -> Result<()> {
        self.write(
            cx,
            work(move |tx: &mut Tx, tried| {
                let args = args.clone();
                Box::pin(async move {
                    if let Some(range_id) = range_id {
                        hold(tx, shard_id, range_id, tried).await?;
                    }
                    tx.execute(sql, args).await.map(drop)
                })
            }),
        )
        .await
    }
}
