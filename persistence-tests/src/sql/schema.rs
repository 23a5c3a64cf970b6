//! The stored schema: setting up, upgrading, and what a binary works on.

use super::SqlFixture;
use crate::build::execution::{Flow, move_shard, shard};
use crate::build::expect::failed;
use crate::build::record::*;
use crate::race::race;
use crate::sql_harness::Lent;
use persistence_core::schema::SchemaFit;
use persistence_core::store::ExecutionState::*;
use persistence_core::{
    Archetype, Context, Env, ErrorKind, NamespaceId, Persistence, Result, RunId, ShardId,
};
use persistence_sql::Migrate;
use persistence_sql::driver::{SchemaOp, SqlDriver};
use std::sync::Arc;

/// How many upgrade at once.
const UPGRADERS: usize = 8;

crate::cases! {
    fixture: SqlFixture;
    group: "schema";

    /// Status tells what is there and changes nothing; setting up does, and a second time finds nothing to do.
    #[covers("sql.schema", "P24")]
    async fn status_and_setup(t) {
        let (_space, driver) = t.bare().await?;
        let before = driver.schema(SchemaOp::Status).await?;
        assert_eq!((before.found, before.fit()), (None, SchemaFit::Missing));
        assert_eq!(driver.schema(SchemaOp::Status).await?, before);
        let after = driver.schema(SchemaOp::Setup).await?;
        assert_eq!((after.found, after.fit()), (Some(after.current), SchemaFit::Fits));
        assert_eq!(driver.schema(SchemaOp::Setup).await?, after);
        assert_eq!(driver.schema(SchemaOp::Upgrade).await?, after);
        let status = driver.schema(SchemaOp::Status).await?;
        assert_eq!(status.found, after.found);
        assert!(status.privileges.iter().all(|p| p.held), "{status:?}");
        driver.close().await?;
    }

    /// An upgrade of a database on which nothing was set up is refused: it is perhaps not the one that was meant.
    #[covers("sql.schema")]
    async fn upgrading_nothing_is_refused(t) {
        let (_space, driver) = t.bare().await?;
        let e = failed(driver.schema(SchemaOp::Upgrade).await, ErrorKind::SchemaMismatch);
        assert!(e.to_string().contains("persist schema setup --url"), "{e}");
        assert_eq!(driver.schema(SchemaOp::Status).await?.found, None);
        driver.close().await?;
    }

    /// Eight processes that set up a bare database at once: each finds the schema complete, and each version is recorded once.
    #[covers("sql.schema")]
    async fn upgraders_do_not_race(t) {
        let (space, driver) = t.bare().await?;
        let mut drivers = Vec::new();
        for _ in 0..UPGRADERS {
            drivers.push(t.beside(&space, "").await?);
        }
        let upgraded = race(UPGRADERS, |i, line| {
            let driver = drivers[i].clone();
            async move {
                line.wait().await;
                let status = driver.schema(SchemaOp::Setup).await;
                driver.close().await.and(status)
            }
        });
        for status in upgraded.await {
            assert_eq!(status?.fit(), SchemaFit::Fits);
        }
        let mut c = driver.acquire(&Context::new()).await?;
        let versions = SqlFixture::sql_of(&*driver, "SELECT version FROM schema_version ORDER BY version");
        let rows = c.query("schema_version", &versions, Vec::new(), &[persistence_sql::value::Kind::Int]).await?;
        let found = rows.into_iter().map(|mut r| r.int()).collect::<Result<Vec<_>>>()?;
        let current = i64::from(driver.schema(SchemaOp::Status).await?.current);
        assert_eq!(found, (1..=current).collect::<Vec<_>>());
        drop(c);
        driver.close().await?;
    }

    /// A binary works on its own schema version and the next, transitions and all, and refuses others with both versions and
    /// what to do.
    #[covers("sql.schema", "P24")]
    async fn one_version_ahead_is_the_limit(t) {
        let (_space, driver) = t.bare().await?;
        let current = i64::from(driver.schema(SchemaOp::Setup).await?.current);
        works(&driver).await?;
        record(&driver, current + 1).await?;
        for op in [SchemaOp::Setup, SchemaOp::Upgrade, SchemaOp::Status] {
            assert_eq!(driver.schema(op).await?.fit(), SchemaFit::Fits);
        }
        works(&driver).await?;
        record(&driver, current + 2).await?;
        for op in [SchemaOp::Setup, SchemaOp::Upgrade] {
            let e = failed(driver.schema(op).await, ErrorKind::SchemaMismatch);
            let (found, supported) = ((current + 2).to_string(), format!("{current} and {}", current + 1));
            assert!(e.to_string().contains(&found) && e.to_string().contains(&supported), "{e}");
        }
        assert_eq!(driver.schema(SchemaOp::Status).await?.fit(), SchemaFit::Ahead);
        failed(open(&driver, Migrate::Auto).await.map(drop), ErrorKind::SchemaMismatch);
        failed(open(&driver, Migrate::Never).await.map(drop), ErrorKind::SchemaMismatch);
        driver.close().await?;
    }

    /// Where opening may not set up or upgrade it fails, with the command that does, and leaves everything as it was.
    #[covers("sql.schema", "P24")]
    async fn opening_may_be_forbidden_to_migrate(t) {
        let (_space, driver) = t.bare().await?;
        let e = failed(open(&driver, Migrate::Never).await.map(drop), ErrorKind::SchemaMismatch);
        assert!(e.to_string().contains("persist schema setup --url"), "{e}");
        assert_eq!(driver.schema(SchemaOp::Status).await?.found, None);
        driver.schema(SchemaOp::Setup).await?;
        open(&driver, Migrate::Never).await?.close().await?;
        let mut c = driver.acquire(&Context::new()).await?;
        c.execute(&SqlFixture::sql_of(&*driver, "DELETE FROM schema_version"), Vec::new()).await?;
        drop(c);
        record(&driver, 0).await?;
        let e = failed(open(&driver, Migrate::Never).await.map(drop), ErrorKind::SchemaMismatch);
        assert!(e.to_string().contains("persist schema upgrade --url"), "{e}");
        assert_eq!(driver.schema(SchemaOp::Status).await?.found, Some(0));
        driver.close().await?;
    }

    /// Tables of two prefixes live in one database and know nothing of each other.
    #[covers("sql.schema")]
    async fn prefixes_live_side_by_side(t) {
        let (space, one) = t.bare().await?;
        let two = t.beside(&space, "two_").await?;
        one.schema(SchemaOp::Setup).await?;
        assert_eq!(two.schema(SchemaOp::Status).await?.found, None);
        two.schema(SchemaOp::Setup).await?;
        let name = t.name();
        for (driver, level) in [(&one, 1), (&two, 2)] {
            let put = SqlFixture::sql_of(&**driver, super::fixture::PUT);
            let args = vec![1.into(), (&*name).into(), "c".into(), level.into()];
            assert_eq!(driver.acquire(&Context::new()).await?.execute(&put, args).await?, 1);
            works(driver).await?;
        }
        two.close().await?;
        one.close().await?;
    }
}

