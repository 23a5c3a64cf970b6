//! Making collections what they are declared to be: under a lock, while others read and write, and so that whoever comes after one
//! that died in the middle goes on.
//!
//! What there is is read from the database itself. The names of columns and indexes contain what they are made of, so what is declared
//! otherwise is a name that is missing or one too many; what somebody made otherwise under its name is seen by what it is. New indexes are announced first, and then written but not read; read when they are
//! built; what is no longer declared is dropped last.

use super::build::{self, Builder};
use super::catalogue::{self, Collection, load};
use super::columns::Column;
use super::ddl::{Computed, Ddl, Index};
use super::inspect::{Real, inspect};
use super::made::PRIMARY;
use super::{names, verify};
use crate::bucket::{Bucket, is_of_the_way, work};
use crate::core::document::CollectionDef;
use crate::core::store::{CollectionChange, EnsureCollections, EnsureMode, Ensured};
use crate::core::{Context, Error, Outcome, Result};
use crate::tx::Tx;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a call without a deadline goes on after failures of the way to the database.
const RESUME_LIMIT: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The statement that makes the table.
    pub(super) table: Option<String>,
    pub(super) columns: Vec<(Column, Computed)>,
    /// Those of them that are there, made otherwise. They are dropped before.
    pub(super) wrong_columns: Vec<String>,
    pub(super) indexes: Vec<Index>,
    /// Indexes that are there, not whole or made otherwise, or that contain a wrong column. They are dropped before.
    pub(super) broken: Vec<String>,
    /// Tables of entries to make and to fill: the index, its name, the statement.
    pub(super) entries: Vec<(usize, String, String)>,
    pub(super) drop_indexes: Vec<String>,
    pub(super) drop_entries: Vec<String>,
    pub(super) drop_columns: Vec<String>,
    /// The row is another.
    pub(super) row: bool,
}

impl Plan {
    fn new(ddl: &Ddl<'_>, stored: Option<&Collection>, real: &Real) -> Self {
        let mut plan = Plan::default();
        let columns = ddl.columns();
        let (made, declared) = (&real.made, &real.declared);
        let mut computed = made.computed.clone();
        if real.table {
            // To add a stored one rewrites the table, while nobody reads and writes.
            let how = if real.documents { Computed::Virtual } else { Computed::Stored };
            let is_right = |c: &Column| {
                let there = made.columns.get(&c.name);
                there.is_some() && there == declared.columns.get(&c.name)
            };
            for column in columns.iter().filter(|c| !is_right(c)) {
                if computed.insert(column.name.clone(), how).is_some() {
                    plan.wrong_columns.push(column.name.clone());
                }
                plan.columns.push((column.clone(), how));
            }
        } else {
            plan.table = Some(ddl.create_table());
        }
        plan.compare_indexes(ddl, real, &computed);
        let entries = ddl.entries();
        let left = real.entries.iter().filter(|n| !entries.iter().any(|e| e.1 == **n));
        plan.drop_entries = left.cloned().collect();
        // One that is there may not be filled: its index is not ready then.
        let filled = |i: usize, name: &str| {
            real.entries.contains(name)
                && stored.is_some_and(|s| s.ready.contains(&names::index(ddl.def, &ddl.def.indexes[i])))
        };
        plan.entries = entries.into_iter().filter(|(i, name, _)| !filled(*i, name)).collect();
        let left = made.computed.keys().filter(|n| !columns.iter().any(|c| c.name == **n));
        plan.drop_columns = left.cloned().collect();
        plan.row = stored.is_none_or(|s| s.def != *ddl.def || s.ready != all_ready(ddl.def));
        plan
    }

    /// `computed` is how columns are computed when those that are missing are there.
    fn compare_indexes(&mut self, ddl: &Ddl<'_>, real: &Real, computed: &BTreeMap<String, Computed>) {
        let (made, wrong) = (&real.made, &self.wrong_columns);
        let suffers = |what: &str| wrong.iter().any(|column| what.contains(&**column));
        let before = ddl.indexes(&made.computed);
        let indexes = ddl.indexes(computed);
        // MySQL takes a column that is dropped out of the indexes over it, and keeps them.
        let lacks = |i: &Index| self.columns.iter().any(|(c, _)| i.on.contains(&*c.name));
        let is_right = |i: &Index| {
            let there = made.indexes.get(&i.name);
            there.is_some_and(|what| !suffers(what) && !lacks(i))
                && there == real.declared.indexes.get(&i.name)
                && before.iter().any(|b| b.name == i.name && b.on == i.on)
        };
        let wanted = |name: &str| indexes.iter().any(|i| i.name == name) || name == PRIMARY;
        let left = |(name, what): &(&String, &String)| !wanted(name) && !suffers(what);
        self.drop_indexes = made.indexes.iter().filter(left).map(|(name, _)| name.clone()).collect();
        let broken =
            made.indexes.iter().filter(|(name, what)| match indexes.iter().find(|i| i.name == **name) {
                Some(index) => !is_right(index),
                None => **name != PRIMARY && suffers(what),
            });
        self.broken = broken.map(|(name, _)| name.clone()).collect();
        self.indexes = indexes.into_iter().filter(|i| !is_right(i)).collect();
    }

