//! Runs examples, as somebody does, and looks at what they say.

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

/// What an example says that ends well.
pub(crate) fn run(name: &str, args: &[&str]) -> String {
    let ran = Command::new(example(name)).args(args).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{name} {args:?}\n{out}{err}");
    out.into_owned()
}

/// Every find of the control plane is answered by an index.
pub(crate) fn control_plane(url: &str) {
    let out = run("pipecd_control_plane", &[url]);
    let finds: Vec<&str> = out.lines().filter(|l| l.contains(" found, ")).collect();
    assert_eq!(finds.len(), 24, "{out}");
    assert!(finds.iter().all(|l| l.ends_with("scan=false")), "{out}");
}

/// The registry is whole after a kill, where anything is kept at all.
pub(crate) fn registry(url: &str) {
    let out = run("fuseml_registry", &[url]);
    assert!(out.contains("8 are there"), "{out}");
    for said in ["every document is as it was written", "each of the four kinds is also found by its indexes"]
    {
        assert_eq!(out.contains(said), url != "memory:", "{out}");
    }
    assert_eq!(out.contains("is locked by another process"), url.starts_with("fjall:"), "{out}");
}
