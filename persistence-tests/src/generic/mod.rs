//! The generic suite: every store, through `dyn Persistence`; the same cases on every driver.

use crate::{Case, Fixture};

mod blobs;
mod crawl;
mod execution_create;
mod execution_resolve;
mod execution_update;
mod history;
mod shard;

/// Every generic case.
pub fn cases() -> Vec<Case<Fixture>> {
    let modules = [
        shard::cases,
        execution_create::cases,
        execution_update::cases,
        execution_resolve::cases,
        history::cases,
    ];
    modules.into_iter().flat_map(|list| list()).collect()
}
