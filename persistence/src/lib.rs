//! One persistence contract, many databases: which one holds the bytes is a Cargo feature and a URL.
//!
//! ```
//! use persistence::store::GetOrCreateShard;
//! use persistence::{Blob, Context, ShardId};
//!
//! # #[cfg(feature = "memory")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> persistence::Result<()> {
//! let db = persistence::connect("memory:").await?;
//! let acquire = GetOrCreateShard {
//!     shard_id: ShardId(1),
//!     initial_range_id: 1,
//!     initial_info: Blob::json(r#"{"owner": "me"}"#),
//! };
//! let shard = db.shards().get_or_create_shard(&Context::new(), &acquire).await?;
//! assert_eq!(shard.range_id, 1);
//! db.close().await
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```
//!
//! The traits, requests and errors are those of [`persistence_core`], all of it re-exported here; begin with
//! [`Persistence`], the handle that gives the stores, and [`store`], what they do.
//! `examples/engine_loop.rs` is a small engine: it owns a shard, commits transitions, and is fenced out.
//!
//! | URL | Cargo feature | what it is |
//! |---|---|---|
//! | `cassandra://user:password@host1,host2/keyspace` | `cassandra` | an Apache Cassandra cluster |
//! | `fjall:./data` | `fjall` (default) | an embedded database in a directory, for one process |
//! | `memory:` | `memory` (default) | a new database in memory, gone when it is closed |
//! | `mysql://user:password@host/database` | `mysql` | a MySQL server |
//! | `postgres://user:password@host/database`, also `postgresql:` | `postgres` | a PostgreSQL server |
//! | `sqlite:./data.db`, `sqlite::memory:` | `sqlite` | one SQLite file, for several processes |
//!
//! The feature `all` has them all.
//!
//! A driver of one's own needs no change here:
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! # use driver_memory as driver_foo;
//! let registry = persistence::registry().with(driver_foo::connector());
//! # let _ = registry;
//! # }
//! ```

pub use persistence_core::*;

use persistence_core::connect::Registry;
use std::sync::Arc;

/// Every driver that this crate can be built with: its scheme, and the feature that adds it.
const DRIVERS: &[(&str, &str)] = &[
    ("cassandra", "cassandra"),
    ("fjall", "fjall"),
    ("memory", "memory"),
    ("mysql", "mysql"),
    ("postgres", "postgres"),
    ("sqlite", "sqlite"),
];

/// The schemes of the drivers that this crate was built with.
#[must_use]
pub fn registry() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "cassandra")]
    let registry = registry.with(driver_cassandra::connector());
    #[cfg(feature = "fjall")]
    let registry = registry.with(driver_fjall::connector());
    #[cfg(feature = "memory")]
    let registry = registry.with(driver_memory::connector());
    #[cfg(feature = "mysql")]
    let registry = registry.with(driver_mysql::connector());
    #[cfg(feature = "postgres")]
    let registry = registry.with(driver_postgres::connector()).with_alias("postgresql", "postgres");
    #[cfg(feature = "sqlite")]
    let registry = registry.with(driver_sqlite::connector());
    registry
}

/// Connects to the database that a URL names, with the system's clock and random ids.
///
/// Fails with `InvalidArgument` for a URL that no driver here understands, and says which Cargo feature would. No error
/// shows a password.
pub async fn connect(url: &str) -> Result<Arc<dyn Persistence>> {
    connect_with(url, &Env::default()).await
}

/// The same with one's own clock and ids.
pub async fn connect_with(url: &str, env: &Env) -> Result<Arc<dyn Persistence>> {
    registry_for(url)?.connect(url, env).await
}

/// Sets up, upgrades or inspects the schema of the database that a URL names, without opening it.
pub async fn schema_of(url: &str, op: schema::SchemaOp) -> Result<schema::SchemaStatus> {
    registry_for(url)?.schema(url, op).await
}

/// The schemes that this crate was built with, if that of the URL is one of them.
fn registry_for(url: &str) -> Result<Registry> {
    let registry = registry();
    match scheme(url).filter(|s| !registry.schemes().any(|known| known == s)) {
        Some(scheme) => Err(Error::invalid("url", unknown(&scheme, &registry))),
        None => Ok(registry),
    }
}

/// The scheme of a URL, if it has one. Only that part may be quoted in an error: the rest may hold a password.
fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let good = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(allowed);
    good.then(|| scheme.to_ascii_lowercase())
}

fn unknown(scheme: &str, registry: &Registry) -> String {
    let known: Vec<String> = registry.schemes().map(|s| format!("{s}:")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let mut rule = format!("unknown scheme {scheme}:, this program knows {known}");
    if let Some((_, feature)) = DRIVERS.iter().find(|(s, _)| *s == scheme) {
        rule.push_str(&format!("; {scheme}: needs the Cargo feature \"{feature}\" of the crate persistence"));
    } else {
        let absent = DRIVERS.iter().filter(|(s, _)| !registry.schemes().any(|known| known == *s));
        let absent: Vec<String> = absent.map(|(s, f)| format!("\"{f}\" ({s}:)")).collect();
        if !absent.is_empty() {
            rule.push_str(&format!("; Cargo features of the crate persistence add {}", absent.join(", ")));
        }
    }
    rule
}

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Those of the page on documents.
#[cfg(doctest)]
#[doc = include_str!("../../docs/documents.md")]
struct Documents;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scheme_of_a_url_is_ever_quoted() {
        assert_eq!(scheme("FJALL:./data").as_deref(), Some("fjall"));
        assert_eq!(scheme("user:secret@host").as_deref(), Some("user"));
        assert_eq!(scheme("./data"), None);
        assert_eq!(scheme("pass word:x"), None);
    }

    #[test]
    fn an_unknown_scheme_names_the_feature_that_would_add_it() {
        let nothing = Registry::new();
        assert_eq!(
            unknown("fjall", &nothing),
            "unknown scheme fjall:, this program knows none; fjall: needs the Cargo feature \"fjall\" of the crate persistence"
        );
        let other = unknown("redis", &nothing);
        assert!(
            other.contains("features of the crate persistence add \"cassandra\" (cassandra:), \"fjall\" (fjall:), \"memory\" (memory:)"),
            "{other}"
        );
        assert!(other.ends_with("(postgres:), \"sqlite\" (sqlite:)"), "{other}");
        #[cfg(feature = "all")]
        assert_eq!(
            unknown("redis", &registry()),
            "unknown scheme redis:, this program knows cassandra:, fjall:, memory:, mysql:, postgres:, postgresql:, sqlite:"
        );
    }

    #[tokio::test]
    async fn connecting_elsewhere_fails_before_anything_is_opened() {
        let e = connect("redis://me:secret@host/db").await.err().unwrap();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        assert!(e.to_string().contains("unknown scheme redis:"), "{e}");
        assert!(!format!("{e:?}").contains("secret"));
        assert_eq!(connect("no url").await.err().unwrap().kind(), ErrorKind::InvalidArgument);
    }
}
