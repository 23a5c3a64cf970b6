//! What somebody made otherwise by hand under its old name: verifying tells, repairing makes it as it is declared.

use super::SqlFixture;
use crate::build::document::path;
use crate::sql_harness::Lent;
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Env, ErrorKind, Persistence, Result};
use persistence_sql::dialect::Json;
use persistence_sql::driver::SqlConnection;
use persistence_sql::value::Kind;
use serde_json::json;
use std::sync::Arc;

const COLLECTION: &str = "remade";
const NOTHING: [&str; 0] = [];

fn definition() -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    CollectionDef::new(COLLECTION, IdKind::Text)
        .partition_by(path("project"))
        .attribute(Attribute::new("name", path("name"), text))
        .attribute(Attribute::new("code", path("code"), text))
        .attribute(Attribute::new("note", path("note"), text))
        .attribute(Attribute::new("at", path("at"), KeyType::I64))
        .index(IndexDef::new("only").in_partition().unique().asc("code"))
        .index(IndexDef::new("living").in_partition().unique_live().asc("name"))
        .index(IndexDef::new("ordered").asc("name").desc("at"))
}

/// What the catalogue tells: the statements that drop and make an index, and the column of an attribute with what it is.
struct Catalogue {
    index: &'static str,
    column: &'static str,
}

const POSTGRES: Catalogue = Catalogue {
    index: "\
        SELECT format('DROP INDEX %I.%I', schemaname, indexname) || '; ' || indexdef
          FROM pg_indexes
         WHERE tablename LIKE '%d\\_remade' AND indexname LIKE ",
    column: "\
        SELECT format('%I %s COLLATE \"C\" GENERATED ALWAYS AS (%s) STORED', a.attname, format_type(a.atttypid, a.atttypmod),
                      pg_get_expr(e.adbin, e.adrelid))
          FROM pg_attribute a
          JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
         WHERE a.attname LIKE ",
};

const SQLITE: Catalogue = Catalogue {
    index: "\
        SELECT 'DROP INDEX ' || name || '; ' || sql
          FROM sqlite_schema
         WHERE type = 'index' AND tbl_name LIKE '%d_remade' AND name LIKE ",
    column: "\
        SELECT substr(x.rest, 1, instr(x.rest, ' VIRTUAL') + 7)
          FROM (SELECT c.name, substr(s.sql, instr(s.sql, c.name)) AS rest
                  FROM sqlite_schema s JOIN pragma_table_xinfo(s.name) c
                 WHERE s.type = 'table' AND s.name LIKE '%d_remade') x
         WHERE x.name LIKE ",
};

async fn one(conn: &mut dyn SqlConnection, sql: &str, kinds: &[Kind]) -> Result<String> {
    let mut rows = conn.query("catalogue", sql, Vec::new(), kinds).await?;
    assert_eq!(rows.len(), 1, "{sql}");
    let mut found = String::new();
    for _ in kinds {
        found = rows[0].text()?;
    }
    Ok(found)
}

/// What MySQL's own words about the table say in the line with all of these.
async fn line(t: &SqlFixture, conn: &mut dyn SqlConnection, like: &str) -> Result<String> {
    let table = one(conn, &t.sql("SHOW CREATE TABLE d_remade"), &[Kind::Text; 2]).await?;
    let has = |line: &&str| like.split('%').all(|part| line.contains(part));
    let line = table.lines().find(has).unwrap_or_else(|| panic!("{like}: {table}"));
    Ok(line.trim().trim_end_matches(',').to_owned())
}

/// A change of a definition: what is replaced, and by what.
#[derive(Clone, Copy, Debug)]
enum Change {
    Text(&'static str, &'static str),
    /// The columns whose names begin so: instead of the first one the second one, and the other way round.
    Columns(&'static str, &'static str),
    /// What comes after the column whose name begins so.
    After(&'static str, &'static str),
}

/// The word in a definition that begins so.
fn word<'a>(is: &'a str, begins: &str) -> &'a str {
    let words = is.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.into_iter().find(|word| word.starts_with(begins)).unwrap_or_else(|| panic!("{is} has no {begins}"))
}

fn changed(is: &str, change: Change) -> String {
    let made = match change {
        Change::Text(from, to) => is.replace(from, to),
        Change::Columns(one, other) => {
            let (one, other) = (word(is, one), word(is, other));
            is.replace(one, "?").replace(other, one).replace('?', other)
        }
        Change::After(column, what) => is.replace(word(is, column), &format!("{}{what}", word(is, column))),
    };
    assert_ne!(made, is, "{change:?}");
    made
}

