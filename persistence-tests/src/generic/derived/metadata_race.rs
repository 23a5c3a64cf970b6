//! Namespaces, many callers at once.

use super::metadata::{made, read, version};
use super::{handles, one_wins};
use crate::build::expect::failed;
use crate::build::namespace::*;
use crate::fixture::call;
use crate::race::race;
use persistence_core::store::*;
use persistence_core::{Error, ErrorKind, Outcome, Persistence, Result};
use std::collections::BTreeSet;

const RACERS: usize = 6;

/// Creates it. Where too much happened meanwhile for anyone to tell, it is there, or it is not, and is created anew; which may end
/// in the same way.
async fn created_in_the_end(p: &dyn Persistence, new: &CreateNamespace) -> Result<Namespace> {
    let mut doubt = false;
    loop {
        match p.metadata().create_namespace(&call(), new).await {
            Err(e) if e.outcome() == Outcome::MaybeApplied => doubt = true,
            // What was under way has arrived: nobody else knows its id.
            Err(e) if doubt && e.kind() == ErrorKind::AlreadyExists => {}
            made => return made,
        }
        match p.metadata().get_namespace(&call(), &by_id(new.id)).await {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            found => return found,
        }
    }
}

crate::cases! {
    group: "metadata";

    /// Of creations of one id, or of one name, at once, also of a database that has no namespace yet, exactly one wins; the
    /// notification version counts one.
    #[covers("metadata.create_namespace!already_exists")]
    #[isolation(Own)]
    async fn one_creation_wins(t) {
        let handles = handles(t).await?;
        for (round, same_id) in [true, false].into_iter().enumerate() {
            let (id, name) = (t.namespace(), t.name("namespace"));
            let results = race(RACERS, |i, line| {
                let p = handles[i % 2].clone();
                let new = match same_id {
                    true => create_as(id, &format!("{name}-{i}")),
                    false => create_as(persistence_core::NamespaceId::new(), &name),
                };
                async move {
                    line.wait().await;
                    p.metadata().create_namespace(&call(), &new).await
                }
            });
            let (won, lost) = one_wins(results.await);
            assert!(lost.iter().all(|e| e.kind() == ErrorKind::AlreadyExists), "{lost:?}");
            assert_eq!(read(t, won.id, &won.name).await?, won);
            assert_eq!(version(t).await?, 1 + i64::try_from(round).unwrap());
            let list = ListNamespaces { page: persistence_core::PageRequest::first(10), include_deleted: true };
            assert_eq!(t.p.metadata().list_namespaces(&t.cx(), &list).await?.items.len(), round + 1);
        }
        handles[1].close().await?;
    }

    /// Eight writers that create, each several: every one succeeds, and each has a notification version of its own.
    #[covers("metadata.create_namespace", "metadata.get_metadata")]
    #[isolation(Own)]
    async fn every_change_has_its_version(t) {
        let handles = handles(t).await?;
        let results = race(8, |i, line| {
            let p = handles[i % 2].clone();
            let new: Vec<_> = (0..4).map(|_| create(t)).collect();
            async move {
                line.wait().await;
                let mut versions = Vec::new();
                for new in &new {
                    versions.push(created_in_the_end(&*p, new).await?.notification_version);
                }
                Ok::<_, Error>(versions)
            }
        });
        let mut versions = BTreeSet::new();
        for result in results.await {
            let own = result?;
            assert!(own.is_sorted());
            versions.extend(own);
        }
        assert_eq!(versions, (0..32).collect());
        assert_eq!(version(t).await?, 32);
        handles[1].close().await?;
    }

    /// Of updates that know the same notification version one wins, and the others are told the new one.
    #[covers("P20", "metadata.update_namespace!condition_failed")]
    #[isolation(Own)]
    async fn one_update_wins(t) {
        let handles = handles(t).await?;
        let (a, b) = (create(t), create(t));
        made(t, &a).await?;
        made(t, &b).await?;
        let results = race(RACERS, |i, line| {
            let p = handles[i % 2].clone();
            // Of one namespace or of two: the version is of all.
            let change = update(if i < 3 { a.id } else { b.id }, 2);
            async move {
                line.wait().await;
                p.metadata().update_namespace(&call(), &change).await
            }
        });
        let (won, lost) = one_wins(results.await);
        for e in lost {
            failed(Err::<(), _>(e), ErrorKind::ConditionFailed);
        }
        assert_eq!(read(t, won.id, &won.name).await?, won);
        assert_eq!((won.notification_version, version(t).await?), (2, 3));
        handles[1].close().await?;
    }

    /// Of renames of one namespace one wins, and the others do not find its old name; of renames to one name one wins, and the
    /// name is taken for the others.
    #[covers("metadata.rename_namespace!not_found", "metadata.rename_namespace!already_exists")]
    #[isolation(Own)]
    async fn one_rename_wins(t) {
        let handles = handles(t).await?;
        let mut old = Vec::new();
        for _ in 0..RACERS {
            old.push(made(t, &create(t)).await?.name);
        }
        let to_one = race(RACERS, |i, line| {
            let (p, change) = (handles[i % 2].clone(), rename(&old[i], "one"));
            async move {
                line.wait().await;
                p.metadata().rename_namespace(&call(), &change).await
            }
        });
        let (won, lost) = one_wins(to_one.await);
        assert!(lost.iter().all(|e| e.kind() == ErrorKind::AlreadyExists), "{lost:?}");
        assert_eq!(read(t, won.id, "one").await?, won);
        let from_one = race(RACERS, |i, line| {
            let (p, change) = (handles[i % 2].clone(), rename("one", &format!("name {i}")));
            async move {
                line.wait().await;
                p.metadata().rename_namespace(&call(), &change).await
            }
        });
        let (won, lost) = one_wins(from_one.await);
        assert!(lost.iter().all(|e| e.kind() == ErrorKind::NotFound), "{lost:?}");
        assert_eq!(read(t, won.id, &won.name).await?, won);
        assert_eq!(version(t).await?, i64::try_from(RACERS).unwrap() + 2);
        handles[1].close().await?;
    }
}
