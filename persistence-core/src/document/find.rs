//! Running a plan on whatever can read index entries in order: pages, merged branches, sorting, budgets. One engine for all
//! drivers, so that all give the same pages.

use super::definition::{CollectionDef, Direction};
use super::filter::Filter;
use super::plan::{Access, Branch, OrderBy, Plan, Position, Question};
use super::scalar::Scalar;
use super::{Document, DocumentKey};
use crate::context::Context;
use crate::error::{Detail, Error, Outcome, Result};
use crate::page::QueryId;
use crate::store::{
    CountDocuments, Deleted, DocumentPage, Explain, ExplainedAccess, FindDocuments, ScanPolicy,
};
use crate::time::Timestamp;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};

/// What can read the entries of an index.
#[async_trait]
pub trait DocumentSource: Send + Sync {
    /// At most `limit` documents of an access, in its order, after a position (exclusive); fewer mean that there are no more. A
    /// document is as it is stored: deleted and expired ones are among them. It fits the entry by which it was found: one that was
    /// changed meanwhile is left out. For the access of a scan (see [`Plan::scan`]) that is to be sorted any order will do.
    async fn read(
        &self,
        cx: &Context,
        def: &CollectionDef,
        access: &Access,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Document>>;

    /// How many documents of an access nobody has deleted and none of which has expired, if that can be told without reading them.
    async fn count(
        &self,
        cx: &Context,
        def: &CollectionDef,
        access: &Access,
        deleted: Deleted,
        now: Timestamp,
    ) -> Result<Option<u64>>;
}

/// A query on a collection of which some indexes may be read.
pub struct Finder<'a> {
    /// What reads.
    pub source: &'a dyn DocumentSource,
    /// The collection.
    pub def: &'a CollectionDef,
    /// Which indexes may be read, by their places.
    pub ready: &'a (dyn Fn(usize) -> bool + Sync),
    /// Now.
    pub now: Timestamp,
}

/// How many documents a call looks at, where the caller allows no other number.
pub const BUDGET: usize = 10_000;
/// The most documents that are sorted.
pub const MAX_SORTED: usize = 10_000;
/// The most documents that are read at once.
const CHUNK: usize = 1000;
/// The most documents that are read and sorted where an index has the order, but decides less.
const FEW: usize = 1000;

/// Where a page begins.
#[derive(Serialize, Deserialize)]
struct Mark {
    after: Position,
    /// There are more than a few: see [`Plan::narrow`].
    many: bool,
}

