//! What layers and the front can ask of any request.

use crate::error::Result;
use crate::ids::ShardId;

/// A request of a store, as layers and the front see it.
pub trait Request: Send + Sync {
    /// The shard that the request concerns, if it concerns one: for routing, metrics and rate limits.
    fn shard_id(&self) -> Option<ShardId>;

    /// Whether it keeps the rules that need no database; `InvalidArgument` that names what does not. Transitions are judged when
    /// they become plans.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

/// Requests with and without a shard, and the rule of each beyond the shard's own.
macro_rules! requests {
    (
        sharded: $($sharded:ident $(=> $of_sharded:expr)?),* ;
        unsharded: $($unsharded:ident $(=> $of_unsharded:expr)?),* $(,)?
    ) => {
        $(impl $crate::store::Request for $sharded {
            fn shard_id(&self) -> Option<$crate::ids::ShardId> {
                Some(self.shard_id)
            }

            fn validate(&self) -> $crate::error::Result<()> {
                $crate::validate::shard(self.shard_id)?;
                $(
                    let rule: fn(&Self) -> $crate::error::Result<()> = $of_sharded;
                    rule(self)?;
                )?
                Ok(())
            }
        })*
        $(impl $crate::store::Request for $unsharded {
            fn shard_id(&self) -> Option<$crate::ids::ShardId> {
                None
            }

            $(
                fn validate(&self) -> $crate::error::Result<()> {
                    let rule: fn(&Self) -> $crate::error::Result<()> = $of_unsharded;
                    rule(self)
                }
            )?
        })*
    };
}
pub(crate) use requests;
