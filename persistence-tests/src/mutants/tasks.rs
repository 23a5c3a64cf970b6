//! Wrong task queues: pages and counts.

use super::parts::Parts;
use async_trait::async_trait;
use persistence_core::store::*;
use persistence_core::{Context, Env, ErrorKind, Page, PageRequest, Persistence, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    AnyToken,
    PageTooShort,
    TokenAtEnd,
    CountTooLarge,
    NoLimit,
    ZeroIsOne,
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
        pub(super) fn $name(inner: Arc<dyn Persistence>, _: Env) -> Arc<dyn Persistence> {
            let tasks = Wrong { inner: inner.clone(), flaw: Flaw::$flaw, done: AtomicBool::new(false) };
            Arc::new(Parts::of(inner).tasks(tasks))
        }
    )*};
}

wrong! {
    /// A token that is no good begins again.
    any_token = AnyToken;
    /// The last item of a page that is not the last is left out.
    page_too_short = PageTooShort;
    /// The first page after which nothing comes has a token all the same.
    token_at_end = TokenAtEnd;
    /// A count is one too large.
    count_too_large = CountTooLarge;
    /// A limit is taken for none.
    no_limit = NoLimit;
    /// A page size of 0 is taken for 1.
    zero_is_one = ZeroIsOne;
}

#[async_trait]
impl TaskStore for Wrong {
    async fn create_task_queue(&self, cx: &Context, req: &CreateTaskQueue) -> Result<()> {
        self.inner.tasks().create_task_queue(cx, req).await
    }

    async fn get_task_queue(&self, cx: &Context, req: &GetTaskQueue) -> Result<TaskQueue> {
        self.inner.tasks().get_task_queue(cx, req).await
    }

    async fn update_task_queue(&self, cx: &Context, req: &UpdateTaskQueue) -> Result<()> {
        self.inner.tasks().update_task_queue(cx, req).await
    }

    async fn delete_task_queue(&self, cx: &Context, req: &DeleteTaskQueue) -> Result<()> {
        self.inner.tasks().delete_task_queue(cx, req).await
    }

    async fn list_task_queues(&self, cx: &Context, req: &ListTaskQueues) -> Result<Page<TaskQueue>> {
        self.inner.tasks().list_task_queues(cx, req).await
    }

    async fn create_tasks(&self, cx: &Context, req: &CreateTasks) -> Result<()> {
        self.inner.tasks().create_tasks(cx, req).await
    }

    async fn get_tasks(&self, cx: &Context, req: &GetTasks) -> Result<Page<QueuedTask>> {
        let tasks = self.inner.tasks();
        let mut req = req.clone();
        if self.flaw == Flaw::ZeroIsOne {
            req.page.size = req.page.size.max(1);
        }
        let mut page = match tasks.get_tasks(cx, &req).await {
            Err(e) if self.flaw == Flaw::AnyToken && e.kind() == ErrorKind::InvalidToken => {
                req.page.token = None;
                tasks.get_tasks(cx, &req).await?
            }
            result => result?,
        };
        if self.flaw == Flaw::PageTooShort && page.next.is_some() {
            page.items.pop();
        }
        let at_end = page.next.is_none() && page.items.len() > 1;
        if self.flaw == Flaw::TokenAtEnd && at_end && !self.done.swap(true, SeqCst) {
            // Any token of this query will do.
            let first = GetTasks { page: PageRequest::first(1), ..req };
            page.next = tasks.get_tasks(cx, &first).await?.next;
        }
        Ok(page)
    }

    async fn complete_tasks_less_than(
        &self,
        cx: &Context,
        req: &CompleteTasksLessThan,
    ) -> Result<Option<u64>> {
        let mut req = req.clone();
        if self.flaw == Flaw::NoLimit {
            req.limit = req.limit.map(|_| u32::MAX);
        }
        let count = self.inner.tasks().complete_tasks_less_than(cx, &req).await?;
        Ok(if self.flaw == Flaw::CountTooLarge { count.map(|n| n + 1) } else { count })
    }
}