impl Finder<'_> {
    /// One page.
    pub async fn find(&self, cx: &Context, req: &FindDocuments) -> Result<DocumentPage> {
        let size = req.page.checked_size()?;
        let filter = req.filter.checked(self.def)?;
        let plan = self.plan(req, &filter)?;
        let what = (&req.collection, &filter, &req.order, req.id_order, req.deleted);
        let id = QueryId::new("document.find_documents", &what);
        let mark: Option<Mark> = id.position(req.page.token.as_ref())?;
        let (after, mut many) = mark.map_or((None, false), |mark| (Some(mark.after), mark.many));
        let (budget, sorted) = match req.scan {
            ScanPolicy::Forbid => (BUDGET, MAX_SORTED),
            ScanPolicy::Allow { max_documents } => (max_documents as usize, max_documents as usize),
        };
        let mut page = Cut { docs: Vec::new(), last: None, more: false, examined: 0, exhausted: false };
        let few = match &plan.narrow {
            Some(branch) if !many => {
                let docs = self.few(cx, branch, budget.min(FEW)).await?;
                page.examined = docs.as_ref().map_or(0, Vec::len);
                many = docs.is_none();
                docs.map(|docs| (branch, docs))
            }
            _ => None,
        };
        if let Some((branch, docs)) = few {
            let mut all = Found::of(std::slice::from_ref(branch));
            docs.into_iter().for_each(|doc| self.keep(&plan, branch, req.deleted, doc, &mut all));
            page.sort(&plan, all.documents, after.as_ref(), size);
        } else if plan.sort {
            let all = self.all(cx, &plan, req.deleted, sorted).await?;
            page.examined = all.len();
            page.sort(&plan, all, after.as_ref(), size);
        } else {
            self.merged(cx, &plan, req.deleted, after, size, budget, &mut page).await?;
        }
        let last = if page.more { page.last.take() } else { None };
        let token = last.map(|after| id.token(&Mark { after, many }));
        Ok(DocumentPage {
            documents: page.docs,
            next: token,
            budget_exhausted: page.exhausted,
            examined: page.examined as u64,
        })
    }

    /// How a query would be answered.
    pub fn explain(&self, req: &FindDocuments) -> Result<Explain> {
        let filter = req.filter.checked(self.def)?;
        let plan = Question { scan: true, ..self.question(req, &filter) }.plan()?;
        let accesses = plan.branches.iter().map(|b| self.explained(b)).collect();
        let narrow = plan.narrow.as_ref().map(|b| self.explained(b));
        Ok(Explain { narrow, accesses, order_from_index: !plan.sort, scan: plan.scan })
    }

    fn explained(&self, branch: &Branch) -> ExplainedAccess {
        let Access { index, partitions, equal, range, ids, .. } = &branch.access;
        let keys = index.map_or(&[] as &[_], |i| &self.def.indexes[i].keys);
        let unbounded = |(a, b): (bool, bool)| !(a && b);
        use std::ops::Bound::Unbounded;
        let ranged = unbounded((range.0 == Unbounded, range.1 == Unbounded));
        ExplainedAccess {
            index: index.map(|i| self.def.indexes[i].name.clone()),
            partitions: partitions.as_ref().map(Vec::len),
            equal: keys[..equal.len()].iter().map(|k| k.attribute.clone()).collect(),
            range: keys.get(equal.len()).filter(|_| ranged).map(|k| k.attribute.clone()),
            ids: unbounded((ids.0 == Unbounded, ids.1 == Unbounded)),
            residual: !branch.covered,
        }
    }

    /// How many documents a filter holds of, up to the budget.
    pub async fn count(&self, cx: &Context, req: &CountDocuments) -> Result<u64> {
        let filter = req.filter.checked(self.def)?;
        let find = FindDocuments {
            collection: req.collection.clone(),
            filter: req.filter.clone(),
            order: Vec::new(),
            id_order: None,
            page: crate::page::PageRequest::first(1),
            deleted: req.deleted,
            scan: req.scan,
            hint: None,
        };
        // The longest part of an index counts, and no order: counting needs none.
        let plan = Question { unordered: true, ..self.question(&find, &filter) }.plan()?;
        if let [branch] = &plan.branches[..]
            && branch.covered
            && let Some(n) = self.source.count(cx, self.def, &branch.access, req.deleted, self.now).await?
        {
            return Ok(n);
        }
        let budget = match req.scan {
            ScanPolicy::Forbid => BUDGET.max(MAX_SORTED),
            ScanPolicy::Allow { max_documents } => max_documents as usize,
        };
        let found = self.all(cx, &plan, req.deleted, budget).await?;
        Ok(found.len() as u64)
    }

    fn question<'q>(&'q self, req: &'q FindDocuments, filter: &'q Filter) -> Question<'q> {
        Question {
            def: self.def,
            ready: self.ready,
            filter,
            order: &req.order,
            id_order: req.id_order,
            unordered: false,
            scan: req.scan != ScanPolicy::Forbid,
            hint: req.hint.as_deref(),
        }
    }

    fn plan(&self, req: &FindDocuments, filter: &Filter) -> Result<Plan> {
        self.question(req, filter).plan()
    }

    /// Whether a document is one of the answer.
    fn answers(&self, branch: &Branch, deleted: Deleted, doc: &Document) -> bool {
        let shown = match deleted {
            Deleted::Hide => doc.deleted.is_none(),
            Deleted::Only => doc.deleted.is_some(),
            Deleted::Any => true,
        };
        shown && !doc.is_expired(self.now) && branch.filter.holds(self.def, doc)
    }

    /// The order that a document has in the answer.
    fn rank(&self, plan: &Plan, doc: &Document) -> Position {
        Position { keys: keys(self.def, &plan.order, doc), key: doc.key.clone() }
    }

    #[allow(clippy::too_many_arguments)]
    async fn merged(
        &self,
        cx: &Context,
        plan: &Plan,
        deleted: Deleted,
        after: Option<Position>,
        size: usize,
        budget: usize,
        page: &mut Cut,
    ) -> Result<()> {
        let chunk = (size + 1).min(CHUNK);
        let mut runs: Vec<Run<'_>> = plan.branches.iter().map(|b| Run::new(b, after.clone())).collect();
        loop {
            for run in &mut runs {
                run.fill(self, cx, plan, chunk).await?;
            }
            let heads = runs.iter().enumerate().filter_map(|(i, r)| r.ready.front().map(|(p, _)| (i, p)));
            let first = heads.min_by(|(_, a), (_, b)| compare(plan, a, b)).map(|(i, _)| i);
            let Some(first) = first else { return Ok(()) };
            let Some((rank, doc)) = runs[first].ready.pop_front() else { return Ok(()) };
            // Another branch may have found it as well.
            let again = page.last.as_ref().is_some_and(|last| compare(plan, &rank, last).is_le());
            if again {
                continue;
            }
            if !self.answers(runs[first].branch, deleted, &doc) {
                // It may still be the answer of another branch, whose turn comes next.
                let elsewhere = runs.iter().any(|r| r.ready.iter().any(|(p, _)| p.key == rank.key));
                if elsewhere {
                    continue;
                }
                if page.examined >= budget {
                    (page.more, page.exhausted) = (true, true);
                    return Ok(());
                }
                page.examined += 1;
                page.skip(rank);
                continue;
            }
            if page.docs.len() == size {
                page.more = true;
                return Ok(());
            }
            if page.examined >= budget {
                (page.more, page.exhausted) = (true, true);
                return Ok(());
            }
            page.examined += 1;
            page.docs.push(doc);
            page.last = Some(rank);
        }
    }

    /// Every document of the answer, in no order.
    async fn all(
        &self,
        cx: &Context,
        plan: &Plan,
        deleted: Deleted,
        budget: usize,
    ) -> Result<Vec<(Position, Document)>> {
        let (mut found, mut examined) = (Found::of(&plan.branches), 0);
        for branch in &plan.branches {
            let (mut after, mut chunk) = (None, CHUNK);
            if plan.scan && plan.sort {
                // In any order there is no going on: all at once.
                chunk = budget.saturating_add(1);
            }
            loop {
                let docs = self.source.read(cx, self.def, &branch.access, after.as_ref(), chunk).await?;
                let end = docs.len() < chunk;
                examined += docs.len();
                if examined > budget {
                    let cause =
                        format!("budget of {budget} documents for a query that must read all of its answer");
                    let e = Error::new(Detail::ResourceExhausted {
                        cause,
                        scope: self.def.name.clone(),
                        retry_after: None,
                    });
                    return Err(e.with_outcome(Outcome::NotApplied));
                }
                after = docs.last().map(|d| branch_position(self.def, branch, d));
                docs.into_iter().for_each(|doc| self.keep(plan, branch, deleted, doc, &mut found));
                if end {
                    break;
                }
            }
        }
        Ok(found.documents)
    }

    /// Adds a document to what is found, if it is one of the answer.
    fn keep(&self, plan: &Plan, branch: &Branch, deleted: Deleted, doc: Document, found: &mut Found) {
        if !self.answers(branch, deleted, &doc) {
            return;
        }
        if let Some(seen) = &mut found.seen
            && !seen.insert(doc.key.clone())
        {
            return;
        }
        found.documents.push((self.rank(plan, &doc), doc));
    }

    /// What an access finds, if that is not more than so many.
    async fn few(&self, cx: &Context, branch: &Branch, most: usize) -> Result<Option<Vec<Document>>> {
        let docs = self.source.read(cx, self.def, &branch.access, None, most.saturating_add(1)).await?;
        Ok((docs.len() <= most).then_some(docs))
    }
}

