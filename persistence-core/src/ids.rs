//! Identifiers. Ids that the store makes are UUIDv7, so that neighbours in time are neighbours on disk.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// A shard's fence: every owner takes a larger one, and writes name the one they hold.
pub type RangeId = i64;

/// The number of a shard, from 1. Zero and below are `InvalidArgument` in every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShardId(pub i32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.0)
    }
}

/// The kind of an execution. Each has its own space of current records; run rows are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Archetype(pub u32);

impl Archetype {
    /// Not a kind: `InvalidArgument` wherever a request needs one.
    pub const UNSPECIFIED: Archetype = Archetype(0);
    /// A workflow: has event history and a branch.
    pub const WORKFLOW: Archetype = Archetype(1);
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, UUIDv7. Inside the stores ids come from [`crate::env::Env`] instead.
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(s: &str) -> Result<Self, uuid::Error> {
                s.parse().map(Self)
            }
        }
    )*};
}

uuid_id! {
    /// A namespace.
    NamespaceId;
    /// One run of a workflow.
    RunId;
    /// A tree of history branches: the lineage of a run through resets.
    TreeId;
    /// One branch of a history tree.
    BranchId;
    /// An endpoint.
    EndpointId;
    /// A host of a cluster.
    HostId;
    /// One attempt at a write: sent again unchanged when the outcome of the first try is unknown, so
    /// that the store recognises its own work.
    AttemptId;
}
