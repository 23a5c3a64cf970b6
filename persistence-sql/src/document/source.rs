//! Reading: by key, and what the engine of finds asks for.

use super::access::{Query, within};
use super::catalogue::Known;
use super::look::select;
use super::rows::{self, key_values, kinds};
use super::shape::Shape;
use crate::bucket::{self, Bucket};
use crate::core::document::find::{DocumentSource, Finder, MAX_SORTED, Start};
use crate::core::document::plan::Access;
use crate::core::document::{CollectionDef, Document};
use crate::core::store::*;
use crate::core::{Context, Result, Timestamp};
use crate::value::{Kind, SqlRow, Value};
use async_trait::async_trait;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

/// What the errors of statements about documents name.
pub(super) const TABLE: &str = "documents";

/// What reads a collection.
struct Source<'a> {
    bucket: &'a Bucket,
    known: &'a Known,
}

impl Source<'_> {
    async fn query(
        &self,
        cx: &Context,
        (shape, args): (Shape, Vec<Value>),
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>> {
        let (bucket, def) = (self.bucket, &self.known.def);
        let text = self.known.texts.get(shape, |s| s.render(bucket.dialect, &bucket.naming, def));
        bucket.query_as_is(cx, TABLE, &text, args, columns).await
    }
}

#[async_trait]
impl DocumentSource for Source<'_> {
    fn at_once(&self) -> usize {
        MAX_SORTED
    }

    async fn read(
        &self,
        cx: &Context,
        def: &CollectionDef,
        access: &Access,
        start: Start<'_>,
        limit: usize,
    ) -> Result<Vec<Document>> {
        let statement = Query::new(self.bucket.dialect, def, access).select(start, limit)?;
        if let Some(partition) = within(def, access) {
            let rows = self.query(cx, statement, &rows::kinds_within(def)).await?;
            let document = |mut row| rows::document_within(def, partition, &mut row);
            return rows.into_iter().map(document).collect();
        }
        let rows = self.query(cx, statement, &kinds(def)).await?;
        rows.into_iter().map(|mut row| rows::document(def, &mut row)).collect()
    }

    async fn count(
        &self,
        cx: &Context,
        def: &CollectionDef,
        access: &Access,
        deleted: Deleted,
        now: Timestamp,
    ) -> Result<Option<u64>> {
        let Some(statement) = Query::new(self.bucket.dialect, def, access).count(deleted, now) else {
            return Ok(None);
        };
        let mut rows = self.query(cx, statement, &[Kind::Int]).await?;
        let count = rows.pop().map(|mut row| row.int()).transpose()?.unwrap_or(0);
        Ok(u64::try_from(count).ok())
    }
}

impl Bucket {
    pub(super) async fn get(&self, cx: &Context, req: &GetDocuments) -> Result<Vec<Option<Document>>> {
        let collection = self.collection(cx, &req.collection).await?;
        let def = &collection.def;
        req.keys.iter().try_for_each(|key| def.check_key(key))?;
        if req.keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = req.keys.iter().map(key_values).collect();
        let find = async { select(&mut self.connection(cx).await?, def, keys, "", None).await };
        let now = self.env.clock.now();
        let shown = |d: &Document| {
            let deleted = match req.deleted {
                Deleted::Hide => d.deleted.is_none(),
                Deleted::Only => d.deleted.is_some(),
                Deleted::Any => true,
            };
            deleted && !d.is_expired(now)
        };
        let found = bucket::read(cx, TABLE, find).await?;
        let mut found: HashMap<_, _> =
            found.into_iter().filter(|(d, _)| shown(d)).map(|(d, _)| (d.key.clone(), d)).collect();
        // Each is asked for once, as a rule, and then it is handed over as it is.
        let distinct = req.keys.iter().collect::<HashSet<_>>().len() == req.keys.len();
        let mut of = |key| if distinct { found.remove(key) } else { found.get(key).cloned() };
        Ok(req.keys.iter().map(&mut of).collect())
    }

    /// Asks a collection, and once more if it failed because the collection has changed.
    pub(super) async fn ask<'a, T, F>(
        &'a self,
        cx: &'a Context,
        name: &str,
        ask: impl Fn(Arc<Known>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + 'a,
    {
        let known = self.collection(cx, name).await?;
        match ask(Arc::clone(&known)).await {
            Ok(done) => Ok(done),
            Err(e) => match self.changed(cx, &known).await {
                Some(now) => ask(now).await,
                None => Err(e),
            },
        }
    }

    pub(super) async fn find(&self, cx: &Context, req: &FindDocuments) -> Result<DocumentPage> {
        let now = self.env.clock.now();
        let find = |c: Arc<Known>| async move {
            let ready = |i| c.is_ready(i);
            Finder { source: &Source { bucket: self, known: &c }, def: &c.def, ready: &ready, now }
                .find(cx, req)
                .await
        };
        self.ask(cx, &req.collection, find).await
    }

    pub(super) async fn count_found(&self, cx: &Context, req: &CountDocuments) -> Result<u64> {
        let now = self.env.clock.now();
        let count = |c: Arc<Known>| async move {
            let ready = |i| c.is_ready(i);
            Finder { source: &Source { bucket: self, known: &c }, def: &c.def, ready: &ready, now }
                .count(cx, req)
                .await
        };
        self.ask(cx, &req.collection, count).await
    }

    pub(super) async fn explain(&self, cx: &Context, req: &FindDocuments) -> Result<Explain> {
        let now = self.env.clock.now();
        let explain = |c: Arc<Known>| async move {
            let ready = |i| c.is_ready(i);
            Finder { source: &Source { bucket: self, known: &c }, def: &c.def, ready: &ready, now }
                .explain(req)
        };
        self.ask(cx, &req.collection, explain).await
    }
}
