//! The acme driver under the conformance suite.

use driver_acme::Acme;
use persistence_tests::{NoSqlHarness, Space};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    // Called for each database that the suite needs. `space.name()` is a name that nobody else has, for a database or a
    // prefix on a server; `space.dir()` is a directory of its own, for what is embedded.
    let open = |space: Space| async move {
        let store = Acme::open(space.name()).await?;
        Ok(Arc::new(store) as _)
    };
    persistence_tests::main(NoSqlHarness::new("acme", open))
}
