//! A page of a find as it grows: what its branches gave, in the order of the answer.

use super::definition::{CollectionDef, Direction};
use super::find::Finder;
use super::plan::{Branch, OrderBy, Plan, Position};
use super::scalar::Scalar;
use super::{Document, DocumentKey};
use crate::context::Context;
use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};

/// The most documents that are read at once.
pub(super) const CHUNK: usize = 1000;

/// Documents of the answer, each once.
pub(super) struct Found {
    pub(super) documents: Vec<(Position, Document)>,
    /// Those that are there, where one may be found several times: by several branches, or by several of its values.
    pub(super) seen: Option<HashSet<DocumentKey>>,
}

impl Found {
    pub(super) fn of(branches: &[Branch]) -> Self {
        let lists = |b: &Branch| b.access.equal.iter().any(|values| values.len() > 1);
        let again = branches.len() > 1 || branches.iter().any(lists);
        Found { documents: Vec::new(), seen: again.then(HashSet::new) }
    }
}

/// A page as it grows.
#[derive(Default)]
pub(super) struct Cut {
    pub(super) docs: Vec<Document>,
    pub(super) last: Option<Position>,
    pub(super) more: bool,
    pub(super) examined: usize,
    pub(super) exhausted: bool,
}

impl Cut {
    /// The page after a position, of all documents of the answer.
    pub(super) fn sort(
        &mut self,
        plan: &Plan,
        mut all: Vec<(Position, Document)>,
        after: Option<&Position>,
        size: usize,
    ) {
        all.retain(|(rank, _)| after.is_none_or(|a| compare(plan, rank, a).is_gt()));
        all.sort_by(|(a, _), (b, _)| compare(plan, a, b));
        self.more = all.len() > size;
        all.truncate(size);
        self.last = all.last().map(|(rank, _)| rank.clone());
        self.docs = all.into_iter().map(|(_, doc)| doc).collect();
    }
}

/// One branch as it is read.
pub(super) struct Run<'b> {
    pub(super) branch: &'b Branch,
    pub(super) ready: VecDeque<(Position, Document)>,
    after: Option<Position>,
    ended: bool,
    chunk: usize,
}

impl<'b> Run<'b> {
    /// For a page of this size: what it needs at least is read first.
    pub(super) fn new(branch: &'b Branch, after: Option<Position>, size: usize) -> Self {
        let chunk = size.saturating_add(1).min(CHUNK);
        Run { branch, ready: VecDeque::new(), after, ended: false, chunk }
    }

    /// Reads on where nothing is ready. If that was not enough for the page, few of the documents suit: twice as many are read then.
    pub(super) async fn fill(
        &mut self,
        finder: &Finder<'_>,
        cx: &Context,
        plan: &Plan,
        most: usize,
    ) -> Result<()> {
        if !self.ready.is_empty() || self.ended {
            return Ok(());
        }
        let mut chunk = self.chunk.min(most);
        self.chunk = (self.chunk * 2).min(CHUNK);
        loop {
            let (access, after) = (&self.branch.access, self.after.as_ref());
            let docs = finder.source.read(cx, finder.def, access, after.into(), chunk).await?;
            self.ended = docs.len() < chunk;
            let ranked = docs.into_iter().map(|doc| (rank(finder.def, plan, &doc), doc));
            // A database that keeps a number less exactly than the document has it may give again what was before the position.
            let new = |rank: &Position| after.is_none_or(|after| compare(plan, rank, after).is_gt());
            self.ready = ranked.filter(|(rank, _)| new(rank)).collect();
            if self.ended || !self.ready.is_empty() {
                break;
            }
            if chunk == CHUNK {
                return Err(Error::corrupted("index", format!("of {} does not go on", finder.def.name)));
            }
            chunk = (chunk * 2).min(CHUNK);
        }
        self.after = self.ready.back().map(|(rank, _)| rank.clone()).or(self.after.take());
        Ok(())
    }
}

/// The order that a document has in an answer.
pub(super) fn rank(def: &CollectionDef, plan: &Plan, doc: &Document) -> Position {
    Position { keys: keys(def, &plan.order, doc), key: doc.key.clone() }
}

fn keys(def: &CollectionDef, order: &[OrderBy], doc: &Document) -> Vec<Scalar> {
    let value = |o: &OrderBy| def.attribute_at(&o.path).and_then(|a| a.values(&doc.body).ok()?.pop());
    order.iter().filter_map(value).collect()
}

/// Where a branch goes on after a document, whatever order the answer has.
pub(super) fn branch_position(def: &CollectionDef, branch: &Branch, doc: &Document) -> Position {
    let left = branch.access.index.map_or(&[] as &[_], |i| &def.indexes[i].keys[branch.access.equal.len()..]);
    let value = |name: &str| def.attribute_named(name).and_then(|a| a.values(&doc.body).ok()?.pop());
    Position { keys: left.iter().filter_map(|k| value(&k.attribute)).collect(), key: doc.key.clone() }
}

/// The order of an answer.
pub fn compare(plan: &Plan, a: &Position, b: &Position) -> Ordering {
    let directed = |o: Ordering, d: Direction| if d == Direction::Descending { o.reverse() } else { o };
    let pairs = plan.order.iter().zip(a.keys.iter().zip(&b.keys));
    for (order, (x, y)) in pairs {
        let o = directed(x.compare(y).unwrap_or(Ordering::Equal), order.direction);
        if o.is_ne() {
            return o;
        }
    }
    directed(a.key.cmp(&b.key), plan.id_order)
}
