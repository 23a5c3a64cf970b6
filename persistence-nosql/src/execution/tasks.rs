//! History tasks: reads and deletes. Adding them is a transition.

use crate::bucket::{Bucket, Settled, in_doubt};
use crate::codec::decode;
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{Blob, Context, Error, Page, RangeId, Result, ShardId};
use crate::keys::shard as keys;
use crate::keys::successor;
use crate::row::*;
use crate::shard::{lost, owned, stored_range};

impl Bucket {
    pub(super) async fn history_tasks(
        &self,
        cx: &Context,
        req: &GetHistoryTasks,
    ) -> Result<Page<HistoryTask>> {
        let size = req.page.checked_size()?;
        let query =
            QueryId::new("execution.get_history_tasks", &(req.shard_id, req.category.id, req.min, req.max));
        let mut range = keys::tasks(req.category, req.min, req.max);
        if let Some(after) = query.position::<TaskKey>(req.page.token.as_ref())? {
            range.start = successor(&keys::task(req.category.id, after));
        }
        let partition = keys::partition(req.shard_id);
        let rows = self.rows(cx, Table::Shard, &partition, &range, size + 1, Level::Quorum).await?;
        let task = |r: &KeyedRow| {
            let payload: Blob = decode("history task", &r.row.value)?;
            payload.verify("history task")?;
            Ok(HistoryTask { category: req.category, key: keys::read_task(&r.key)?, payload })
        };
        let tasks = rows.iter().map(task).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(tasks, size, |last| query.token(&last.key)))
    }

    pub(super) async fn complete_task(&self, cx: &Context, req: &CompleteHistoryTask) -> Result<()> {
        let op = Op::Delete { key: keys::task(req.category.id, req.key) };
        self.delete_tasks(cx, req.shard_id, req.range_id, op).await
    }

    pub(super) async fn complete_tasks(&self, cx: &Context, req: &RangeCompleteHistoryTasks) -> Result<()> {
        let range = keys::tasks(req.category, req.min, req.max);
        if range.is_empty() {
            return match req.range_id {
                Some(range_id) => self.assert_owned(cx, req.shard_id, range_id).await,
                None => Ok(()),
            };
        }
        self.delete_tasks(cx, req.shard_id, req.range_id, Op::DeleteRange { range }).await
    }

    async fn delete_tasks(
        &self,
        cx: &Context,
        shard_id: ShardId,
        fence: Option<RangeId>,
        op: Op,
    ) -> Result<()> {
        let write = Write::from(Part {
            table: Table::Shard,
            partition: keys::partition(shard_id),
            checks: fence.map(owned).into_iter().collect(),
            ops: vec![op],
        });
        match (self.settle(cx, &write).await?, fence) {
            (Settled::Refused { rows, unknown }, Some(range_id)) => {
                let stored = stored_range(rows.first().and_then(Option::as_ref));
                // A first try without an answer may have come before the shard was lost.
                Err(in_doubt(unknown, stored.map_or_else(|e| e, |stored| lost(shard_id, range_id, stored))))
            }
            (Settled::Refused { .. }, None) => {
                Err(Error::corrupted("driver", "it refused a write without conditions"))
            }
            (Settled::Applied, _) => Ok(()),
        }
    }
}
