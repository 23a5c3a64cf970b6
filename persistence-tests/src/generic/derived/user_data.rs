//! User data of task queues.

use super::{handles, one_wins, stale};
use crate::Fixture;
use crate::build::expect::{failed, invalid, missing};
use crate::build::record::blob;
use crate::build::user_data::*;
use crate::fixture::call;
use crate::generic::blobs::{bad_names, broken, odd_blobs, odd_names};
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use crate::generic::history::UNKNOWN;
use crate::generic::unknown::unanswered;
use crate::race::race;
use crate::{Fault, FaultRule};
use persistence_core::store::*;
use persistence_core::{Blob, Capability, Error, ErrorKind, NamespaceId, Outcome, PageRequest, Result};

async fn send(t: &Fixture, ns: NamespaceId, updates: &[UserDataUpdate]) -> Result<()> {
    t.p.user_data().update_user_data(&t.cx(), &update(ns, updates)).await
}

async fn read(t: &Fixture, ns: NamespaceId, queue: &str) -> Result<TaskQueueUserData> {
    t.p.user_data().get_user_data(&t.cx(), &get(ns, queue)).await
}

/// The task queues that know a build, which are as many as are counted.
async fn know(t: &Fixture, ns: NamespaceId, build: &str) -> Result<Vec<String>> {
    let names = t.p.user_data().get_task_queues_by_build_id(&t.cx(), &by_build(ns, build)).await?;
    let count = t.p.user_data().count_task_queues_by_build_id(&t.cx(), &count_by_build(ns, build)).await?;
    assert_eq!(count, names.len() as u64);
    Ok(names)
}

