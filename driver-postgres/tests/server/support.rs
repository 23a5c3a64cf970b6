//! The server, and what tests ask of it.

use driver_postgres::{Builder, Postgres};
use libtest_mimic::Completion;
use persistence_sql::core::{Context, Error, Result};
use persistence_sql::driver::SqlDriver;
use persistence_sql::value::{Kind, Value};
use persistence_tests::Server;
use std::error::Error as _;
use std::fmt::Write;

pub(crate) static SERVER: Server =
    Server::new("postgres", "postgres:18", 5432, "database system is ready to accept connections")
        .env(&[("POSTGRES_HOST_AUTH_METHOD", "trust")])
        .args(&["-c", "fsync=off"])
        .data_in_memory("/var/lib/postgresql");

pub(crate) type Outcome = std::result::Result<Completion, String>;

/// Passed.
pub(crate) const PASSED: Outcome = Ok(Completion::Completed);

/// The server, as `postgres://user@host:port`.
pub(crate) async fn server() -> String {
    SERVER.url(|host, port| format!("postgres://postgres@{host}:{port}")).await.unwrap()
}

/// Whether the server is ours, so that its configuration may be changed.
pub(crate) fn is_ours() -> bool {
    std::env::var_os("PERSISTENCE_POSTGRES_URL").is_none_or(|url| url.is_empty())
}

/// The same server for another user.
pub(crate) fn with_user(server: &str, user: &str) -> String {
    let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
    format!("postgres://{user}@{host}")
}

pub(crate) fn host_and_port(server: &str) -> (String, u16) {
    let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
    let (host, port) = host.rsplit_once(':').unwrap();
    (host.to_owned(), port.parse().unwrap())
}

/// A name that nobody has.
pub(crate) fn fresh(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::now_v7().simple())
}

pub(crate) async fn open(url: &str) -> Result<Postgres> {
    Builder::new(url)?.open().await
}

/// The administrator's connection.
pub(crate) async fn admin() -> Postgres {
    open(&format!("{}/postgres?pool_size=4", server().await)).await.unwrap()
}

/// Runs a statement.
pub(crate) async fn run(db: &Postgres, sql: &str) -> Result<u64> {
    db.acquire(&Context::new()).await?.execute(sql, Vec::new()).await
}

/// The number that a query gives.
pub(crate) async fn number(db: &Postgres, sql: &str, args: Vec<Value>) -> Result<i64> {
    let mut rows = db.acquire(&Context::new()).await?.query("test", sql, args, &[Kind::Int]).await?;
    rows.pop().unwrap().int()
}

/// The text that a query gives.
pub(crate) async fn text(db: &Postgres, sql: &str) -> Result<String> {
    let mut rows = db.acquire(&Context::new()).await?.query("test", sql, Vec::new(), &[Kind::Text]).await?;
    rows.pop().unwrap().text()
}

/// Everything that an error says, its causes included.
pub(crate) fn everything(e: &Error) -> String {
    let mut text = format!("{e} {e:?}");
    let mut next = e.source();
    while let Some(cause) = next {
        let _ = write!(text, " {cause} {cause:?}");
        next = cause.source();
    }
    text
}
