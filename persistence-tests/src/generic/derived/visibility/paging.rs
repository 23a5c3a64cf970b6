//! Orders and pages.

use crate::Fixture;
use crate::build::expect::failed;
use crate::build::visibility::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, PageRequest, PageToken, Result, RunId};
use std::time::Duration;

/// Runs of which some started together, and some closed together.
async fn some_runs(t: &Fixture, seen: &Seen) -> Result<Vec<VisibilityRecord>> {
    let mut all = Vec::new();
    for i in 0..14 {
        let open = VisibilityRecord {
            workflow_type: format!("type {}", i % 3),
            ..seen.run(t.run(), i / 2 * SECOND)
        };
        let record = if i % 4 == 0 { open } else { closed(&open, ExecutionStatus::Failed, 100 * SECOND) };
        seen.record(&record).await?;
        all.push(record);
    }
    Ok(all)
}

fn ids(of: &[VisibilityRecord]) -> Vec<RunId> {
    of.iter().map(|r| r.run.run_id).collect()
}

crate::cases! {
    group: "visibility";

    /// By default runs are in the order of close time, open ones first, then start time, newest first, then run id; an order by a
    /// field goes before, and where it turns round the others do.
    #[covers("visibility.list_visibility", "P9")]
    #[kind(Calm)]
    async fn orders_are_as_they_are_told(t) {
        let seen = Seen::new(t);
        let mut all = some_runs(t, &seen).await?;
        let open_last = |r: &VisibilityRecord| (r.close_time.is_none(), r.close_time);
        let newest = |a: &VisibilityRecord, b: &VisibilityRecord| {
            let times = open_last(b).cmp(&open_last(a)).then(b.start_time.cmp(&a.start_time));
            times.then(a.run.run_id.cmp(&b.run.run_id))
        };
        all.sort_by(newest);
        for size in [1, 2, 5, 14, 15] {
            for query in ["", "ORDER BY CloseTime DESC", "StartTime > '2000-01-01T00:00:00Z'"] {
                assert_eq!(seen.all(&seen.query(query, size)).await?, all, "{query} by {size}");
            }
        }
        assert_eq!(seen.runs("ORDER BY CloseTime ASC").await?, ids(&all).into_iter().rev().collect::<Vec<_>>());
        all.sort_by(|a, b| b.start_time.cmp(&a.start_time).then(newest(a, b)));
        assert_eq!(seen.runs("ORDER BY StartTime DESC").await?, ids(&all));
        assert_eq!(seen.runs("ORDER BY StartTime").await?, ids(&all).into_iter().rev().collect::<Vec<_>>());
        all.sort_by(|a, b| a.workflow_type.cmp(&b.workflow_type).then(newest(a, b)));
        assert_eq!(seen.runs("ORDER BY WorkflowType").await?, ids(&all));
        let mixed = "StartTime > '2000-01-01T00:00:00Z' ORDER BY WorkflowType DESC";
        assert_eq!(seen.runs(mixed).await?, ids(&all).into_iter().rev().collect::<Vec<_>>());
        all.retain(|r| r.workflow_type != "type 1");
        assert_eq!(seen.runs("WorkflowType IN ('type 0', 'type 2') ORDER BY WorkflowType").await?, ids(&all));
    }

    /// A token is there exactly when there is more: two runs on pages of one and two.
    #[covers("P9", "visibility.list_visibility")]
    async fn the_last_page_has_no_token(t) {
        let seen = Seen::new(t);
        let (early, late) = (seen.run(t.run(), 0), seen.run(t.run(), SECOND));
        for record in [&early, &late] {
            seen.record(record).await?;
        }
        let first = seen.page(&seen.query("CloseTime IS NULL", 1)).await?;
        assert_eq!(first.records, std::slice::from_ref(&late));
        let page = PageRequest::after(1, first.next.unwrap());
        let second = seen.page(&ListVisibility { page, ..seen.query("CloseTime IS NULL", 1) }).await?;
        assert_eq!((second.records, second.next), (vec![early], None));
        let both = seen.page(&seen.query("CloseTime IS NULL", 2)).await?;
        assert_eq!((both.records.len(), both.next), (2, None));
    }

    /// A token of another query, order or namespace is refused, and so is a damaged one.
    #[covers("P9", "P24", "visibility.list_visibility!invalid_token")]
    async fn tokens_belong_to_their_query(t) {
        let seen = Seen::new(t);
        some_runs(t, &seen).await?;
        let token = seen.page(&seen.query("WorkflowType = 'type 0'", 1)).await?.next.unwrap();
        let after = |seen: &Seen, query: &str, token: &PageToken| ListVisibility {
            page: PageRequest::after(1, token.clone()),
            ..seen.query(query, 1)
        };
        assert_eq!(seen.page(&after(&seen, "WorkflowType='type 0'", &token)).await?.records.len(), 1, "the same query");
        for query in [
            "",
            "WorkflowType = 'type 1'",
            "WorkflowType = 'type 0' AND CloseTime IS NULL",
            "WorkflowType = 'type 0' ORDER BY StartTime DESC",
            "WorkflowType = 'type 0' ORDER BY CloseTime",
        ] {
            failed(seen.page(&after(&seen, query, &token)).await, ErrorKind::InvalidToken);
        }
        let other = Seen { namespace_id: t.namespace(), ..seen.clone() };
        failed(other.page(&after(&other, "WorkflowType = 'type 0'", &token)).await, ErrorKind::InvalidToken);
        for i in 0..token.as_bytes().len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[i] ^= 1;
            let damaged = after(&seen, "WorkflowType = 'type 0'", &PageToken::from_bytes(bytes));
            failed(seen.page(&damaged).await, ErrorKind::InvalidToken);
        }
    }

    /// Runs that stay as they are come exactly once, whatever closes, begins and goes meanwhile.
    #[covers("P9", "visibility.list_visibility")]
    async fn what_stays_is_listed_once(t) {
        let seen = Seen::new(t);
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for i in 0..12 {
            let record = seen.run(t.run(), i / 2 * SECOND);
            seen.record(&record).await?;
            if i % 2 == 0 { stay.push(record) } else { go.push(record) }
        }
        let mut req = seen.query("", 3);
        let mut found = Vec::new();
        loop {
            let page = seen.page(&req).await?;
            found.extend(ids(&page.records));
            let Some(token) = page.next else { break };
            req.page = PageRequest::after(3, token);
            if let Some(one) = go.pop() {
                seen.record(&closed(&one, ExecutionStatus::Failed, 1)).await?;
            }
            if let Some(one) = go.pop() {
                seen.delete(one.run.run_id, i64::MAX, Duration::from_secs(60)).await?;
            }
            seen.record(&seen.run(t.run(), 20 * SECOND)).await?;
        }
        found.retain(|run| stay.iter().any(|r| r.run.run_id == *run));
        assert_eq!(found, ids(&stay).into_iter().rev().collect::<Vec<_>>());
    }

    /// Conditions that no index decides make pages short where the budget ends; the crawl goes on from there.
    #[covers("P9", "visibility.list_visibility")]
    #[kind(Calm)]
    async fn a_budget_ends_pages_early(t) {
        let seen = Seen::new(t);
        let mut wanted = Vec::new();
        for i in 0..24 {
            let task_queue = if i % 8 == 3 { "rare" } else { "queue" }.to_owned();
            let record = VisibilityRecord { task_queue, ..seen.run(t.run(), i * SECOND) };
            seen.record(&record).await?;
            wanted.extend((i % 8 == 3).then_some(record.run.run_id));
        }
        wanted.reverse();
        let scan = ScanPolicy::Allow { max_documents: 5 };
        let mut req = ListVisibility { scan, ..seen.query("WorkflowType = 'type' AND TaskQueue = 'rare'", 2) };
        let (mut found, mut short) = (Vec::new(), 0);
        loop {
            let page = seen.page(&req).await?;
            short += usize::from(page.budget_exhausted);
            found.extend(ids(&page.records));
            let Some(token) = page.next else { break };
            req.page = PageRequest::after(2, token);
        }
        assert_eq!(found, wanted);
        assert!(short >= 4, "{short} pages ended early");
        assert_eq!(seen.runs("WorkflowType = 'type' AND TaskQueue = 'rare'").await?, wanted, "within the usual budget");
    }
}
