//! Endpoints.

use super::{handles, one_wins, stale};
use crate::Fixture;
use crate::build::endpoint::*;
use crate::build::expect::{failed, missing};
use crate::build::record::blob;
use crate::fixture::call;
use crate::generic::blobs::{broken, odd_blobs};
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use crate::generic::history::UNKNOWN;
use crate::generic::unknown::unanswered;
use crate::race::race;
use crate::{Fault, FaultRule};
use persistence_core::store::*;
use persistence_core::{Capability, EndpointId, Error, ErrorKind, Outcome, Page, PageRequest, Result};

/// The table version.
async fn table(t: &Fixture) -> Result<i64> {
    t.p.endpoints().get_table_version(&t.cx(), &GetEndpointTableVersion {}).await
}

/// Creates an endpoint when the table version is this.
async fn made(t: &Fixture, table_version: i64) -> Result<EndpointId> {
    let id = EndpointId(uuid::Uuid::new_v4());
    let versions = t.p.endpoints().put_endpoint(&t.cx(), &put(id, 0, table_version)).await?;
    assert_eq!(versions, EndpointVersions { table_version: table_version + 1, version: 1 });
    Ok(id)
}

async fn get(t: &Fixture, id: EndpointId) -> Result<Endpoint> {
    t.p.endpoints().get_endpoint(&t.cx(), &GetEndpoint { id }).await
}

