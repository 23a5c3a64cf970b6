//! Clusters of servers in containers, on a network of their own.
//!
//! Each node keeps its address when it is killed and started again, and this machine reaches it there: no port is published and
//! none is translated, so drivers may dial what nodes announce. That works on Linux, where containers' networks are bridges of
//! the machine.

use crate::outage::Container;
use crate::server::{OWNER_LABEL, hostname, owner, variable};
use persistence_core::{Error, Outcome, Result};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long a node may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(180);

/// Marks everything of a cluster with the name of its network.
const CLUSTER_LABEL: &str = "persistence-tests.cluster";

/// A kind of cluster. One is started for each driver and run.
pub struct Cluster {
    name: &'static str,
    image: &'static str,
    port: u16,
    seeds: &'static str,
    env: &'static [(&'static str, &'static str)],
    size: u8,
    met: &'static str,
    started: OnceCell<Vec<Node>>,
    network: Mutex<Option<String>>,
}

/// A container of a cluster.
#[derive(Clone, Debug)]
struct Node {
    container: String,
    address: String,
}

impl Cluster {
    /// Three nodes from this image (`name:tag`, unless `PERSISTENCE_<NAME>_IMAGE` says another one), which listen on this
    /// port. The environment variable `seeds` tells each of them the addresses of all, comma-separated: whichever comes back first
    /// after all were gone must not wait for another one.
    pub const fn new(name: &'static str, image: &'static str, port: u16, seeds: &'static str) -> Self {
        Cluster {
            name,
            image,
            port,
            seeds,
            env: &[],
            size: 3,
            met: "",
            started: OnceCell::const_new(),
            network: Mutex::new(None),
        }
    }

    /// With these variables on every node.
    #[must_use]
    pub const fn env(mut self, env: &'static [(&'static str, &'static str)]) -> Self {
        self.env = env;
        self
    }

    /// Which write this to their standard output when they have met another one, with `{}` for its host. Until all have met all
    /// the cluster is not there: what is created before may not get to everybody.
    #[must_use]
    pub const fn met(mut self, met: &'static str) -> Self {
        self.met = met;
        self
    }

    /// With so many nodes.
    #[must_use]
    pub const fn size(mut self, size: u8) -> Self {
        self.size = size;
        self
    }

    /// Its nodes as faults see them. Started by the first who asks, one after the other.
    pub async fn nodes(&'static self) -> Result<Vec<Container>> {
        let start = || async {
            let network =
                format!("persistence-{}-{}-{:04x}", self.name, std::process::id(), fastrand::u16(..));
            *self.network() = Some(network.clone());
            let up = tokio::task::spawn_blocking(move || self.start(&network, &owner(), &[]));
            up.await.map_err(|e| failed("start a cluster", e.to_string()))?
        };
        let nodes = self.started.get_or_try_init(start).await?;
        Ok(nodes.iter().map(|n| Container::at(&n.container, &n.address)).collect())
    }

