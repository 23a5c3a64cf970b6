//! Logins, timeouts, pools, statements, privileges.

use crate::support::*;
use crate::tls::require_password;
use driver_postgres::{Builder, connector};
use persistence_sql::core::connect::Connector;
use persistence_sql::core::schema::{SchemaFit, SchemaOp};
use persistence_sql::core::{Context, Env, ErrorKind};
use persistence_sql::driver::SqlDriver;
use persistence_sql::migrate::{Migrations, Privileges};
use persistence_sql::server::{Login, Secret};
use persistence_sql::{Naming, SchemaSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;
use url::Url;

/// A user who needs a password.
async fn user_with_password(password: &str) -> String {
    let (admin, user) = (admin().await, fresh("user"));
    run(&admin, &format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{password}'")).await.unwrap();
    if is_ours() {
        require_password(&admin, &user).await;
    }
    admin.close().await.unwrap();
    user
}

pub(crate) async fn a_refused_login_shows_no_password() -> Outcome {
    if !is_ours() {
        return Ok(libtest_mimic::Completion::ignored_with("the server is not ours to configure"));
    }
    let user = user_with_password("right").await;
    let url = with_user(&server().await, &format!("{user}:hunter2"));
    let e = open(&format!("{url}/postgres")).await.map(drop).unwrap_err();
    assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, persistence_sql::core::Outcome::NotApplied));
    assert!(e.to_string().contains("refused user or password"), "{e}");
    assert!(!everything(&e).contains("hunter2"), "{}", everything(&e));
    let builder = Builder::new(&format!("{url}/postgres")).unwrap();
    assert!(!format!("{builder:?}").contains("hunter2"), "{builder:?}");
    let db = open(&with_user(&server().await, &format!("{user}:right/postgres"))).await;
    drop(db.unwrap_err());
    let db =
        open(&format!("{}/postgres", with_user(&server().await, &format!("{user}:right")))).await.unwrap();
    assert!(!format!("{db:?}").contains("right"), "{db:?}");
    db.close().await.unwrap();
    PASSED
}

pub(crate) async fn an_unknown_database_is_told_at_once() -> Outcome {
    let e = open(&format!("{}/nowhere?acquire_timeout=1h", server().await)).await.map(drop).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unavailable);
    assert!(e.to_string().contains("there is no such database"), "{e}");
    PASSED
}

pub(crate) async fn credentials_are_asked_for_each_new_connection() -> Outcome {
    if !is_ours() {
        return Ok(libtest_mimic::Completion::ignored_with("the server is not ours to configure"));
    }
    let user = user_with_password("token-0").await;
    let calls = Arc::new(AtomicU32::new(0));
    let hook = {
        let (user, calls) = (user.clone(), calls.clone());
        move || {
            let (user, n) = (user.clone(), calls.fetch_add(1, SeqCst));
            async move { Ok(Login { user: Some(user), password: Some(Secret(format!("token-{n}"))) }) }
        }
    };
    let db = Builder::new(&format!("{}/postgres", server().await)).unwrap();
    let db = db.with_credentials(hook).with_pool_size(3).open().await.unwrap();
    let admin = admin().await;
    let mut held = vec![db.acquire(&Context::new()).await.unwrap()];
    for n in 1..3 {
        // The token before is worth nothing now, and open connections stay.
        run(&admin, &format!("ALTER ROLE {user} PASSWORD 'token-{n}'")).await.unwrap();
        held.push(db.acquire(&Context::new()).await.unwrap());
    }
    for conn in &mut held {
        conn.execute("SELECT 1", Vec::new()).await.unwrap();
    }
    assert_eq!((calls.load(SeqCst), db.pool().connected), (3, 3));
    drop(held);
    drop(db.acquire(&Context::new()).await.unwrap());
    assert_eq!(calls.load(SeqCst), 3, "a connection that is open needs no login");
    db.close().await.unwrap();
    admin.close().await.unwrap();
    PASSED
}

