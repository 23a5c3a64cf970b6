//! What embedded drivers share: a directory that one process has, a small record beside the data, and work that may
//! block or panic.
//!
//! It knows no engine. A driver enters its [`Directory`] before it opens the engine and leaves it afterwards, so
//! whatever it repairs, it repairs alone.

use crate::error::{Detail, Error, Outcome, Result};
use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// A predecessor that is just ending, or a process that was just killed, gets this long to let go of the lock.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// The magic number in front of a state, and the checksum behind it.
const MAGIC: usize = 8;
const SUM: usize = 8;

/// A directory that is ours while this lives: no other process, and no other handle in this one, can enter it.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    state: StateFile,
}

impl Directory {
    /// Makes the directory where there is none and takes its lock; `Locked`, within a second, when somebody has it.
    ///
    /// `file` names the one that is made before anything else: it shows whose the directory is, carries the lock and
    /// holds the state, which begins with `magic`. A directory with other files but without this one belongs to
    /// something else: `InvalidArgument`, and nothing in it is touched. Blocks.
    pub fn enter(path: &Path, file: &str, magic: [u8; MAGIC]) -> Result<Directory> {
        let failed = io_error("open the directory", path);
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => return Err(failed(ErrorKind::NotADirectory.into())),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => fs::create_dir_all(path).map_err(failed)?,
            Err(e) => return Err(failed(e)),
        }
        let state = path.join(file);
        let ours = || state.try_exists().map_err(failed);
        // Asked twice, because another process may create the store between the first answer and the listing.
        if !ours()? && !is_empty(path).map_err(failed)? && !ours()? {
            let rule = format!("{} holds other files; name an empty or a new directory", path.display());
            return Err(Error::invalid("path", rule));
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&state);
        let file = file.map_err(failed)?;
        lock(&file, path)?;
        let state = StateFile { file: Arc::new(file), path: path.into(), magic };
        Ok(Directory { path: path.to_owned(), state })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The record that is kept in it.
    pub fn state(&self) -> &StateFile {
        &self.state
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Not left to closing the file: a child process that is being forked may hold a copy for a moment.
        let _ = self.state.file.unlock();
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(e)) => return Err(io_error("lock the directory", path)(e)),
            Err(TryLockError::WouldBlock) if attempt == LOCK_TRIES => {
                return Err(Error::locked(path.display().to_string()));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
        }
    }
    Ok(())
}

fn is_empty(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        // A directory that is a file system of its own has this.
        if entry?.file_name() != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A few bytes with a checksum, written in place: `magic, state, xxh3-64 of both`.
///
/// Power loss in the middle of a write may leave neither the old state nor the new one, so it suits what may be
/// forgotten: a lower bound, a hint. Clones write to the same file; one at a time.
#[derive(Clone, Debug)]
pub struct StateFile {
    file: Arc<File>,
    path: Arc<Path>,
    magic: [u8; MAGIC],
}

impl StateFile {
    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> Result<bool> {
        let found = self.file.metadata().map_err(io_error("read the state", &self.path))?;
        Ok(found.len() == 0)
    }

    /// The state as it was left; none where there is none of this length, or where it is damaged.
    pub fn read<const N: usize>(&self) -> Result<Option<[u8; N]>> {
        let mut bytes = Vec::new();
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.take((MAGIC + N + SUM) as u64).read_to_end(&mut bytes))
            .map_err(io_error("read the state", &self.path))?;
        let Some((body, sum)) = bytes.split_last_chunk::<SUM>() else { return Ok(None) };
        let state = body.strip_prefix(&self.magic).and_then(|state| state.try_into().ok());
        Ok(state.filter(|_| *sum == xxh3_64(body).to_le_bytes()))
    }

    /// Writes the state; the operating system has it then, the disk perhaps not before [`sync`](Self::sync).
    pub fn write(&self, state: &[u8]) -> Result<()> {
        let mut bytes = [&self.magic, state].concat();
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&bytes))
            .map_err(io_error("write the state", &self.path))
    }

    /// Puts what was written on disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(io_error("write the state", &self.path))
    }
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file, and names are durable by themselves.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Classifies an error of the file system, before or besides any write.
pub fn io_error<'a>(doing: &'a str, location: &'a Path) -> impl Fn(io::Error) -> Error + Copy + 'a {
    move |e| {
        let place = location.display();
        let error = match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Error::new(Detail::ResourceExhausted {
                    cause: "disk space".to_owned(),
                    scope: place.to_string(),
                    retry_after: None,
                })
            }
            ErrorKind::NotADirectory => Error::invalid("path", format!("{place} is not a directory")),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
                Error::corrupted(place.to_string(), format!("{doing}: {e}"))
            }
            _ => Error::unavailable(doing, format!("{place}: {e}")),
        };
        error.with_outcome(Outcome::NotApplied).with_source(e)
    }
}

