//! Which attempts wrote a row: the one that created it and the last eight.
//!
//! They sit in rows of their own, a ring by version, so that a write can add one without reading the others. They are read
//! only when an outcome was unknown and the repeat was refused.

use crate::bucket::Bucket;
use crate::codec::{decode, encode};
use crate::core::{AttemptId, Context, Outcome, Result};
use crate::row::{Level, Op, Row, Table};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// How many attempts are remembered besides the creating one.
pub(crate) const REMEMBERED: i64 = 8;

/// Which write of a row an attempt was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The one that created it.
    Created,
    /// The one that gave it this version.
    Version(i64),
}

/// What is remembered of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The version that it wrote.
    pub version: i64,
    /// Its id.
    pub id: AttemptId,
    /// What it answered, where that is a number.
    pub answer: i64,
}

/// The row of a slot; `ring` is the tuple that all slots begin with.
fn key(ring: &Bytes, slot: Slot) -> Bytes {
    let slot = match slot {
        Slot::Created => REMEMBERED,
        Slot::Version(v) => v.rem_euclid(REMEMBERED),
    };
    let mut key = ring.to_vec();
    key.extend_from_slice(&foundationdb_tuple::pack(&(slot,)));
    key.into()
}

/// Remembers an attempt.
pub(crate) fn put(ring: &Bytes, slot: Slot, attempt: Attempt) -> Op {
    let row = Row { guard: Bytes::new(), value: encode(&attempt) };
    Op::Put { key: key(ring, slot), row, collectable_after: None }
}

impl Bucket {
    /// What is remembered in a slot. Asked only when an outcome is unknown, so failing to read leaves it unknown.
    pub(crate) async fn remembered(
        &self,
        cx: &Context,
        table: Table,
        partition: &Bytes,
        ring: &Bytes,
        slot: Slot,
    ) -> Result<Option<Attempt>> {
        let row = self.get_row(cx, table, partition, key(ring, slot), Level::Serial).await;
        let row = row.map_err(|e| e.with_outcome(Outcome::MaybeApplied))?;
        row.map(|r| decode("remembered attempt", &r.value)).transpose()
    }
}
