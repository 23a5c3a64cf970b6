//! Writing: look, decide, write, in one transaction.

use super::absence::{self, inserts};
use super::catalogue::Known;
use super::earlier::{Answers, Earlier, Memory};
use super::look::select;
use super::put::{Inserts, remove, replace};
use super::rows::key_values;
use super::{entries, unique};
use crate::attempts::remember;
use crate::bucket::{Bucket, Tried, is_of_the_way, work};
use crate::core::document::tells::untold;
use crate::core::document::write::{Action, Change, DocumentWrite, check, check_changes, decide};
use crate::core::document::{CollectionDef, Document, DocumentKey};
use crate::core::store::{WriteDocuments, Written};
use crate::core::{AttemptId, Context, Error, Outcome, Result, Timestamp};
use crate::dialect::Json;
use crate::reject::{Class, class};
use crate::tx::Tx;
use crate::value::{Kind, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// How often a write begins anew because a collection was changed under it.
const ROUNDS: usize = 8;

const REVISIONS: &str = "SELECT name, revision FROM document_collections";

/// A call, and what its tries know of each other.
pub(super) struct Call {
    pub(super) writes: Vec<DocumentWrite>,
    collections: Vec<Arc<Known>>,
    pub(super) attempt: AttemptId,
    pub(super) now: Timestamp,
    pub(super) memory: Arc<Memory>,
}

/// How a try ended.
enum Done {
    Written(Vec<Written>),
    /// Nobody can tell any more whether an earlier try was applied.
    Untold,
    /// The collections are others than those that the call knows.
    Stale,
    /// Something is not there that others may be about to insert: they are excluded the next time.
    Absent,
}

/// What was found of a document: itself, and the attempts that wrote it.
pub(super) type Found = Option<(Document, Vec<u8>)>;

impl Call {
    pub(super) fn def(&self, i: usize) -> &CollectionDef {
        &self.collections[i].def
    }

    async fn run(&self, tx: &mut Tx, tried: Tried) -> Result<Done> {
        let unknown = self.memory.unknown.fetch_or(tried.unknown, Relaxed) || tried.unknown;
        let alone = self.memory.absent.load(Relaxed) || self.requires_absence();
        if !self.is_current(tx, alone).await? {
            return Ok(Done::Stale);
        }
        if alone {
            self.exclude(tx).await?;
        }
        let found = self.look(tx, alone).await?;
        if unknown {
            match self.earlier(&found) {
                Earlier::Done(answers) => return Ok(Done::Written(answers)),
                Earlier::Untold => return Ok(Done::Untold),
                Earlier::Undone => {}
            }
        }
        let absent = |(w, f): (&DocumentWrite, &Found)| f.is_none() && absence::rests_on_absence(w);
        let several = self.writes.len() > 1 && !tx.dialect.single_writer;
        if several && !alone && self.writes.iter().zip(&found).any(absent) {
            self.memory.absent.store(true, Relaxed);
            return Ok(Done::Absent);
        }
        let mut changes = Vec::with_capacity(self.writes.len());
        for (i, write) in self.writes.iter().enumerate() {
            let stored = found[i].as_ref().map(|f| &f.0);
            changes.push(decide(self.def(i), write, stored, self.now)?);
        }
        let stored = |i: usize| found[i].as_ref().map(|f| &f.0);
        check_changes(changes.iter().enumerate().map(|(i, change)| (self.def(i), stored(i), change)))?;
        let answers: Vec<Written> =
            (0..changes.len()).map(|i| self.answer(i, &found[i], &changes[i])).collect();
        if changes.iter().any(|change| !matches!(change, Change::Keep)) {
            let removed = (0..changes.len()).map(|i| self.removed(&found[i], &changes[i])).collect();
            self.memory.keep(Answers { written: answers.clone(), created: true, removed });
            let done = self.apply(tx, &found, &changes).await;
            done.map_err(|e| self.refused(tx.dialect.json, e, &changes))?;
        }
        Ok(Done::Written(answers))
    }

    /// Whether the collections are those that the call knows: where entries are written by this bucket, nobody may write without
    /// those of a new index. Locked until the end, against all other writers where the call is to be alone.
    async fn is_current(&self, tx: &mut Tx, alone: bool) -> Result<bool> {
        if tx.dialect.json == Json::Postgres {
            return Ok(true);
        }
        let known: BTreeMap<&str, i64> =
            self.collections.iter().map(|c| (&*c.def.name, c.revision)).collect();
        let names = tx.dialect.key_in(&["name"], known.len());
        // Whoever is to be alone waits for no collection but its own.
        let by_name = if tx.dialect.json == Json::Mysql { " FORCE INDEX (PRIMARY)" } else { "" };
        let lock = if alone { tx.dialect.for_update } else { tx.dialect.for_share };
        let sql = format!("{REVISIONS}{by_name} WHERE {names}{lock}");
        let args = known.keys().map(|name| Value::from(*name)).collect();
        let mut current = 0;
        for mut row in tx.query("document_collections", &sql, args, &[Kind::Text, Kind::Int]).await? {
            let name = row.text()?;
            current += usize::from(known.get(&*name) == Some(&row.int()?));
        }
        Ok(current == known.len())
    }

    /// What is there, locked, in the order of collections and keys.
    async fn look(&self, tx: &mut Tx, alone: bool) -> Result<Vec<Found>> {
        let mut collections: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, write) in self.writes.iter().enumerate() {
            collections.entry(&write.collection).or_default().push(i);
        }
        let mut found: Vec<Found> = self.writes.iter().map(|_| None).collect();
        for mut of in collections.into_values() {
            of.sort_by_key(|&i| &self.writes[i].key);
            let inserts_any = of.iter().any(|&i| inserts(&self.writes[i]));
            let shares = tx.dialect.json == Json::Postgres && inserts_any && !alone;
            let share = shares.then(|| absence::lock_of(tx, self.def(of[0])));
            self.look_at(tx, &of, &mut found, share).await?;
            // Whoever held the lock may have stored the document anew, and a statement of PostgreSQL that waited for that does not
            // see it. One that is then inserted is met again; before anything else is made of its absence, it is looked for again.
            let again = |i: &usize| found[*i].is_none() && !inserts(&self.writes[*i]);
            let again: Vec<usize> = of.iter().copied().filter(again).collect();
            let unique = self.def(of[0]).indexes.iter().any(|i| i.unique);
            if unique && tx.dialect.json == Json::Postgres && !again.is_empty() {
                self.look_at(tx, &again, &mut found, None).await?;
            }
        }
        Ok(found)
    }

    async fn look_at(
        &self,
        tx: &mut Tx,
        of: &[usize],
        found: &mut [Found],
        share: Option<Value>,
    ) -> Result<()> {
        let (keys, lock) =
            (of.iter().map(|&i| key_values(&self.writes[i].key)).collect(), tx.dialect.for_update);
        for one in select(tx, self.def(of[0]), keys, lock, share).await? {
            if let Some(&i) = of.iter().find(|&&i| self.writes[i].key == one.0.key) {
                found[i] = Some(one);
            }
        }
        Ok(())
    }

    fn answer(&self, i: usize, found: &Found, change: &Change) -> Written {
        let there = || found.as_ref().map(|f| f.0.clone()).filter(|d| !d.is_expired(self.now));
        match change {
            Change::Store(document) => Written { document: Some(document.clone()), changed: true },
            // What had expired was not there.
            Change::Remove => Written { document: None, changed: there().is_some() },
            Change::Keep => {
                let check = matches!(self.writes[i].action, Action::Check);
                Written { document: there().filter(|_| !check), changed: false }
            }
        }
    }

    /// What is removed, if anybody saw it: its version, and when it was created.
    fn removed(&self, found: &Found, change: &Change) -> Option<(i64, Timestamp)> {
        let (document, _) = found.as_ref().filter(|_| matches!(change, Change::Remove))?;
        (!document.is_expired(self.now)).then_some((document.version, document.created))
    }

    async fn apply(&self, tx: &mut Tx, found: &[Found], changes: &[Change]) -> Result<()> {
        let defs = || (0..changes.len()).map(|i| self.def(i));
        if self.memory.taken.load(Relaxed) {
            for (def, change) in defs().zip(changes) {
                if let Change::Store(document) = change {
                    let leaves = |key: &DocumentKey| {
                        let mut changed =
                            self.writes.iter().zip(changes).filter(|(_, c)| !matches!(c, Change::Keep));
                        changed.any(|(w, _)| w.collection == def.name && w.key == *key)
                    };
                    unique::settle(tx, def, document, self.now, &leaves).await?;
                }
            }
        }
        let anew: Vec<bool> = (0..changes.len()).map(|i| self.yields(i, found, changes)).collect();
        for (((def, found), change), anew) in defs().zip(found).zip(changes).zip(&anew) {
            let Some((stored, _)) = found else { continue };
            if *anew || matches!(change, Change::Remove) {
                remove(tx, def, &stored.key).await?;
            }
            if matches!(change, Change::Remove) {
                entries::follow(tx, def, Some(stored), None).await?;
            }
        }
        let (mut new, mut followed) = (Inserts::default(), Vec::new());
        for (((def, found), change), anew) in defs().zip(found).zip(changes).zip(&anew) {
            let Change::Store(document) = change else { continue };
            let before = found.as_ref();
            let column = before.map(|f| &*f.1).unwrap_or_default();
            let column = remember(column, document.version, self.attempt, document.updated.0);
            if before.is_some() && !*anew {
                replace(tx, def, document, column).await?;
            } else {
                new.add(tx.dialect.json, def, document, column);
            }
            followed.push((def, before.map(|f| &f.0), Some(document)));
        }
        new.send(tx).await?;
        entries::follow_all(tx, &followed).await
    }

    /// Whether a document gives up a unique key that another one of this call takes: it is stored anew then, after all that give
    /// up theirs, so that nobody has a key twice on the way.
    fn yields(&self, i: usize, found: &[Found], changes: &[Change]) -> bool {
        let (Some((stored, _)), Change::Store(document)) = (&found[i], &changes[i]) else { return false };
        let def = self.def(i);
        let (old, new) = (unique::keys(def, stored), unique::keys(def, document));
        let given_up: Vec<_> = old.into_iter().filter(|key| !new.contains(key)).collect();
        !given_up.is_empty()
            && changes.iter().enumerate().any(|(j, change)| match change {
                Change::Store(other) if j != i && self.def(j).name == def.name => {
                    unique::keys(def, other).iter().any(|key| given_up.contains(key))
                }
                _ => false,
            })
    }

    /// What a refusal means. Of a key that appeared since the look nothing is said: look again.
    fn refused(&self, json: Json, e: Error, changes: &[Change]) -> Error {
        if class(&e) != Some(Class::Duplicate) {
            return e;
        }
        let stores = changes.iter().enumerate().filter_map(|(i, change)| match change {
            Change::Store(document) => Some((self.def(i), document)),
            _ => None,
        });
        let violated =
            stores.into_iter().find_map(|(def, d)| Some((def, d, unique::violated(json, def, &e)?)));
        match violated {
            // By one that has expired, or by several.
            Some(_) if !self.memory.taken.swap(true, Relaxed) => e,
            Some((def, document, index)) => unique::taken(def, document, index),
            None => e,
        }
    }
}

