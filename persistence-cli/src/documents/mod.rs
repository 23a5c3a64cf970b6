//! `persist documents`: collections as a file declares them, and documents in and out.

mod condition;
mod define;
mod definitions;
mod export;
mod find;
mod import;
mod line;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use persistence::document::CollectionDef;
use persistence::store::{EnsureMode, GetCollection};
use persistence::{Context, Env, Persistence};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args, Debug)]
pub(crate) struct DocumentsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell what would make collections as a file declares them; exit code 1 if there is anything to do
    Plan(DefinitionsArgs),
    /// Make collections as a file declares them; writers may go on meanwhile
    Apply(DefinitionsArgs),
    /// The same, and make anew what somebody made otherwise under its name, as verify tells it
    Repair(DefinitionsArgs),
    /// Tell what is not as a file declares it, also in the database itself; exit code 1 if anything is
    Verify(DefinitionsArgs),
    /// Write documents from lines of JSON, exported ones or plain ones
    Import(ImportArgs),
    /// Write documents as lines of JSON
    Export(ExportArgs),
    /// Find documents by an index, or tell how they would be found
    Find(FindArgs),
}

#[derive(Args, Debug)]
struct DefinitionsArgs {
    /// The database: fjall:./data, sqlite:./data.db, postgres://user@host/database
    #[arg(long)]
    url: String,
    /// The collections: a JSON array of definitions
    #[arg(long, value_name = "FILE")]
    definitions: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where documents are.
#[derive(Args, Debug)]
struct Target {
    /// The database: fjall:./data, sqlite:./data.db, postgres://user@host/database
    #[arg(long)]
    url: String,
    /// The collection
    #[arg(long, value_name = "NAME")]
    collection: String,
}

#[derive(Args, Debug)]
struct ImportArgs {
    #[command(flatten)]
    target: Target,
    /// One JSON object a line: documents as exported, or plain ones with --id; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Lines are plain documents, whose ids are at this path
    #[arg(long, value_name = "PATH")]
    id: Option<String>,
    /// What to do about a document that is there already
    #[arg(long, value_enum, default_value_t = OnConflict::Fail)]
    on_conflict: OnConflict,
    /// Documents in one write, where the database can write them together
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
    /// Writes under way at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What an import does about a document that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnConflict {
    /// Leave it as it is: how an interrupted import is completed
    Skip,
    /// Replace it
    Replace,
    /// Stop
    Fail,
}

/// Which documents.
#[derive(Args, Debug)]
struct Conditions {
    /// What must hold, all of it: 'status=1', 'name^=app-', 'kind in 1,2', 'tags has blue', 'labels has env=dev', 'x exists',
    /// 'x is null', also != < <= > >=, @id for the id; or a filter in JSON
    #[arg(long = "where", visible_alias = "filter", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Read at most this many documents that no index chose
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    scan: Option<u32>,
}

#[derive(Args, Debug)]
struct ExportArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    conditions: Conditions,
    /// Where to [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct FindArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    conditions: Conditions,
    /// The order, PATH or PATH:desc; may be given several times [default: by id]
    #[arg(long, value_name = "PATH")]
    order: Vec<String>,
    /// At most this many documents
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Go on where a page ended: the token that it gave
    #[arg(long, value_name = "TOKEN")]
    page: Option<String>,
    /// Tell how it would be found: by which index, and what of it
    #[arg(long)]
    explain: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Says whether everything was good.
pub(crate) async fn run(args: &DocumentsArgs) -> Result<bool> {
    match &args.what {
        What::Plan(args) => define::run(args, EnsureMode::Plan).await,
        What::Apply(args) => define::run(args, EnsureMode::Apply).await,
        What::Repair(args) => define::run(args, EnsureMode::Repair).await,
        What::Verify(args) => define::run(args, EnsureMode::Verify).await,
        What::Import(args) => {
            let (db, def) = open(&args.target).await?;
            let imported = import::run(&db, def, args).await;
            close(&db, imported).await
        }
        What::Export(args) => {
            let (db, def) = open(&args.target).await?;
            let exported = export::run(&db, &def, args).await;
            close(&db, exported).await.map(|()| true)
        }
        What::Find(args) => {
            let (db, def) = open(&args.target).await?;
            let found = find::run(&db, &def, args).await;
            close(&db, found).await.map(|()| true)
        }
    }
}

fn context() -> Context {
    Context::new().with_caller("persist documents")
}

/// The database, and the collection as it was declared last.
async fn open(target: &Target) -> Result<(Arc<dyn Persistence>, Arc<CollectionDef>)> {
    let db = connect(&target.url).await?;
    let get = GetCollection { collection: target.collection.clone() };
    let def = db.documents().get_collection(&context(), &get).await.context("looking up the collection");
    match def {
        Ok(def) => Ok((db, Arc::new(def))),
        Err(e) => close(&db, Err(e)).await,
    }
}

async fn connect(url: &str) -> Result<Arc<dyn Persistence>> {
    persistence::connect_with(url, &Env::default()).await.context("cannot connect")
}

async fn close<T>(db: &Arc<dyn Persistence>, done: Result<T>) -> Result<T> {
    let closed = db.close().await;
    let done = done?;
    closed.context("closing the database")?;
    Ok(done)
}
