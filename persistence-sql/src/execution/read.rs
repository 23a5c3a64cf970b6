//! Loads and lists.

use super::rows::{BUFFERED, current_key, run_key};
use crate::bucket::Bucket;
use crate::core::codec::decode;
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{Blob, Context, Error, NamespaceId, Page, Result, RunId};
use crate::value::{Kind, Value};
use bytes::Bytes;

/// One statement, so one snapshot: the record first, then the items in order.
const LOAD: &str = "\
    SELECT 0 AS kind, 0 AS item_number, '' AS item_name, record AS value, record_version AS version
      FROM executions
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?
    UNION ALL
    SELECT kind, item_number, item_name, value, 0
      FROM execution_items
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?
     ORDER BY 1, 2, 3";

const LOAD_COLUMNS: &[Kind] = &[Kind::Int, Kind::Int, Kind::Text, Kind::Bytes, Kind::Int];

const CURRENT: &str = "\
    SELECT record
      FROM current_executions
     WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND archetype = ?";

const LIST: &str = "\
    SELECT namespace_id, workflow_id, run_id, record, record_version
      FROM executions
     WHERE shard_id = ?
     ORDER BY namespace_id, workflow_id, run_id
     LIMIT ?";

const LIST_AFTER: &str = "\
    SELECT namespace_id, workflow_id, run_id, record, record_version
      FROM executions
     WHERE shard_id = ? AND (namespace_id, workflow_id, run_id) > (?, ?, ?)
     ORDER BY namespace_id, workflow_id, run_id
     LIMIT ?";

const LIST_COLUMNS: &[Kind] = &[Kind::Uuid, Kind::Text, Kind::Uuid, Kind::Bytes, Kind::Int];

fn blob(entity: &'static str, bytes: &Bytes) -> Result<Blob> {
    let blob: Blob = decode(entity, bytes)?;
    blob.verify(entity)?;
    Ok(blob)
}

fn record(bytes: &Bytes) -> Result<RunRecord> {
    let record: RunRecord = decode("run record", bytes)?;
    record.info.verify("run record")?;
    record.execution_state.verify("run record")?;
    Ok(record)
}

impl Bucket {
    pub(super) async fn load(&self, cx: &Context, req: &GetExecution) -> Result<MutableState> {
        let mut args = run_key(req.shard_id, &req.run);
        args.extend(run_key(req.shard_id, &req.run));
        let rows = self.query(cx, "executions", LOAD, args, LOAD_COLUMNS).await?;
        let (mut found, mut items, mut buffered_events) = (None, Vec::new(), Vec::new());
        for mut row in rows {
            let (kind, number, name) = (row.int()?, row.int()?, row.text()?);
            let value = row.bytes()?;
            match kind {
                0 => found = Some((record(&value)?, row.int()?)),
                BUFFERED => buffered_events.push(blob("buffered events", &value)?),
                _ => {
                    let id = if name.is_empty() { ItemId::Number(number) } else { ItemId::Name(&name) };
                    let key = u8::try_from(kind).ok().and_then(|code| ItemKey::from_parts(code, id));
                    let key = key.ok_or_else(|| Error::corrupted("item", "its kind does not fit its key"))?;
                    items.push(Item { key, value: blob("item", &value)? });
                }
            }
        }
        let Some((record, record_version)) = found else {
            let key = format!("workflow {:?} run {}", req.run.workflow_id, req.run.run_id);
            return Err(Error::not_found("execution", key));
        };
        Ok(MutableState { record, record_version, items, buffered_events })
    }

    pub(super) async fn load_current(
        &self,
        cx: &Context,
        req: &GetCurrentExecution,
    ) -> Result<CurrentRecord> {
        let args = current_key(req.shard_id, &req.key);
        let rows = self.query(cx, "current_executions", CURRENT, args, &[Kind::Bytes]).await?;
        let Some(mut row) = rows.into_iter().next() else {
            return Err(Error::not_found("current execution", format!("workflow {:?}", req.key.workflow_id)));
        };
        let current: CurrentRecord = decode("current record", &row.bytes()?)?;
        current.execution_state.verify("current record")?;
        Ok(current)
    }

    pub(super) async fn list_runs(
        &self,
        cx: &Context,
        req: &ListExecutions,
    ) -> Result<Page<ListedExecution>> {
        let size = req.page.checked_size()?;
        let query = QueryId::new("execution.list_executions", &req.shard_id);
        let limit = Value::Int(i64::from(req.page.size) + 1);
        let (sql, args) = match query.position::<RunKey>(req.page.token.as_ref())? {
            None => (LIST, vec![req.shard_id.0.into(), limit]),
            Some(after) => {
                let mut args = run_key(req.shard_id, &after);
                args.push(limit);
                (LIST_AFTER, args)
            }
        };
        let mut items = Vec::new();
        for mut row in self.query(cx, "executions", sql, args, LIST_COLUMNS).await? {
            let run = RunKey {
                namespace_id: NamespaceId(row.uuid()?),
                workflow_id: row.text()?,
                run_id: RunId(row.uuid()?),
            };
            items.push(ListedExecution { run, record: record(&row.bytes()?)?, record_version: row.int()? });
        }
        Ok(Page::cut(items, size, |last| query.token(&last.run)))
    }
}