/// Makes the index whose name is like this as it is, but for what is replaced.
async fn remake_index(t: &SqlFixture, like: &str, change: Change) -> Result<()> {
    let mut conn = t.connection().await?;
    let catalogue = match t.driver.dialect().json {
        Json::Mysql => {
            let is = line(t, &mut *conn, like).await?;
            let called = is.split('`').nth(1).unwrap();
            let sql = format!("ALTER TABLE d_remade DROP INDEX `{called}`, ADD {}", changed(&is, change));
            return conn.execute(&sql.replace("d_remade", &t.sql("d_remade")), Vec::new()).await.map(drop);
        }
        Json::Postgres => &POSTGRES,
        _ => &SQLITE,
    };
    let found = one(&mut *conn, &format!("{}'{like}'", catalogue.index), &[Kind::Text]).await?;
    let (drop_it, is) = found.split_once("; ").unwrap();
    conn.execute(drop_it, Vec::new()).await?;
    conn.execute(&changed(is, change), Vec::new()).await.map(drop)
}

/// Makes the column whose name is like this, which is in no index, as it is, but for what is replaced.
async fn remake_column(t: &SqlFixture, like: &str, change: Change) -> Result<()> {
    let mut conn = t.connection().await?;
    let is = match t.driver.dialect().json {
        Json::Mysql => line(t, &mut *conn, like).await?,
        Json::Postgres => one(&mut *conn, &format!("{}'{like}'", POSTGRES.column), &[Kind::Text]).await?,
        _ => one(&mut *conn, &format!("{}'{like}'", SQLITE.column), &[Kind::Text]).await?,
    };
    let table = t.sql("d_remade");
    let drop_it = format!("ALTER TABLE {table} DROP COLUMN {}", is.split(' ').next().unwrap());
    conn.execute(&drop_it, Vec::new()).await?;
    let add = format!("ALTER TABLE {table} ADD COLUMN {}", changed(&is, change));
    conn.execute(&add, Vec::new()).await.map(drop)
}

async fn ensure(t: &SqlFixture, p: &dyn Persistence, mode: EnsureMode) -> Result<Vec<String>> {
    let req = EnsureCollections { definitions: vec![definition()], mode };
    let done = p.documents().ensure_collections(&t.cx(), &req).await?;
    Ok(done.changes.into_iter().map(|c| c.what).collect())
}

/// That this is told by the modes that compare, and nothing is left then.
async fn is_repaired(t: &SqlFixture, p: &dyn Persistence, what: &str) -> Result<()> {
    for mode in [EnsureMode::Plan, EnsureMode::Apply] {
        assert_eq!(ensure(t, p, mode).await?, NOTHING, "{mode:?} goes by names");
    }
    for mode in [EnsureMode::Verify, EnsureMode::Repair] {
        let told = ensure(t, p, mode).await?;
        assert!(
            matches!(&*told, [one] if one.starts_with(what) && one.ends_with(" anew")),
            "{mode:?}: {told:?}"
        );
    }
    assert_eq!(ensure(t, p, EnsureMode::Verify).await?, NOTHING, "{what}");
    Ok(())
}

async fn create(t: &SqlFixture, p: &dyn Persistence, id: &str, code: &str) -> Result<()> {
    let write = DocumentWrite {
        collection: COLLECTION.to_owned(),
        key: DocumentKey::within("p", id),
        pre: Pre::Absent,
        action: Action::Put {
            body: json!({"project": "p", "name": id, "code": code, "note": "n", "other": "o", "at": 1}),
            expires: None,
        },
    };
    let req = WriteDocuments { writes: vec![write], attempt: AttemptId::new() };
    p.documents().write_documents(&t.cx(), &req).await.map(drop)
}

