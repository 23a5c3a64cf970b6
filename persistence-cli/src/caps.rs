//! `persist caps`: what the driver behind a URL can do.

use crate::args::CapsArgs;
use crate::output;
use anyhow::{Context as _, Result};
use persistence::{Capability, Env};
use serde_json::{Value, json};

pub(crate) async fn run(args: &CapsArgs) -> Result<()> {
    let db = persistence::connect_with(&args.url, &Env::default()).await.context("cannot connect")?;
    let info = db.info().clone();
    db.close().await.context("closing the database")?;
    if args.json {
        let capabilities: Vec<Value> = Capability::ALL
            .iter()
            .map(|c| json!({"name": c.name(), "declared": info.capabilities.has(*c), "summary": c.summary()}))
            .collect();
        return output::json(&json!({
            "driver": info.driver,
            "location": info.location,
            "capabilities": capabilities,
        }));
    }
    let mut table = output::table(&["capability", "declared", "what it means"]);
    for c in Capability::ALL {
        let declared = if info.capabilities.has(*c) { "yes" } else { "no" };
        table.add_row([c.name(), declared, c.summary()]);
    }
    output::text(&format!("{}\n{table}", output::database(&info)))
}
