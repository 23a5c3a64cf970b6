//! What there is: the crates of the workspace, as cargo tells it. Nothing here names a driver.

use crate::command::{self, cargo};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The test target that runs the conformance suite, in every driver.
pub(crate) const CONFORMANCE: &str = "conformance";

/// The test target that hurts servers and networks, in drivers that have one. It is run only when it is asked for.
pub(crate) const OUTAGE: &str = "outage";

/// The workspace that this program was built in.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let mut metadata = cargo();
        metadata.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
        let mut ws: Workspace =
            serde_json::from_str(&command::output(&mut metadata)?).context("cargo metadata")?;
        ws.packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(ws)
    }

    /// The crates that are drivers, by name.
    pub(crate) fn drivers(&self) -> impl Iterator<Item = (&str, &Package)> {
        self.packages.iter().filter_map(|p| Some((p.name.strip_prefix("driver-")?, p)))
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|p| p.name == name)
    }

    /// The names of all test targets but the suites on drivers.
    pub(crate) fn integration_tests(&self) -> BTreeSet<&str> {
        self.packages.iter().flat_map(Package::tests).filter(|t| ![CONFORMANCE, OUTAGE].contains(t)).collect()
    }

    /// Where reports go.
    pub(crate) fn reports(&self) -> PathBuf {
        self.root.join("reports")
    }
}

impl Package {
    pub(crate) fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    fn tests(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|t| t.kind.iter().any(|k| k == "test")).map(|t| t.name.as_str())
    }

    pub(crate) fn has_test(&self, name: &str) -> bool {
        self.tests().any(|t| t == name)
    }

    /// What it needs to be built, apart from tests.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().filter(|d| d.kind.is_none()).map(|d| d.name.as_str())
    }
}