crate::cases! {
    fixture: SqlFixture;
    group: "remade";

    /// A unique index that somebody made anew without its uniqueness is seen, and repairing makes it unique again: not as long as
    /// documents violate it.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn lost_uniqueness_is_found(t) {
        let p = &*persistence_sql::open(Arc::new(Lent::new(t.driver.clone())), Env::default()).await?;
        ensure(t, p, EnsureMode::Apply).await?;
        assert_eq!(ensure(t, p, EnsureMode::Verify).await?, NOTHING);
        create(t, p, "a", "1").await?;
        remake_index(t, "%dx_%_only_%", Change::Text("UNIQUE ", "")).await?;
        create(t, p, "b", "1").await?;
        assert_eq!(ensure(t, p, EnsureMode::Verify).await?, ["build the index only anew"]);
        let refused = ensure(t, p, EnsureMode::Repair).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
        assert_eq!(ensure(t, p, EnsureMode::Verify).await?.len(), 1);
        let mut conn = t.connection().await?;
        conn.execute(&t.sql("DELETE FROM d_remade WHERE id = 'b'"), Vec::new()).await?;
        drop(conn);
        ensure(t, p, EnsureMode::Repair).await?;
        assert_eq!(ensure(t, p, EnsureMode::Verify).await?, NOTHING);
        let refused = create(t, p, "b", "1").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
        p.close().await?;
    }

    /// So is an index of other columns, in another order or direction, with another collation or of other documents.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn an_index_that_was_made_otherwise_is_found(t) {
        let (json, text) = (t.driver.dialect().json, Change::Text);
        let p = &*persistence_sql::open(Arc::new(Lent::new(t.driver.clone())), Env::default()).await?;
        ensure(t, p, EnsureMode::Apply).await?;
        let (ordered, living) = ("%dx_%_ordered_%", "%dx_%_living_%_live%");
        for change in [text(" DESC", ""), Change::Columns("k_name_", "k_at_"), Change::Columns("k_at_", "id")] {
            remake_index(t, ordered, change).await?;
            is_repaired(t, p, "build the index ordered").await?;
        }
        let collation = match json {
            Json::Postgres => Some(Change::After("k_name_", " COLLATE \"POSIX\"")),
            Json::Mysql => None,
            _ => Some(Change::After("k_name_", " COLLATE NOCASE")),
        };
        if let Some(change) = collation {
            remake_index(t, ordered, change).await?;
            is_repaired(t, p, "build the index ordered").await?;
        }
        let of_all = match json {
            Json::Postgres => text(" WHERE (deleted_at IS NULL)", ""),
            Json::Mysql => text(",`live`", ""),
            _ => text(" WHERE deleted_at IS NULL", ""),
        };
        remake_index(t, living, of_all).await?;
        is_repaired(t, p, "build the index living").await?;
        p.close().await?;
    }

    /// What was declared when there were documents, and is made in another way where there are, is compared as well.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn what_was_declared_later_is_compared(t) {
        let p = &*persistence_sql::open(Arc::new(Lent::new(t.driver.clone())), Env::default()).await?;
        let bare = CollectionDef::new(COLLECTION, IdKind::Text).partition_by(path("project"));
        let req = EnsureCollections { definitions: vec![bare], mode: EnsureMode::Apply };
        p.documents().ensure_collections(&t.cx(), &req).await?;
        create(t, p, "a", "1").await?;
        ensure(t, p, EnsureMode::Apply).await?;
        assert_eq!(ensure(t, p, EnsureMode::Verify).await?, NOTHING);
        remake_index(t, "%dx_%_ordered_%", Change::Text(" DESC", "")).await?;
        is_repaired(t, p, "build the index ordered").await?;
        if t.driver.dialect().json == Json::Postgres {
            remake_index(t, "%dx_%_ordered_%", Change::Text("\"name\"", "\"other\"")).await?;
            is_repaired(t, p, "build the index ordered").await?;
        }
        remake_column(t, "k_note_%", Change::Text("\"note\"", "\"other\"")).await?;
        is_repaired(t, p, "add the column k_note_").await?;
        p.close().await?;
    }

    /// A column that somebody made anew with another expression, type or collation is seen, and made as it is declared.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn a_column_that_was_made_otherwise_is_found(t) {
        let (json, text) = (t.driver.dialect().json, Change::Text);
        let p = &*persistence_sql::open(Arc::new(Lent::new(t.driver.clone())), Env::default()).await?;
        ensure(t, p, EnsureMode::Apply).await?;
        let collation = match json {
            Json::Postgres => text(" COLLATE \"C\" GENERATED", " COLLATE \"POSIX\" GENERATED"),
            Json::Mysql => text("varbinary(40)", "varchar(40) COLLATE utf8mb4_0900_ai_ci"),
            _ => text(" TEXT ", " TEXT COLLATE NOCASE "),
        };
        for documents in [false, true] {
            if documents {
                create(t, p, "a", "1").await?;
            }
            for change in [text("\"note\"", "\"other\""), collation] {
                remake_column(t, "k_note_%", change).await?;
                is_repaired(t, p, "add the column k_note_").await?;
            }
        }
        p.close().await?;
    }

    /// What cannot be repaired, since documents are in it, is told.
    #[covers("sql.plan")]
    #[isolation(Own)]
    async fn a_table_that_was_made_otherwise_is_told(t) {
        let harm = match t.driver.dialect().json {
            Json::Postgres => "ALTER TABLE d_remade ALTER COLUMN id TYPE text COLLATE \"POSIX\"",
            Json::Mysql => "ALTER TABLE d_remade MODIFY id VARCHAR(255) COLLATE utf8mb4_0900_ai_ci NOT NULL",
            _ => "ALTER TABLE d_remade RENAME COLUMN attempts TO tries",
        };
        let p = &*persistence_sql::open(Arc::new(Lent::new(t.driver.clone())), Env::default()).await?;
        ensure(t, p, EnsureMode::Apply).await?;
        let mut conn = t.connection().await?;
        conn.execute(&t.sql(harm), Vec::new()).await?;
        drop(conn);
        let told = ensure(t, p, EnsureMode::Verify).await?;
        let is_told = |what: &String| what.starts_with("the column ") && what.contains("import them");
        assert!(told.iter().any(is_told), "{told:?}");
        p.close().await?;
    }
}