crate::cases! {
    group: "user_data";

    /// User data that is missing is not found; its first version is 1, and every update names the one that is there.
    #[covers("P20", "user_data.update_user_data", "user_data.get_user_data", "user_data.get_user_data!not_found",
        "user_data.update_user_data!condition_failed")]
    async fn user_data_has_versions(t) {
        let (ns, other) = (t.namespace(), t.namespace());
        missing(read(t, ns, "q").await);
        stale(send(t, ns, &[change("q", 1)]).await, 1, None);
        missing(read(t, ns, "q").await);
        for (version, data) in odd_blobs().into_iter().enumerate().map(|(i, d)| (i64::try_from(i).unwrap(), d)) {
            send(t, ns, &[UserDataUpdate { data: data.clone(), ..change("q", version) }]).await?;
            let (task_queue, version) = ("q".to_owned(), version + 1);
            assert_eq!(read(t, ns, "q").await?, TaskQueueUserData { task_queue, version, data });
            for wrong in [0, version - 1, version + 1] {
                stale(send(t, ns, &[change("q", wrong)]).await, wrong, Some(version));
            }
        }
        missing(read(t, other, "q").await);
        missing(read(t, ns, "Q").await);
        send(t, other, &[UserDataUpdate { data: broken(blob("x")), ..change("q", 0) }]).await?;
        failed(read(t, other, "q").await, ErrorKind::Corrupted);
        let huge = UserDataUpdate { data: Blob::json(vec![b'x'; 5 << 20]), ..change("q", 1) };
        failed(send(t, other, &[huge]).await, ErrorKind::TooLarge);
    }

    /// Updates of several task queues are done all or none; the error names the first that did not fit.
    #[covers("user_data.update_user_data", "user_data.update_user_data!condition_failed",
        "user_data.update_user_data!invalid_argument")]
    async fn updates_are_done_together(t) {
        let ns = t.namespace();
        send(t, ns, &[adds("a", 0, &["b1"]), adds("b", 0, &["b1", "b2"]), change("c", 0)]).await?;
        send(t, ns, &[change("b", 1)]).await?;
        for (updates, queue, expected, actual) in [
            (vec![adds("a", 1, &["b9"]), adds("b", 1, &["b9"]), adds("c", 7, &["b9"])], "b", 1, Some(2)),
            (vec![removes("a", 1, &["b1"]), adds("d", 0, &["b9"]), change("c", 2)], "c", 2, Some(1)),
            (vec![adds("d", 1, &["b9"]), change("a", 1)], "d", 1, None),
        ] {
            let e = stale(send(t, ns, &updates).await, expected, actual);
            assert!(e.to_string().contains(&format!("task queue {queue}")), "{e}");
        }
        assert_eq!(know(t, ns, "b1").await?, ["a", "b"]);
        assert_eq!(know(t, ns, "b9").await?, [""; 0]);
        missing(read(t, ns, "d").await);
        for (queue, version) in [("a", 1), ("b", 2), ("c", 1)] {
            assert_eq!(read(t, ns, queue).await?.version, version);
        }
        send(t, ns, &[change("a", 1), adds("b", 2, &["b9"]), change("c", 1), adds("d", 0, &["b9"])]).await?;
        assert_eq!(know(t, ns, "b9").await?, ["b", "d"]);
        invalid(send(t, ns, &[]).await);
        invalid(send(t, ns, &[change("a", 2), change("a", 3)]).await);
    }

    /// A build that is added is known, whether it was before or not; one that is removed is not, also when it is added as well.
    /// Each namespace has builds of its own.
    #[covers("P19", "P23", "user_data.get_task_queues_by_build_id", "user_data.count_task_queues_by_build_id")]
    async fn builds_are_known_once(t) {
        let (ns, other) = (t.namespace(), t.namespace());
        send(t, ns, &[adds("q", 0, &["b1", "b2", "b1"])]).await?;
        send(t, ns, &[adds("q", 1, &["b2", "b3"]), adds("p", 0, &["b2"])]).await?;
        send(t, other, &[adds("q", 0, &["b2"])]).await?;
        for (build, queues) in [("b1", vec!["q"]), ("b2", vec!["p", "q"]), ("b3", vec!["q"]), ("b", vec![]), ("B1", vec![])] {
            assert_eq!(know(t, ns, build).await?, queues, "{build}");
        }
        send(t, ns, &[removes("q", 2, &["b2", "never"])]).await?;
        assert_eq!((know(t, ns, "b2").await?, know(t, other, "b2").await?), (vec!["p".to_owned()], vec!["q".to_owned()]));
        let both = UserDataUpdate { build_ids_removed: vec!["b4".to_owned(), "b1".to_owned()], ..adds("q", 3, &["b4", "b5"]) };
        send(t, ns, &[both]).await?;
        for (build, queues) in [("b1", vec![]), ("b3", vec!["q"]), ("b4", vec![]), ("b5", vec!["q"])] {
            assert_eq!(know(t, ns, build).await?, queues, "{build}");
        }
        assert_eq!(read(t, ns, "q").await?.version, 4);
        let many: Vec<String> = (0..999).map(|i| format!("many {i}")).collect();
        let many = |n: usize| UserDataUpdate { build_ids_added: many[..n].to_vec(), ..change("q", 4) };
        invalid(send(t, ns, &[many(999)]).await);
        assert_eq!(know(t, ns, "many 0").await?, [""; 0]);
    }

    /// User data and what it knows are there after closing and opening again where the driver is durable, and are not where it is not.
    #[covers("capability.durable", "user_data.update_user_data", "user_data.get_user_data",
        "user_data.get_task_queues_by_build_id")]
    #[isolation(Own)]
    async fn user_data_survives_a_reopen(t) {
        let ns = t.namespace();
        send(t, ns, &[adds("a", 0, &["b1", "b2"]), adds("b", 0, &["b1"])]).await?;
        send(t, ns, &[removes("a", 1, &["b1"])]).await?;
        let before = read(t, ns, "a").await?;
        t.reopen().await?;
        if t.capabilities().has(Capability::Durable) {
            assert_eq!(read(t, ns, "a").await?, before);
            assert_eq!((know(t, ns, "b1").await?, know(t, ns, "b2").await?), (vec!["b".to_owned()], vec!["a".to_owned()]));
            stale(send(t, ns, &[adds("a", 1, &["b3"])]).await, 1, Some(2));
            send(t, ns, &[adds("a", 2, &["b1"])]).await?;
            assert_eq!(know(t, ns, "b1").await?, ["a", "b"]);
        } else {
            missing(read(t, ns, "a").await);
            send(t, ns, &[adds("a", 0, &["b1"])]).await?;
        }
    }

    /// A task queue knows as many builds as are allowed, which come and go at once.
    #[covers("user_data.update_user_data", "user_data.update_user_data!invalid_argument")]
    #[kind(Calm)]
    async fn many_builds_come_and_go_at_once(t) {
        let ns = t.namespace();
        let builds = |of: &str, n: usize| (0..n).map(|i| format!("{of}{i}")).collect::<Vec<_>>();
        let first = UserDataUpdate { build_ids_added: builds("a", 1000), ..change("q", 0) };
        send(t, ns, &[first]).await?;
        assert_eq!(know(t, ns, "a999").await?, ["q"]);
        invalid(send(t, ns, &[adds("q", 1, &["b"])]).await);
        let (build_ids_added, build_ids_removed) = (builds("b", 1000), builds("a", 1000));
        send(t, ns, &[UserDataUpdate { build_ids_added, build_ids_removed, ..change("q", 1) }]).await?;
        assert_eq!(know(t, ns, "a999").await?, [""; 0]);
        assert_eq!(know(t, ns, "b999").await?, ["q"]);
    }

    /// Task queues and builds are compared by exact bytes; a name that nobody may use is invalid, wherever it is.
    #[covers("P2", "user_data.update_user_data!invalid_argument", "user_data.get_user_data!invalid_argument",
        "user_data.get_task_queues_by_build_id!invalid_argument", "user_data.count_task_queues_by_build_id!invalid_argument")]
    async fn names_of_user_data_are_exact(t) {
        let (ns, cx) = (t.namespace(), t.cx());
        let all: Vec<_> = odd_names().iter().map(|name| adds(name, 0, &[name])).collect();
        for one in &all {
            send(t, ns, std::slice::from_ref(one)).await?;
        }
        for one in &all {
            assert_eq!(read(t, ns, &one.task_queue).await?.data, one.data);
            assert_eq!(know(t, ns, &one.task_queue).await?, [&*one.task_queue]);
        }
        for name in bad_names() {
            invalid(send(t, ns, &[change(&name, 0)]).await);
            invalid(send(t, ns, &[adds("q", 0, &[&name])]).await);
            invalid(send(t, ns, &[removes("q", 0, &[&name])]).await);
            invalid(read(t, ns, &name).await);
            invalid(t.p.user_data().get_task_queues_by_build_id(&cx, &by_build(ns, &name)).await);
            invalid(t.p.user_data().count_task_queues_by_build_id(&cx, &count_by_build(ns, &name)).await);
        }
        missing(read(t, ns, "q").await);
    }

    /// User data of a namespace is listed by name; tokens are exact, and a crawl stands what comes meanwhile. More task queues than
    /// are read at once know a build.
    #[covers("P9", "user_data.list_user_data", "user_data.list_user_data!invalid_token",
        "user_data.list_user_data!invalid_argument", "user_data.get_task_queues_by_build_id")]
    async fn user_data_is_listed(t) {
        let (ns, other, p, cx) = (t.namespace(), t.namespace(), t.p.clone(), t.cx());
        let (u, cx) = (p.user_data(), &cx);
        let list = |namespace_id| move |page| -> Reply<'_, TaskQueueUserData> {
            Box::pin(async move { u.list_user_data(cx, &ListTaskQueueUserData { namespace_id, page }).await })
        };
        assert_eq!(crawl_by([1, 5], list(ns)).await?, []);
        let names: Vec<_> = (0..120).map(|i| format!("q{i:03}")).collect();
        let updates: Vec<_> = names.iter().map(|name| adds(name, 0, &["b"])).collect();
        for ten in updates.chunks(10).rev() {
            send(t, ns, ten).await?;
            send(t, other, &ten[..1]).await?;
        }
        let wanted = |u: &UserDataUpdate| {
            TaskQueueUserData { task_queue: u.task_queue.clone(), version: 1, data: u.data.clone() }
        };
        let wanted: Vec<_> = updates.iter().map(wanted).collect();
        assert_eq!(crawl_by([7, 40, 119, 120, 121], list(ns)).await?, wanted);
        assert_eq!(know(t, ns, "b").await?, names);
        let own = list(ns)(PageRequest::first(2)).await?.next.unwrap();
        let foreign = list(other)(PageRequest::first(2)).await?.next.unwrap();
        check_tokens(&own, &[foreign], list(ns)).await?;
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(50));
        loop {
            let got = list(ns)(page).await?;
            let last = got.items[got.items.len() - 1].task_queue.clone();
            seen.extend(got.items.into_iter().map(|d| d.task_queue));
            send(t, ns, &[change(&last, 1)]).await?;
            for name in [format!("{last}+"), format!("a{last}")] {
                send(t, ns, &[change(&name, 0)]).await?;
            }
            let Some(next) = got.next else { break };
            page = PageRequest::after(50, next);
        }
        seen.retain(|name| names.contains(name));
        assert_eq!(seen, names);
    }

    /// Of updates that know the same version one wins, with all that it updates; the others are told the new version.
    #[covers("P20", "user_data.update_user_data!condition_failed")]
    async fn one_update_of_user_data_wins(t) {
        let handles = handles(t).await?;
        let ns = t.namespace();
        for version in 0..2 {
            let results = race(6, |i, line| {
                let p = handles[i % 2].clone();
                // All of them have one task queue in common.
                let own = format!("own {i}");
                let build = format!("{version} {i}");
                let first = (version == 0).then(|| adds(&own, 0, &[&build]));
                let updates: Vec<_> = first.into_iter().chain([adds("q", version, &[&build])]).collect();
                let update = update(ns, &updates);
                async move {
                    line.wait().await;
                    p.user_data().update_user_data(&call(), &update).await.map(|()| build)
                }
            });
            let (won, lost) = one_wins(results.await);
            for e in lost {
                stale(Err::<(), _>(e), version, Some(version + 1));
            }
            assert_eq!(read(t, ns, "q").await?.version, version + 1);
            for i in 0..6 {
                let build = format!("{version} {i}");
                assert_eq!(!know(t, ns, &build).await?.is_empty(), build == won);
            }
        }
        let page = PageRequest::first(9);
        let all = t.p.user_data().list_user_data(&t.cx(), &ListTaskQueueUserData { namespace_id: ns, page }).await?;
        assert_eq!(all.items.len(), 2);
        handles[1].close().await?;
    }

    /// Eight writers, each of whom reads the version and updates until it was first: no update is lost.
    #[covers("user_data.update_user_data", "user_data.get_user_data")]
    #[kind(Calm)]
    async fn no_update_of_user_data_is_lost(t) {
        let handles = handles(t).await?;
        let ns = t.namespace();
        let results = race(8, |i, line| {
            let p = handles[i % 2].clone();
            async move {
                line.wait().await;
                for n in 0..3 {
                    loop {
                        let version = match p.user_data().get_user_data(&call(), &get(ns, "q")).await {
                            Err(e) if e.kind() == ErrorKind::NotFound => 0,
                            found => found?.version,
                        };
                        let build = format!("{i}.{n}");
                        let update = update(ns, &[adds("q", version, &[&build])]);
                        match p.user_data().update_user_data(&call(), &update).await {
                            Err(e) if e.kind() == ErrorKind::ConditionFailed => {}
                            result => break result?,
                        };
                    }
                }
                Ok::<_, Error>(())
            }
        });
        for result in results.await {
            result?;
        }
        assert_eq!(read(t, ns, "q").await?.version, 24);
        for build in (0..8).flat_map(|i| (0..3).map(move |n| format!("{i}.{n}"))) {
            assert_eq!(know(t, ns, &build).await?, ["q"]);
        }
        handles[1].close().await?;
    }

    /// An update whose answer is lost is done once, and answered as if nothing had happened.
    #[covers("P13", "user_data.update_user_data")]
    #[kind(Calm)]
    async fn a_lost_answer_to_an_update_of_user_data_is_found(t) {
        let ns = t.namespace();
        send(t, ns, &[change("first", 0)]).await?;
        for (i, fault) in UNKNOWN.into_iter().enumerate() {
            for times in [1, 2] {
                let (a, b) = (format!("a{i}.{times}"), format!("b{i}.{times}"));
                let lose = || t.faults.script(FaultRule::write(fault).times(times));
                lose();
                send(t, ns, &[adds(&a, 0, &["x"]), adds(&b, 0, &["y"])]).await?;
                t.faults.release().await;
                lose();
                send(t, ns, &[removes(&a, 1, &["x"])]).await?;
                t.faults.release().await;
                lose();
                stale(send(t, ns, &[change(&b, 1), change(&a, 1)]).await, 1, Some(2));
                t.faults.clear();
                t.faults.release().await;
                assert_eq!((read(t, ns, &a).await?.version, read(t, ns, &b).await?.version), (2, 1), "{fault:?}");
                assert!(!know(t, ns, "x").await?.contains(&a) && know(t, ns, "y").await?.contains(&b));
            }
        }
    }

    /// When no answer comes in time, the error says that the update may have been done; when nothing was sent, that it was not.
    #[covers("P13", "user_data.update_user_data!timeout", "user_data.update_user_data!unavailable")]
    #[kind(Calm)]
    async fn without_an_answer_updates_of_user_data_say_maybe(t) {
        let (ns, u) = (t.namespace(), t.p.user_data());
        send(t, ns, &[change("q", 0)]).await?;
        let write = &update(ns, &[change("q", 1)]);
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            t.faults.script(FaultRule::write(fault).times(u64::MAX));
            unanswered(t, |cx| async move { u.update_user_data(&cx, write).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
        }
        t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).times(1));
        let e = u.update_user_data(&t.cx(), write).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!(read(t, ns, "q").await?.version, 1);
    }
}
