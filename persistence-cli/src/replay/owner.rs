//! Shards owned by this process, and the ids that they give out.

use persistence::store::{GetOrCreateShard, UpdateShard};
use persistence::{AttemptId, Blob, Context, Detail, Error, Persistence, RangeId, Result, ShardId};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{Mutex, OnceCell};

/// Ids of one ownership: the range id above, a counter below. A later owner's ids are therefore larger than all of these.
const ID_BITS: u32 = 24;

/// The shards of a database, each acquired when it is first needed.
pub(crate) struct Owners {
    db: Arc<dyn Persistence>,
    shards: Vec<OnceCell<Owner>>,
}

/// A shard that is owned here.
pub(crate) struct Owner {
    db: Arc<dyn Persistence>,
    shard_id: ShardId,
    info: Blob,
    lease: Mutex<Lease>,
}

/// What a write needs from its shard: the fence, and ids larger than all before.
#[derive(Clone, Copy, Debug)]
struct Lease {
    range_id: RangeId,
    next: i64,
}

/// Ids for one write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    pub(crate) range_id: RangeId,
    /// The first of as many as were asked for.
    pub(crate) first: i64,
}

impl Owners {
    pub(crate) fn new(db: Arc<dyn Persistence>, shards: u16) -> Self {
        let shards = (0..shards.max(1)).map(|_| OnceCell::new()).collect();
        Owners { db, shards }
    }

    /// The owner of a shard; takes the shard over from whoever had it the first time.
    pub(crate) async fn get(&self, cx: &Context, shard_id: ShardId) -> Result<&Owner> {
        let index = usize::try_from(shard_id.0 - 1).ok();
        let Some(cell) = index.and_then(|i| self.shards.get(i)) else {
            return Err(Error::invalid("shard_id", "is beyond the number of shards"));
        };
        cell.get_or_try_init(|| Owner::acquire(self.db.clone(), cx, shard_id, self.shards.len())).await
    }
}

impl Owner {
    async fn acquire(
        db: Arc<dyn Persistence>,
        cx: &Context,
        shard_id: ShardId,
        shards: usize,
    ) -> Result<Self> {
        let info =
            json!({"owner": format!("persist replay, process {}", std::process::id()), "shards": shards});
        let info = Blob::json(info.to_string());
        let create = GetOrCreateShard { shard_id, initial_range_id: 0, initial_info: info.clone() };
        let mut stored = db.shards().get_or_create_shard(cx, &create).await?.range_id;
        loop {
            match take_over(db.as_ref(), cx, shard_id, stored, &info).await {
                Ok(lease) => return Ok(Owner { db, shard_id, info, lease: Mutex::new(lease) }),
                // Somebody else was faster: the next range id then.
                Err(e) => match e.detail() {
                    Detail::ShardOwnershipLost { stored: Some(now), .. } if *now != stored => stored = *now,
                    _ => return Err(e),
                },
            }
        }
    }

    /// As many ids as asked for, one after the other.
    pub(crate) async fn take(&self, cx: &Context, count: usize) -> Result<Ids> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut lease = self.lease.lock().await;
        if lease.next.saturating_add(count) > first_id(lease.range_id + 1)? {
            *lease = take_over(self.db.as_ref(), cx, self.shard_id, lease.range_id, &self.info).await?;
        }
        let first = lease.next;
        lease.next += count;
        Ok(Ids { range_id: lease.range_id, first })
    }

    /// Whether a write with this range id was refused only because this process took a larger one meanwhile.
    pub(crate) async fn renewed_since(&self, range_id: RangeId) -> bool {
        self.lease.lock().await.range_id > range_id
    }
}

fn first_id(range_id: RangeId) -> Result<i64> {
    range_id.checked_mul(1 << ID_BITS).ok_or_else(|| {
        let key = format!("range id {range_id}");
        Error::corrupted(key, "is too large to make ids from")
    })
}

async fn take_over(
    db: &dyn Persistence,
    cx: &Context,
    shard_id: ShardId,
    previous: RangeId,
    info: &Blob,
) -> Result<Lease> {
    let range_id = previous.saturating_add(1);
    let next = first_id(range_id)?;
    let update = UpdateShard {
        shard_id,
        previous_range_id: previous,
        range_id,
        info: info.clone(),
        attempt: AttemptId::new(),
    };
    super::retry::again(|| db.shards().update_shard(cx, &update)).await?;
    Ok(Lease { range_id, next })
}
