//! The embedded default driver: [fjall](https://docs.rs/fjall), an LSM tree in one directory of one process.
//!
//! ```no_run
//! # async fn example() -> persistence_nosql::core::Result<()> {
//! use driver_fjall::{Fjall, SyncMode};
//! let store = Fjall::builder("./data").with_sync(SyncMode::Data).with_cache_bytes(64 << 20).open().await?;
//! # Ok(()) }
//! ```
//!
//! | module | what |
//! |---|---|
//! | `config` | URL and builder |
//! | `connect` | the scheme `fjall:` |
//! | `store` | the [`RowStore`](persistence_nosql::row::RowStore): reads, closing |
//! | `engine` | decides a batch of writes in order and commits it once, behind the group committer |
//! | `tables` | the keyspaces, and the snapshot that reads run on |
//! | `keys` | how partition, key and row become a key and a value, and which may |
//! | `open` | opening: what is there, whose it is, which version |
//! | `home` | the directory, and the record of what was synced |
//! | `journal` | checks the journal before fjall reads it, and cuts a torn tail |
//! | `errors` | every error of fjall, classified once |
//!
//! # What it promises
//!
//! * A write is acknowledged when it is on disk ([`SyncMode::Data`], the default), and is visible only then.
//! * Reads never wait for writers. A scan is one snapshot, also over memtables that are being flushed.
//! * One write may span partitions and tables.
//! * One process has the directory; the second one, and a second handle in the same, gets `Locked`.
//! * After a crash nothing acknowledged is missing and nothing is half there. When that cannot be shown, opening
//!   says `Corrupted` and changes nothing.
//! * After a failed sync nothing is written any more: every later write is `Unavailable`, `NotApplied`, until
//!   the store is reopened. A sync is never tried again, because its second success would mean nothing.

mod config;
mod connect;
mod engine;
mod errors;
mod home;
mod journal;
mod keys;
mod open;
mod store;
mod tables;

pub use config::{Builder, MAX_VALUE, SyncMode};
pub use connect::connector;
pub use store::Fjall;
