//! Cassandra under the faults of servers and networks: one server, and a cluster of three that loses nodes.

use driver_cassandra::Builder;
use persistence_nosql::core::{Env, Persistence, Result};
use persistence_tests::outage::{self, Outage};
use persistence_tests::{Cluster, Server};
use std::{process::ExitCode, sync::Arc};

/// An acknowledged write is on disk. By default a node syncs its commit log every ten seconds, and of what it acknowledged in the
/// last tenth of a second before it was killed it knows nothing afterwards: its promises and proposals in Paxos included.
const SYNC: &str = "-Dcassandra.config.allow_system_properties=true -Dcassandra.settings.commitlog_sync=batch \
     -Dcassandra.settings.commitlog_sync_period=0ms";

static SERVER: Server = Server::new("cassandra", "cassandra:5.0", 9042, "Startup complete")
    .ready_on_stdout()
    .env(&[
        ("CASSANDRA_BROADCAST_RPC_ADDRESS", "127.0.0.1"),
        ("MAX_HEAP_SIZE", "768M"),
        ("JVM_EXTRA_OPTS", SYNC),
    ])
    .expendable();

static CLUSTER: Cluster = Cluster::new("cassandra", "cassandra:5.0", 9042, "CASSANDRA_SEEDS")
    .met("/{}:7000 is now UP")
    .env(&[("MAX_HEAP_SIZE", "768M"), ("JVM_EXTRA_OPTS", SYNC)]);

async fn open(addresses: String) -> Result<Arc<dyn Persistence>> {
    let (keyspace, copies) = if addresses.contains(',') { ("outage_3", 3) } else { ("outage", 1) };
    let url = format!("cassandra:///{keyspace}?replication=SimpleStrategy:{copies}");
    let store = Builder::new(&url)?.with_contact_points(addresses.split(','));
    // One that stands still must not hold up all.
    let store = store.with_connections(8).open().await?;
    persistence_nosql::open(Arc::new(store), Env::default()).await
}

fn main() -> ExitCode {
    let outage = Outage::new("cassandra", || SERVER.host(), open).nodes(|| CLUSTER.nodes());
    SERVER.run(|| CLUSTER.run(|| outage::main(outage)))
}
