//! Wrong documents, and the derived stores that are made of them.

use super::parts::Parts;
use async_trait::async_trait;
use persistence_core::document::CollectionDef;
use persistence_core::document::Document;
use persistence_core::document::write::Pre;
use persistence_core::store::*;
use persistence_core::{Context, Detail, Env, Error, ErrorKind, PageRequest, Persistence, Result};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    VersionUnchecked,
    AbsenceUnchecked,
    MatchUnchecked,
    OneByOne,
    HiddenShown,
    ScansAtWill,
    OrderLost,
    PageTooShort,
    AnyToken,
    TokenAtEnd,
    CountTooLarge,
    IndexUntold,
    PlanApplied,
    VerifyBlind,
    SweepIdle,
    Rounded,
}

struct Wrong {
    inner: Arc<dyn Persistence>,
    flaw: Flaw,
    /// Once is enough: a crawl that never ends proves no more.
    done: AtomicBool,
}

macro_rules! wrong {
    ($($(#[$doc:meta])* $name:ident = $flaw:ident;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(inner: Arc<dyn Persistence>, env: Env) -> Arc<dyn Persistence> {
            let documents = Wrong { inner: inner.clone(), flaw: Flaw::$flaw, done: AtomicBool::new(false) };
            Arc::new(Parts::of(inner).documents(documents, env))
        }
    )*};
}

wrong! {
    /// A document that should have a version may have any.
    version_unchecked = VersionUnchecked;
    /// A document that should not be there is replaced.
    absence_unchecked = AbsenceUnchecked;
    /// What should hold of a document need not.
    match_unchecked = MatchUnchecked;
    /// Writes of one call are done one after the other.
    one_by_one = OneByOne;
    /// Documents that were deleted softly are seen by all.
    hidden_shown = HiddenShown;
    /// Queries scan although they may not.
    scans_at_will = ScansAtWill;
    /// Whatever the order, it is that of ids.
    order_lost = OrderLost;
    /// The last document of a page that is not the last is left out.
    page_too_short = PageTooShort;
    /// A token that is no good begins again.
    any_token = AnyToken;
    /// The first page after which nothing comes has a token all the same.
    token_at_end = TokenAtEnd;
    /// A count is one too large.
    count_too_large = CountTooLarge;
    /// Which index a key is taken in is not told.
    index_untold = IndexUntold;
    /// What would be done is done.
    plan_applied = PlanApplied;
    /// Nothing is ever wrong with a collection that is there.
    verify_blind = VerifyBlind;
    /// A sweep removes nothing.
    sweep_idle = SweepIdle;
    /// Large numbers are read as floating point ones.
    rounded = Rounded;
}

/// Numbers beyond 2^53 lose their last digits.
fn round(v: &mut Value) {
    match v {
        Value::Array(all) => all.iter_mut().for_each(round),
        Value::Object(all) => all.values_mut().for_each(round),
        Value::Number(n) => {
            let whole = n.as_i64().filter(|n| n.unsigned_abs() > 1 << 53);
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
            if let Some(n) = whole {
                *v = Value::from(n as f64 as i64);
            }
        }
        _ => {}
    }
}

impl Wrong {
    fn documents(&self) -> &dyn DocumentStore {
        self.inner.documents()
    }

    fn shown(&self, deleted: Deleted) -> Deleted {
        if self.flaw == Flaw::HiddenShown { Deleted::Any } else { deleted }
    }

    fn scan(&self, scan: ScanPolicy) -> ScanPolicy {
        let all = ScanPolicy::Allow { max_documents: 10_000 };
        if self.flaw == Flaw::ScansAtWill { all } else { scan }
    }

    fn pre(&self, pre: Pre) -> Pre {
        match (self.flaw, pre) {
            (Flaw::VersionUnchecked, Pre::Version(_)) | (Flaw::MatchUnchecked, Pre::Match(_)) => Pre::Present,
            (Flaw::AbsenceUnchecked, Pre::Absent) => Pre::None,
            (_, pre) => pre,
        }
    }

