//! Driver for PostgreSQL, on `sqlx`.

mod config;
mod connection;
mod dialect;
mod error;
mod migrate;
mod store;

pub use config::Builder;
pub use store::{Postgres, connector};
