//! The control plane of PipeCD on documents: nine kinds, each with its declaration next to its type; the 24 finds of its code
//! base, each with its plan, none of which scans; and its updates, each one atomic step.
//!
//! `cargo run -p persistence --example pipecd_control_plane [URL]`; without a URL in an embedded database in a temporary directory.

#[path = "pipecd/finds.rs"]
mod finds;
#[path = "pipecd/kinds.rs"]
mod kinds;
#[path = "pipecd/seed.rs"]
mod seed;
#[path = "pipecd/updates.rs"]
mod updates;

use finds::{Find, finds};
use kinds::*;
use persistence::document::Direction;
use persistence::document::collection::Documented;
use persistence::store::{EnsureCollections, EnsureMode, Explain, FindDocuments};
use persistence::{Context, PageRequest, Persistence, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let url =
        std::env::args().nth(1).unwrap_or_else(|| format!("fjall:{}", dir.path().join("plane").display()));
    let (cx, db) = (Context::new(), persistence::connect(&url).await?);

    // All collections at once; a second time there is nothing to do.
    let definitions = vec![
        Project::definition(),
        Application::definition(),
        Command::definition(),
        Deployment::definition(),
        Piped::definition(),
        ApiKey::definition(),
        Event::definition(),
        DeploymentChain::definition(),
        DeploymentTrace::definition(),
    ];
    let ensure = EnsureCollections { definitions, mode: EnsureMode::Apply };
    db.documents().ensure_collections(&cx, &ensure).await?;
    assert_eq!(db.documents().ensure_collections(&cx, &ensure).await?.changes, []);
    seed::seed(&db).await?;

    for (number, find) in (1..).zip(finds()) {
        let (found, explain) = run(&*db, &cx, &find).await?;
        println!("{number:2}. {:34} {found:3} found, {}", find.caller, plan(&explain));
    }
    updates::run(&db, &cx).await?;
    println!("every find was answered by an index; every update was one step");
    db.close().await
}

/// Runs a find with and without what is optional, all pages. Gives what it found at the least conditions, and how.
async fn run(db: &dyn Persistence, cx: &Context, find: &Find) -> Result<(usize, Explain)> {
    let mut first = None;
    for filter in find.variants() {
        let mut query = FindDocuments {
            order: find.order.clone(),
            id_order: Some(Direction::Ascending),
            ..FindDocuments::new(format!("pipecd_{}", find.kind), filter, 10)
        };
        let explain = db.documents().explain_documents(cx, &query).await?;
        assert!(!explain.scan, "{}: {:?} scans", find.caller, query.filter);
        let mut found = 0;
        loop {
            let page = db.documents().find_documents(cx, &query).await?;
            found += page.documents.len();
            let Some(token) = page.next else { break };
            query.page = PageRequest::after(10, token);
        }
        assert!(found > 0, "{}: {:?} finds nothing", find.caller, query.filter);
        first.get_or_insert((found, explain));
    }
    Ok(first.expect("a find has at least one variant"))
}

/// A plan in a line.
fn plan(explain: &Explain) -> String {
    let access = |a: &persistence::store::ExplainedAccess| {
        let index = a.index.as_deref().unwrap_or("id");
        let partitions = a.partitions.map_or("all projects".to_owned(), |n| format!("{n} project"));
        let keys: Vec<&str> = a.equal.iter().chain(&a.range).map(String::as_str).collect();
        format!("{index}({}) of {partitions}{}", keys.join(", "), if a.residual { " + residual" } else { "" })
    };
    if let Some(narrow) = &explain.narrow {
        return format!("{}, sorted, while few; scan=false", access(narrow));
    }
    let accesses: Vec<String> = explain.accesses.iter().map(access).collect();
    let order = if explain.order_from_index { "" } else { ", sorted" };
    format!("{}{order}, scan={}", accesses.join(" | "), explain.scan)
}
