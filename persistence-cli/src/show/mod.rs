//! `persist show`: what is stored, as tables or as JSON.

mod lists;
pub(crate) mod page;
mod render;
mod workflow;

use crate::args::{ShowArgs, What};
use crate::output;
use anyhow::{Context as _, Result};
use lists::Lists;
use persistence::{Context, Env, Persistence};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use workflow::Looker;

/// The same thing for people and for programs.
pub(crate) struct Shown {
    text: String,
    json: Box<RawValue>,
}

impl Shown {
    fn new(text: String, json: Value) -> Self {
        Shown { text, json: to_raw_value(&json).unwrap_or_default() }
    }
}

pub(crate) async fn run(args: &ShowArgs) -> Result<()> {
    let db = persistence::connect_with(&args.url, &Env::default()).await.context("cannot connect")?;
    let shown = show(db.as_ref(), args).await;
    let closed = db.close().await;
    let shown = shown?;
    closed.context("closing the database")?;
    if args.json { output::json(&shown.json) } else { output::text(&shown.text) }
}

async fn show(db: &dyn Persistence, args: &ShowArgs) -> Result<Shown> {
    let default = if args.workflow.is_some() { What::Workflow } else { What::Executions };
    match args.what.unwrap_or(default) {
        What::Executions => Lists::new(db, args).executions().await,
        What::Tasks => Lists::new(db, args).tasks().await,
        What::Shards => Lists::new(db, args).shard_rows().await,
        what => Looker::new(db, args)?.show(what).await,
    }
}

fn context() -> Context {
    Context::new().with_caller("persist show")
}
