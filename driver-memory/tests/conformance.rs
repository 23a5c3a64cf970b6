//! The memory driver under the conformance suite.

use driver_memory::Memory;
use persistence_tests::NoSqlHarness;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let harness = NoSqlHarness::new("memory", |_space| async { Ok(Arc::new(Memory::new()) as _) });
    persistence_tests::main(harness.also_narrow())
}
