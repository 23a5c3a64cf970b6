//! The persistence contract: stores, data types, errors, layers and transition plans.
//!
//! A program writes against [`Persistence`]; which database holds the bytes is decided elsewhere. Core knows no database:
//! the SQL and NoSQL buckets implement the stores, and drivers implement a bucket's few primitives.
//!
//! | module | what |
//! |---|---|
//! | [`store`] | the store traits with their requests and replies |
//! | [`error`] | one error with four answers |
//! | [`transition`] | every write to an execution as one plan; waves of plans |
//! | [`document`] | documents: declarations, filters, the planner, the engine that runs plans |
//! | [`derived`] | stores that are made of documents alone |
//! | [`history`] | branches, live nodes, forks and shared deletes, as pure functions |
//! | [`layer`] | behaviour around every call, written once |
//! | [`retention`] | deleting what closed before a time, with its history |
//! | [`validate`] | the rules that need no database |
//! | [`front`] | what stands in front of every bucket: those rules, the gate, writes that outlive their callers |
//! | [`page`], [`blob`], [`ids`], [`time`], [`env`](mod@env), [`context`] | the small types |
//! | [`codec`] | how values are stored |
//! | [`commit`] | group commit, for engines with one writer |
//! | [`embedded`] | a directory that one process has, for engines in the process |
//! | [`lifecycle`] | accepting, draining and closing |
//! | [`connect`] | URL schemes, who answers them, and their options |
//! | [`schema`] | the stored schema, from outside |

pub mod blob;
pub mod capability;
pub mod codec;
pub mod commit;
pub mod connect;
pub mod context;
pub mod derived;
pub mod document;
pub mod embedded;
pub mod env;
pub mod error;
pub mod front;
pub mod history;
pub mod ids;
pub mod layer;
pub mod lifecycle;
pub mod page;
pub mod persistence;
pub mod retention;
pub mod schema;
pub mod store;
pub mod time;
pub mod transition;
pub mod validate;

pub use blob::{Blob, Encoding};
pub use capability::{Capability, CapabilitySet};
pub use context::{Context, Priority};
pub use env::{Clock, Env, ManualClock};
pub use error::{Detail, Error, ErrorKind, Outcome, Result};
pub use history::BranchToken;
pub use ids::{
    Archetype, AttemptId, BranchId, EndpointId, HostId, NamespaceId, RangeId, RunId, ShardId, TreeId,
};
pub use page::{Page, PageRequest, PageToken};
pub use persistence::{DriverInfo, Persistence};
pub use time::Timestamp;
