//! A small control plane: two projects, whose agents deploy four applications each, over some days.

use crate::kinds::*;
use persistence::document::collection::{Collection, Documented};
use persistence::document::write::Pre;
use persistence::{Context, Persistence, Result};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) const PROJECTS: [&str; 2] = ["shop", "search"];
/// When it begins, in seconds.
pub(crate) const START: i64 = 1_760_000_000;
const HOUR: i64 = 3600;

/// The same ids in every run, so that it can be run again.
pub(crate) fn id(kind: u64, n: u64) -> Uuid {
    Uuid::from_u64_pair(0x0199_c5a3_8000_7000 + kind, 0x8000_0000_0000_0000 + n)
}

fn labels(n: u64) -> Labels {
    let env = if n.is_multiple_of(2) { "dev" } else { "prd" };
    [("env".to_owned(), env.to_owned()), ("team".to_owned(), format!("team-{}", n % 3))].into()
}

async fn put<T: Documented>(db: &Arc<dyn Persistence>, value: &T) -> Result<()> {
    Collection::<T>::new(db.clone()).put(&Context::new(), value, Pre::None).await.map(drop)
}

/// Stores all of it.
pub(crate) async fn seed(db: &Arc<dyn Persistence>) -> Result<()> {
    for (p, project) in (0_u64..).zip(PROJECTS) {
        let project_id = project.to_owned();
        let admin = Admin { username: "admin".to_owned(), password_hash: "argon2id:…".to_owned() };
        let desc = format!("everything of {project}");
        put(
            db,
            &Project {
                id: project_id.clone(),
                desc,
                static_admin: Some(admin),
                created_at: START,
                updated_at: START,
                ..Default::default()
            },
        )
        .await?;
        for n in 0..3 {
            let at = START + i64::try_from(n).unwrap_or(0);
            let piped = Piped {
                id: id(1, p * 100 + n),
                project_id: project_id.clone(),
                name: format!("piped-{n}"),
                disabled: n == 2,
                version: "v0.50.0".to_owned(),
                created_at: at,
                updated_at: at,
                ..Default::default()
            };
            put(db, &piped).await?;
            let key = ApiKey {
                id: id(2, p * 100 + n),
                project_id: project_id.clone(),
                name: format!("key-{n}"),
                key_hash: format!("hash-{n}"),
                role: 1,
                disabled: n == 1,
                created_at: at,
                updated_at: at,
                ..Default::default()
            };
            put(db, &key).await?;
        }
        for n in 0..8 {
            of_hour(db, p, &project_id, n).await?;
        }
    }
    Ok(())
}

/// What belongs to one hour of a project: an application, a deployment of it, and what came before and after.
async fn of_hour(db: &Arc<dyn Persistence>, p: u64, project: &str, n: u64) -> Result<()> {
    let (project_id, key) = (project.to_owned(), p * 100 + n);
    let hours = i64::try_from(n).unwrap_or(0);
    let (created_at, updated_at) = (START + hours * HOUR, START + hours * HOUR + 600);
    let piped_id = id(1, p * 100 + n % 2).to_string();
    // Each find has something to find, also with all of its conditions.
    let (kind, status) = ((hours + 2) % 3, (hours + 2) % 5);
    let application = Application {
        id: id(3, key),
        project_id: project_id.clone(),
        piped_id: piped_id.clone(),
        name: format!("app-{}", n % 4),
        kind,
        disabled: n == 7,
        sync_state: SyncState { status: hours / 3, ..Default::default() },
        labels: labels(n),
        created_at,
        updated_at,
        ..Default::default()
    };
    put(db, &application).await?;
    let commit = format!("c0ffee{n:02}");
    let deployment = Deployment {
        id: id(4, key),
        project_id: project_id.clone(),
        application_id: application.id.to_string(),
        application_name: application.name,
        piped_id: piped_id.clone(),
        kind,
        status,
        stages: vec![
            Stage { id: "sync".to_owned(), ..Default::default() },
            Stage { id: "verify".to_owned(), ..Default::default() },
        ],
        labels: labels(n),
        deployment_chain_id: n.is_multiple_of(2).then(|| id(7, p * 100 + n % 4).to_string()),
        deployment_trace_commit_hash: Some(commit.clone()),
        created_at,
        updated_at,
        completed_at: (status > 3).then_some(updated_at),
        ..Default::default()
    };
    put(db, &deployment).await?;
    let command = Command {
        id: id(5, key),
        project_id: project_id.clone(),
        piped_id,
        status: hours % 2,
        commander: "web".to_owned(),
        created_at,
        updated_at,
    };
    put(db, &command).await?;
    let event = Event {
        id: id(6, key),
        project_id: project_id.clone(),
        name: "image-pushed".to_owned(),
        event_key: format!("key-{}", n % 3),
        data: format!("v1.{n}"),
        status: hours % 4,
        labels: labels(n),
        created_at,
        updated_at,
        ..Default::default()
    };
    put(db, &event).await?;
    let node = Node { application_id: deployment.application_id, ..Default::default() };
    let blocks = vec![Block { nodes: vec![node], ..Default::default() }];
    put(
        db,
        &DeploymentChain {
            id: id(7, key),
            project_id: project_id.clone(),
            status: hours % 5,
            blocks,
            created_at,
            updated_at,
        },
    )
    .await?;
    let title = format!("Release {n}");
    put(
        db,
        &DeploymentTrace {
            id: id(8, key),
            project_id,
            commit_hash: commit,
            title,
            author: "ada".to_owned(),
            created_at,
            updated_at,
        },
    )
    .await
}
