//! `persist documents export`: documents as lines, page by page.

use super::{ExportArgs, context, line};
use crate::progress;
use crate::replay::retry::again;
use anyhow::{Context as _, Result};
use persistence::document::plan::OrderBy;
use persistence::document::{CollectionDef, Filter, Scope};
use persistence::store::{FindDocuments, ScanPolicy};
use persistence::{PageRequest, Persistence};
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::Arc;

/// Documents of one page.
const PAGE: u32 = 500;

pub(super) async fn run(db: &Arc<dyn Persistence>, def: &CollectionDef, args: &ExportArgs) -> Result<()> {
    let mut query = query(db, def, args).await?;
    let mut out: Box<dyn Write> = match &args.output {
        None => Box::new(BufWriter::new(io::stdout())),
        Some(path) => {
            let file = File::create(path).with_context(|| path.display().to_string())?;
            Box::new(BufWriter::new(file))
        }
    };
    let bar = progress::counter("exported");
    loop {
        let cx = context();
        let page = again(|| db.documents().find_documents(&cx, &query)).await.context("reading documents")?;
        for document in &page.documents {
            let written = writeln!(out, "{}", line::write(document));
            if let Err(e) = written {
                return gone(e);
            }
        }
        bar.inc(u64::try_from(page.documents.len()).unwrap_or(0));
        let Some(token) = page.next else { break };
        query.page = PageRequest::after(query.page.size, token);
    }
    bar.finish_and_clear();
    out.flush().or_else(gone_io).context("writing")
}

/// A reader that goes away early (`| head`) is no failure.
fn gone(e: io::Error) -> Result<()> {
    gone_io(e).context("writing")
}

fn gone_io(e: io::Error) -> io::Result<()> {
    if e.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(e) }
}

/// What is read: by id, or in the order of an index that has every document, so that pages need not be sorted.
async fn query(db: &Arc<dyn Persistence>, def: &CollectionDef, args: &ExportArgs) -> Result<FindDocuments> {
    let filter = args.conditions.filter(def)?;
    let by_id = FindDocuments::new(&*def.name, filter, PAGE);
    if let ScanPolicy::Allow { max_documents } = args.conditions.scan() {
        // What is sorted is read anew for every page, so let there be one.
        return Ok(FindDocuments {
            page: PageRequest::first(max_documents),
            scan: args.conditions.scan(),
            ..by_id
        });
    }
    let everything = by_id.filter == Filter::everything();
    let indexes = def.indexes.iter().filter(|i| everything && i.scope == Scope::Collection);
    let ordered = indexes.map(|index| {
        let key = |k: &persistence::document::IndexKey| {
            let path = def.attribute_named(&k.attribute)?.path.clone();
            Some(OrderBy { path, direction: k.direction })
        };
        let order: Option<Vec<OrderBy>> = index.keys.iter().map(key).collect();
        let id_order = Some(index.id_order);
        order.map(|order| FindDocuments { order, id_order, ..by_id.clone() })
    });
    for query in [Some(by_id.clone())].into_iter().chain(ordered).flatten() {
        // An order that not every document has cannot be asked for.
        let Ok(explain) = db.documents().explain_documents(&context(), &query).await else { continue };
        if !explain.scan && explain.order_from_index {
            return Ok(query);
        }
    }
    // With conditions, what was chosen may be sorted. Without, this is refused with the index to declare.
    Ok(by_id)
}
