//! Queries, one condition at a time.

use crate::build::expect::failed;
use crate::build::visibility::*;
use persistence_core::derived::visibility::query::QueryError;
use persistence_core::store::*;
use persistence_core::{ErrorKind, RunId};
use std::collections::BTreeMap;
use std::error::Error as _;

const OPEN: &str = "ExecutionStatus = 'Running'";

crate::cases! {
    group: "visibility";

    /// An open run is found among the open ones that started in a range, and no more once it closed; then it is found among the
    /// closed ones, with everything that closing brought.
    #[covers("visibility.record_started", "visibility.record_closed", "visibility.list_visibility")]
    async fn a_run_moves_from_open_to_closed(t) {
        let seen = Seen::new(t);
        let open = seen.run(t.run(), 0);
        seen.record(&open).await?;
        let between = |from, to| format!("StartTime BETWEEN '{}' AND '{}'", seen.text(from), seen.text(to));
        let opened = format!("{} AND {OPEN}", between(-5, 5));
        assert_eq!(seen.all(&seen.query(&*opened, 10)).await?, std::slice::from_ref(&open));
        assert_eq!(seen.runs(format!("{} AND {OPEN}", between(1, 5))).await?, []);
        let end = closed(&open, ExecutionStatus::Completed, 90 * SECOND);
        seen.record(&end).await?;
        assert_eq!(seen.runs(opened).await?, []);
        let past = format!("CloseTime BETWEEN '{}' AND '{}' AND ExecutionStatus != 'Running'", seen.text(0), seen.text(HOUR));
        for query in [past, "ExecutionDuration = 90000 AND HistoryLength = 11 AND CloseTime IS NOT NULL".to_owned()] {
            let found = seen.all(&seen.query(&*query, 10)).await?;
            assert_eq!(found, std::slice::from_ref(&end), "{query}");
        }
        let earlier = format!("CloseTime < '{}'", seen.text(90 * SECOND));
        assert_eq!(seen.runs(earlier).await?, []);
    }

    /// Runs are found by when they started, also together with their type.
    #[covers("visibility.list_visibility", "visibility.count_visibility")]
    async fn runs_are_found_by_start_time(t) {
        let seen = Seen::new(t);
        let (old, new) = (seen.run(t.run(), -2 * HOUR), seen.run(t.run(), 0));
        for record in [&old, &new] {
            seen.record(record).await?;
        }
        let since = |hours: i64| format!("StartTime BETWEEN '{}' AND '{}'", seen.text(-hours * HOUR), seen.text(0));
        let both = [new.run.run_id, old.run.run_id];
        for (query, wanted) in [
            (since(1), &both[..1]),
            (since(3), &both),
            (format!("{} AND WorkflowType = 'type'", since(3)), &both),
            (format!("{} AND WorkflowType = 'other'", since(3)), &[]),
            (format!("StartTime > '{}'", seen.text(-2 * HOUR)), &both[..1]),
            (format!("StartTime >= '{}'", seen.text(-2 * HOUR)), &both),
            (format!("StartTime < '{}'", seen.text(0)), &both[1..]),
            (format!("StartTime = '{}'", seen.text(0)), &both[..1]),
            (format!("NOT (StartTime = '{}') AND WorkflowType = 'type'", seen.text(0)), &both[1..]),
        ] {
            assert_eq!(seen.runs(&*query).await?, wanted, "{query}");
            assert_eq!(seen.count(&*query).await?, VisibilityCount { count: wanted.len() as u64, ..Default::default() });
        }
    }

    /// Runs are found by type, by workflow id, by status and by run id, open and closed.
    #[covers("visibility.list_visibility", "visibility.count_visibility")]
    async fn runs_are_found_by_what_they_are(t) {
        let seen = Seen::new(t);
        let mut a = seen.run(t.run(), 0);
        let mut b = seen.run(t.run(), 1);
        (a.workflow_type, b.workflow_type) = ("order".to_owned(), "order ".to_owned());
        b.parent = Some(ExecutionRef { workflow_id: a.run.workflow_id.clone(), run_id: a.run.run_id });
        let (run_a, run_b) = (a.run.run_id, b.run.run_id);
        let nobody = t.run();
        let parent = format!("ParentRunId = '{run_a}' AND WorkflowType STARTS_WITH 'order'");
        let check = async |open: bool| {
            let statuses = if open { ["Running", "Running"] } else { ["Completed", "Failed"] };
            let and = if open { "CloseTime IS NULL" } else { "CloseTime IS NOT NULL" };
            let both: &[RunId] = &[run_b, run_a];
            for (query, wanted) in [
                ("WorkflowType = 'order'", &both[1..]),
                ("WorkflowType IN ('order ', 'x')", &both[..1]),
                ("WorkflowType STARTS_WITH 'ord'", both),
                ("WorkflowType NOT STARTS_WITH 'order '", &both[1..]),
                (&format!("WorkflowId = '{}'", a.run.workflow_id), &both[1..]),
                (&format!("RunId = '{run_b}'"), &both[..1]),
                (&format!("RunId = '{run_b}' AND WorkflowType = 'order'"), &[]),
                (&format!("RunId != '{run_b}' AND WorkflowType STARTS_WITH 'order'"), &both[1..]),
                (&format!("RunId IN ('{run_a}', '{run_b}', '{nobody}')"), both),
                (&format!("RunId = '{nobody}' OR (RunId = '{run_a}' OR RunId = '{run_b}')"), both),
                (&format!("RunId IN ('{run_b}', '{run_a}') AND WorkflowType = 'order'"), &both[1..]),
                (&format!("RunId NOT IN ('{run_b}', '{nobody}') AND WorkflowType STARTS_WITH 'order'"), &both[1..]),
                (&parent, &both[..1]),
                ("ParentWorkflowId IS NULL AND WorkflowType STARTS_WITH 'order'", &both[1..]),
                (&format!("ExecutionStatus IN ('{}', '{}')", statuses[0], statuses[1]), both),
                ("ExecutionStatus NOT IN ('Running', 'Completed', 'Failed')", &[]),
                ("", both),
            ] {
                let query = if query.is_empty() { and.to_owned() } else { format!("({query}) AND {and}") };
                assert_eq!(seen.runs(&*query).await?, wanted, "{query}");
                assert_eq!(seen.count(&*query).await?.count, wanted.len() as u64, "{query}");
            }
            Ok::<(), persistence_core::Error>(())
        };
        seen.record(&a).await?;
        seen.record(&b).await?;
        check(true).await?;
        seen.record(&closed(&a, ExecutionStatus::Completed, SECOND)).await?;
        seen.record(&closed(&b, ExecutionStatus::Failed, SECOND)).await?;
        check(false).await?;
        assert_eq!(seen.runs("ExecutionStatus = 'Failed'").await?, [run_b]);
        assert_eq!(seen.runs(OPEN).await?, []);
    }

    /// Counts are of all records, or by status, of which those are named that some record has.
    #[covers("visibility.count_visibility")]
    async fn counts_are_grouped_by_status(t) {
        let seen = Seen::new(t);
        for i in 0..5 {
            let open = seen.run(t.run(), i);
            seen.record(&open).await?;
            assert_eq!(seen.count("").await?, VisibilityCount { count: u64::try_from(i).unwrap() + 1, groups: BTreeMap::new() });
            if i > 1 {
                let status = if i == 2 { ExecutionStatus::Canceled } else { ExecutionStatus::ContinuedAsNew };
                seen.record(&closed(&open, status, 1)).await?;
            }
        }
        use ExecutionStatus::{Canceled, ContinuedAsNew, Running};
        let groups = BTreeMap::from([(Running, 2), (Canceled, 1), (ContinuedAsNew, 2)]);
        assert_eq!(seen.count("GROUP BY ExecutionStatus").await?, VisibilityCount { count: 5, groups });
        let query = "WorkflowType = 'type' AND CloseTime IS NOT NULL GROUP BY ExecutionStatus";
        let groups = BTreeMap::from([(Canceled, 1), (ContinuedAsNew, 2)]);
        assert_eq!(seen.count(query).await?, VisibilityCount { count: 3, groups });
        assert_eq!(seen.count("WorkflowType = 'x' GROUP BY ExecutionStatus").await?, VisibilityCount::default());
    }

    /// A query that cannot be understood is refused, with the place and what was expected there.
    #[covers("visibility.list_visibility!invalid_argument", "visibility.count_visibility!invalid_argument")]
    async fn mistakes_in_queries_are_told(t) {
        let seen = Seen::new(t);
        let long = format!("WorkflowType STARTS_WITH '{}'", "x".repeat(1021));
        for (query, position, what) in [
            ("WorkflowType = 'ä' AND WorkflowId IN ('a', 'b\0c')", 44, "WorkflowId is compared with text that contains U+0000"),
            ("RunId = '\0'", 9, "RunId is compared with text that contains U+0000"),
            (&*long, 26, "WorkflowType is compared with text of more than 1020 bytes"),
            ("WorkflowType = ", 16, "expected a text in quotes"),
            ("WorkflowType = 'a' OR (StartTime > '2026-01-01T00:00:00Z'", 58, "expected AND, OR or )"),
            ("WorkflowType = 'ä' AND Unheard = 1", 24, "Unheard is no field"),
            ("StartTime > 'soon'", 13, "expected a time"),
            ("ExecutionStatus = 'Done'", 19, "expected one of Running"),
            ("WorkflowType = 5", 16, "expected a text"),
        ] {
            for e in [
                failed(seen.page(&seen.query(query, 1)).await, ErrorKind::InvalidArgument),
                failed(seen.count(query).await, ErrorKind::InvalidArgument),
            ] {
                assert!(e.to_string().contains(&format!("at character {position}: {what}")), "{e}");
                let told = e.source().and_then(|e| e.downcast_ref::<QueryError>()).map(|e| e.position);
                assert_eq!(told, Some(position));
            }
        }
        failed(seen.page(&seen.query("GROUP BY ExecutionStatus", 1)).await, ErrorKind::InvalidArgument);
        failed(seen.count("ORDER BY StartTime").await, ErrorKind::InvalidArgument);
        failed(seen.count("GROUP BY WorkflowType").await, ErrorKind::InvalidArgument);
        failed(seen.page(&seen.query("", 0)).await, ErrorKind::InvalidArgument);
    }

    /// A query of which no index decides anything is refused, and told what would; with a scan allowed it is answered.
    #[covers("visibility.list_visibility!unindexed", "visibility.count_visibility!unindexed")]
    async fn a_query_needs_an_index(t) {
        let seen = Seen::new(t);
        let here = seen.run(t.run(), 0);
        let other = VisibilityRecord { task_queue: "other".to_owned(), ..seen.run(t.run(), 1) };
        for record in [&here, &other] {
            seen.record(record).await?;
        }
        let scan = ScanPolicy::Allow { max_documents: 100 };
        for (query, wanted) in [
            ("TaskQueue = 'other'", vec![other.run.run_id]),
            ("TaskQueue != 'other'", vec![here.run.run_id]),
            ("WorkflowType != 'x' AND HistoryLength = 0", vec![other.run.run_id, here.run.run_id]),
            ("WorkflowType = 'type' OR TaskQueue = 'other'", vec![other.run.run_id, here.run.run_id]),
        ] {
            let e = failed(seen.page(&seen.query(query, 5)).await, ErrorKind::Unindexed);
            assert!(e.to_string().contains("WorkflowId, WorkflowType, StartTime"), "{e}");
            failed(seen.count(query).await, ErrorKind::Unindexed);
            let found = seen.all(&ListVisibility { scan, ..seen.query(query, 5) }).await?;
            assert_eq!(found.iter().map(|r| r.run.run_id).collect::<Vec<_>>(), wanted, "{query}");
            let count = t.p.visibility().count_visibility(&t.cx(), &seen.counting(query, scan)).await?;
            assert_eq!(count.count, wanted.len() as u64);
        }
        // Of each of a few alternatives an index must decide something: of more, nested ones and others, all would be read.
        let types = |n: usize| (1..n).fold("WorkflowType = 'x'".to_owned(), |q, i| format!("{q} OR WorkflowType = 'x{i}'"));
        let nested = "WorkflowId = 'x' OR (TaskQueue = 'q' AND (WorkflowType = 'a' OR WorkflowType = 'b'))";
        for query in [types(33), nested.to_owned()] {
            let e = failed(seen.page(&seen.query(&*query, 5)).await, ErrorKind::Unindexed);
            assert!(e.to_string().contains("WorkflowId, WorkflowType, StartTime"), "{e}");
            failed(seen.count(&*query).await, ErrorKind::Unindexed);
        }
        let nested = format!("WorkflowType = 'type' OR (WorkflowId = 'x' OR ({}))", types(30));
        assert_eq!(seen.runs(&*nested).await?, [other.run.run_id, here.run.run_id]);
        let nothing = ListVisibility { scan: ScanPolicy::Allow { max_documents: 0 }, ..seen.query("", 5) };
        failed(seen.page(&nothing).await, ErrorKind::InvalidArgument);
        let e = seen.page(&seen.query("TaskQueue = 'other'", 5)).await.unwrap_err();
        assert!(e.to_string().contains("a search attribute for TaskQueue"), "{e}");
        assert_eq!(seen.runs("TaskQueue = 'other' AND WorkflowType = 'type'").await?, [other.run.run_id]);
    }

    /// Other namespaces are apart: neither lists nor counts nor single reads see them.
    #[covers("visibility.list_visibility", "visibility.count_visibility", "visibility.delete_visibility")]
    async fn namespaces_are_apart(t) {
        let (one, two) = (Seen::new(t), Seen::new(t));
        let run = t.run();
        for seen in [&one, &two] {
            seen.record(&seen.run(run, 0)).await?;
        }
        let third = two.run(t.run(), 0);
        two.record(&third).await?;
        assert_eq!((one.count("").await?.count, two.count("").await?.count), (1, 2));
        assert_eq!(one.runs(format!("RunId = '{}'", third.run.run_id)).await?, []);
        two.delete(run, i64::MAX, DeleteVisibility::REMEMBER).await?;
        assert_eq!((one.count("").await?.count, two.count("").await?.count), (1, 1));
        assert_eq!(one.get(run).await?.run.namespace_id, one.namespace_id);
    }
}