async fn record(driver: &Arc<dyn SqlDriver>, version: i64) -> Result<()> {
    let sql = SqlFixture::sql_of(&**driver, "INSERT INTO schema_version (version) VALUES (?)");
    let mut c = driver.acquire(&Context::new()).await?;
    c.execute(&sql, vec![version.into()]).await.map(drop)
}

async fn open(driver: &Arc<dyn SqlDriver>, migrate: Migrate) -> Result<Arc<dyn Persistence>> {
    persistence_sql::open(Arc::new(Lent::new(driver.clone()).migrating(migrate)), Env::default()).await
}

/// Opens the stores, takes a shard over and moves a workflow through transitions.
pub(super) async fn works(driver: &Arc<dyn SqlDriver>) -> Result<()> {
    let (p, cx) = (open(driver, Migrate::Auto).await?, Context::new());
    let shard_id = ShardId(1);
    let found = p.shards().get_or_create_shard(&cx, &shard(shard_id, 1)).await?.range_id;
    p.shards().update_shard(&cx, &move_shard(shard_id, found, found + 1)).await?;
    let w = Flow {
        p: p.clone(),
        shard_id,
        range_id: found + 1,
        namespace_id: NamespaceId::new(),
        workflow_id: "w".to_owned(),
        archetype: Archetype::WORKFLOW,
    };
    let run = snapshot(RunId::new(), Created);
    w.send(&w.brand_new(&run)).await?;
    let change = mutation(run.run_id, 1, Running);
    w.send(&w.update_current(&change)).await?;
    assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &change));
    w.send(&w.delete_current(run.run_id)).await?;
    w.send(&w.delete(run.run_id)).await?;
    p.close().await
}
