//! What is known of clusters.

use super::{handles, one_wins, stale};
use crate::Fixture;
use crate::build::cluster::*;
use crate::build::expect::{failed, invalid, missing};
use crate::build::record::blob;
use crate::fixture::call;
use crate::generic::blobs::{bad_names, broken, odd_blobs, odd_names};
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use crate::generic::history::UNKNOWN;
use crate::generic::unknown::unanswered;
use crate::race::race;
use crate::{Fault, FaultRule};
use persistence_core::store::*;
use persistence_core::{ErrorKind, HostId, Outcome, PageRequest, Result};

async fn put(t: &Fixture, metadata: &ClusterMetadata, expected_version: i64) -> Result<bool> {
    t.p.cluster().save_cluster_metadata(&t.cx(), &save(metadata, expected_version)).await
}

async fn read(t: &Fixture, name: &str) -> Result<StoredClusterMetadata> {
    t.p.cluster().get_cluster_metadata(&t.cx(), &GetClusterMetadata { name: name.to_owned() }).await
}

crate::cases! {
    group: "cluster";

    /// What is known of a cluster reads back; every change names the version that is there, and a conflict tells it.
    #[covers("P20", "cluster.save_cluster_metadata", "cluster.save_cluster_metadata!condition_failed",
        "cluster.get_cluster_metadata", "cluster.get_cluster_metadata!not_found")]
    async fn a_cluster_has_versions(t) {
        let name = t.name("cluster");
        missing(read(t, &name).await);
        stale(put(t, &cluster(&name), 1).await, 1, None);
        missing(read(t, &name).await);
        for (version, detail) in (0..).zip(odd_blobs()) {
            let metadata = ClusterMetadata { detail, ..cluster(&name) };
            assert!(put(t, &metadata, version).await?);
            assert_eq!(read(t, &name).await?, StoredClusterMetadata { metadata, version: version + 1 });
            for wrong in [0, version, version + 2] {
                stale(put(t, &cluster(&name), wrong).await, wrong, Some(version + 1));
            }
        }
        let name = t.name("cluster");
        put(t, &ClusterMetadata { detail: broken(blob("x")), ..cluster(&name) }, 0).await?;
        failed(read(t, &name).await, ErrorKind::Corrupted);
        // So that no list of other cases ends with it.
        t.p.cluster().delete_cluster_metadata(&t.cx(), &delete(&name)).await?;
    }

    /// What never changes does not: the answer is no, whatever version is named, and nothing is written. What was not set yet can
    /// be.
    #[covers("cluster.save_cluster_metadata")]
    async fn some_of_a_cluster_never_changes(t) {
        let name = t.name("cluster");
        let unset = ClusterMetadata { name: name.clone(), ..ClusterMetadata::default() };
        assert!(put(t, &unset, 0).await?);
        let local = ClusterMetadata { is_global_namespace_enabled: false, ..cluster(&name) };
        assert!(put(t, &local, 1).await?);
        // Without global namespaces failover versions may still change.
        let moved = ClusterMetadata { initial_failover_version: 9, failover_version_increment: 10, ..local.clone() };
        assert!(put(t, &moved, 2).await?);
        let global = cluster(&name);
        for (metadata, version) in [(&local, 3), (&global, 4)] {
            assert!(put(t, metadata, version).await?);
            let held = read(t, &name).await?;
            let mut broken = vec![
                ClusterMetadata { cluster_id: "other".to_owned(), ..metadata.clone() },
                ClusterMetadata { cluster_id: String::new(), ..metadata.clone() },
                ClusterMetadata { history_shard_count: 1024, ..metadata.clone() },
                ClusterMetadata { history_shard_count: 0, ..metadata.clone() },
            ];
            if metadata.is_global_namespace_enabled {
                broken.push(ClusterMetadata { is_global_namespace_enabled: false, ..metadata.clone() });
                broken.push(ClusterMetadata { failover_version_increment: 10, ..metadata.clone() });
                broken.push(ClusterMetadata { initial_failover_version: 9, ..metadata.clone() });
            }
            for metadata in broken {
                for expected in [version + 1, version, 0] {
                    assert!(!put(t, &metadata, expected).await?, "{metadata:?}");
                }
            }
            assert_eq!(read(t, &name).await?, held);
        }
        let detail = ClusterMetadata { detail: blob("new"), ..global };
        assert!(put(t, &detail, 5).await?);
        assert_eq!(read(t, &name).await?, StoredClusterMetadata { metadata: detail, version: 6 });
    }

    /// A cluster is deleted, whether it is there or not; the caller's own is not.
    #[covers("cluster.delete_cluster_metadata", "cluster.delete_cluster_metadata!invalid_argument")]
    async fn a_cluster_is_deleted(t) {
        let (name, other) = (t.name("cluster"), t.name("cluster"));
        for name in [&name, &other] {
            put(t, &cluster(name), 0).await?;
        }
        let own = DeleteClusterMetadata { current_cluster: name.clone(), ..delete(&name) };
        invalid(t.p.cluster().delete_cluster_metadata(&t.cx(), &own).await);
        assert_eq!(read(t, &name).await?.version, 1);
        for _ in 0..2 {
            t.p.cluster().delete_cluster_metadata(&t.cx(), &delete(&name)).await?;
            missing(read(t, &name).await);
        }
        assert!(put(t, &cluster(&name), 0).await?);
        assert_eq!((read(t, &name).await?.version, read(t, &other).await?.version), (1, 1));
    }

    /// Clusters are listed by name, compared by exact bytes; tokens are exact, and a crawl stands deletions. A name that nobody may
    /// use is invalid.
    #[covers("P2", "P9", "cluster.list_cluster_metadata", "cluster.list_cluster_metadata!invalid_token",
        "cluster.list_cluster_metadata!invalid_argument", "cluster.save_cluster_metadata!invalid_argument",
        "cluster.get_cluster_metadata!invalid_argument")]
    #[isolation(Own)]
    async fn clusters_are_listed(t) {
        let p = t.p.clone();
        let (c, cx) = (p.cluster(), t.cx());
        let cx = &cx;
        let list = |page| -> Reply<'_, StoredClusterMetadata> {
            Box::pin(async move { c.list_cluster_metadata(cx, &ListClusterMetadata { page }).await })
        };
        let names = |all: Vec<StoredClusterMetadata>| all.into_iter().map(|s| s.metadata.name).collect::<Vec<_>>();
        assert_eq!(crawl_by([1, 5], list).await?, []);
        let mut sorted = odd_names();
        for name in &sorted {
            assert!(put(t, &cluster(name), 0).await?);
        }
        sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        assert_eq!(names(crawl_by([1, 7, 100], list).await?), sorted);
        let own = list(PageRequest::first(2)).await?.next.unwrap();
        check_tokens(&own, &[], list).await?;
        for name in bad_names() {
            invalid(put(t, &cluster(&name), 0).await);
            invalid(read(t, &name).await);
            invalid(c.delete_cluster_metadata(cx, &delete(&name)).await);
        }
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(5));
        loop {
            let got = list(page).await?;
            for gone in &got.items {
                c.delete_cluster_metadata(cx, &delete(&gone.metadata.name)).await?;
            }
            seen.extend(names(got.items));
            let Some(next) = got.next else { break };
            page = PageRequest::after(5, next);
        }
        assert_eq!(seen, sorted);
    }

    /// Of saves that name the same version one wins, and the others are told the new one.
    #[covers("P20", "cluster.save_cluster_metadata!condition_failed")]
    async fn one_save_wins(t) {
        let handles = handles(t).await?;
        let name = t.name("cluster");
        for version in 0..3 {
            let results = race(6, |i, line| {
                let p = handles[i % 2].clone();
                let metadata = ClusterMetadata { detail: blob(&format!("{i}")), ..cluster(&name) };
                async move {
                    line.wait().await;
                    p.cluster().save_cluster_metadata(&call(), &save(&metadata, version)).await.map(|saved| (saved, metadata))
                }
            });
            let ((saved, metadata), lost) = one_wins(results.await);
            assert!(saved);
            assert_eq!(read(t, &name).await?, StoredClusterMetadata { metadata, version: version + 1 });
            for e in lost {
                stale(Err::<(), _>(e), version, Some(version + 1));
            }
        }
        handles[1].close().await?;
    }

    /// A change whose answer is lost is done once, and answered as if nothing had happened.
    #[covers("P13", "cluster.save_cluster_metadata", "cluster.delete_cluster_metadata", "cluster.upsert_member")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_change_of_a_cluster_is_found(t) {
        let (c, mut members) = (t.p.cluster(), 0);
        put(t, &cluster("first"), 0).await?;
        for fault in UNKNOWN {
            for times in [1, 2] {
                let name = t.name("cluster");
                let lose = || t.faults.script(FaultRule::write(fault).times(times));
                lose();
                assert!(put(t, &cluster(&name), 0).await?, "{fault:?}");
                t.faults.release().await;
                lose();
                assert!(put(t, &cluster(&name), 1).await?, "{fault:?}");
                t.faults.release().await;
                assert_eq!(read(t, &name).await?.version, 2);
                lose();
                stale(put(t, &cluster(&name), 1).await, 1, Some(2));
                t.faults.clear();
                lose();
                c.delete_cluster_metadata(&t.cx(), &delete(&name)).await?;
                t.faults.release().await;
                missing(read(t, &name).await);
                t.faults.clear();
                lose();
                c.upsert_member(&t.cx(), &upsert(HostId::new(), MemberRole::HISTORY)).await?;
                t.faults.release().await;
                members += 1;
                assert_eq!(c.get_members(&t.cx(), &GetMembers::first(99)).await?.items.len(), members, "{fault:?}");
                t.faults.clear();
            }
        }
    }

    /// When no answer comes in time, the error says that the change may have been done; when nothing was sent, that it was not.
    #[covers("P13", "cluster.save_cluster_metadata!timeout", "cluster.delete_cluster_metadata!timeout",
"cluster.save_cluster_metadata!unavailable")]
    #[kind(Calm)]
    async fn without_an_answer_changes_of_clusters_say_maybe(t) {
        let (c, name) = (t.p.cluster(), t.name("cluster"));
        put(t, &cluster(&name), 0).await?;
        let (save, delete) = (&save(&cluster(&name), 1), &delete(&name));
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            t.faults.script(FaultRule::write(fault).times(u64::MAX));
            unanswered(t, |cx| async move { c.save_cluster_metadata(&cx, save).await }).await;
            unanswered(t, |cx| async move { c.delete_cluster_metadata(&cx, delete).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
        }
        t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).times(1));
        let e = c.save_cluster_metadata(&t.cx(), save).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!(read(t, &name).await?.version, 1);
    }
}
