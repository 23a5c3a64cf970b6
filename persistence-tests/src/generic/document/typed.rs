//! Documents as values of a type: what a collection does beyond single documents.

use crate::build::document::*;
use crate::build::expect::{failed, invalid};
use crate::{Fault, FaultRule};
use futures_util::{FutureExt, TryStreamExt};
use persistence_core::document::collection::{Collection, Documented, Stored, Update};
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::Pre;
use persistence_core::document::*;
use persistence_core::layer::{Call, Layer, Layered, Op};
use persistence_core::store::*;
use persistence_core::{Context, Error, ErrorKind, Outcome, PageRequest, Persistence, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// A job of a team; each case is a team of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    team: String,
    name: String,
    done: bool,
    tries: i64,
}

/// How many jobs of a team are open, in the same partition.
#[derive(Debug, Serialize, Deserialize)]
struct Tally {
    team: String,
    open: i64,
}

/// More streams than any driver's pool has connections in this suite, of both kinds.
const LEFT: usize = 450;

const GROUP: &str = "conformance_team";

impl Documented for Job {
    fn definition() -> CollectionDef {
        CollectionDef::new("conformance_job", IdKind::Text)
            .partition_by(path("team"))
            .group(GROUP)
            .attribute(Attribute::new("done", path("done"), KeyType::Bool).required())
            .attribute(Attribute::new("tries", path("tries"), KeyType::I64).required())
            .index(IndexDef::new("by_done").in_partition().asc("done").asc("tries"))
    }

    fn key(&self) -> DocumentKey {
        at(&self.team, &self.name)
    }
}

impl Documented for Tally {
    fn definition() -> CollectionDef {
        CollectionDef::new("conformance_tally", IdKind::Text).partition_by(path("team")).group(GROUP)
    }

    fn key(&self) -> DocumentKey {
        at(&self.team, "tally")
    }
}

fn job(team: &str, n: usize) -> Job {
    Job { team: team.to_owned(), name: format!("job-{n:02}"), done: false, tries: 0 }
}

/// The jobs of a team that are done, or are not.
fn of(jobs: &Collection<Job>, team: &str, done: bool) -> FindDocuments {
    jobs.query(Filter::eq(path("team"), team).and(Filter::eq(path("done"), done)), 4)
}

/// Somebody who writes a job just before each write of others, as often as is left.
struct Rival {
    jobs: Collection<Job>,
    key: DocumentKey,
    left: AtomicU32,
}

impl Layer for Rival {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        op: &'a Op,
        call: C,
    ) -> Result<T> {
        let one_less = |n: u32| n.checked_sub(1);
        if op.name == "document.write_documents" && self.left.fetch_update(SeqCst, SeqCst, one_less).is_ok() {
            let write = |j: &mut Job| {
                (j.tries, j.done) = (j.tries + 1, true);
                Ok(Update::Write)
            };
            self.jobs.update(cx, &self.key, write).await?;
        }
        call(cx.clone()).await
    }
}

/// The jobs as someone sees them who has a rival.
fn beside(p: &Arc<dyn Persistence>, key: &DocumentKey, times: u32) -> Collection<Job> {
    let (jobs, key) = (Collection::new(p.clone()).with_tries(100), key.clone());
    Collection::new(Layered::wrap(p.clone(), Rival { jobs, key, left: AtomicU32::new(times) }))
}

