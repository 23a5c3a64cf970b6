//! One conditional write of this process at a time in each partition.
//!
//! Paxos lets one proposal win and makes the others begin again, after a pause; writers that wait for each other here are
//! several times as fast as writers that get into each other's way there.

use bytes::Bytes;
use persistence_nosql::row::Table;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

type Key = (Table, Bytes);
type Lane = Arc<tokio::sync::Mutex<()>>;

/// The lanes of the partitions in which somebody writes or waits.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<HashMap<Key, Lane>>);

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn, first come, first served. Dropping the future gives the place in the queue back.
    pub(crate) async fn enter(&self, table: Table, partition: &Bytes) -> Turn<'_> {
        let key = (table, partition.clone());
        let lane = self.lock().entry(key.clone()).or_default().clone();
        // From here on a drop tidies up, also while it waits.
        let mut turn = Turn { place: Place { lanes: self, key }, guard: None, lane: Some(lane.clone()) };
        turn.guard = Some(lane.lock_owned().await);
        turn
    }
}

/// The right to write, until it is dropped.
pub(crate) struct Turn<'a> {
    guard: Option<OwnedMutexGuard<()>>,
    lane: Option<Lane>,
    place: Place<'a>,
}

struct Place<'a> {
    lanes: &'a Lanes,
    key: Key,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lanes = self.place.lanes.lock();
        self.guard = None;
        self.lane = None;
        // Whoever else is in the lane has a part in it, and nobody can come while the map is locked.
        if lanes.get(&self.place.key).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.place.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_at_a_time_in_order_and_nothing_is_left() {
        let lanes = Lanes::default();
        let (p, q) = (Bytes::from_static(b"p"), Bytes::from_static(b"q"));
        let enter = |partition| lanes.enter(Table::Shard, partition);
        {
            let (mut first, mut second, mut third) = (pin!(enter(&p)), pin!(enter(&p)), pin!(enter(&p)));
            let Poll::Ready(turn) = poll(first.as_mut()) else { panic!("the lane is free") };
            assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
            assert!(poll(pin!(enter(&q))).is_ready(), "another partition");
            assert!(poll(pin!(lanes.enter(Table::History, &p))).is_ready(), "another table");
            drop(turn);
            assert!(poll(third.as_mut()).is_pending(), "it is not its turn");
            let Poll::Ready(turn) = poll(second.as_mut()) else { panic!("its turn has come") };
            drop(turn);
        }
        assert!(lanes.lock().is_empty(), "{} lanes are left", lanes.lock().len());
    }

    #[test]
    fn a_waiter_that_gives_up_holds_up_nobody() {
        let lanes = Lanes::default();
        let p = Bytes::from_static(b"p");
        let mut last = pin!(lanes.enter(Table::Shard, &p));
        {
            let mut holder = Box::pin(lanes.enter(Table::Shard, &p));
            let Poll::Ready(turn) = poll(holder.as_mut()) else { panic!("the lane is free") };
            let mut gone = Box::pin(lanes.enter(Table::Shard, &p));
            assert!(poll(gone.as_mut()).is_pending() && poll(last.as_mut()).is_pending());
            drop(gone);
            drop(turn);
        }
        let Poll::Ready(turn) = poll(last.as_mut()) else { panic!("its turn has come") };
        drop(turn);
        assert!(lanes.lock().is_empty());
    }
}
