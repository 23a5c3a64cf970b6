//! Cassandra under the conformance suite: one server a run, one keyspace a space.

use driver_cassandra::{Builder, Cassandra};
use persistence_nosql::core::Result;
use persistence_nosql::row::RowStore;
use persistence_tests::{NoSqlHarness, Server, Space};
use std::{process::ExitCode, sync::Arc, time::Duration};

static SERVER: Server = Server::new("cassandra", "cassandra:5.0", 9042, "Startup complete")
    .ready_on_stdout()
    // Every case with a keyspace of its own leaves five tables behind.
    .env(&[("CASSANDRA_BROADCAST_RPC_ADDRESS", "127.0.0.1"), ("MAX_HEAP_SIZE", "2G")])
    .data_in_memory("/var/lib/cassandra");

async fn open(space: Space) -> Result<Arc<dyn RowStore>> {
    let server = SERVER.url(|host, port| format!("cassandra://{host}:{port}")).await?;
    let url = format!("{server}/{}?replication=SimpleStrategy:1", space.name());
    let store: Cassandra = Builder::new(&url)?.with_request_timeout(Duration::from_secs(60)).open().await?;
    Ok(Arc::new(store))
}

fn main() -> ExitCode {
    SERVER.run(|| persistence_tests::main(NoSqlHarness::new("cassandra", open)))
}
