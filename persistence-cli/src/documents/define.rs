//! `persist documents plan`, `apply`, `verify` and `repair`.

use super::{DefinitionsArgs, close, connect, context, definitions};
use crate::output;
use anyhow::{Context as _, Result};
use persistence::store::{EnsureCollections, EnsureMode, Ensured};
use serde_json::{Value, json};

/// Says whether everything is as the file declares it.
pub(super) async fn run(args: &DefinitionsArgs, mode: EnsureMode) -> Result<bool> {
    let definitions = definitions::read(&args.definitions)?;
    let declared = definitions.len();
    let db = connect(&args.url).await?;
    let req = EnsureCollections { definitions, mode };
    let ensured = db.documents().ensure_collections(&context(), &req).await;
    let ensured = close(&db, ensured.context("collections")).await?;
    if args.json {
        output::json(&as_json(&ensured))?;
    } else {
        output::text(&as_text(&ensured, mode, declared))?;
    }
    Ok(matches!(mode, EnsureMode::Apply | EnsureMode::Repair) || ensured.changes.is_empty())
}

fn as_json(ensured: &Ensured) -> Value {
    let changes = ensured.changes.iter();
    let changes: Vec<_> = changes.map(|c| json!({"collection": c.collection, "change": c.what})).collect();
    json!({"changes": changes})
}

fn as_text(ensured: &Ensured, mode: EnsureMode, declared: usize) -> String {
    if ensured.changes.is_empty() {
        return format!("collections: {declared}, all as declared");
    }
    let heading = match mode {
        EnsureMode::Plan => "what apply would do",
        EnsureMode::Verify => "what is not as declared",
        _ => "done",
    };
    let mut table = output::table(&["collection", heading]);
    for change in &ensured.changes {
        table.add_row([&change.collection, &change.what]);
    }
    table.to_string()
}
