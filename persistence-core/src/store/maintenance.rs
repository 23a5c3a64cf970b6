//! What crashes and clocks leave behind.

use super::request::requests;
use crate::page::PageToken;
use crate::validate;
use std::time::Duration;

/// See [`MaintenanceStore::scavenge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scavenge {
    /// At most this many history trees are looked at; 0 is `InvalidArgument`.
    pub limit: u32,
    /// Nothing younger than this is touched: a transition may be under way.
    pub safety_age: Duration,
    /// Whether nothing is deleted, only told.
    pub dry_run: bool,
    /// Where the last call ended; none to begin.
    pub token: Option<PageToken>,
}

/// What a scavenge did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scavenged {
    /// History trees looked at.
    pub trees: u64,
    /// Branches deleted because their run is gone, or that would be.
    pub branches_deleted: u64,
    /// Nodes deleted beyond the tail of their branch, or that would be.
    pub nodes_deleted: u64,
    /// Where to go on; none when everything was looked at.
    pub next: Option<PageToken>,
}

/// See [`MaintenanceStore::sweep_expired`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepExpired {
    /// At most this many rows are deleted; 0 is `InvalidArgument`.
    pub limit: u32,
    /// Where the last call ended; none to begin.
    pub token: Option<PageToken>,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Expired task queues deleted.
    pub task_queues_deleted: u64,
    /// Expired tasks deleted.
    pub tasks_deleted: u64,
    /// Where to go on; none when everything was looked at.
    pub next: Option<PageToken>,
}

requests! {
    sharded: ;
    unsharded: Scavenge => |r| validate::limit(r.limit), SweepExpired => |r| validate::limit(r.limit)
}

store! {
    /// Background cleaning. Both calls are resumable and may run beside everything else, also twice at once.
    pub trait MaintenanceStore via maintenance named "maintenance" behind a front {
        /// Removes what a crash between history append and state write leaves: nodes beyond the tail that the state
        /// recorded for their branch, and branches whose run does not exist. Only what is older than the safety age.
        idempotent fn scavenge(Scavenge) -> Scavenged;

        /// Deletes expired task queues and tasks.
        idempotent fn sweep_expired(SweepExpired) -> Swept;
    }
}
