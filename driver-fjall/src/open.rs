//! Opening: what is there, whose it is, which version.

use crate::config::Builder;
use crate::engine::Engine;
use crate::errors::{self, corrupted};
use crate::home::{self, FJALL_KEYSPACES, FJALL_VERSION, Record};
use crate::journal;
use crate::keys::FORMAT;
use crate::tables::{COMMIT_KEY, FORMAT_KEY, META, Tables};
use fjall::{CompressionType, Database, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use persistence_nosql::core::commit::{CommitOptions, GroupCommitter};
use persistence_nosql::core::embedded::{Directory, guarded, io_error, sync_directory};
use persistence_nosql::core::{Detail, Error, Result};
use persistence_nosql::row::Table;
use std::fs;
use std::path::Path;

/// An open store. The fields are dropped in this order: the writer first, fjall next, our lock last.
pub(crate) struct Opened {
    pub(crate) committer: GroupCommitter<Engine>,
    pub(crate) tables: Tables,
    pub(crate) home: Directory,
}

/// Opens or creates. Blocks.
pub(crate) fn open(options: &Builder) -> Result<Opened> {
    let path = options.path.as_path();
    let home = home::enter(path)?;
    let unfinished = home::clear_if_unfinished(&home)?;
    let record = Record::read(home.state())?;
    if path.join(FJALL_VERSION).exists() {
        check_layout(path)?;
    } else if !unfinished {
        return Err(corrupted(path, "fjall's file `version` is missing"));
    }
    journal::check(path, record)?;
    let (tables, last) = guarded("open", path, || {
        let failed = errors::engine("open", path);
        let db = Database::builder(path)
            .cache_size(options.cache_bytes)
            .max_journaling_size(options.journal_bytes)
            // fjall checks a batch by encoding it again: with another version of the compressor an old journal would
            // fail its checksum.
            .journal_compression(CompressionType::None)
            .open()
            .map_err(failed)?;
        check_keyspaces(&db, path)?;
        let tables = Tables::open(db, options).map_err(failed)?;
        let last = adopt(&tables, unfinished)?;
        Ok((tables, last))
    })?;
    if last < record.floor {
        let problem = format!("commit {} was synced, but {last} is the last that is there", record.floor);
        return Err(corrupted(path, problem));
    }
    tables.advance();
    // Checking the journal synced all that is there, so this much is certain now.
    let each = options.sync.is_durable();
    promise(&home, Record { each, floor: last })?;
    sync_directory(path).map_err(io_error("open the directory", path))?;
    let engine = Engine {
        tables: tables.clone(),
        persist: options.sync.persist_mode(),
        synced: each.then(|| home.state().clone()),
        last,
        broken: false,
        commit: Box::new(OwnedWriteBatch::commit),
    };
    let committer = GroupCommitter::start(path.display().to_string(), engine, CommitOptions::default())?;
    Ok(Opened { committer, tables, home })
}

/// Writes the record and syncs it.
pub(crate) fn promise(home: &Directory, record: Record) -> Result<()> {
    record.write(home.state())?;
    home.state().sync()
}

/// What fjall would panic on while it holds locks whose drop panics again, which ends the process; and what it would
/// remove.
fn check_layout(path: &Path) -> Result<()> {
    let keyspaces = path.join(FJALL_KEYSPACES);
    let unreadable = |e| corrupted(path, format!("fjall's directory `keyspaces` cannot be read: {e}"));
    for entry in fs::read_dir(&keyspaces).map_err(unreadable)? {
        let entry = entry.map_err(io_error("list the keyspaces", &keyspaces))?;
        if !entry.file_type().is_ok_and(|t| t.is_dir()) {
            continue;
        }
        let name = entry.file_name();
        if name.to_str().and_then(|n| n.parse::<u64>().ok()).is_none() {
            return Err(corrupted(path, format!("{name:?} among the keyspaces is not one of fjall's")));
        }
        if is_headless(&entry.path()) {
            return Err(corrupted(path, format!("keyspace {name:?} has tables, but no list of them")));
        }
    }
    Ok(())
}

/// fjall takes such a keyspace for one that was never finished, and removes it.
fn is_headless(keyspace: &Path) -> bool {
    let has_tables = fs::read_dir(keyspace.join("tables")).is_ok_and(|mut tables| tables.next().is_some());
    has_tables && !keyspace.join("current").exists()
}

/// Refuses another program's database, and one that a table is missing from: fjall takes a keyspace without its files
/// for one that was never finished and makes it anew, empty.
fn check_keyspaces(db: &Database, path: &Path) -> Result<()> {
    let known = |name: &str| name == META || Table::ALL.iter().any(|t| t.name() == name);
    if let Some(name) = db.list_keyspace_names().iter().find(|name| !known(name)) {
        let problem = format!("keyspace {:?} is not one of this driver: another program's database", &**name);
        return Err(corrupted(path, problem));
    }
    if !db.keyspace_exists(META) {
        return Ok(());
    }
    let failed = errors::engine("open", path);
    let meta = db.keyspace(META, KeyspaceCreateOptions::default).map_err(failed)?;
    for table in Table::ALL {
        if !db.keyspace_exists(table.name()) && meta.contains_key(table_key(*table)).map_err(failed)? {
            return Err(corrupted(path, format!("table {} is lost", table.name())));
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
fn adopt(tables: &Tables, create: bool) -> Result<u64> {
    let failed = tables.failed("open");
    let format = tables.meta.get(FORMAT_KEY).map_err(failed)?;
    let last = match &format {
        Some(found) if **found == [FORMAT] => last_commit(tables)?,
        Some(found) => {
            return Err(Error::new(Detail::SchemaMismatch {
                found: found.first().map_or_else(|| "none".to_owned(), u8::to_string),
                supported: FORMAT.to_string(),
                fix: "persist copy with the version that wrote the store, into a new one".to_owned(),
            }));
        }
        None if create && tables.is_empty().map_err(failed)? => 0,
        None => return Err(corrupted(&tables.location, "the format version is missing")),
    };
    let mut noted = format.is_some();
    for table in Table::ALL {
        noted &= tables.meta.contains_key(table_key(*table)).map_err(failed)?;
    }
    if noted {
        return Ok(last);
    }
    let mut batch = OwnedWriteBatch::with_capacity(tables.db.clone(), 2 + Table::ALL.len());
    batch.insert(&tables.meta, COMMIT_KEY, (last + 1).to_le_bytes());
    batch.insert(&tables.meta, FORMAT_KEY, [FORMAT]);
    Table::ALL.iter().for_each(|table| batch.insert(&tables.meta, table_key(*table), []));
    batch.durability(Some(PersistMode::SyncAll)).commit().map_err(failed)?;
    Ok(last + 1)
}

/// The number of the last commit. Right only while none is under way.
pub(crate) fn last_commit(tables: &Tables) -> Result<u64> {
    let found = tables.meta.get(COMMIT_KEY).map_err(tables.failed("open"))?;
    let number = found.and_then(|c| c.as_ref().try_into().ok().map(u64::from_le_bytes));
    number.ok_or_else(|| corrupted(&tables.location, "the number of the last commit is missing"))
}
