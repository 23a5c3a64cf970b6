//! The same for a database that is a file: the writers are processes, which are killed or stopped, one or two on one file.
//!
//! The test program is its own writer: [`main`] sees in the environment that it was started as one.
//!
//! ```no_run
//! # use persistence_tests::{outage::process::{self, Processes}, core::{Persistence, Result}};
//! # use std::{path::PathBuf, sync::Arc};
//! async fn open(dir: PathBuf) -> Result<Arc<dyn Persistence>> {
//! #   unimplemented!()
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     process::main(Processes::new("mine", open))
//! }
//! ```

use super::load::{create, numbers, wrong};
use super::log::{Claim, Listener, Log, Word};
use super::place::{FIRST_ATTEMPT, Place, places};
use super::writer::{Manners, crew};
use super::{PATIENCE, STUCK};
use crate::faults::Injected;
use crate::fixture::Setting;
use crate::harness::{Harness, Scene, SetUp, Suite};
use crate::report::Waiver;
use crate::{CaseResult, Space};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use persistence_core::{DriverInfo, Error, Persistence, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What a writing process is to do, as JSON.
const TASK: &str = "PERSISTENCE_OUTAGE_TASK";

/// Attempts of one process; the next one begins above them.
const EPOCH: i64 = 1_000_000;

type Open = Arc<dyn Fn(PathBuf) -> BoxFuture<'static, Result<Arc<dyn Persistence>>> + Send + Sync>;

#[derive(Serialize, Deserialize)]
struct Task {
    dir: PathBuf,
    namespace: Uuid,
    runs: Vec<i32>,
    first_attempt: i64,
    seed: u64,
}

/// The suite on a driver whose database is a file.
#[derive(Clone)]
pub struct Processes {
    driver: String,
    open: Open,
    turn: Arc<Mutex<()>>,
}

impl Processes {
    /// On a driver of this name. `open` opens the database in a directory.
    pub fn new<O>(driver: impl Into<String>, open: impl Fn(PathBuf) -> O + Send + Sync + 'static) -> Self
    where
        O: Future<Output = Result<Arc<dyn Persistence>>> + Send + 'static,
    {
        let open: Open = Arc::new(move |dir| Box::pin(open(dir)));
        Processes { driver: driver.into(), open, turn: Arc::default() }
    }

    /// What a writing process does: until its standard input ends.
    async fn work(&self, task: Task) -> Result<()> {
        let p = (self.open)(task.dir).await?;
        let stop = CancellationToken::new();
        let end = stop.clone();
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            end.cancel();
        });
        let mut writers = JoinSet::new();
        let place = |number| Place { number, namespace: task.namespace };
        let places: Vec<_> = task.runs.into_iter().map(place).collect();
        let manners =
            Manners { patience: PATIENCE, hasty: 16, seed: task.seed, first_attempt: task.first_attempt };
        let listener: Arc<dyn Listener> = Arc::new(Told);
        for writer in crew(&p, &places, &manners, &listener, &stop) {
            writers.spawn(writer.run());
        }
        writers.join_all().await;
        p.close().await
    }
}

/// Tells the process that started this one.
struct Told;

