//! The harness of drivers on the SQL bucket.

use crate::faults::{Faults, Injected};
use crate::faulty_sql::FaultySql;
use crate::fixture::Opener;
use crate::harness::{Harness, Scene, SetUp, Suite, fault_cases, with_again};
use crate::report::Waiver;
use crate::sql::{self, SqlFixture, SqlProbe};
use crate::statements::{self, Seen};
use crate::{Fixture, Isolation, Space, generic};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use persistence_core::{Context, DriverInfo, Env, Error, Persistence, Result};
use persistence_sql::Migrate;
use persistence_sql::dialect::Dialect;
use persistence_sql::driver::{SchemaOp, SchemaStatus, SqlConnection, SqlDriver, SqlInfo};
use persistence_sql::pool::PoolStatus;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// How many databases of single cases are open at once.
const OWN: usize = 8;

/// How often a commit fails in the suite of random faults.
const WRITE_FAULTS: f64 = 0.25;

type Provider = Box<dyn Fn(Space) -> BoxFuture<'static, Result<Arc<dyn SqlDriver>>> + Send + Sync>;

/// A driver on the SQL bucket under the suite: the driver contract alone (`sql`), every store on top of it (`generic`), and the
/// writes of those once more under random faults (`faults`).
pub struct SqlHarness {
    driver: String,
    waivers: Vec<Waiver>,
    databases: Arc<Databases>,
    also: Option<(&'static str, Arc<Databases>)>,
}

impl SqlHarness {
    /// A driver of this name. `provider` opens the database of a [`Space`]: one for the whole run, and one for each case
    /// that wants its own. It is asked for the same space again when a case reopens its database.
    pub fn new<F>(driver: impl Into<String>, provider: impl Fn(Space) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Arc<dyn SqlDriver>>> + Send + 'static,
    {
        let databases = Databases::new(Box::new(move |space| Box::pin(provider(space))));
        SqlHarness { driver: driver.into(), waivers: Vec::new(), databases: Arc::new(databases), also: None }
    }

    /// Runs the cases about executions once more, as a suite of this name, on databases that are opened otherwise: for drivers
    /// that have more than one way to apply a transition.
    #[must_use]
    pub fn also<F>(
        mut self,
        suite: &'static str,
        provider: impl Fn(Space) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Arc<dyn SqlDriver>>> + Send + 'static,
    {
        let databases = Databases::new(Box::new(move |space| Box::pin(provider(space))));
        self.also = Some((suite, Arc::new(databases)));
        self
    }

    /// A server, which these statements look into: it is shown that its sessions may end, among others.
    ///
    /// # Panics
    ///
    /// Never: nothing runs yet.
    #[must_use]
    pub fn server(mut self, probe: SqlProbe) -> Self {
        Arc::get_mut(&mut self.databases).unwrap().probe = Some(probe);
        self
    }

    /// A deviation that is known: the case (`group::name`, or `suite/group::name`) may fail, and every report says so.
    #[must_use]
    pub fn waive(mut self, case: &str, reason: &str) -> Self {
        self.waivers.push(Waiver { case: case.to_owned(), reason: reason.to_owned() });
        self
    }
}

#[async_trait]
impl Harness for SqlHarness {
    fn driver(&self) -> &str {
        &self.driver
    }

    async fn info(&self) -> Result<DriverInfo> {
        let info = self.databases.shared().await?.1.info();
        Ok(DriverInfo {
            driver: info.driver.to_owned(),
            location: info.location,
            capabilities: info.capabilities,
        })
    }

    fn suites(self: Arc<Self>) -> Vec<Suite> {
        let setup = |faults| SqlSetUp { databases: self.databases.clone(), faults };
        let servers = if self.databases.probe.is_some() { sql::server_cases() } else { Vec::new() };
        let mut suites = vec![
            Suite::new("sql", [sql::cases(), servers].concat(), setup(false)),
            Suite::new("generic", generic::cases(), setup(false)),
            Suite::new("faults", fault_cases(), setup(true)),
        ];
        if let Some((name, databases)) = &self.also {
            let mut cases = generic::cases();
            cases.retain(|case| case.covers.iter().any(|c| c.starts_with("execution.")));
            suites.push(Suite::new(name, cases, SqlSetUp { databases: databases.clone(), faults: false }));
        }
        suites
    }

    fn waivers(&self) -> &[Waiver] {
        &self.waivers
    }

    fn problems(&self) -> Vec<String> {
        let mut seen = self.databases.seen.statements();
        if let Some((_, databases)) = &self.also {
            seen.extend(databases.seen.statements());
        }
        // In the package, where Cargo runs its tests.
        statements::problems(Path::new("tests/statements.sql"), &seen)
    }

    fn injected(&self) -> Injected {
        *lock(&self.databases.injected)
    }

    async fn finish(&self) -> Result<()> {
        let also = self.also.iter().map(|(_, databases)| databases);
        for databases in also.chain([&self.databases]) {
            if let Some((_, driver)) = databases.shared.get() {
                driver.close().await?;
            }
        }
        Ok(())
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The databases of a run.
struct Databases {
    provider: Provider,
    shared: OnceCell<(Space, Arc<dyn SqlDriver>)>,
    own: Arc<Semaphore>,
    injected: Mutex<Injected>,
    probe: Option<SqlProbe>,
    seen: Arc<Seen>,
}

impl Databases {
    fn new(provider: Provider) -> Self {
        let own = Arc::new(Semaphore::new(OWN));
        Databases {
            provider,
            shared: OnceCell::new(),
            own,
            injected: Mutex::default(),
            probe: None,
            seen: Arc::default(),
        }
    }

    async fn shared(&self) -> Result<&(Space, Arc<dyn SqlDriver>)> {
        let open = || async {
            let space = Space::new(Isolation::Shared);
            let driver = (self.provider)(space.clone()).await?;
            driver.schema(SchemaOp::Setup).await?;
            Ok((space, driver))
        };
        self.shared.get_or_try_init(open).await
    }
}

struct SqlSetUp {
    databases: Arc<Databases>,
    faults: bool,
}

impl SqlSetUp {
    async fn place(&self, scene: &Scene) -> Result<Place> {
        let databases = self.databases.clone();
        let (space, permit) = match scene.isolation {
            Isolation::Shared => (databases.shared().await?.0.clone(), None),
            Isolation::Own => {
                let permit = databases.own.clone().acquire_owned().await;
                let permit = permit.map_err(|_| Error::closed("pool of databases"))?;
                (Space::new(Isolation::Own), Some(permit))
            }
        };
        let _ = scene.space.set(space.clone());
        let faults = if self.faults { Faults::random(scene.seed, WRITE_FAULTS, 0.0) } else { Faults::none() };
        let (faults, random) = (Arc::new(faults), self.faults);
        Ok(Place { databases, space, faults, random, open: Mutex::default(), _permit: permit })
    }
}

#[async_trait]
impl SetUp<Fixture> for SqlSetUp {
    async fn set_up(&self, scene: Scene) -> Result<Fixture> {
        let place = Arc::new(self.place(&scene).await?);
        let (space, faults) = (place.space.clone(), place.faults.clone());
        Fixture::open(place, space, faults, scene.names, scene.seed).await
    }
}

#[async_trait]
impl SetUp<SqlFixture> for SqlSetUp {
    async fn set_up(&self, scene: Scene) -> Result<SqlFixture> {
        let place = self.place(&scene).await?;
        let driver = place.driver().await?;
        SqlFixture::set_up(&*driver).await?;
        Ok(SqlFixture::new(driver, Arc::new(place), scene))
    }
}

/// Where the database of one case is, and the driver on it.
pub(crate) struct Place {
    databases: Arc<Databases>,
    space: Space,
    faults: Arc<Faults>,
    random: bool,
    /// The driver that is open in a space of its own.
    open: Mutex<Option<Arc<dyn SqlDriver>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    pub(crate) async fn driver(&self) -> Result<Arc<dyn SqlDriver>> {
        if self.space.isolation() == Isolation::Shared {
            return Ok(Arc::new(Lent::new(self.databases.shared().await?.1.clone())));
        }
        let driver = (self.databases.provider)(self.space.clone()).await?;
        *lock(&self.open) = Some(driver.clone());
        Ok(driver)
    }

    /// A database of its own on which nothing was set up, and what keeps it.
    pub(crate) async fn bare(&self) -> Result<(Space, Arc<dyn SqlDriver>)> {
        let space = Space::new(Isolation::Own);
        Ok((space.clone(), (self.databases.provider)(space).await?))
    }

    pub(crate) fn probe(&self) -> Option<SqlProbe> {
        self.databases.probe
    }

    /// Another driver on this space, without prepared statements.
    pub(crate) async fn without_statement_cache(&self) -> Result<Arc<dyn SqlDriver>> {
        (self.databases.provider)(self.space.uncached()).await
    }

    /// Another driver on a space, for tables whose names begin otherwise.
    pub(crate) async fn beside(&self, space: &Space, prefix: &'static str) -> Result<Arc<dyn SqlDriver>> {
        (self.databases.provider)(space.beside(prefix)).await
    }

    async fn handle(&self, driver: Arc<dyn SqlDriver>, env: Env) -> Result<Arc<dyn Persistence>> {
        let faulty = FaultySql::new(driver, self.faults.clone()).noting(self.databases.seen.clone());
        let p = persistence_sql::open(Arc::new(faulty), env).await?;
        Ok(with_again(p, &self.faults))
    }
}

#[async_trait]
impl Opener for Place {
    async fn open(&self, env: Env) -> Result<Arc<dyn Persistence>> {
        self.handle(self.driver().await?, env).await
    }

    async fn another(&self, env: Env) -> Result<Arc<dyn Persistence>> {
        let own = lock(&self.open).clone();
        let driver: Arc<dyn SqlDriver> = match own {
            Some(driver) => Arc::new(Lent::new(driver)),
            None => self.driver().await?,
        };
        self.handle(driver, env).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.random {
            let now = self.faults.injected();
            lock(&self.databases.injected).add(now);
        }
    }
}

/// A driver that others use as well: closing it does nothing.
pub(crate) struct Lent {
    inner: Arc<dyn SqlDriver>,
    migrate: Migrate,
}

impl Lent {
    pub(crate) fn new(inner: Arc<dyn SqlDriver>) -> Self {
        let migrate = inner.info().schema.migrate;
        Lent { inner, migrate }
    }

    /// The same, where opening does this about the schema.
    pub(crate) fn migrating(self, migrate: Migrate) -> Self {
        Lent { migrate, ..self }
    }
}

#[async_trait]
impl SqlDriver for Lent {
    fn info(&self) -> SqlInfo {
        let mut info = self.inner.info();
        info.schema.migrate = self.migrate;
        info
    }

    fn dialect(&self) -> &'static Dialect {
        self.inner.dialect()
    }

    async fn acquire(&self, cx: &Context) -> Result<Box<dyn SqlConnection>> {
        self.inner.acquire(cx).await
    }

    fn pool(&self) -> PoolStatus {
        self.inner.pool()
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        self.inner.schema(op).await
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
