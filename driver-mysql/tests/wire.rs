//! Round trips to MySQL, counted on the wire.

use driver_mysql::Builder;
use futures_util::FutureExt as _;
use persistence_sql::core::{Context, Env, Persistence, Result};
use persistence_sql::driver::SqlDriver;
use persistence_tests::{Server, wire};
use std::{process::ExitCode, sync::Arc};

static SERVER: Server =
    Server::new("mysql", "mysql:9.7", 3306, "X Plugin ready for connections. Bind-address")
        .env(&[("MYSQL_ALLOW_EMPTY_PASSWORD", "yes")])
        .args(&["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"])
        .data_in_memory("/var/lib/mysql");

async fn open(server: String) -> Result<Arc<dyn Persistence>> {
    let name = format!("wire_{}", uuid::Uuid::now_v7().simple());
    let builder = |database: &str| Builder::new(&format!("{server}/{database}?pool_size=1"));
    let admin = builder("mysql")?.open().await?;
    admin.acquire(&Context::new()).await?.execute(&format!("CREATE DATABASE {name}"), Vec::new()).await?;
    admin.close().await?;
    persistence_sql::open(Arc::new(builder(&name)?.open().await?), Env::default()).await
}

fn main() -> ExitCode {
    wire::main(&SERVER, |host, port| format!("mysql://root@{host}:{port}"), |server| open(server).boxed())
}
