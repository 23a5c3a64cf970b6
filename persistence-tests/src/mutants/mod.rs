//! Mutants: wrong drivers and wrong buckets, each with the cases that must notice.
//!
//! A suite is worth what it catches. Every mutant is the given driver, or the bucket on it, with one thing broken; each of
//! the cases that it names must fail on it, and pass on the driver as it is.

mod documents;
mod list;
mod parts;
pub(crate) mod rows;
mod tasks;
mod turns;
mod whole;

use crate::faults::Faults;
use crate::fixture::{CASE_LIMIT, Names, Opener, Setting};
use crate::narrow::Narrow;
use crate::report::Status;
use crate::{Case, Faulty, Fixture, NoSqlHarness, Runner, Space, generic, guard};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use persistence_core::{Env, Persistence, Result};
use persistence_nosql::row::{RowStore, SchemaOp};
use rows::{Flaw, Wrong};
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use turns::Turns;

/// A mutant that makes a case run this long has been noticed. The driver as it is has [`CASE_LIMIT`].
const LIMIT: Duration = Duration::from_secs(15);

/// Something wrong, and who must notice.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// The cases of the generic suite or of the driver contract, each of which must fail on it.
    pub killed_by: &'static [&'static str],
    defect: Defect,
}

/// Where a mutant is wrong.
#[derive(Clone, Copy)]
enum Defect {
    /// In the driver.
    Driver(Flaw),
    /// In what the bucket makes of the driver's answers.
    Bucket(Flaw),
    /// In the time that the bucket goes by.
    Clock(fn(Env) -> Env),
    /// In the stores as a whole.
    Stores(fn(Arc<dyn Persistence>, Env) -> Arc<dyn Persistence>),
}

/// Every mutant.
pub fn all() -> Vec<Mutant> {
    list::all()
}

type Factory = Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn RowStore>>> + Send + Sync>;

/// One trial a mutant, and one for the driver as it is: `mutants/<name>`. `factory` makes an empty database; it is asked
/// for one a case.
pub fn trials<F>(factory: impl Fn() -> F + Send + Sync + 'static) -> Vec<Trial>
where
    F: Future<Output = Result<Arc<dyn RowStore>>> + Send + 'static,
{
    let factory: Factory = Arc::new(move || {
        let store = factory();
        Box::pin(async { Ok(Arc::new(Turns(store.await?)) as _) })
    });
    let mutants = all();
    let mut named: Vec<_> = mutants.iter().flat_map(|m| m.killed_by).copied().collect();
    named.sort_unstable();
    named.dedup();
    let sound = factory.clone();
    let mut trials = vec![Trial::test("mutants/none", move || block_on(passes(sound, named)))];
    trials.extend(mutants.into_iter().map(|m| {
        let factory = factory.clone();
        Trial::test(format!("mutants/{}", m.name), move || block_on(dies(factory, m)))
    }));
    trials
}

/// The mutants as a test binary (`harness = false`).
pub fn main<F>(factory: impl Fn() -> F + Send + Sync + 'static) -> ExitCode
where
    F: Future<Output = Result<Arc<dyn RowStore>>> + Send + 'static,
{
    libtest_mimic::run(&Arguments::from_args(), trials(factory)).exit_code()
}

/// On one thread: see [`Turns`].
fn block_on(f: impl Future<Output = Result<(), String>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(f).map_err(Failed::from)
}

/// A case of the generic suite, else of the driver contract.
async fn run(factory: &Factory, defect: Option<Defect>, id: &str) -> Result<(), String> {
    match generic::cases().into_iter().find(|c| c.id == id) {
        Some(case) => run_generic(factory, defect, &case).await,
        None => run_contract(factory, defect, id).await,
    }
}

/// The driver as it is passes every case that some mutant names: else their dying would prove nothing.
async fn passes(factory: Factory, cases: Vec<&'static str>) -> Result<(), String> {
    for id in cases {
        run(&factory, None, id).await.map_err(|e| format!("{id} fails on the driver as it is: {e}"))?;
    }
    Ok(())
}

/// Every case that the mutant names fails on it.
async fn dies(factory: Factory, mutant: Mutant) -> Result<(), String> {
    if mutant.killed_by.is_empty() {
        return Err("no case is named that must notice".to_owned());
    }
    let mut survived = Vec::new();
    for id in mutant.killed_by {
        if run(&factory, Some(mutant.defect), id).await.is_ok() {
            survived.push(*id);
        }
    }
    if survived.is_empty() { Ok(()) } else { Err(format!("not noticed by {}", survived.join(", "))) }
}

async fn run_contract(factory: &Factory, defect: Option<Defect>, id: &str) -> Result<(), String> {
    let factory = factory.clone();
    let harness = NoSqlHarness::new("mutant", move |_| {
        let store = factory();
        async move {
            let store = store.await?;
            Ok(match defect {
                Some(Defect::Driver(flaw)) => Arc::new(Wrong::new(store, flaw)) as _,
                _ => store,
            })
        }
    });
    let wrap = match defect {
        Some(Defect::Stores(wrong)) => Some(wrong),
        _ => None,
    };
    match Runner::new(harness.wrapping(wrap)).run("nosql", id).await.map(|r| r.status) {
        Some(Status::Passed | Status::Ignored { .. } | Status::Waived { .. }) => Ok(()),
        Some(Status::Failed { message }) => Err(message),
        // Passes for a mutant, so that it survives and the name is looked at.
        None if defect.is_some() => Ok(()),
        None => Err("there is no such case".to_owned()),
    }
}

async fn run_generic(factory: &Factory, defect: Option<Defect>, case: &Case<Fixture>) -> Result<(), String> {
    let store = factory().await.map_err(|e| e.to_string())?;
    store.schema(SchemaOp::Setup).await.map_err(|e| e.to_string())?;
    let faults = Arc::new(Faults::none());
    let opener = Arc::new(Wronged { store, faults: faults.clone(), defect });
    let space = Space::new(case.isolation);
    let fixture = Fixture::open(opener, space, faults, Names::default(), 7).await;
    let mut fixture = fixture.map_err(|e| e.to_string())?;
    let limit = if defect.is_some() { LIMIT } else { CASE_LIMIT };
    let ran = tokio::time::timeout(limit, guard::catch((case.run)(&mut fixture))).await;
    let closed = tokio::time::timeout(limit, guard::catch(fixture.tear_down())).await;
    for ended in [ran, closed] {
        ended.map_err(|_| "no end".to_owned())??.map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Opens the bucket on a driver with something wrong in one of them.
struct Wronged {
    store: Arc<dyn RowStore>,
    faults: Arc<Faults>,
    defect: Option<Defect>,
}

#[async_trait]
impl Opener for Wronged {
    async fn open(&self, env: Env) -> Result<Arc<dyn Persistence>> {
        let mut store = self.store.clone();
        if let Some(Defect::Driver(flaw)) = self.defect {
            store = Arc::new(Wrong::new(store, flaw));
        }
        store = Arc::new(Faulty::new(Arc::new(Narrow::shared(store)), self.faults.clone()));
        if let Some(Defect::Bucket(flaw)) = self.defect {
            store = Arc::new(Wrong::new(store, flaw));
        }
        let env = if let Some(Defect::Clock(wrong)) = self.defect { wrong(env) } else { env };
        let p = persistence_nosql::open(store, env.clone()).await?;
        Ok(if let Some(Defect::Stores(wrong)) = self.defect { wrong(p, env) } else { p })
    }

    async fn another(&self, env: Env) -> Result<Arc<dyn Persistence>> {
        self.open(env).await
    }
}
