//! Records that come in any order.

use crate::build::expect::missing;
use crate::build::visibility::*;
use crate::race::race;
use persistence_core::store::*;
use persistence_core::{NamespaceId, Result, RunId};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Something that comes of a run.
#[derive(Clone, Debug)]
enum Coming {
    Record(Box<VisibilityRecord>),
    Deletion(i64),
}

async fn send(seen: &Seen, run_id: RunId, coming: &Coming) -> Result<()> {
    match coming {
        Coming::Record(record) => seen.record(record).await,
        Coming::Deletion(version) => seen.delete(run_id, *version, DAY).await,
    }
}

/// Every order of some things.
fn orders<T: Clone>(of: &[T]) -> Vec<Vec<T>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let with = |i: usize| {
        let mut rest = of.to_vec();
        let first = rest.remove(i);
        orders(&rest).into_iter().map(move |order| [vec![first.clone()], order].concat())
    };
    (0..of.len()).flat_map(with).collect()
}

crate::cases! {
    group: "visibility";

    /// Of what comes of a run the newest counts, in whatever order it comes, deletions included; all reads agree.
    #[covers("visibility.record_started", "visibility.upsert_visibility", "visibility.record_closed",
        "visibility.delete_visibility")]
    async fn the_newest_counts_in_every_order(t) {
        let seen = Seen::new(t);
        for deletion in [None, Some(2), Some(4)] {
            let sample = seen.run(t.run(), 0);
            let count = orders(&[0, 1, 2, 3][..if deletion.is_some() { 4 } else { 3 }]).len();
            for order in 0..count {
                let started = VisibilityRecord { run: RunKey { run_id: t.run(), ..sample.run.clone() }, ..sample.clone() };
                let run = started.run.run_id;
                let upserted = VisibilityRecord { version: 2, task_queue: "other".to_owned(), ..started.clone() };
                let end = VisibilityRecord { version: 3, ..closed(&started, ExecutionStatus::Completed, SECOND) };
                let mut coming = vec![started, upserted, end.clone()].into_iter().map(|r| Coming::Record(Box::new(r))).collect::<Vec<_>>();
                coming.extend(deletion.map(Coming::Deletion));
                for one in &orders(&coming)[order] {
                    send(&seen, run, one).await?;
                }
                match deletion {
                    Some(4) => drop(missing(seen.get(run).await)),
                    _ => assert_eq!(seen.get(run).await?, end, "order {order}, deletion {deletion:?}"),
                }
            }
        }
        assert_eq!(seen.count("").await?.count, 6 + 24);
        assert_eq!(seen.count("ExecutionStatus = 'Completed'").await?.count, 6 + 24);
        assert_eq!(seen.count("ExecutionStatus = 'Running'").await?.count, 0);
        assert_eq!(seen.runs("").await?.len(), 30);
    }

    /// What is of the same version as what is there changes nothing.
    #[covers("visibility.upsert_visibility", "visibility.delete_visibility")]
    async fn of_one_version_the_first_stays(t) {
        let seen = Seen::new(t);
        let first = VisibilityRecord { version: 7, ..seen.run(t.run(), 0) };
        let second = VisibilityRecord { workflow_type: "other".to_owned(), ..first.clone() };
        for record in [&first, &second, &first] {
            seen.record(record).await?;
            assert_eq!(seen.get(first.run.run_id).await?, first);
        }
        assert_eq!(seen.count("WorkflowType = 'other'").await?.count, 0);
        seen.delete(first.run.run_id, 6, DAY).await?;
        assert_eq!(seen.get(first.run.run_id).await?, first, "an older deletion");
        for _ in 0..2 {
            seen.delete(first.run.run_id, 7, DAY).await?;
            seen.record(&first).await?;
            missing(seen.get(first.run.run_id).await);
        }
        seen.record(&VisibilityRecord { version: 8, ..second.clone() }).await?;
        assert_eq!(seen.get(first.run.run_id).await?.version, 8, "a newer record");
    }

    /// A deletion is remembered until its time has come by the store's clock, whether there was a record or not; nobody sees it,
    /// and a sweep forgets what has come.
    #[covers("P18", "visibility.delete_visibility", "visibility.sweep_visibility")]
    #[isolation(Own)]
    async fn a_deletion_is_remembered_for_a_while(t) {
        let seen = Seen::new(t);
        let records = [seen.run(t.run(), 0), seen.run(t.run(), 1), seen.run(t.run(), 2)];
        let runs = [records[0].run.run_id, records[1].run.run_id];
        seen.record(&records[0]).await?;
        seen.record(&records[2]).await?;
        for run in runs {
            seen.delete(run, i64::MAX, Duration::from_secs(60)).await?;
        }
        let sweep = || async { t.p.visibility().sweep_visibility(&t.cx(), &SweepVisibility { limit: 10 }).await };
        t.clock.advance(Duration::from_millis(59_999));
        for record in &records[..2] {
            let late = VisibilityRecord { version: i64::MAX - 1, ..closed(record, ExecutionStatus::Failed, 1) };
            seen.record(&late).await?;
            missing(seen.get(record.run.run_id).await);
        }
        assert_eq!(sweep().await?, 0);
        for query in ["", "WorkflowType = 'type'", "ORDER BY StartTime", "WorkflowId STARTS_WITH ''", "CloseTime IS NULL"] {
            assert_eq!(seen.runs(query).await?, [records[2].run.run_id], "{query}");
        }
        assert_eq!(seen.count("GROUP BY ExecutionStatus").await?.count, 1);
        t.clock.advance(Duration::from_millis(1));
        seen.record(&records[0]).await?;
        assert_eq!(seen.get(runs[0]).await?, records[0], "the deletion has expired");
        assert_eq!(sweep().await?, 1, "the other one is forgotten");
        assert_eq!(sweep().await?, 0);
        seen.record(&records[1]).await?;
        assert_eq!(seen.count("").await?.count, 3);
    }

    /// Many writers of one run at once: the newest stays, in every index.
    #[covers("visibility.upsert_visibility", "visibility.delete_visibility")]
    async fn of_many_at_once_the_newest_stays(t) {
        let seen = Seen::new(t);
        let other = seen.on(&t.another().await?);
        for deletes in [false, true] {
            let record = seen.run(t.run(), 0);
            let run = record.run.run_id;
            let (seen, other) = (seen.clone(), other.clone());
            let sent = race(8, move |i, line| {
                let seen = if i % 2 == 0 { seen.clone() } else { other.clone() };
                let version = 10 + i64::try_from(i).unwrap();
                let record = VisibilityRecord { version, workflow_type: format!("type {i}"), ..record.clone() };
                async move {
                    line.wait().await;
                    let coming = if deletes && i == 7 { Coming::Deletion(version) } else { Coming::Record(Box::new(record)) };
                    send(&seen, run, &coming).await
                }
            });
            for result in sent.await {
                result?;
            }
        }
        let left = seen.all(&seen.query("", 5)).await?;
        assert_eq!(left.iter().map(|r| (r.version, &*r.workflow_type)).collect::<Vec<_>>(), [(17, "type 7")]);
        assert_eq!(seen.count("WorkflowType STARTS_WITH 'type'").await?.count, 1);
        assert_eq!(seen.count("WorkflowType = 'type 7'").await?.count, 1);
    }

    /// Namespaces with records are listed, each once, in pages.
    #[covers("P9", "visibility.list_visibility_namespaces", "visibility.list_visibility_namespaces!invalid_token",
        "visibility.list_visibility_namespaces!invalid_argument")]
    #[isolation(Own)]
    async fn namespaces_with_records_are_listed(t) {
        let mut wanted = Vec::new();
        for i in 0..5 {
            let seen = Seen::new(t);
            seen.record(&seen.run(t.run(), 0)).await?;
            seen.record(&seen.run(t.run(), i)).await?;
            wanted.push(seen.namespace_id);
        }
        wanted.sort_unstable();
        t.p = t.another().await?;
        let again = Seen { namespace_id: wanted[2], ..Seen::new(t) };
        again.record(&again.run(t.run(), 0)).await?;
        let v = t.p.visibility();
        let list = |page| ListVisibilityNamespaces { page };
        use persistence_core::{ErrorKind, PageRequest};
        let (mut found, mut page): (Vec<NamespaceId>, _) = (Vec::new(), PageRequest::first(2));
        loop {
            let got = v.list_visibility_namespaces(&t.cx(), &list(page)).await?;
            assert!(got.items.len() <= 2);
            found.extend(got.items);
            let Some(next) = got.next else { break };
            page = PageRequest::after(2, next);
        }
        assert_eq!(found, wanted);
        crate::build::expect::invalid(v.list_visibility_namespaces(&t.cx(), &list(PageRequest::first(0))).await);
        let foreign = again.page(&again.query("", 1)).await?.next.unwrap();
        let e = v.list_visibility_namespaces(&t.cx(), &list(PageRequest::after(1, foreign))).await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidToken);
    }
}
