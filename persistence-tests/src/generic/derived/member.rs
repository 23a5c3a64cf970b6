//! Members of the cluster.

use super::handles;
use crate::Fixture;
use crate::build::cluster::*;
use crate::build::expect::{invalid, missing};
use crate::fixture::call;
use crate::generic::blobs::bad_names;
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use crate::race::race;
use persistence_core::store::*;
use persistence_core::{Capability, Clock, HostId, PageRequest, Result, Timestamp};
use std::time::Duration;
use uuid::Uuid;

fn host(n: u128) -> HostId {
    HostId(Uuid::from_u128(n))
}

async fn join(t: &Fixture, req: &UpsertMember) -> Result<Member> {
    t.p.cluster().upsert_member(&t.cx(), req).await?;
    Ok(member(req, t.clock.now()))
}

/// The members that are wanted, the same on pages of any size.
async fn members(t: &Fixture, wanted: &GetMembers) -> Result<Vec<Member>> {
    let (c, cx) = (t.p.cluster(), t.cx());
    let cx = &cx;
    let read = |page| -> Reply<'_, Member> {
        let req = GetMembers { page, ..wanted.clone() };
        Box::pin(async move { c.get_members(cx, &req).await })
    };
    crawl_by([1, 2, 3, 50], read).await
}

async fn prune(t: &Fixture, limit: u32) -> Result<u64> {
    t.p.cluster().prune_members(&t.cx(), &PruneMembers { limit }).await
}

