//! The SQL-driver suite: the contract of [`SqlDriver`](persistence_sql::driver::SqlDriver) alone, without a store on top. It uses
//! the tables of the schema, so that it needs no DDL of its own.

mod drift;
mod error;
pub mod fixture;
mod noting;
mod plan;
mod remade;
mod schema;
mod server;
mod transaction;
mod value;
mod waiting;

pub use fixture::SqlFixture;
pub use server::SqlProbe;

use crate::Case;

/// The cases that only servers can show.
pub fn server_cases() -> Vec<Case<SqlFixture>> {
    server::cases()
}

/// Every case of the driver contract that all databases can show.
pub fn cases() -> Vec<Case<SqlFixture>> {
    [
        schema::cases(),
        value::cases(),
        transaction::cases(),
        error::cases(),
        waiting::cases(),
        plan::cases(),
        drift::cases(),
        remade::cases(),
    ]
    .concat()
}
