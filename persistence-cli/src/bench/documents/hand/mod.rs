//! The most that a database can do: what an expert would write by hand for these documents alone. A table of the same shape, with
//! the same indexes, in the same database; statements for just these queries; the documents are read as JSON.

mod marks;
mod mysql;
mod postgres;
mod sqlite;

use super::ask::Ask;
use super::corpus::Doc;
use anyhow::{Result, bail};
use serde_json::Value;
use std::future::Future;
use uuid::Uuid;

/// A document as it was found, with what a caller of the library is told of it, so that both sides read the same.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) body: Value,
    pub(crate) version: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

/// What was found: of a count, so many without their bodies.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) documents: Vec<Row>,
    pub(crate) count: u64,
}

/// A connection.
pub(crate) trait Hand: Send + Sized + 'static {
    /// Makes the tables; drops what an earlier run left.
    fn set_up(url: &str) -> impl Future<Output = Result<Self>> + Send;

    /// Another connection to the same database.
    fn another(&self) -> impl Future<Output = Result<Self>> + Send;

    /// Inserts documents with as few statements as will do.
    fn load(&mut self, documents: &[Doc]) -> impl Future<Output = Result<()>> + Send;

    /// What the server does by itself some time after a load, done now.
    fn settle(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Answers a query; at most so many documents.
    fn ask(&mut self, ask: &Ask) -> impl Future<Output = Result<Rows>> + Send;

    /// Inserts one document.
    fn create(&mut self, doc: &Doc) -> impl Future<Output = Result<()>> + Send;

    /// Replaces one document if it has this version.
    fn replace(&mut self, doc: &Doc, version: i64) -> impl Future<Output = Result<()>> + Send;

    /// Inserts or replaces one document.
    fn put(&mut self, doc: &Doc) -> impl Future<Output = Result<()>> + Send;

    /// Drops the tables.
    fn tear_down(self) -> impl Future<Output = Result<()>> + Send;
}

/// A connection of the database of a URL.
pub(crate) enum Any {
    Postgres(postgres::Hand),
    Mysql(mysql::Hand),
    Sqlite(sqlite::Hand),
}

macro_rules! each {
    ($self:expr, $hand:ident => $do:expr) => {
        match $self {
            Any::Postgres($hand) => $do,
            Any::Mysql($hand) => $do,
            Any::Sqlite($hand) => $do,
        }
    };
}

impl Any {
    /// None where there is nothing to write by hand.
    pub(crate) async fn open(url: &str) -> Result<Option<Any>> {
        Ok(Some(match url.split(':').next().unwrap_or_default() {
            "postgres" | "postgresql" => Any::Postgres(postgres::Hand::set_up(url).await?),
            "mysql" => Any::Mysql(mysql::Hand::set_up(url).await?),
            "sqlite" => Any::Sqlite(sqlite::Hand::set_up(url).await?),
            _ => return Ok(None),
        }))
    }

    pub(crate) async fn another(&self) -> Result<Self> {
        Ok(match self {
            Any::Postgres(h) => Any::Postgres(h.another().await?),
            Any::Mysql(h) => Any::Mysql(h.another().await?),
            Any::Sqlite(h) => Any::Sqlite(h.another().await?),
        })
    }

    pub(crate) async fn load(&mut self, documents: &[Doc]) -> Result<()> {
        each!(self, h => h.load(documents).await)
    }

    pub(crate) async fn settle(&mut self) -> Result<()> {
        each!(self, h => h.settle().await)
    }

    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<Rows> {
        each!(self, h => h.ask(ask).await)
    }

    pub(crate) async fn create(&mut self, doc: &Doc) -> Result<()> {
        each!(self, h => h.create(doc).await)
    }

    pub(crate) async fn replace(&mut self, doc: &Doc, version: i64) -> Result<()> {
        each!(self, h => h.replace(doc, version).await)
    }

    pub(crate) async fn put(&mut self, doc: &Doc) -> Result<()> {
        each!(self, h => h.put(doc).await)
    }

    pub(crate) async fn tear_down(self) -> Result<()> {
        each!(self, h => h.tear_down().await)
    }
}

/// One row was written, or the writer is told.
fn written(rows: u64) -> Result<()> {
    if rows == 0 {
        bail!("by hand: the document has another version");
    }
    Ok(())
}

/// The arguments of a document's columns: what it is partitioned by, id, body.
fn columns(doc: &Doc) -> (&str, Uuid, String) {
    (&doc.project, doc.id, doc.body.to_string())
}

/// Texts of a member that is an array, or of one that is an object, as `key=value`.
fn texts(doc: &Doc, member: &str) -> Vec<String> {
    match &doc.body[member] {
        Value::Array(all) => all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        Value::Object(all) => all.iter().filter_map(|(k, v)| Some(format!("{k}={}", v.as_str()?))).collect(),
        _ => Vec::new(),
    }
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    persistence::Timestamp::from(std::time::SystemTime::now()).0
}

const DROP: [&str; 3] = [
    "DROP TABLE IF EXISTS bench_raw_documents",
    "DROP TABLE IF EXISTS bench_raw_tags",
    "DROP TABLE IF EXISTS bench_raw_labels",
];
