//! Its updates: read, change, write if nobody else wrote meanwhile, else once more. What a plain SELECT and UPDATE loses stays.

use crate::kinds::*;
use crate::seed::{START, id};
use persistence::document::collection::{Collection, Documented, Update};
use persistence::document::write::Pre;
use persistence::document::{DocumentKey, Filter};
use persistence::{Context, Error, ErrorKind, Persistence, Result};
use std::sync::Arc;

const NOW: i64 = START + 86_400;

fn of_shop(kind: u64, n: u64) -> DocumentKey {
    DocumentKey::within("shop", id(kind, n))
}

/// One of each kind of update.
pub(crate) async fn run(db: &Arc<dyn Persistence>, cx: &Context) -> Result<()> {
    project(db, cx).await?;
    application(db, cx).await?;
    deployment(db, cx).await?;
    chain(db, cx).await?;
    agents(db, cx).await?;
    handled(db, cx).await
}

async fn change<T: Documented>(
    db: &Arc<dyn Persistence>,
    cx: &Context,
    key: &DocumentKey,
    change: impl FnMut(&mut T) -> Result<Update> + Send,
) -> Result<T> {
    Ok(Collection::<T>::new(db.clone()).update(cx, key, change).await?.value)
}

async fn project(db: &Arc<dyn Persistence>, cx: &Context) -> Result<()> {
    let joined = |p: &mut Project| {
        p.user_groups.push(UserGroup { sso_group: "ops".to_owned(), role: "Admin".to_owned() });
        p.static_admin = None;
        p.updated_at = NOW;
        Ok(Update::Write)
    };
    let project = change(db, cx, &DocumentKey::new("shop"), joined).await?;
    assert_eq!((project.user_groups.len(), project.static_admin), (1, None));
    Ok(())
}

async fn application(db: &Arc<dyn Persistence>, cx: &Context) -> Result<()> {
    let key = of_shop(3, 1);
    let synced = |a: &mut Application| {
        a.sync_state = SyncState { status: 1, short_reason: "as declared".to_owned(), timestamp: NOW };
        (a.deploying, a.most_recent_deployment, a.updated_at) = (false, Some(id(4, 1)), NOW);
        Ok(Update::Write)
    };
    change(db, cx, &key, synced).await?;
    // Deleted by a flag: it is still listed, and nothing changes it any more.
    let deleted = |a: &mut Application| {
        (a.deleted, a.disabled, a.deleted_at, a.updated_at) = (true, true, NOW, NOW);
        Ok(Update::Write)
    };
    change(db, cx, &key, deleted).await?;
    let enabled = |a: &mut Application| match a.deleted {
        true => Err(Error::aborted("a deleted application cannot be enabled")),
        false => Ok(Update::Write),
    };
    let refused = change(db, cx, &key, enabled).await.expect_err("it is deleted");
    assert_eq!(refused.kind(), ErrorKind::Aborted);
    Ok(())
}

async fn deployment(db: &Arc<dyn Persistence>, cx: &Context) -> Result<()> {
    let key = of_shop(4, 0);
    // Eight stages report at once, each its own metadata: all of it stays.
    let reports = (0..8).map(|n| {
        let (deployments, cx, key) =
            (Collection::<Deployment>::new(db.clone()).with_tries(100), cx.clone(), key.clone());
        tokio::spawn(async move {
            let merge = |d: &mut Deployment| {
                d.metadata.insert(format!("reporter-{n}"), "done".to_owned());
                d.updated_at = d.updated_at.max(NOW);
                Ok(Update::Write)
            };
            deployments.update(&cx, &key, merge).await
        })
    });
    for report in reports.collect::<Vec<_>>() {
        report.await.expect("a report does not panic")?;
    }
    let completed = |d: &mut Deployment| {
        for stage in &mut d.stages {
            stage.status = 2;
            stage.metadata.insert("duration".to_owned(), "12s".to_owned());
        }
        (d.status, d.completed_at, d.updated_at) = (4, Some(NOW), NOW);
        Ok(Update::Write)
    };
    let deployment = change(db, cx, &key, completed).await?;
    assert_eq!((deployment.metadata.len(), deployment.status), (8, 4));
    Ok(())
}

/// The status of a block, and of the chain, follow from those of the nodes: derived and written in one step.
async fn chain(db: &Arc<dyn Persistence>, cx: &Context) -> Result<()> {
    let deployed = |c: &mut DeploymentChain| {
        for block in &mut c.blocks {
            for node in &mut block.nodes {
                (node.deployment_id, node.status) = (Some(id(4, 0)), 2);
            }
            block.status = block.nodes.iter().map(|n| n.status).min().unwrap_or(0);
        }
        c.status = c.blocks.iter().map(|b| b.status).min().unwrap_or(0);
        c.updated_at = NOW;
        Ok(Update::Write)
    };
    assert_eq!(change(db, cx, &of_shop(7, 0), deployed).await?.status, 2);
    Ok(())
}

async fn agents(db: &Arc<dyn Persistence>, cx: &Context) -> Result<()> {
    let add_key = |hash: &str| {
        let key = PipedKey { hash: hash.to_owned(), creator: "ada".to_owned(), created_at: NOW };
        move |p: &mut Piped| {
            p.keys.insert(0, key.clone());
            p.keys.truncate(2);
            p.updated_at = NOW;
            Ok(Update::Write)
        }
    };
    for hash in ["first", "second", "third"] {
        change(db, cx, &of_shop(1, 0), add_key(hash)).await?;
    }
    let piped = change(db, cx, &of_shop(1, 0), |_: &mut Piped| Ok(Update::NoChange)).await?;
    assert_eq!(piped.keys.iter().map(|k| &*k.hash).collect::<Vec<_>>(), ["third", "second"]);

    // The last use of a key never goes back, in whatever order reports come.
    for at in [NOW, NOW - 60] {
        let used = |k: &mut ApiKey| {
            if k.last_used_at >= at {
                return Ok(Update::NoChange);
            }
            k.last_used_at = at;
            Ok(Update::Write)
        };
        assert_eq!(change(db, cx, &of_shop(2, 0), used).await?.last_used_at, NOW);
    }
    Ok(())
}

async fn handled(db: &Arc<dyn Persistence>, cx: &Context) -> Result<()> {
    let handled = |e: &mut Event| {
        (e.status, e.handled_at, e.updated_at) = (1, NOW, NOW);
        Ok(Update::Write)
    };
    assert_eq!(change(db, cx, &of_shop(6, 0), handled).await?.status, 1);
    // A command and the event that asked for it end together, or not at all: they are of one project.
    let (commands, events) = (Collection::<Command>::new(db.clone()), Collection::<Event>::new(db.clone()));
    let (command, event) = (of_shop(5, 0), of_shop(6, 0));
    let unhandled = Pre::Match(Filter::eq("status".parse()?, 0));
    let end = vec![commands.deleting(&command, unhandled), events.deleting(&event, Pre::Present)];
    assert!(commands.together(cx, end.clone()).await?.iter().all(|w| w.changed));
    let again = commands.together(cx, end).await.expect_err("they are gone");
    assert_eq!(again.kind(), ErrorKind::NotFound);
    Ok(())
}
