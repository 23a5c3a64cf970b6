//! One conditional write of this process at a time in each partition, for drivers of databases that agree by proposals.
//!
//! Paxos lets one proposal win and makes the others begin again, after a pause; writers that wait for each other here are
//! several times as fast as writers that get into each other's way there.

use crate::core::{Context, Error, Outcome, Result};
use crate::row::Table;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

type Key = (Table, Bytes);
type Lane = Arc<tokio::sync::Mutex<()>>;

/// The lanes of the partitions in which somebody writes or waits.
#[derive(Debug, Default)]
pub struct Lanes(Mutex<HashMap<Key, Lane>>);

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn, first come, first served, until the deadline: whoever waits has sent nothing, and the error says so.
    /// Dropping the future gives the place in the queue back.
    pub async fn enter(&self, cx: &Context, table: Table, partition: &Bytes) -> Result<Turn<'_>> {
        let key = (table, partition.clone());
        let lane = self.lock().entry(key.clone()).or_default().clone();
        // From here on a drop tidies up, also while it waits.
        let mut turn = Turn { lanes: self, key, guard: None };
        let lock = lane.lock_owned();
        turn.guard = Some(match cx.deadline() {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), lock)
                .await
                .map_err(|_| Error::timeout("write").with_outcome(Outcome::NotApplied))?,
            None => lock.await,
        });
        Ok(turn)
    }
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    lanes: &'a Lanes,
    key: Key,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock();
        self.guard = None;
        // Whoever else is in the lane has a part in it, and nobody can come while the map is locked.
        if lanes.get(&self.key).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Poll, Waker};

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_at_a_time_in_order_and_nothing_is_left() {
        let (lanes, cx) = (Lanes::default(), Context::new());
        let (p, q) = (Bytes::from_static(b"p"), Bytes::from_static(b"q"));
        let enter = |partition| lanes.enter(&cx, Table::Shard, partition);
        {
            let (mut first, mut second, mut third) = (pin!(enter(&p)), pin!(enter(&p)), pin!(enter(&p)));
            let Poll::Ready(turn) = poll(first.as_mut()) else { panic!("the lane is free") };
            assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
            assert!(poll(pin!(enter(&q))).is_ready(), "another partition");
            assert!(poll(pin!(lanes.enter(&cx, Table::History, &p))).is_ready(), "another table");
            drop(turn);
            assert!(poll(third.as_mut()).is_pending(), "it is not its turn");
            let Poll::Ready(turn) = poll(second.as_mut()) else { panic!("its turn has come") };
            drop(turn);
        }
        assert!(lanes.lock().is_empty(), "{} lanes are left", lanes.lock().len());
    }

    #[test]
    fn a_waiter_that_gives_up_holds_up_nobody() {
        let (lanes, cx) = (Lanes::default(), Context::new());
        let p = Bytes::from_static(b"p");
        let mut last = pin!(lanes.enter(&cx, Table::Shard, &p));
        {
            let mut holder = Box::pin(lanes.enter(&cx, Table::Shard, &p));
            let Poll::Ready(turn) = poll(holder.as_mut()) else { panic!("the lane is free") };
            let mut gone = Box::pin(lanes.enter(&cx, Table::Shard, &p));
            assert!(poll(gone.as_mut()).is_pending() && poll(last.as_mut()).is_pending());
            drop(gone);
            drop(turn);
        }
        let Poll::Ready(turn) = poll(last.as_mut()) else { panic!("its turn has come") };
        drop(turn);
        assert!(lanes.lock().is_empty());
    }
}
