//! `persist schema`.

use crate::support::{Place, persist};
use serde_json::json;

fn url(place: &Place, options: &str) -> String {
    format!("sqlite:{}{options}", place.path().join("data.db").display())
}

#[test]
fn a_database_is_inspected_set_up_and_upgraded() {
    let place = Place::new();
    let url = url(&place, "");
    let run = |what: &str| persist(&["schema", what, "--url", &url]);

    let status = run("status");
    assert_eq!(status.code, Some(1), "{}", status.err);
    assert!(status.out.contains("schema: none"), "{}", status.out);
    run("upgrade").failed(&["schema version none", "persist schema setup --url"]);
    assert!(!place.path().join("data.db").exists(), "only setup makes a database");

    assert!(run("setup").good().out.contains("schema: version"));
    // What the library keeps as documents is there before it is needed.
    let kept = |collection| persist(&["documents", "export", "--url", &url, "--collection", collection]);
    for collection in ["sys_namespace", "sys_endpoint_version", "sys_cluster_member"] {
        kept(collection).good();
    }
    kept("sys_other").failed(&["sys_other"]);
    for what in ["setup", "upgrade", "status"] {
        run(what).good();
    }
    let status = persist(&["schema", "status", "--json", "--url", &url]).good().json();
    assert_eq!(status["fit"], "fits");
    assert_eq!(status["found"], status["current"]);
    assert_eq!(status["privileges"], json!([]));
}

#[test]
fn a_production_database_is_set_up_only_by_setup() {
    let place = Place::new();
    let never = url(&place, "?migrate=never&table_prefix=p_");
    let caps = || persist(&["caps", "--url", &never]);
    caps().failed(&["schema version none", "persist schema setup --url"]);
    persist(&["schema", "setup", "--url", &never]).good();
    caps().good();
    // Another prefix is another schema.
    let other = url(&place, "?migrate=never");
    persist(&["caps", "--url", &other]).failed(&["schema version none"]);
}

#[test]
fn databases_without_a_schema_say_so() {
    let place = Place::new();
    for what in ["setup", "upgrade", "status"] {
        persist(&["schema", what, "--url", &place.url()]).failed(&["sets itself up when it is opened"]);
    }
    persist(&["schema", "status", "--url", "nosuch:x"]).failed(&["unknown scheme nosuch:"]);
}
