//! Running a plan on whatever can read index entries in order: pages, merged branches, sorting, budgets. One engine for all
//! drivers, so that all give the same pages.

use super::Document;
use super::definition::CollectionDef;
use super::filter::Filter;
use super::page::{CHUNK, Cut, Found, Run, branch_position, rank};
use super::plan::{Access, Branch, Plan, Position, Question};
use crate::context::Context;
use crate::error::{Detail, Error, Outcome, Result};
use crate::page::QueryId;
use crate::store::{
    CountDocuments, Deleted, DocumentPage, Explain, ExplainedAccess, FindDocuments, ScanPolicy,
};
use crate::time::Timestamp;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use super::page::compare;

/// Where a read of an access begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start<'p> {
    /// At the first entry in its order.
    First,
    /// After a position in its order, exclusive.
    After(&'p Position),
    /// Anywhere: all of it is read at once, in any order.
    Anywhere,
}

impl<'p> Start<'p> {
    /// The position, if there is one.
    pub fn position(self) -> Option<&'p Position> {
        if let Start::After(position) = self { Some(position) } else { None }
    }
}

impl<'p> From<Option<&'p Position>> for Start<'p> {
    fn from(after: Option<&'p Position>) -> Self {
        after.map_or(Start::First, Start::After)
    }
}

/// What can read the entries of an index.
#[async_trait]
pub trait DocumentSource: Send + Sync {
    /// How many documents are read at once, in any order, as cheaply as one after the other: a database sorts what it need not.
    fn at_once(&self) -> usize {
        0
    }

    /// At most `limit` documents of an access from where the read begins; fewer mean that there are no more. A document is as it is
    /// stored: deleted and expired ones are among them. It fits the entry by which it was found: one that was changed meanwhile is
    /// left out. A crawl (see [`Access::is_crawl`]) begins anywhere.
    async fn read(
        &self,
        cx: &Context,
        def: &CollectionDef,
        access: &Access,
        start: Start<'_>,
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
        let (budget, sorted) = (req.scan.budget(BUDGET)?, req.scan.budget(MAX_SORTED)?);
        let mut page = Cut::default();
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
        req.scan.budget(BUDGET)?;
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
        let budget = req.scan.budget(BUDGET.max(MAX_SORTED))?;
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

    /// Whether a document is one of the answer. One that was stored before an attribute was declared may lack it: it is in no index
    /// then, so it is in no answer in this order, wherever it was found.
    fn answers(
        &self,
        plan: &Plan,
        branch: &Branch,
        deleted: Deleted,
        doc: &Document,
        rank: &Position,
    ) -> bool {
        let shown = match deleted {
            Deleted::Hide => doc.deleted.is_none(),
            Deleted::Only => doc.deleted.is_some(),
            Deleted::Any => true,
        };
        let ordered = rank.keys.len() == plan.order.len();
        shown && ordered && !doc.is_expired(self.now) && branch.filter.holds(self.def, doc)
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
        let mut runs: Vec<Run<'_>> = plan.branches.iter().map(|b| Run::new(b, after.clone(), size)).collect();
        loop {
            // One more than may be looked at tells whether there is more.
            let most = budget.saturating_sub(page.examined).saturating_add(1);
            for run in &mut runs {
                run.fill(self, cx, plan, most).await?;
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
            if !self.answers(plan, runs[first].branch, deleted, &doc, &rank) {
                // It may still be the answer of another branch, whose turn comes next.
                let elsewhere = runs.iter().any(|r| r.ready.front().is_some_and(|(p, _)| p.key == rank.key));
                if elsewhere {
                    continue;
                }
                if page.examined >= budget {
                    (page.more, page.exhausted) = (true, true);
                    return Ok(());
                }
                page.examined += 1;
                page.last = Some(rank);
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
            // In any order there is no going on: all at once.
            let anywhere = branch.access.is_crawl(self.def) || budget <= self.source.at_once();
            let chunk = if anywhere { budget.saturating_add(1) } else { CHUNK };
            let mut after: Option<Position> = None;
            loop {
                let start = if anywhere { Start::Anywhere } else { after.as_ref().into() };
                let docs = self.source.read(cx, self.def, &branch.access, start, chunk).await?;
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
        let rank = rank(self.def, plan, &doc);
        if !self.answers(plan, branch, deleted, &doc, &rank) {
            return;
        }
        if let Some(seen) = &mut found.seen
            && !seen.insert(doc.key.clone())
        {
            return;
        }
        found.documents.push((rank, doc));
    }

    /// What an access finds, if that is not more than so many.
    async fn few(&self, cx: &Context, branch: &Branch, most: usize) -> Result<Option<Vec<Document>>> {
        let start = if most <= self.source.at_once() { Start::Anywhere } else { Start::First };
        let docs = self.source.read(cx, self.def, &branch.access, start, most.saturating_add(1)).await?;
        Ok((docs.len() <= most).then_some(docs))
    }
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
