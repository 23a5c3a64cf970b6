//! What documents tell of a write whose answer was lost. One rule for all buckets; how a document is recognised is theirs.

use super::write::{DocumentWrite, Pre};
use crate::error::{Error, Outcome};

/// What one document tells of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Tells {
    /// It remembers it.
    Done,
    /// It would remember it, and does not.
    Undone,
    /// The try was to leave it as it is.
    Nothing,
    /// It was to be created and is not there: it is taken for one that never came.
    Missing,
    /// It is there no longer, or no longer the same, or was written too often since: its memory is lost.
    Lost,
    /// It was to be removed, and is gone.
    Gone,
    /// It was to be removed, and there is another one of its key.
    Replaced,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Verdict {
    /// It was done.
    Done,
    /// It was not done, as far as can be told, or may be done again.
    Undone,
    /// It may have been done, and nothing is left that tells: see [`untold`].
    Untold,
}

impl Verdict {
    /// Of all documents of a call, of which all were written or none: one that tells, tells for all.
    pub fn of(tells: &[Tells], writes: &[DocumentWrite]) -> Verdict {
        let any = |one| tells.contains(&one);
        let removes = any(Tells::Gone) || any(Tells::Replaced);
        // Removals are remembered by nobody: of two that remove the same on a condition one is told that it did, and nothing tells
        // whose it was. Without conditions it does not matter, as what was to go is gone.
        let conditional = writes.iter().any(|w| w.pre != Pre::None);
        if any(Tells::Done) {
            Verdict::Done
        } else if any(Tells::Undone) {
            Verdict::Undone
        } else if any(Tells::Lost) || (removes && conditional) {
            Verdict::Untold
        } else if removes && tells.iter().all(|t| matches!(t, Tells::Gone | Tells::Nothing)) {
            Verdict::Done
        } else {
            Verdict::Undone
        }
    }
}

/// The error of a write of which nobody can tell what became.
pub fn untold() -> Error {
    let e = Error::unavailable("document.write_documents", "nobody can tell what became of it");
    e.with_outcome(Outcome::MaybeApplied)
}
