//! nosql
pub use persistence_core as core;

pub mod row;
