//! The conformance suite.

#![allow(clippy::unwrap_used)]

pub mod case;
pub mod faults;
pub mod fixture;
pub mod generic;
pub mod space;

pub use case::{Case, CaseResult, Isolation, Kind};
pub use faults::{Fault, FaultRule, Faults, Injected};
pub use fixture::Fixture;
pub use persistence_core as core;
pub use space::Space;
