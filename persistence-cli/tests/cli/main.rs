//! The `persist` binary, as a user runs it.

// Helpers of tests are tests, too.
#![allow(clippy::unwrap_used)]

mod bench;
mod crash;
mod documents;
mod replay;
mod scavenge;
mod schema;
mod show;
mod support;
