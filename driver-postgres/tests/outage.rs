//! PostgreSQL under the faults of servers and networks: commits are on disk before they are acknowledged.

use driver_postgres::Builder;
use persistence_sql::core::{Env, Persistence, Result};
use persistence_tests::Server;
use persistence_tests::outage::{self, Outage};
use std::{process::ExitCode, sync::Arc, time::Duration};

static SERVER: Server =
    Server::new("postgres", "postgres:18", 5432, "database system is ready to accept connections")
        .env(&[("POSTGRES_HOST_AUTH_METHOD", "trust")])
        .expendable();

async fn open(address: String) -> Result<Arc<dyn Persistence>> {
    let builder = Builder::new(&format!("postgres://postgres@{address}/postgres"))?;
    let driver = builder.with_pool_size(20).with_acquire_timeout(Duration::from_secs(5)).open().await?;
    persistence_sql::open(Arc::new(driver), Env::default()).await
}

fn main() -> ExitCode {
    SERVER.run(|| outage::main(Outage::new("postgres", || SERVER.host(), open)))
}
