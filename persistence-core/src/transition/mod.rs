//! The heart: every write to an execution as one value, the [`TransitionPlan`].
//!
//! `lower` (a method of every write request) turns requests into plans and checks every rule that needs no database. [`waves`] splits plans of one shard into
//! groups without overlaps, each of which a bucket turns into one statement or one batch. [`judge`] says what a refused plan
//! failed on, in the order that the contract fixes. All are pure functions.

mod check;
mod judge;
mod lower;
mod plan;
mod wave;

pub(crate) use lower::retire;

pub use judge::{Found, FoundCurrent, judge};
pub use plan::*;
pub use wave::{Touching, Wave, waves};

#[cfg(test)]
mod tests;
