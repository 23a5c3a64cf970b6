//! Every error of fjall, classified once. Those of the file system are classified in core.

use fjall::LsmError;
use persistence_nosql::core::embedded::io_error;
use persistence_nosql::core::{Detail, Error, Outcome};
use std::io::ErrorKind;
use std::path::Path;

/// Something in the directory is damaged.
pub(crate) fn corrupted(location: &Path, problem: impl Into<String>) -> Error {
    Error::corrupted(location.display().to_string(), problem)
}

/// An error of fjall, besides a commit.
pub(crate) fn engine<'a>(doing: &'a str, location: &'a Path) -> impl Fn(fjall::Error) -> Error + Copy + 'a {
    move |e| {
        let error = match e {
            // It asks only for files that it has made, and for places in them that must be there.
            fjall::Error::Io(ref io) | fjall::Error::Storage(LsmError::Io(ref io))
                if matches!(io.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) =>
            {
                corrupted(location, format!("{doing}: a file is missing or cut off ({io})"))
            }
            fjall::Error::Io(e) | fjall::Error::Storage(LsmError::Io(e)) => {
                return io_error(doing, location)(e);
            }
            fjall::Error::Locked => Error::locked(location.display().to_string()),
            fjall::Error::Poisoned => broken(doing, location),
            fjall::Error::InvalidVersion(Some(v)) => Error::new(Detail::SchemaMismatch {
                found: format!("of fjall's files: {v}"),
                supported: format!("{} of fjall's files", fjall::FormatVersion::V3),
                fix: "fjall's own migration tool on a copy of the directory".to_owned(),
            }),
            ref other => corrupted(location, format!("{doing}: {other}")),
        };
        error.with_outcome(Outcome::NotApplied).with_source(e)
    }
}

/// A failed commit. Only when fjall refused before it wrote is it known that nothing of it ever shows.
pub(crate) fn commit(location: &Path, e: fjall::Error) -> Error {
    let refused = matches!(e, fjall::Error::Poisoned);
    let outcome = if refused { Outcome::NotApplied } else { Outcome::MaybeApplied };
    engine("commit", location)(e).with_outcome(outcome)
}

/// What every write gets once a commit has failed.
pub(crate) fn broken(doing: &str, location: &Path) -> Error {
    Error::unavailable(doing, format!("{}: an earlier write failed; reopen it", location.display()))
        .with_outcome(Outcome::NotApplied)
}
