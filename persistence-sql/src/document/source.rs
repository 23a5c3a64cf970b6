//! Reading: by key, and what the engine of finds asks for.

use super::absence::SHARE;
use super::access::{Query, keyed, within};
use super::catalogue::Known;
use super::names;
use super::rows::{self, key_columns, key_values, kinds};
use crate::bucket::{self, Bucket};
use crate::core::document::find::{DocumentSource, Finder};
use crate::core::document::plan::{Access, Position};
use crate::core::document::{CollectionDef, Document};
use crate::core::store::*;
use crate::core::{Context, Result, Timestamp};
use crate::dialect::Json;
use crate::tx::Tx;
use crate::value::{Kind, Value};
use async_trait::async_trait;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

/// What the errors of statements about documents name.
pub(super) const TABLE: &str = "documents";

/// The most keys of a statement.
const KEYS: usize = 256;

/// Documents by key, each with its attempts; `suffix` is what locks them, `share` the lock of those who insert.
pub(super) async fn select(
    tx: &mut Tx,
    def: &CollectionDef,
    keys: Vec<Vec<Value>>,
    suffix: &str,
    share: Option<Value>,
) -> Result<Vec<(Document, Vec<u8>)>> {
    let columns = rows::columns(tx.dialect.json, def);
    let (kinds, mut found) = ([kinds(def), vec![Kind::Bytes]].concat(), Vec::new());
    let order = key_columns(def).join(", ");
    for chunk in keys.chunks(KEYS) {
        let mut chunk = chunk.to_vec();
        // Up to a power of two with the last key again, which finds nothing twice.
        if let Some(last) = chunk.last().cloned() {
            chunk.resize(chunk.len().next_power_of_two(), last);
        }
        // Of few rows MySQL would read all, and lock those of other writers.
        let by_key = if tx.dialect.json == Json::Mysql { " FORCE INDEX (PRIMARY)" } else { "" };
        let sharing = if share.is_some() { SHARE } else { "" };
        let sql = format!(
            "SELECT {columns}, attempts FROM {}{by_key} WHERE {}{sharing} ORDER BY {order}{suffix}",
            names::table(&def.name),
            keyed(tx.dialect, def, chunk.len())
        );
        let args = chunk.into_iter().flatten().chain(share.clone()).collect();
        for mut row in tx.query(TABLE, &sql, args, &kinds).await? {
            let document = rows::document(def, &mut row)?;
            found.push((document, row.bytes()?.into()));
        }
    }
    Ok(found)
}

#[async_trait]
impl DocumentSource for Bucket {
    async fn read(
        &self,
        cx: &Context,
        def: &CollectionDef,
        access: &Access,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Document>> {
        let (sql, args) = Query::new(self.dialect, def, access).select(after, limit)?;
        if let Some(partition) = within(def, access) {
            let rows = self.query(cx, TABLE, &sql, args, &rows::kinds_within(def)).await?;
            let document = |mut row| rows::document_within(def, partition, &mut row);
            return rows.into_iter().map(document).collect();
        }
        let rows = self.query(cx, TABLE, &sql, args, &kinds(def)).await?;
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
        let Some((sql, args)) = Query::new(self.dialect, def, access).count(deleted, now) else {
            return Ok(None);
        };
        let mut rows = self.query(cx, TABLE, &sql, args, &[Kind::Int]).await?;
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
            Finder { source: self, def: &c.def, ready: &ready, now }.find(cx, req).await
        };
        self.ask(cx, &req.collection, find).await
    }

    pub(super) async fn count_found(&self, cx: &Context, req: &CountDocuments) -> Result<u64> {
        let now = self.env.clock.now();
        let count = |c: Arc<Known>| async move {
            let ready = |i| c.is_ready(i);
            Finder { source: self, def: &c.def, ready: &ready, now }.count(cx, req).await
        };
        self.ask(cx, &req.collection, count).await
    }

    pub(super) async fn explain(&self, cx: &Context, req: &FindDocuments) -> Result<Explain> {
        let now = self.env.clock.now();
        let explain = |c: Arc<Known>| async move {
            let ready = |i| c.is_ready(i);
            Finder { source: self, def: &c.def, ready: &ready, now }.explain(req)
        };
        self.ask(cx, &req.collection, explain).await
    }
}
