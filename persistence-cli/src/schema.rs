//! `persist schema`: sets up, upgrades or inspects the schema of a database, without opening its stores.

use crate::output;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use persistence::Context;
use persistence::derived::definitions;
use persistence::schema::{SchemaFit, SchemaOp, SchemaStatus};
use persistence::store::{EnsureCollections, EnsureMode, SetUpVisibility};
use serde_json::json;

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create what is missing, or upgrade what is there
    Setup(Target),
    /// Upgrade what is there; fails where nothing is
    Upgrade(Target),
    /// Tell versions and privileges; exit code 0 if this program can work with them
    Status(Target),
}

#[derive(Args, Debug)]
struct Target {
    /// The database: postgres://user@host/database, mysql://…, sqlite:./data.db, cassandra://host/keyspace
    #[arg(long)]
    url: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &SchemaArgs) -> Result<bool> {
    let (target, op, doing) = match &args.what {
        What::Setup(t) => (t, SchemaOp::Setup, "setting up the schema"),
        What::Upgrade(t) => (t, SchemaOp::Upgrade, "upgrading the schema"),
        What::Status(t) => (t, SchemaOp::Status, "inspecting the schema"),
    };
    let status = persistence::schema_of(&target.url, op).await.context(doing)?;
    if op != SchemaOp::Status {
        ensure(&target.url).await.context("making the collections of the library's own")?;
    }
    let good =
        status.fit() == SchemaFit::Fits && status.privileges.iter().all(|p| p.held || p.purpose != "run");
    if target.json {
        let privileges: Vec<_> = status
            .privileges
            .iter()
            .map(|p| json!({"purpose": p.purpose, "privilege": p.what, "held": p.held}))
            .collect();
        output::json(&json!({
            "found": status.found,
            "current": status.current,
            "fit": status.fit().to_string(),
            "privileges": privileges,
        }))?;
    } else {
        output::text(&sentence(&status))?;
        let lacking = status.privileges.iter().filter(|p| !p.held);
        for p in lacking {
            output::text(&format!("lacking, to {}: {}", verb(&p.purpose), p.what))?;
        }
    }
    Ok(good)
}

/// Makes the collections that derived stores would make when they first miss them, perhaps as a user who may not.
async fn ensure(url: &str) -> Result<()> {
    let db = persistence::connect(url).await?;
    let req = EnsureCollections { definitions: definitions(), mode: EnsureMode::Apply };
    let mut ensured = db.documents().ensure_collections(&Context::new(), &req).await.map(drop);
    if ensured.is_ok() {
        // With the search attributes that are registered, which no definition knows.
        let setup = SetUpVisibility::default();
        ensured = db.visibility().set_up_visibility(&Context::new(), &setup).await.map(drop);
    }
    db.close().await?;
    Ok(ensured?)
}

fn verb(purpose: &str) -> &str {
    if purpose == "setup" { "set up" } else { purpose }
}

fn sentence(status: &SchemaStatus) -> String {
    let works = format!("this program works on {} and {}", status.current, status.current.saturating_add(1));
    match status.found {
        None => format!("schema: none; {works}: persist schema setup --url URL"),
        Some(v) if status.fit() == SchemaFit::Behind => {
            format!("schema: version {v}; {works}: persist schema upgrade --url URL")
        }
        Some(v) if status.fit() == SchemaFit::Ahead => {
            format!("schema: version {v}; {works}: use a newer release")
        }
        Some(v) => format!("schema: version {v}; {works}"),
    }
}
