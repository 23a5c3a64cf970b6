//! Changing whatever a query finds, document by document.

use super::{Collection, Documented, Stored, Update, moved};
use crate::context::Context;
use crate::document::Document;
use crate::document::tries::Tries;
use crate::document::write::Pre;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::page::PageToken;
use crate::store::*;

/// What became of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Documents that were changed.
    pub changed: u64,
    /// Where to go on; none when there is nothing more.
    pub next: Option<PageToken>,
}

type Change<'a, T> = &'a mut (dyn FnMut(&mut T) -> Result<Update> + Send);

/// What is done to each document.
enum Step<'a, T> {
    Update(Change<'a, T>),
    Delete,
}

impl<T: Documented> Collection<T> {
    /// Changes the documents of one page of a query, each as one atomic step: one that was changed by others meanwhile is looked at
    /// again, and left alone if the filter no longer holds of it. Ask for the next page until there is none; the token may be kept,
    /// and the rest be done another day. After an error some documents of the page may be changed, and `change` must know what it
    /// did: the outcome of the error is that of the whole call, so whatever the error is, an abortion by `change` too, it says that
    /// nothing was applied only if it met the first document to be changed.
    ///
    /// A query that shows what was deleted softly is `InvalidArgument`: what is changed is written, and what is written lives.
    /// [`delete_where`](Self::delete_where) removes such documents for good.
    pub async fn update_where(
        &self,
        cx: &Context,
        query: &FindDocuments,
        mut change: impl FnMut(&mut T) -> Result<Update> + Send,
    ) -> Result<Changed> {
        if query.deleted != Deleted::Hide {
            let rule =
                "must hide what was deleted softly: it would live again, since what is changed is written";
            return Err(Error::invalid("deleted", rule));
        }
        self.page(cx, query, Step::Update(&mut change)).await
    }

    /// Removes the documents of one page of a query, as [`update_where`](Self::update_where) changes them.
    pub async fn delete_where(&self, cx: &Context, query: &FindDocuments) -> Result<Changed> {
        self.page(cx, query, Step::Delete).await
    }

    async fn page(&self, cx: &Context, query: &FindDocuments, mut step: Step<'_, T>) -> Result<Changed> {
        let page = self.store().find_documents(cx, query).await?;
        let mut changed = 0;
        for document in page.documents {
            let done = self.step(cx, query, document, &mut step).await;
            // What was changed before stays so.
            let told = |e: Error| if changed > 0 { e.with_outcome(Outcome::MaybeApplied) } else { e };
            changed += u64::from(done.map_err(told)?);
        }
        Ok(Changed { changed, next: page.next })
    }

    async fn step(
        &self,
        cx: &Context,
        query: &FindDocuments,
        found: Document,
        step: &mut Step<'_, T>,
    ) -> Result<bool> {
        let (mut tries, key) = (Tries::new(self.tries), found.key.clone());
        let mut found = Some(found);
        while let Some(document) = found {
            match self.try_step(cx, document, step).await {
                Err(e) if e.kind() == ErrorKind::ConditionFailed => tries.again(e).await?,
                done => return done,
            }
            let req = GetDocuments {
                collection: self.name.clone(),
                keys: vec![key.clone()],
                deleted: query.deleted,
            };
            found = self.store().get_documents(cx, &req).await?.pop().flatten();
            let now =
                self.store().get_collection(cx, &GetCollection { collection: self.name.clone() }).await?;
            let filter = query.filter.checked(&now)?;
            found = found.filter(|d| filter.holds(&now, d));
        }
        Ok(false)
    }

    async fn try_step(&self, cx: &Context, found: Document, step: &mut Step<'_, T>) -> Result<bool> {
        let pre = Pre::Version(found.version);
        let change = match step {
            Step::Delete => return self.delete(cx, &found.key, pre).await,
            Step::Update(change) => change,
        };
        let Stored { mut value, key, expires, .. } = self.typed(found)?;
        if change(&mut value)? == Update::NoChange {
            return Ok(false);
        }
        if value.key() != key {
            return Err(moved());
        }
        self.put_until(cx, &value, pre, expires).await.map(|_| true)
    }
}
