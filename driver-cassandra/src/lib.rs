//! Driver for Apache Cassandra, on `scylla`: `cassandra://user:password@host1,host2:port/keyspace?option=value`.
//!
//! | option of the URL | meaning | default |
//! |---|---|---|
//! | `contact_points` | more nodes to ask for the others, `host:port,…`, where they do not share one port | none |
//! | `datacenter` | the client's own; its nodes are used | all |
//! | `replication` | `DATACENTER:COPIES,…` or `SimpleStrategy:COPIES`: a keyspace that is missing is made with it | none is made |
//! | `consistency` | `local_quorum`, with `LOCAL_SERIAL`, or `quorum`, with `SERIAL` | `local_quorum` |
//! | `tls` | `off`, `verify-ca`, or `verify-full`: certificates name the addresses of their nodes | `off`; `verify-full` with a CA |
//! | `ca` | the CAs that are trusted, a PEM file | none |
//! | `cert`, `key` | the client's certificate and key, PEM files | none |
//! | `addresses` | where nodes are for this client, `IP:PORT/IP:PORT,…`: first what the node tells | as told |
//! | `connections` | how many there are to each node; each carries thousands of calls at once | 1 |
//! | `connect_timeout` | how long a new connection may take | `5s` |
//! | `request_timeout` | how long an answer may take when the caller set no deadline | `12s` |
//! | `keepalive` | how often a node is asked whether it is there, and how long it may take to say so; at least `1s` | `5s` |
//! | `max_write_size` | the largest write | `14MiB` |
//! | `migrate` | whether opening sets up and upgrades the schema: `auto` or `never` | `auto` |

mod config;
mod connect;
mod error;
mod schema;
mod session;
mod statement;
mod store;
mod write;

pub use config::{Agreement, Builder, Replication};
pub use connect::connector;
pub use persistence_nosql::tls::Tls;
pub use store::Cassandra;

/// The scheme of its URLs.
pub const SCHEME: &str = "cassandra";
