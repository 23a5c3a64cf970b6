//! Opening: what is there, whose it is, which version.

use crate::config::Builder;
use crate::engine::{Commit, Engine};
use crate::errors::{self, guarded};
use crate::home::{Home, Record, sync_directory};
use crate::journal;
use crate::keys::FORMAT;
use crate::tables::{COMMIT_KEY, FORMAT_KEY, META, Tables};
use fjall::{CompressionType, Database, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use persistence_nosql::core::commit::{CommitOptions, GroupCommitter};
use persistence_nosql::core::{Detail, Error, Result};
use persistence_nosql::row::Table;
use std::fs;
use std::path::Path;

/// An open store. The fields are dropped in this order: the writer first, fjall next, our lock last.
pub(crate) struct Opened<C: Commit> {
    pub(crate) committer: GroupCommitter<Engine<C>>,
    pub(crate) tables: Tables,
    pub(crate) home: Home,
}

/// Opens or creates. Blocks.
pub(crate) fn open<C: Commit>(options: &Builder, to: C) -> Result<Opened<C>> {
    let home = Home::enter(&options.path)?;
    let path = home.path();
    let unfinished = home.clear_if_unfinished()?;
    let record = home.record()?;
    if !unfinished && !path.join("version").exists() {
        return Err(Error::corrupted(path.display().to_string(), "fjall's file `version` is missing"));
    }
    check_layout(path)?;
    journal::check(path, record)?;
    let tables = guarded("open", path, || {
        let db = database(options).map_err(|e| errors::engine("open", path, e))?;
        check_owner(&db, path)?;
        check_tables(&db, path)?;
        Tables::open(db, options).map_err(|e| errors::engine("open", path, e))
    })?;
    let commit = guarded("open", path, || adopt(&tables, path, unfinished))?;
    if commit < record.floor {
        return Err(lost(path, record.floor, commit));
    }
    tables.advance();
    // Checking the journal synced all that is there, so this much is certain now.
    home.promise(Record { each: options.sync.is_durable(), floor: commit })?;
    sync_directory(path).map_err(|e| errors::io("open the directory", path, e))?;
    let engine = Engine {
        tables: tables.clone(),
        location: path.to_owned(),
        persist: options.sync.persist_mode(),
        recorder: home.recorder(options.sync)?,
        commit,
        broken: false,
        to,
    };
    let committer = GroupCommitter::start(path.display().to_string(), engine, CommitOptions::default())?;
    Ok(Opened { committer, tables, home })
}

fn lost(path: &Path, synced: u64, found: u64) -> Error {
    let problem = format!("commit {synced} was synced, but {found} is the last that is there");
    Error::corrupted(path.display().to_string(), problem)
}

/// What fjall would panic on while it holds locks whose drop panics again, which ends the process; and what it would
/// remove.
fn check_layout(path: &Path) -> Result<()> {
    let keyspaces = path.join("keyspaces");
    let entries = match fs::read_dir(&keyspaces) {
        Ok(entries) => entries,
        Err(_) if !path.join("version").exists() => return Ok(()),
        Err(e) => {
            let problem = format!("fjall's directory `keyspaces` cannot be read: {e}");
            return Err(Error::corrupted(path.display().to_string(), problem));
        }
    };
    for entry in entries {
        let entry = entry.map_err(|e| errors::io("list the keyspaces", &keyspaces, e))?;
        if !entry.file_type().is_ok_and(|t| t.is_dir()) {
            continue;
        }
        let number = entry.file_name().to_str().and_then(|n| n.parse::<u64>().ok());
        let problem = match number {
            None => format!("{:?} among the keyspaces is not one of fjall's", entry.file_name()),
            Some(n) if is_headless(&entry.path()) => format!("keyspace {n} has tables, but no list of them"),
            Some(_) => continue,
        };
        return Err(Error::corrupted(path.display().to_string(), problem));
    }
    Ok(())
}

/// fjall takes such a keyspace for one that was never finished, and removes it.
fn is_headless(keyspace: &Path) -> bool {
    let has_tables = fs::read_dir(keyspace.join("tables")).is_ok_and(|mut tables| tables.next().is_some());
    has_tables && !keyspace.join("current").exists()
}

fn database(options: &Builder) -> fjall::Result<Database> {
    Database::builder(&options.path)
        .cache_size(options.cache_bytes)
        .max_journaling_size(options.journal_bytes)
        // fjall checks a batch by encoding it again: with another version of the compressor an old journal would
        // fail its checksum.
        .journal_compression(CompressionType::None)
        .open()
}

fn check_owner(db: &Database, path: &Path) -> Result<()> {
    let known = |name: &str| name == META || Table::ALL.iter().any(|t| t.name() == name);
    match db.list_keyspace_names().iter().find(|name| !known(name)) {
        Some(name) => {
            let problem =
                format!("keyspace {:?} is not one of this driver: another program's database", &**name);
            Err(Error::corrupted(path.display().to_string(), problem))
        }
        None => Ok(()),
    }
}

/// fjall takes a keyspace without its files for one that was never finished and makes it anew, empty.
fn check_tables(db: &Database, path: &Path) -> Result<()> {
    if !db.keyspace_exists(META) {
        return Ok(());
    }
    let engine = |e| errors::engine("open", path, e);
    let meta = db.keyspace(META, KeyspaceCreateOptions::default).map_err(engine)?;
    for table in Table::ALL {
        if meta.contains_key(table_key(*table)).map_err(engine)? && !db.keyspace_exists(table.name()) {
            let problem = format!("table {} is lost", table.name());
            return Err(Error::corrupted(path.display().to_string(), problem));
        }
    }
    Ok(())
}

/// The key that says that a table was created.
fn table_key(table: Table) -> Vec<u8> {
    [b"table ", table.name().as_bytes()].concat()
}

/// Checks the stored version, or stores it in a database that is being created. Notes tables that are new. Returns the
/// last commit.
fn adopt(tables: &Tables, path: &Path, create: bool) -> Result<u64> {
    let engine = |e| errors::engine("open", path, e);
    let format = tables.meta.get(FORMAT_KEY).map_err(engine)?;
    let last = match &format {
        Some(found) if **found == [FORMAT] => last_commit(tables, path)?,
        Some(found) => {
            return Err(Error::new(Detail::SchemaMismatch {
                found: found.first().map_or_else(|| "none".to_owned(), u8::to_string),
                supported: FORMAT.to_string(),
                fix: "persist copy with the version that wrote the store, into a new one".to_owned(),
            }));
        }
        None if create && tables.is_empty().map_err(engine)? => 0,
        None => return Err(Error::corrupted(path.display().to_string(), "the format version is missing")),
    };
    let mut new = Vec::new();
    for table in Table::ALL {
        if !tables.meta.contains_key(table_key(*table)).map_err(engine)? {
            new.push(table_key(*table));
        }
    }
    if format.is_some() && new.is_empty() {
        return Ok(last);
    }
    let mut batch = OwnedWriteBatch::with_capacity(tables.db.clone(), 2 + new.len());
    batch.insert(&tables.meta, COMMIT_KEY, (last + 1).to_le_bytes());
    batch.insert(&tables.meta, FORMAT_KEY, [FORMAT]);
    for key in new {
        batch.insert(&tables.meta, key, []);
    }
    batch.durability(Some(PersistMode::SyncAll)).commit().map_err(engine)?;
    Ok(last + 1)
}

/// The number of the last commit. Right only while none is under way.
pub(crate) fn last_commit(tables: &Tables, path: &Path) -> Result<u64> {
    let found = tables.meta.get(COMMIT_KEY).map_err(|e| errors::engine("open", path, e))?;
    found.and_then(|c| c.as_ref().try_into().ok().map(u64::from_le_bytes)).ok_or_else(|| {
        Error::corrupted(path.display().to_string(), "the number of the last commit is missing")
    })
}
