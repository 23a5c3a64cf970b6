//! Writes whose earlier tries had no answer: what is stored tells whether they were done, or nobody can tell.

use super::batch::{New, Parts, Target};
use super::record::{REMEMBERED, Stored};
use super::write::as_it_is;
use crate::core::document::Document;
use crate::core::document::tells::{Tells, Verdict, untold};
use crate::core::document::write::{Action, DocumentWrite};
use crate::core::store::{WriteDocuments, Written};
use crate::core::{AttemptId, Error, Outcome, Result, Timestamp};

/// What is known of earlier tries.
#[derive(Default)]
pub(super) struct Earlier {
    /// One ended without an answer.
    pub(super) unknown: bool,
    /// What was sent, what was to be answered, and the entries to delete if it was done.
    sent: Vec<Sent>,
    answers: Vec<Written>,
    pub(super) after: Parts,
}

/// What a try was to make of a document.
struct Sent {
    new: New,
    /// Who created what it found: one that is deleted and stored again has another.
    creator: Option<AttemptId>,
}

impl Sent {
    /// What a document tells.
    fn tells(&self, t: &Target) -> Tells {
        let same = |s: &Stored| Some(s.record.creator) == self.creator;
        match (&self.new, &t.old) {
            // One that takes an expired one's place has another creator.
            (New::Stored(d), Some(s)) if d.version == 1 && same(s) => Tells::Undone,
            (New::Stored(d), Some(s)) if remembered(s, d) && (d.version == 1 || same(s)) => Tells::Undone,
            (New::Stored(d), None) if d.version == 1 => Tells::Missing,
            (New::Stored(_), _) => Tells::Lost,
            (New::Removed, Some(s)) if same(s) => Tells::Undone,
            (New::Removed, Some(_)) => Tells::Replaced,
            (New::Removed, None) => Tells::Gone,
            _ => Tells::Nothing,
        }
    }
}

impl Earlier {
    pub(super) fn outcome(&self) -> Outcome {
        if self.unknown { Outcome::MaybeApplied } else { Outcome::NotApplied }
    }

    /// A try of these targets ended without an answer, and what it found is no longer so.
    pub(super) fn doubts(&mut self, targets: Vec<Target>, answers: Vec<Written>, after: Parts) {
        let sent = |(t, answer): (Target, &Written)| {
            let creator = t.old.map(|s| s.record.creator);
            // Nobody is told of the removal of what had expired.
            let new = if answer.changed { t.new } else { New::Kept };
            Sent { new, creator }
        };
        self.sent = targets.into_iter().zip(&answers).map(sent).collect();
        (self.unknown, self.answers, self.after) = (true, answers, after);
    }

    /// A failure to read, with what is known of the write.
    pub(super) fn told(&self, e: Error) -> Error {
        e.with_outcome(self.outcome())
    }

    /// The answer, if the write was done by an earlier try, or by an earlier call that this one repeats. An error where that can no
    /// longer be told.
    pub(super) fn done(
        &self,
        req: &WriteDocuments,
        targets: &[Target],
        time: Timestamp,
    ) -> Result<Option<Vec<Written>>> {
        let record = |t: &Target| t.old.as_ref().map(|s| s.record.clone());
        let answers = || self.answers(req, targets, time);
        if targets.iter().any(|t| record(t).is_some_and(|r| r.remembers(req.attempt))) {
            return Ok(Some(answers()));
        }
        if !self.unknown {
            return Ok(None);
        }
        let tells: Vec<Tells> = self.sent.iter().zip(targets).map(|(sent, t)| sent.tells(t)).collect();
        match Verdict::of(&tells, &req.writes) {
            Verdict::Done => Ok(Some(answers())),
            Verdict::Undone => Ok(None),
            Verdict::Untold => Err(untold()),
        }
    }

    /// What the write did, whatever others made of the documents since.
    fn answers(&self, req: &WriteDocuments, targets: &[Target], now: Timestamp) -> Vec<Written> {
        let answer = |(i, (w, t)): (usize, (&DocumentWrite, &Target))| {
            let wrote = t.old.as_ref().and_then(|s| Some((s, s.record.wrote(req.attempt)?)));
            let mut answer = match (self.answers.get(i), &wrote) {
                (Some(answer), _) => answer.clone(),
                (None, Some((stored, _))) => repeated(w, stored),
                (None, None) => as_it_is(w, t, now),
            };
            if let (Some(document), Some((stored, (version, updated)))) = (&mut answer.document, wrote) {
                (document.version, document.updated) = (version, updated);
                document.created = stored.document.created;
            }
            answer
        };
        req.writes.iter().zip(targets).enumerate().map(answer).collect()
    }
}

/// Whether a document that was written as `d` would still remember it.
fn remembered(s: &Stored, d: &Document) -> bool {
    let later = s.record.version - d.version;
    usize::try_from(later).map_or(later == -1, |later| later < REMEMBERED)
}

/// A document that an earlier call wrote which this one repeats, but for its version and times. Of one that was deleted softly the
/// body is the stored one: nobody else remembers it.
fn repeated(w: &DocumentWrite, stored: &Stored) -> Written {
    let stored = &stored.document;
    let document = match &w.action {
        Action::Put { body, expires } => {
            Document { deleted: None, expires: *expires, body: body.clone(), ..stored.clone() }
        }
        _ => stored.clone(),
    };
    Written { document: Some(document), changed: true }
}
