//! The harness of drivers on the NoSQL bucket.

use crate::faults::{Faults, Injected};
use crate::fixture::Opener;
use crate::harness::{Harness, Scene, SetUp, Suite, fault_cases, with_again};
use crate::narrow::Narrow;
use crate::nosql::RowFixture;
use crate::report::Waiver;
use crate::{Faulty, Fixture, Isolation, Space, generic, nosql};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use persistence_core::{Capability, DriverInfo, Env, Error, Persistence, Result};
use persistence_nosql::row::{RowStore, SchemaOp};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// How many databases of single cases are open at once: embedded engines have threads and caches in each.
const OWN: usize = 16;

/// How often a write fails in the suite of random faults. Reads do not: a bucket that cannot read what became of a write
/// rightly answers that it does not know, and a case could not tell that from giving up too early.
const WRITE_FAULTS: f64 = 0.25;

/// What makes other stores of those that a bucket opened.
pub(crate) type Wrap = fn(Arc<dyn Persistence>, Env) -> Arc<dyn Persistence>;

type Provider = Box<dyn Fn(Space) -> BoxFuture<'static, Result<Arc<dyn RowStore>>> + Send + Sync>;

/// A driver on the NoSQL bucket under the suite: the driver contract alone (`nosql`), every store on top of it
/// (`generic`), and the writes of those once more under random faults (`faults`).
pub struct NoSqlHarness {
    driver: String,
    waivers: Vec<Waiver>,
    narrow: bool,
    wrap: Option<Wrap>,
    databases: Arc<Databases>,
}

impl NoSqlHarness {
    /// A driver of this name. `provider` opens the database of a [`Space`]: one for the whole run, and one for each case
    /// that wants its own. It is asked for the same space again when a case reopens its database.
    pub fn new<F>(driver: impl Into<String>, provider: impl Fn(Space) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Arc<dyn RowStore>>> + Send + 'static,
    {
        let databases = Databases {
            provider: Box::new(move |space| Box::pin(provider(space))),
            opened: OnceCell::new(),
            set_up: OnceCell::new(),
            own: Arc::new(Semaphore::new(OWN)),
            injected: Mutex::default(),
        };
        NoSqlHarness {
            driver: driver.into(),
            waivers: Vec::new(),
            narrow: false,
            wrap: None,
            databases: Arc::new(databases),
        }
    }

    /// With other stores where a case of the driver contract opens them.
    pub(crate) fn wrapping(mut self, wrap: Option<Wrap>) -> Self {
        self.wrap = wrap;
        self
    }

    /// A deviation that is known: the case (`group::name`, or `suite/group::name`) may fail, and every report says so.
    #[must_use]
    pub fn waive(mut self, case: &str, reason: &str) -> Self {
        self.waivers.push(Waiver { case: case.to_owned(), reason: reason.to_owned() });
        self
    }

    /// Runs the generic suite once more, as `narrow`, with the driver as if it were not atomic across partitions: the
    /// bucket's other way.
    #[must_use]
    pub fn also_narrow(mut self) -> Self {
        self.narrow = true;
        self
    }
}

#[async_trait]
impl Harness for NoSqlHarness {
    fn driver(&self) -> &str {
        &self.driver
    }

    async fn info(&self) -> Result<DriverInfo> {
        // Asked before anything else works: what is missing must be told case by case.
        let info = self.databases.opened().await?.1.info();
        Ok(DriverInfo {
            driver: info.driver.to_owned(),
            location: info.location,
            capabilities: info.capabilities,
        })
    }

    fn suites(self: Arc<Self>) -> Vec<Suite> {
        let (databases, wrap) = (&self.databases, self.wrap);
        let setup = |faults, narrow| NoSqlSetUp { databases: databases.clone(), faults, narrow, wrap };
        let mut suites = vec![
            Suite::new("nosql", nosql::cases(), setup(false, false)),
            Suite::new("generic", generic::cases(), setup(false, false)),
            Suite::new("faults", fault_cases(), setup(true, false)),
        ];
        if self.narrow {
            suites.push(Suite::new("narrow", generic::cases(), setup(false, true)));
        }
        suites
    }

    fn waivers(&self) -> &[Waiver] {
        &self.waivers
    }

    fn injected(&self) -> Injected {
        *lock(&self.databases.injected)
    }

    async fn finish(&self) -> Result<()> {
        match self.databases.opened.get() {
            Some((_, store)) => store.close().await,
            None => Ok(()),
        }
    }
}

fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The databases of a run.
struct Databases {
    provider: Provider,
    opened: OnceCell<(Space, Arc<dyn RowStore>)>,
    set_up: OnceCell<()>,
    own: Arc<Semaphore>,
    injected: Mutex<Injected>,
}

impl Databases {
    async fn open(&self, space: &Space) -> Result<Arc<dyn RowStore>> {
        let store = (self.provider)(space.clone()).await?;
        store.schema(SchemaOp::Setup).await?;
        Ok(store)
    }

