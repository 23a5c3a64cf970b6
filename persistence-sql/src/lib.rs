//! The SQL bucket: every store as hand-written statements, rendered for each dialect.
//!
//! A driver supplies a [`dialect::Dialect`], a [`driver::SqlDriver`] with its [`driver::SqlConnection`]s, and migrations; it has
//! no store logic. [`open`] makes a [`Persistence`](core::Persistence) of it.

pub use persistence_core as core;

mod attempts;
mod bucket;
pub mod dialect;
mod document;
pub mod driver;
mod execution;
mod health;
mod history;
mod maintenance;
pub mod migrate;
mod naming;
pub mod pool;
mod queue;
mod reject;
mod rendered;
mod row_comparison;
pub mod server;
mod settings;
mod shard;
pub mod sqlx_connection;
mod tables;
mod task;
mod tx;
pub mod value;
mod work;
mod writer;

pub use bucket::open;
pub use execution::{Procedure, procedures};
pub use health::{Health, explain, health};
pub use naming::Naming;
pub use reject::{Class, Rejected, class};
pub use settings::{Migrate, SchemaSettings};
