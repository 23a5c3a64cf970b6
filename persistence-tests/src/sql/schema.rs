//! Schema upgrades.

use super::SqlFixture;
use persistence_core::{Context, ErrorKind};
use persistence_sql::driver::SchemaOp;

crate::cases! {
    fixture: SqlFixture;
    group: "schema";

    /// Status tells what is there and changes nothing; an upgrade sets up, and a second one finds nothing to do.
    #[covers("sql.schema", "P24")]
    async fn status_and_upgrade(t) {
        let (_space, driver) = t.bare().await?;
        let before = driver.schema(SchemaOp::Status).await?;
        assert_eq!(before.found, None);
        assert_eq!(driver.schema(SchemaOp::Status).await?, before);
        let after = driver.schema(SchemaOp::Upgrade).await?;
        assert_eq!(after.found, Some(after.current));
        assert_eq!(driver.schema(SchemaOp::Upgrade).await?, after);
        driver.close().await?;
    }

    /// Upgraders at once: each finds the schema complete.
    #[covers("sql.schema")]
    async fn upgraders_do_not_race(t) {
        let (_space, driver) = t.bare().await?;
        let upgrades = (0..4).map(|_| {
            let driver = driver.clone();
            tokio::spawn(async move { driver.schema(SchemaOp::Upgrade).await })
        });
        for upgrade in upgrades.collect::<Vec<_>>() {
            let status = upgrade.await??;
            assert_eq!(status.found, Some(status.current));
        }
        driver.close().await?;
    }

    /// A binary works on its own schema version and the next, and refuses others with both versions and what to do.
    #[covers("sql.schema", "P24")]
    async fn one_version_ahead_is_the_limit(t) {
        let (_space, driver) = t.bare().await?;
        let current = i64::from(driver.schema(SchemaOp::Upgrade).await?.current);
        let mut c = driver.acquire(&Context::new()).await?;
        let next = t.sql("INSERT INTO schema_version (version) VALUES (?)");
        c.execute(&next, vec![(current + 1).into()]).await?;
        assert!(driver.schema(SchemaOp::Upgrade).await.is_ok());
        c.execute(&next, vec![(current + 2).into()]).await?;
        for op in [SchemaOp::Status, SchemaOp::Upgrade] {
            let e = driver.schema(op).await.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::SchemaMismatch);
            assert!(e.to_string().contains(&(current + 2).to_string()), "{e}");
        }
        drop(c);
        driver.close().await?;
    }
}