    fn network(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the suite. Removes the cluster after a run that passed; one that failed is kept for a look.
    pub fn run(&self, suite: impl FnOnce() -> ExitCode) -> ExitCode {
        let code = suite();
        if let Some(network) = self.network().take() {
            if code == ExitCode::SUCCESS {
                let _ = remove(&network);
            } else {
                println!("{}: the cluster {network} is kept; cargo xtask setup removes it", self.name);
            }
        }
        code
    }

    /// Starts a cluster that outlives this process, until [`down`](Self::down): the addresses of its nodes.
    pub fn up(&self, env: &[(String, String)]) -> Result<Vec<String>> {
        self.down()?;
        // No process is called so, hence nobody takes it for a leftover.
        let owner = format!("{}:kept", hostname());
        Ok(self.start(&self.kept(), &owner, env)?.into_iter().map(|n| n.address).collect())
    }

    /// Removes the cluster of [`up`](Self::up), if there is one.
    pub fn down(&self) -> Result<()> {
        remove(&self.kept())
    }

    fn kept(&self) -> String {
        format!("persistence-{}-kept", self.name)
    }

    fn start(&self, network: &str, owner: &str, env: &[(String, String)]) -> Result<Vec<Node>> {
        let image = variable(self.name, "IMAGE").unwrap_or_else(|| self.image.to_owned());
        let (owner, cluster) = (format!("{OWNER_LABEL}={owner}"), format!("{CLUSTER_LABEL}={network}"));
        let labels = ["--label", &*owner, "--label", &*cluster];
        let subnet = create_network(network, &labels)?;
        // The first address is the bridge's own.
        let host = |n: u8| format!("{subnet}.{}", n + 10);
        let seeds: Vec<_> = (1..=self.size).map(host).collect();
        let mut nodes = Vec::new();
        for n in 1..=self.size {
            let container = format!("{network}-{n}");
            let mut run = Command::new("docker");
            run.args(["run", "--detach", "--name", &container, "--network", network, "--ip", &host(n)]);
            run.args(labels).args(["--env", &format!("{}={}", self.seeds, seeds.join(","))]);
            let more = env.iter().map(|(k, v)| (&**k, &**v));
            for (k, v) in self.env.iter().copied().chain(more) {
                run.args(["--env", &format!("{k}={v}")]);
            }
            docker(run.arg(&image))?;
            let node = Node { container, address: format!("{}:{}", host(n), self.port) };
            // A node joins those that are there, so they come one by one.
            listens(&node)?;
            nodes.push(node);
        }
        for one in (1..=self.size).map(usize::from) {
            for other in (1..=self.size).filter(|n| usize::from(*n) != one) {
                have_met(&nodes[one - 1], &self.met.replace("{}", &host(other)))?;
            }
        }
        Ok(nodes)
    }
}

fn failed(what: &str, why: impl Into<String>) -> Error {
    Error::unavailable(what, why.into()).with_outcome(Outcome::NotApplied)
}

/// Runs a command of docker: what it says.
fn docker(command: &mut Command) -> Result<String> {
    let out = command.output().map_err(|e| failed("docker", e.to_string()))?;
    if out.status.success() {
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    } else {
        Err(failed("docker", String::from_utf8_lossy(&out.stderr).trim()))
    }
}

/// Makes a network whose addresses we choose, in a range that nobody else has: its first three bytes. A node that comes back gets
/// its address again only where it was chosen.
fn create_network(name: &str, labels: &[&str]) -> Result<String> {
    let mut tries = 0;
    loop {
        let subnet = format!("10.213.{}", fastrand::u8(..));
        let mut create = Command::new("docker");
        create.args(["network", "create", "--subnet", &format!("{subnet}.0/24")]).args(labels).arg(name);
        match docker(&mut create) {
            Ok(_) => return Ok(subnet),
            Err(e) if tries == 20 => return Err(e),
            Err(_) => tries += 1,
        }
    }
}

/// Waits until a node listens.
fn listens(node: &Node) -> Result<()> {
    let address: SocketAddr = node
        .address
        .parse()
        .map_err(|_| failed("start a node", format!("{} is no address", node.address)))?;
    let until = Instant::now() + START_LIMIT;
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        let state = ["inspect", "--format", "{{.State.Running}}", &node.container];
        if docker(Command::new("docker").args(state))? != "true" {
            return Err(failed("start a node", format!("{} has ended; see its log", node.container)));
        }
        if Instant::now() > until {
            return Err(failed("start a node", format!("{} does not listen", node.container)));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Waits until a node has written this.
fn have_met(node: &Node, text: &str) -> Result<()> {
    let until = Instant::now() + START_LIMIT;
    while !docker(Command::new("docker").args(["logs", &node.container]))?.contains(text) {
        if Instant::now() > until {
            return Err(failed("start a cluster", format!("{} never wrote {text:?}", node.container)));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Removes a network and the containers on it.
fn remove(network: &str) -> Result<()> {
    let label = format!("label={CLUSTER_LABEL}={network}");
    let containers = docker(Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &label]))?;
    if !containers.is_empty() {
        docker(Command::new("docker").args(["rm", "--force", "--volumes"]).args(containers.lines()))?;
    }
    let networks = docker(Command::new("docker").args(["network", "ls", "--quiet", "--filter", &label]))?;
    for id in networks.lines() {
        docker(Command::new("docker").args(["network", "rm", id]))?;
    }
    Ok(())
}
