//! Servers: what happens to sessions, and what several of them do to each other.

use super::SqlFixture;
use super::fixture::GET;
use crate::build::expect::failed;
use crate::race::Beside;
use persistence_core::{Context, ErrorKind, Outcome, Result};
use persistence_sql::driver::{SqlConnection, SqlDriver};
use persistence_sql::value::Kind;
use persistence_sql::{Class, class};

/// What only this database's SQL can say.
#[derive(Clone, Copy, Debug)]
pub struct SqlProbe {
    /// The number of this session.
    pub session: &'static str,
    /// The numbers of the other sessions in this database.
    pub others: &'static str,
    /// Ends the session with the number `{}`.
    pub kill: &'static str,
    /// Lets this session only read.
    pub read_only: &'static str,
}

impl SqlProbe {
    /// PostgreSQL's.
    pub const POSTGRES: SqlProbe = SqlProbe {
        session: "SELECT pg_backend_pid()::bigint",
        others: "SELECT pid::bigint FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()",
        kill: "SELECT pg_terminate_backend({})",
        read_only: "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    };

    /// MySQL's.
    pub const MYSQL: SqlProbe = SqlProbe {
        session: "SELECT CONNECTION_ID()",
        // The usual list of processes fails on statements with bytes in them.
        others: "SELECT processlist_id FROM performance_schema.threads
                  WHERE processlist_db = DATABASE() AND processlist_id <> CONNECTION_ID()",
        kill: "KILL {}",
        read_only: "SET SESSION TRANSACTION READ ONLY",
    };

    /// Ends sessions, and waits until they are gone.
    async fn kill(&self, by: &mut dyn SqlConnection, sessions: &[i64]) -> Result<()> {
        for id in sessions {
            // It may have ended by itself.
            let _ = by.execute(&self.kill.replace("{}", &id.to_string()), Vec::new()).await;
        }
        while self.others(by).await?.iter().any(|id| sessions.contains(id)) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn others(&self, by: &mut dyn SqlConnection) -> Result<Vec<i64>> {
        let rows = by.query("sessions", self.others, Vec::new(), &[Kind::Int]).await?;
        rows.into_iter().map(|mut r| r.int()).collect()
    }
}

async fn session(probe: &SqlProbe, conn: &mut dyn SqlConnection) -> Result<i64> {
    conn.query("sessions", probe.session, Vec::new(), &[Kind::Int]).await?[0].int()
}

/// Fills the pool with this many connections that nobody uses.
async fn idle(driver: &dyn SqlDriver, connections: usize) -> Result<()> {
    let mut held = Vec::new();
    for _ in 0..connections {
        held.push(driver.acquire(&Context::new()).await?);
    }
    Ok(())
}

crate::cases! {
    fixture: SqlFixture;
    group: "server";

    /// Connections that broke while nobody used them are replaced, unnoticed, at a read and at the beginning of a transaction.
    #[covers("sql.error")]
    #[isolation(Own)]
    async fn broken_idle_connections_are_replaced(t) {
        let (name, probe) = (t.name(), t.probe());
        t.put(&mut *t.connection().await?, &name, "a", 1).await?;
        for write in [false, true] {
            idle(&*t.driver, 5).await?;
            let mut killer = t.connection().await?;
            let others = probe.others(&mut *killer).await?;
            assert!(others.len() >= 4, "{others:?}");
            probe.kill(&mut *killer, &others).await?;
            let stale = t.driver.pool().stale;
            let mut held = Vec::new();
            for n in 0..4 {
                let mut c = t.connection().await?;
                if write {
                    c.begin(true).await?;
                    t.put(&mut *c, &name, &format!("b{n}"), 2).await?;
                    c.commit().await?;
                } else {
                    assert_eq!(t.get(&mut *c, &name, "a").await?, Some(1));
                }
                held.push(c);
            }
            assert!(t.driver.pool().stale >= stale + 4, "{:?}", t.driver.pool());
        }
        assert_eq!(t.get(&mut *t.connection().await?, &name, "b3").await?, Some(2));
    }

    /// Stores go on when the server ended all sessions: reads at once, writes after finding out whether they were applied.
    #[covers("sql.error", "sql.transaction")]
    #[isolation(Own)]
    async fn stores_survive_the_end_of_all_sessions(t) {
        super::schema::works(&t.driver).await?;
        let probe = t.probe();
        for _ in 0..3 {
            idle(&*t.driver, 4).await?;
            let mut killer = t.connection().await?;
            let others = probe.others(&mut *killer).await?;
            probe.kill(&mut *killer, &others).await?;
            drop(killer);
            super::schema::works(&t.driver).await?;
        }
    }

    /// A transaction whose session is ended is `Unavailable`, leaves nothing behind, and its connection is not used again.
    #[covers("sql.error", "sql.transaction")]
    #[isolation(Own)]
    async fn a_killed_transaction_leaves_nothing(t) {
        let (name, probe) = (t.name(), t.probe());
        for at_commit in [false, true] {
            let (mut victim, mut killer) = (t.connection().await?, t.connection().await?);
            victim.begin(true).await?;
            t.put(&mut *victim, &name, "a", 1).await?;
            let id = session(&probe, &mut *victim).await?;
            probe.kill(&mut *killer, &[id]).await?;
            let e = if at_commit {
                let e = failed(victim.commit().await, ErrorKind::Unavailable);
                assert_eq!(e.outcome(), Outcome::MaybeApplied, "{e:?}");
                e
            } else {
                failed(t.put(&mut *victim, &name, "b", 1).await, ErrorKind::Unavailable)
            };
            assert!(class(&e).is_none() && e.is_retryable(), "{e:?}");
            drop(victim);
            assert_eq!(t.get(&mut *killer, &name, "a").await?, None);
            assert_ne!(session(&probe, &mut *t.connection().await?).await?, id);
        }
    }

    /// A read whose session was ended while the connection was in use is `Unavailable`, and nothing was applied.
    #[covers("sql.error")]
    #[isolation(Own)]
    async fn a_killed_read_is_not_applied(t) {
        let (name, probe) = (t.name(), t.probe());
        let (mut victim, mut killer) = (t.connection().await?, t.connection().await?);
        assert_eq!(t.get(&mut *victim, &name, "a").await?, None);
        let id = session(&probe, &mut *victim).await?;
        probe.kill(&mut *killer, &[id]).await?;
        let e = failed(t.get(&mut *victim, &name, "a").await, ErrorKind::Unavailable);
        assert_eq!(e.outcome(), Outcome::NotApplied, "{e:?}");
    }

    /// What a session that may only read refuses was not applied.
    #[covers("sql.error")]
    #[isolation(Own)]
    async fn read_only(t) {
        let (name, probe) = (t.name(), t.probe());
        let mut c = t.connection().await?;
        c.execute(probe.read_only, Vec::new()).await?;
        c.begin(true).await?;
        let e = failed(t.put(&mut *c, &name, "a", 1).await, ErrorKind::Unavailable);
        assert_eq!((e.outcome(), class(&e)), (Outcome::NotApplied, None), "{e:?}");
        assert!(e.to_string().contains("read-only"), "{e}");
        // Within the transaction, so that this session is not used again.
        drop(c);
        t.put(&mut *t.connection().await?, &name, "a", 1).await?;
    }

    /// A key that is too long is told as such, and nothing of it is stored.
    #[covers("sql.error", "sql.value")]
    async fn too_large(t) {
        let (mut c, name) = (t.connection().await?, t.name());
        // So that it cannot be stored as something short.
        let long: String = (0..4_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        let e = failed(t.put(&mut *c, &name, &long, 1).await, ErrorKind::TooLarge);
        assert_eq!(e.outcome(), Outcome::NotApplied, "{e:?}");
        assert_eq!(t.get(&mut *c, &name, "a").await?, None);
    }

    /// Of two transactions that wait for each other one is told so, with nothing applied, and the other one goes on.
    #[covers("sql.error", "sql.transaction")]
    async fn deadlock(t) {
        let name = t.name();
        let (mut one, mut two) = (t.connection().await?, t.connection().await?);
        for key in ["a", "b"] {
            t.put(&mut *one, &name, key, 0).await?;
        }
        one.begin(true).await?;
        two.begin(true).await?;
        t.raise(&mut *one, &name, "a").await?;
        t.raise(&mut *two, &name, "b").await?;
        let (first, second) = tokio::join!(
            async {
                let done = t.raise(&mut *one, &name, "b").await;
                if done.is_err() { one.rollback().await } else { one.commit().await }?;
                done
            },
            async {
                let done = t.raise(&mut *two, &name, "a").await;
                if done.is_err() { two.rollback().await } else { two.commit().await }?;
                done
            }
        );
        let (lost, won) = if first.is_err() { (first, second) } else { (second, first) };
        let e = failed(lost, ErrorKind::Unavailable);
        assert_eq!((class(&e), e.outcome()), (Some(Class::Deadlock), Outcome::NotApplied), "{e:?}");
        assert_eq!(won?, 1);
        for key in ["a", "b"] {
            assert_eq!(t.get(&mut *one, &name, key).await?, Some(1), "one transaction was applied, in full");
        }
    }

    /// A writing transaction sees what was committed after it began: what it waited for a lock for, and what it just reads.
    #[covers("sql.transaction")]
    async fn writers_read_what_is_committed(t) {
        let name = t.name();
        let (mut first, mut second) = (t.connection().await?, t.connection().await?);
        for key in ["a", "b"] {
            t.put(&mut *first, &name, key, 0).await?;
        }
        first.begin(true).await?;
        t.raise(&mut *first, &name, "a").await?;
        t.raise(&mut *first, &name, "b").await?;
        second.begin(true).await?;
        assert_eq!(t.get(&mut *second, &name, "a").await?, Some(0), "nobody reads what is not committed");
        let look = t.sql(&format!("{GET}{}", t.driver.dialect().for_update));
        let key = vec![1.into(), (&*name).into(), "a".into()];
        let waiting = Beside::run(async move {
            let rows = second.query("queue_acks", &look, key, &[Kind::Int]).await;
            (rows, second)
        });
        first.commit().await?;
        let (rows, mut second) = waiting.end().await;
        assert_eq!(rows?[0].int()?, 1);
        assert_eq!(t.get(&mut *second, &name, "b").await?, Some(1));
        second.rollback().await?;
    }

    /// It is the same whether statements are kept prepared or not.
    #[covers("sql.schema", "sql.value")]
    #[isolation(Own)]
    async fn statements_need_not_be_kept(t) {
        let driver = t.without_statement_cache().await?;
        for _ in 0..2 {
            super::schema::works(&driver).await?;
        }
        let name = t.name();
        let mut c = driver.acquire(&Context::new()).await?;
        for level in 0..3 {
            t.put(&mut *c, &name, &level.to_string(), level).await?;
            assert_eq!(t.get(&mut *c, &name, &level.to_string()).await?, Some(level));
        }
        let e = t.put(&mut *c, &name, "0", 1).await.unwrap_err();
        assert_eq!((class(&e), e.outcome()), (Some(Class::Duplicate), Outcome::NotApplied), "{e:?}");
        assert_eq!(t.get(&mut *c, &name, "0").await?, Some(0));
        drop(c);
        driver.close().await?;
    }
}
