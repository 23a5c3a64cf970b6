//! Driver for SQLite, on `sqlx` with SQLite bundled: one file, durable by default, shared by several processes, which SQLite
//! serializes. `sqlite::memory:` is a database that lives as long as its handle.
//!
//! | option of the URL | meaning | default |
//! |---|---|---|
//! | `readers` | the most connections that read at once | 8 |
//! | `busy_timeout` | how long to wait for another process's write | `5s` |
//! | `synchronous` | `full`, or `normal`: then the last commits may be lost with power | `full` |
//! | `statement_cache` | prepared statements that each connection keeps; 0 for none | 256 |
//! | `table_prefix` | what the names of tables begin with | none |
//! | `migrate` | whether opening sets up and upgrades the schema: `auto` or `never` | `auto` |

mod config;
mod connection;
mod dialect;
mod error;
mod migrate;
mod store;

pub use config::{Builder, Synchronous};
pub use store::{Sqlite, connector};
