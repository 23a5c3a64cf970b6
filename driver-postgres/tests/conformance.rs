//! PostgreSQL under the conformance suite: one server a run, one database a space.

use driver_postgres::Builder;
use persistence_sql::core::{Context, Result};
use persistence_sql::driver::SqlDriver;
use persistence_tests::{Server, Space, SqlHarness, SqlProbe};
use std::{process::ExitCode, sync::Arc};

static SERVER: Server =
    Server::new("postgres", "postgres:18", 5432, "database system is ready to accept connections")
        // Checking passwords costs more than the whole suite, and the container is gone after it.
        .env(&[("POSTGRES_HOST_AUTH_METHOD", "trust")])
        .args(&["-c", "max_connections=1000", "-c", "fsync=off"])
        .data_in_memory("/var/lib/postgresql");

async fn open(space: Space) -> Result<Arc<dyn SqlDriver>> {
    let server = SERVER.url(|host, port| format!("postgres://postgres@{host}:{port}")).await?;
    let builder = |database: &str| Builder::new(&format!("{server}/{database}?acquire_timeout=60s"));
    let admin = builder("postgres")?.with_pool_size(1).open().await?;
    let create = format!("CREATE DATABASE \"{}\"", space.name());
    // It is there already when a case opens it again.
    let _ = admin.acquire(&Context::new()).await?.execute(&create, Vec::new()).await;
    admin.close().await?;
    let builder = builder(space.name())?.with_pool_size(200).with_schema(space.tables(true));
    Ok(Arc::new(builder.with_statement_cache(space.statement_cache()).open().await?))
}

fn main() -> ExitCode {
    let harness = SqlHarness::new("postgres", open).server(SqlProbe::POSTGRES);
    SERVER.run(|| persistence_tests::main(harness))
}
