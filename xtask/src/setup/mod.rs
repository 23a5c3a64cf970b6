//! What the tests need besides Rust.

mod docker;

use crate::command;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::Command;

/// A program that tests start, and the Debian package that has it.
struct Tool {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool { program: "strace", package: "strace", why: "shows that every acknowledgement follows a sync" },
    Tool { program: "pgbouncer", package: "pgbouncer", why: "pools connections in front of PostgreSQL" },
];

/// Installs what is missing, where that is possible: as root, with apt-get. Elsewhere tells what is missing.
pub(crate) fn run(ws: &Workspace) -> Result<()> {
    let may_install = on_path("apt-get") && is_root()?;
    tools(may_install)?;
    docker::prepare(ws, may_install)
}

fn tools(may_install: bool) -> Result<()> {
    let missing: Vec<_> = TOOLS.iter().filter(|t| !on_path(t.program)).collect();
    if missing.is_empty() {
        println!("everything is there: {}", TOOLS.iter().map(|t| t.program).collect::<Vec<_>>().join(", "));
        return Ok(());
    }
    if !may_install {
        for t in missing {
            println!(
                "note: {} is missing ({}); install it, or the tests that need it are ignored",
                t.program, t.why
            );
        }
        return Ok(());
    }
    // A fresh image has no package lists; a mirror that hiccups gets a second chance.
    apt(&["update"]).or_else(|_| apt(&["update"]))?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(missing.iter().map(|t| t.package));
    apt(&install).or_else(|_| apt(&install))?;
    match missing.iter().find(|t| !on_path(t.program)) {
        Some(t) => bail!("{} is still missing", t.program),
        None => Ok(()),
    }
}

fn apt(args: &[&str]) -> Result<()> {
    command::run(
        Command::new("apt-get")
            .args(["-qq", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0"])
            .args(args)
            // Runlevel 1: a package starts no daemon by itself.
            .envs([("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")]),
    )
}

/// Whether a program is there. Daemons are where only root's path leads.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    dirs.into_iter().any(|dir: std::path::PathBuf| Path::new(&dir).join(program).is_file())
}

fn is_root() -> Result<bool> {
    let uid = command::output(Command::new("id").arg("-u")).context("who runs this")?;
    Ok(uid.trim() == "0")
}
