//! The memory driver: the smallest complete driver. Read it before you write one.
//!
//! A driver teaches the bucket one thing: how its database keeps *partitions of ordered rows*. Everything that an
//! application calls (shards, executions, history, queues) is built on that by `persistence-nosql`, so a driver
//! has no idea what a workflow is. What there is to write:
//!
//! | file | what |
//! |---|---|
//! | `lib.rs` | this page, and what the crate exports |
//! | `store.rs` | [`RowStore`](persistence_nosql::row::RowStore) for the database: the driver itself |
//! | `connect.rs` | `memory:` as a URL |
//! | `tests/conformance.rs` | the whole proof, in a few lines: the suite finds out whether `store.rs` is right |
//!
//! A driver for a database on disk or behind a network has two files more: `config.rs` (options, from a URL and from a
//! builder) and `classify.rs` (what the database's own errors mean).
//!
//! This one declares that one write may span partitions: under one lock that costs nothing. It does not
//! declare that data is durable, and the suite checks that it indeed is not.

mod connect;
mod store;

pub use connect::connector;
pub use store::Memory;

/// The scheme of its URLs: `memory:`, always a new database.
pub const SCHEME: &str = "memory";