/// Documents of the answer, each once.
struct Found {
    documents: Vec<(Position, Document)>,
    /// Those that are there, where one may be found several times: by several branches, or by several of its values.
    seen: Option<HashSet<DocumentKey>>,
}

impl Found {
    fn of(branches: &[Branch]) -> Self {
        let lists = |b: &Branch| b.access.equal.iter().any(|values| values.len() > 1);
        let again = branches.len() > 1 || branches.iter().any(lists);
        Found { documents: Vec::new(), seen: again.then(HashSet::new) }
    }
}

/// A page as it grows.
struct Cut {
    docs: Vec<Document>,
    last: Option<Position>,
    more: bool,
    examined: usize,
    exhausted: bool,
}

impl Cut {
    /// The page after a position, of all documents of the answer.
    fn sort(
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

    /// Goes past a document that is not one of the answer.
    fn skip(&mut self, rank: Position) {
        self.last = Some(rank);
    }
}

/// One branch as it is read.
struct Run<'b> {
    branch: &'b Branch,
    ready: VecDeque<(Position, Document)>,
    after: Option<Position>,
    ended: bool,
}

impl<'b> Run<'b> {
    fn new(branch: &'b Branch, after: Option<Position>) -> Self {
        Run { branch, ready: VecDeque::new(), after, ended: false }
    }

    async fn fill(&mut self, finder: &Finder<'_>, cx: &Context, plan: &Plan, chunk: usize) -> Result<()> {
        if !self.ready.is_empty() || self.ended {
            return Ok(());
        }
        let (access, after) = (&self.branch.access, self.after.as_ref());
        let docs = finder.source.read(cx, finder.def, access, after, chunk).await?;
        self.ended = docs.len() < chunk;
        self.ready.extend(docs.into_iter().map(|doc| (finder.rank(plan, &doc), doc)));
        self.after = self.ready.back().map(|(rank, _)| rank.clone()).or(self.after.take());
        Ok(())
    }
}

fn keys(def: &CollectionDef, order: &[OrderBy], doc: &Document) -> Vec<Scalar> {
    let value = |o: &OrderBy| def.attribute_at(&o.path).and_then(|a| a.values(&doc.body).ok()?.pop());
    order.iter().filter_map(value).collect()
}

/// Where a branch goes on after a document, whatever order the answer has.
fn branch_position(def: &CollectionDef, branch: &Branch, doc: &Document) -> Position {
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
    directed(by_key(&a.key, &b.key), plan.id_order)
}

fn by_key(a: &DocumentKey, b: &DocumentKey) -> Ordering {
    a.cmp(b)
}
