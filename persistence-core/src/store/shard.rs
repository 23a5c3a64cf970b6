//! Shard rows: the fence of everything that a shard holds.

use super::request::requests;
use crate::blob::Blob;
use crate::ids::{AttemptId, RangeId, ShardId};
use crate::time::Timestamp;
use crate::validate;

/// A shard as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The shard.
    pub shard_id: ShardId,
    /// The fence: who writes must name it.
    pub range_id: RangeId,
    /// Owner, queue states and whatever else the engine keeps.
    pub info: Blob,
    /// When the row was last written, by the store's clock.
    pub updated_at: Timestamp,
}

/// See [`ShardStore::get_or_create_shard`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetOrCreateShard {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The range id to create it with.
    pub initial_range_id: RangeId,
    /// The info to create it with.
    pub initial_info: Blob,
}

/// See [`ShardStore::get_shard`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetShard {
    /// The shard, from 1.
    pub shard_id: ShardId,
}

/// See [`ShardStore::update_shard`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateShard {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The range id that must be stored.
    pub previous_range_id: RangeId,
    /// The range id to store; equal to the previous one for a checkpoint, larger to take the shard over. Smaller is
    /// `InvalidArgument`: a fence never goes back.
    pub range_id: RangeId,
    /// The info to store.
    pub info: Blob,
    /// Tells a repeat from another owner's update.
    pub attempt: AttemptId,
}

/// See [`ShardStore::assert_shard_ownership`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertShardOwnership {
    /// The shard, from 1.
    pub shard_id: ShardId,
    /// The range id that must be stored.
    pub range_id: RangeId,
}

requests! {
    sharded: GetOrCreateShard, GetShard, AssertShardOwnership,
        UpdateShard => |r| validate::range_id_grows(r.previous_range_id, r.range_id);
    unsharded:
}

store! {
    /// Shards.
    ///
    /// *Key columns*: shard id. *Consistency*: reads see every acknowledged write; an update is one compare-and-set on
    /// the stored range id. *Ordering*: none, one row a shard.
    pub trait ShardStore via shards named "shard" behind a front {
        /// The stored shard; if there is none, creates it as given first. The initial values are ignored when it exists.
        /// Concurrent callers all get the same value.
        idempotent fn get_or_create_shard(GetOrCreateShard) -> Shard;

        /// The stored shard. Must return `NotFound` if there is none.
        read fn get_shard(GetShard) -> Shard;

        /// Replaces range id and info if the stored range id is the previous one, and stamps the update time. Must return
        /// `ShardOwnershipLost` with the stored range id if it is another, without one if there is no such shard.
        write fn update_shard(UpdateShard) -> ();

        /// Reads the row and compares. Must return `ShardOwnershipLost` as `update_shard` does.
        read fn assert_shard_ownership(AssertShardOwnership) -> ();
    }
}
