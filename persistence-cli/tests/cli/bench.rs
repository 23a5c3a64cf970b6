//! `persist bench`: that it measures what it says, not how fast that is.

use super::support::*;

fn bench(url: &str) -> serde_json::Value {
    let options = ["--writers", "1,16", "--seconds", "0.05", "--rounds", "2", "--json"];
    persist(&[&["bench", "transitions", "--url", url], &options[..]].concat()).good().json()
}

#[test]
fn sql_is_measured_beside_statements_by_hand() {
    let place = Place::new();
    let url = format!("sqlite:{}", place.path().join("db").display());
    for _ in 0..2 {
        let report = bench(&url);
        assert_eq!(report["rival"], "by hand");
        let cells = report["measurements"].as_array().unwrap();
        assert_eq!(cells.len(), 4);
        for cell in cells {
            // How many steps end in so little time is not ours to say.
            assert!(cell["rival"]["steps"].is_u64() && cell["transitions"]["steps"].is_u64(), "{cell}");
            let in_groups = cell["groups"][0]["transitions"]["steps"].as_u64();
            assert_eq!(in_groups.map(|steps| steps % 16), (cell["writers"] == 16).then_some(0), "{cell}");
        }
    }
    let listed = persist(&["show", "executions", "--url", &url, "--json"]).good();
    assert!(listed.out.contains("bench-"), "{}", listed.out);
}

#[test]
fn an_embedded_database_is_measured_beside_a_plain_log() {
    let place = Place::new();
    let report = bench(&place.url());
    assert_eq!(report["rival"], "plain log");
    assert!(report["measurements"][0]["rival"]["steps"].is_u64(), "{report}");
}
