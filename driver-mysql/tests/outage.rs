//! MySQL under the faults of servers and networks: commits are on disk before they are acknowledged.

use driver_mysql::Builder;
use persistence_sql::core::{Env, Persistence, Result};
use persistence_tests::Server;
use persistence_tests::outage::{self, Outage};
use std::{process::ExitCode, sync::Arc, time::Duration};

static SERVER: Server =
    Server::new("mysql", "mysql:9.7", 3306, "X Plugin ready for connections. Bind-address")
        .env(&[("MYSQL_ALLOW_EMPTY_PASSWORD", "yes"), ("MYSQL_DATABASE", "outage")])
        .expendable();

async fn open(address: String) -> Result<Arc<dyn Persistence>> {
    let builder = Builder::new(&format!("mysql://root@{address}/outage"))?;
    let driver = builder.with_pool_size(20).with_acquire_timeout(Duration::from_secs(5)).open().await?;
    persistence_sql::open(Arc::new(driver), Env::default()).await
}

fn main() -> ExitCode {
    SERVER.run(|| outage::main(Outage::new("mysql", || SERVER.host(), open)))
}
