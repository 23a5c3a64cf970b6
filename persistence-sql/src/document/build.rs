//! Building what a collection lacks, and dropping what it no longer has.

use super::ddl::{Ddl, Index};
use super::ensure::Plan;
use super::rows::{document, key_columns, key_values, kinds};
use super::{entries, names, rows};
use crate::core::document::{CollectionDef, Document, IndexDef};
use crate::core::{Detail, Error, Result};
use crate::dialect::Json;
use crate::reject::{Class, class};
use crate::tx::Tx;
use crate::value::{Kind, Value};
use std::time::Duration;

/// How often a step is tried that cannot have its locks, each time for a second or two: whoever waits longer for a busy table makes
/// all others wait behind it.
const TRIES: u32 = 60;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Documents whose entries are written in one transaction.
const BATCH: i64 = 200;

/// Who builds.
pub(super) struct Builder<'a> {
    pub(super) tx: &'a mut Tx,
    pub(super) def: &'a CollectionDef,
    /// Whether there are documents, so that others are not to be held up.
    pub(super) documents: bool,
}

/// Of PostgreSQL. Tried again and again: whoever waits within a statement holds a snapshot, for the end of which the building of an
/// index waits.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(?)::int::bigint";
const UNLOCK: &str = "SELECT pg_advisory_unlock(?)::int::bigint";

/// Of MySQL, whose locks are the server's, and their names short.
const GET_LOCK: &str =
    "SELECT GET_LOCK(CONCAT('documents:', LEFT(SHA2(CONCAT(DATABASE(), '/', ?), 256), 40)), -1)";
const RELEASE_LOCK: &str =
    "SELECT RELEASE_LOCK(CONCAT('documents:', LEFT(SHA2(CONCAT(DATABASE(), '/', ?), 256), 40)))";

