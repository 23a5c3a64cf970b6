//! The examples, as somebody runs them.

#![allow(clippy::unwrap_used)]

mod support;

use support::{control_plane, registry, run};

/// URLs of databases that need nothing, in a directory that goes with the test.
fn urls(dir: &tempfile::TempDir) -> Vec<String> {
    let at = |scheme: &str| format!("{scheme}:{}", dir.path().join(scheme).display());
    let mut urls = vec!["memory:".to_owned(), at("fjall")];
    urls.extend(cfg!(feature = "sqlite").then(|| at("sqlite")));
    urls
}

#[test]
fn the_engine_loop_runs() {
    assert!(run("engine_loop", &[]).contains("fenced out"));
}

#[test]
fn the_control_plane_of_pipecd_runs() {
    let dir = tempfile::tempdir().unwrap();
    for url in urls(&dir) {
        control_plane(&url);
        control_plane(&url);
    }
}

#[test]
fn the_registry_of_fuseml_runs() {
    let dir = tempfile::tempdir().unwrap();
    for url in urls(&dir) {
        registry(&url);
        registry(&url);
    }
    assert!(
        run("fuseml_registry", &[]).contains("is locked by another process"),
        "in a directory of its own"
    );
}
