//! Transactions.

use super::SqlFixture;
use crate::race::race;
use persistence_core::Context;
use std::sync::Arc;

crate::cases! {
    fixture: SqlFixture;
    group: "transaction";

    /// What is rolled back was never there; what is committed is.
    #[covers("sql.transaction")]
    async fn rollback_and_commit(t) {
        let (mut c, name) = (t.connection().await?, t.name());
        c.begin(true).await?;
        t.put(&mut *c, &name, "a", 1).await?;
        assert_eq!(t.get(&mut *c, &name, "a").await?, Some(1), "a transaction sees its own writes");
        c.rollback().await?;
        assert_eq!(t.get(&mut *c, &name, "a").await?, None);
        c.begin(true).await?;
        t.put(&mut *c, &name, "a", 2).await?;
        c.commit().await?;
        assert_eq!(t.get(&mut *t.connection().await?, &name, "a").await?, Some(2));
    }

    /// Nobody sees what is not committed.
    #[covers("sql.transaction")]
    async fn writes_are_isolated(t) {
        let (mut writer, mut reader, name) = (t.connection().await?, t.connection().await?, t.name());
        writer.begin(true).await?;
        t.put(&mut *writer, &name, "a", 1).await?;
        assert_eq!(t.get(&mut *reader, &name, "a").await?, None);
        writer.commit().await?;
        assert_eq!(t.get(&mut *reader, &name, "a").await?, Some(1));
    }

    /// A read transaction sees one snapshot, whatever is committed meanwhile.
    #[covers("sql.transaction")]
    async fn a_read_transaction_is_a_snapshot(t) {
        let (mut writer, mut reader, name) = (t.connection().await?, t.connection().await?, t.name());
        t.put(&mut *writer, &name, "a", 1).await?;
        reader.begin(false).await?;
        assert_eq!(t.get(&mut *reader, &name, "a").await?, Some(1));
        t.put(&mut *writer, &name, "b", 2).await?;
        assert_eq!(t.get(&mut *reader, &name, "b").await?, None);
        reader.commit().await?;
        assert_eq!(t.get(&mut *reader, &name, "b").await?, Some(2));
    }

    /// A connection that was retired is closed when it is dropped, and others go back to the pool.
    #[covers("sql.transaction")]
    #[isolation(Own)]
    async fn a_retired_connection_is_used_by_nobody_else(t) {
        let made = || t.driver.pool().connected;
        for retired in [false, true, false] {
            let mut conn = t.connection().await?;
            conn.begin(false).await?;
            conn.rollback().await?;
            if retired {
                conn.retire();
            }
            let before = made();
            drop(conn);
            let mut next = t.connection().await?;
            next.begin(false).await?;
            next.rollback().await?;
            assert_eq!(made(), before + u64::from(retired), "connections made");
        }
    }

    /// A connection that is dropped in a transaction takes its writes with it, and does not come back from the pool half done.
    #[covers("sql.transaction")]
    async fn a_dropped_transaction_is_rolled_back(t) {
        let name = t.name();
        for _ in 0..20 {
            let mut c = t.connection().await?;
            c.begin(true).await?;
            t.put(&mut *c, &name, "a", 1).await?;
            drop(c);
            let mut c = t.connection().await?;
            c.begin(true).await?;
            assert_eq!(t.get(&mut *c, &name, "a").await?, None);
            c.rollback().await?;
        }
    }

    /// Eight writers that each add one a hundred times under a lock end at eight hundred.
    #[covers("sql.transaction")]
    async fn increments_are_not_lost(t) {
        let (name, driver) = (t.name(), t.driver.clone());
        t.put(&mut *t.connection().await?, &name, "n", 0).await?;
        let lock = driver.dialect().for_update;
        let get = t.sql(&format!("{}{lock}", super::fixture::GET));
        let set = t.sql("UPDATE queue_acks SET level = ? WHERE queue_type = ? AND name = ? AND consumer = ?");
        let statements = Arc::new((get, set));
        race(8, |_, line| {
            let (driver, name, statements) = (driver.clone(), name.clone(), statements.clone());
            async move {
                line.wait().await;
                for _ in 0..100 {
                    let mut c = driver.acquire(&Context::new()).await.unwrap();
                    c.begin(true).await.unwrap();
                    let key = vec![1.into(), (&*name).into(), "n".into()];
                    let kinds = [persistence_sql::value::Kind::Int];
                    let mut rows = c.query("queue_acks", &statements.0, key.clone(), &kinds).await.unwrap();
                    let next = rows[0].int().unwrap() + 1;
                    let args = std::iter::once(next.into()).chain(key).collect();
                    assert_eq!(c.execute(&statements.1, args).await.unwrap(), 1);
                    c.commit().await.unwrap();
                }
            }
        })
        .await;
        assert_eq!(t.get(&mut *t.connection().await?, &name, "n").await?, Some(800));
    }

    /// What was committed is there after closing and opening again.
    #[covers("sql.transaction")]
    #[needs(Durable)]
    #[isolation(Own)]
    async fn commits_are_durable(t) {
        let name = t.name();
        t.put(&mut *t.connection().await?, &name, "a", 7).await?;
        t.reopen().await?;
        assert_eq!(t.get(&mut *t.connection().await?, &name, "a").await?, Some(7));
    }
}
