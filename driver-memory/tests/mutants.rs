//! The suite notices what is wrong: mutants of the memory driver.

use driver_memory::Memory;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    persistence_tests::mutants::main(|| async { Ok(Arc::new(Memory::new()) as _) })
}
