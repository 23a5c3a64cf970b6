//! Reading: one run, pages of a query, counts.

use super::fields::{FIELDS, STATUS, member};
use super::keep::NAMESPACE;
use super::query::{Compiled, Purpose, QueryError, compile, parse};
use super::record::{has_unknown, key, partition, partitions, record, version};
use super::setup::{LIVE, PARTITION, RECORDS, SETUP, Setup};
use super::{Visibility, status};
use crate::context::Context;
use crate::derived::family::is_missing_collection;
use crate::document::alternatives::MAX_BRANCHES;
use crate::document::find::BUDGET;
use crate::document::{Document, DocumentId, Filter, Scalar};
use crate::error::{Detail, Error, ErrorKind, Result};
use crate::ids::{NamespaceId, RunId};
use crate::page::Page;
use crate::store::*;
use futures_util::future::{BoxFuture, try_join_all};
use std::ops::Bound;
use std::sync::Arc;
use uuid::Uuid;

/// How often a question is asked again of a collection that is behind.
const ROUNDS: usize = 3;

impl Visibility {
    /// A run's record.
    pub(super) async fn get(&self, cx: &Context, req: &GetVisibility) -> Result<VisibilityRecord> {
        let setup = self.setup(cx).await?;
        let found = self.document_if_any(cx, RECORDS, &key(&setup, req.namespace_id, req.run_id)).await?;
        match found {
            Some(found) if !version(&found)?.0 => self.records(cx, setup, vec![found]).await?.pop(),
            _ => None,
        }
        .ok_or_else(|| Error::not_found("visibility record", req.run_id.to_string()))
    }

    /// One page of a query.
    pub(super) async fn list(&self, cx: &Context, req: &ListVisibility) -> Result<VisibilityPage> {
        req.page.checked_size()?;
        let (setup, compiled) = self.compiled(cx, &req.query, Purpose::List, req.scan).await?;
        let filter = within(&setup, req.namespace_id, &compiled);
        let find = FindDocuments {
            filter,
            order: compiled.order,
            id_order: Some(compiled.id_order),
            page: req.page.clone(),
            scan: req.scan,
            ..FindDocuments::new(RECORDS, Filter::everything(), req.page.size)
        };
        let page = match self.behind(cx, || self.documents.find_documents(cx, &find)).await {
            Err(e) if is_missing_collection(&e) => {
                return Ok(VisibilityPage { records: Vec::new(), next: None, budget_exhausted: false });
            }
            result => result?,
        };
        let records = self.records(cx, setup, page.documents).await?;
        Ok(VisibilityPage { records, next: page.next, budget_exhausted: page.budget_exhausted })
    }

    /// How many records a query finds.
    pub(super) async fn count(&self, cx: &Context, req: &CountVisibility) -> Result<VisibilityCount> {
        let (setup, compiled) = self.compiled(cx, &req.query, Purpose::Count, req.scan).await?;
        let filter = within(&setup, req.namespace_id, &compiled);
        if !compiled.grouped {
            let count = self.count_of(cx, filter, req.scan).await?;
            return Ok(VisibilityCount { count, ..VisibilityCount::default() });
        }
        let counts = status::NAMES.map(|(status, name)| {
            let filter = filter.clone().and(Filter::eq(member(STATUS), name));
            async move { Ok::<_, Error>((status, self.count_of(cx, filter, req.scan).await?)) }
        });
        let groups = try_join_all(counts).await?.into_iter().filter(|(_, n)| *n > 0).collect();
        let mut all = VisibilityCount { count: 0, groups };
        all.count = all.groups.values().sum();
        Ok(all)
    }

    async fn count_of(&self, cx: &Context, filter: Filter, scan: ScanPolicy) -> Result<u64> {
        let req = CountDocuments { collection: RECORDS.to_owned(), filter, deleted: Deleted::Hide, scan };
        match self.behind(cx, || self.documents.count_documents(cx, &req)).await {
            Err(e) if is_missing_collection(&e) => Ok(0),
            result => result,
        }
    }

