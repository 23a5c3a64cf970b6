//! The directory of a store: whose it is, and the record of what was synced.
//!
//! Its lock is held from before the journal is looked at until after fjall has let go, so nobody repairs what somebody
//! else writes. The record says up to which commit every byte was synced: a lower bound, written after each sync and not
//! synced itself. It outlives the process at once and power loss after the operating system's next write-back, and
//! tells a torn tail from lost data.

use crate::errors::corrupted;
use persistence_nosql::core::Result;
use persistence_nosql::core::embedded::{Directory, StateFile, io_error};
use std::fs;
use std::path::Path;

const FILE: &str = "persistence.state";
const MAGIC: [u8; 8] = *b"PFJALL\x00\x01";
/// fjall writes this last when it creates a database.
pub(crate) const FJALL_VERSION: &str = "version";
pub(crate) const FJALL_KEYSPACES: &str = "keyspaces";
/// All that a creation which was cut off can have left behind.
const FJALL_FILES: [&str; 4] = ["0.jnl", "lock", FJALL_VERSION, FJALL_KEYSPACES];

/// What was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whether every commit was synced before the next one was written.
    pub(crate) each: bool,
    /// Every commit up to this one was synced.
    pub(crate) floor: u64,
}

impl Record {
    /// The record as it was left; the most cautious one where it is damaged.
    pub(crate) fn read(state: &StateFile) -> Result<Record> {
        let [each, floor @ ..] = state.read()?.unwrap_or([1, 0, 0, 0, 0, 0, 0, 0, 0]);
        Ok(Record { each: each != 0, floor: u64::from_le_bytes(floor) })
    }

    /// Hands the record to the operating system: one small write into the page cache.
    pub(crate) fn write(self, state: &StateFile) -> Result<()> {
        state.write(&[&[u8::from(self.each)], &self.floor.to_le_bytes()[..]].concat())
    }
}

/// Takes the directory for us.
pub(crate) fn enter(path: &Path) -> Result<Directory> {
    // In this order: in a store of ours our file is there before fjall's are.
    let has = |name| path.join(name).exists();
    if has(FJALL_VERSION) && has(FJALL_KEYSPACES) && !has(FILE) {
        let problem =
            format!("a fjall database without {FILE}: another program's, or a part of ours is lost");
        return Err(corrupted(path, problem));
    }
    Directory::enter(path, FILE, MAGIC)
}

/// Whether the store was never opened to the end, so that nothing was ever acknowledged. What fjall left of a
/// creation that was cut off is removed then, because fjall itself would stumble over it for ever.
pub(crate) fn clear_if_unfinished(home: &Directory) -> Result<bool> {
    if !home.state().is_empty()? {
        return Ok(false);
    }
    if fs::read(home.path().join(FJALL_VERSION)).unwrap_or_default().is_empty() {
        for path in FJALL_FILES.map(|name| home.path().join(name)).iter().filter(|path| path.exists()) {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            removed.map_err(io_error("clear the directory", path))?;
        }
    }
    Ok(true)
}
