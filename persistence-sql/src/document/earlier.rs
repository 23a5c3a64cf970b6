//! Whether an earlier try of a call was done, told from what is there.
//!
//! All that a call writes is written, or nothing is: one document that tells, tells for all. A document that is there remembers its
//! last attempts. One that is gone has taken its memory along, and one of the same key that was made since has none of it.

use super::write::{Call, Found};
use crate::attempts::{REMEMBERED, entry_of};
use crate::bucket::Tried;
use crate::core::document::Document;
use crate::core::document::tells::{Tells, Verdict};
use crate::core::store::Written;
use crate::core::{AttemptId, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// What the tries of a call know of each other.
#[derive(Default)]
pub(super) struct Memory {
    /// Some try had an unknown outcome.
    pub(super) unknown: AtomicBool,
    /// Some unique key was taken: who holds it is to be found out first.
    pub(super) taken: AtomicBool,
    /// Something that was looked for is not there, and that counts.
    pub(super) absent: AtomicBool,
    /// What the last try that went as far as writing would have answered.
    answers: Mutex<Option<Answers>>,
}

/// What a try would have answered.
#[derive(Clone)]
pub(super) struct Answers {
    pub(super) written: Vec<Written>,
    /// Whether it is known when documents were created; else only that it was not later.
    pub(super) created: bool,
    /// What it would have removed: the version, and when it was created.
    pub(super) removed: Vec<Option<(i64, Timestamp)>>,
}

/// What became of an earlier try.
pub(super) enum Earlier {
    /// It was done, and this is its answer.
    Done(Vec<Written>),
    /// It was not done, as far as can be told, or may be done again.
    Undone,
    /// It may have been done, and nothing is left that tells.
    Untold,
}

impl Memory {
    /// What is known of the tries so far.
    pub(super) fn tried(&self) -> Tried {
        Tried { unknown: self.unknown.load(Relaxed) }
    }

    pub(super) fn keep(&self, answers: Answers) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = Some(answers);
    }
}

impl Answers {
    fn tells(&self, i: usize, found: &Found, attempt: AttemptId) -> Tells {
        let found = found.as_ref();
        if found.is_some_and(|(_, column)| entry_of(column, attempt).is_some()) {
            return Tells::Done;
        }
        match (&self.written[i], self.removed[i]) {
            (Written { document: Some(wrote), changed: true }, _) => match found {
                Some((now, _)) if self.would_show(wrote, now) => Tells::Undone,
                None if wrote.version == 1 => Tells::Missing,
                _ => Tells::Lost,
            },
            (_, Some((version, created))) => match found {
                Some((now, _)) if now.created == created && now.version >= version => Tells::Undone,
                Some(_) => Tells::Replaced,
                None => Tells::Gone,
            },
            _ => Tells::Nothing,
        }
    }

    /// Whether a document would still remember the try, if that had written this.
    fn would_show(&self, wrote: &Document, now: &Document) -> bool {
        let later = now.version.saturating_sub(wrote.version);
        let remembered = !usize::try_from(later).is_ok_and(|later| later >= REMEMBERED);
        match (wrote.version, self.created) {
            // What had expired is older, and still there.
            (1, _) => remembered || now.created < wrote.created,
            (_, true) => remembered && now.created == wrote.created,
            (_, false) => remembered && now.created <= wrote.created,
        }
    }

    /// The answers, with what the documents remember.
    fn told(mut self, found: &[Found], attempt: AttemptId) -> Vec<Written> {
        for (answer, found) in self.written.iter_mut().zip(found) {
            let (Some(document), Some((now, column))) = (&mut answer.document, found) else { continue };
            if !self.created {
                document.created = now.created;
            }
            if let Some((version, updated)) = entry_of(column, attempt) {
                (document.version, document.updated) = (version, Timestamp(updated));
            }
        }
        self.written
    }
}

impl Call {
    /// What became of the earlier tries, of which one had an unknown outcome.
    pub(super) fn earlier(&self, found: &[Found]) -> Earlier {
        let last = self.memory.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(answers) = last else { return Earlier::Undone };
        let all: Vec<Tells> =
            found.iter().enumerate().map(|(i, found)| answers.tells(i, found, self.attempt)).collect();
        match Verdict::of(&all, &self.writes) {
            Verdict::Done => Earlier::Done(answers.told(found, self.attempt)),
            Verdict::Undone => Earlier::Undone,
            Verdict::Untold => Earlier::Untold,
        }
    }
}
