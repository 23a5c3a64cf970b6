//! The stores: one trait a file, with its requests and replies.
//!
//! Every method takes `(&self, cx: &Context, req: &Request)`. Dropping the future of a write is safe and means "maybe
//! applied": the write and its resolution go on in a task that the store owns.

#[macro_use]
mod macros;
mod cluster;
mod document;
mod endpoint;
mod execution;
mod history;
mod history_task;
mod item;
mod maintenance;
mod metadata;
mod mutable_state;
mod queue;
mod request;
mod shard;
mod task;
mod user_data;
mod visibility;

pub use cluster::*;
pub use document::*;
pub use endpoint::*;
pub use execution::*;
pub use history::*;
pub use history_task::*;
pub use item::*;
pub use maintenance::*;
pub use metadata::*;
pub use mutable_state::*;
pub use queue::*;
pub use request::Request;
pub use shard::*;
pub use task::*;
pub use user_data::*;
pub use visibility::*;
