//! The bucket: a driver, its surroundings, and the few ways of talking to it that the stores share.

use crate::core::front;
use crate::core::persistence::DriverInfo;
use crate::core::{Capability, Context, Env, Error, Outcome, Persistence, Result};
use crate::deadline::Deadlined;
use crate::document::Catalogue;
use crate::row::*;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes a [`Persistence`] of a driver: sets up its schema if it is missing, then gives all stores.
pub async fn open(driver: Arc<dyn RowStore>, env: Env) -> Result<Arc<dyn Persistence>> {
    driver.schema(SchemaOp::Setup).await?;
    let info = driver.info();
    let told = DriverInfo {
        driver: info.driver.to_owned(),
        location: info.location.clone(),
        capabilities: info.capabilities.clone(),
    };
    let bucket =
        Bucket { driver: Deadlined(driver), info, env: env.clone(), documents: Catalogue::default() };
    Ok(front::open(bucket, told, env))
}

#[async_trait]
impl front::Bucket for Bucket {
    async fn close(self: Arc<Self>) -> Result<()> {
        self.driver.close().await
    }
}

/// What every store works with.
pub(crate) struct Bucket {
    pub(crate) driver: Deadlined,
    pub(crate) info: RowStoreInfo,
    pub(crate) env: Env,
    pub(crate) documents: Catalogue,
}

/// How long an unknown outcome is pursued when the caller set no deadline.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A write that came to an answer.
pub(crate) enum Settled {
    /// It was applied.
    Applied,
    /// It was refused.
    Refused {
        /// The row of every check.
        rows: Vec<Option<Row>>,
        /// An earlier try of the same write had an unknown outcome: it may be what made the check fail.
        unknown: bool,
    },
}

/// An error of a call that may have written something before, if so: whatever failed since then says nothing of that.
pub(crate) fn in_doubt(unknown: bool, e: Error) -> Error {
    if unknown { e.with_outcome(Outcome::MaybeApplied) } else { e }
}

/// Pauses between tries, growing, until the deadline.
pub(crate) struct Tries {
    until: Instant,
    pause: Duration,
}

impl Tries {
    pub(crate) fn new(cx: &Context) -> Self {
        let until = cx.deadline().unwrap_or_else(|| Instant::now() + RESOLVE_LIMIT);
        Tries { until, pause: FIRST_PAUSE }
    }

    /// Waits before the next try. False when there is no time for one.
    pub(crate) async fn again(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

impl Bucket {
    /// Whether one write may span partitions.
    pub(crate) fn crosses_partitions(&self) -> bool {
        self.info.capabilities.has(Capability::CrossPartition)
    }

    /// One row.
    pub(crate) async fn get_row(
        &self,
        cx: &Context,
        table: Table,
        partition: &Bytes,
        key: Bytes,
        level: Level,
    ) -> Result<Option<Row>> {
        Ok(self.driver.get(cx, table, partition, &[key], level).await?.pop().flatten())
    }

    /// Rows of a range, ascending; none for an empty range.
    pub(crate) async fn rows(
        &self,
        cx: &Context,
        table: Table,
        partition: &Bytes,
        range: &KeyRange,
        limit: usize,
        level: Level,
    ) -> Result<Vec<KeyedRow>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.driver.scan(cx, table, partition, range, Order::Ascending, limit, level).await
    }

    /// Sends a write until its outcome is known: an unknown one is resolved by sending the same write again, since a read
    /// alone cannot tell whether the first try is still on its way.
    pub(crate) async fn settle(&self, cx: &Context, write: &Write) -> Result<Settled> {
        let (mut unknown, mut tries) = (false, None);
        loop {
            let error = match self.driver.write(cx, write.clone()).await {
                Ok(WriteOutcome::Applied) => return Ok(Settled::Applied),
                Ok(WriteOutcome::Refused(rows)) => return Ok(Settled::Refused { rows, unknown }),
                Err(e) => e,
            };
            unknown |= error.outcome() == Outcome::MaybeApplied;
            if !unknown {
                return Err(error);
            }
            let pursue = error.is_retryable() && tries.get_or_insert_with(|| Tries::new(cx)).again().await;
            if !pursue {
                return Err(error.with_outcome(Outcome::MaybeApplied));
            }
        }
    }

    /// Sends a write that has no conditions.
    pub(crate) async fn settle_unconditional(&self, cx: &Context, write: &Write) -> Result<()> {
        match self.settle(cx, write).await? {
            Settled::Applied => Ok(()),
            Settled::Refused { .. } => {
                Err(Error::corrupted("driver", "it refused a write without conditions"))
            }
        }
    }
}

/// The put of a row.
pub(crate) fn put(key: Bytes, guard: Bytes, value: Bytes) -> Op {
    Op::Put { key, row: Row { guard, value }, collectable_after: None }
}

/// A check.
pub(crate) fn check(key: Bytes, condition: Condition) -> Check {
    Check { key, condition }
}

/// A deletion of a range, unless it is empty.
pub(crate) fn delete_range(range: KeyRange) -> Option<Op> {
    (!range.is_empty()).then_some(Op::DeleteRange { range })
}
