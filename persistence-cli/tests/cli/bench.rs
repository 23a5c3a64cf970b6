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

fn documents(url: &str, options: &[&str]) -> serde_json::Value {
    let short = ["--documents", "1000", "--writers", "1,3", "--seconds", "0.05", "--rounds", "2", "--json"];
    persist(&[&["bench", "documents", "--url", url], &short[..], options].concat()).good().json()
}

#[test]
fn documents_on_sql_are_found_by_index_without_one_and_by_hand() {
    let place = Place::new();
    let report = documents(&format!("sqlite:{}", place.path().join("db").display()), &[]);
    let lines = report["measurements"].as_array().unwrap();
    assert_eq!(lines.len(), 12 + 2 * 3, "{report}");
    for line in lines {
        assert!(
            line["by_hand_p50_ms"].is_f64() || line["what"].as_str().unwrap().contains("writer"),
            "{line}"
        );
        let twin = !["by id", "page 2"].iter().any(|w| line["what"].as_str().unwrap().contains(w));
        let query = !line["index"].as_str().unwrap().is_empty();
        assert_eq!(line["unindexed_ms"].is_f64(), twin && query, "{line}");
    }
}

#[test]
fn documents_of_an_embedded_database_are_measured_and_indexed_under_writers() {
    let place = Place::new();
    let report = documents(&place.url(), &[]);
    assert_eq!(report["measurements"][1]["index"], "by_name");
    assert!(report["measurements"][1]["ratio"].is_null(), "{report}");
    let report = documents(&place.url(), &["--index-under-writers"]);
    let phases = report["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 3);
    assert!(phases.iter().all(|p| p["failed"] == 0), "{report}");
}
