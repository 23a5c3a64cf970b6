//! The most that a database can do: what an expert would write by hand for this one kind of transition, without this library.
//! The same rows in tables of its own on the same server, the same conditions, the same durability.

mod mysql;
mod postgres;
mod run;
mod sqlite;

use super::measure::{Measured, Worker, measure};
use anyhow::Result;
use run::{Run, Transition};
use std::future::Future;
use std::time::Duration;

/// A probe of the database of a URL.
pub(crate) enum Probe {
    Postgres(Writers<postgres::Hand>),
    Mysql(Writers<mysql::Hand>),
    Sqlite(Writers<sqlite::Hand>),
}

/// A connection, or a way to one.
pub(crate) trait Hand: Send + Sized + 'static {
    /// Makes the tables and a row for each shard; drops what an earlier run left.
    fn set_up(url: &str, shards: u16) -> impl Future<Output = Result<Self>> + Send;

    /// Another of the same database.
    fn another(&self) -> impl Future<Output = Result<Self>> + Send;

    /// Inserts the rows of a run that begins.
    fn begin(&mut self, run: &Run) -> impl Future<Output = Result<()>> + Send;

    /// One transition, in whatever way is fastest.
    fn apply(&mut self, transition: Transition) -> impl Future<Output = Result<()>> + Send;

    /// Drops the tables.
    fn tear_down(self) -> impl Future<Output = Result<()>> + Send;
}

impl Probe {
    /// None where there is no SQL to write by hand.
    pub(crate) async fn open(url: &str, shards: u16) -> Result<Option<Probe>> {
        let scheme = url.split(':').next().unwrap_or_default();
        Ok(Some(match scheme {
            "postgres" | "postgresql" => Probe::Postgres(Writers::open(url, shards).await?),
            "mysql" => Probe::Mysql(Writers::open(url, shards).await?),
            "sqlite" => Probe::Sqlite(Writers::open(url, shards).await?),
            _ => return Ok(None),
        }))
    }

    pub(crate) async fn measure(&mut self, writers: u16, time: Duration) -> Result<Measured> {
        match self {
            Probe::Postgres(w) => w.measure(writers, time).await,
            Probe::Mysql(w) => w.measure(writers, time).await,
            Probe::Sqlite(w) => w.measure(writers, time).await,
        }
    }

    /// Drops the tables.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Probe::Postgres(w) => w.admin.tear_down().await,
            Probe::Mysql(w) => w.admin.tear_down().await,
            Probe::Sqlite(w) => w.admin.tear_down().await,
        }
    }
}

/// Writers, each with a run and a connection of its own.
pub(crate) struct Writers<H> {
    admin: H,
    shards: u16,
    all: Vec<Writer<H>>,
}

struct Writer<H> {
    hand: H,
    run: Run,
}

impl<H: Hand> Writers<H> {
    async fn open(url: &str, shards: u16) -> Result<Self> {
        Ok(Writers { admin: H::set_up(url, shards).await?, shards, all: Vec::new() })
    }

    async fn measure(&mut self, writers: u16, time: Duration) -> Result<Measured> {
        let writers = usize::from(writers);
        while self.all.len() < writers {
            let mut writer =
                Writer { hand: self.admin.another().await?, run: Run::new(self.all.len(), self.shards)? };
            writer.hand.begin(&writer.run).await?;
            self.all.push(writer);
        }
        let (measured, workers) = measure(self.all.drain(..writers).collect(), time).await?;
        self.all.splice(0..0, workers);
        Ok(measured)
    }
}

impl<H: Hand> Worker for Writer<H> {
    async fn step(&mut self) -> Result<()> {
        let transition = self.run.next();
        self.hand.apply(transition).await?;
        self.run.committed();
        Ok(())
    }
}