/// Waits for the lock of those who ensure a collection.
pub(super) async fn lock(tx: &mut Tx, def: &CollectionDef) -> Result<()> {
    match tx.dialect.json {
        Json::Postgres => {
            tx.conn.execute("SET statement_timeout = 0", Vec::new()).await?;
            let mut pause = FIRST_PAUSE;
            loop {
                let mut rows = tx.query("lock", TRY_LOCK, vec![lock_number(tx, def)], &[Kind::Int]).await?;
                if rows.pop().map(|mut row| row.int()).transpose()? == Some(1) {
                    return Ok(());
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Json::Mysql => {
            tx.execute(GET_LOCK, vec![lock_name(tx, def)]).await?;
            tx.conn.execute("SET SESSION lock_wait_timeout = 1", Vec::new()).await.map(drop)
        }
        Json::Sqlite => Ok(()),
    }
}

/// Gives it back.
pub(super) async fn unlock(tx: &mut Tx, def: &CollectionDef) -> Result<()> {
    match tx.dialect.json {
        Json::Postgres => tx.query("lock", UNLOCK, vec![lock_number(tx, def)], &[Kind::Int]).await.map(drop),
        Json::Mysql => tx.execute(RELEASE_LOCK, vec![lock_name(tx, def)]).await.map(drop),
        Json::Sqlite => Ok(()),
    }
}

fn lock_name(tx: &Tx, def: &CollectionDef) -> Value {
    Value::Text(tx.naming.table(&names::table(&def.name)))
}

fn lock_number(tx: &Tx, def: &CollectionDef) -> Value {
    Value::Int(names::number(&tx.naming.qualified(&names::table(&def.name))))
}

fn is_of_locks(e: &Error) -> bool {
    matches!(class(e), Some(Class::LockTimeout | Class::Deadlock | Class::Serialization))
}

impl Builder<'_> {
    /// A statement as it is: names are in full, and literals hold what elsewhere is a parameter.
    async fn run(&mut self, sql: &str) -> Result<()> {
        self.tx.flush().await?;
        self.tx.dirty = true;
        self.tx.conn.execute(sql, Vec::new()).await.map(drop)
    }

    /// The same for one that wants the table for itself, for a moment.
    async fn run_alone(&mut self, sql: &str) -> Result<()> {
        if self.tx.dialect.json != Json::Postgres {
            return self.run(sql).await;
        }
        self.tx.conn.begin(true).await?;
        let done = async {
            self.tx.conn.execute("SET LOCAL lock_timeout = '500ms'", Vec::new()).await?;
            self.tx.conn.execute(sql, Vec::new()).await?;
            self.tx.conn.commit().await
        };
        let done = done.await;
        if done.is_err() {
            // What failed decides.
            let _ = self.tx.conn.rollback().await;
        }
        done
    }

    async fn patiently(&mut self, sql: &str) -> Result<()> {
        let (mut tries, mut pause) = (1, FIRST_PAUSE);
        loop {
            match self.run_alone(sql).await {
                Err(e) if tries < TRIES && is_of_locks(&e) => {
                    tokio::time::sleep(pause).await;
                    (tries, pause) = (tries + 1, (pause * 2).min(LONGEST_PAUSE));
                }
                done => return done,
            }
        }
    }

    async fn index(&mut self, ddl: &Ddl<'_>, index: &Index) -> Result<()> {
        let online = self.documents && self.tx.dialect.json == Json::Postgres;
        let sql = ddl.create_index(index, &ddl.table(), online);
        // Concurrently is no part of a transaction.
        let done = if online { self.run(&sql).await } else { self.patiently(&sql).await };
        done.map_err(|e| match class(&e) {
            Some(Class::Duplicate) => self.violated(&index.name),
            _ => e,
        })
    }

    async fn drop_index(&mut self, ddl: &Ddl<'_>, name: &str) -> Result<()> {
        let sql = ddl.drop_index(name);
        // Concurrently is no part of a transaction.
        if ddl.json == Json::Postgres { self.run(&sql).await } else { self.patiently(&sql).await }
    }

    /// Documents that are there violate an index that is to be unique.
    fn violated(&self, name: &str) -> Error {
        let def = self.def;
        let is = |i: &&IndexDef| names::index(def, i) == name || names::live_index(def, i) == name;
        let index = def.indexes.iter().find(is).map(|i| i.name.clone());
        Error::new(Detail::AlreadyExists { entity: "document", key: def.name.clone(), index })
    }

    /// The entries of what is there. Whoever writes meanwhile writes entries, too.
    async fn fill(&mut self, index: &IndexDef) -> Result<()> {
        let mut last: Option<Document> = None;
        loop {
            let whole = !self.tx.dialect.single_writer;
            if whole {
                self.tx.conn.begin(true).await?;
            }
            let batch = self.batch(index, last.as_ref()).await;
            let batch = match (batch, whole) {
                (Ok(batch), true) => self.tx.conn.commit().await.map(|()| batch),
                (Err(e), true) => {
                    let _ = self.tx.conn.rollback().await;
                    Err(e)
                }
                (batch, false) => batch,
            };
            match batch {
                Ok(None) => return Ok(()),
                Ok(done) => last = done,
                Err(e) if whole && is_of_locks(&e) => tokio::time::sleep(FIRST_PAUSE).await,
                Err(e) => return Err(e),
            }
        }
    }

    /// The entries of the next documents; the last of them.
    async fn batch(&mut self, index: &IndexDef, after: Option<&Document>) -> Result<Option<Document>> {
        let (def, tx) = (self.def, &mut *self.tx);
        let key = key_columns(def).join(", ");
        let (mut beyond, mut args) = (String::new(), Vec::new());
        if let Some(after) = after {
            args = key_values(&after.key);
            beyond = format!(" WHERE ({key}) > ({})", vec!["?"; args.len()].join(", "));
        }
        args.push(Value::Int(BATCH));
        let sql = format!(
            "SELECT {} FROM {}{beyond} ORDER BY {key} LIMIT ?{}",
            rows::columns(tx.dialect.json, def),
            names::table(&def.name),
            tx.dialect.for_share
        );
        let found = tx.query("documents", &sql, args, &kinds(def)).await?;
        let found: Vec<Document> =
            found.into_iter().map(|mut row| document(def, &mut row)).collect::<Result<_>>()?;
        let all = found.iter().flat_map(|d| entries::rows(def, index, Some(d))).collect();
        entries::add(tx, def, index, all).await?;
        Ok(found.into_iter().next_back())
    }
}

/// Makes the tables of entries, as yet empty; nothing where they are.
pub(super) async fn make_entries(b: &mut Builder<'_>, plan: &Plan) -> Result<()> {
    for (_, _, sql) in &plan.entries {
        b.run(sql).await?;
    }
    Ok(())
}

/// Makes what is missing.
pub(super) async fn make(b: &mut Builder<'_>, plan: &Plan) -> Result<()> {
    let (naming, json) = (b.tx.naming.clone(), b.tx.dialect.json);
    let ddl = Ddl { json, naming: &naming, def: b.def };
    if let Some(sql) = &plan.table {
        b.run(sql).await?;
    }
    for name in &plan.broken {
        b.drop_index(&ddl, name).await?;
    }
    // With the indexes that contain them gone.
    for name in &plan.wrong_columns {
        b.patiently(&ddl.drop_column(name)).await?;
    }
    for (column, how) in &plan.columns {
        b.patiently(&ddl.add_column(column, *how)).await?;
    }
    for index in &plan.indexes {
        b.index(&ddl, index).await?;
    }
    if b.documents && json == Json::Postgres && !plan.indexes.is_empty() {
        // Of expressions nothing is known before.
        b.run(&format!("ANALYZE {}", ddl.table())).await?;
    }
    make_entries(b, plan).await?;
    for (i, _, _) in &plan.entries {
        b.fill(&b.def.indexes[*i]).await?;
    }
    Ok(())
}

/// Drops what is no longer declared.
pub(super) async fn clear(b: &mut Builder<'_>, plan: &Plan) -> Result<()> {
    let (naming, json) = (b.tx.naming.clone(), b.tx.dialect.json);
    let ddl = Ddl { json, naming: &naming, def: b.def };
    for name in &plan.drop_indexes {
        b.drop_index(&ddl, name).await?;
    }
    for name in &plan.drop_entries {
        b.patiently(&ddl.drop_table(name)).await?;
    }
    for name in &plan.drop_columns {
        b.patiently(&ddl.drop_column(name)).await?;
    }
    Ok(())
}
