//! Driver for MySQL (tested with 9.7), on `sqlx`.
//!
//! `mysql://user:password@host:port/database?option=value`; a host that is a path, percent-encoded, is a Unix socket.
//!
//! | option of the URL | meaning | default |
//! |---|---|---|
//! | `table_prefix` | what the names of tables begin with | none |
//! | `migrate` | whether opening sets up and upgrades the schema: `auto` or `never` | `auto` |
//! | `pool_size` | the most connections | 16 |
//! | `acquire_timeout` | how long to wait for one when the caller set no deadline | `10s` |
//! | `connect_timeout` | how long a new one may take | `10s` |
//! | `idle_timeout`, `max_lifetime` | when a connection is closed, and when replaced | `10min`, `30min` |
//! | `statement_timeout` | how long the server works on a `SELECT` | unlimited |
//! | `transitions` | `procedure`: one call each, if there are procedures or the user may create them; or `transaction` | `procedure` |
//! | `statement_cache` | prepared statements that each connection keeps; 0 for none | 256 |
//! | `sslmode` | `disable`, `prefer`, `require`, `verify-ca` or `verify-full` | `prefer`; `verify-full` with a CA |
//! | `sslrootcert` | the CAs that are trusted, a PEM file | the usual ones |
//! | `sslcert`, `sslkey` | the client's certificate and key, PEM files | none |

mod config;
mod connection;
mod dialect;
mod error;
mod migrate;
mod procedure;
mod store;

pub use config::Builder;
pub use store::{Mysql, connector};
