//! Making collections as they are declared, while others read and write them.
//!
//! An index that is new is declared first, not ready: from then on every writer writes its entries. When every writer knows
//! (see [`Bucket::known_by_all`]), the documents that lack entries are rewritten one by one, each on condition that it is
//! still as it was read. Then the index is declared ready, and readers read it. One that goes is retired first, and when nobody uses
//! it any more its rows are removed. What was interrupted is what is not ready and what is retired: the next call goes on.

use super::catalogue::{Collection, Declared};
use crate::bucket::{Bucket, in_doubt};
use crate::core::document::{CollectionDef, Partitioning, Scope};
use crate::core::store::{CollectionChange, EnsureCollections, EnsureMode, Ensured};
use crate::core::{Capability, Context, Error, ErrorKind, Result};
use std::sync::Arc;

/// Fails for what this database cannot do, before any I/O.
fn supported(bucket: &Bucket, req: &EnsureCollections) -> Result<()> {
    for def in &req.definitions {
        let spans = |scope| scope == Scope::Collection && def.partition != Partitioning::Constant;
        if !bucket.crosses_partitions() && def.indexes.iter().any(|i| i.unique && spans(i.scope)) {
            return Err(Error::unsupported(Capability::CrossPartition, bucket.info.driver));
        }
    }
    Ok(())
}

impl Bucket {
    pub(super) async fn ensure(&self, cx: &Context, req: &EnsureCollections) -> Result<Ensured> {
        supported(self, req)?;
        let (mut ensured, mut begun) = (Ensured::default(), false);
        for def in &req.definitions {
            let changes = match req.mode {
                EnsureMode::Plan => self.planned(cx, def).await?.changes,
                EnsureMode::Verify => {
                    let planned = self.planned(cx, def).await?;
                    let mut changes = planned.changes;
                    if let Some(collection) = planned.seen {
                        changes.extend(self.verified(cx, &collection).await?);
                    }
                    changes
                }
                _ => {
                    let applied = self.applied(cx, def, &mut begun).await;
                    // What was begun before stays so, also of other definitions.
                    applied.map_err(|e| in_doubt(begun, e))?
                }
            };
            let change = |what| CollectionChange { collection: def.name.clone(), what };
            ensured.changes.extend(changes.into_iter().map(change));
        }
        Ok(ensured)
    }

    async fn planned(&self, cx: &Context, def: &CollectionDef) -> Result<Planned> {
        let seen = self.reread_collection(cx, &def.name).await?;
        let Some(collection) = &seen else {
            let mut changes = vec!["the collection is created".to_owned()];
            changes.extend(def.indexes.iter().map(|i| format!("index {} is created", i.name)));
            return Ok(Planned { seen, next: Declared::new(def.clone()), changes });
        };
        conflicts(collection.def(), def)?;
        let next = collection.declared.redefined(def);
        let changes = differences(&collection.declared, &next);
        Ok(Planned { seen, next, changes })
    }

    /// `begun` becomes true once something may have changed.
    async fn applied(&self, cx: &Context, def: &CollectionDef, begun: &mut bool) -> Result<Vec<String>> {
        let planned = loop {
            let planned = self.planned(cx, def).await?;
            let is_so = planned.seen.as_ref().is_some_and(|seen| seen.declared == planned.next);
            if is_so || self.declare(cx, planned.seen.as_deref(), &planned.next, begun).await? {
                break planned;
            }
        };
        let Declared { indexes, retired, .. } = &planned.next;
        if indexes.iter().any(|i| !i.ready) || !retired.is_empty() {
            *begun = true;
            self.known_by_all().await;
        }
        for index in indexes.iter().filter(|i| !i.ready) {
            let built = self.build(cx, &def.name, index.number).await;
            if let Err(e) = built {
                if e.kind() == ErrorKind::AlreadyExists {
                    self.withdraw(cx, &def.name, index.number).await?;
                }
                return Err(e);
            }
        }
        for index in retired {
            self.remove_retired(cx, &def.name, index).await?;
        }
        Ok(planned.changes)
    }

    /// Lets readers read an index that is built.
    pub(super) async fn make_ready(&self, cx: &Context, name: &str, number: u32) -> Result<()> {
        self.redeclare(cx, name, |d| {
            d.indexes.iter_mut().filter(|i| i.number == number).for_each(|i| i.ready = true);
        })
        .await
    }

    /// Takes back an index that the documents there are do not allow.
    async fn withdraw(&self, cx: &Context, name: &str, number: u32) -> Result<()> {
        let mut gone = None;
        self.redeclare(cx, name, |d| {
            if let Some(place) = d.indexes.iter().position(|i| i.number == number) {
                let index = d.indexes.remove(place);
                d.definition.indexes.remove(place);
                d.retired.push(index.clone());
                gone = Some(index);
            }
        })
        .await?;
        self.known_by_all().await;
        match gone {
            Some(index) => self.remove_retired(cx, name, &index).await,
            None => Ok(()),
        }
    }

    /// Changes what is declared, whoever else does so at the same time.
    pub(super) async fn redeclare(
        &self,
        cx: &Context,
        name: &str,
        mut change: impl FnMut(&mut Declared) + Send,
    ) -> Result<()> {
        let mut begun = false;
        loop {
            let seen = self.reread_collection(cx, name).await.map_err(|e| in_doubt(begun, e))?;
            let Some(seen) = seen else { return Ok(()) };
            let mut next = seen.declared.clone();
            change(&mut next);
            if next == seen.declared || self.declare(cx, Some(&seen), &next, &mut begun).await? {
                return Ok(());
            }
        }
    }
}

struct Planned {
    seen: Option<Arc<Collection>>,
    next: Declared,
    changes: Vec<String>,
}

/// What no collection can become.
fn conflicts(stored: &CollectionDef, def: &CollectionDef) -> Result<()> {
    let fixed = [
        ("kind of ids", stored.id == def.id),
        ("partition", stored.partition == def.partition),
        ("group", stored.group == def.group),
    ];
    match fixed.iter().find(|(_, same)| !same) {
        Some((what, _)) => {
            Err(Error::invalid("definition", format!("collection {}: its {what} cannot change", def.name)))
        }
        None => Ok(()),
    }
}

fn differences(stored: &Declared, next: &Declared) -> Vec<String> {
    let mut changes = Vec::new();
    let (old, new) = (&stored.definition, &next.definition);
    if old.attributes != new.attributes {
        changes.push("its attributes are changed".to_owned());
    }
    if old.max_bytes != new.max_bytes {
        changes.push(format!("its documents have at most {} bytes", new.max_bytes));
    }
    for index in next.indexes.iter().filter(|i| !i.ready) {
        let begun = stored.indexes.iter().any(|i| i.number == index.number);
        let what = if begun { "is completed" } else { "is created" };
        changes.push(format!("index {} {what}", index.index.name));
    }
    changes.extend(next.retired.iter().map(|i| format!("index {} is removed", i.index.name)));
    if changes.is_empty() && old != new {
        changes.push("the order of its indexes is changed".to_owned());
    }
    changes
}
