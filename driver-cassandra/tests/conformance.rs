//! Cassandra under the conformance suite: one server a run, one keyspace a space.

use driver_cassandra::Builder;
use persistence_nosql::{core::Result, row::RowStore};
use persistence_tests::{NoSqlHarness, Server, Space};
use std::{process::ExitCode, sync::Arc};

/// A machine that is busy with other things is no fault: the server and the connections to it are as patient as the suite.
const PATIENCE: &str = "-Dcassandra.config.allow_system_properties=true -Dcassandra.settings.request_timeout=60s \
     -Dcassandra.settings.read_request_timeout=60s -Dcassandra.settings.range_request_timeout=60s \
     -Dcassandra.settings.write_request_timeout=60s -Dcassandra.settings.cas_contention_timeout=60s \
     -Dcassandra.settings.native_transport_timeout=60s";

static SERVER: Server = Server::new("cassandra", "cassandra:5.0", 9042, "Startup complete")
    .ready_on_stdout()
    // Every case with a keyspace of its own leaves five tables behind.
    .env(&[
        ("CASSANDRA_BROADCAST_RPC_ADDRESS", "127.0.0.1"),
        ("MAX_HEAP_SIZE", "2G"),
        ("JVM_EXTRA_OPTS", PATIENCE),
    ])
    .data_in_memory("/var/lib/cassandra");

async fn open(space: Space) -> Result<Arc<dyn RowStore>> {
    let server = SERVER.url(|host, port| format!("cassandra://{host}:{port}")).await?;
    let options = "replication=SimpleStrategy:1&connect_timeout=60s&request_timeout=60s&keepalive=60s";
    let url = format!("{server}/{}?{options}", space.name());
    Ok(Arc::new(Builder::new(&url)?.open().await?))
}

fn main() -> ExitCode {
    SERVER.run(|| persistence_tests::main(NoSqlHarness::new("cassandra", open)))
}
