//! A document that has a version, changed in one statement: looked for, judged, written and answered in one round trip. Of
//! PostgreSQL, which returns what it wrote and keeps no entries of its own.
//!
//! What it does not do is done by the transaction that all other writes are: whatever it refuses, and finding out what became of
//! it. A document must have been there before the call and must not be newer than it: a statement that arrives late, when the
//! document was removed and made again, finds another one.

use super::earlier::Answers;
use super::rows::{key_columns, key_values};
use super::source::TABLE;
use super::write::Call;
use super::{access::body_mark, names};
use crate::attempts::remember;
use crate::bucket::{Bucket, work};
use crate::core::document::Document;
use crate::core::document::write::{Action, Pre};
use crate::core::store::Written;
use crate::core::{Context, Result, Timestamp};
use crate::dialect::Json;
use crate::reject::{Class, class};
use crate::tx::{Statement, Tx};
use crate::value::Kind;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl Call {
    /// The statement, and what it answers but for when the document was created; none for other writes.
    fn at_once(&self) -> Option<(Statement, Document)> {
        let [write] = &self.writes[..] else { return None };
        let (Pre::Version(version), Action::Put { body, expires }) = (&write.pre, &write.action) else {
            return None;
        };
        if *version < 1 {
            // There is none, so nothing is in doubt.
            return None;
        }
        let document = Document {
            key: write.key.clone(),
            version: version.checked_add(1)?,
            created: self.now,
            updated: self.now,
            deleted: None,
            expires: *expires,
            body: body.clone(),
        };
        let def = self.def(0);
        let key: Vec<String> = key_columns(def).iter().map(|c| format!("{c} = ?")).collect();
        let sql = format!(
            "UPDATE {} SET data = {}, version = version + 1, updated_at = ?, deleted_at = NULL, expires_at = ?, \
             attempts = substring(? || attempts FOR 256) \
             WHERE {} AND version = ? AND created_at < ? AND updated_at <= ? AND (expires_at IS NULL OR expires_at > ?) \
             RETURNING created_at",
            names::table(&def.name),
            body_mark(Json::Postgres),
            key.join(" AND ")
        );
        let entry = remember(&[], document.version, self.attempt, self.now.0);
        let now = self.now.0;
        let mut args = vec![
            body.to_string().as_str().into(),
            now.into(),
            crate::value::Value::opt(expires.map(|t| t.0)),
            entry.into(),
        ];
        args.extend(key_values(&write.key));
        args.extend([*version, now, now, now].map(crate::value::Value::from));
        Some(((sql, args), document))
    }

    async fn run_at_once(
        &self,
        tx: &mut Tx,
        (sql, args): Statement,
        document: Document,
    ) -> Result<Option<Vec<Written>>> {
        let answer = |document| vec![Written { document: Some(document), changed: true }];
        let written = answer(document.clone());
        self.memory.keep(Answers { written, created: false, removed: vec![None] });
        let rows = match tx.call_rendered(TABLE, &sql, args, &[Kind::Int]).await {
            Err(e) if class(&e) == Some(Class::Duplicate) => return Ok(None),
            rows => rows?,
        };
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        Ok(Some(answer(Document { created: Timestamp(row.int()?), ..document })))
    }
}

impl Bucket {
    /// The answer, if one statement was enough.
    pub(super) async fn write_in_one(&self, cx: &Context, call: &Arc<Call>) -> Result<Option<Vec<Written>>> {
        if self.dialect.json != Json::Postgres || call.memory.tried().unknown {
            return Ok(None);
        }
        let Some(statement) = call.at_once() else { return Ok(None) };
        let (call, statement) = (Arc::clone(call), Arc::new(statement));
        let work = work(move |tx: &mut Tx, tried| {
            let (call, statement) = (Arc::clone(&call), Arc::clone(&statement));
            Box::pin(async move {
                if tried.unknown {
                    call.memory.unknown.store(true, Relaxed);
                    return Ok(None);
                }
                let (statement, document) = (*statement).clone();
                call.run_at_once(tx, statement, document).await
            })
        });
        self.write_at_once(cx, Default::default(), work).await
    }
}
