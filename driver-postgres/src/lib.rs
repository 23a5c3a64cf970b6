//! Driver for PostgreSQL, on `sqlx`: `postgres://user:password@host:port/database?option=value`.
//!
//! | option of the URL | meaning | default |
//! |---|---|---|
//! | `schema` | the schema that the tables are in; `setup` creates it | the user's own |
//! | `table_prefix` | what the names of tables begin with | none |
//! | `migrate` | whether opening sets up and upgrades the schema: `auto` or `never` | `auto` |
//! | `pool_size` | the most connections | 16 |
//! | `acquire_timeout` | how long to wait for one when the caller set no deadline | `10s` |
//! | `connect_timeout` | how long a new one may take | `10s` |
//! | `idle_timeout`, `max_lifetime` | when a connection is closed, and when replaced | `10min`, `30min` |
//! | `statement_timeout` | how long the server works on a statement | unlimited |
//! | `statement_cache` | prepared statements that each connection keeps; 0 behind PgBouncer before 1.21 | 256 |
//! | `application_name` | what the server calls the connections | `persistence` |
//! | `sslmode` | `disable`, `prefer`, `require`, `verify-ca` or `verify-full` | `prefer`; `verify-full` with a CA |
//! | `sslrootcert` | the CAs that are trusted, a PEM file | the usual ones |
//! | `sslcert`, `sslkey` | the client's certificate and key, PEM files | none |

mod config;
mod connection;
mod dialect;
mod error;
mod migrate;
mod store;

pub use config::Builder;
pub use store::{Postgres, connector};
