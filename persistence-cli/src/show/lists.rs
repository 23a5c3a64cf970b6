//! What shards hold: their rows, runs and tasks.

use super::Shown;
use super::page;
use super::render;
use crate::args::{Category, ShowArgs};
use crate::replay::everything;
use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
use persistence::store::{GetHistoryTasks, GetShard, ListExecutions, ListedExecution};
use persistence::{Context, ErrorKind, Persistence, ShardId};
use serde_json::{Value, json};

pub(crate) struct Lists<'a> {
    db: &'a dyn Persistence,
    cx: Context,
    args: &'a ShowArgs,
}

impl<'a> Lists<'a> {
    pub(crate) fn new(db: &'a dyn Persistence, args: &'a ShowArgs) -> Self {
        Lists { db, cx: super::context(), args }
    }

    /// The shards to look at. A page token belongs to one shard.
    fn shards(&self) -> Result<Vec<ShardId>> {
        match self.args.shard {
            Some(n) => Ok(vec![ShardId(n)]),
            None if self.args.page.is_some() => bail!("--page needs the --shard that the page was of"),
            None => Ok((1..=i32::from(self.args.shards)).map(ShardId).collect()),
        }
    }

    pub(crate) async fn shard_rows(&self) -> Result<Shown> {
        let mut rows = Vec::new();
        for shard_id in self.shards()? {
            match self.db.shards().get_shard(&self.cx, &GetShard { shard_id }).await {
                Ok(shard) => rows.push(render::shard(&shard)),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e).with_context(|| format!("reading {shard_id}")),
            }
        }
        let text = render::rows(&["shard", "range_id", "updated_at", "info"], &rows);
        Ok(Shown::new(text, json!(rows)))
    }

    pub(crate) async fn executions(&self) -> Result<Shown> {
        let (mut rows, mut more) = (Vec::new(), Vec::new());
        for shard_id in self.shards()? {
            let page = page::request(self.args.limit, self.args.page.as_deref())?;
            let list = ListExecutions { shard_id, page };
            let answer = self.db.executions().list_executions(&self.cx, &list).await;
            let answer = answer.with_context(|| format!("listing the runs of {shard_id}"))?;
            let wanted = |e: &&ListedExecution| {
                self.args.namespace.is_none_or(|n| n == e.run.namespace_id)
                    && self.args.workflow.as_ref().is_none_or(|w| *w == e.run.workflow_id)
            };
            rows.extend(answer.items.iter().filter(wanted).map(|e| execution(shard_id, e)));
            more.extend(answer.next.map(|token| More {
                shard_id,
                category: None,
                token: page::encode(&token),
            }));
        }
        let columns =
            ["shard", "workflow_id", "run_id", "status", "next_event_id", "record_version", "start_time"];
        Ok(list(render::rows(&columns, &rows), "executions", rows, more))
    }

    pub(crate) async fn tasks(&self) -> Result<Shown> {
        let categories = match self.args.category {
            Some(category) => vec![category],
            None if self.args.page.is_some() => bail!("--page needs the --category that the page was of"),
            None => Category::value_variants().to_vec(),
        };
        let (mut rows, mut more) = (Vec::new(), Vec::new());
        for shard_id in self.shards()? {
            for category in &categories {
                let name = category.name();
                let (min, max) = everything(category.category());
                let page = page::request(self.args.limit, self.args.page.as_deref())?;
                let get = GetHistoryTasks { shard_id, category: category.category(), min, max, page };
                let answer = self.db.executions().get_history_tasks(&self.cx, &get).await;
                let answer = answer.with_context(|| format!("reading the {name} tasks of {shard_id}"))?;
                for task in &answer.items {
                    let mut row = json!({"shard": shard_id.0});
                    if let (Some(row), Value::Object(task)) = (row.as_object_mut(), render::task(&name, task))
                    {
                        row.extend(task);
                    }
                    rows.push(row);
                }
                let token = answer.next.map(|token| page::encode(&token));
                more.extend(token.map(|token| More { shard_id, category: Some(name), token }));
            }
        }
        let text = render::rows(&["shard", "category", "task_id", "fire_time", "payload"], &rows);
        Ok(list(text, "tasks", rows, more))
    }
}

/// A list that goes on.
struct More {
    shard_id: ShardId,
    category: Option<String>,
    token: String,
}

fn list(mut text: String, name: &str, rows: Vec<Value>, more: Vec<More>) -> Shown {
    let mut next = Vec::new();
    for m in more {
        let category = m.category.as_ref().map(|c| format!(" --category {c}")).unwrap_or_default();
        text.push_str(&format!("\nmore: --shard {}{category} --page {}", m.shard_id.0, m.token));
        next.push(json!({"shard": m.shard_id.0, "category": m.category, "page": m.token}));
    }
    Shown::new(text, json!({(name): rows, "next": next}))
}

fn execution(shard_id: ShardId, e: &ListedExecution) -> Value {
    let mut row = json!({
        "shard": shard_id.0,
        "namespace_id": e.run.namespace_id.to_string(),
        "workflow_id": e.run.workflow_id,
        "run_id": e.run.run_id.to_string(),
    });
    if let (Some(row), Value::Object(run)) = (row.as_object_mut(), render::run(&e.record, e.record_version)) {
        row.extend(run);
    }
    row
}
