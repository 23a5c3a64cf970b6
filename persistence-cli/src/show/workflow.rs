//! One workflow: current record, mutable state, pending items, history.

use super::Shown;
use super::page;
use super::render;
use crate::args::{ShowArgs, What};
use crate::ids;
use anyhow::{Context as _, Result, bail};
use persistence::store::{
    CurrentKey, GetCurrentExecution, GetExecution, HistoryBatch, MutableState, ReadHistoryBranch,
    ReadHistoryBranchReverse, RunKey,
};
use persistence::{Archetype, BranchToken, Context, Page, Persistence, ShardId};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub(crate) struct Looker<'a> {
    db: &'a dyn Persistence,
    cx: Context,
    args: &'a ShowArgs,
    shard_id: ShardId,
    key: CurrentKey,
}

#[derive(Serialize)]
struct Batch {
    first_event_id: i64,
    event_count: i64,
    transaction_id: i64,
    previous_transaction_id: i64,
    /// As they were written, byte by byte.
    events: Box<RawValue>,
}

#[derive(Serialize)]
struct History {
    workflow_id: String,
    run_id: String,
    batches: Vec<Batch>,
    next: Option<String>,
}

impl<'a> Looker<'a> {
    pub(crate) fn new(db: &'a dyn Persistence, args: &'a ShowArgs) -> Result<Self> {
        let Some(workflow_id) = args.workflow.clone() else { bail!("which workflow? Add --workflow ID") };
        let namespace_id = args.namespace.unwrap_or(ids::NAMESPACE);
        let derived = || ids::shard_of(namespace_id, &workflow_id, args.shards);
        let shard_id = args.shard.map_or_else(derived, ShardId);
        let key = CurrentKey { namespace_id, workflow_id, archetype: Archetype::WORKFLOW };
        Ok(Looker { db, cx: super::context(), args, shard_id, key })
    }

    pub(crate) async fn show(&self, what: What) -> Result<Shown> {
        match what {
            What::Current => {
                let current = self.current().await?;
                Ok(Shown::new(render::fields(&current), current))
            }
            What::State => {
                let (run, state) = self.state().await?;
                let state = self.with_run(&run, render::state(&state));
                Ok(Shown::new(render::fields(&state), state))
            }
            What::Items => {
                let items = items(&self.state().await?.1);
                Ok(Shown::new(render::rows(ITEM_COLUMNS, &items), json!(items)))
            }
            What::History => self.history().await,
            _ => self.everything().await,
        }
    }

    async fn everything(&self) -> Result<Shown> {
        // A run that was named may have no current record any more.
        let current = match self.args.run {
            Some(_) => self.current().await.ok(),
            None => Some(self.current().await?),
        };
        let (run, state) = self.state().await?;
        let items = items(&state);
        let state = self.with_run(&run, render::state(&state));
        let mut text = Vec::new();
        if let Some(current) = &current {
            text.push(format!("current record\n{}", render::fields(current)));
        }
        text.push(format!("mutable state\n{}", render::fields(&state)));
        match items.len() {
            0 => text.push("no pending items".to_owned()),
            _ => text.push(format!("pending items\n{}", render::rows(ITEM_COLUMNS, &items))),
        }
        Ok(Shown::new(text.join("\n\n"), json!({"current": current, "state": state, "items": items})))
    }

    fn with_run(&self, run: &RunKey, value: Value) -> Value {
        let mut out = json!({
            "shard": self.shard_id.0,
            "namespace_id": run.namespace_id.to_string(),
            "workflow_id": run.workflow_id,
            "run_id": run.run_id.to_string(),
        });
        if let (Some(out), Value::Object(value)) = (out.as_object_mut(), value) {
            out.extend(value);
        }
        out
    }

    async fn current(&self) -> Result<Value> {
        let get = GetCurrentExecution { shard_id: self.shard_id, key: self.key.clone() };
        let record = self.db.executions().get_current_execution(&self.cx, &get).await;
        record.map(|r| render::current(&r)).with_context(|| self.where_looked())
    }

