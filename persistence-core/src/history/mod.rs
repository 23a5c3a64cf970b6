//! History trees, shared by both buckets: branch tokens and their ranges, the live chain, forks, shared deletes and trims as
//! pure functions, and reading a branch over whatever holds its nodes.

mod branch;
mod chain;
mod prune;
mod read;

pub use branch::{Ancestor, Branch, BranchRange, BranchToken};
pub use chain::{Located, Position, Selection, live, predecessors};
pub use prune::{DeleteFrom, plan_delete, plan_trim};
pub use read::{BranchReader, NodeSource};

/// The largest event blob of one node, in bytes, inclusive.
pub const MAX_NODE_BYTES: usize = 4 * 1024 * 1024;