    /// The shared database, open.
    async fn opened(&self) -> Result<&(Space, Arc<dyn RowStore>)> {
        let open = || async {
            let space = Space::new(Isolation::Shared);
            let store = (self.provider)(space.clone()).await?;
            Ok((space, store))
        };
        self.opened.get_or_try_init(open).await
    }

    /// The shared database, set up.
    async fn shared(&self) -> Result<&(Space, Arc<dyn RowStore>)> {
        let opened = self.opened().await?;
        let set_up = || async { opened.1.schema(SchemaOp::Setup).await.map(drop) };
        self.set_up.get_or_try_init(set_up).await?;
        Ok(opened)
    }
}

struct NoSqlSetUp {
    databases: Arc<Databases>,
    faults: bool,
    narrow: bool,
    wrap: Option<Wrap>,
}

impl NoSqlSetUp {
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
        let faults = Arc::new(faults);
        let (random, narrow, wrap) = (self.faults, self.narrow, self.wrap);
        let (open, bare) = Default::default();
        Ok(Place { databases, space, faults, random, narrow, wrap, open, bare, _permit: permit })
    }
}

#[async_trait]
impl SetUp<Fixture> for NoSqlSetUp {
    async fn set_up(&self, scene: Scene) -> Result<Fixture> {
        let place = Arc::new(self.place(&scene).await?);
        let (space, faults) = (place.space.clone(), place.faults.clone());
        Fixture::open(place, space, faults, scene.names, scene.seed).await
    }
}

#[async_trait]
impl SetUp<RowFixture> for NoSqlSetUp {
    async fn set_up(&self, scene: Scene) -> Result<RowFixture> {
        let place = self.place(&scene).await?;
        let store = place.store().await?;
        Ok(RowFixture::new(store, Arc::new(place), scene))
    }
}

/// Where the database of one case is, and the driver on it.
pub(crate) struct Place {
    databases: Arc<Databases>,
    pub(crate) space: Space,
    faults: Arc<Faults>,
    random: bool,
    narrow: bool,
    wrap: Option<Wrap>,
    /// The driver that is open in a space of its own.
    open: Mutex<Option<Arc<dyn RowStore>>>,
    /// The spaces in which nothing was set up.
    bare: Mutex<Vec<Space>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Opens the driver; the shared one is open already, and stays so.
    pub(crate) async fn store(&self) -> Result<Arc<dyn RowStore>> {
        if self.space.isolation() == Isolation::Shared {
            return Ok(Arc::new(Narrow::shared(self.databases.shared().await?.1.clone())));
        }
        let store = self.databases.open(&self.space).await?;
        *lock(&self.open) = Some(store.clone());
        Ok(store)
    }

    /// Another driver on the same space: what another process would get.
    pub(crate) async fn rival(&self) -> Result<Arc<dyn RowStore>> {
        self.databases.open(&self.space).await
    }

    /// The stores on a driver, which stays open when they are closed.
    pub(crate) async fn stores(&self, store: Arc<dyn RowStore>, env: Env) -> Result<Arc<dyn Persistence>> {
        let p = persistence_nosql::open(Arc::new(Narrow::shared(store)), env.clone()).await?;
        Ok(self.wrap.map_or_else(|| p.clone(), |wrap| wrap(p.clone(), env)))
    }

    /// A database of its own on which nothing was set up.
    pub(crate) async fn bare(&self) -> Result<Arc<dyn RowStore>> {
        let space = Space::new(Isolation::Own);
        // Kept as long as the case: an embedded engine has its files in there.
        lock(&self.bare).push(space.clone());
        (self.databases.provider)(space).await
    }

    async fn handle(&self, store: Arc<dyn RowStore>, env: Env) -> Result<Arc<dyn Persistence>> {
        let mut store: Arc<dyn RowStore> = Arc::new(Faulty::new(store, self.faults.clone()));
        if self.narrow {
            let without = [Capability::CrossPartition, Capability::AtomicHistory];
            store = Arc::new(Narrow::without(store, &without));
        }
        let p = persistence_nosql::open(store, env).await?;
        Ok(with_again(p, &self.faults))
    }
}

#[async_trait]
impl Opener for Place {
    async fn open(&self, env: Env) -> Result<Arc<dyn Persistence>> {
        self.handle(self.store().await?, env).await
    }

    async fn another(&self, env: Env) -> Result<Arc<dyn Persistence>> {
        let own = lock(&self.open).clone();
        let store = match own {
            Some(store) => Arc::new(Narrow::shared(store)),
            None => self.store().await?,
        };
        self.handle(store, env).await
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
