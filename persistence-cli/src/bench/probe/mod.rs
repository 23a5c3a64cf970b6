//! The most that a database can do: what an expert would write by hand for this one kind of transition, without this library.
//! The same rows in tables of its own on the same server, the same conditions, the same durability.

mod cassandra;
mod mysql;
mod postgres;
mod run;
mod sqlite;

use super::groups::Grouping;
use super::measure::{Measured, Worker, measure};
use anyhow::{Result, bail};
pub(crate) use run::bind;
use run::{Run, Transition};
pub(crate) use sqlite::options as sqlite_options;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

/// A probe of the database of a URL.
pub(crate) enum Probe {
    Postgres(Writers<postgres::Hand>),
    Mysql(Writers<mysql::Hand>),
    Sqlite(Writers<sqlite::Hand>),
    /// In two writes, and in one.
    Cassandra(Writers<cassandra::Hand>, Writers<cassandra::Hand>),
}

/// A connection, or a way to one.
pub(crate) trait Hand: Send + Sized + 'static {
    /// Whether it has a way for several transitions of a shard at once.
    const GROUPS: bool = false;

    /// Makes the tables and a row for each shard; drops what an earlier run left.
    fn set_up(url: &str, shards: u16) -> impl Future<Output = Result<Self>> + Send;

    /// Another of the same database.
    fn another(&self) -> impl Future<Output = Result<Self>> + Send;

    /// Inserts the rows of a run that begins.
    fn begin(&mut self, run: &Run) -> impl Future<Output = Result<()>> + Send;

    /// One transition, in whatever way is fastest.
    fn apply(&mut self, transition: Transition) -> impl Future<Output = Result<()>> + Send;

    /// Several transitions of one shard.
    fn apply_all(&mut self, _: Vec<Transition>) -> impl Future<Output = Result<()>> + Send {
        async { bail!("there is no way for groups by hand") }
    }

    /// Drops the tables.
    fn tear_down(self) -> impl Future<Output = Result<()>> + Send;
}

impl Probe {
    /// None where there is nothing to write by hand.
    pub(crate) async fn open(url: &str, shards: u16) -> Result<Option<Probe>> {
        let scheme = url.split(':').next().unwrap_or_default();
        Ok(Some(match scheme {
            "postgres" | "postgresql" => Probe::Postgres(Writers::open(url, shards).await?),
            "mysql" => Probe::Mysql(Writers::open(url, shards).await?),
            "sqlite" => Probe::Sqlite(Writers::open(url, shards).await?),
            "cassandra" => {
                let two = Writers::<cassandra::Hand>::open(url, shards).await?;
                let one = Writers::of(two.admin.whole(), shards);
                Probe::Cassandra(two, one)
            }
            _ => return Ok(None),
        }))
    }

    pub(crate) async fn measure(&mut self, writers: u16, time: Duration) -> Result<Measured> {
        match self {
            Probe::Postgres(w) => w.measure(writers, time).await,
            Probe::Mysql(w) => w.measure(writers, time).await,
            Probe::Sqlite(w) => w.measure(writers, time).await,
            Probe::Cassandra(w, _) => w.measure(writers, time).await,
        }
    }

    /// The same in a single write, where the other way has two.
    pub(crate) async fn measure_whole(&mut self, writers: u16, time: Duration) -> Result<Option<Measured>> {
        match self {
            Probe::Cassandra(_, whole) => whole.measure(writers, time).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The same with several transitions in each call, where there is a way.
    pub(crate) async fn measure_groups(
        &mut self,
        writers: u16,
        grouping: Grouping,
        time: Duration,
    ) -> Result<Option<Measured>> {
        match self {
            Probe::Postgres(w) => w.measure_groups(writers, grouping, time).await,
            Probe::Mysql(w) => w.measure_groups(writers, grouping, time).await,
            Probe::Sqlite(w) => w.measure_groups(writers, grouping, time).await,
            Probe::Cassandra(w, _) => w.measure_groups(writers, grouping, time).await,
        }
    }

    /// Drops the tables.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Probe::Postgres(w) => w.admin.tear_down().await,
            Probe::Mysql(w) => w.admin.tear_down().await,
            Probe::Sqlite(w) => w.admin.tear_down().await,
            Probe::Cassandra(w, _) => w.admin.tear_down().await,
        }
    }
}

/// Writers, each with a run and a connection of its own.
pub(crate) struct Writers<H> {
    admin: H,
    shards: u16,
    all: Vec<Writer<H>>,
    groups: HashMap<(Grouping, u16), Vec<Group<H>>>,
}

struct Writer<H> {
    hand: H,
    run: Run,
}

/// A writer with several runs of one shard.
struct Group<H> {
    hand: H,
    runs: Vec<Run>,
}

impl<H: Hand> Writers<H> {
    async fn open(url: &str, shards: u16) -> Result<Self> {
        Ok(Writers::of(H::set_up(url, shards).await?, shards))
    }

    fn of(admin: H, shards: u16) -> Self {
        Writers { admin, shards, all: Vec::new(), groups: HashMap::new() }
    }

    async fn measure(&mut self, writers: u16, time: Duration) -> Result<Measured> {
        let writers = usize::from(writers);
        while self.all.len() < writers {
            let (index, shards) = (self.all.len(), usize::from(self.shards));
            let mut writer =
                Writer { hand: self.admin.another().await?, run: Run::new(index % shards, index)? };
            writer.hand.begin(&writer.run).await?;
            self.all.push(writer);
        }
        let (measured, workers) = measure(self.all.drain(..writers).collect(), time).await?;
        self.all.splice(0..0, workers);
        Ok(measured)
    }

    async fn measure_groups(
        &mut self,
        writers: u16,
        grouping: Grouping,
        time: Duration,
    ) -> Result<Option<Measured>> {
        let calls = if H::GROUPS { grouping.calls(writers, self.shards) } else { Vec::new() };
        if calls.is_empty() {
            return Ok(None);
        }
        let key = (grouping, writers);
        let groups = match self.groups.remove(&key) {
            Some(groups) => groups,
            None => self.start_groups(&calls).await?,
        };
        let (measured, groups) = measure(groups, time).await?;
        self.groups.insert(key, groups);
        Ok(Some(measured))
    }

    async fn start_groups(&self, calls: &[(usize, usize)]) -> Result<Vec<Group<H>>> {
        // Ids apart from those of single writers, and of other groups.
        let mut index = usize::from(u16::MAX) * (self.groups.len() + 1);
        let mut groups = Vec::with_capacity(calls.len());
        for &(shard, size) in calls {
            let mut group = Group { hand: self.admin.another().await?, runs: Vec::with_capacity(size) };
            for _ in 0..size {
                index += 1;
                let run = Run::new(shard, index)?;
                group.hand.begin(&run).await?;
                group.runs.push(run);
            }
            groups.push(group);
        }
        Ok(groups)
    }
}

impl<H: Hand> Worker for Writer<H> {
    async fn step(&mut self) -> Result<u64> {
        let transition = self.run.next();
        self.hand.apply(transition).await?;
        self.run.committed();
        Ok(1)
    }
}

impl<H: Hand> Worker for Group<H> {
    async fn step(&mut self) -> Result<u64> {
        let transitions = self.runs.iter_mut().map(Run::next).collect();
        self.hand.apply_all(transitions).await?;
        self.runs.iter_mut().for_each(Run::committed);
        Ok(self.runs.len() as u64)
    }
}