/// Refuses an empty key, which engines do not have, and one that is longer than a limit.
pub fn check_key(what: &'static str, key: &[u8], limit: usize) -> Result<()> {
    if key.is_empty() { Err(Error::invalid(what, "must not be empty")) } else { check_size(what, key, limit) }
}

/// Refuses what is longer than a limit.
pub fn check_size(what: &'static str, bytes: &[u8], limit: usize) -> Result<()> {
    let size = bytes.len();
    if size > limit { Err(Error::too_large(what, size as u64, limit as u64)) } else { Ok(()) }
}

/// Runs code of an engine that may panic on damaged files: a panic is `Corrupted`.
pub fn guarded<T>(doing: &str, location: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let problem = format!("{doing}: the engine panicked: {}", message(&*panic));
        Err(Error::corrupted(location.display().to_string(), problem))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

/// Runs work that may wait for the disk on a thread that may; [`guarded`]. It goes on when nobody waits for it any more.
pub async fn blocking<T: Send + 'static>(
    doing: &'static str,
    location: &Path,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let location = location.to_owned();
    let done = tokio::task::spawn_blocking(move || guarded(doing, &location, work)).await;
    done.unwrap_or_else(|e| {
        // Panics were caught: the runtime is shutting down.
        Err(Error::unavailable(doing, e.to_string()).with_outcome(Outcome::NotApplied))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    const FILE: &str = "test.state";
    const MAGIC: [u8; 8] = *b"TESTFILE";

    fn enter(path: &Path) -> Result<Directory> {
        Directory::enter(path, FILE, MAGIC)
    }

    #[test]
    fn one_at_a_time_has_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = enter(&path).unwrap();
        assert_eq!(enter(&path).unwrap_err().kind(), error::ErrorKind::Locked);
        // A clone of the state outlives the directory, the lock does not.
        let _state = first.state().clone();
        drop(first);
        enter(&path).unwrap();
    }

    #[test]
    fn what_belongs_to_something_else_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "text").unwrap();
        for path in [dir.path(), &file, &file.join("below")] {
            assert_eq!(enter(path).unwrap_err().kind(), error::ErrorKind::InvalidArgument, "{path:?}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::rename(file, dir.path().join("lost+found")).unwrap();
        enter(dir.path()).unwrap();
    }

    #[test]
    fn a_state_comes_back_unless_it_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let home = enter(dir.path()).unwrap();
        assert!(home.state().is_empty().unwrap());
        assert_eq!(home.state().read::<3>().unwrap(), None);
        for state in [*b"one", *b"two"] {
            home.state().write(&state).unwrap();
            home.state().sync().unwrap();
            assert_eq!(home.state().read().unwrap(), Some(state));
        }
        assert!(!home.state().is_empty().unwrap());
        assert_eq!(home.state().read::<2>().unwrap(), None, "another length");
        assert_eq!(home.state().read::<4>().unwrap(), None, "another length");
        let file = dir.path().join(FILE);
        let good = fs::read(&file).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, bad).unwrap();
            assert_eq!(home.state().read::<3>().unwrap(), None, "byte {at}");
            fs::write(&file, &good[..at]).unwrap();
            assert_eq!(home.state().read::<3>().unwrap(), None, "cut at {at}");
        }
        fs::write(&file, good).unwrap();
        assert_eq!(home.state().read().unwrap(), Some(*b"two"));
    }

    #[test]
    fn keys_have_limits() {
        check_key("key", b"abc", 3).unwrap();
        check_size("value", b"", 0).unwrap();
        assert_eq!(check_key("key", b"", 3).unwrap_err().kind(), error::ErrorKind::InvalidArgument);
        assert_eq!(check_key("key", b"abcd", 3).unwrap_err().kind(), error::ErrorKind::TooLarge);
    }

    #[tokio::test]
    async fn a_panic_is_told_as_damage() {
        let work = || -> Result<()> { panic!("at block {}", 7) };
        let e = blocking("read", Path::new("/data"), work).await.unwrap_err();
        assert_eq!(e.kind(), error::ErrorKind::Corrupted);
        assert!(e.to_string().contains("/data") && e.to_string().contains("at block 7"), "{e}");
        assert_eq!(blocking("read", Path::new("/data"), || Ok(1)).await.unwrap(), 1);
    }

    #[test]
    fn errors_of_the_file_system_are_classified() {
        for (kind, expected) in [
            (ErrorKind::StorageFull, error::ErrorKind::ResourceExhausted),
            (ErrorKind::NotADirectory, error::ErrorKind::InvalidArgument),
            (ErrorKind::UnexpectedEof, error::ErrorKind::Corrupted),
            (ErrorKind::PermissionDenied, error::ErrorKind::Unavailable),
        ] {
            let e = io_error("write", Path::new("/data"))(kind.into());
            assert_eq!((e.kind(), e.outcome()), (expected, Outcome::NotApplied));
        }
    }
}
