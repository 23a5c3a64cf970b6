//! The NoSQL bucket: every store as conditional batches on partitions of ordered rows.
//!
//! A driver implements [`row::RowStore`], seven methods, and [`open`] makes a
//! [`Persistence`](core::Persistence) of it. Everything that the stores promise is kept here, once: what changes together
//! shares a partition, expiry is decided against the injected clock, unknown outcomes are resolved.
//!
//! Where things are: [`row`] is the driver contract; `keys` says which rows there are; `bucket` has the ways of talking to a
//! driver; `attempts` remembers who wrote what; `execution`, `history`, `shard`, `task`, `queue`, `document` and
//! `maintenance` are the stores.

pub use persistence_core as core;

mod attempts;
mod bucket;
pub mod check;
mod codec;
mod deadline;
mod document;
mod execution;
mod history;
mod keys;
pub mod lane;
mod maintenance;
mod queue;
pub mod row;
mod shard;
mod task;
#[cfg(feature = "tls")]
pub mod tls;

pub use bucket::open;
