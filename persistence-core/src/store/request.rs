//! What layers can ask of any request.

use crate::ids::ShardId;

/// A request of a store, as layers see it.
pub trait Request: Send + Sync {
    /// The shard that the request concerns, if it concerns one: for routing, metrics and rate limits.
    fn shard_id(&self) -> Option<ShardId>;
}

macro_rules! requests {
    (sharded: $($sharded:ty),* ; unsharded: $($unsharded:ty),* $(,)?) => {
        $(impl $crate::store::Request for $sharded {
            fn shard_id(&self) -> Option<$crate::ids::ShardId> {
                Some(self.shard_id)
            }
        })*
        $(impl $crate::store::Request for $unsharded {
            fn shard_id(&self) -> Option<$crate::ids::ShardId> {
                None
            }
        })*
    };
}
pub(crate) use requests;
