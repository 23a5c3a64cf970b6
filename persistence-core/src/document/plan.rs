//! Which index answers a query. One planner for all drivers, so that a query that is indexed on one is indexed on all.
//!
//! An index is usable when its first keys are given by equality (or a list), at most one range is on the key after them, and,
//! for its order, the keys that are left are exactly those of the order, all in the same or all in the opposite direction. What
//! the index cannot decide is decided on the documents that it finds.

use super::alternatives::{Parts, conjuncts, joined, ways};
use super::conditions::{Conditions, Used};
use super::definition::{Arity, CollectionDef, Direction, IndexDef, Missing, Partitioning, Scope};
use super::filter::Filter;
use super::path::Path;
use super::scalar::Scalar;
use super::{DocumentId, DocumentKey};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound;

/// A key of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderBy {
    /// An attribute of one value that every document has: by a default, because it is required, or by the filter. One that lacks it
    /// nevertheless, as it was stored before, is in no answer in this order.
    pub path: Path,
    /// Its direction.
    pub direction: Direction,
}

impl OrderBy {
    /// Smallest first.
    pub fn asc(path: Path) -> Self {
        OrderBy { path, direction: Direction::Ascending }
    }

    /// Largest first.
    pub fn desc(path: Path) -> Self {
        OrderBy { path, direction: Direction::Descending }
    }
}

/// What to read of an index: the entries of every combination of a partition and of a value of each of the first keys, in the
/// order of the keys that are left, then of ids, then of partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// The index, by its place in the definition; none for the order of ids alone.
    pub index: Option<usize>,
    /// The partitions; none for all. Distinct.
    pub partitions: Option<Vec<String>>,
    /// The values of the first keys, each list distinct and not empty.
    pub equal: Vec<Vec<Scalar>>,
    /// The range of the key after them.
    pub range: (Bound<Scalar>, Bound<Scalar>),
    /// The range of ids.
    pub ids: (Bound<DocumentId>, Bound<DocumentId>),
    /// Against the directions of the index.
    pub reverse: bool,
}

impl Access {
    /// Whether it reads all partitions of a collection that is partitioned by a value, without an index: nothing keeps an order of
    /// what they have, so it is read at once or not at all.
    pub fn is_crawl(&self, def: &CollectionDef) -> bool {
        let partitioned = matches!(def.partition, Partitioning::By(_));
        partitioned && self.index.is_none() && self.partitions.is_none()
    }
}

/// Where a read of an index goes on: after this entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The values of the keys that are left after those given by equality.
    pub keys: Vec<Scalar>,
    /// The document.
    pub key: DocumentKey,
}

/// One access and what it may not decide by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The access.
    pub access: Access,
    /// All that must hold of the documents; the access decides some of it.
    pub filter: Filter,
    /// Whether the access decides all of it.
    pub covered: bool,
}

/// How to answer a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to read; a document may be found by several.
    pub branches: Vec<Branch>,
    /// What to read in place of that, and to sort, where it finds few: an index without the order that decides more than the one
    /// that has it.
    pub narrow: Option<Branch>,
    /// The order: attributes that are not the same in all documents, then ids.
    pub order: Vec<OrderBy>,
    /// The direction of ids.
    pub id_order: Direction,
    /// Whether the accesses give another order, so that everything must be read and sorted.
    pub sort: bool,
    /// Whether documents are read that no condition chose.
    pub scan: bool,
}

/// A query as the planner sees it; its filter is checked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The collection.
    pub def: &'a CollectionDef,
    /// Which indexes may be read, by their places.
    pub ready: &'a (dyn Fn(usize) -> bool + Sync),
    /// The filter.
    pub filter: &'a Filter,
    /// The order.
    pub order: &'a [OrderBy],
    /// The direction of ids; by default that of the last key of the order.
    pub id_order: Option<Direction>,
    /// Whether any order will do, as for a count.
    pub unordered: bool,
    /// Whether documents may be read that no condition chose.
    pub scan: bool,
    /// The index to use, by name; none for the best.
    pub hint: Option<&'a str>,
}

/// The most partitions in which an id by itself is few documents.
const FEW_PARTITIONS: usize = 100;
/// The most combinations of an access.
pub const MAX_COMBINATIONS: usize = 1000;

