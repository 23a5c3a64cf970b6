//! Docker, and the images of the servers that drivers are tested on.

use crate::command::{self, echo};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A server: its name in `images/build-images` and in the variables that persistence-tests reads, and its image.
const SERVERS: &[(&str, &str)] =
    &[("postgres", "postgres:18"), ("mysql", "mysql:9.7"), ("cassandra", "cassandra:5.0")];

/// As in persistence-tests: which process a container belongs to, `host:pid`.
const OWNER_LABEL: &str = "persistence-tests.owner";

/// How long a registry may say nothing at first. One that cannot be reached may hang rather than refuse.
const SILENCE: Duration = Duration::from_secs(20);
/// How long it may say nothing while layers come.
const STALL: Duration = Duration::from_secs(180);
/// How long an image may take in all.
const PULL_LIMIT: Duration = Duration::from_secs(600);

/// Starts Docker, gets or makes the images, and removes what killed runs left. `may_install`: as root, on Debian.
pub(super) fn prepare(ws: &Workspace, may_install: bool) -> Result<()> {
    let wanted: Vec<_> = SERVERS.iter().filter(|(name, _)| variable(name, "URL").is_none()).collect();
    if wanted.is_empty() {
        println!("every server has a URL: Docker is not needed");
        return Ok(());
    }
    if !answers() {
        if !may_install {
            println!("note: Docker does not answer; start it, or the drivers of servers are skipped");
            return Ok(());
        }
        command::run(&mut Command::new(ws.root.join("images/start-docker")))?;
    }
    remove_leftovers()?;
    let mut to_make = Vec::new();
    for (name, default) in wanted {
        if let Some(image) = variable(name, "IMAGE") {
            // The user's own choice has no stand-in.
            if made_from(&image).is_none() && !pulled(&image)? {
                bail!("{image} is not there and cannot be pulled");
            }
            continue;
        }
        match made_from(default) {
            Some(stand_in) if stand_in.is_empty() => println!("{default}: already here"),
            // Made from files that may have changed.
            Some(_) => to_make.push(*name),
            // A registry that did not answer for one image is not asked for the next.
            None if to_make.is_empty() && pulled(default)? => {}
            None => to_make.push(*name),
        }
    }
    if to_make.is_empty() {
        return Ok(());
    }
    if !may_install {
        println!("note: only root on Debian can make the images of {}", to_make.join(", "));
        return Ok(());
    }
    command::run(Command::new(ws.root.join("images/build-images")).args(to_make))
}

fn variable(server: &str, what: &str) -> Option<String> {
    let name = format!("PERSISTENCE_{}_{what}", server.to_uppercase());
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

fn docker(args: &[&str]) -> Command {
    let mut docker = Command::new("docker");
    docker.args(args).stdin(Stdio::null());
    docker
}

fn answers() -> bool {
    docker(&["version"]).output().is_ok_and(|out| out.status.success())
}

/// What an image here was made from: nothing of ours if empty, and none if it is not here.
fn made_from(image: &str) -> Option<String> {
    let label = "{{with .Config.Labels}}{{with index . \"stand-in\"}}{{.}}{{end}}{{end}}";
    let out = docker(&["image", "inspect", "--format", label, image]).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// Pulls an image, within limits; whether it is here now.
fn pulled(image: &str) -> Result<bool> {
    let mut pull = docker(&["pull", image]);
    println!("$ {}", command::shown(&pull));
    let mut child = pull.stdout(Stdio::piped()).spawn().context("cannot run docker")?;
    let (tell, said) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).for_each(|line| drop(tell.send(line)));
        });
    }
    let began = Instant::now();
    let mut patience = SILENCE;
    loop {
        match said.recv_timeout(patience.min(PULL_LIMIT.saturating_sub(began.elapsed()))) {
            Ok(_) => patience = STALL,
            Err(RecvTimeoutError::Disconnected) => return Ok(child.wait()?.success()),
            Err(RecvTimeoutError::Timeout) => {
                echo(&format!("gave up pulling {image} after {} s", began.elapsed().as_secs()));
                child.kill().context("docker pull")?;
                child.wait()?;
                return Ok(false);
            }
        }
    }
}

/// Removes the containers of runs of this machine that have ended, and then their networks: killed runs could not, failed ones
/// kept theirs for a look.
fn remove_leftovers() -> Result<()> {
    let owner = format!("{{{{.ID}}}} {{{{.Label \"{OWNER_LABEL}\"}}}}");
    let ours = format!("label={OWNER_LABEL}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let kinds: [(&[&str], &[&str]); 2] =
        [(&["ps", "--all"], &["rm", "--force", "--volumes"]), (&["network", "ls"], &["network", "rm"])];
    for (list, remove) in kinds {
        let list = [list, &["--filter", &ours, "--format", &owner]].concat();
        let found = command::output(&mut docker(&list))?;
        for (id, owner) in found.lines().filter_map(|l| l.split_once(' ')) {
            if is_over(owner, host.trim()) {
                command::run(docker(&[remove, &[id]].concat()).stdout(Stdio::null()))?;
            }
        }
    }
    Ok(())
}

/// Whether the process of `host:pid` has ended. One of another machine cannot be seen.
fn is_over(owner: &str, host: &str) -> bool {
    let pid = owner.split_once(':').filter(|(h, _)| *h == host).and_then(|(_, pid)| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_containers_of_ended_processes_of_this_machine_are_left_over() {
        let me = std::process::id();
        assert!(!is_over(&format!("here:{me}"), "here"));
        // Larger than any number that Linux gives.
        assert!(is_over("here:4194305", "here"));
        assert!(!is_over("there:4194305", "here"));
        assert!(!is_over("", "here"));
        // A cluster that somebody asked for.
        assert!(!is_over("here:kept", "here"));
    }
}
