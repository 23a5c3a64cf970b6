//! The examples, as somebody runs them.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;

/// Where cargo puts examples: beside the directory of test programs.
fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let path = path.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is not built: cargo build -p persistence --examples", path.display());
    path
}

fn run(name: &str, args: &[&str]) -> String {
    let ran = Command::new(example(name)).args(args).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{name} {args:?}\n{out}{err}");
    out.into_owned()
}

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
        let out = run("pipecd_control_plane", &[&url]);
        let finds: Vec<&str> = out.lines().filter(|l| l.contains(" found, ")).collect();
        assert_eq!(finds.len(), 24, "{out}");
        assert!(finds.iter().all(|l| l.ends_with("scan=false")), "{out}");
    }
}

#[test]
fn the_registry_of_fuseml_runs() {
    let dir = tempfile::tempdir().unwrap();
    for url in urls(&dir) {
        let out = run("fuseml_registry", &[&url]);
        assert!(out.contains("8 are there"), "{out}");
        assert_eq!(out.contains("every document is as it was written"), url != "memory:", "{out}");
        assert_eq!(out.contains("is locked by another process"), url.starts_with("fjall:"), "{out}");
    }
    assert!(
        run("fuseml_registry", &[]).contains("is locked by another process"),
        "in a directory of its own"
    );
}