    fn read(&self, mut document: Document) -> Document {
        if self.flaw == Flaw::Rounded {
            round(&mut document.body);
        }
        document
    }
}

#[async_trait]
impl DocumentStore for Wrong {
    async fn ensure_collections(&self, cx: &Context, req: &EnsureCollections) -> Result<Ensured> {
        let mut req = req.clone();
        if self.flaw == Flaw::PlanApplied {
            req.mode = EnsureMode::Apply;
        }
        if self.flaw == Flaw::VerifyBlind && req.mode == EnsureMode::Verify {
            req.mode = EnsureMode::Plan;
        }
        self.documents().ensure_collections(cx, &req).await
    }

    async fn get_collection(&self, cx: &Context, req: &GetCollection) -> Result<CollectionDef> {
        self.documents().get_collection(cx, req).await
    }

    async fn get_documents(&self, cx: &Context, req: &GetDocuments) -> Result<Vec<Option<Document>>> {
        let req = GetDocuments { deleted: self.shown(req.deleted), ..req.clone() };
        let found = self.documents().get_documents(cx, &req).await?;
        Ok(found.into_iter().map(|d| d.map(|d| self.read(d))).collect())
    }

    async fn write_documents(&self, cx: &Context, req: &WriteDocuments) -> Result<Vec<Written>> {
        let mut req = req.clone();
        for write in &mut req.writes {
            write.pre = self.pre(std::mem::replace(&mut write.pre, Pre::None));
        }
        if self.flaw != Flaw::OneByOne {
            let untold = |e: Error| match e.detail().clone() {
                Detail::AlreadyExists { entity, key, .. } if self.flaw == Flaw::IndexUntold => {
                    Error::new(Detail::AlreadyExists { entity, key, index: None })
                }
                _ => e,
            };
            return self.documents().write_documents(cx, &req).await.map_err(untold);
        }
        let mut written = Vec::new();
        for write in req.writes {
            let one = WriteDocuments { writes: vec![write], attempt: req.attempt };
            written.extend(self.documents().write_documents(cx, &one).await?);
        }
        Ok(written)
    }

    async fn find_documents(&self, cx: &Context, req: &FindDocuments) -> Result<DocumentPage> {
        let (deleted, scan) = (self.shown(req.deleted), self.scan(req.scan));
        let mut req = FindDocuments { deleted, scan, ..req.clone() };
        if self.flaw == Flaw::OrderLost {
            req.order.clear();
        }
        let mut page = match self.documents().find_documents(cx, &req).await {
            Err(e) if self.flaw == Flaw::AnyToken && e.kind() == ErrorKind::InvalidToken => {
                req.page.token = None;
                self.documents().find_documents(cx, &req).await?
            }
            result => result?,
        };
        if self.flaw == Flaw::PageTooShort && page.next.is_some() {
            page.documents.pop();
        }
        let at_end = page.next.is_none() && page.documents.len() > 1;
        if self.flaw == Flaw::TokenAtEnd && at_end && !self.done.swap(true, SeqCst) {
            // Any token of this query will do.
            let first = FindDocuments { page: PageRequest::first(1), ..req };
            page.next = self.documents().find_documents(cx, &first).await?.next;
        }
        page.documents = page.documents.into_iter().map(|d| self.read(d)).collect();
        Ok(page)
    }

    async fn count_documents(&self, cx: &Context, req: &CountDocuments) -> Result<u64> {
        let (deleted, scan) = (self.shown(req.deleted), self.scan(req.scan));
        let count =
            self.documents().count_documents(cx, &CountDocuments { deleted, scan, ..req.clone() }).await?;
        Ok(count + u64::from(self.flaw == Flaw::CountTooLarge))
    }

    async fn explain_documents(&self, cx: &Context, req: &FindDocuments) -> Result<Explain> {
        self.documents().explain_documents(cx, req).await
    }

    async fn sweep_documents(&self, cx: &Context, req: &SweepDocuments) -> Result<u64> {
        match self.flaw {
            Flaw::SweepIdle => Ok(0),
            _ => self.documents().sweep_documents(cx, req).await,
        }
    }
}
