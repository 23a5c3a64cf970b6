//! Real servers for conformance runs: a URL from the environment, else a container.
//!
//! | variable | meaning |
//! |---|---|
//! | `PERSISTENCE_<NAME>_URL` | a server that is there already; it wins over a container |
//! | `PERSISTENCE_<NAME>_IMAGE` | another image, `name:tag` |
//! | `PERSISTENCE_REQUIRE` | drivers, comma-separated, that must be tested: without a server their run fails |

use crate::outage::Container;
use crate::report::DriverReport;
use crate::trials;
use persistence_core::{Error, Outcome, Result};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use testcontainers::core::{IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::sync::OnceCell;

/// A kind of server. One is started for each driver and run.
pub struct Server {
    name: &'static str,
    image: &'static str,
    port: u16,
    ready: &'static str,
    on_stdout: bool,
    env: &'static [(&'static str, &'static str)],
    args: &'static [&'static str],
    data: &'static str,
    expendable: bool,
    running: OnceCell<String>,
    /// With its name.
    container: Mutex<Option<(String, ContainerAsync<GenericImage>)>>,
}

/// Drivers, comma-separated, that must be tested.
const REQUIRE: &str = "PERSISTENCE_REQUIRE";

/// Marks our containers with the process that started them, `host:pid`, so that those of killed runs can be told from those in
/// use.
pub const OWNER_LABEL: &str = "persistence-tests.owner";

/// What the environment says of a server.
pub(crate) fn variable(server: &str, what: &str) -> Option<String> {
    let name = format!("PERSISTENCE_{}_{what}", server.to_uppercase());
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// How long a server may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(180);

impl Server {
    /// A server of this name from this image (`name:tag`), which listens on this port and writes `ready` to its standard error
    /// when it serves.
    pub const fn new(name: &'static str, image: &'static str, port: u16, ready: &'static str) -> Self {
        Server {
            name,
            image,
            port,
            ready,
            on_stdout: false,
            env: &[],
            args: &[],
            data: "",
            expendable: false,
            running: OnceCell::const_new(),
            container: Mutex::new(None),
        }
    }

    /// Which writes that it is ready to its standard output.
    #[must_use]
    pub const fn ready_on_stdout(mut self) -> Self {
        self.on_stdout = true;
        self
    }

    /// With these variables.
    #[must_use]
    pub const fn env(mut self, env: &'static [(&'static str, &'static str)]) -> Self {
        self.env = env;
        self
    }

    /// With these arguments.
    #[must_use]
    pub const fn args(mut self, args: &'static [&'static str]) -> Self {
        self.args = args;
        self
    }

    /// With this directory, where it keeps its data, in memory: what it holds is for this run.
    #[must_use]
    pub const fn data_in_memory(mut self, directory: &'static str) -> Self {
        self.data = directory;
        self
    }

    /// To be paused and killed by [`outage`](crate::outage): always a container, because nobody else may depend on it.
    #[must_use]
    pub const fn expendable(mut self) -> Self {
        self.expendable = true;
        self
    }

    /// The server: its URL from the environment, or what `url` makes of a container's host and port. Started by the first who
    /// asks.
    pub async fn url(&self, url: impl Fn(&str, u16) -> String) -> Result<String> {
        let start = || async {
            match variable(self.name, "URL") {
                Some(url) => Ok(url),
                None => self.start().await.map(|(host, port)| url(&host, port)),
            }
        };
        self.running.get_or_try_init(start).await.cloned()
    }

    /// The server as faults see it. Started by the first who asks.
    ///
    /// # Panics
    ///
    /// When it is not [`expendable`](Self::expendable).
    pub async fn host(&self) -> Result<Container> {
        assert!(self.expendable, "{} is not expendable", self.name);
        self.running.get_or_try_init(|| async { self.start().await.map(|_| String::new()) }).await?;
        let container = self.container.lock().unwrap_or_else(PoisonError::into_inner);
        let name = container.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
        Ok(Container::new(name, self.port))
    }

    async fn start(&self) -> Result<(String, u16)> {
        let failed = |e: testcontainers::TestcontainersError| {
            let error = Error::unavailable(format!("start the {} container", self.name), e.to_string());
            error.with_outcome(Outcome::NotApplied)
        };
        let image = variable(self.name, "IMAGE").unwrap_or_else(|| self.image.to_owned());
        let (name, tag) = image.rsplit_once(':').unwrap_or((&image, "latest"));
        let ready = match self.on_stdout {
            true => WaitFor::message_on_stdout(self.ready),
            false => WaitFor::message_on_stderr(self.ready),
        };
        let image = GenericImage::new(name, tag).with_exposed_port(self.port.tcp()).with_wait_for(ready);
        let mut request = image.with_startup_timeout(START_LIMIT).with_cmd(self.args.iter().copied());
        for (k, v) in self.env {
            request = request.with_env_var(*k, *v);
        }
        if !self.data.is_empty() {
            request = request.with_mount(Mount::tmpfs_mount(self.data));
        }
        // Numbers of processes come again, and a container may have been kept.
        let name = format!("persistence-{}-{}-{:04x}", self.name, std::process::id(), fastrand::u16(..));
        request = request.with_container_name(&name).with_label(OWNER_LABEL, owner());
        let container = request.start().await.map_err(failed)?;
        let port = container.get_host_port_ipv4(self.port).await.map_err(failed)?;
        *self.container.lock().unwrap_or_else(PoisonError::into_inner) = Some((name, container));
        Ok(("127.0.0.1".to_owned(), port))
    }

    /// Runs the suite, unless there is neither a URL nor Docker: then says so, and fails if the driver is required. Removes the
    /// container after a run that passed; one that failed is kept for a look, and its name printed.
    pub fn run(&self, suite: impl FnOnce() -> ExitCode) -> ExitCode {
        if !docker_answers() && (self.expendable || variable(self.name, "URL").is_none()) {
            return self.skipped(if self.expendable { "no Docker" } else { "no Docker, no URL" });
        }
        let code = suite();
        let container = self.container.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((name, container)) = container {
            // Not by its drop, which needs the runtime that has ended.
            std::mem::forget(container);
            if code == ExitCode::SUCCESS {
                let _ = Command::new("docker").args(["rm", "-fv", &name]).output();
            } else {
                println!("{}: the container {name} is kept; remove it with docker rm -fv {name}", self.name);
            }
        }
        code
    }

    fn skipped(&self, reason: &str) -> ExitCode {
        let required = std::env::var(REQUIRE).unwrap_or_default();
        let required = required.split(',').any(|r| r.trim() == self.name);
        println!("{}: SKIPPED ({reason})", self.name);
        let mut report = DriverReport::skipped(self.name, reason);
        if required {
            report.problems.push(format!("it is required, and was skipped: {reason}"));
        }
        let told = trials::write_report(report);
        // As a test program would say it: whoever adds up must not take this for a pass.
        let (verdict, failed) = if required { ("FAILED", 1) } else { ("ok", 0) };
        println!("test result: {verdict}. 0 passed; {failed} failed; 0 ignored");
        if required || !told { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// This process, as the label names it.
pub(crate) fn owner() -> String {
    format!("{}:{}", hostname(), std::process::id())
}

/// The name of this machine.
pub(crate) fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Whether a Docker daemon answers where testcontainers looks for it.
fn docker_answers() -> bool {
    std::env::var_os("DOCKER_HOST").is_some() || UnixStream::connect("/var/run/docker.sock").is_ok()
}
