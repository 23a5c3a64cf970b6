//! SQLite under the conformance suite.

use driver_sqlite::Builder;
use persistence_tests::SqlHarness;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

fn main() -> ExitCode {
    let harness = SqlHarness::new("sqlite", |space| async move {
        Ok(Arc::new(
            Builder::file(space.dir().join("db"))
                .with_readers(128)
                .with_schema(space.tables(false))
                .with_statement_cache(space.statement_cache())
                .with_busy_timeout(Duration::from_secs(60))
                .open()
                .await?,
        ) as _)
    });
    persistence_tests::main(harness)
}
