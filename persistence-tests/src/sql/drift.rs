//! What somebody changed by hand: verifying tells, ensuring repairs.

use super::SqlFixture;
use crate::build::document::path;
use crate::sql_harness::Lent;
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Env, Persistence, Result};
use persistence_sql::dialect::Json;
use persistence_sql::value::Kind;
use serde_json::json;
use std::sync::Arc;

const COLLECTION: &str = "drifted";

fn definition() -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    CollectionDef::new(COLLECTION, IdKind::Text)
        .partition_by(path("project"))
        .attribute(Attribute::new("name", path("name"), text))
        .attribute(Attribute::new("tag", path("tags"), text).elements())
        .index(IndexDef::new("by_name").asc("name"))
        .index(IndexDef::new("by_tag").in_partition().desc("tag"))
}

/// Statements that make the statements which do the damage: this database's catalogue knows what things are called.
struct Damage {
    index: &'static str,
    column: &'static str,
    broken: Option<&'static str>,
    entry: Option<&'static str>,
}

const POSTGRES: Damage = Damage {
    index: "\
        SELECT format('DROP INDEX %I.%I', schemaname, indexname)
          FROM pg_indexes
         WHERE indexname LIKE '%\\_by\\_name\\_%'",
    column: "\
        SELECT format('ALTER TABLE %I.%I DROP COLUMN %I', table_schema, table_name, column_name)
          FROM information_schema.columns
         WHERE column_name LIKE 'k\\_name\\_%'",
    broken: Some(
        "\
        SELECT format('UPDATE pg_index SET indisvalid = false WHERE indexrelid = %L::regclass', oid::regclass)
          FROM pg_class
         WHERE relkind = 'i' AND relname LIKE '%\\_by\\_name\\_%'",
    ),
    entry: None,
};

const MYSQL: Damage = Damage {
    index: "\
        SELECT DISTINCT CONCAT('ALTER TABLE ', table_name, ' DROP INDEX ', index_name)
          FROM information_schema.statistics
         WHERE table_schema = DATABASE() AND index_name LIKE '%\\_by\\_name\\_%'",
    column: "\
        SELECT CONCAT('ALTER TABLE ', table_name, ' DROP COLUMN ', column_name)
          FROM information_schema.columns
         WHERE table_schema = DATABASE() AND column_name LIKE 'k\\_name\\_%'",
    broken: None,
    entry: Some(
        "\
        SELECT CONCAT('DELETE FROM ', table_name, ' WHERE id = ''a''')
          FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_name LIKE '%de\\_%\\_by\\_tag\\_%'",
    ),
};

const SQLITE: Damage = Damage {
    index: "SELECT 'DROP INDEX ' || name FROM sqlite_schema WHERE type = 'index' AND name LIKE '%_by_name_%'",
    // Only after its index.
    column: "\
        SELECT 'DROP INDEX ' || name FROM sqlite_schema WHERE type = 'index' AND name LIKE '%_by_name_%'
        UNION ALL
        SELECT 'ALTER TABLE ' || s.name || ' DROP COLUMN ' || x.name
          FROM sqlite_schema s JOIN pragma_table_xinfo(s.name) x
         WHERE s.type = 'table' AND x.name LIKE 'k_name_%'",
    broken: None,
    entry: Some(
        "\
        SELECT 'DELETE FROM ' || name || ' WHERE id = ''a'''
          FROM sqlite_schema
         WHERE type = 'table' AND name LIKE '%de_%_by_tag_%'",
    ),
};

fn damage(json: Json) -> &'static Damage {
    match json {
        Json::Postgres => &POSTGRES,
        Json::Mysql => &MYSQL,
        _ => &SQLITE,
    }
}

/// Does what the statements say that this one makes.
async fn harm(t: &SqlFixture, makes: &str) -> Result<()> {
    let mut conn = t.connection().await?;
    let rows = conn.query("catalogue", makes, Vec::new(), &[Kind::Text]).await?;
    assert!(!rows.is_empty(), "nothing to harm: {makes}");
    for mut row in rows {
        conn.execute(&row.text()?, Vec::new()).await?;
    }
    Ok(())
}

async fn ensure(t: &SqlFixture, p: &dyn Persistence, mode: EnsureMode) -> Result<Vec<String>> {
    let req = EnsureCollections { definitions: vec![definition()], mode };
    let done = p.documents().ensure_collections(&t.cx(), &req).await?;
    Ok(done.changes.into_iter().map(|c| c.what).collect())
}

async fn ids(t: &SqlFixture, p: &dyn Persistence, filter: Filter) -> Result<Vec<String>> {
    let page = p.documents().find_documents(&t.cx(), &FindDocuments::new(COLLECTION, filter, 10)).await?;
    Ok(page.documents.into_iter().map(|d| d.key.id.to_string()).collect())
}

crate::cases! {
    fixture: SqlFixture;
    group: "drift";

    /// An index or a column that was dropped by hand, and an index that was not built to its end, is reported by verifying and made
    /// anew by ensuring; entries that are missing, and entries of nothing, are counted.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn what_was_changed_by_hand_is_found(t) {
        let (json, lent) = (t.driver.dialect().json, Arc::new(Lent::new(t.driver.clone())));
        let p = &*persistence_sql::open(lent, Env::default()).await?;
        ensure(t, p, EnsureMode::Apply).await?;
        let writes = ["a", "b", "c"].map(|id| DocumentWrite {
            collection: COLLECTION.to_owned(),
            key: DocumentKey::within("p", id),
            pre: Pre::Absent,
            action: Action::Put { body: json!({"project": "p", "name": "n", "tags": ["x", id]}), expires: None },
        });
        let req = WriteDocuments { writes: writes.to_vec(), attempt: AttemptId::new() };
        p.documents().write_documents(&t.cx(), &req).await?;
        assert_eq!(ensure(t, p, EnsureMode::Verify).await?, [""; 0]);
        let damage = damage(json);
        for makes in [Some(damage.index), Some(damage.column), damage.broken].into_iter().flatten() {
            harm(t, makes).await?;
            let told = ensure(t, p, EnsureMode::Verify).await?;
            assert!(told.iter().any(|what| what.starts_with("build the index by_name")), "{makes}: {told:?}");
            assert_eq!(ensure(t, p, EnsureMode::Apply).await?, told, "{makes}");
            assert_eq!(ensure(t, p, EnsureMode::Verify).await?, [""; 0], "{makes}");
            assert_eq!(ids(t, p, Filter::eq(path("name"), "n")).await?, ["a", "b", "c"], "{makes}");
        }
        if let Some(makes) = damage.entry {
            harm(t, makes).await?;
            assert_eq!(ensure(t, p, EnsureMode::Verify).await?, ["index by_tag lacks 2 entries"]);
            let mut conn = t.connection().await?;
            conn.execute(&t.sql("DELETE FROM d_drifted WHERE id = 'b'"), Vec::new()).await?;
            let body = r#"UPDATE d_drifted SET data = '{"project": "p", "tags": ["c"]}' WHERE id = 'c'"#;
            conn.execute(&t.sql(body), Vec::new()).await?;
            drop(conn);
            let told = ensure(t, p, EnsureMode::Verify).await?;
            assert_eq!(told, ["index by_tag lacks 2 entries", "index by_tag has 3 entries of no document"]);
        }
        p.close().await?;
    }
}
