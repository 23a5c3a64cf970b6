//! Shard rows.

use crate::attempts::{Attempt, Slot, put as remember};
use crate::bucket::{Bucket, Settled, check, put};
use crate::codec::{decode, encode, guard, guard_number};
use crate::core::store::*;
use crate::core::{Blob, Context, Detail, Error, Outcome, RangeId, Result, ShardId, Timestamp};
use crate::keys;
use crate::row::*;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct ShardValue {
    info: Blob,
    updated_at: Timestamp,
}

/// The range id in a shard's row.
pub(crate) fn stored_range(row: Option<&Row>) -> Result<Option<RangeId>> {
    row.map(|r| guard_number("shard", &r.guard)).transpose()
}

/// The check that a shard is owned with this range id.
pub(crate) fn owned(range_id: RangeId) -> Check {
    check(keys::shard::row(), Condition::Guard(guard(range_id)))
}

pub(crate) fn lost(shard_id: ShardId, expected: RangeId, stored: Option<RangeId>) -> Error {
    Error::new(Detail::ShardOwnershipLost { shard_id, expected: Some(expected), stored })
}

impl Bucket {
    /// The shard's row.
    pub(crate) async fn shard_row(
        &self,
        cx: &Context,
        shard_id: ShardId,
        level: Level,
    ) -> Result<Option<Row>> {
        let partition = keys::shard::partition(shard_id);
        self.get_row(cx, Table::Shard, &partition, keys::shard::row(), level).await
    }

    /// Fails with `ShardOwnershipLost` unless the shard is owned with this range id.
    pub(crate) async fn assert_owned(
        &self,
        cx: &Context,
        shard_id: ShardId,
        range_id: RangeId,
    ) -> Result<()> {
        let stored = stored_range(self.shard_row(cx, shard_id, Level::Serial).await?.as_ref())?;
        if stored == Some(range_id) { Ok(()) } else { Err(lost(shard_id, range_id, stored)) }
    }

    async fn read_shard(&self, cx: &Context, shard_id: ShardId, level: Level) -> Result<Option<Shard>> {
        let Some(row) = self.shard_row(cx, shard_id, level).await? else { return Ok(None) };
        let ShardValue { info, updated_at } = decode("shard", &row.value)?;
        info.verify("shard")?;
        let range_id = guard_number("shard", &row.guard)?;
        Ok(Some(Shard { shard_id, range_id, info, updated_at }))
    }

    fn shard_put(&self, range_id: RangeId, info: &Blob) -> Op {
        let value = ShardValue { info: info.clone(), updated_at: self.env.clock.now() };
        put(keys::shard::row(), guard(range_id), encode(&value))
    }

    async fn create_shard(&self, cx: &Context, req: &GetOrCreateShard) -> Result<Shard> {
        let write = Write::from(Part {
            table: Table::Shard,
            partition: keys::shard::partition(req.shard_id),
            checks: vec![check(keys::shard::row(), Condition::Absent)],
            ops: vec![self.shard_put(req.initial_range_id, &req.initial_info)],
        });
        // Refused or not: whatever is stored now is the answer, for every caller the same.
        self.settle(cx, &write).await?;
        let stored = self.read_shard(cx, req.shard_id, Level::Serial).await;
        let stored = stored.map_err(|e| e.with_outcome(Outcome::MaybeApplied))?;
        stored.ok_or_else(|| Error::corrupted("shard", "it vanished while it was created"))
    }
}

#[async_trait]
impl ShardStore for Bucket {
    async fn get_or_create_shard(&self, cx: &Context, req: &GetOrCreateShard) -> Result<Shard> {
        match self.read_shard(cx, req.shard_id, Level::Quorum).await? {
            Some(shard) => Ok(shard),
            None => self.create_shard(cx, req).await,
        }
    }

    async fn get_shard(&self, cx: &Context, req: &GetShard) -> Result<Shard> {
        let stored = self.read_shard(cx, req.shard_id, Level::Quorum).await?;
        stored.ok_or_else(|| Error::not_found("shard", req.shard_id.0.to_string()))
    }

    async fn update_shard(&self, cx: &Context, req: &UpdateShard) -> Result<()> {
        let (partition, ring) = (keys::shard::partition(req.shard_id), keys::shard::row_attempts());
        let mut ops = vec![self.shard_put(req.range_id, &req.info)];
        // A checkpoint that keeps the range id is harmless to repeat; the slot stays with who took the shard over.
        let moves = req.range_id != req.previous_range_id;
        if moves {
            let attempt = Attempt { version: req.range_id, id: req.attempt, answer: 0 };
            ops.push(remember(&ring, Slot::Version(req.range_id), attempt));
        }
        let write = Write::from(Part {
            table: Table::Shard,
            partition: partition.clone(),
            checks: vec![owned(req.previous_range_id)],
            ops,
        });
        let Settled::Refused { rows, unknown } = self.settle(cx, &write).await? else { return Ok(()) };
        let stored = stored_range(rows.first().and_then(Option::as_ref))?;
        let error = lost(req.shard_id, req.previous_range_id, stored);
        if !unknown {
            return Err(error);
        }
        if !moves {
            // Nothing tells whether the first try came before the shard was lost.
            return Err(error.with_outcome(Outcome::MaybeApplied));
        }
        let slot = Slot::Version(req.range_id);
        match self.remembered(cx, Table::Shard, &partition, &ring, slot).await? {
            Some(a) if a.id == req.attempt => Ok(()),
            Some(a) if a.version > req.range_id => Err(error.with_outcome(Outcome::MaybeApplied)),
            _ => Err(error),
        }
    }

    async fn assert_shard_ownership(&self, cx: &Context, req: &AssertShardOwnership) -> Result<()> {
        self.assert_owned(cx, req.shard_id, req.range_id).await
    }
}