    /// Asks the documents. What was checked here and is refused there names what is registered, while the collection is behind:
    /// somebody registers at this moment, or did not come to the end. Then it is made as it should be.
    async fn behind<'a, T>(
        &'a self,
        cx: &'a Context,
        ask: impl Fn() -> BoxFuture<'a, Result<T>> + Send,
    ) -> Result<T> {
        for _ in 0..ROUNDS {
            match ask().await {
                Err(e) if matches!(e.kind(), ErrorKind::InvalidArgument | ErrorKind::Unindexed) => {
                    if self.set_up(cx, &SetUpVisibility::default()).await.is_err() {
                        return Err(e);
                    }
                }
                result => return result,
            }
        }
        ask().await
    }

    /// The namespaces that ever had a record.
    pub(super) async fn list_namespaces(
        &self,
        cx: &Context,
        req: &ListVisibilityNamespaces,
    ) -> Result<Page<NamespaceId>> {
        req.page.checked_size()?;
        // Up to the text that follows all that begin so.
        let (from, to) = (Bound::Included(NAMESPACE.into()), Bound::Excluded("namespace0".into()));
        let find = FindDocuments {
            page: req.page.clone(),
            ..FindDocuments::new(SETUP, Filter::Id(from, to), req.page.size)
        };
        let page = match self.documents.find_documents(cx, &find).await {
            Err(e) if is_missing_collection(&e) => return Ok(Page { items: Vec::new(), next: None }),
            result => result?,
        };
        let namespace = |d: &Document| match &d.key.id {
            DocumentId::Text(id) => id.strip_prefix(NAMESPACE)?.parse().ok(),
            DocumentId::Uuid(_) => None,
        };
        let broken =
            |d: &Document| Error::corrupted("visibility setup", format!("{} names no namespace", d.key));
        let items =
            page.documents.iter().map(|d| namespace(d).ok_or_else(|| broken(d))).collect::<Result<_>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Forgets deletions whose time has come.
    pub(super) async fn sweep(&self, cx: &Context, req: &SweepVisibility) -> Result<u64> {
        let before = self.env.clock.now();
        let sweep = SweepDocuments { collection: RECORDS.to_owned(), limit: req.limit, before };
        if req.limit == 0 {
            return Err(Error::invalid("limit", "must be at least 1"));
        }
        match self.documents.sweep_documents(cx, &sweep).await {
            Err(e) if is_missing_collection(&e) => Ok(0),
            result => result,
        }
    }

    /// What was set up, for a read: nothing is made.
    async fn setup(&self, cx: &Context) -> Result<Arc<Setup>> {
        match self.known_setup() {
            Some(setup) => Ok(setup),
            None => self.read_setup(cx).await,
        }
    }

    /// What a query asks for, with the setup that it was checked against.
    async fn compiled(
        &self,
        cx: &Context,
        text: &str,
        purpose: Purpose,
        scan: ScanPolicy,
    ) -> Result<(Arc<Setup>, Compiled)> {
        scan.budget(BUDGET)?;
        let query = parse(text).map_err(QueryError::refused)?;
        let mut setup = self.setup(cx).await?;
        let mut compiled = compile(text, &query, &setup, purpose);
        if compiled.is_err() {
            // It may name what somebody else has registered since.
            setup = self.read_setup(cx).await?;
            compiled = compile(text, &query, &setup, purpose);
        }
        let compiled = compiled.map_err(QueryError::refused)?;
        if !compiled.indexed && query.condition.is_some() && scan == ScanPolicy::Forbid {
            return Err(Error::new(Detail::Unindexed { advice: needed(&compiled), declare: None }));
        }
        Ok((setup, compiled))
    }

    /// Documents as records. Where one has what was registered since, the setup is read again.
    async fn records(
        &self,
        cx: &Context,
        mut setup: Arc<Setup>,
        documents: Vec<Document>,
    ) -> Result<Vec<VisibilityRecord>> {
        if documents.iter().any(|d| has_unknown(&setup, d)) {
            setup = self.read_setup(cx).await?;
        }
        documents.into_iter().map(|d| record(&setup, d)).collect()
    }
}

/// The filter of a query within a namespace.
fn within(setup: &Setup, namespace_id: NamespaceId, compiled: &Compiled) -> Filter {
    let place = match &compiled.runs {
        // Each run in its own partition, by its id.
        Some(runs) => Filter::Any(runs.iter().map(|run| of_run(setup, namespace_id, *run)).collect()),
        None => {
            let all = partitions(setup, namespace_id).into_iter().map(Scalar::from).collect();
            Filter::In(member(PARTITION), all)
        }
    };
    let live = Filter::eq(member(LIVE), true);
    Filter::All(vec![place, live, compiled.filter.clone()])
}

fn of_run(setup: &Setup, namespace_id: NamespaceId, run: Uuid) -> Filter {
    Filter::eq(member(PARTITION), partition(setup, namespace_id, RunId(run))).and(Filter::id(run))
}

/// What an index would have to be of, in words.
fn needed(compiled: &Compiled) -> String {
    let indexed: Vec<&str> = FIELDS.iter().filter(|f| f.3).map(|f| f.0).collect();
    let indexed = indexed.join(", ");
    match &compiled.unindexed {
        Some(field) => {
            format!(
                "declare a search attribute for {field}, or ask for {indexed} or a search attribute as well"
            )
        }
        None => format!(
            "ask in each of at most {MAX_BRANCHES} alternatives for {indexed} or a search attribute, with anything but !="
        ),
    }
}
