//! What goes over the wire, counted by a proxy between the driver and the server.

use crate::support::{Database, Flow, Handle, SHARD};
use persistence_sql::core::Context;
use persistence_sql::core::store::*;
use persistence_sql::driver::SqlDriver;
use persistence_tests::proxy::{Act, Direction, Piece, Proxy};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// Counts how often the client speaks after the server did.
#[derive(Default)]
struct Turns {
    count: AtomicUsize,
    client_speaks: AtomicBool,
}

impl Turns {
    fn piece(&self, piece: Piece<'_>) -> Act {
        let client = piece.direction == Direction::ToServer;
        if client != self.client_speaks.swap(client, SeqCst) && client {
            self.count.fetch_add(1, SeqCst);
        }
        Act::Pass
    }

    async fn of<T>(&self, done: impl Future<Output = T>) -> (usize, T) {
        let before = self.count.load(SeqCst);
        let done = done.await;
        (self.count.load(SeqCst) - before, done)
    }
}

/// All stores through a proxy that counts, with statements prepared.
async fn counted() -> (Proxy, Arc<Turns>, Handle, Flow) {
    let database = Database::new().await;
    let turns = Arc::new(Turns::default());
    let tap = turns.clone();
    let proxy = Proxy::start(database.host(), move |piece: Piece<'_>| tap.piece(piece)).await.unwrap();
    let h = database.at(proxy.port()).open("root", "").await;
    let (cx, flow) = (Context::new(), Flow::new());
    h.stores.executions().create_execution(&cx, &flow.create()).await.unwrap();
    h.stores.executions().update_execution(&cx, &flow.update(1)).await.unwrap();
    h.stores.executions().get_execution(&cx, &flow.get()).await.unwrap();
    (proxy, turns, h, flow)
}

pub(crate) async fn a_transition_is_one_round_trip() {
    let (proxy, turns, h, flow) = counted().await;
    let (cx, e) = (Context::new(), h.stores.executions());
    for version in 2..10 {
        let (trips, done) = turns.of(e.update_execution(&cx, &flow.update(version))).await;
        done.unwrap();
        assert_eq!(trips, 1, "a transition");
        let (trips, done) = turns.of(e.get_execution(&cx, &flow.get())).await;
        assert_eq!((trips, done.unwrap().record_version), (1, version + 1), "a load");
    }
    let wave = || {
        let plans = (0..16).map(|_| Flow::new().create().lower().unwrap()).collect();
        ApplyPlans { shard_id: SHARD, plans }
    };
    e.apply(&cx, &wave()).await.unwrap();
    let (trips, done) = turns.of(e.apply(&cx, &wave())).await;
    assert!(done.unwrap().iter().all(Result::is_ok));
    assert_eq!(trips, 1, "a wave");
    assert_eq!(proxy.connections(), 1);
}

pub(crate) async fn a_connection_that_was_idle_too_long_is_replaced() {
    let database = Database::new().await;
    let h = database.open("root", "").await;
    let (cx, flow, e) = (Context::new(), Flow::new(), h.stores.executions());
    e.create_execution(&cx, &flow.create()).await.unwrap();
    let idle_too_long = async || {
        let mut conn = h.driver.acquire(&cx).await.unwrap();
        conn.execute("SET SESSION wait_timeout = 1", Vec::new()).await.unwrap();
        drop(conn);
        while database.sessions().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    // The server says so in answer to the next statement, whatever that is.
    idle_too_long().await;
    e.update_execution(&cx, &flow.update(1)).await.unwrap();
    idle_too_long().await;
    assert_eq!(e.get_execution(&cx, &flow.get()).await.unwrap().record_version, 2);
    idle_too_long().await;
    h.stores.shards().get_shard(&cx, &GetShard { shard_id: SHARD }).await.unwrap();
}
