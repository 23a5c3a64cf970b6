//! PostgreSQL under the conformance suite.

use driver_postgres::Builder;
use persistence_sql::core::Context;
use persistence_sql::driver::SqlDriver;
use persistence_tests::{Space, SqlHarness};
use std::process::ExitCode;
use std::sync::Arc;

async fn open(space: Space) -> persistence_sql::core::Result<Arc<dyn SqlDriver>> {
    let server = std::env::var("PERSISTENCE_POSTGRES_URL").unwrap_or_default();
    let url = |db: &str| url::Url::parse(&format!("{server}/{db}")).unwrap();
    let admin = Builder::from_url(&url("postgres"))?.with_pool_size(1).open().await?;
    let create = format!("CREATE DATABASE \"{}\"", space.name());
    // There already when a case opens it again.
    let _ = admin.acquire(&Context::new()).await?.execute(&create, Vec::new()).await;
    admin.close().await?;
    Ok(Arc::new(Builder::from_url(&url(space.name()))?.with_pool_size(32).open().await?))
}

fn main() -> ExitCode {
    persistence_tests::main(SqlHarness::new("postgres", open))
}
