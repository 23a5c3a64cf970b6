//! The generic suite: every store, through `dyn Persistence`; the same cases on every driver.

use crate::{Case, Fixture};

mod apply;
mod blobs;
mod calls;
pub(crate) mod crawl;
mod derived;
mod document;
mod execution_create;
mod execution_delete;
mod execution_limits;
mod execution_list;
mod execution_race;
mod execution_resolve;
mod execution_update;
mod history;
mod history_task;
mod interrupt;
mod lifecycle;
mod maintenance;
mod queue;
mod retention;
mod shard;
mod task;
mod unknown;

/// Every generic case.
pub fn cases() -> Vec<Case<Fixture>> {
    let modules = [
        shard::cases,
        execution_create::cases,
        execution_update::cases,
        execution_resolve::cases,
        execution_delete::cases,
        execution_limits::cases,
        execution_list::cases,
        execution_race::cases,
        history_task::cases,
        apply::cases,
        unknown::cases,
        lifecycle::cases,
        history::cases,
        task::cases,
        queue::cases,
        maintenance::cases,
        document::cases,
        derived::cases,
        retention::cases,
        crate::model::cases,
    ];
    modules.into_iter().flat_map(|list| list()).collect()
}
