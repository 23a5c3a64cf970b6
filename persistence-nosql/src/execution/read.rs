//! Loads and lists.

use super::render::RecordValue;
use crate::bucket::Bucket;
use crate::codec::decode;
use crate::core::page::QueryId;
use crate::core::store::*;
use crate::core::{Blob, Context, Error, Page, Result};
use crate::keys::shard::{self as keys, RunRow};
use crate::keys::successor;
use crate::row::*;
use bytes::Bytes;

fn blob(entity: &'static str, row: &Row) -> Result<Blob> {
    let blob: Blob = decode(entity, &row.value)?;
    blob.verify(entity)?;
    Ok(blob)
}

fn record(row: &Row) -> Result<RecordValue> {
    let value: RecordValue = decode("run record", &row.value)?;
    value.record.info.verify("run record")?;
    value.record.execution_state.verify("run record")?;
    Ok(value)
}

impl Bucket {
    /// A run, in one scan: one consistent snapshot.
    pub(super) async fn load(&self, cx: &Context, req: &GetExecution) -> Result<MutableState> {
        let partition = keys::partition(req.shard_id);
        let range = keys::run_state(&req.run);
        let rows = self.rows(cx, Table::Shard, &partition, &range, usize::MAX, Level::Quorum).await?;
        let (mut found, mut items, mut buffered_events) = (None, Vec::new(), Vec::new());
        for KeyedRow { key, row } in &rows {
            match keys::read_run_row(&req.run, key)? {
                RunRow::Record => found = Some(record(row)?),
                RunRow::Item(key) => items.push(Item { key, value: blob("item", row)? }),
                RunRow::Buffered => buffered_events.push(blob("buffered events", row)?),
            }
        }
        let Some(RecordValue { record, record_version }) = found else {
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
        let partition = keys::partition(req.shard_id);
        let row = self.get_row(cx, Table::Shard, &partition, keys::current(&req.key), Level::Quorum).await?;
        let Some(row) = row else {
            return Err(Error::not_found("current execution", format!("workflow {:?}", req.key.workflow_id)));
        };
        let current: CurrentRecord = decode("current record", &row.value)?;
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
        let after: Option<RunKey> = query.position(req.page.token.as_ref())?;
        let partition = keys::partition(req.shard_id);
        let mut range = keys::headers();
        if let Some(after) = &after {
            range.start = successor(&keys::header(after));
        }
        let headers = self.rows(cx, Table::Shard, &partition, &range, size + 1, Level::Quorum).await?;
        let runs = headers.iter().map(|h| keys::read_header(&h.key)).collect::<Result<Vec<_>>>()?;
        let page = Page::cut(runs, size, |last| query.token(last));
        let records: Vec<Bytes> = page.items.iter().map(keys::record).collect();
        let rows = self.driver.get(cx, Table::Shard, &partition, &records, Level::Quorum).await?;
        let mut items = Vec::with_capacity(rows.len());
        for (run, row) in page.items.into_iter().zip(rows) {
            // A run that was deleted since its header was read is left out.
            if let Some(row) = row {
                let RecordValue { record, record_version } = record(&row)?;
                items.push(ListedExecution { run, record, record_version });
            }
        }
        Ok(Page { items, next: page.next })
    }
}