impl Bucket {
    pub(super) async fn write_all(&self, cx: &Context, req: &WriteDocuments) -> Result<Vec<Written>> {
        let memory = Arc::new(Memory::default());
        for _ in 0..ROUNDS {
            let done = self.write_round(cx, req, &memory).await;
            // Of an earlier try, a failure of the way says nothing.
            let unknown = |e: &Error| is_of_the_way(e.kind()) && memory.tried().unknown;
            let done = done.map_err(|e| if unknown(&e) { e.with_outcome(Outcome::MaybeApplied) } else { e });
            if let Some(answers) = done? {
                return Ok(answers);
            }
        }
        let e = Error::unavailable("write_documents", "the collection changes all the time");
        Err(e.with_outcome(memory.tried().outcome()))
    }

    /// Writes to the collections as they are known now; none if they are others, or others are to be excluded.
    async fn write_round(
        &self,
        cx: &Context,
        req: &WriteDocuments,
        memory: &Arc<Memory>,
    ) -> Result<Option<Vec<Written>>> {
        let mut collections = Vec::with_capacity(req.writes.len());
        for write in &req.writes {
            collections.push(self.collection(cx, &write.collection).await?);
        }
        if let Err(e) = self.checked(&req.writes, &collections) {
            // Perhaps what is declared now allows it.
            let mut changed = false;
            for c in &collections {
                changed |= self.changed(cx, c).await.is_some();
            }
            return if changed { Ok(None) } else { Err(e.with_outcome(memory.tried().outcome())) };
        }
        let call = Arc::new(Call {
            writes: req.writes.clone(),
            collections,
            attempt: req.attempt,
            now: self.env.clock.now(),
            memory: Arc::clone(memory),
        });
        let again = Arc::clone(&call);
        if let Some(answers) = self.write_in_one(cx, &call).await? {
            return Ok(Some(answers));
        }
        let work = work(move |tx: &mut Tx, tried| {
            let call = Arc::clone(&call);
            Box::pin(async move { call.run(tx, tried).await })
        });
        match self.write_after(cx, memory.tried(), work).await? {
            Done::Written(answers) => return Ok(Some(answers)),
            Done::Untold => return Err(untold()),
            Done::Stale => again.collections.iter().for_each(|c| self.collections.forget(&c.def.name)),
            Done::Absent => {}
        }
        Ok(None)
    }

    fn checked(&self, writes: &[DocumentWrite], collections: &[Arc<Known>]) -> Result<()> {
        writes.iter().zip(collections).try_for_each(|(w, c)| check(&c.def, w).map(drop))
    }
}