    /// In words, in order.
    fn changes(&self, def: &CollectionDef) -> Vec<CollectionChange> {
        let declared = |name: &str| {
            let index = def.indexes.iter().find(|i| {
                [names::index(def, i), names::entries(def, i), names::live_index(def, i)]
                    .iter()
                    .any(|n| n == name)
            });
            index.map_or_else(|| name.to_owned(), |i| i.name.clone())
        };
        let mut what: Vec<String> = self.table.iter().map(|_| "create the table".to_owned()).collect();
        let anew = |there: &[String], name: &String| if there.contains(name) { " anew" } else { "" };
        let column = |c: &Column| format!("add the column {}{}", c.name, anew(&self.wrong_columns, &c.name));
        what.extend(self.columns.iter().map(|(c, _)| column(c)));
        let index =
            |i: &Index| format!("build the index {}{}", declared(&i.name), anew(&self.broken, &i.name));
        what.extend(self.indexes.iter().map(index));
        what.extend(self.entries.iter().map(|(_, name, _)| format!("build the index {}", declared(name))));
        what.extend(self.drop_indexes.iter().map(|name| format!("drop the index {name}")));
        what.extend(self.drop_entries.iter().map(|name| format!("drop the index {name}")));
        what.extend(self.drop_columns.iter().map(|name| format!("drop the column {name}")));
        if self.row && what.is_empty() {
            what.push("change the definition".to_owned());
        }
        let change = |what| CollectionChange { collection: def.name.clone(), what };
        what.into_iter().map(change).collect()
    }
}

/// The names of all indexes of a definition.
fn all_ready(def: &CollectionDef) -> BTreeSet<String> {
    def.indexes.iter().map(|i| names::index(def, i)).collect()
}

/// What of a definition may not change while there are documents.
fn conflict(stored: &CollectionDef, def: &CollectionDef) -> Result<()> {
    let what = match () {
        () if stored.id != def.id => "the kind of its ids",
        () if stored.partition != def.partition => "its partition",
        () if stored.group != def.group => "its group",
        () => return Ok(()),
    };
    Err(Error::invalid("definition", format!("collection {}: {what} cannot change", def.name)))
}

/// `compare`: by more than names.
async fn planned(
    tx: &mut Tx,
    def: &CollectionDef,
    compare: bool,
) -> Result<(Option<Collection>, Real, Plan)> {
    let stored = load(tx, &def.name).await?;
    if let Some(stored) = &stored {
        conflict(&stored.def, def)?;
    }
    let (naming, json) = (Arc::clone(&tx.naming), tx.dialect.json);
    let ddl = Ddl { json, naming: &naming, def };
    let real = inspect(tx, &ddl, compare).await?;
    let plan = Plan::new(&ddl, stored.as_ref(), &real);
    Ok((stored, real, plan))
}

/// What a call has begun to do, in all of its tries.
type Begun = Mutex<Vec<CollectionChange>>;

/// Whether a call that has failed may have changed anything.
fn outcome(begun: &Begun) -> Outcome {
    match begun.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
        true => Outcome::NotApplied,
        false => Outcome::MaybeApplied,
    }
}

/// Makes one collection what it is to be.
async fn apply(tx: &mut Tx, def: &CollectionDef, repair: bool, begun: &Begun) -> Result<()> {
    let (stored, real, plan) = planned(tx, def, repair).await?;
    let changes = plan.changes(def);
    if changes.is_empty() {
        return Ok(());
    }
    {
        let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = changes.into_iter().filter(|c| !begun.contains(c)).collect();
        begun.extend(new);
    }
    let mut row = Collection { def: def.clone(), ready: all_ready(def), revision: 1 };
    if let Some(stored) = &stored {
        row.revision = stored.revision.saturating_add(1);
        let building: BTreeSet<String> = plan.building(def);
        // Whoever reads of an index writes its entries.
        build::make_entries(&mut Builder { tx, def, documents: real.documents }, &plan).await?;
        row.ready.retain(|name| stored.ready.contains(name) && !building.contains(name));
        if row.def != stored.def || row.ready != stored.ready {
            let args = row.row().into_iter().chain([(&*def.name).into()]).collect();
            tx.execute(catalogue::UPDATE, args).await?;
        }
    }
    let mut builder = Builder { tx, def, documents: real.documents };
    build::make(&mut builder, &plan).await?;
    let tx = builder.tx;
    row.ready = all_ready(def);
    row.revision = row.revision.saturating_add(1);
    if stored.is_some() {
        let args = row.row().into_iter().chain([(&*def.name).into()]).collect();
        tx.execute(catalogue::UPDATE, args).await?;
    } else {
        let args = [(&*def.name).into()].into_iter().chain(row.row()).collect();
        tx.execute(catalogue::INSERT, args).await?;
    }
    let mut builder = Builder { tx, def, documents: real.documents };
    build::clear(&mut builder, &plan).await
}

