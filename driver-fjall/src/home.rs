//! The directory of a store: whose it is, its lock, and the record of what was synced.
//!
//! Both live in one file of ours, made before anything else. The lock is held from before the journal is looked at
//! until after fjall has let go, so nobody repairs what somebody else writes. The record says up to which commit
//! every byte was synced: a lower bound, written after each sync and not synced itself. It outlives the process
//! at once and power loss after the operating system's next write-back, and tells a torn tail from lost data.

use crate::config::SyncMode;
use crate::errors;
use persistence_nosql::core::{Error, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

const FILE: &str = "persistence.state";
/// fjall writes this last when it creates a database.
const FJALL_VERSION: &str = "version";
/// All that a creation which was cut off can have left behind.
const FJALL_FILES: [&str; 4] = ["0.jnl", "lock", FJALL_VERSION, "keyspaces"];
const MAGIC: [u8; 8] = *b"PFJALL\x00\x01";
const RECORD: usize = MAGIC.len() + 1 + 8 + 8;
/// A predecessor that is just ending, or a process that was just killed, gets this long to let go of the lock.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whether every commit was synced before the next one was written.
    pub(crate) each: bool,
    /// Every commit up to this one was synced.
    pub(crate) floor: u64,
}

/// A directory that is ours while this lives.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    file: File,
}

impl Home {
    /// Makes the directory where there is none, takes its lock, and refuses one that belongs to something else.
    pub(crate) fn enter(path: &Path) -> Result<Home> {
        let io = |e| errors::io("open the directory", path, e);
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(Error::invalid("path", format!("{} is not a directory", path.display())));
            }
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => fs::create_dir_all(path).map_err(io)?,
            Err(e) => return Err(io(e)),
        }
        let state = path.join(FILE);
        let ours = || state.try_exists().map_err(io);
        // Asked twice, because another process may create the store between the first answer and the listing.
        if !ours()? && !is_empty(path).map_err(io)? && !ours()? {
            return Err(foreign(path));
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&state);
        let home = Home { path: path.to_owned(), file: file.map_err(io)? };
        for attempt in 1.. {
            match home.file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(io(e)),
                Err(TryLockError::WouldBlock) if attempt == LOCK_TRIES => {
                    return Err(Error::locked(path.display().to_string()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            }
        }
        Ok(home)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the store was never opened to the end, so that nothing was ever acknowledged. What fjall left of
    /// a creation that was cut off is removed then, because fjall itself would stumble over it for ever.
    pub(crate) fn clear_if_unfinished(&self) -> Result<bool> {
        let io = |e| errors::io("open the directory", &self.path, e);
        if self.file.metadata().map_err(io)?.len() > 0 {
            return Ok(false);
        }
        let version = fs::read(self.path.join(FJALL_VERSION)).unwrap_or_default();
        if version.is_empty() {
            for name in FJALL_FILES {
                let path = self.path.join(name);
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                match removed {
                    Err(e) if e.kind() != ErrorKind::NotFound => return Err(io(e)),
                    _ => {}
                }
            }
        }
        Ok(true)
    }

    /// The record as it was left; the most cautious one where it is damaged.
    pub(crate) fn record(&self) -> Result<Record> {
        let cautious = Record { each: true, floor: 0 };
        let mut bytes = [0; RECORD];
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut bytes));
        match read {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(cautious),
            read => read.map_err(|e| errors::io("read the record", &self.path, e))?,
        }
        let (body, sum) = bytes.split_at(RECORD - 8);
        if sum != xxh3_64(body).to_le_bytes() || body[..8] != MAGIC {
            return Ok(cautious);
        }
        let floor = body.last_chunk::<8>().map_or(0, |f| u64::from_le_bytes(*f));
        Ok(Record { each: body[8] != 0, floor })
    }

    /// Writes the record and syncs it.
    pub(crate) fn promise(&self, record: Record) -> Result<()> {
        let io = |e| errors::io("write the record", &self.path, e);
        write_record(&self.file, record).map_err(io)?;
        self.file.sync_all().map_err(io)
    }

    /// A writer of the record, for the committer.
    pub(crate) fn recorder(&self, sync: SyncMode) -> Result<Recorder> {
        let file = self.file.try_clone().map_err(|e| errors::io("open the record", &self.path, e))?;
        Ok(Recorder { file, each: sync.is_durable() })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Not left to closing the file: a child process that is being forked may hold a copy for a moment.
        let _ = self.file.unlock();
    }
}

/// Notes each commit after its sync.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: File,
    each: bool,
}

impl Recorder {
    /// One small write into the page cache. A failure costs nothing but a lower bound that stays lower.
    pub(crate) fn synced(&self, commit: u64) {
        if self.each {
            let _ = write_record(&self.file, Record { each: true, floor: commit });
        }
    }
}

fn write_record(mut file: &File, record: Record) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(RECORD);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(u8::from(record.each));
    bytes.extend_from_slice(&record.floor.to_le_bytes());
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&bytes)
}

fn is_empty(path: &Path) -> std::io::Result<bool> {
    for entry in fs::read_dir(path)? {
        // A directory that is a file system of its own has this.
        if entry?.file_name() != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

fn foreign(path: &Path) -> Error {
    if path.join(FJALL_VERSION).exists() && path.join("keyspaces").exists() {
        let problem =
            format!("a fjall database without {FILE}: another program's, or a part of ours is lost");
        return Error::corrupted(path.display().to_string(), problem);
    }
    let rule = format!("{} holds other files; name an empty or a new directory", path.display());
    Error::invalid("path", rule)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> std::io::Result<()> {
    // Elsewhere a directory cannot be opened as a file, and names are durable by themselves.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}
