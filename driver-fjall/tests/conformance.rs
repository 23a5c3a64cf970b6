//! The fjall driver under the conformance suite.

use driver_fjall::Fjall;
use persistence_tests::NoSqlHarness;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    persistence_tests::main(NoSqlHarness::new("fjall", |space| async move {
        let store = Fjall::builder(space.dir()).open().await?;
        Ok(Arc::new(store) as _)
    }))
}
