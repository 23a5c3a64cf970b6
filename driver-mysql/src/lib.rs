//! Driver for MySQL 8.4 and later, on `sqlx`.
//!
//! `mysql://user:password@host:port/database?option=value`; see [`Builder::from_url`] for the options.

mod config;
mod connection;
mod dialect;
mod error;
mod migrate;
mod store;

pub use config::Builder;
pub use store::{Mysql, connector};