impl Question<'_> {
    /// The best plan; `Unindexed` with the indexes to declare when there is none that reads chosen documents only.
    pub fn plan(&self) -> Result<Plan> {
        self.planned()?.ok_or_else(|| self.unindexed())
    }

    /// The best plan; none when there is none that reads chosen documents only.
    pub(super) fn planned(&self) -> Result<Option<Plan>> {
        self.check_hint()?;
        let common = Conditions::of(self.def, &conjuncts(self.filter));
        self.check_order(&common)?;
        let (order, id_order) = self.order_left(&common);
        let mut best: Option<Vec<Found<'_>>> = None;
        for way in ways(self.filter) {
            let found: Option<Vec<Option<Found<'_>>>> =
                way.into_iter().map(|parts| self.branch(parts, &order, id_order)).collect();
            let Some(found) = found else { continue };
            let found: Vec<Found<'_>> = found.into_iter().flatten().collect();
            if best.as_ref().is_none_or(|best| cost(&found) < cost(best)) {
                best = Some(found);
            }
        }
        let best = best.filter(|found| self.scan || !found.iter().any(|f| f.scan));
        Ok(best.map(|found| Plan {
            sort: found.iter().any(|f| !f.native),
            scan: found.iter().any(|f| f.scan),
            narrow: self.narrow(&found, &order, id_order),
            branches: found.into_iter().map(Found::branch).collect(),
            order,
            id_order,
        }))
    }

    /// The order of what is not the same in all documents, and that of ids.
    pub(super) fn order_left(&self, common: &Conditions<'_>) -> (Vec<OrderBy>, Direction) {
        let last = self.order.last().map(|o| o.direction);
        let id_order = self.id_order.or(last).unwrap_or(Direction::Ascending);
        let fixed = |o: &&OrderBy| !self.attribute(&o.path).is_some_and(|a| common.is_fixed(a));
        (self.order.iter().filter(fixed).cloned().collect(), id_order)
    }

    /// Whether no access of a conjunction would read documents that no condition chose.
    pub(super) fn chooses(&self, parts: &Parts<'_>, order: &[OrderBy], id_order: Direction) -> bool {
        let found = self.branch(parts.clone(), order, id_order);
        found.is_some_and(|found| found.is_none_or(|found| !found.scan))
    }

    pub(super) fn attribute(&self, path: &Path) -> Option<&str> {
        self.def.attribute_at(path).map(|a| &*a.name)
    }

    fn check_hint(&self) -> Result<()> {
        let Some(hint) = self.hint.filter(|hint| self.def.index_named(hint).is_none()) else { return Ok(()) };
        let all: Vec<&str> = self.def.indexes.iter().map(|i| &*i.name).collect();
        let there =
            if all.is_empty() { "it has none".to_owned() } else { format!("it has {}", all.join(", ")) };
        Err(Error::invalid("hint", format!("{hint:?} is no index of {}; {there}", self.def.name)))
    }

    fn check_order(&self, common: &Conditions<'_>) -> Result<()> {
        let mut seen = BTreeSet::new();
        for o in self.order {
            let bad = |rule: &str| Err(Error::invalid("order", format!("{} {rule}", o.path)));
            let Some(a) = self.def.attribute_at(&o.path) else {
                return bad("is not declared as an attribute of one value");
            };
            if !seen.insert(&o.path) {
                return bad("is there twice");
            }
            if a.missing == Missing::Skip && !common.implies(&a.name) {
                return bad("may be missing: require it, give it a default, or have a condition on it");
            }
        }
        Ok(())
    }

    /// The best access for a conjunction. `Some(None)` where nothing can be found at all.
    fn branch<'f>(
        &self,
        parts: Parts<'f>,
        order: &[OrderBy],
        id_order: Direction,
    ) -> Option<Option<Found<'f>>> {
        let conditions = Conditions::of(self.def, &parts);
        if conditions.is_empty_set() {
            return Some(None);
        }
        let wanted = |name: &str| self.hint.is_none_or(|hint| hint == name);
        let indexes = self.def.indexes.iter().enumerate();
        let usable =
            indexes.filter(|(i, index)| (self.ready)(*i) && wanted(&index.name)).map(|(i, _)| Some(i));
        let candidates = usable.chain(self.hint.is_none().then_some(None));
        let found = candidates.filter_map(|i| self.access(i, &conditions, &parts, order, id_order));
        let best = found.min_by_key(|f| f.cost(self.unordered))?;
        Some(Some(Found { parts, ..best }))
    }

    /// The index that decides more than the one that was found for the order.
    fn narrow(&self, found: &[Found<'_>], order: &[OrderBy], id_order: Direction) -> Option<Branch> {
        let [found] = found else { return None };
        if found.covered || !found.native || found.scan || self.hint.is_some() {
            return None;
        }
        let conditions = Conditions::of(self.def, &found.parts);
        let usable = (0..self.def.indexes.len()).filter(|i| (self.ready)(*i));
        let others = usable.filter_map(|i| self.access(Some(i), &conditions, &found.parts, order, id_order));
        // A range alone may choose nearly all.
        let narrower = others.filter(|f| !f.scan && f.weight / 2 > found.weight / 2);
        let best = narrower.min_by_key(|f| f.cost(true))?;
        Some(Found { parts: found.parts.clone(), ..best }.branch())
    }

    fn access<'f>(
        &self,
        index: Option<usize>,
        c: &Conditions<'_>,
        parts: &[&Filter],
        order: &[OrderBy],
        id_order: Direction,
    ) -> Option<Found<'f>> {
        let primary = IndexDef::new("id").id(Direction::Ascending);
        let def = index.map_or(&primary, |i| &self.def.indexes[i]);
        // The order of ids is kept for each partition, and for documents by themselves.
        let by_partition = match (index, &self.def.partition) {
            (None, p) => *p != Partitioning::Spread,
            (Some(_), _) => def.scope == Scope::Partition,
        };
        let partitioned = matches!(self.def.partition, Partitioning::By(_));
        let mut used = Used::default();
        let partitions = match &c.partition {
            Some(p) if partitioned && (by_partition || index.is_none()) => {
                used.partition = true;
                Some(p.clone())
            }
            _ if partitioned && by_partition && index.is_some() => return None,
            // Nothing keeps the ids of all partitions in order: it is a scan, sorted.
            _ => None,
        };
        let crawl = index.is_none() && partitioned && partitions.is_none();
        let prefix = def.keys.iter().take_while(|k| c.equal.contains_key(&*k.attribute));
        let equal: Vec<Vec<Scalar>> = prefix.map(|k| c.equal[&*k.attribute].clone()).collect();
        used.equal.extend(def.keys[..equal.len()].iter().map(|k| &*k.attribute));
        let combinations = partitions.as_ref().map_or(1, Vec::len);
        let combinations = equal.iter().try_fold(combinations, |n, v| n.checked_mul(v.len()));
        if combinations.is_none_or(|n| n > MAX_COMBINATIONS) {
            return None;
        }
        let rest = &def.keys[equal.len()..];
        // Entries of several values are found by equality only, and documents without a key have no entry.
        let complete = |k: &super::IndexKey| {
            self.def
                .attribute_named(&k.attribute)
                .is_some_and(|a| a.arity == Arity::One && (a.missing != Missing::Skip || c.implies(&a.name)))
        };
        if !rest.iter().all(complete) {
            return None;
        }
        let range = rest.first().and_then(|k| c.range.get(&*k.attribute)).cloned();
        if range.is_some() {
            used.range = rest.first().map(|k| &*k.attribute);
        }
        // Ids choose where they are in order: not among the documents of all partitions.
        let ids = if rest.is_empty() && !crawl { c.ids.clone() } else { None };
        used.ids = ids.is_some();
        used.there = def.keys.iter().map(|k| &*k.attribute).filter(|a| c.there.contains(a)).collect();
        let native = match crawl {
            true => None,
            false if self.unordered => Some(false),
            false => self.native(rest, def.id_order, order, id_order),
        };
        let chosen = used.weight() > 0;
        // Whole partitions and whole collections in an order are no scans where nothing else was asked for.
        let scan = !chosen && (!parts.is_empty() || crawl || native.is_none());
        let covered = c.is_covered_by(&used);
        let unique =
            def.unique && rest.is_empty() && combinations == Some(1) && (used.partition || !partitioned);
        // One document in each partition, at most.
        let one_id =
            index.is_none() && matches!(&ids, Some((Bound::Included(a), Bound::Included(b))) if a == b);
        let few = unique || (one_id && combinations.is_some_and(|n| n <= FEW_PARTITIONS));
        let access = Access {
            index,
            partitions,
            equal,
            range: range.unwrap_or((Bound::Unbounded, Bound::Unbounded)),
            ids: ids.unwrap_or((Bound::Unbounded, Bound::Unbounded)),
            reverse: native.unwrap_or(false),
        };
        let weight = used.weight();
        Some(Found { access, parts: Vec::new(), covered, native: native.is_some(), scan, few, weight })
    }

    /// Whether an index gives the order by itself; and if so, whether it is to be read backwards.
    fn native(
        &self,
        rest: &[super::IndexKey],
        id_of_index: Direction,
        order: &[OrderBy],
        id_order: Direction,
    ) -> Option<bool> {
        if rest.len() != order.len() {
            return None;
        }
        let reverse = id_of_index != id_order;
        let fits = |(k, o): (&super::IndexKey, &OrderBy)| {
            self.attribute(&o.path) == Some(&*k.attribute) && (k.direction != o.direction) == reverse
        };
        rest.iter().zip(order).all(fits).then_some(reverse)
    }
}

/// An access that was found for a conjunction, and what speaks for it.
struct Found<'f> {
    access: Access,
    parts: Parts<'f>,
    covered: bool,
    native: bool,
    scan: bool,
    /// It finds few documents, whatever there are.
    few: bool,
    weight: usize,
}

impl Found<'_> {
    /// Smaller is better. Where an index decides no more than the order of ids does, it is worth something for its own order only:
    /// documents by their keys are nearer.
    fn cost(&self, unordered: bool) -> (bool, bool, bool, Reverse<usize>, bool) {
        (self.scan, !self.few, !self.native, Reverse(self.weight), self.access.index.is_none() != unordered)
    }

    fn branch(self) -> Branch {
        Branch { access: self.access, filter: joined(&self.parts), covered: self.covered }
    }
}

/// Smaller is better. Alternatives are worth reading one by one where each of them decides more.
fn cost(found: &[Found<'_>]) -> (bool, bool, bool, Reverse<usize>, usize) {
    let weight = found.iter().map(|f| f.weight).min().unwrap_or(usize::MAX);
    let any = |is: fn(&Found<'_>) -> bool| found.iter().any(is);
    (any(|f| f.scan), any(|f| !f.few), any(|f| !f.native), Reverse(weight), found.len())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