crate::cases! {
    group: "cluster";

    /// Members and what is known of clusters are there after closing and opening again where the driver is durable, as long as they
    /// do not expire, and are not where it is not.
    #[covers("capability.durable", "cluster.upsert_member", "cluster.get_members", "cluster.save_cluster_metadata")]
    #[isolation(Own)]
    async fn members_survive_a_reopen(t) {
        let joined = join(t, &upsert(HostId::new(), MemberRole::HISTORY)).await?;
        let metadata = cluster("c");
        let saved = save(&metadata, 0);
        t.p.cluster().save_cluster_metadata(&t.cx(), &saved).await?;
        t.reopen().await?;
        let all = GetMembers::first(9);
        let known = t.p.cluster().get_cluster_metadata(&t.cx(), &GetClusterMetadata { name: "c".to_owned() }).await;
        if t.capabilities().has(Capability::Durable) {
            let known = known?;
            assert_eq!((known.metadata, known.version), (metadata, 1));
            assert_eq!(members(t, &all).await?, std::slice::from_ref(&joined));
            t.clock.advance(Duration::from_millis(u64::try_from(joined.expires.0 - t.clock.now().0)?));
        } else {
            missing(known);
        }
        assert_eq!(members(t, &all).await?, []);
    }

    /// At first there are no members. Whoever joins is one, and again when it is one already, heard of now; a host may have
    /// several roles.
    #[covers("P19", "cluster.upsert_member", "cluster.get_members")]
    #[isolation(Own)]
    async fn members_join(t) {
        let all = GetMembers::first(9);
        let recent = GetMembers { heartbeat_within: Some(Duration::from_secs(600)), ..all.clone() };
        assert_eq!(members(t, &recent).await?, []);
        let one = upsert(HostId::new(), MemberRole::HISTORY);
        let joined = join(t, &one).await?;
        for wanted in [&all, &recent] {
            assert_eq!(members(t, wanted).await?, std::slice::from_ref(&joined));
        }
        t.clock.advance(Duration::from_secs(3));
        let moved = UpsertMember { rpc_address: "elsewhere".to_owned(), rpc_port: 1, session_start: Timestamp(5), ..one };
        let moved = join(t, &moved).await?;
        assert!(moved.expires > joined.expires && moved.last_heartbeat > joined.last_heartbeat);
        assert_eq!(members(t, &all).await?, std::slice::from_ref(&moved));
        let other = join(t, &upsert(moved.host_id, MemberRole::FRONTEND)).await?;
        assert_eq!(members(t, &all).await?, [other, moved]);
    }

    /// Members are found by every condition alone and together, ordered by host, then by role; tokens are exact.
    #[covers("P9", "cluster.get_members", "cluster.get_members!invalid_token", "cluster.get_members!invalid_argument")]
    #[isolation(Own)]
    async fn members_are_found(t) {
        let mut all = Vec::new();
        for i in 1..=6_u32 {
            for role in [MemberRole::MATCHING, MemberRole::WORKER, MemberRole(u32::MAX)].into_iter().take(i as usize % 3 + 1) {
                // In no order of hosts.
                let req = UpsertMember {
                    rpc_address: format!("10.0.0.{}", i % 2),
                    session_start: Timestamp(i64::from(i)),
                    ..upsert(host(u128::from(i * 7 % 11) << 64), role)
                };
                all.push(join(t, &req).await?);
            }
            t.clock.advance(Duration::from_millis(500));
        }
        all.sort_by_key(|m| (m.host_id, m.role));
        let now = t.clock.now();
        let any = GetMembers::first(1);
        let third = all[3].host_id;
        let seconds = Duration::from_millis(1500);
        type Holds = Box<dyn Fn(&Member) -> bool + Send + Sync>;
        let conditions: Vec<(GetMembers, Holds)> = vec![
            (any.clone(), Box::new(|_| true)),
            (GetMembers { heartbeat_within: Some(seconds), ..any.clone() },
                Box::new(move |m| m.last_heartbeat >= now.before(seconds))),
            (GetMembers { rpc_address: Some("10.0.0.1".to_owned()), ..any.clone() }, Box::new(|m| m.rpc_address == "10.0.0.1")),
            (GetMembers { rpc_address: Some("10.0.0".to_owned()), ..any.clone() }, Box::new(|_| false)),
            (GetMembers { host_id: Some(third), ..any.clone() }, Box::new(move |m| m.host_id == third)),
            (GetMembers { host_id: Some(HostId::new()), ..any.clone() }, Box::new(|_| false)),
            (GetMembers { role: Some(MemberRole::WORKER), ..any.clone() }, Box::new(|m| m.role == MemberRole::WORKER)),
            (GetMembers { role: Some(MemberRole::UNSPECIFIED), ..any.clone() }, Box::new(|_| false)),
            (GetMembers { session_started_since: Some(Timestamp(3)), ..any.clone() }, Box::new(|m| m.session_start.0 >= 3)),
            (GetMembers { role: Some(MemberRole::MATCHING), rpc_address: Some("10.0.0.0".to_owned()),
                session_started_since: Some(Timestamp(4)), ..any.clone() },
                Box::new(|m| m.role == MemberRole::MATCHING && m.rpc_address == "10.0.0.0" && m.session_start.0 >= 4)),
            (GetMembers { host_id: Some(third), role: Some(MemberRole::MATCHING), ..any.clone() },
                Box::new(move |m| m.host_id == third && m.role == MemberRole::MATCHING)),
        ];
        for (i, (wanted, holds)) in conditions.iter().enumerate() {
            let expected: Vec<_> = all.iter().filter(|m| holds(m)).cloned().collect();
            assert_eq!(members(t, wanted).await?, expected, "condition {i}");
        }
        let (c, cx) = (t.p.cluster(), t.cx());
        let cx = &cx;
        let read = |page| -> Reply<'_, Member> {
            Box::pin(async move { c.get_members(cx, &GetMembers { page, ..GetMembers::first(1) }).await })
        };
        let worker = GetMembers { role: Some(MemberRole::WORKER), ..any };
        let foreign = c.get_members(cx, &worker).await?.next.unwrap();
        let own = read(PageRequest::first(2)).await?.next.unwrap();
        check_tokens(&own, &[foreign], read).await?;
    }

    /// A member is one until its expiry by the store's clock, to the millisecond, and none from then on; it may join again. A prune
    /// removes what is left, as much as it may, and no member.
    #[covers("P18", "cluster.get_members", "cluster.prune_members", "cluster.prune_members!invalid_argument")]
    #[isolation(Own)]
    async fn members_expire(t) {
        let all = GetMembers::first(9);
        let short = UpsertMember { expiry: Duration::from_secs(1), ..upsert(host(1), MemberRole::HISTORY) };
        let brief = join(t, &short).await?;
        let long = join(t, &upsert(host(2), MemberRole::HISTORY)).await?;
        t.clock.advance(Duration::from_millis(999));
        assert_eq!(members(t, &all).await?, [brief, long.clone()]);
        assert_eq!(prune(t, 9).await?, 0);
        t.clock.advance(Duration::from_millis(1));
        assert_eq!(members(t, &all).await?, std::slice::from_ref(&long));
        assert_eq!(members(t, &GetMembers { host_id: Some(host(1)), ..all.clone() }).await?, []);
        let back = join(t, &short).await?;
        assert_eq!(members(t, &all).await?, [back, long.clone()]);
        for i in 10..15 {
            join(t, &UpsertMember { expiry: Duration::from_secs(2), ..upsert(host(i), MemberRole::WORKER) }).await?;
        }
        t.clock.advance(Duration::from_secs(2));
        assert_eq!(members(t, &all).await?, std::slice::from_ref(&long));
        invalid(prune(t, 0).await);
        assert_eq!((prune(t, 4).await?, prune(t, 100).await?, prune(t, 100).await?), (4, 2, 0));
        assert_eq!(members(t, &all).await?, [long]);
        t.clock.advance(Duration::from_secs(3600));
        assert_eq!(members(t, &all).await?, []);
    }

    /// A member that lacks something is invalid, and so is one that expires at once.
    #[covers("cluster.upsert_member!invalid_argument")]
    #[isolation(Own)]
    async fn members_are_complete(t) {
        let good = || upsert(HostId::new(), MemberRole::MATCHING);
        let mut bad = vec![
            UpsertMember { host_id: host(0), ..good() },
            UpsertMember { role: MemberRole::UNSPECIFIED, ..good() },
            UpsertMember { rpc_port: 0, ..good() },
            UpsertMember { session_start: Timestamp(0), ..good() },
            UpsertMember { expiry: Duration::ZERO, ..good() },
            UpsertMember { expiry: Duration::from_millis(999), ..good() },
        ];
        bad.extend(bad_names().into_iter().map(|rpc_address| UpsertMember { rpc_address, ..good() }));
        for req in bad {
            invalid(t.p.cluster().upsert_member(&t.cx(), &req).await);
        }
        assert_eq!(members(t, &GetMembers::first(9)).await?, []);
    }

    /// Many that join at once all do, also those that are the same; a crawl gives each that was there throughout once.
    #[covers("P9", "cluster.upsert_member", "cluster.get_members")]
    #[isolation(Own)]
    async fn members_join_at_once(t) {
        let handles = handles(t).await?;
        let results = race(6, |i, line| {
            let p = handles[i % 2].clone();
            async move {
                line.wait().await;
                for req in [upsert(host(5), MemberRole::HISTORY), upsert(host(100 + i as u128), MemberRole::HISTORY)] {
                    p.cluster().upsert_member(&call(), &req).await?;
                }
                Ok::<_, persistence_core::Error>(())
            }
        });
        for result in results.await {
            result?;
        }
        let there = members(t, &GetMembers::first(9)).await?;
        assert_eq!(there.len(), 7);
        let (mut seen, mut page, mut n) = (Vec::new(), PageRequest::first(2), 0);
        loop {
            let got = t.p.cluster().get_members(&t.cx(), &GetMembers { page, ..GetMembers::first(2) }).await?;
            seen.extend(got.items.iter().map(|m| m.host_id));
            let Some(next) = got.next else { break };
            for new in [1_000 + n, 1 + n] {
                join(t, &upsert(host(new), MemberRole::HISTORY)).await?;
            }
            n += 1;
            assert!(n < 20, "a crawl without an end");
            page = PageRequest::after(2, next);
        }
        seen.retain(|h| there.iter().any(|m| m.host_id == *h));
        assert_eq!(seen, there.iter().map(|m| m.host_id).collect::<Vec<_>>());
        handles[1].close().await?;
    }
}