impl Listener for Told {
    fn hear(&self, word: Word) {
        let line = serde_json::to_string(&word).unwrap();
        // Whoever started this process may have gone; then nobody wants to know.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

/// Runs the suite as a test program, or what a test program of it started this one for.
pub fn main(processes: Processes) -> ExitCode {
    let Ok(task) = std::env::var(TASK) else { return super::main(processes) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let task = serde_json::from_str(&task).unwrap();
    match runtime.unwrap().block_on(processes.work(task)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            Told.hear(Word::Wrong(format!("a writing process ended with: {e}")));
            ExitCode::FAILURE
        }
    }
}

#[async_trait]
impl Harness for Processes {
    fn driver(&self) -> &str {
        &self.driver
    }

    async fn info(&self) -> Result<DriverInfo> {
        let space = Space::new(crate::Isolation::Own);
        let p = (self.open)(space.dir().to_owned()).await?;
        let info = p.info().clone();
        p.close().await?;
        Ok(info)
    }

    fn suites(self: Arc<Self>) -> Vec<Suite> {
        vec![Suite::new("outage", cases(), Processes::clone(&self))]
    }

    fn waivers(&self) -> &[Waiver] {
        &[]
    }

    fn injected(&self) -> Injected {
        Injected::default()
    }

    async fn finish(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl SetUp<ProcessFixture> for Processes {
    async fn set_up(&self, scene: Scene) -> Result<ProcessFixture> {
        let turn = self.turn.clone().lock_owned().await;
        let space = Space::new(crate::Isolation::Own);
        let _ = scene.space.set(space.clone());
        let p = (self.open)(space.dir().to_owned()).await?;
        let places = places();
        create(&*p, &places).await?;
        p.close().await?;
        Ok(ProcessFixture {
            log: Arc::new(Log::new(numbers(&places))),
            rng: fastrand::Rng::with_seed(scene.seed),
            driver: self.driver.clone(),
            open: self.open.clone(),
            space,
            places,
            children: Vec::new(),
            epoch: 0,
            crashes: 0,
            _turn: turn,
        })
    }
}

/// What a case gets: processes that write to one database.
pub struct ProcessFixture {
    /// What the writers were told.
    pub log: Arc<Log>,
    rng: fastrand::Rng,
    driver: String,
    open: Open,
    space: Space,
    places: Vec<Place>,
    children: Vec<Process>,
    epoch: i64,
    crashes: usize,
    _turn: OwnedMutexGuard<()>,
}

struct Process {
    child: Child,
    runs: Vec<i32>,
    listening: std::thread::JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

impl Process {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "kill {name} failed");
    }
}

impl ProcessFixture {
    /// Starts `n` processes, each with its part of the runs.
    fn begin(&mut self, n: usize) -> CaseResult {
        let shards: BTreeSet<_> = self.places.iter().map(Place::shard).collect();
        let shards: Vec<_> = shards.into_iter().collect();
        for part in shards.chunks(shards.len() / n) {
            let theirs = self.places.iter().filter(|p| part.contains(&p.shard()));
            let process = self.start(theirs.map(|p| p.number).collect())?;
            self.children.push(process);
        }
        Ok(())
    }

    fn start(&mut self, runs: Vec<i32>) -> std::io::Result<Process> {
        let task = Task {
            dir: self.space.dir().to_owned(),
            namespace: self.places[0].namespace,
            runs: runs.clone(),
            first_attempt: self.epoch * EPOCH + FIRST_ATTEMPT,
            seed: self.rng.u64(..),
        };
        self.epoch += 1;
        let mut child = Command::new(std::env::current_exe()?)
            .env(TASK, serde_json::to_string(&task).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        let log = self.log.clone();
        let listening = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
                // The last line of a killed process may be half of one.
                if let Ok(word) = serde_json::from_str(&line) {
                    log.hear(word);
                }
            }
        });
        Ok(Process { child, runs, listening })
    }

    async fn progress(&mut self, some: std::ops::Range<u64>) {
        let some = self.rng.u64(some);
        self.log.progress(some).await;
    }

    /// Kills a process without a last word. What it was told until then is taken down.
    fn kill(&mut self, i: usize) -> CaseResult {
        let process = &mut self.children[i];
        process.child.kill()?;
        process.child.wait()?;
        let listening = std::mem::replace(&mut process.listening, std::thread::spawn(|| ()));
        assert!(listening.join().is_ok());
        self.crashes += 1;
        Ok(())
    }

    /// Starts another process in its place.
    fn start_again(&mut self, i: usize) -> CaseResult {
        let runs = self.children[i].runs.clone();
        self.children[i] = self.start(runs)?;
        Ok(())
    }

    /// Sees every writer go on, ends them, and compares what is stored with what they were told.
    async fn verdict(&mut self) -> CaseResult {
        self.log.progress_of_each(numbers(&self.places), 3).await;
        for mut process in std::mem::take(&mut self.children) {
            drop(process.child.stdin.take());
            let ended = tokio::task::spawn_blocking(move || process.child.wait());
            let ended = tokio::time::timeout(STUCK, ended).await;
            let ended = ended.map_err(|_| Error::timeout("the end of a writing process"))??;
            assert!(ended?.success(), "a writing process failed: {:?}", self.log.wrong());
        }
        let p = (self.open)(self.space.dir().to_owned()).await?;
        let told = format!("{}: {}, {} kills", self.driver, self.log.summary(), self.crashes);
        // A line of its own, whatever the test program is in the middle of.
        println!("\noutage: {told}");
        let wrong = wrong(&*p, &self.places, &self.log, self.crashes).await?;
        p.close().await?;
        assert!(wrong.is_empty(), "{told}\n{}", wrong.join("\n"));
        assert!(self.log.count(Claim::Applied) > 0);
        Ok(())
    }
}

#[async_trait]
impl Setting for ProcessFixture {
    async fn tear_down(&mut self) -> CaseResult {
        self.children.clear();
        Ok(())
    }
}

crate::cases! {
    fixture: ProcessFixture;
    group: "process";

    /// A process that is killed under load: no acknowledged transition is lost, none is applied twice, every outcome is as it
    /// was reported.
    #[covers("capability.durable")]
    async fn is_killed(t) {
        t.begin(1)?;
        for _ in 0..6 {
            t.progress(50..400).await;
            t.kill(0)?;
            t.start_again(0)?;
        }
        t.verdict().await?;
    }

    /// The same where another process writes to the same database, and goes on.
    #[covers("capability.multi_process")]
    #[needs(MultiProcess)]
    async fn is_killed_beside_another(t) {
        t.begin(2)?;
        for i in 0..6 {
            t.progress(50..400).await;
            t.kill(i % 2)?;
            let other = t.children[1 - i % 2].runs.clone();
            t.log.progress_of_each(other.into_iter(), 2).await;
            t.start_again(i % 2)?;
        }
        t.verdict().await?;
    }

    /// The same where one of two processes stands still, perhaps with everything locked, and goes on.
    #[covers("capability.multi_process")]
    #[needs(MultiProcess)]
    async fn stands_still_beside_another(t) {
        t.begin(2)?;
        for i in 0..5 {
            t.progress(50..400).await;
            let process = &t.children[i % 2];
            process.signal("-STOP");
            tokio::time::sleep(Duration::from_millis(t.rng.u64(100..1_500))).await;
            t.children[i % 2].signal("-CONT");
        }
        t.verdict().await?;
    }
}