    fn where_looked(&self) -> String {
        let shard = match self.args.shard {
            Some(n) => format!("shard {n}"),
            None => {
                format!("shard {} (of {} shards; see --shards, --shard)", self.shard_id.0, self.args.shards)
            }
        };
        format!("looked for workflow {:?} in {shard}", self.key.workflow_id)
    }

    async fn run(&self) -> Result<RunKey> {
        let run_id = match self.args.run {
            Some(run_id) => run_id,
            None => {
                let get = GetCurrentExecution { shard_id: self.shard_id, key: self.key.clone() };
                let record = self.db.executions().get_current_execution(&self.cx, &get).await;
                record.with_context(|| self.where_looked())?.run_id
            }
        };
        let CurrentKey { namespace_id, workflow_id, .. } = self.key.clone();
        Ok(RunKey { namespace_id, workflow_id, run_id })
    }

    async fn state(&self) -> Result<(RunKey, MutableState)> {
        let run = self.run().await?;
        let get = GetExecution { shard_id: self.shard_id, run: run.clone() };
        let state = self.db.executions().get_execution(&self.cx, &get).await;
        Ok((run, state.with_context(|| self.where_looked())?))
    }

    async fn history(&self) -> Result<Shown> {
        let (run, state) = self.state().await?;
        let branch =
            branch_of(&state).context("the run's info does not name a history branch in a way known here")?;
        let page = self.batches(branch, state.record.next_event_id).await?;
        let next = page.next.as_ref().map(page::encode);
        let mut rows = Vec::new();
        let mut batches = Vec::new();
        for batch in &page.items {
            rows.extend(event_rows(batch, self.args.newest_first));
            batches.push(render_batch(batch)?);
        }
        let mut text = render::rows(&["event", "time", "type", "batch", "transaction"], &rows);
        if let Some(token) = &next {
            text.push_str(&format!("\nmore: --page {token}"));
        }
        let run_id = run.run_id.to_string();
        let history = History { workflow_id: run.workflow_id, run_id, batches, next };
        Ok(Shown { text, json: serde_json::value::to_raw_value(&history)? })
    }

    async fn batches(&self, branch: BranchToken, end: i64) -> Result<Page<HistoryBatch>> {
        let page = page::request(self.args.limit, self.args.page.as_deref())?;
        let shard_id = self.shard_id;
        let history = self.db.history();
        Ok(if self.args.newest_first {
            let read = ReadHistoryBranchReverse { shard_id, branch, max: end, page };
            history.read_history_branch_reverse(&self.cx, &read).await?
        } else {
            let read = ReadHistoryBranch { shard_id, branch, min: 1, max: end, page };
            history.read_history_branch(&self.cx, &read).await?
        })
    }
}

const ITEM_COLUMNS: &[&str] = &["kind", "id", "value"];

fn items(state: &MutableState) -> Vec<Value> {
    state.items.iter().map(render::item).collect()
}

/// The branch that a replayed run's info names.
fn branch_of(state: &MutableState) -> Option<BranchToken> {
    let info: Value = serde_json::from_slice(&state.record.info.data).ok()?;
    let text = info.get("branch_token")?.as_str()?;
    Some(BranchToken::from_bytes(page::decode(text).ok()?))
}

fn render_batch(batch: &HistoryBatch) -> Result<Batch> {
    let header = batch.header;
    let events = match render::raw(&batch.events) {
        Some(raw) => raw,
        None => serde_json::value::to_raw_value(&render::opaque(&batch.events))?,
    };
    Ok(Batch {
        first_event_id: header.first_event_id,
        event_count: header.event_count,
        transaction_id: header.transaction_id,
        previous_transaction_id: header.previous_transaction_id,
        events,
    })
}

fn event_rows(batch: &HistoryBatch, newest_first: bool) -> Vec<Value> {
    let events = match render::blob(&batch.events) {
        Value::Array(events) => events,
        other => vec![other],
    };
    let row = |event: &Value| {
        json!({
            "event": event["eventId"],
            "time": event["eventTime"],
            "type": event["eventType"],
            "batch": batch.header.first_event_id,
            "transaction": batch.header.transaction_id,
        })
    };
    let mut rows: Vec<Value> = events.iter().map(row).collect();
    if newest_first {
        rows.reverse();
    }
    rows
}
