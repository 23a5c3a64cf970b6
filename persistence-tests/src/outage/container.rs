//! A server in a container, as faults see it.

use super::host::Host;
use async_trait::async_trait;
use persistence_core::{Error, Result};
use std::process::Command;

/// A container, by its name.
#[derive(Clone, Debug)]
pub struct Container {
    name: String,
    place: Place,
}

/// Where its server is reached.
#[derive(Clone, Debug)]
enum Place {
    /// On this machine, by a port that is another one after each start; inside it is this one.
    Published(u16),
    /// At its own address.
    Address(String),
}

impl Container {
    /// The container of this name, whose server listens on this port inside.
    pub(crate) fn new(name: impl Into<String>, port: u16) -> Self {
        Container { name: name.into(), place: Place::Published(port) }
    }

    /// The container of this name, whose server listens on an address that stays, `host:port`.
    pub(crate) fn at(name: impl Into<String>, address: impl Into<String>) -> Self {
        Container { name: name.into(), place: Place::Address(address.into()) }
    }

    /// Runs `docker verb ARGS NAME MORE`.
    async fn docker(&self, verb: &'static str, args: &[&str], more: &[&str]) -> Result<String> {
        let mut docker = Command::new("docker");
        docker.arg(verb).args(args).arg(&self.name).args(more);
        let failed = |what: String| Error::unavailable(format!("docker {verb}"), what);
        let out = tokio::task::spawn_blocking(move || docker.output()).await;
        let out = out.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
        if out.status.success() {
            Ok(String::from_utf8_lossy(&out.stdout).into_owned())
        } else {
            Err(failed(String::from_utf8_lossy(&out.stderr).trim().to_owned()))
        }
    }
}

#[async_trait]
impl Host for Container {
    async fn address(&self) -> Result<String> {
        let port = match &self.place {
            Place::Address(address) => return Ok(address.clone()),
            Place::Published(port) => port,
        };
        let told = self.docker("port", &[], &[&format!("{port}/tcp")]).await?;
        // One line an address family; the port that Docker chose is another one after each start.
        let port = told.lines().find_map(|l| l.rsplit_once(':')).map(|(_, port)| port.trim());
        let port = port.ok_or_else(|| Error::unavailable("docker port", "no port is published"))?;
        Ok(format!("127.0.0.1:{port}"))
    }

    async fn pause(&self) -> Result<()> {
        self.docker("pause", &[], &[]).await.map(drop)
    }

    async fn resume(&self) -> Result<()> {
        self.docker("unpause", &[], &[]).await.map(drop)
    }

    async fn kill(&self) -> Result<()> {
        self.docker("kill", &["--signal", "KILL"], &[]).await.map(drop)
    }

    async fn stop(&self) -> Result<()> {
        self.docker("stop", &["--time", "30"], &[]).await.map(drop)
    }

    async fn start(&self) -> Result<()> {
        self.docker("start", &[], &[]).await.map(drop)
    }
}
