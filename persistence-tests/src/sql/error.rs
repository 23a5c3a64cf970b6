//! Errors: classified, and true about what was applied.

use super::SqlFixture;
use persistence_core::{Context, ErrorKind, Outcome};
use persistence_sql::{Class, class};
use std::time::Duration;

crate::cases! {
    fixture: SqlFixture;
    group: "error";

    /// A duplicate key is told as such, and nothing of the statement was applied.
    #[covers("sql.error")]
    async fn duplicate_key(t) {
        let (mut c, name) = (t.connection().await?, t.name());
        t.put(&mut *c, &name, "a", 1).await?;
        let e = t.put(&mut *c, &name, "a", 2).await.unwrap_err();
        assert_eq!((class(&e), e.outcome()), (Some(Class::Duplicate), Outcome::NotApplied), "{e:?}");
        assert_eq!(t.get(&mut *c, &name, "a").await?, Some(1));
    }

    /// A statement that the database does not understand is an error that names it, and the connection goes on.
    #[covers("sql.error")]
    async fn bad_statement(t) {
        let mut c = t.connection().await?;
        let e = c.execute("SELECT FROM nowhere WHERE", Vec::new()).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied), "{e:?}");
        assert!(class(&e).is_none());
        assert_eq!(t.get(&mut *c, "nobody", "a").await?, None);
    }

    /// An empty pool answers `ResourceExhausted` by the deadline, with what to do, and serves again when a connection comes back.
    #[covers("sql.error")]
    #[isolation(Own)]
    async fn an_empty_pool_is_exhausted(t) {
        let (mut held, size) = (Vec::new(), t.driver.pool().size);
        while held.len() < size {
            held.push(t.connection().await?);
        }
        assert_eq!((t.driver.pool().in_use, t.driver.pool().idle), (size, 0));
        let soon = Context::new().with_timeout(Duration::from_secs(1));
        let e = t.driver.acquire(&soon).await.map(drop).unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::ResourceExhausted, Outcome::NotApplied), "{e:?}");
        assert!(e.to_string().contains(&format!("all {size} connections")), "{e}");
        held.pop();
        t.connection().await?;
        drop(held);
        assert_eq!(t.driver.pool().in_use, 0);
    }

    /// A closed driver says so.
    #[covers("sql.error")]
    #[isolation(Own)]
    async fn a_closed_driver_is_closed(t) {
        t.driver.close().await?;
        let e = t.driver.acquire(&t.cx()).await.map(drop).unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Closed, Outcome::NotApplied), "{e:?}");
    }
}
