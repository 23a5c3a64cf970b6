//! Every error of fjall and of the file system, classified once.

use fjall::LsmError;
use persistence_nosql::core::{Detail, Error, Outcome};
use std::any::Any;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// An error of the file system, before or besides any write.
pub(crate) fn io(doing: &str, location: &Path, e: io::Error) -> Error {
    let error = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => full(location),
        ErrorKind::NotADirectory => {
            Error::invalid("path", format!("{} is not a directory", location.display()))
        }
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
            Error::corrupted(location.display().to_string(), format!("{doing}: {e}"))
        }
        _ => Error::unavailable(doing, format!("{}: {e}", location.display())),
    };
    error.with_outcome(Outcome::NotApplied).with_source(e)
}

fn full(location: &Path) -> Error {
    Error::new(Detail::ResourceExhausted {
        cause: "disk space".to_owned(),
        scope: location.display().to_string(),
        retry_after: None,
    })
}

/// An error of fjall, besides a commit.
pub(crate) fn engine(doing: &str, location: &Path, e: fjall::Error) -> Error {
    let error = match e {
        // It asks only for files that it has made, and for places in them that must be there.
        fjall::Error::Io(ref io) | fjall::Error::Storage(LsmError::Io(ref io))
            if matches!(io.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) =>
        {
            let problem = format!("{doing}: a file is missing or cut off ({io})");
            Error::corrupted(location.display().to_string(), problem)
        }
        fjall::Error::Io(e) | fjall::Error::Storage(LsmError::Io(e)) => return io(doing, location, e),
        fjall::Error::Locked => Error::locked(location.display().to_string()),
        fjall::Error::Poisoned => {
            Error::unavailable(doing, format!("{}: an earlier write failed; reopen it", location.display()))
        }
        fjall::Error::InvalidVersion(Some(v)) => Error::new(Detail::SchemaMismatch {
            found: format!("of fjall's files: {v}"),
            supported: format!("{} of fjall's files", fjall::FormatVersion::V3),
            fix: "fjall's own migration tool on a copy of the directory".to_owned(),
        }),
        ref other => Error::corrupted(location.display().to_string(), format!("{doing}: {other}")),
    };
    error.with_outcome(Outcome::NotApplied).with_source(e)
}

/// A failed commit. Only when fjall refused before it wrote is it known that nothing of it ever shows.
pub(crate) fn commit(location: &Path, e: fjall::Error) -> Error {
    let outcome = match e {
        fjall::Error::Poisoned => Outcome::NotApplied,
        _ => Outcome::MaybeApplied,
    };
    engine("commit", location, e).with_outcome(outcome)
}

/// What every write gets once a commit has failed.
pub(crate) fn broken(location: &Path) -> Error {
    Error::unavailable("write", format!("{}: an earlier commit failed; reopen it", location.display()))
        .with_outcome(Outcome::NotApplied)
}

/// Runs code of fjall that may panic on damaged files.
pub(crate) fn guarded<T>(
    doing: &str,
    location: &Path,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Error::corrupted(location.display().to_string(), format!("{doing}: {}", message(&*panic))))
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the engine panicked: {}", text.unwrap_or("without a message"))
}
