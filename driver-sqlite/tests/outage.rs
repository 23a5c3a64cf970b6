//! SQLite under the faults of processes: one or two write, and are killed or stopped.

use driver_sqlite::Builder;
use persistence_sql::core::{Env, Persistence, Result};
use persistence_tests::outage::process::{self, Processes};
use std::{path::PathBuf, process::ExitCode, sync::Arc};

async fn open(dir: PathBuf) -> Result<Arc<dyn Persistence>> {
    let driver = Builder::file(dir.join("db")).open().await?;
    persistence_sql::open(Arc::new(driver), Env::default()).await
}

fn main() -> ExitCode {
    process::main(Processes::new("sqlite", open))
}
