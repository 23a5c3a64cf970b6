//! Requests with sensible contents, and what must be read back after them: for cases, and for tests of one's own.

pub mod cluster;
pub mod document;
pub mod endpoint;
pub mod execution;
pub mod expect;
pub mod history;
pub mod namespace;
pub mod queue;
pub mod record;
pub mod task;
pub mod user_data;
pub mod visibility;