crate::cases! {
    group: "endpoint";

    /// Every change of an endpoint takes the table version and the endpoint's own; of what does not fit, the table is told first.
    /// What was refused changed nothing.
    #[covers("P20", "endpoint.put_endpoint", "endpoint.put_endpoint!condition_failed", "endpoint.get_endpoint",
        "endpoint.get_endpoint!not_found", "endpoint.get_table_version")]
    #[isolation(Own)]
    async fn a_change_names_both_versions(t) {
        let e = t.p.endpoints();
        assert_eq!(table(t).await?, 0);
        missing(get(t, EndpointId::new()).await);
        let (a, b) = (made(t, 0).await?, made(t, 1).await?);
        for (id, version, table_version, expected, actual) in [
            (a, 1, 1, 1, Some(2)),
            (a, 1, 3, 3, Some(2)),
            (a, 0, 0, 0, Some(2)),
            (a, 0, 2, 0, Some(1)),
            (a, 2, 2, 2, Some(1)),
            (EndpointId::new(), 1, 2, 1, None),
            (EndpointId::new(), 0, 1, 1, Some(2)),
        ] {
            stale(e.put_endpoint(&t.cx(), &put(id, version, table_version)).await, expected, actual);
            missing(get(t, EndpointId::new()).await);
        }
        assert_eq!((get(t, a).await?.version, table(t).await?), (1, 2));
        for version in 1..4 {
            let data = blob(&format!("version {version}"));
            let versions = e.put_endpoint(&t.cx(), &PutEndpoint { data: data.clone(), ..put(a, version, version + 1) }).await?;
            assert_eq!(versions, EndpointVersions { table_version: version + 2, version: version + 1 });
            assert_eq!(get(t, a).await?, Endpoint { id: a, version: version + 1, data });
        }
        assert_eq!((get(t, b).await?.version, table(t).await?), (1, 5));
    }

    /// Endpoints and the table version are there after closing and opening again where the driver is durable, and are not where it is
    /// not.
    #[covers("capability.durable", "endpoint.put_endpoint", "endpoint.get_table_version")]
    #[isolation(Own)]
    async fn endpoints_survive_a_reopen(t) {
        let (a, b) = (made(t, 0).await?, made(t, 1).await?);
        t.p.endpoints().put_endpoint(&t.cx(), &put(a, 1, 2)).await?;
        let before = (get(t, a).await?, get(t, b).await?);
        t.reopen().await?;
        if t.capabilities().has(Capability::Durable) {
            assert_eq!((get(t, a).await?, get(t, b).await?), before);
            stale(t.p.endpoints().put_endpoint(&t.cx(), &put(b, 1, 2)).await, 2, Some(3));
            stale(t.p.endpoints().put_endpoint(&t.cx(), &put(a, 1, 3)).await, 1, Some(2));
            made(t, 3).await?;
        } else {
            missing(get(t, a).await);
            made(t, 0).await?;
        }
    }

    /// Data is kept whatever it is; data that does not fit its checksum is corrupted.
    #[covers("P24", "endpoint.put_endpoint", "endpoint.get_endpoint")]
    #[isolation(Own)]
    async fn endpoint_data_is_kept(t) {
        let e = t.p.endpoints();
        let id = made(t, 0).await?;
        for (version, data) in (1..).zip(odd_blobs()) {
            e.put_endpoint(&t.cx(), &PutEndpoint { data: data.clone(), ..put(id, version, version) }).await?;
            assert_eq!(get(t, id).await?.data, data);
        }
        let (data, version) = (broken(blob("x")), table(t).await?);
        e.put_endpoint(&t.cx(), &PutEndpoint { data, ..put(id, version, version) }).await?;
        failed(get(t, id).await, ErrorKind::Corrupted);
        let huge = persistence_core::Blob::json(vec![b'x'; 5 << 20]);
        let huge = PutEndpoint { data: huge, ..put(id, version + 1, version + 1) };
        failed(e.put_endpoint(&t.cx(), &huge).await, ErrorKind::TooLarge);
    }

    /// A deletion takes the table version, and finds the endpoint; afterwards its id begins anew.
    #[covers("P20", "endpoint.delete_endpoint", "endpoint.delete_endpoint!condition_failed", "endpoint.delete_endpoint!not_found")]
    #[isolation(Own)]
    async fn an_endpoint_is_deleted(t) {
        let e = t.p.endpoints();
        stale(e.delete_endpoint(&t.cx(), &delete(EndpointId::new(), 1)).await, 1, Some(0));
        missing(e.delete_endpoint(&t.cx(), &delete(EndpointId::new(), 0)).await);
        let (a, b) = (made(t, 0).await?, made(t, 1).await?);
        for wrong in [0, 1, 3] {
            stale(e.delete_endpoint(&t.cx(), &delete(a, wrong)).await, wrong, Some(2));
            stale(e.delete_endpoint(&t.cx(), &delete(EndpointId::new(), wrong)).await, wrong, Some(2));
        }
        missing(e.delete_endpoint(&t.cx(), &delete(EndpointId::new(), 2)).await);
        assert_eq!((get(t, a).await?.version, table(t).await?), (1, 2));
        assert_eq!(e.delete_endpoint(&t.cx(), &delete(a, 2)).await?, 3);
        missing(get(t, a).await);
        missing(e.delete_endpoint(&t.cx(), &delete(a, 3)).await);
        stale(e.put_endpoint(&t.cx(), &put(a, 1, 3)).await, 1, None);
        e.put_endpoint(&t.cx(), &put(a, 0, 3)).await?;
        assert_eq!((get(t, a).await?.version, get(t, b).await?.version, table(t).await?), (1, 1, 4));
    }

    /// Endpoints are listed by id with the table version; a crawl that names one fails once it is another, one that names none
    /// stands deletions. Tokens are exact.
    #[covers("P9", "endpoint.list_endpoints", "endpoint.list_endpoints!condition_failed", "endpoint.list_endpoints!invalid_token",
        "endpoint.list_endpoints!invalid_argument")]
    #[isolation(Own)]
    async fn endpoints_are_listed(t) {
        let p = t.p.clone();
        let (e, cx) = (p.endpoints(), t.cx());
        let cx = &cx;
        let read = |expected_table_version| move |page| -> Reply<'_, Endpoint> {
            Box::pin(async move {
                let found = e.list_endpoints(cx, &ListEndpoints { page, expected_table_version }).await?;
                assert!(expected_table_version.is_none_or(|v| v == found.table_version));
                Ok(Page { items: found.endpoints, next: found.next })
            })
        };
        assert_eq!(crawl_by([1, 5], read(Some(0))).await?, []);
        let mut ids = Vec::new();
        for i in 0..7 {
            ids.push(made(t, i).await?);
        }
        ids.sort();
        for expected in [None, Some(7)] {
            let all = crawl_by([1, 2, 3, 6, 7, 8], read(expected)).await?;
            assert_eq!(all.iter().map(|e| e.id).collect::<Vec<_>>(), ids);
        }
        for wrong in [0, 6, 8] {
            let list = ListEndpoints { expected_table_version: Some(wrong), ..list(PageRequest::first(2)) };
            stale(e.list_endpoints(cx, &list).await, wrong, Some(7));
        }
        let own = read(None)(PageRequest::first(2)).await?.next.unwrap();
        check_tokens(&own, &[], read(None)).await?;
        let (mut seen, mut page, mut version) = (Vec::new(), PageRequest::first(2), 7);
        loop {
            let got = e.list_endpoints(cx, &list(page)).await?;
            assert_eq!(got.table_version, version);
            seen.extend(got.endpoints.iter().map(|e| e.id));
            let Some(next) = got.next else { break };
            version = e.delete_endpoint(cx, &delete(got.endpoints[1].id, version)).await?;
            page = PageRequest::after(2, next);
            stale(read(Some(7))(page.clone()).await, 7, Some(version));
        }
        assert_eq!(seen, ids);
    }

    /// Of parallel creations of one id exactly one succeeds, and the table version grows by one; so of an update and a deletion:
    /// the other is told the new table version.
    #[covers("endpoint.put_endpoint!condition_failed", "endpoint.delete_endpoint!condition_failed")]
    #[isolation(Own)]
    async fn one_change_of_an_endpoint_wins(t) {
        let handles = handles(t).await?;
        let id = EndpointId::new();
        let results = race(4, |i, line| {
            let (p, new) = (handles[i % 2].clone(), put(id, 0, 0));
            async move {
                line.wait().await;
                p.endpoints().put_endpoint(&call(), &new).await
            }
        });
        let (won, lost) = one_wins(results.await);
        assert_eq!((won.table_version, won.version, table(t).await?), (1, 1, 1));
        for e in lost {
            stale(Err::<(), _>(e), 0, Some(1));
        }
        for round in 1..4 {
            let id = made(t, 2 * round - 1).await?;
            let results = race(2, |i, line| {
                let p = handles[i].clone();
                async move {
                    line.wait().await;
                    match i {
                        0 => p.endpoints().put_endpoint(&call(), &put(id, 1, 2 * round)).await.map(|v| v.table_version),
                        _ => p.endpoints().delete_endpoint(&call(), &delete(id, 2 * round)).await,
                    }
                }
            });
            let (won, lost) = one_wins(results.await);
            assert_eq!((won, table(t).await?), (2 * round + 1, 2 * round + 1));
            for e in lost {
                stale(Err::<(), _>(e), 2 * round, Some(2 * round + 1));
            }
        }
        handles[1].close().await?;
    }

    /// Eight writers, each of whom looks at the table version and changes an endpoint of its own until it was first: every change
    /// is counted.
    #[covers("endpoint.put_endpoint", "endpoint.get_table_version")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn every_change_of_endpoints_is_counted(t) {
        let handles = handles(t).await?;
        let results = race(8, |i, line| {
            let (p, id) = (handles[i % 2].clone(), EndpointId::new());
            async move {
                line.wait().await;
                let mut counted = Vec::new();
                for version in 0..3 {
                    loop {
                        let table = p.endpoints().get_table_version(&call(), &GetEndpointTableVersion {}).await?;
                        match p.endpoints().put_endpoint(&call(), &put(id, version, table)).await {
                            Err(e) if e.kind() == ErrorKind::ConditionFailed => {}
                            result => break counted.push(result?.table_version),
                        };
                    }
                }
                Ok::<_, Error>((id, counted))
            }
        });
        let mut counted = Vec::new();
        for done in results.await {
            let (id, versions) = done?;
            assert_eq!(get(t, id).await?.version, 3);
            counted.extend(versions);
        }
        counted.sort_unstable();
        assert_eq!(counted, (1..=24).collect::<Vec<i64>>(), "each has a version of its own");
        assert_eq!(table(t).await?, 24);
        handles[1].close().await?;
    }

    /// A change whose answer is lost is done once, and answered as if nothing had happened.
    #[covers("P13", "endpoint.put_endpoint", "endpoint.delete_endpoint")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_change_of_an_endpoint_is_found(t) {
        let e = t.p.endpoints();
        let mut version = table(t).await?;
        for fault in UNKNOWN {
            for times in [1, 2] {
                let lose = || t.faults.script(FaultRule::write(fault).times(times));
                let id = EndpointId::new();
                lose();
                assert_eq!(e.put_endpoint(&t.cx(), &put(id, 0, version)).await?.version, 1, "{fault:?}");
                t.faults.release().await;
                lose();
                assert_eq!(e.put_endpoint(&t.cx(), &put(id, 1, version + 1)).await?.version, 2, "{fault:?}");
                t.faults.release().await;
                lose();
                stale(e.put_endpoint(&t.cx(), &put(id, 1, version + 2)).await, 1, Some(2));
                t.faults.clear();
                lose();
                version = e.delete_endpoint(&t.cx(), &delete(id, version + 2)).await?;
                t.faults.release().await;
                missing(get(t, id).await);
                assert_eq!(table(t).await?, version, "{fault:?}");
                t.faults.clear();
            }
        }
    }

    /// When no answer comes in time, the error says that the change may have been done; when nothing was sent, that it was not.
    #[covers("P13", "endpoint.put_endpoint!timeout", "endpoint.delete_endpoint!timeout", "endpoint.put_endpoint!unavailable")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn without_an_answer_changes_of_endpoints_say_maybe(t) {
        let e = t.p.endpoints();
        let id = made(t, 0).await?;
        let (put, delete) = (&put(id, 1, 1), &delete(id, 1));
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            t.faults.script(FaultRule::write(fault).times(u64::MAX));
            unanswered(t, |cx| async move { e.put_endpoint(&cx, put).await }).await;
            unanswered(t, |cx| async move { e.delete_endpoint(&cx, delete).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
        }
        t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).times(1));
        let error = e.put_endpoint(&t.cx(), put).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!((get(t, id).await?.version, table(t).await?), (1, 1));
    }
}
