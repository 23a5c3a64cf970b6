//! Single records.

use crate::build::expect::{invalid, missing};
use crate::build::visibility::*;
use crate::generic::blobs::{bad_names, odd_blobs, odd_names};
use persistence_core::store::*;
use persistence_core::{Archetype, Detail, NamespaceId, ShardId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

crate::cases! {
    group: "visibility";

    /// A record reads back with every field while the run is open, and as closed afterwards; other runs and namespaces have none.
    #[covers("visibility.record_started", "visibility.record_closed", "visibility.get_visibility", "P12")]
    async fn a_record_reads_back(t) {
        let seen = Seen::with_attributes(t).await?;
        for _ in 0..3 {
            let open = seen.full(t);
            seen.record(&open).await?;
            assert_eq!(seen.get(open.run.run_id).await?, open);
            let closed = closed(&open, ExecutionStatus::TimedOut, 90 * SECOND);
            seen.record(&closed).await?;
            assert_eq!(seen.get(open.run.run_id).await?, closed);
            let other = Seen { namespace_id: t.namespace(), ..seen.clone() };
            missing(other.get(open.run.run_id).await);
        }
    }

    /// Names, memos and numbers at their limits read back.
    #[covers("P2", "visibility.upsert_visibility", "visibility.get_visibility")]
    async fn odd_records_read_back(t) {
        let seen = Seen::new(t);
        for name in odd_names() {
            let mut record = VisibilityRecord { workflow_type: name.clone(), version: 2, ..seen.run(t.run(), 0) };
            (record.run.workflow_id, record.task_queue) = (name.clone(), name);
            seen.record(&record).await?;
            assert_eq!(seen.get(record.run.run_id).await?, record);
            let query = seen.query(format!("WorkflowId = '{}'", quoted(&record.run.workflow_id)), 2);
            assert_eq!(seen.all(&query).await?, [record]);
        }
        for memo in odd_blobs().into_iter().filter(|b| b.len() < 100_000) {
            let record = VisibilityRecord {
                memo: Some(memo),
                version: i64::MAX,
                history_size_bytes: i64::MAX,
                task_queue: String::new(),
                start_time: Timestamp(-1),
                ..seen.run(t.run(), 0)
            };
            seen.record(&record).await?;
            assert_eq!(seen.get(record.run.run_id).await?, record);
        }
    }

    /// A run without a record is not found.
    #[covers("visibility.get_visibility!not_found")]
    async fn a_missing_record_is_not_found(t) {
        let (seen, run) = (Seen::new(t), t.run());
        let e = missing(seen.get(run).await);
        assert!(matches!(e.detail(), Detail::NotFound { entity: "visibility record", key } if *key == run.to_string()));
        seen.record(&seen.run(t.run(), 0)).await?;
        missing(seen.get(run).await);
    }

    /// In a database where nothing was ever recorded nothing is found, and nothing is made by looking.
    #[covers("visibility.list_visibility", "visibility.count_visibility", "visibility.get_visibility_setup",
        "visibility.list_visibility_namespaces", "visibility.sweep_visibility")]
    #[isolation(Own)]
    async fn an_empty_database_is_searched(t) {
        let seen = Seen::new(t);
        missing(seen.get(t.run()).await);
        assert_eq!(seen.runs("").await?, []);
        assert_eq!(seen.count("GROUP BY ExecutionStatus").await?, VisibilityCount::default());
        let v = t.p.visibility();
        assert_eq!(v.sweep_visibility(&t.cx(), &SweepVisibility { limit: 1 }).await?, 0);
        let page = persistence_core::PageRequest::first(1);
        let list = ListVisibilityNamespaces { page };
        assert_eq!(v.list_visibility_namespaces(&t.cx(), &list).await?.items, [] as [NamespaceId; 0]);
        let made = v.get_visibility_setup(&t.cx(), &GetVisibilitySetup {}).await?;
        assert_eq!(made, VisibilitySetup { partitions: 4, search_attributes: BTreeMap::new() });
    }

    /// What cannot be a record is invalid, and nothing of it is kept.
    #[covers("visibility.record_started!invalid_argument", "visibility.record_closed!invalid_argument",
        "visibility.upsert_visibility!invalid_argument", "visibility.delete_visibility!invalid_argument",
        "visibility.sweep_visibility!invalid_argument")]
    async fn impossible_records_are_invalid(t) {
        let seen = Seen::with_attributes(t).await?;
        let (v, good) = (t.p.visibility(), VisibilityRecord { version: 2, ..seen.run(t.run(), 0) });
        let end = closed(&good, ExecutionStatus::Failed, 1);
        let req = |record: &VisibilityRecord| RecordVisibility { record: record.clone() };
        invalid(v.record_started(&t.cx(), &req(&end)).await);
        invalid(v.record_closed(&t.cx(), &req(&good)).await);
        let mut bad = vec![
            VisibilityRecord { close_time: Some(good.start_time), ..good.clone() },
            VisibilityRecord { close_time: None, ..end.clone() },
            VisibilityRecord { close_time: Some(Timestamp(253_402_300_799_000)), ..end.clone() },
            VisibilityRecord { shard_id: ShardId(0), ..good.clone() },
            VisibilityRecord { archetype: Archetype::UNSPECIFIED, ..good.clone() },
            VisibilityRecord { history_length: -1, ..good.clone() },
        ];
        for name in bad_names() {
            bad.push(VisibilityRecord { workflow_type: name.clone(), ..good.clone() });
            let parent = Some(ExecutionRef { workflow_id: name.clone(), run_id: t.run() });
            bad.push(VisibilityRecord { parent, ..good.clone() });
            bad.push(VisibilityRecord { run: RunKey { workflow_id: name, ..good.run.clone() }, ..good.clone() });
        }
        let attribute = |name: &str, value| {
            let search_attributes = BTreeMap::from([(name.to_owned(), value)]);
            VisibilityRecord { search_attributes, ..good.clone() }
        };
        bad.extend([
            attribute("NobodyRegisteredThis", SearchAttribute::Int(1)),
            attribute("SuiteInt", SearchAttribute::Double(1.0)),
            attribute("SuiteDouble", SearchAttribute::Double(f64::NAN)),
            attribute("SuiteKeyword", SearchAttribute::Keyword("a\0".to_owned())),
            attribute("SuiteKeyword", SearchAttribute::Keyword("x".repeat(256))),
            attribute("SuiteList", SearchAttribute::KeywordList(vec!["x".repeat(256)])),
        ]);
        for record in bad {
            invalid(v.upsert_visibility(&t.cx(), &req(&record)).await);
        }
        invalid(seen.delete(good.run.run_id, 1, Duration::from_micros(999)).await);
        invalid(v.sweep_visibility(&t.cx(), &SweepVisibility { limit: 0 }).await);
        missing(seen.get(good.run.run_id).await);
        assert_eq!(seen.runs("").await?, []);
    }
}

/// A text within quotes of a query.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "''")
}