pub(crate) async fn statements_time_out_on_the_server() -> Outcome {
    let db = open(&format!("{}/postgres?statement_timeout=1s", server().await)).await.unwrap();
    let e = run(&db, "SELECT pg_sleep(600)").await.unwrap_err();
    assert_eq!(
        (e.kind(), e.outcome()),
        (ErrorKind::Timeout, persistence_sql::core::Outcome::NotApplied),
        "{e:?}"
    );
    assert_eq!(number(&db, "SELECT 1::bigint", Vec::new()).await.unwrap(), 1);
    assert_eq!(db.pool().connected, 1, "the connection is as good as before");
    db.close().await.unwrap();
    PASSED
}

pub(crate) async fn connections_have_a_name() -> Outcome {
    for (option, name) in [("", "persistence"), ("?application_name=my%20engine", "my engine")] {
        let db = open(&format!("{}/postgres{option}", server().await)).await.unwrap();
        assert_eq!(text(&db, "SELECT current_setting('application_name')").await.unwrap(), name);
        db.close().await.unwrap();
    }
    PASSED
}

pub(crate) async fn a_server_that_does_not_answer_is_given_up() -> Outcome {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://me:hunter2@127.0.0.1:{port}/d?connect_timeout=20ms&acquire_timeout=100ms");
    let e = open(&url).await.map(drop).unwrap_err();
    assert_eq!(
        (e.kind(), e.outcome()),
        (ErrorKind::Unavailable, persistence_sql::core::Outcome::NotApplied),
        "{e:?}"
    );
    drop(silent);
    let e = open(&url).await.map(drop).unwrap_err();
    assert!(e.to_string().contains("cannot be reached"), "{e}");
    assert!(!everything(&e).contains("hunter2"), "{}", everything(&e));
    PASSED
}

pub(crate) async fn statements_are_kept_or_not() -> Outcome {
    const KEPT: &str = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%some_marker%'";
    for (cache, kept) in [(0, 0), (256, 1)] {
        let db =
            open(&format!("{}/postgres?pool_size=1&statement_cache={cache}", server().await)).await.unwrap();
        for n in 0..3 {
            let marked = "SELECT $1::bigint AS some_marker";
            assert_eq!(number(&db, marked, vec![n.into()]).await.unwrap(), n);
        }
        let found = number(&db, &KEPT.replace("some_marker", "AS some\\_marker"), Vec::new()).await.unwrap();
        assert_eq!(found, kept, "statement_cache={cache}");
        db.close().await.unwrap();
    }
    PASSED
}

pub(crate) async fn idle_connections_are_closed() -> Outcome {
    let db = open(&format!("{}/postgres?idle_timeout=1ms", server().await)).await.unwrap();
    while db.pool().idle > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(db.pool().in_use, 0);
    assert_eq!(number(&db, "SELECT 1::bigint", Vec::new()).await.unwrap(), 1);
    assert_eq!(db.pool().connected, 2);
    db.close().await.unwrap();
    PASSED
}