impl Plan {
    /// The names of the indexes that are not there yet.
    fn building(&self, def: &CollectionDef) -> BTreeSet<String> {
        let missing = |i: &&crate::core::document::IndexDef| {
            let (index, live, entries) =
                (names::index(def, i), names::live_index(def, i), names::entries(def, i));
            self.indexes.iter().any(|i| i.name == index || i.name == live)
                || self.entries.iter().any(|(_, n, _)| *n == entries)
        };
        def.indexes.iter().filter(missing).map(|i| names::index(def, i)).collect()
    }
}

async fn apply_all(tx: &mut Tx, definitions: &[CollectionDef], repair: bool, begun: &Begun) -> Result<()> {
    for def in definitions {
        // What is refused is refused before anything is done.
        if let Some(stored) = load(tx, &def.name).await? {
            conflict(&stored.def, def)?;
        }
    }
    for def in definitions {
        let done = match build::lock(tx, def).await {
            Ok(()) => apply(tx, def, repair, begun).await,
            Err(e) => Err(e),
        };
        // Also after a failure, for those who wait.
        let unlocked = build::unlock(tx, def).await;
        done.and(unlocked)?;
    }
    Ok(())
}

impl Bucket {
    pub(super) async fn ensure(&self, cx: &Context, req: &EnsureCollections) -> Result<Ensured> {
        let done = match req.mode {
            EnsureMode::Apply | EnsureMode::Repair => self.ensure_all(cx, req).await,
            mode => {
                let mut tx = self.connection(cx).await?;
                let mut ensured = Ensured::default();
                for def in &req.definitions {
                    let (_, real, plan) = planned(&mut tx, def, mode == EnsureMode::Verify).await?;
                    ensured.changes.extend(plan.changes(def));
                    if mode == EnsureMode::Verify {
                        ensured.changes.extend(verify::table(def, &real));
                        ensured.changes.extend(verify::entries(&mut tx, def, &plan).await?);
                    }
                }
                return Ok(ensured);
            }
        };
        req.definitions.iter().for_each(|def| self.collections.forget(&def.name));
        done
    }

    async fn ensure_all(&self, cx: &Context, req: &EnsureCollections) -> Result<Ensured> {
        let (begun, repair) = (Arc::new(Begun::default()), req.mode == EnsureMode::Repair);
        if self.dialect.single_writer {
            // All of it is one transaction.
            let (definitions, begun) = (Arc::new(req.definitions.clone()), Arc::clone(&begun));
            let work = work(move |tx: &mut Tx, _| {
                let (definitions, begun) = (Arc::clone(&definitions), Arc::clone(&begun));
                Box::pin(async move { apply_all(tx, &definitions, repair, &begun).await })
            });
            self.write(cx, work).await?;
        } else {
            let all = self.ensure_until_done(cx, req, &begun);
            let done = match cx.deadline() {
                Some(deadline) => tokio::time::timeout_at(deadline.into(), all)
                    .await
                    .unwrap_or_else(|_| Err(Error::timeout("ensure_collections"))),
                None => all.await,
            };
            // Each step is done for itself: what came before a failure stays.
            done.map_err(|e| e.with_outcome(outcome(&begun)))?;
        }
        let changes = std::mem::take(&mut *begun.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Ensured { changes })
    }

    /// What failed on the way is continued: everything done so far is there.
    async fn ensure_until_done(&self, cx: &Context, req: &EnsureCollections, begun: &Begun) -> Result<()> {
        let (until, mut pause) = (Instant::now() + cx.remaining(RESUME_LIMIT), FIRST_PAUSE);
        loop {
            match self.ensure_once(cx, req, begun).await {
                Err(e) if is_of_the_way(e.kind()) && e.is_retryable() && Instant::now() < until => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                done => return done,
            }
        }
    }

    async fn ensure_once(&self, cx: &Context, req: &EnsureCollections, begun: &Begun) -> Result<()> {
        let mut tx = self.connection(cx).await?;
        // Whatever interrupts it, also its being dropped: with the connection go its locks.
        tx.conn.retire();
        apply_all(&mut tx, &req.definitions, req.mode == EnsureMode::Repair, begun).await
    }
}
