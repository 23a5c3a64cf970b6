//! Shard rows.

use crate::attempts::{answer, is_forgotten, remember};
use crate::bucket::{Bucket, Tried, work};
use crate::core::codec::{decode, encode};
use crate::core::store::*;
use crate::core::{Context, Detail, Error, Outcome, RangeId, Result, ShardId, Timestamp};
use crate::tables::SHARDS;
use crate::tx::Tx;
use crate::value::{Kind, SqlRow};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

const COLUMNS: &[Kind] = &[Kind::Int, Kind::Bytes, Kind::Int];

const SELECT: &str = "\
    SELECT range_id, info, updated_at
      FROM shards
     WHERE shard_id = ?";

const SELECT_RANGE: &str = "\
    SELECT range_id, attempts
      FROM shards
     WHERE shard_id = ?";

const UPDATE: &str = "\
    UPDATE shards
       SET range_id = ?, info = ?, updated_at = ?, attempts = ?
     WHERE shard_id = ?";

pub(crate) fn lost(shard_id: ShardId, expected: RangeId, stored: Option<RangeId>) -> Error {
    Error::new(Detail::ShardOwnershipLost { shard_id, expected: Some(expected), stored })
}

fn read(shard_id: ShardId, row: &mut SqlRow) -> Result<Shard> {
    let shard = Shard {
        shard_id,
        range_id: row.int()?,
        info: decode("shard", &row.bytes()?)?,
        updated_at: Timestamp(row.int()?),
    };
    shard.info.verify("shard")?;
    Ok(shard)
}

/// The stored range id and attempts, locked as `lock` says.
async fn range_of(tx: &mut Tx, shard_id: ShardId, lock: &str) -> Result<Option<(RangeId, Bytes)>> {
    let sql = format!("{SELECT_RANGE}{lock}");
    let rows = tx.query("shards", &sql, vec![shard_id.0.into()], &[Kind::Int, Kind::Bytes]).await?;
    rows.into_iter().next().map(|mut r| Ok((r.int()?, r.bytes()?))).transpose()
}

/// The stored range id, so locked that nobody changes it before the transaction ends.
pub(crate) async fn fence(tx: &mut Tx, shard_id: ShardId) -> Result<Option<RangeId>> {
    let lock = tx.dialect.for_share;
    Ok(range_of(tx, shard_id, lock).await?.map(|(range_id, _)| range_id))
}

/// The stored range ids of shards, locked in their order like one.
pub(crate) async fn fences(tx: &mut Tx, shards: BTreeSet<ShardId>) -> Result<Vec<(ShardId, RangeId)>> {
    if let (1, Some(&shard_id)) = (shards.len(), shards.first()) {
        return Ok(fence(tx, shard_id).await?.map(|range_id| (shard_id, range_id)).into_iter().collect());
    }
    let columns = [("shard_id", Kind::Int), ("range_id", Kind::Int)];
    let keys = shards.iter().map(|shard_id| vec![shard_id.0.into()]).collect();
    let order = format!(" ORDER BY shard_id{}", tx.dialect.for_share);
    let rows = tx.select(&SHARDS, &columns, keys, &order).await?;
    rows.into_iter().map(|mut row| Ok((row.shard()?, row.int()?))).collect()
}

/// Fails with `ShardOwnershipLost` unless the shard is owned with this range id; holds it until the transaction ends. An earlier try
/// may have been done while it was.
pub(crate) async fn hold(tx: &mut Tx, shard_id: ShardId, range_id: RangeId, tried: Tried) -> Result<()> {
    let stored = fence(tx, shard_id).await?;
    match stored == Some(range_id) {
        true => Ok(()),
        false => Err(lost(shard_id, range_id, stored).with_outcome(tried.outcome())),
    }
}

impl Bucket {
    async fn read_shard(&self, cx: &Context, shard_id: ShardId) -> Result<Option<Shard>> {
        let rows = self.query(cx, "shards", SELECT, vec![shard_id.0.into()], COLUMNS).await?;
        rows.into_iter().next().map(|mut r| read(shard_id, &mut r)).transpose()
    }

    async fn create_shard(&self, cx: &Context, req: &GetOrCreateShard) -> Result<Shard> {
        let (req, now) = (Arc::new(req.clone()), self.env.clock.now());
        self.write(
            cx,
            work(move |tx: &mut Tx, _| {
                let req = Arc::clone(&req);
                Box::pin(async move {
                    let rows = tx.query("shards", SELECT, vec![req.shard_id.0.into()], COLUMNS).await?;
                    if let Some(mut row) = rows.into_iter().next() {
                        return read(req.shard_id, &mut row);
                    }
                    let row = vec![
                        req.shard_id.0.into(),
                        req.initial_range_id.into(),
                        encode(&req.initial_info).into(),
                        now.0.into(),
                        Vec::new().into(),
                    ];
                    tx.put(&SHARDS, vec![row], false).await?;
                    Ok(Shard {
                        shard_id: req.shard_id,
                        range_id: req.initial_range_id,
                        info: req.initial_info.clone(),
                        updated_at: now,
                    })
                })
            }),
        )
        .await
    }
}

#[async_trait]
impl ShardStore for Bucket {
    async fn get_or_create_shard(&self, cx: &Context, req: &GetOrCreateShard) -> Result<Shard> {
        match self.read_shard(cx, req.shard_id).await? {
            Some(shard) => Ok(shard),
            None => self.create_shard(cx, req).await,
        }
    }

    async fn get_shard(&self, cx: &Context, req: &GetShard) -> Result<Shard> {
        let stored = self.read_shard(cx, req.shard_id).await?;
        stored.ok_or_else(|| Error::not_found("shard", req.shard_id.0.to_string()))
    }

    async fn update_shard(&self, cx: &Context, req: &UpdateShard) -> Result<()> {
        let (req, now) = (Arc::new(req.clone()), self.env.clock.now());
        self.write(
            cx,
            work(move |tx: &mut Tx, tried| {
                let req = Arc::clone(&req);
                Box::pin(async move {
                    let lock = tx.dialect.for_update;
                    let stored = range_of(tx, req.shard_id, lock).await?;
                    let Some((range_id, attempts)) = stored else {
                        return Err(lost(req.shard_id, req.previous_range_id, None));
                    };
                    // A checkpoint that keeps the range id is harmless to repeat and is not remembered.
                    let moves = req.range_id != req.previous_range_id;
                    if range_id != req.previous_range_id {
                        if tried.unknown && answer(&attempts, req.attempt).is_some() {
                            return Ok(());
                        }
                        let error = lost(req.shard_id, req.previous_range_id, Some(range_id));
                        let doubt = tried.unknown && (!moves || is_forgotten(&attempts, req.range_id));
                        return Err(if doubt { error.with_outcome(Outcome::MaybeApplied) } else { error });
                    }
                    let attempts = match moves {
                        true => remember(&attempts, req.range_id, req.attempt, 0),
                        false => attempts.into(),
                    };
                    let args = vec![
                        req.range_id.into(),
                        encode(&req.info).into(),
                        now.0.into(),
                        attempts.into(),
                        req.shard_id.0.into(),
                    ];
                    tx.execute(UPDATE, args).await.map(drop)
                })
            }),
        )
        .await
    }

    async fn assert_shard_ownership(&self, cx: &Context, req: &AssertShardOwnership) -> Result<()> {
        let stored = self.read_shard(cx, req.shard_id).await?.map(|s| s.range_id);
        if stored == Some(req.range_id) { Ok(()) } else { Err(lost(req.shard_id, req.range_id, stored)) }
    }
}
