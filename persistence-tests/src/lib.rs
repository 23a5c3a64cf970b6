//! The conformance suite: is this driver right?
//!
//! # For authors of drivers
//!
//! The whole glue is one file, `tests/conformance.rs`, with `harness = false` in `Cargo.toml`:
//!
//! ```no_run
//! use persistence_tests::NoSqlHarness;
//! # use std::sync::Arc;
//! # type MyDriver = persistence_tests::narrow::Narrow;
//! # async fn open(_: &std::path::Path) -> persistence_tests::core::Result<MyDriver> { unimplemented!() }
//!
//! fn main() -> std::process::ExitCode {
//!     let harness = NoSqlHarness::new("mine", |space| async move {
//!         // Embedded: `space.dir()` is a fresh directory. A server: `space.name()` is a name nobody else has.
//!         Ok(Arc::new(open(space.dir()).await?) as _)
//!     });
//!     persistence_tests::main(harness.waive("scan::many_rows", "a page of the server ends at 5,000 rows"))
//! }
//! ```
//!
//! Then `cargo test` lists every case by name, `mine/nosql/scan::byte_order` for instance, runs them all at once, and
//! takes a filter: `cargo test -p driver-mine nosql/scan`. A failure tells the rule, the seed and where the data is. A
//! case that the driver cannot run is listed as ignored with the reason; it is never a pass. The suites are
//!
//! | suite | what |
//! |---|---|
//! | `nosql` | the driver contract alone: [`RowStore`](persistence_nosql::row::RowStore). Begin here |
//! | `generic` | every store, through [`Persistence`](persistence_core::Persistence) |
//! | `faults` | the writes of `generic` once more, while answers get lost and requests arrive late |
//! | `narrow` | `generic` as if the driver were not atomic across partitions, if the harness asks for it |
//!
//! With `PERSISTENCE_REPORT_DIR` set each run writes `<driver>.json` there; [`Report::merge`] makes a matrix for
//! the terminal, JUnit and an HTML page of them. `PERSISTENCE_TESTS_SEED` repeats a run's random choices.
//!
//! # For authors of cases
//!
//! [`cases!`] declares and lists cases; [`Fixture`] says what a generic case gets, [`nosql::RowFixture`] what a case of
//! the driver contract gets. Cases run beside each other on one database: use fresh ids, or ask for isolation `Own`.
//! [`mod@race`] has races that prove that they were races, [`Faults`] what can go wrong. [`mod@coverage`] fails when a rule,
//! an operation or an error has no case.

// A case fails by panicking; that is what it is for.
#![allow(clippy::unwrap_used)]

pub mod build;
pub mod case;
#[cfg(feature = "containers")]
pub mod cluster;
pub mod coverage;
pub mod faults;
pub mod faulty;
pub mod faulty_sql;
pub mod fixture;
pub mod fixtures;
pub mod generic;
mod guard;
pub mod harness;
mod model;
pub mod mutants;
pub mod narrow;
pub mod nosql;
mod nosql_harness;
pub mod outage;
pub mod proxy;
pub mod race;
pub mod report;
pub mod runner;
#[cfg(feature = "containers")]
pub mod server;
pub mod space;
pub mod sql;
mod sql_harness;
mod statements;
mod trials;
#[cfg(feature = "containers")]
pub mod wire;

pub use case::{Case, CaseResult, Failure, Isolation, Kind};
#[cfg(feature = "containers")]
pub use cluster::Cluster;
pub use faults::{Fault, FaultRule, Faults, Injected};
pub use faulty::Faulty;
pub use fixture::Fixture;
pub use harness::Harness;
pub use nosql_harness::NoSqlHarness;
pub use persistence_core as core;
pub use report::{Report, Waiver};
pub use runner::Runner;
#[cfg(feature = "containers")]
pub use server::Server;
pub use space::Space;
pub use sql::SqlProbe;
pub use sql_harness::SqlHarness;
pub use trials::{REPORT_DIR, main};
