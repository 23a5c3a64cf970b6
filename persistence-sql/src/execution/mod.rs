//! Executions: transitions, reads and history tasks.

mod apply;
mod found;
mod procedure;
mod read;
mod rows;
mod statement;
mod tasks;
mod transact;

pub use procedure::{Procedure, procedures};
pub(crate) use transact::{Answers, WaveOf, transact};

use crate::bucket::Bucket;
use crate::core::front::Executions;
use crate::core::store::*;
use crate::core::transition::TransitionPlan;
use crate::core::{Context, Page, Result};
use async_trait::async_trait;

#[async_trait]
impl Executions for Bucket {
    async fn apply(&self, cx: &Context, plans: Vec<TransitionPlan>) -> Vec<Result<()>> {
        self.apply_plans(cx, plans).await
    }

    async fn get_execution(&self, cx: &Context, req: &GetExecution) -> Result<MutableState> {
        self.load(cx, req).await
    }

    async fn get_current_execution(&self, cx: &Context, req: &GetCurrentExecution) -> Result<CurrentRecord> {
        self.load_current(cx, req).await
    }

    async fn list_executions(&self, cx: &Context, req: &ListExecutions) -> Result<Page<ListedExecution>> {
        self.list_runs(cx, req).await
    }

    async fn get_history_tasks(&self, cx: &Context, req: &GetHistoryTasks) -> Result<Page<HistoryTask>> {
        self.history_tasks(cx, req).await
    }

    async fn complete_history_task(&self, cx: &Context, req: &CompleteHistoryTask) -> Result<()> {
        self.complete_task(cx, req).await
    }

    async fn range_complete_history_tasks(
        &self,
        cx: &Context,
        req: &RangeCompleteHistoryTasks,
    ) -> Result<()> {
        self.complete_tasks(cx, req).await
    }
}