pub(crate) async fn privileges_are_told() -> Outcome {
    let (admin, schema, user) = (admin().await, fresh("flows"), fresh("app"));
    run(&admin, &format!("CREATE ROLE {user} LOGIN")).await.unwrap();
    let of = |user: &str, server: &str, rest: &str| {
        Url::parse(&format!("{}/postgres?schema={schema}{rest}", with_user(server, user))).unwrap()
    };
    let server = server().await;
    let (mine, theirs) = (of("postgres", &server, ""), of(&user, &server, "&migrate=never"));
    let lacking = async || {
        let status = connector().schema(&theirs, SchemaOp::Status).await.unwrap();
        let of = |purpose: &str| status.privileges.iter().filter(|p| p.purpose == purpose && !p.held).count();
        (status.fit(), of("run"), of("setup"), of("upgrade"))
    };
    assert_eq!(lacking().await, (SchemaFit::Missing, 0, 1, 0), "CREATE on the database");
    let status = connector().schema(&mine, SchemaOp::Setup).await.unwrap();
    assert_eq!(status.fit(), SchemaFit::Fits);
    let all = connector().schema(&mine, SchemaOp::Status).await.unwrap().privileges;
    let tables = i64::try_from(all.iter().filter(|p| p.purpose == "upgrade").count()).unwrap();
    assert!(tables > 10 && all.iter().all(|p| p.held), "{all:?}");

    run(&admin, &format!("GRANT USAGE ON SCHEMA {schema} TO {user}")).await.unwrap();
    run(&admin, &format!("GRANT SELECT ON {schema}.schema_version TO {user}")).await.unwrap();
    let (fit, running, setup, upgrade) = lacking().await;
    let expected = usize::try_from((tables - 1) * 4).unwrap();
    assert_eq!((fit, running, setup), (SchemaFit::Fits, expected, 1));
    assert_eq!(i64::try_from(upgrade).unwrap(), tables);

    let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}");
    run(&admin, &grant).await.unwrap();
    assert_eq!(lacking().await.1, 0);
    let p = connector().connect(&theirs, &Env::default()).await.unwrap();
    p.close().await.unwrap();
    run(&admin, &format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    admin.close().await.unwrap();
    PASSED
}

/// A second migration that needs a table for itself.
const MIGRATIONS: Migrations = Migrations {
    versions: &["CREATE TABLE shards (shard_id bigint);\n", "ALTER TABLE shards ADD COLUMN more bigint;\n"],
    has_table: "\
        SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1::text AND c.relname = $2::text",
    version_table: "CREATE TABLE schema_version (version bigint NOT NULL)",
    schema: Some(persistence_sql::migrate::SchemaSql {
        exists: "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1::text",
        create: "CREATE SCHEMA {schema}",
        current: "current_schema()",
    }),
    lock: Some("SELECT pg_advisory_xact_lock(42)"),
    patience: Some("SET LOCAL lock_timeout = '500ms'"),
    unlock: None,
    record: "INSERT INTO schema_version (version) VALUES ($1)",
    privileges: Privileges::None,
};

pub(crate) async fn upgrades_give_way_to_others() -> Outcome {
    let schema = fresh("busy");
    let naming = Naming::default().with_schema(Some(&schema)).unwrap();
    let db = Builder::new(&format!("{}/postgres", server().await)).unwrap();
    let db = Arc::new(db.with_schema(SchemaSettings::named(naming.clone())).open().await.unwrap());
    let first = Migrations { versions: &MIGRATIONS.versions[..1], ..MIGRATIONS };
    let mut conn = db.acquire(&Context::new()).await.unwrap();
    first.run(&mut *conn, SchemaOp::Setup, &naming).await.unwrap();

    let mut busy = db.acquire(&Context::new()).await.unwrap();
    busy.begin(true).await.unwrap();
    let look = format!("SELECT count(*) FROM \"{schema}\".shards");
    busy.execute(&look, Vec::new()).await.unwrap();
    let upgrade = tokio::spawn({
        let naming = naming.clone();
        async move { MIGRATIONS.run(&mut *conn, SchemaOp::Upgrade, &naming).await }
    });
    // The upgrade has waited for the table at least once, and others still get at it.
    const GIVEN_WAY: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%'";
    while number(&db, GIVEN_WAY, Vec::new()).await.unwrap() == 0 {
        assert!(!upgrade.is_finished());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..20 {
        assert_eq!(number(&db, &look, Vec::new()).await.unwrap(), 0);
    }
    assert!(!upgrade.is_finished());
    busy.commit().await.unwrap();
    drop(busy);
    assert_eq!(upgrade.await.unwrap().unwrap().found, Some(2));
    run(&db, &format!("DROP SCHEMA \"{schema}\" CASCADE")).await.unwrap();
    db.close().await.unwrap();
    PASSED
}
