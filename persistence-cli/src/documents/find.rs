//! `persist documents find`: a page of documents, or how it would be found.

use super::condition::order;
use super::{FindArgs, context, line};
use crate::output;
use crate::show::page;
use crate::time::rfc3339;
use anyhow::{Context as _, Result};
use persistence::Persistence;
use persistence::document::CollectionDef;
use persistence::store::{DocumentPage, Explain, ExplainedAccess, FindDocuments};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn run(db: &Arc<dyn Persistence>, def: &CollectionDef, args: &FindArgs) -> Result<()> {
    let query = FindDocuments {
        order: args.order.iter().map(|text| order(text)).collect::<Result<_>>()?,
        page: page::request(args.limit, args.page.as_deref())?,
        scan: args.conditions.scan(),
        ..FindDocuments::new(&*def.name, args.conditions.filter(def)?, args.limit)
    };
    if args.explain {
        let explain = db.documents().explain_documents(&context(), &query).await.context("explaining")?;
        if args.json {
            output::json(&explained(&explain))?
        } else {
            output::text(&plan(&explain))?
        }
        if explain.scan && args.conditions.scan.is_none() {
            // It is refused before anything is read, with the index to declare.
            db.documents().find_documents(&context(), &query).await.context("refused without --scan N")?;
        }
        return Ok(());
    }
    let found = db.documents().find_documents(&context(), &query).await.context("finding documents")?;
    if args.json { output::json(&documents(&found)) } else { output::text(&table(&found)) }
}

fn documents(found: &DocumentPage) -> Value {
    let lines: Vec<Value> = found.documents.iter().map(line::write).collect();
    json!({
        "documents": lines,
        "examined": found.examined,
        "budget_exhausted": found.budget_exhausted,
        "next": found.next.as_ref().map(page::encode),
    })
}

fn table(found: &DocumentPage) -> String {
    let mut table = output::table(&["key", "version", "updated", "document"]);
    for d in &found.documents {
        table.add_row([d.key.to_string(), d.version.to_string(), rfc3339(d.updated), d.body.to_string()]);
    }
    let mut text = table.to_string();
    if found.budget_exhausted {
        text.push_str(&format!("\nlooked at {} documents, and stopped", found.examined));
    }
    if let Some(token) = &found.next {
        text.push_str(&format!("\nmore: --page {}", page::encode(token)));
    }
    text
}

fn explained(explain: &Explain) -> Value {
    let access = |a: &ExplainedAccess| {
        json!({
            "index": a.index,
            "partitions": a.partitions,
            "equal": a.equal,
            "range": a.range,
            "ids": a.ids,
            "residual": a.residual,
        })
    };
    json!({
        "narrow": explain.narrow.as_ref().map(access),
        "accesses": explain.accesses.iter().map(access).collect::<Vec<_>>(),
        "order_from_index": explain.order_from_index,
        "scan": explain.scan,
    })
}

fn plan(explain: &Explain) -> String {
    let mut table = output::table(&["index", "partitions", "equal", "range", "residual"]);
    for a in explain.narrow.iter().chain(&explain.accesses) {
        let range = a.range.clone().or_else(|| a.ids.then(|| "id".to_owned())).unwrap_or_default();
        table.add_row([
            a.index.clone().unwrap_or_else(|| "by id".to_owned()),
            a.partitions.map_or_else(|| "all".to_owned(), |n| n.to_string()),
            a.equal.join(", "),
            range,
            (if a.residual { "some conditions, on documents" } else { "none" }).to_owned(),
        ]);
    }
    let order = match (&explain.narrow, explain.order_from_index) {
        (Some(_), _) => "sorted, if the first index finds few; else from the other one",
        (None, true) => "from the index",
        (None, false) => "sorted after reading everything",
    };
    let scan = if explain.scan { "yes: documents are read that no index chose" } else { "no" };
    format!("{table}\norder: {order}\nscan: {scan}")
}
