//! Files that are damaged, and directories that are not ours.

use crate::support::*;
use crate::{Case, child};
use driver_fjall::{Fjall, SyncMode};
use fjall::{Database, KeyspaceCreateOptions};
use libtest_mimic::Failed;
use persistence_nosql::core::{Error, ErrorKind, Outcome};
use persistence_nosql::row::{RowStore, Table};
use std::fs;
use std::path::Path;

pub(crate) const CASES: &[(&str, Case)] = &[
    ("a_file_or_a_foreign_directory_is_refused_and_left_alone", foreign),
    ("another_programs_fjall_database_is_refused_and_left_alone", foreign_fjall),
    ("another_format_version_is_a_schema_mismatch", other_format),
    ("no_damaged_file_crashes_or_loses_rows_without_a_word", damaged_files),
    ("stray_entries_do_not_crash", stray_entries),
];

fn refusal(path: &Path) -> Error {
    let e = run(open(path)).expect_err("refused");
    assert_eq!(e.outcome(), Outcome::NotApplied);
    e
}

fn foreign() -> Result<(), Failed> {
    let dir = dir();
    let file = dir.path().join("file");
    fs::write(&file, "text")?;
    assert_eq!(refusal(&file).kind(), ErrorKind::InvalidArgument);
    assert_eq!(refusal(&file.join("below")).kind(), ErrorKind::InvalidArgument);
    let e = refusal(dir.path());
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    assert!(e.to_string().contains("holds other files"), "{e}");
    assert_eq!(files(dir.path()), [(file, b"text".to_vec())]);
    run(async {
        let store = open(&dir.path().join("a/b/c")).await?;
        store.close().await
    })?;
    Ok(())
}

fn foreign_fjall() -> Result<(), Failed> {
    let dir = dir();
    {
        let db = Database::builder(dir.path()).open()?;
        let keyspace = db.keyspace("theirs", KeyspaceCreateOptions::default)?;
        keyspace.insert("k", "v")?;
    }
    let before = files(dir.path());
    assert_eq!(refusal(dir.path()).kind(), ErrorKind::Corrupted);
    assert!(files(dir.path()) == before, "changed");
    Ok(())
}

fn other_format() -> Result<(), Failed> {
    let dir = dir();
    run(async { open(dir.path()).await?.close().await })?;
    {
        let db = Database::builder(dir.path()).open()?;
        let meta = db.keyspace("meta", KeyspaceCreateOptions::default)?;
        let mut batch = db.batch();
        batch.insert(&meta, "commit", 2u64.to_le_bytes());
        batch.insert(&meta, "format", [9]);
        batch.commit()?;
    }
    let e = refusal(dir.path());
    assert_eq!(e.kind(), ErrorKind::SchemaMismatch);
    assert!(e.to_string().contains("schema version 9, but this binary works on 1"), "{e}");
    Ok(())
}

/// Rows in tables, in memtables and in several journals' worth of versions.
fn filled(path: &Path) -> Result<usize, Error> {
    run(async {
        let small = || Fjall::builder(path).with_memtable_bytes(64 << 10).with_sync(SyncMode::Data);
        let mut random = Random(9);
        let mut rows = 0;
        for _ in 0..2 {
            let store = small().open().await?;
            for _ in 0..12 {
                let ops = (0..10).map(|i| put(format!("{}", rows + i), random.bytes(2000))).collect();
                write_parts(&store, vec![part(Table::Shard, "p", vec![], ops)]).await?;
                rows += 10;
            }
            store.close().await?;
        }
        Ok(rows)
    })
}

/// Every file, harmed in several ways: the store opens with every row, or says why not. Each try is a process of its own,
/// because a panic while another one is on its way would end this one.
fn damaged_files() -> Result<(), Failed> {
    let dir = dir();
    let rows = filled(dir.path())?;
    let mut refused = 0;
    for (file, bytes) in files(dir.path()) {
        let name = file.strip_prefix(dir.path())?.to_owned();
        let middle = bytes.iter().rposition(|b| *b != 0).map_or(0, |p| p / 2);
        for harm in ["empty", "gone", "garbage", "flipped"] {
            let copied = self::dir();
            copy(dir.path(), copied.path());
            let target = copied.path().join(&name);
            match harm {
                "empty" => fs::write(&target, "")?,
                "gone" => fs::remove_file(&target)?,
                "garbage" => fs::write(&target, Random(2).bytes(bytes.len().clamp(64, 9000)))?,
                _ => {
                    let mut bytes = bytes.clone();
                    if let Some(byte) = bytes.get_mut(middle) {
                        *byte ^= 0x55;
                    }
                    fs::write(&target, bytes)?;
                }
            }
            let said = child::output("read", copied.path(), &[]);
            let what = format!("{harm} {}: {said}", name.display());
            match said.trim().split_once(' ') {
                Some(("rows", n)) => assert_eq!(n, rows.to_string(), "{what}"),
                Some(("corrupted" | "schema_mismatch", _)) => refused += 1,
                Some(("invalid_argument", _)) => assert!(what.contains("persistence.state"), "{what}"),
                _ => panic!("{what}"),
            }
        }
    }
    assert!(refused > 10, "only {refused} refused");
    Ok(())
}

fn stray_entries() -> Result<(), Failed> {
    let dir = dir();
    let rows = filled(dir.path())?;
    for (name, fits) in [
        ("keyspaces/notes.txt", true),
        ("notes.txt", true),
        ("keyspaces/dir/", false),
        ("7.jnl/", false),
        ("x.jnl", false),
        ("1.JNL", false),
        ("\u{fc}.txt", true),
    ] {
        let copied = self::dir();
        copy(dir.path(), copied.path());
        match name.strip_suffix('/') {
            Some(name) => fs::create_dir(copied.path().join(name))?,
            None => fs::write(copied.path().join(name), "")?,
        }
        let said = child::output("read", copied.path(), &[]);
        let expected = if fits { format!("rows {rows}") } else { "corrupted".to_owned() };
        assert!(said.starts_with(&expected), "{name}: {said}");
    }
    Ok(())
}
