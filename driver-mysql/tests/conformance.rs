//! MySQL under the conformance suite: one server a run, one database a space.

use driver_mysql::Builder;
use persistence_sql::core::{Context, Result};
use persistence_sql::driver::SqlDriver;
use persistence_tests::{Server, Space, SqlHarness, SqlProbe};
use std::{process::ExitCode, sync::Arc};

static SERVER: Server =
    Server::new("mysql", "mysql:9.7", 3306, "X Plugin ready for connections. Bind-address")
        .env(&[("MYSQL_ALLOW_EMPTY_PASSWORD", "yes")])
        // What makes commits last is not tested here, and would cost most of the time.
        .args(&["--max-connections=1000", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"])
        .data_in_memory("/var/lib/mysql");

async fn open(space: Space, options: &str) -> Result<Arc<dyn SqlDriver>> {
    let server = SERVER.url(|host, port| format!("mysql://root@{host}:{port}")).await?;
    let builder = |database: &str| Builder::new(&format!("{server}/{database}?acquire_timeout=60s{options}"));
    let admin = builder("mysql")?.with_pool_size(1).open().await?;
    let create = format!("CREATE DATABASE IF NOT EXISTS {}", space.name());
    admin.acquire(&Context::new()).await?.execute(&create, Vec::new()).await?;
    let builder = builder(space.name())?.with_pool_size(200).with_schema(space.tables(false));
    Ok(Arc::new(builder.with_statement_cache(space.statement_cache()).open().await?))
}

fn main() -> ExitCode {
    let harness = SqlHarness::new("mysql", |space| open(space, ""))
        .server(SqlProbe::MYSQL)
        .also("transaction", |space| open(space, "&transitions=transaction"));
    SERVER.run(|| persistence_tests::main(harness))
}
