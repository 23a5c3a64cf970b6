//! Changing a document as one atomic step, whatever is in it.

use super::tries::Tries;
use super::write::{Action, DocumentWrite, Pre};
use super::{Document, DocumentKey};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::AttemptId;
use crate::store::*;
use serde_json::Value;

/// What the closure of an update wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Update {
    /// Write what it made.
    Write,
    /// Leave the document as it was.
    NoChange,
}

/// How often an update is tried, if others come first.
pub const DEFAULT_TRIES: u32 = 10;

/// Reads a document, calls `change`, writes the result if nobody else wrote meanwhile, and begins again otherwise, at most `tries`
/// times. `change` may run several times, and may refuse with an error ([`Error::aborted`]), which leaves no trace. Returns the
/// document as it is then. `NotFound` where there is none; `ConditionFailed` when others came first every time.
///
/// ```
/// use persistence_core::document::update::{DEFAULT_TRIES, Update, update_document};
/// use persistence_core::document::DocumentKey;
/// use persistence_core::{Context, Persistence, Result};
///
/// async fn count_up(db: &dyn Persistence, cx: &Context) -> Result<()> {
///     let key = DocumentKey::new("visits");
///     let more = |body: &mut serde_json::Value| {
///         body["count"] = (body["count"].as_i64().unwrap_or(0) + 1).into();
///         Ok(Update::Write)
///     };
///     update_document(db.documents(), cx, "counters", &key, DEFAULT_TRIES, more).await?;
///     Ok(())
/// }
/// ```
pub async fn update_document(
    documents: &dyn DocumentStore,
    cx: &Context,
    collection: &str,
    key: &DocumentKey,
    tries: u32,
    mut change: impl FnMut(&mut Value) -> Result<Update> + Send,
) -> Result<Document> {
    let mut tries = Tries::new(tries);
    let get =
        GetDocuments { collection: collection.to_owned(), keys: vec![key.clone()], deleted: Deleted::Hide };
    loop {
        let stored = documents.get_documents(cx, &get).await?.pop().flatten();
        let not_found = || Error::not_found("document", format!("{collection} {key}"));
        let stored = stored.ok_or_else(not_found)?;
        let mut body = stored.body.clone();
        if change(&mut body)? == Update::NoChange {
            return Ok(stored);
        }
        let write = DocumentWrite {
            collection: collection.to_owned(),
            key: key.clone(),
            pre: Pre::Version(stored.version),
            action: Action::Put { body, expires: stored.expires },
        };
        let req = WriteDocuments { writes: vec![write], attempt: AttemptId::new() };
        match documents.write_documents(cx, &req).await {
            Err(e) if e.kind() == ErrorKind::ConditionFailed => tries.again(e).await?,
            written => {
                let written = written?.pop().and_then(|w| w.document);
                return written.ok_or_else(|| Error::corrupted(collection, "no answer"));
            }
        }
    }
}