crate::cases! {
    group: "document";

    /// An update that others come before is done again on what they wrote; when they do so every time, it gives up with the
    /// versions that it met, and has done nothing.
    #[covers("document.write_documents!condition_failed")]
    #[kind(Calm)]
    async fn an_update_gives_up_with_what_it_met(t) {
        let (cx, jobs) = (t.cx(), Collection::<Job>::new(t.p.clone()));
        jobs.ensure(&cx).await?;
        let team = t.name("team");
        let key = jobs.create(&cx, &job(&team, 1)).await?.key;
        let more = |j: &mut Job| {
            j.tries += 100;
            Ok(Update::Write)
        };
        let e = failed(beside(&t.p, &key, 1000).with_tries(3).update(&cx, &key, more).await, ErrorKind::ConditionFailed);
        assert!(e.to_string().contains("expected version 3, found 4"), "{e}");
        assert_eq!(jobs.get(&cx, &key).await?.unwrap().value.tries, 3, "what the rival wrote");
        let updated = beside(&t.p, &key, 2).with_tries(3).update(&cx, &key, more).await?;
        assert_eq!((updated.value.tries, updated.version), (105, 7));
        let (missing, again) = (at(&team, "none"), key.clone());
        let many = jobs.get_many(&cx, &[key, missing, again]).await?;
        assert_eq!(many, [Some(updated.clone()), None, Some(updated)]);
    }

    /// What a query finds is changed and removed page by page, each document once, and not one that no longer fits.
    #[covers("document.write_documents", "document.find_documents")]
    #[kind(Calm)]
    async fn what_a_query_finds_is_changed(t) {
        let (cx, jobs) = (t.cx(), Collection::<Job>::new(t.p.clone()));
        jobs.ensure(&cx).await?;
        let (team, other) = (t.name("team"), t.name("team"));
        for n in 0..10 {
            jobs.create(&cx, &job(&team, n)).await?;
        }
        jobs.create(&cx, &job(&other, 0)).await?;
        let close = |j: &mut Job| {
            (j.done, j.tries) = (true, j.tries + 10);
            Ok(Update::Write)
        };
        // Somebody else closes the sixth one first.
        let (mut query, mut changed) = (of(&jobs, &team, false), 0);
        query.order = vec![OrderBy::asc(path("tries"))];
        let rivalled = beside(&t.p, &at(&team, "job-05"), 1);
        let before = jobs.update_where(&cx, &query, close).await?;
        assert_eq!(before.changed, 4);
        query.page = PageRequest::after(4, before.next.unwrap());
        loop {
            let page = rivalled.update_where(&cx, &query, close).await?;
            changed += page.changed;
            let Some(next) = page.next else { break };
            query.page = PageRequest::after(4, next);
        }
        assert_eq!(changed, 5, "all but what was changed before and what a rival closed");
        let all = jobs.find(&cx, &jobs.query(Filter::eq(path("team"), &*team), 20)).await?.documents;
        let tries: Vec<i64> = all.iter().map(|j| j.value.tries).collect();
        assert_eq!(tries, [10, 10, 10, 10, 10, 1, 10, 10, 10, 10]);
        assert!(all.iter().all(|j| j.value.done && j.version == 2));

        let nothing = jobs.update_where(&cx, &of(&jobs, &team, true), |_| Ok(Update::NoChange)).await?;
        assert_eq!((nothing.changed, nothing.next.is_some()), (0, true));
        let mut query = of(&jobs, &team, true);
        let mut removed = Vec::new();
        loop {
            let page = jobs.delete_where(&cx, &query).await?;
            removed.push(page.changed);
            let Some(next) = page.next else { break };
            query.page = PageRequest::after(4, next);
        }
        assert_eq!(removed, [4, 4, 2]);
        assert_eq!(jobs.count(&cx, of(&jobs, &team, true).filter).await?, 0);
        assert_eq!(jobs.count(&cx, of(&jobs, &other, false).filter).await?, 1, "another team's");
    }

    /// What was deleted softly is not changed, which would bring it back, but it may be removed.
    #[covers("document.write_documents", "document.find_documents")]
    #[kind(Calm)]
    async fn what_is_deleted_stays_so_whatever_a_query_shows(t) {
        let (cx, jobs) = (t.cx(), Collection::<Job>::new(t.p.clone()));
        jobs.ensure(&cx).await?;
        let team = t.name("team");
        for n in 0..3 {
            jobs.create(&cx, &job(&team, n)).await?;
        }
        jobs.soft_delete(&cx, &at(&team, "job-01"), Pre::None).await?;
        let seen = |deleted| FindDocuments { deleted, ..of(&jobs, &team, false) };
        let hidden = jobs.find(&cx, &seen(Deleted::Only)).await?.documents;
        let close = |j: &mut Job| {
            j.done = true;
            Ok(Update::Write)
        };
        for deleted in [Deleted::Only, Deleted::Any] {
            invalid(jobs.update_where(&cx, &seen(deleted), close).await);
        }
        assert_eq!(jobs.find(&cx, &seen(Deleted::Only)).await?.documents, hidden);
        assert_eq!(jobs.update_where(&cx, &seen(Deleted::Hide), close).await?.changed, 2);
        assert_eq!(jobs.find(&cx, &seen(Deleted::Any)).await?.documents, hidden, "the others are done");
        assert_eq!(jobs.delete_where(&cx, &seen(Deleted::Only)).await?.changed, 1);
        assert_eq!(jobs.find(&cx, &seen(Deleted::Any)).await?.documents, []);
    }

    /// The outcome of an error is that of the whole call: what was changed before it is told, whatever the error.
    #[covers("document.write_documents!unavailable")]
    #[kind(Calm)]
    async fn an_error_tells_of_what_was_changed(t) {
        let (cx, jobs) = (t.cx(), Collection::<Job>::new(t.p.clone()));
        jobs.ensure(&cx).await?;
        let close = |j: &mut Job| {
            j.done = true;
            Ok(Update::Write)
        };
        for (remove, nth) in [(false, 1), (false, 2), (false, 4), (true, 1), (true, 2), (true, 4)] {
            let team = t.name("team");
            for n in 0..4 {
                jobs.create(&cx, &job(&team, n)).await?;
            }
            t.clock.advance(Duration::from_secs(1));
            let query = of(&jobs, &team, false);
            t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).nth(nth).times(u64::MAX));
            let done = match remove {
                true => jobs.delete_where(&cx, &query).await,
                false => jobs.update_where(&cx, &query, close).await,
            };
            t.faults.quiet().await;
            t.faults.clear();
            let (e, left) = (failed(done, ErrorKind::Unavailable), jobs.count(&cx, query.filter.clone()).await?);
            let told = if left < 4 { Outcome::MaybeApplied } else { Outcome::NotApplied };
            assert_eq!((e.outcome(), left < 4), (told, nth > 1), "{left} of 4 are left: {e}");
        }
        for wanted in [0, 2] {
            let team = t.name("team");
            for n in 0..4 {
                jobs.create(&cx, &job(&team, n)).await?;
            }
            let mut left = wanted;
            let some = |j: &mut Job| {
                left -= 1;
                if left < 0 { Err(Error::aborted("enough")) } else { close(j) }
            };
            let e = failed(jobs.update_where(&cx, &of(&jobs, &team, false), some).await, ErrorKind::Aborted);
            let told = if wanted > 0 { Outcome::MaybeApplied } else { Outcome::NotApplied };
            assert_eq!(e.outcome(), told, "{e}");
        }
    }

    /// A stream gives every value of a query, page after page and in order; when a page cannot be read it ends with that error.
    #[covers("document.find_documents", "document.find_documents!unavailable")]
    #[kind(Calm)]
    async fn a_stream_gives_every_value(t) {
        let (cx, jobs) = (t.cx(), Collection::<Job>::new(t.p.clone()));
        jobs.ensure(&cx).await?;
        let team = t.name("team");
        for n in 0..10 {
            jobs.create(&cx, &Job { tries: 100 - i64::try_from(n)?, ..job(&team, n) }).await?;
        }
        let name = |n: usize| format!("job-{n:02}");
        for (size, order) in [(1, vec![]), (3, vec![OrderBy::asc(path("tries"))]), (10, vec![]), (50, vec![])] {
            let turned = !order.is_empty();
            let query = FindDocuments { order, page: PageRequest::first(size), ..of(&jobs, &team, false) };
            let all: Vec<Stored<Job>> = jobs.stream(&cx, query).try_collect().await?;
            let names: Vec<_> = all.iter().map(|j| j.value.name.clone()).collect();
            let wanted: Vec<_> = if turned { (0..10).rev().map(name).collect() } else { (0..10).map(name).collect() };
            assert_eq!(names, wanted, "{size} a page");
        }
        let none: Vec<Stored<Job>> = jobs.stream(&cx, of(&jobs, &team, true)).try_collect().await?;
        assert_eq!(none, []);
        // The first page is there, of which the stream gives what it has; the second is not.
        let mut stream = std::pin::pin!(jobs.stream(&cx, of(&jobs, &team, false)));
        assert_eq!(stream.try_next().await?.unwrap().value.name, name(0));
        t.faults.script(FaultRule::read(Fault::Before(Outcome::NotApplied)).times(u64::MAX));
        for n in 1..4 {
            assert_eq!(stream.try_next().await?.unwrap().value.name, name(n));
        }
        failed(stream.try_next().await, ErrorKind::Unavailable);
        t.faults.clear();
        assert_eq!(stream.try_next().await?, None, "an end, after which nothing comes");
        // It begins with the token that it is given.
        let first = jobs.find(&cx, &of(&jobs, &team, false)).await?;
        let rest = FindDocuments { page: PageRequest::after(4, first.next.unwrap()), ..of(&jobs, &team, false) };
        let rest: Vec<Stored<Job>> = jobs.stream(&cx, rest).try_collect().await?;
        assert_eq!(rest.iter().map(|j| j.value.name.clone()).collect::<Vec<_>>(), (4..10).map(name).collect::<Vec<_>>());
    }

    /// A stream that is left half way, or in the middle of a page, holds nothing: more of them than a pool has connections are left,
    /// and all is there to read the next one.
    #[covers("document.find_documents")]
    #[kind(Calm)]
    async fn streams_may_be_left(t) {
        let jobs = Collection::<Job>::new(t.p.clone());
        jobs.ensure(&t.cx()).await?;
        let team = t.name("team");
        for n in 0..6 {
            jobs.create(&t.cx(), &job(&team, n)).await?;
        }
        for left in 0..LEFT {
            let mut stream = std::pin::pin!(jobs.stream(&t.cx(), of(&jobs, &team, false)));
            if left % 2 == 0 {
                assert_eq!(stream.try_next().await?.map(|j| j.value), Some(job(&team, 0)));
            } else {
                // It has begun to read, and nobody waits for it.
                let _ = stream.try_next().now_or_never();
            }
        }
        let all: Vec<Stored<Job>> = jobs.stream(&t.cx(), of(&jobs, &team, false)).try_collect().await?;
        assert_eq!(all.len(), 6);
    }

    /// Values of several types in one partition change together, or not at all.
    #[covers("document.write_documents", "document.explain_documents")]
    async fn types_of_a_group_are_written_together(t) {
        let (cx, jobs) = (t.cx(), Collection::<Job>::new(t.p.clone()));
        let tallies = Collection::<Tally>::new(t.p.clone());
        jobs.ensure(&cx).await?;
        tallies.ensure(&cx).await?;
        let (team, mut tally) = (t.name("team"), Tally { team: t.name("x"), open: 1 });
        tally.team.clone_from(&team);
        let first = job(&team, 1);
        let mut written =
            jobs.together(&cx, vec![jobs.putting(&first, Pre::Absent)?, tallies.putting(&tally, Pre::Absent)?]).await?;
        let tallied = tallies.read(written.remove(1))?.unwrap();
        assert_eq!((tallied.value.open, tallied.version), (1, 1));
        assert_eq!(jobs.read(written.remove(0))?.unwrap().value, first);
        // The job may go only while the tally is what was seen.
        let stale = vec![jobs.deleting(&first.key(), Pre::Present), tallies.checking(&tally.key(), Pre::Version(2))];
        failed(jobs.together(&cx, stale).await, ErrorKind::ConditionFailed);
        assert!(jobs.get(&cx, &first.key()).await?.is_some());
        tally.open = 0;
        let last = vec![jobs.deleting(&first.key(), Pre::Present), tallies.putting(&tally, Pre::Version(1))?];
        let written = jobs.together(&cx, last).await?;
        assert!(written.iter().all(|w| w.changed));
        assert_eq!(jobs.read(written[0].clone())?, None);
        let query = FindDocuments { order: vec![OrderBy::asc(path("tries"))], ..of(&jobs, &team, true) };
        let explained = jobs.explain(&cx, &query).await?;
        assert_eq!(explained.accesses[0].index.as_deref(), Some("by_done"));
        assert!(!explained.scan);
    }
}
