//! Round trips to PostgreSQL, counted on the wire.

use driver_postgres::Builder;
use futures_util::FutureExt as _;
use persistence_sql::core::{Context, Env, Persistence, Result};
use persistence_sql::driver::SqlDriver;
use persistence_tests::{Server, wire};
use std::{process::ExitCode, sync::Arc};

static SERVER: Server =
    Server::new("postgres", "postgres:18", 5432, "database system is ready to accept connections")
        .env(&[("POSTGRES_HOST_AUTH_METHOD", "trust")])
        .args(&["-c", "fsync=off"])
        .data_in_memory("/var/lib/postgresql");

async fn open(server: String) -> Result<Arc<dyn Persistence>> {
    let name = format!("wire_{}", uuid::Uuid::now_v7().simple());
    let builder = |database: &str| Builder::new(&format!("{server}/{database}?pool_size=1"));
    let admin = builder("postgres")?.open().await?;
    admin.acquire(&Context::new()).await?.execute(&format!("CREATE DATABASE {name}"), Vec::new()).await?;
    admin.close().await?;
    persistence_sql::open(Arc::new(builder(&name)?.open().await?), Env::default()).await
}

fn main() -> ExitCode {
    wire::main(
        &SERVER,
        |host, port| format!("postgres://postgres@{host}:{port}"),
        |server| open(server).boxed(),
    )
}
