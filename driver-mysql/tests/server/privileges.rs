//! What a user may do, as `persist schema status` tells it, and who is refused.

use crate::support::Database;
use driver_mysql::Builder;
use persistence_sql::core::document::{Attribute, CollectionDef, IdKind, IndexDef, KeyType};
use persistence_sql::core::store::{EnsureCollections, EnsureMode};
use persistence_sql::core::{Context, ErrorKind, Outcome};
use persistence_sql::driver::{SchemaOp, SqlDriver};

pub(crate) async fn what_a_user_may_not_do_is_told() {
    let database = Database::new().await;
    database.open("root", "").await;
    for (granted, lacking) in [("SELECT, INSERT, UPDATE, DELETE", ""), ("SELECT, INSERT", "UPDATE DELETE")] {
        let user = database.user(granted).await;
        let driver = database.driver(&user).await;
        let told = driver.schema(SchemaOp::Status).await.unwrap().privileges;
        assert_eq!(told.len(), 53, "four of each table, and one of the versions");
        for p in &told {
            let verb = p.what.split(' ').next().unwrap();
            assert_eq!(p.held, !lacking.contains(verb), "{}", p.what);
        }
        driver.close().await.unwrap();
    }
}

pub(crate) async fn who_may_make_no_temporary_table_ensures_by_names() {
    let database = Database::new().await;
    let name = Attribute::new("name", "name".parse().unwrap(), KeyType::Str { max: 40 });
    let def = CollectionDef::new("compared", IdKind::Text).attribute(name);
    let definitions = vec![def.index(IndexDef::new("by_name").asc("name"))];
    let ensure = |mode| EnsureCollections { definitions: definitions.clone(), mode };
    let cx = Context::new();
    let root = database.open("root", "").await;
    root.stores.documents().ensure_collections(&cx, &ensure(EnsureMode::Apply)).await.unwrap();
    let user = database.user("SELECT, INSERT, UPDATE, DELETE").await;
    let theirs = database.open(&user, "&migrate=never").await;
    for mode in [EnsureMode::Apply, EnsureMode::Plan] {
        let done = theirs.stores.documents().ensure_collections(&cx, &ensure(mode)).await.unwrap();
        assert_eq!(done.changes, [], "{mode:?}");
    }
    let refused = theirs.stores.documents().ensure_collections(&cx, &ensure(EnsureMode::Verify)).await;
    let e = refused.unwrap_err();
    assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied), "{e}");
}

pub(crate) async fn who_is_refused_is_told_why_and_no_secret() {
    let database = Database::new().await;
    let user = database.user("SELECT").await;
    let refused = [
        (format!("mysql://{user}:open-sesame@{}/{}", database.host(), database.name), "password"),
        (format!("mysql://root@{}/nowhere", database.host()), "no such database"),
    ];
    for (url, reason) in refused {
        let e = match Builder::new(&url).unwrap().open().await {
            Ok(driver) => driver.acquire(&Context::new()).await.err().unwrap(),
            Err(e) => e,
        };
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied), "{e}");
        assert!(e.to_string().contains(reason), "{e}");
        assert!(!format!("{e} {e:?}").contains("open-sesame"), "{e:?}");
    }
}
