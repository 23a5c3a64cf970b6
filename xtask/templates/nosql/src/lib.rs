//! The acme driver.
//!
//! | file | what |
//! |---|---|
//! | `store.rs` | [`RowStore`](persistence_nosql::row::RowStore) for the database: the driver itself |
//! | `connect.rs` | the driver's URLs |
//! | `tests/conformance.rs` | the proof: `cargo test` tells what is still missing |

mod connect;
mod store;

pub use connect::connector;
pub use store::Acme;

/// The scheme of its URLs, `acme:…`, and its name in errors and reports.
pub const SCHEME: &str = "acme";
