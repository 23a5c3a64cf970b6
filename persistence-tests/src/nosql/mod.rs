//! The NoSQL-driver suite: the contract of [`RowStore`](persistence_nosql::row::RowStore) alone, without a store on top.

mod atomic;
mod check;
mod drift;
mod durability;
pub mod fixture;
mod get;
mod limit;
mod op;
mod partitions;
mod race;
pub mod rows;
mod scan;
mod schema;
mod snapshot;
mod value;

pub use fixture::RowFixture;

use crate::Case;

/// Every case of the driver contract.
pub fn cases() -> Vec<Case<RowFixture>> {
    [
        schema::cases(),
        value::cases(),
        get::cases(),
        scan::cases(),
        check::cases(),
        op::cases(),
        atomic::cases(),
        snapshot::cases(),
        race::cases(),
        partitions::cases(),
        limit::cases(),
        durability::cases(),
        drift::cases(),
    ]
    .concat()
}
